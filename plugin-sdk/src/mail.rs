//! The operator's mail transport: SMTP, or the mailbox that is built in. A plugin composes the message and
//! never sees a server's name or password.

use crate::{Failure, host};

/// Who the transport hands the message from and to (RFC 5321's MAIL FROM and RCPT TO).
pub use crate::bindings::frontdesk::plugin::mail::Envelope;

/// The most recipients one envelope may have. For more, submit several messages.
pub const MAX_RECIPIENTS: usize = 100;

impl Envelope {
    /// An envelope with bare addresses, without names or angle brackets.
    pub fn new<R: Into<String>>(sender: impl Into<String>, recipients: impl IntoIterator<Item = R>) -> Self {
        Self { sender: sender.into(), recipients: recipients.into_iter().map(Into::into).collect() }
    }
}

/// Hands over one MIME message (RFC 5322, lines ended by CR LF) and answers the transport's id.
///
/// # Errors
///
/// `rejected` for an envelope with no recipient, with more than [`MAX_RECIPIENTS`], with one that the notification was
/// not for, or with another sender than the setting `sender_address` of type `email`, where there is one; and for an
/// empty message, one of more than 4 MiB, or more than 8 MiB in a call. Else what the transport says: `retry` while it
/// is down or asks to wait, `rejected` for a recipient or message that it refuses for good, `misconfigured` where only
/// the operator can help.
pub fn submit(envelope: &Envelope, message: &[u8]) -> Result<String, Failure> {
    host::submit(envelope, message)
}
