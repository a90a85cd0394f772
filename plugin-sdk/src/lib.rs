//! Write Frontdesk plugins in Rust.
//!
//! A plugin is one WebAssembly component. It implements [`notifier::Notifier`] to deliver notifications,
//! [`widget::Widget`] to draw dashboard widgets, or both, and hands its type to [`notifier!`] or [`widget!`]:
//!
//! ```
//! use frontdesk_plugin_sdk::{Answer, Failure, Nothing, log, notifier::{Notification, Notifier}};
//! use serde::Deserialize;
//!
//! #[derive(Debug, Deserialize)]
//! struct Settings {
//!     prefix: String,
//! }
//!
//! struct Journal;
//!
//! impl Notifier for Journal {
//!     type Settings = Settings;
//!     type Rule = Nothing;
//!
//!     fn check(settings: Settings) -> Answer {
//!         if settings.prefix.is_empty() {
//!             return Err(Failure::misconfigured("The prefix is empty").setting("prefix"));
//!         }
//!         Ok(Some(format!("Writes lines that begin with {}", settings.prefix)))
//!     }
//!
//!     fn send(notification: Notification, settings: Settings, _: Nothing) -> Answer {
//!         log::info(format!("{}{}", settings.prefix, notification.title));
//!         Ok(None)
//!     }
//! }
//!
//! frontdesk_plugin_sdk::notifier!(Journal);
//! # fn main() {}
//! ```
//!
//! What a plugin may ask of the host stands in [`log`], [`mail`], [`service`], [`now`] and [`random`]. There is
//! nothing else: no files, no sockets, no environment. Compiled for the machine at hand instead of `wasm32`,
//! the same calls reach a fake host, so that `cargo test` runs a plugin as it is: see `testing` there.
//!
//! `README.md` beside this crate is the guide.
#![deny(missing_docs)]

#[doc(hidden)]
pub mod bindings;
mod failure;
mod glue;
#[cfg_attr(target_arch = "wasm32", path = "host/wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "host/fake.rs")]
mod host;
pub mod log;
pub mod mail;
pub mod notifier;
mod random;
pub mod service;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
pub mod view;
pub mod widget;

pub use bindings::frontdesk::plugin::types::{Failure, Link, Problem, Tone};
pub use glue::Nothing;
pub use random::{MAX_RANDOM, random};
pub use time::{ParseTimestampError, Timestamp, now};

pub use serde_json;

/// What `check`, `send` and `act` answer: a sentence or an id where there is one, or why it did not work.
pub type Answer = Result<Option<String>, Failure>;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
