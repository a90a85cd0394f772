//! Remembers every secret that passes through the tests' hands, to look for them where they must not be.

use crate::token_of;
use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The names under which the API carries secrets, both ways.
const FIELDS: [&str; 4] = ["token", "password", "challenge", "secret"];
/// The names under which it carries what is said to security keys and by them: nothing of it is secret.
const KEYS: [&str; 3] = ["options", "security_key", "credential"];

#[derive(Debug, Default, Clone)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    pub fn keep(&self, secret: &str) {
        self.0.lock().expect("no holder panics").insert(secret.to_owned());
    }

    pub fn keep_link(&self, link: &str) {
        self.keep(token_of(link));
    }

    /// As they are shown, and as they are read.
    fn keep_codes(&self, codes: &[Value]) {
        for code in codes.iter().filter_map(Value::as_str) {
            self.keep(code);
            self.keep(&code.replace('-', ""));
        }
    }

    /// Keeps what a body carries, wherever it stands in it.
    pub fn keep_from(&self, body: &Value) {
        match body {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if FIELDS.contains(&name.as_str()) => self.keep(text),
                        // The log's chain has links, too, which are no addresses.
                        Value::String(link) if name == "link" && link.contains("://") => self.keep_link(link),
                        Value::Array(codes) if name == "recovery_codes" => self.keep_codes(codes),
                        _ if KEYS.contains(&name.as_str()) => {}
                        nested => self.keep_from(nested),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.keep_from(item)),
            _ => {}
        }
    }

    /// Panics with the place, and not with the secret, if one stands in `bytes`: as it is, or encoded, or decoded.
    pub fn are_not_in(&self, place: &str, bytes: &[u8]) {
        let secrets = self.0.lock().expect("no holder panics");
        assert!(!secrets.is_empty(), "a search for nothing finds nothing");
        for secret in &*secrets {
            // Shorter ones are the deliberately wrong ones of some tests and stand in other words by chance.
            if secret.len() < 12 {
                continue;
            }
            let mut forms =
                vec![secret.clone().into_bytes(), HEXLOWER.encode(secret.as_bytes()).into_bytes()];
            forms.push(BASE64.encode(secret.as_bytes()).trim_end_matches('=').as_bytes().to_vec());
            if let Ok(random) = BASE64URL_NOPAD.decode(secret.as_bytes()) {
                forms.push(HEXLOWER.encode(&random).into_bytes());
                forms.push(random);
            }
            // A seed, as apps are told it.
            if let Ok(seed) = BASE32_NOPAD.decode(secret.as_bytes()) {
                forms.push(HEXLOWER.encode(&seed).into_bytes());
                forms.push(BASE64.encode(&seed).into_bytes());
                forms.push(seed);
            }
            for form in forms {
                let found = bytes.windows(form.len()).any(|window| window == form);
                assert!(!found, "{place} holds a secret in the clear, of {} characters", secret.len());
            }
        }
    }
}
