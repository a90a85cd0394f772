//! The service's own HTTP API, read only.

use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// GETs a path such as `/v1/admin/staff/online?limit=20` and reads the answer.
///
/// The manifest names the paths a widget reads (`reads = ["/v1/admin/staff/online"]`); what it may see is what
/// the viewer may see or, for a shared widget, what the widget's required permission shows. Answers grow: let
/// the type pass over fields it does not know, as serde does by default.
///
/// # Errors
///
/// The service's refusal, or `rejected` with the path where the answer does not fit the type.
pub fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let answer = host::get(path)?;
    serde_json::from_str(&answer)
        .map_err(|error| Failure::rejected(format!("the service's answer to {path} does not fit: {error}")))
}
