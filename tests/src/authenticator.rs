//! A security key in software, plugged into a browser that shows one page of the service.

use serde_json::Value;
use webauthn_authenticator_rs::prelude::{Url, WebauthnAuthenticator};
use webauthn_authenticator_rs::softtoken::SoftToken;

/// Verifies its holder when it is asked to, and counts its uses. It is no browser where that matters to an attacker: it
/// ignores `excludeCredentials`, and signs for whatever origin it was made with.
pub struct Authenticator {
    token: SoftToken,
    origin: Url,
}

impl Authenticator {
    /// `origin` is what the browser would write into the answers: `http://localhost:8080`.
    pub fn new(origin: &str) -> Self {
        let (token, _) = SoftToken::new(true).expect("a software key is made");
        Self { token, origin: origin.parse().expect("an origin is an address") }
    }

    /// A second key with the same secrets and counter, as a thief would have it.
    pub fn copied(&self) -> Self {
        let bytes = self.token.to_cbor().expect("a software key can be written down");
        let token = SoftToken::from_cbor(&bytes).expect("and read again");
        Self { token, origin: self.origin.clone() }
    }

    /// What `navigator.credentials.create()` gives for `{"publicKey": …}`, as JSON.
    pub fn register(&mut self, options: &Value) -> Value {
        let asked = serde_json::from_value(options.clone())
            .unwrap_or_else(|error| panic!("no options to register with: {error}\n{options}"));
        let answer = self.token.do_registration(self.origin.clone(), asked);
        let answer = answer.unwrap_or_else(|error| panic!("the key did not register: {error:?}\n{options}"));
        serde_json::to_value(answer).expect("an answer is JSON")
    }

    /// What `navigator.credentials.get()` gives for `{"publicKey": …}`, as JSON.
    pub fn assert(&mut self, options: &Value) -> Value {
        let asked = serde_json::from_value(options.clone())
            .unwrap_or_else(|error| panic!("no options to assert with: {error}\n{options}"));
        let answer = self.token.do_authentication(self.origin.clone(), asked);
        let answer = answer.unwrap_or_else(|error| panic!("the key did not answer: {error:?}\n{options}"));
        serde_json::to_value(answer).expect("an answer is JSON")
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authenticator({})", self.origin)
    }
}
