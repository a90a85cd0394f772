//! Mail leaving the service: the texts of system mail, and the transport that takes finished messages.
//!
//! Between the two stands the mailer plugin, which makes a MIME message of text and HTML and hands it back
//! to [`Transport::submit`].

mod client;
pub mod mailbox;
mod smtp;
pub(crate) mod templates;
mod transport;

pub use mailbox::{Mailbox, Stamp};
pub use smtp::{SmtpTransport, check as check_smtp};
pub use templates::{DEFAULT_LANGUAGE, Letterhead, Override, Rendered, SystemMail, Templates};
pub use transport::{Envelope, MailError, MailErrorKind, Transport};
