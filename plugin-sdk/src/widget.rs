//! Drawing dashboard widgets. What a view is made of stands in [`view`](crate::view).

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Answer, Failure, Nothing,
    bindings::widget::exports::frontdesk::plugin::widget::{Guest, Request as RawRequest},
    glue, host,
};

pub use crate::bindings::widget::exports::frontdesk::plugin::widget::{View, Viewer};

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<S = Nothing, P = Nothing> {
    /// Which of the manifest's widgets.
    pub widget: String,
    /// Absent when the widget's cache is shared.
    pub viewer: Option<Viewer>,
    /// The plugin's settings.
    pub settings: S,
    /// The viewer's own settings of this widget.
    pub preferences: P,
}

/// One or several dashboard widgets. Register it with [`widget!`](crate::widget!).
pub trait Widget {
    /// The plugin's settings; [`Nothing`] where there are none.
    type Settings: DeserializeOwned;
    /// The viewer's own settings, as `[[widget.preference]]` declares them; [`Nothing`] where there are none,
    /// [`serde_json::Value`] where a component's widgets differ.
    type Preferences: DeserializeOwned;

    /// Draws the widget.
    ///
    /// # Errors
    ///
    /// Why it cannot be drawn; those who may see it are shown the sentence.
    fn render(request: Request<Self::Settings, Self::Preferences>) -> Result<View, Failure>;

    /// A button or a form was used; `action` is one of the manifest's `actions`. Answers a sentence to show, and
    /// the host renders again.
    ///
    /// # Errors
    ///
    /// Why it was not done. Without an implementation, that there is no such action.
    fn act(request: Request<Self::Settings, Self::Preferences>, action: &str, data: Value) -> Answer {
        let _ = (request, data);
        Err(Failure::rejected(format!("the widget has no action {action}")))
    }
}

/// What [`widget!`](crate::widget!) exports: the interface's texts on one side, the author's types on the other.
#[doc(hidden)]
#[derive(Debug)]
pub struct Glue<T>(PhantomData<T>);

impl<T: Widget> Guest for Glue<T> {
    fn render(request: RawRequest) -> Result<View, Failure> {
        host::install_panic_hook();
        T::render(typed::<T>(request)?)
    }

    fn act(request: RawRequest, action: String, data: String) -> Answer {
        host::install_panic_hook();
        T::act(typed::<T>(request)?, &action, glue::document("the action's data", &data)?)
    }
}

fn typed<T: Widget>(raw: RawRequest) -> Result<Request<T::Settings, T::Preferences>, Failure> {
    Ok(Request {
        widget: raw.widget,
        viewer: raw.viewer,
        settings: glue::settings(&raw.settings)?,
        preferences: glue::document("the viewer's settings", &raw.preferences)?,
    })
}

/// Makes a type that implements [`Widget`](crate::widget::Widget) the component's widget export. Once a crate:
/// several widgets are told apart by [`Request::widget`](crate::widget::Request::widget).
#[macro_export]
macro_rules! widget {
    ($plugin:ty) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::widget::Glue<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::widget::export_widget!(Exported with_types_in $crate::bindings::widget);

            const fn is_a_widget<T: $crate::widget::Widget>() {}
            is_a_widget::<$plugin>();
        };
    };
}
