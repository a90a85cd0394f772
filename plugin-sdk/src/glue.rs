//! From the interface's JSON texts to the author's types, alike for every kind.

use serde::{Deserialize, de::DeserializeOwned};

use crate::Failure;

/// For a plugin without settings, a rule without fields, a widget without preferences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Nothing {}

/// The settings document. The host has checked it against the manifest, so what does not fit here is a
/// difference between `plugin.toml` and the type.
pub(crate) fn settings<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| {
        let message = error.to_string();
        let failure = Failure::misconfigured(format!("the settings do not fit: {message}"));
        match missing_field(&message) {
            Some(key) => failure.setting(key),
            None => failure,
        }
    })
}

/// A rule's fields. Other rules of the provider may well be right: only this delivery fails.
pub(crate) fn rule<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::rejected(format!("the rule's settings do not fit: {error}")))
}

/// Anything else that the host hands over as JSON.
pub(crate) fn document<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::rejected(format!("{what} does not fit: {error}")))
}

/// serde says "missing field `key` at line 1 column 2".
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Settings {
        #[expect(dead_code, reason = "only decoded")]
        sender: String,
    }

    #[test]
    fn a_missing_setting_is_named() {
        let failure = settings::<Settings>("{}").unwrap_err();
        assert_eq!(failure.setting.as_deref(), Some("sender"));
        assert_eq!(failure.message, "the settings do not fit: missing field `sender` at line 1 column 2");
    }

    #[test]
    fn a_setting_of_another_type_is_no_named_one() {
        let failure = settings::<Settings>(r#"{"sender": 1}"#).unwrap_err();
        assert_eq!(failure.setting, None);
    }

    #[test]
    fn nothing_takes_any_document() {
        assert_eq!(rule::<Nothing>(r#"{"later": 1}"#), Ok(Nothing {}));
    }

    #[test]
    fn a_rule_that_does_not_fit_costs_one_delivery() {
        let failure = rule::<Settings>("[]").unwrap_err();
        assert_eq!(failure.kind, crate::Problem::Rejected);
    }
}
