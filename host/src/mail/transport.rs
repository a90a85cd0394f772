//! The operator's mail transport: one SMTP server, or the built-in mailbox. Envelopes and messages come
//! from plugins and are not trusted.

use std::path::PathBuf;
use std::sync::Arc;

use lettre::Address;

use super::mailbox::{Mailbox, Stamp};
use super::smtp::SmtpTransport;
use crate::config::Smtp;

/// What decides whether a delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailErrorKind {
    /// Not now.
    Retry,
    /// This message to these recipients will never be accepted.
    Rejected,
    /// Nothing will be accepted until somebody changes the configuration.
    Misconfigured,
}

/// Why a message was not taken, in a sentence for the admin. It carries the server's answer, never a
/// credential, and no address that the server did not name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MailError {
    pub kind: MailErrorKind,
    pub message: String,
}

impl MailError {
    pub(super) fn retry(message: impl Into<String>) -> Self {
        Self { kind: MailErrorKind::Retry, message: message.into() }
    }

    pub(super) fn rejected(message: impl Into<String>) -> Self {
        Self { kind: MailErrorKind::Rejected, message: message.into() }
    }

    pub(super) fn misconfigured(message: impl Into<String>) -> Self {
        Self { kind: MailErrorKind::Misconfigured, message: message.into() }
    }
}

/// Who sends and who receives, checked. The headers of the message may say something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(super) inner: lettre::address::Envelope,
}

impl Envelope {
    /// An empty sender is the null reverse-path of RFC 5321 section 4.5.5.
    pub fn new(sender: &str, recipients: &[String]) -> Result<Self, MailError> {
        let address = |what: &str, text: &str| {
            let parsed = text.parse::<Address>().ok().filter(|_| !text.chars().any(char::is_control));
            parsed.ok_or_else(|| {
                MailError::rejected(format!("the {what} in the envelope is not a mail address"))
            })
        };
        let sender = if sender.is_empty() { None } else { Some(address("sender", sender)?) };
        let recipients =
            recipients.iter().map(|text| address("recipient", text)).collect::<Result<Vec<_>, _>>()?;
        let inner = lettre::address::Envelope::new(sender, recipients)
            .map_err(|_| MailError::rejected("the envelope names no recipient"))?;
        Ok(Self { inner })
    }

    pub fn sender(&self) -> Option<&str> {
        self.inner.from().map(AsRef::as_ref)
    }

    /// Whether servers without SMTPUTF8 can take it.
    pub(super) fn is_ascii(&self) -> bool {
        self.sender().is_none_or(str::is_ascii) && self.recipients().all(str::is_ascii)
    }

    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.inner.to().iter().map(AsRef::as_ref)
    }
}

/// Where finished messages go.
#[derive(Debug)]
pub enum Transport {
    Smtp(Box<SmtpTransport>),
    Mailbox(Mailbox),
}

impl Transport {
    /// Fails only when the configured certificates cannot be used.
    pub fn smtp(config: &Smtp) -> Result<Self, MailError> {
        SmtpTransport::new(config).map(|smtp| Self::Smtp(Box::new(smtp)))
    }

    /// `stamp` gives each message its time and its unique part, from the service's clock and ids.
    pub fn mailbox(dir: PathBuf, stamp: Arc<dyn Fn() -> Stamp + Send + Sync>) -> std::io::Result<Self> {
        Mailbox::create(dir, stamp).map(Self::Mailbox)
    }

    /// Hands over one MIME message to all recipients or to none; answers what the transport calls it.
    ///
    /// May be dropped at any time: a connection in the middle of a message is closed, never used again.
    pub async fn submit(&self, envelope: &Envelope, message: Vec<u8>) -> Result<String, MailError> {
        let message = with_crlf(message);
        match self {
            Self::Smtp(smtp) => smtp.submit(envelope, &message).await,
            Self::Mailbox(mailbox) => mailbox.keep(envelope, message).await,
        }
    }
}

/// Every line end as CRLF. A bare CR or LF in front of a dot would let a message end early and smuggle a
/// second one past servers that are lenient about line ends (CVE-2023-51764).
fn with_crlf(message: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut bytes = message.into_iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_made_whole() {
        let fixed = |text: &str| String::from_utf8(with_crlf(text.into())).unwrap();
        assert_eq!(fixed("a\r\nb\nc\rd\n\r\n\r"), "a\r\nb\r\nc\r\nd\r\n\r\n\r\n");
        assert_eq!(fixed("a\n.\nMAIL FROM:<x>"), "a\r\n.\r\nMAIL FROM:<x>");
    }

    #[test]
    fn envelopes_hold_mail_addresses_and_nothing_else() {
        let refused = |sender: &str, recipients: &[&str]| {
            let recipients: Vec<_> = recipients.iter().map(|text| (*text).to_owned()).collect();
            let error = Envelope::new(sender, &recipients).expect_err("must be refused");
            assert_eq!(error.kind, MailErrorKind::Rejected);
            error.message
        };
        assert_eq!(refused("a@b.test", &[]), "the envelope names no recipient");
        for bad in ["", "b.test", "a@b.test>\r\nRCPT TO:<c@d.test", "\"a\r\nb\"@c.test", "A <a@b.test>"] {
            assert_eq!(
                refused("a@b.test", &[bad]),
                "the recipient in the envelope is not a mail address",
                "{bad:?}"
            );
        }
        assert_eq!(refused("a", &["a@b.test"]), "the sender in the envelope is not a mail address");
        let envelope = Envelope::new("", &["a@b.test".to_owned()]).unwrap();
        assert_eq!((envelope.sender(), envelope.recipients().count()), (None, 1));
    }
}
