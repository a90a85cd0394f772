//! Texts as mail carries them.

use std::fmt::Write as _;

use frontdesk_plugin_sdk::notifier::Notification;

/// One line for a header: no control characters, which could begin another header, none that turn the direction
/// of writing, which could make a name read as another, and single spaces.
pub(crate) fn one_line(text: &str) -> String {
    let cleaned: String = text.chars().map(|c| if misleads(c) || c.is_control() { ' ' } else { c }).collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Many lines for a body: every kind of line end becomes `\n`, other control characters than tabs go.
pub(crate) fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}

/// Bidirectional embeddings, overrides and isolates (UAX #9).
fn misleads(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The plain text of a notification. Where the host rendered HTML it rendered the message as well, complete;
/// else attributes and link, which stand beside the message, are written below it. The last line is not ended.
pub(crate) fn plain(notification: &Notification) -> String {
    let mut text = lines(&notification.message).trim_end().to_owned();
    if notification.html.is_none() {
        if !notification.attributes.is_empty() {
            text.push('\n');
        }
        for attribute in &notification.attributes {
            let (label, value) = (one_line(&attribute.label), one_line(&attribute.value));
            // Writing to a String does not fail.
            let _ = write!(text, "\n{label}: {value}");
            if let Some(link) = &attribute.link {
                let _ = write!(text, " ({})", one_line(link));
            }
        }
        if let Some(link) = &notification.link {
            let _ = write!(text, "\n\n{}: {}", one_line(&link.label), one_line(&link.url));
        }
    }
    text.trim_start_matches('\n').to_owned()
}
