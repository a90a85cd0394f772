//! The WIT package as Rust types. `notifier` and `widget` are bound as two worlds, because a component exports
//! one of them or both; everything they share is generated once.

mod notifier_world {
    wasmtime::component::bindgen!({
        world: "notifier-plugin",
        path: "../plugin-sdk/wit",
        imports: {
            "frontdesk:plugin/mail.submit": async | trappable,
            "frontdesk:plugin/service.get": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

mod widget_world {
    wasmtime::component::bindgen!({
        world: "widget-plugin",
        path: "../plugin-sdk/wit",
        exports: { default: async },
        additional_derives: [PartialEq],
        with: {
            "frontdesk:plugin/types": super::notifier_world::frontdesk::plugin::types,
            "frontdesk:plugin/log": super::notifier_world::frontdesk::plugin::log,
            "frontdesk:plugin/clock": super::notifier_world::frontdesk::plugin::clock,
            "frontdesk:plugin/random": super::notifier_world::frontdesk::plugin::random,
            "frontdesk:plugin/http": super::notifier_world::frontdesk::plugin::http,
            "frontdesk:plugin/mail": super::notifier_world::frontdesk::plugin::mail,
            "frontdesk:plugin/store": super::notifier_world::frontdesk::plugin::store,
            "frontdesk:plugin/service": super::notifier_world::frontdesk::plugin::service,
        },
    });
}

pub use notifier_world::exports::frontdesk::plugin::notifier::{Attribute, Choice, Notification, Recipient};
pub use notifier_world::frontdesk::plugin::log::Level;
pub use notifier_world::frontdesk::plugin::mail::Envelope;
pub use notifier_world::frontdesk::plugin::types::{Failure, Link, Problem, Tone};
pub use widget_world::exports::frontdesk::plugin::widget;

pub(super) use notifier_world::frontdesk::plugin::{clock, log, mail, random, service, types};
pub(super) use notifier_world::{NotifierPlugin, NotifierPluginIndices};
pub(super) use widget_world::{WidgetPlugin, WidgetPluginIndices};

impl Failure {
    /// Will never be accepted: not tried again.
    #[must_use]
    pub fn rejected(message: impl Into<String>) -> Self {
        Self { kind: Problem::Rejected, message: message.into(), retry_after_s: None, setting: None }
    }

    /// Not now: tried again after that many seconds, or on the schedule.
    #[must_use]
    pub fn retry(message: impl Into<String>, after_s: Option<u32>) -> Self {
        Self { kind: Problem::Retry, message: message.into(), retry_after_s: after_s, setting: None }
    }

    /// A setting is wrong: the provider pauses and the admin is told.
    #[must_use]
    pub fn misconfigured(message: impl Into<String>, setting: Option<String>) -> Self {
        Self { kind: Problem::Misconfigured, message: message.into(), retry_after_s: None, setting }
    }
}
