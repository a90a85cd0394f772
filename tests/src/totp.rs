//! An authenticator app (RFC 6238), as phones have them.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use std::time::UNIX_EPOCH;

const STEP_S: u64 = 30;

pub struct AuthenticatorApp {
    seed: Vec<u8>,
}

impl AuthenticatorApp {
    /// Takes up what the service shows to somebody who begins to enrol.
    pub fn scanned(shown: &Value) -> Self {
        let secret = shown["secret"].as_str().unwrap_or_else(|| panic!("no seed in {shown}"));
        Self { seed: BASE32_NOPAD.decode(secret.as_bytes()).expect("a seed is shown in base32") }
    }

    pub fn with_seed(seed: &[u8]) -> Self {
        Self { seed: seed.to_vec() }
    }

    /// The code of the next step, as an app shows it whose clock is fast: good for a minute at least, whatever the
    /// service's clock does in between.
    pub fn code(&self) -> String {
        let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        self.code_at(now + STEP_S)
    }

    /// The code of a second since 1970.
    pub fn code_at(&self, second: u64) -> String {
        let mut mac =
            Hmac::<Sha1>::new_from_slice(&self.seed).expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(&(second / STEP_S).to_be_bytes());
        let hash = mac.finalize().into_bytes();
        // RFC 4226, section 5.3.
        let at = usize::from(hash[19] & 15);
        let cut = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff;
        format!("{:06}", cut % 1_000_000)
    }

    /// A code that is none of those the service could take now.
    pub fn wrong_code(&self) -> String {
        let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let near: Vec<_> = (0..=10).map(|step| self.code_at(now + step * STEP_S - 2 * STEP_S)).collect();
        let mut codes = (0..1_000_000).map(|code| format!("{code:06}"));
        codes.find(|code| !near.contains(code)).expect("there are a million")
    }
}

impl std::fmt::Debug for AuthenticatorApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticatorApp(..)")
    }
}
