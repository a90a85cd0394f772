//! `mail`: one MIME message and its envelope, handed to the operator's transport.
//!
//! Only plugins that the manifest declares a mail notifier get it, and only for the people whom the host named in
//! the notification: a plugin cannot write to anybody else in the operator's name, nor as anybody but the sender whom
//! the operator set.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use super::BoxFuture;
use crate::plugins::bindings::{Envelope, Failure, Recipient, mail};
use crate::plugins::call::CallState;
use crate::plugins::clocks::Clocks;

/// A notification with its inline images. The guest's transfer bound is raised by this for mail notifiers alone.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Of one envelope, as RFC 5321 (4.5.3.1.8) has every server accept.
pub const MAX_RECIPIENTS: usize = 100;
/// A plugin may write to each recipient alone.
const SUBMISSIONS_PER_CALL: usize = MAX_RECIPIENTS;
/// Of all messages of a call: two of the largest.
const BYTES_PER_CALL: usize = 2 * MAX_MESSAGE_BYTES;
/// RFC 5321 (4.5.3.1.3): a path has at most 256 octets, two of them angle brackets.
const MAX_ADDRESS_BYTES: usize = 254;

/// The operator's transport: SMTP, or the built-in mailbox.
pub trait MailTransport: Send + Sync {
    /// Hands over one message; answers the transport's id for it. The call's clocks stand still meanwhile, so it
    /// must end by itself.
    fn submit(&self, envelope: Envelope, message: Vec<u8>) -> BoxFuture<'_, Result<String, Failure>>;
}

pub(in crate::plugins) struct Mail {
    transport: Arc<dyn MailTransport>,
    /// `addresses = "email"` in the manifest.
    granted: bool,
    /// Whom this call may write to.
    allowed: Vec<String>,
    /// As whom it must, where the settings say so.
    sender: Option<String>,
    submissions: usize,
    bytes_left: usize,
    clocks: Clocks,
}

impl Mail {
    pub(in crate::plugins) fn new(transport: Arc<dyn MailTransport>, granted: bool, clocks: Clocks) -> Self {
        let (submissions, bytes_left) = (0, BYTES_PER_CALL);
        Self { transport, granted, allowed: Vec::new(), sender: None, submissions, bytes_left, clocks }
    }

    /// The people of the notification that is being delivered, and the sender whom the settings name.
    pub(in crate::plugins) fn allow(&mut self, recipients: &[Recipient], sender: Option<&str>) {
        self.allowed = recipients.iter().map(|recipient| recipient.address.clone()).collect();
        self.sender = sender.map(|sender| sender.trim().to_owned());
    }

    pub(in crate::plugins) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        mail::add_to_linker::<_, HasSelf<Self>>(linker, |state| &mut state.mail)
    }

    fn check(&self, envelope: &Envelope, message: &[u8]) -> Result<(), String> {
        if !self.granted {
            return Err(
                "mail is for mail notifiers; write addresses = \"email\" under [notifier] in plugin.toml"
                    .to_owned(),
            );
        }
        if self.submissions >= SUBMISSIONS_PER_CALL {
            return Err(format!("one call may submit {SUBMISSIONS_PER_CALL} messages"));
        }
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(format!("the message has {} bytes; {MAX_MESSAGE_BYTES} are allowed", message.len()));
        }
        if message.len() > self.bytes_left {
            return Err(format!("one call may submit {BYTES_PER_CALL} bytes of messages"));
        }
        if message.is_empty() {
            return Err("the message is empty".to_owned());
        }
        if envelope.recipients.is_empty() {
            return Err("the envelope has no recipient".to_owned());
        }
        if envelope.recipients.len() > MAX_RECIPIENTS {
            return Err(format!(
                "the envelope has {} recipients; {MAX_RECIPIENTS} are allowed, submit several messages",
                envelope.recipients.len()
            ));
        }
        for address in std::iter::once(&envelope.sender).chain(&envelope.recipients) {
            if !is_address(address) {
                return Err(format!("{address:?} is not an email address"));
            }
        }
        if let Some(sender) = &self.sender
            && !same_address(sender, &envelope.sender)
        {
            return Err(format!(
                "{} is not the sender that the settings name; send as {sender}",
                envelope.sender
            ));
        }
        match envelope.recipients.iter().find(|address| !self.allowed.contains(address)) {
            Some(stranger) => Err(format!("{stranger} is not a recipient of this notification")),
            None => Ok(()),
        }
    }
}

/// Not whether it can exist, which the transport finds out, but whether it could end a command of SMTP.
fn is_address(address: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_control() || c.is_whitespace() || "<>".contains(c))
    };
    address.len() <= MAX_ADDRESS_BYTES
        && address.rsplit_once('@').is_some_and(|(local, domain)| good(local) && good(domain))
}

/// Whether mail to the one is mail to the other: plugins may write a domain as mail servers know it.
fn same_address(one: &str, other: &str) -> bool {
    let parts = |address: &str| {
        let (local, domain) = address.rsplit_once('@')?;
        Some((local.to_owned(), url::Host::parse(domain).ok()?))
    };
    one == other || parts(one).is_some_and(|one| parts(other) == Some(one))
}

