//! Who a message is from or to.

use std::fmt;

use lettre::{Address, message::Mailbox};

use crate::text;

/// An address that every mail server takes, with the name to show.
#[derive(Clone, Debug)]
pub(crate) struct Correspondent(Mailbox);

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Invalid,
    /// Only servers with SMTPUTF8 (RFC 6531) on the whole way would take it.
    NotAscii,
}

/// Names beyond this are cut: none is that long, and a header line ends at 998 octets (RFC 5322, 2.1.1).
const MAX_NAME: usize = 128;

impl Correspondent {
    /// The name may hold anything: what a header must not carry becomes a space.
    pub(crate) fn new(name: &str, address: &str) -> Result<Self, Problem> {
        let (local, domain) = address.trim().rsplit_once('@').ok_or(Problem::Invalid)?;
        let domain = if domain.is_ascii() {
            domain.to_owned()
        } else {
            idna::domain_to_ascii(domain).map_err(|_| Problem::Invalid)?
        };
        let address = Address::new(local, domain).map_err(|_| Problem::Invalid)?;
        if !local.is_ascii() {
            return Err(Problem::NotAscii);
        }
        let name: String = text::one_line(name).chars().take(MAX_NAME).collect();
        let name = name.trim_end();
        Ok(Self(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address)))
    }

    /// The bare address.
    pub(crate) fn address(&self) -> &str {
        self.0.email.as_ref()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }

    pub(crate) fn mailbox(&self) -> Mailbox {
        self.0.clone()
    }
}

impl fmt::Display for Correspondent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.name {
            Some(name) => write!(f, "{name} <{}>", self.address()),
            None => f.write_str(self.address()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "is not an email address",
            Self::NotAscii => "has letters before the @ that mail servers do not take; use plain ASCII there",
        })
    }
}
