//! From a notification to the bytes of a message (RFC 5322, MIME). Pure: time and chance are handed in.

use std::fmt::Write as _;

use email_encoding::headers::{quoted_string, rfc2047, writer::EmailWriter};
use frontdesk_plugin_sdk::{Failure, Timestamp, notifier::Notification};
use lettre::message::{
    Body, Message, MessageBuilder, MultiPart, SinglePart,
    header::{ContentType, HeaderName, HeaderValue},
};

use crate::{address::Correspondent, text};

/// All a message is made of.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) sender: &'a Correspondent,
    pub(crate) reply_to: Option<&'a Correspondent>,
    pub(crate) recipients: &'a [Correspondent],
    pub(crate) notification: &'a Notification,
    /// Which of a delivery's messages, where one cannot go to all recipients.
    pub(crate) index: usize,
    pub(crate) date: Timestamp,
    /// Random, so that no text can hold the line that ends its part.
    pub(crate) boundary: Vec<u8>,
}

/// Every line ends with CR LF and is within 998 octets; all is ASCII.
pub(crate) fn compose(draft: &Draft<'_>) -> Result<Vec<u8>, Failure> {
    let notification = draft.notification;
    let plain = part(ContentType::TEXT_PLAIN, text::plain(notification));
    let builder = headers(draft);
    let message = match &notification.html {
        None => builder.singlepart(plain),
        Some(html) => {
            let kind = multipart_alternative(&draft.boundary)?;
            let parts = MultiPart::builder().header(kind).build();
            builder.multipart(
                parts.singlepart(plain).singlepart(part(ContentType::TEXT_HTML, text::lines(html))),
            )
        }
    };
    let message =
        message.map_err(|error| Failure::rejected(format!("The message cannot be composed: {error}")))?;
    Ok(message.formatted())
}

fn headers(draft: &Draft<'_>) -> MessageBuilder {
    let notification = draft.notification;
    let id = token(&notification.id);
    let part = if draft.index == 0 { String::new() } else { format!(".{}", draft.index) };
    let mut builder = Message::builder()
        .date(draft.date.into())
        .from(draft.sender.mailbox())
        .message_id(Some(format!("<{id}{part}@{}>", draft.sender.domain())))
        .raw_header(subject(&notification.title))
        .raw_header(recipients(draft.recipients));
    if let Some(reply_to) = draft.reply_to {
        builder = builder.reply_to(reply_to.mailbox());
    }
    if let Some(language) = language(notification) {
        builder = builder.raw_header(header("Content-Language", language));
    }
    builder
        // So that no vacation responder answers (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Frontdesk-Delivery", &id))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Each recipient on a line of its own: lettre would write all on one.
fn recipients(recipients: &[Correspondent]) -> HeaderValue {
    const NAME: &str = "To";

    let mut encoded = String::new();
    let mut line = NAME.len() + ": ".len();
    for recipient in recipients {
        if !encoded.is_empty() {
            encoded.push_str(",\r\n ");
            line = 1;
        }
        let writer = &mut EmailWriter::new(&mut encoded, line, 0, false);
        // Writing to a String does not fail.
        let _ = match recipient.name() {
            Some(name) => quoted_string::encode(name, writer)
                .and_then(|()| write!(writer, " <{}>", recipient.address())),
            None => write!(writer, "{}", recipient.address()),
        };
    }
    // What lettre reads again; the names need not survive that.
    let addresses: Vec<&str> = recipients.iter().map(Correspondent::address).collect();
    HeaderValue::dangerous_new_pre_encoded(
        HeaderName::new_from_ascii_str(NAME),
        addresses.join(", "),
        encoded,
    )
}

/// A part in the shortest of 7bit, quoted-printable and base64 that is right for it.
fn part(content_type: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(content_type).body(Body::new(text))
}

fn multipart_alternative(random: &[u8]) -> Result<ContentType, Failure> {
    let boundary = random.iter().fold("frontdesk-".to_owned(), |mut boundary, byte| {
        // Writing to a String does not fail.
        let _ = write!(boundary, "{byte:02x}");
        boundary
    });
    ContentType::parse(&format!("multipart/alternative; boundary=\"{boundary}\""))
        .map_err(|error| Failure::rejected(format!("The message cannot be composed: {error}")))
}

/// The subject, on as many lines as it takes. lettre would hand on a word of any length, and one that looks
/// encoded (`=?utf-8?b?…?=`) would be read as what it encodes: such subjects are encoded whole (RFC 2047).
fn subject(title: &str) -> HeaderValue {
    const NAME: &str = "Subject";
    const MAX_WORD: usize = 60;

    let title = text::one_line(title);
    let plain =
        title.is_ascii() && !title.contains("=?") && title.split(' ').all(|word| word.len() <= MAX_WORD);
    if plain {
        return header(NAME, &title);
    }
    let mut encoded = String::new();
    // Writing to a String does not fail.
    let _ = rfc2047::encode(&title, &mut EmailWriter::new(&mut encoded, NAME.len() + ": ".len(), 0, false));
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(NAME), title, encoded)
}

/// The left side of a Message-ID (RFC 5322, 3.6.4): the same for every attempt, so that a mail which arrives twice
/// is shown once.
fn token(id: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    id.chars().take(64).map(|c| if allowed(c) { c } else { '-' }).collect()
}

/// The language all recipients read (RFC 5646), if it is one.
fn language(notification: &Notification) -> Option<&str> {
    let locale = notification.recipients.first()?.locale.as_str();
    let is_subtag =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric());
    let shared = notification.recipients.iter().all(|recipient| recipient.locale == locale);
    (shared && locale.len() <= 35 && locale.split('-').all(is_subtag)).then_some(locale)
}