impl mail::Host for Mail {
    async fn submit(
        &mut self,
        envelope: Envelope,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<String, Failure>> {
        if let Err(message) = self.check(&envelope, &message) {
            return Ok(Err(Failure::rejected(message)));
        }
        self.submissions += 1;
        self.bytes_left -= message.len();
        // A message that is on its way must be told how it arrived, or it is sent again.
        let _stopped = self.clocks.stop();
        Ok(self.transport.submit(envelope, message).await)
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("granted", &self.granted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{Mailbox, clocks, recipient};
    use mail::Host as _;

    fn envelope(recipients: &[&str]) -> Envelope {
        Envelope {
            sender: "desk@acme.test".to_owned(),
            recipients: recipients.iter().map(|&address| address.to_owned()).collect(),
        }
    }

    async fn refusal(mail: &mut Mail, envelope: Envelope, message: Vec<u8>) -> String {
        mail.submit(envelope, message).await.expect("no trap").expect_err("it is refused").message
    }

    #[tokio::test]
    async fn a_message_reaches_the_transport() {
        let mailbox = Arc::new(Mailbox::default());
        let mut mail = Mail::new(mailbox.clone(), true, clocks());
        mail.allow(&[recipient("Jo", "jo@acme.test")], None);
        let id = mail.submit(envelope(&["jo@acme.test"]), b"hello".to_vec()).await.expect("no trap");
        assert_eq!(id, Ok("id-1".to_owned()));
        assert_eq!(mailbox.taken(), [(envelope(&["jo@acme.test"]), b"hello".to_vec())]);
    }

    #[tokio::test]
    async fn bounds_are_told_and_nothing_is_sent() {
        let mailbox = Arc::new(Mailbox::default());
        let mut mail = Mail::new(mailbox.clone(), true, clocks());
        mail.allow(&[recipient("Jo", "jo@acme.test")], None);
        let jo = || envelope(&["jo@acme.test"]);
        assert_eq!(
            refusal(&mut mail, jo(), vec![0; MAX_MESSAGE_BYTES + 1]).await,
            "the message has 4194305 bytes; 4194304 are allowed"
        );
        assert_eq!(refusal(&mut mail, envelope(&[]), b"x".to_vec()).await, "the envelope has no recipient");
        assert_eq!(
            refusal(&mut mail, envelope(&["jo@acme.test"; 101]), b"x".to_vec()).await,
            "the envelope has 101 recipients; 100 are allowed, submit several messages"
        );
        assert_eq!(
            refusal(&mut mail, envelope(&["jo@acme.test>\r\nDATA"]), b"x".to_vec()).await,
            "\"jo@acme.test>\\r\\nDATA\" is not an email address"
        );
        assert_eq!(
            refusal(&mut mail, envelope(&["press@world.test"]), b"x".to_vec()).await,
            "press@world.test is not a recipient of this notification"
        );
        assert_eq!(
            refusal(&mut Mail::new(mailbox.clone(), false, clocks()), jo(), Vec::new()).await,
            "mail is for mail notifiers; write addresses = \"email\" under [notifier] in plugin.toml"
        );
        assert_eq!(refusal(&mut mail, jo(), Vec::new()).await, "the message is empty");
        assert_eq!(mailbox.taken(), []);
    }

    #[tokio::test]
    async fn a_call_sends_two_large_messages_and_no_third() {
        let mailbox = Arc::new(Mailbox::default());
        let mut mail = Mail::new(mailbox.clone(), true, clocks());
        mail.allow(&[recipient("Jo", "jo@acme.test")], None);
        for _ in 0..2 {
            let sent = mail.submit(envelope(&["jo@acme.test"]), vec![b'x'; MAX_MESSAGE_BYTES]).await;
            assert!(sent.expect("no trap").is_ok());
        }
        assert_eq!(
            refusal(&mut mail, envelope(&["jo@acme.test"]), b"x".to_vec()).await,
            "one call may submit 8388608 bytes of messages"
        );
        assert_eq!(mailbox.taken().len(), 2);
    }

    #[tokio::test]
    async fn nobody_is_written_to_in_another_name() {
        let mailbox = Arc::new(Mailbox::default());
        let mut mail = Mail::new(mailbox.clone(), true, clocks());
        let to_jo = |sender: &str| Envelope { sender: sender.to_owned(), ..envelope(&["jo@acme.test"]) };
        mail.allow(&[recipient("Jo", "jo@acme.test")], Some(" desk@acme.test "));
        assert_eq!(
            refusal(&mut mail, to_jo("ceo@acme.test"), b"x".to_vec()).await,
            "ceo@acme.test is not the sender that the settings name; send as desk@acme.test"
        );
        let same = [
            ("desk@acme.test", "desk@ACME.test"),
            ("desk@bücher.test", "desk@xn--bcher-kva.test"),
            ("desk@bücher.test", "desk@bücher.test"),
        ];
        for (setting, sender) in same {
            mail.allow(&[recipient("Jo", "jo@acme.test")], Some(setting));
            assert!(mail.submit(to_jo(sender), b"x".to_vec()).await.expect("no trap").is_ok(), "{sender}");
        }
        for (setting, sender) in
            [("desk@a.test", "Desk@a.test"), ("a@b.test", "c@a@b.test"), ("desk", "a@b.test")]
        {
            mail.allow(&[recipient("Jo", "jo@acme.test")], Some(setting));
            refusal(&mut mail, to_jo(sender), b"x".to_vec()).await;
        }
    }
}
