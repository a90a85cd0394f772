//! Log lines, tagged by the host with the plugin and the call. The admin reads them under the plugin.
//!
//! The host keeps 100 lines of 2 KiB a call. Never log a secret or a whole message.

use crate::host;

pub use crate::bindings::frontdesk::plugin::log::Level;

/// For whoever looks for the reason of a problem.
pub fn debug(message: impl AsRef<str>) {
    host::log(Level::Debug, message.as_ref());
}

/// What happened, in the normal course.
pub fn info(message: impl AsRef<str>) {
    host::log(Level::Info, message.as_ref());
}

/// What an admin should look at when there is time.
pub fn warn(message: impl AsRef<str>) {
    host::log(Level::Warn, message.as_ref());
}

/// What went wrong. For what the admin must act upon answer a [`Failure`](crate::Failure) instead.
pub fn error(message: impl AsRef<str>) {
    host::log(Level::Error, message.as_ref());
}
