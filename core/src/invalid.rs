//! What is wrong with what somebody sent, field by field, all of it at once.

use schemars::JsonSchema;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The name of the field in the request; of one in a list, with its place from 0: `departments.1.id`.
    pub field: String,
    /// For programs: `required`, `fixed`, `malformed`, `too_long`, `unknown`, `duplicate`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// The fields that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    pub fn one(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        let mut invalid = Self::default();
        invalid.add(field, code, message);
        invalid
    }

    pub fn add(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), code, message: message.into() });
    }

    /// Keeps the value, or the error under `field`.
    pub fn take<T: Default>(&mut self, field: &str, checked: Result<T, (&'static str, String)>) -> T {
        checked.unwrap_or_else(|(code, message)| {
            self.add(field, code, message);
            T::default()
        })
    }

    pub fn ok(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// Something whose fields were looked at. Only the check makes it, so that no unit of work begins without.
#[derive(Clone, Debug)]
pub struct Checked<T>(pub(crate) T);

type Verdict = Result<String, (&'static str, String)>;

/// A username: a letter, then ASCII letters and digits, 64 at most.
pub fn username(text: &str) -> Verdict {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if first && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text.into())
    } else {
        Err((
            "malformed",
            "A username begins with a letter and holds only letters and digits, 64 at most.".into(),
        ))
    }
}

/// What turns the direction of the text around it (Unicode UAX 9), or breaks its line.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// What nobody sees, so that no two names that look alike are different ones.
fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A name of a person: something to read, in one line, 100 characters at most.
pub fn person_name(text: &str) -> Verdict {
    // Nor what turns the direction of the text around it: names stand in other people's sentences.
    if text.chars().any(|c: char| c.is_control() || turns(c) || unseen(c)) {
        return Err(("malformed", "A name is one line of text that can be seen.".into()));
    }
    let text = text.trim();
    if text.is_empty() {
        Err(("required", "A name is wanted.".into()))
    } else if text.chars().count() > 100 {
        Err(("too_long", "A name has at most 100 characters.".into()))
    } else {
        Ok(text.into())
    }
}

/// A name of a thing, such as a role: one line, 100 characters at most, all of which can be seen, so that no two that
/// look alike are different ones (Unicode NFC).
pub fn title(text: &str) -> Verdict {
    let unseen = |c| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if text.chars().any(unseen) {
        return Err(("malformed", "A name holds no invisible characters.".into()));
    }
    let words: Vec<_> = text.split_whitespace().collect();
    if text.chars().any(char::is_control) {
        person_name(text)
    } else {
        person_name(&words.join(" ").nfc().collect::<String>())
    }
}

/// Text in one line, `most` characters at most; it may be empty.
pub fn line(text: &str, most: usize) -> Verdict {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.chars().any(|c| c.is_control() || turns(c) || unseen(c)) {
        Err(("malformed", "This is one line of text that can be seen.".into()))
    } else if text.chars().count() > most {
        Err(("too_long", format!("This has at most {most} characters.")))
    } else {
        Ok(text.into())
    }
}

/// Plain text of several lines, `most` characters at most.
pub fn plain_text(text: &str, most: usize) -> Verdict {
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        Err(("malformed", "This is plain text; its lines end with a line feed.".into()))
    } else if text.chars().count() > most {
        Err(("too_long", format!("This has at most {most} characters.")))
    } else {
        Ok(text.into())
    }
}

/// The name of a front end's template: letters, digits, dots, dashes and underscores, 64 at most.
pub fn template_name(text: &str) -> Verdict {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.into())
    } else {
        Err((
            "malformed",
            "A template's name holds letters, digits, dots, dashes and underscores, 64 at most.".into(),
        ))
    }
}

/// An email address that mail can be sent to (RFC 5321, section 4.1.2): a domain name, which may be international; no
/// display name, no address literal; letters before the @ that every mail server takes.
pub fn email(text: &str) -> Verdict {
    let options =
        email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
    let unseen = text.chars().any(char::is_control);
    let text = text.trim();
    let well_formed = email_address::EmailAddress::parse_with_options(text, options)
        .is_ok_and(|address| address.local_part().is_ascii() && !address.local_part().starts_with('"'));
    if well_formed
        && !unseen
        && is_plain_domain(text)
        && text.len() <= 254
        && !text.contains(char::is_whitespace)
    {
        Ok(text.into())
    } else {
        Err(("malformed", "An email address looks like name@example.com.".into()))
    }
}

/// A language tag (RFC 5646): `en`, `pt-BR`.
pub fn language(text: &str) -> Verdict {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let well_formed = (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if well_formed && text.len() <= 35 {
        Ok(text.into())
    } else {
        Err(("malformed", "A language is a tag like en or pt-BR.".into()))
    }
}

/// Whether the domain of an address is written as what it stands for (UTS 46): letters of full width would be those of
/// another domain.
fn is_plain_domain(address: &str) -> bool {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
    domain.is_ascii() || ascii_domain(&domain).is_some_and(|ascii| url_unicode(&ascii) == domain)
}

fn url_unicode(ascii: &str) -> String {
    idna::domain_to_unicode(ascii).0
}

fn ascii_domain(domain: &str) -> Option<String> {
    idna::domain_to_ascii(domain).ok()
}

/// A domain as it is compared: in ASCII (UTS 46), however it was written.
pub fn fold_domain(domain: &str) -> String {
    let lower = domain.to_lowercase();
    ascii_domain(&lower).unwrap_or(lower)
}

/// How addresses are compared: without regard to case, and to how an international domain is written.
pub fn fold_email(address: &str) -> String {
    match address.trim().rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", fold(local), fold_domain(domain)),
        None => fold(address.trim()),
    }
}

/// How names are compared: without regard to case.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_letters_and_digits_and_begin_with_a_letter() {
        for good in ["a", "Ada1815", &"x".repeat(64)] {
            assert!(username(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "a b", "a@b", "ä", "a-b", "a\n", &"x".repeat(65)] {
            assert!(username(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_one_line_in_one_direction() {
        for good in ["Ada", "Ġorġ", "O'Neill-Smith", "李", "محمد"] {
            assert_eq!(person_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "  ", "a\nb", "a\u{0}", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", &"x".repeat(101)] {
            assert!(person_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn emails_can_be_sent_to() {
        for good in ["ada@example.com", "a+b@mail.example.co.uk", "uni@exämple.com"] {
            assert_eq!(email(good).as_deref(), Ok(good));
        }
        let long = format!("{}@example.com", "a".repeat(250));
        let bad = [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "Ada <ada@example.com>",
            "a@[127.0.0.1]",
            "a@example.com\r\nBcc: b@example.com",
            "a b@example.com",
            "\"a b\"@example.com",
            "grüße@example.com",
            "a@example.com\u{85}",
            &long,
        ];
        for bad in bad {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_domain_is_one_domain_however_it_is_written() {
        assert_eq!(fold_email("Uni@EXÄMPLE.com"), "uni@xn--exmple-cua.com");
        assert_eq!(fold_email("uni@xn--exmple-cua.com"), "uni@xn--exmple-cua.com");
        assert_eq!(fold_email("Ada"), "ada");
        assert!(email("a@ｍailinator.com").is_err() && email("a@exämple.com").is_ok());
    }

    #[test]
    fn languages_are_tags() {
        assert!(language("en").is_ok() && language("pt-BR").is_ok());
        for bad in ["", "english", "en_US", "EN", "en-", "en--US"] {
            assert!(language(bad).is_err(), "{bad}");
        }
    }
}
