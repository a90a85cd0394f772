//! Texts of plugins, before anybody reads them: made harmless, cut, and without what must not be told.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Stands where something unreadable stood.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character does something instead of standing for something: moves the cursor, begins a line, turns the
/// direction of what comes after it.
pub(super) fn drives(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A sentence, a name: without line breaks, and nothing in it drives.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    clean(text, |c| if c.is_whitespace() { ' ' } else { REPLACEMENT })
}

/// Text that may have lines and tabs, as `\n` and `\t`; nothing else in it drives.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    let text = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { Cow::Borrowed(text) };
    let shown = |c| match c {
        '\n' | '\t' => c,
        '\r' | '\u{2028}' | '\u{2029}' => '\n',
        _ => REPLACEMENT,
    };
    match text {
        Cow::Borrowed(text) => clean(text, shown),
        Cow::Owned(text) => clean(&text, shown).into_owned().into(),
    }
}

fn clean(text: &str, shown: impl Fn(char) -> char) -> Cow<'_, str> {
    if text.contains(drives) {
        text.chars().map(|c| if drives(c) { shown(c) } else { c }).collect()
    } else {
        text.into()
    }
}

/// At most so many bytes, cut between characters.
pub(super) fn shorten(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// What a call was given and must not tell: the token of an invitation. A mailer may log what it sends, or fail with
/// it in its words.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

/// A secret that the plugin cut or broke into lines is recognised by so much of it.
const PIECE_BYTES: usize = 12;
const REMOVED: &str = "[removed]";

impl Secrets {
    pub(super) fn new(secrets: &[&str]) -> Self {
        Self(secrets.iter().filter(|secret| !secret.is_empty()).map(|&secret| secret.to_owned()).collect())
    }

    /// The text with every piece of a secret taken out, then cut to so many bytes.
    pub(super) fn cut(&self, text: String, bytes: usize) -> String {
        // Far enough that what is cut here is no secret's rest, which would be too short to be recognised.
        let longest = self.0.iter().map(String::len).max().unwrap_or_default();
        shorten(self.redact(shorten(text, bytes.saturating_add(longest))), bytes)
    }

    fn redact(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let mut clean = String::with_capacity(text.len());
        let (mut kept, mut at) = (0, 0);
        while at < text.len() {
            let piece = self.piece_at(&text.as_bytes()[at..]);
            if piece == 0 {
                at += 1;
                continue;
            }
            let start = text.floor_char_boundary(at).max(kept);
            at = text.ceil_char_boundary(at + piece);
            clean.push_str(&text[kept..start]);
            clean.push_str(REMOVED);
            kept = at;
        }
        clean.push_str(&text[kept..]);
        clean
    }

    /// The length of the longest recognisable piece of a secret that the bytes begin with; 0 for none.
    fn piece_at(&self, bytes: &[u8]) -> usize {
        let pieces = self.0.iter().flat_map(|secret| {
            let secret = secret.as_bytes();
            let least = secret.len().min(PIECE_BYTES);
            (0..=secret.len() - least).map(move |from| {
                let same = secret[from..].iter().zip(bytes).take_while(|(one, other)| one == other).count();
                if same >= least { same } else { 0 }
            })
        });
        pieces.max().unwrap_or_default()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives() {
        let hostile = "a\x1b[2Jb\r\nc\u{9b}d\te\u{202e}f\u{2028}g\rh\u{2066}";
        assert_eq!(
            one_line(hostile),
            "a\u{fffd}[2Jb  c\u{fffd}d e\u{fffd}f g h\u{fffd}",
            "a sentence is one line"
        );
        assert_eq!(lines(hostile), "a\u{fffd}[2Jb\nc\u{fffd}d\te\u{fffd}f\ng\nh\u{fffd}");
        for plain in ["", "Zoë, 3 days", "שלום", "日本\u{200f}"] {
            assert!(matches!(one_line(plain), Cow::Borrowed(same) if same == plain));
        }
    }

    const TOKEN: &str = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJ0Zz";

    #[test]
    fn secrets_are_taken_out_whole_and_in_pieces() {
        let secrets = Secrets::new(&["", TOKEN, "ä-pin"]);
        let redact = |text: String| secrets.redact(text);
        assert_eq!(redact(format!("to {TOKEN}, {TOKEN}")), "to [removed], [removed]");
        // As a quoted-printable line breaks it, and as a log cuts it.
        let (one, two) = TOKEN.split_at(20);
        assert_eq!(redact(format!("x={one}=\r\n{two}/y")), "x=[removed]=\r\n[removed]/y");
        assert_eq!(redact(format!("x={}", &TOKEN[..12])), "x=[removed]");
        assert_eq!(redact("ü ä-pin ü ä-pi".to_owned()), "ü [removed] ü ä-pi");
        assert_eq!(redact("nothing of it".to_owned()), "nothing of it");
        assert_eq!(Secrets::default().redact(TOKEN.to_owned()), TOKEN);
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }

    #[test]
    fn a_secret_is_taken_out_before_the_text_is_cut() {
        let secrets = Secrets::new(&[TOKEN]);
        for before in 0..100 {
            let cut = secrets.cut(format!("{}{TOKEN}", ".".repeat(before)), 60);
            assert!(cut.len() <= 60 && !cut.contains(&TOKEN[..3]), "{cut}");
        }
    }
}
