use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use frontdesk_core::second_factor::security_keys::RelyingParty;
use url::{Host, Url};

/// Where people reach the service: the only source of links and of the allowed `Origin`. An origin, and
/// below it a path when a proxy serves the service there; never with a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: Url,
    text: String,
}

impl PublicUrl {
    /// The error completes the sentence "public_url …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)
            .map_err(|error| format!("is not an address ({error}); write https://desk.example.com"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with https:// or http://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not hold ? or #".to_owned());
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, text })
    }

    /// What people on this machine would type when nothing is configured.
    pub fn of_bound_address(bound: SocketAddr) -> Self {
        let ip = match bound.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let text = format!("http://{}", SocketAddr::new(ip, bound.port()));
        Self::parse(&text).expect("an IP address and a port make a valid address")
    }

    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As browsers send it in `Origin`: without path, without a default port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The path below the origin, `""` when there is none.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// What security keys know the service as. None where browsers would not use them: on an IP address, or without
    /// encryption.
    pub fn relying_party(&self, name: &str) -> Option<RelyingParty> {
        RelyingParty::new(&self.url, name)
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host name; absent when the address is a bare IP address.
    pub fn domain(&self) -> Option<&str> {
        self.url.domain()
    }

    /// Only this machine can follow links to it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// `path` begins with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// A link with a one-time token in its fragment, which browsers never send to any server.
    pub fn link_with_token(&self, path: &str, token: &str) -> String {
        format!("{}{path}#token={token}", self.text)
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
