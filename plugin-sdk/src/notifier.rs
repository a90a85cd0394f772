//! Delivering notifications.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Answer, Failure, bindings::notifier::exports::frontdesk::plugin::notifier::Guest, glue, host};

pub use crate::bindings::notifier::exports::frontdesk::plugin::notifier::{
    Attribute, Choice, Notification, Recipient,
};

/// A notification provider. Register it with [`notifier!`](crate::notifier!).
pub trait Notifier {
    /// The provider's settings, as `[[setting]]` in the manifest declares them. A secret is `true` or absent.
    type Settings: DeserializeOwned;
    /// What a rule adds, as `[[rule_setting]]` declares it; [`Nothing`](crate::Nothing) where there is none.
    type Rule: DeserializeOwned;

    /// Tries settings, saved or not yet, and answers a sentence for the admin: "Connected to Acme as
    /// @frontdesk".
    ///
    /// # Errors
    ///
    /// Why they do not work, best with the key of the setting at fault.
    fn check(settings: Self::Settings) -> Answer;

    /// The choices of a rule's dynamic field. `search` is what the admin typed, `rule` what is filled in so far,
    /// which need not be a complete rule yet.
    ///
    /// # Errors
    ///
    /// Why they cannot be had; the form shows the sentence. Without an implementation, that there are none.
    fn options(
        field: &str,
        search: &str,
        settings: Self::Settings,
        rule: Value,
    ) -> Result<Vec<Choice>, Failure> {
        let _ = (search, settings, rule);
        Err(Failure::rejected(format!("the plugin has no choices for {field}")))
    }

    /// One attempt to deliver. Answers the other side's id of the message, where it has one.
    ///
    /// Attempts of one delivery carry the same `notification.id`: use it as idempotency key.
    ///
    /// # Errors
    ///
    /// `retry` for what passes, `rejected` for this message alone, `misconfigured` for every message.
    fn send(notification: Notification, settings: Self::Settings, rule: Self::Rule) -> Answer;
}

impl Notification {
    /// The event's own fields.
    ///
    /// # Errors
    ///
    /// `rejected`, where they do not fit the type.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        glue::document("the event's data", &self.data)
    }
}

impl Choice {
    /// A choice: the id goes into the rule, the name is what the admin sees.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), description: None }
    }

    /// A line below the name.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// What [`notifier!`](crate::notifier!) exports: the interface's texts on one side, the author's types on the other.
#[doc(hidden)]
#[derive(Debug)]
pub struct Glue<T>(PhantomData<T>);

impl<T: Notifier> Guest for Glue<T> {
    fn check(settings: String) -> Answer {
        host::install_panic_hook();
        T::check(glue::settings(&settings)?)
    }

    fn options(
        field: String,
        search: String,
        settings: String,
        rule: String,
    ) -> Result<Vec<Choice>, Failure> {
        host::install_panic_hook();
        T::options(&field, &search, glue::settings(&settings)?, glue::rule(&rule)?)
    }

    fn send(notification: Notification, settings: String, rule: String) -> Answer {
        host::install_panic_hook();
        T::send(notification, glue::settings(&settings)?, glue::rule(&rule)?)
    }
}

/// Makes a type that implements [`Notifier`](crate::notifier::Notifier) the component's notifier. Once a crate.
#[macro_export]
macro_rules! notifier {
    ($plugin:ty) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::notifier::Glue<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::notifier::export_notifier!(Exported with_types_in $crate::bindings::notifier);

            const fn is_a_notifier<T: $crate::notifier::Notifier>() {}
            is_a_notifier::<$plugin>();
        };
    };
}
