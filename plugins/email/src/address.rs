//! Who a message is from or to.

use std::fmt;

use lettre::Address;

use crate::text;

/// An address with the name to show.
#[derive(Clone, Debug)]
pub(crate) struct Correspondent {
    /// As it was given: what the host compares an envelope with.
    given: String,
    /// Its domain in the letters that every mail server knows.
    address: Address,
    name: Option<String>,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Invalid,
    /// Only servers with SMTPUTF8 (RFC 6531) on the whole way take it.
    NotAscii,
}

/// Names beyond this are cut: none is that long, and a header line ends at 998 octets (RFC 5322, 2.1.1).
const MAX_NAME: usize = 128;

impl Correspondent {
    /// The name may hold anything: what a header must not carry becomes a space.
    pub(crate) fn new(name: &str, address: &str) -> Result<Self, Problem> {
        let given = address.trim();
        let (local, domain) = given.rsplit_once('@').ok_or(Problem::Invalid)?;
        let domain = idna::domain_to_ascii(domain).map_err(|_| Problem::Invalid)?;
        let address = Address::new(local, domain).map_err(|_| Problem::Invalid)?;
        let name: String = text::one_line(name).chars().take(MAX_NAME).collect();
        let name = name.trim_end();
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self { given: given.to_owned(), address, name })
    }

    /// One to whom everybody can answer, whatever mail server they have.
    pub(crate) fn answerable(name: &str, address: &str) -> Result<Self, Problem> {
        let correspondent = Self::new(name, address)?;
        if correspondent.address().is_ascii() { Ok(correspondent) } else { Err(Problem::NotAscii) }
    }

    /// The address as it was given, for the envelope.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// The address, for headers.
    pub(crate) fn address(&self) -> &str {
        self.address.as_ref()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn domain(&self) -> &str {
        self.address.domain()
    }
}

impl fmt::Display for Correspondent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
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
