use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;

use url::Url;

use super::public_url::is_loopback;
use super::reader::{Section, toml_text};

/// How many front ends may be listed. Who has more has a pattern in mind, and patterns let strangers in.
const MOST: usize = 100;

/// Where a front end comes from, as browsers say it in `Origin` (RFC 6454, section 7): scheme and host in lower case, the
/// port unless it is the scheme's own, and nothing after it. Only what is equal to the byte is that origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Reads `cors_origins`; one that is written twice counts once.
    pub(super) fn read(top: &mut Section<'_>) -> BTreeSet<Self> {
        let origins: BTreeSet<_> =
            top.list("cors_origins", Self::parse).unwrap_or_default().into_iter().collect();
        if origins.len() > MOST {
            let message = format!("cors_origins lists {} origins; at most {MOST} may call", origins.len());
            top.conflict(&["cors_origins"], message);
        }
        origins
    }

    /// The error is a sentence of its own.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            // Not repeated: what stands before it may be a password.
            return Err("an origin holds no user name, password or @".to_owned());
        }
        let shown = toml_text(text);
        if text.contains('*') {
            return Err(format!(
                "{shown} would let in whoever gets a name there; list each front end by its own, without *"
            ));
        }
        let none = || {
            format!("{shown} is no origin; write https:// and a host, such as https://console.example.com")
        };
        // Parsers forgive spaces and missing slashes; what they make of such text need not be what was meant.
        let (scheme, rest) = text.split_once("://").ok_or_else(none)?;
        let url = Url::parse(text).map_err(|_| none())?;
        let is_web = matches!(url.scheme(), "https" | "http") && scheme.eq_ignore_ascii_case(url.scheme());
        if !is_web || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(none());
        }
        let origin = url.origin().ascii_serialization();
        if rest.contains(['/', '\\', '?', '#']) {
            return Err(format!(
                "{shown} goes on after host and port, which an origin does not; write {origin}"
            ));
        }
        if url.domain().is_some_and(|name| name.ends_with('.')) {
            return Err(format!(
                "{shown} has a dot at the end of its host, which makes it another one; leave it out"
            ));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(format!(
                "{shown} is not encrypted, so anybody on the way could be that front end; serve it over https, \
                 http is for this machine only (http://localhost:5173)"
            ));
        }
        Ok(Self(origin))
    }

    /// Whether only a page on the visitor's own machine has it.
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_loopback(&url))
    }
}

/// To be looked up by what a request says.
impl Borrow<str> for WebOrigin {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
