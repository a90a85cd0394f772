//! Saying why something did not work, so that the host knows whether to retry and the admin what to change.

use crate::{Failure, Link, Problem};

impl Failure {
    fn new(kind: Problem, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after_s: None, setting: None }
    }

    /// A setting is wrong: the provider is paused and the admin is told. Name the setting with
    /// [`setting`](Self::setting) where it is known.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(Problem::Misconfigured, message)
    }

    /// This one will never be accepted, others may: it is not retried.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(Problem::Rejected, message)
    }

    /// Not now: the host tries again on its schedule, or as [`after`](Self::after) says.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(Problem::Retry, message)
    }

    /// Tries again after this many seconds, as a service's Retry-After asks.
    #[must_use]
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The key of the setting at fault, so that the form can point at it.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>) -> Self {
        self.setting = Some(key.into());
        self
    }
}

/// A document that was not what the plugin expects, with `?`. Another attempt would meet the same document.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::rejected(format!("unexpected JSON: {error}"))
    }
}

impl Link {
    /// A link with the words to click on.
    pub fn new(label: impl Into<String>, url: impl Into<String>) -> Self {
        Self { label: label.into(), url: url.into() }
    }
}
