//! The texts of system mail: a subject, a plain text and an HTML part per mail and language, prepared once.
//!
//! A template knows the fields of its [`MailContent`] by name, and `language`, `company`, `recipient_name` and `link`;
//! the filter `in_words` writes an instant, `program` a `User-Agent`.
//!
//! HTML is escaped by the engine. A value never brings its own lines or invisible characters, neither into
//! the subject, where they would be headers, nor into the text, where they could pose as ours.

use frontdesk_core::outbox::MailContent;
use jiff::{Timestamp, tz::TimeZone};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, value::Serde};
use serde_json::{Map, Value};

use super::client;

#[cfg(test)]
pub(crate) mod samples;

/// A mail that the service itself sends, with everything its text needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemMail {
    pub company: String,
    /// Empty if unknown.
    pub recipient_name: String,
    pub content: MailContent,
    /// With the one-time token, where the mail carries one.
    pub link: Option<String>,
}

/// A mail's three texts. The subject is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What a language without texts of its own falls back to.
pub const DEFAULT_LANGUAGE: &str = "en";

struct Texts {
    language: &'static str,
    /// Names the files and says which [`MailContent`] they belong to.
    mail: &'static str,
    subject: &'static str,
    text: &'static str,
    html: &'static str,
}

/// What templates are built on.
const LAYOUTS: [(&str, &str); 7] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("en/link.txt", include_str!("templates/en/link.txt")),
    ("en/link.html", include_str!("templates/en/link.html")),
    ("en/news.txt", include_str!("templates/en/news.txt")),
    ("en/news.html", include_str!("templates/en/news.html")),
    ("en/notice.txt", include_str!("templates/en/notice.txt")),
    ("en/notice.html", include_str!("templates/en/notice.html")),
];

macro_rules! texts {
    ($($language:literal { $($mail:literal)* })*) => { &[$($(Texts {
        language: $language,
        mail: $mail,
        subject: include_str!(concat!("templates/", $language, "/", $mail, ".subject")),
        text: include_str!(concat!("templates/", $language, "/", $mail, ".txt")),
        html: include_str!(concat!("templates/", $language, "/", $mail, ".html")),
    }),*),*] };
}

const TEXTS: &[Texts] = texts! {
    "en" {
        "staff_invitation"
        "password_reset"
        "account_invitation"
        "set_password"
        "email_verification"
        "welcome"
        "already_registered"
        "access_removed"
        "now_owner"
        "password_changed"
        "second_factor_added"
        "second_factor_removed"
        "recovery_code_used"
        "recovery_codes_renewed"
        "email_changed"
        "api_credential_created"
        "security_question_changed"
        "logged_in_as"
        "login_from_new_address"
    }
};

/// Every template, parsed.
#[derive(Debug)]
pub struct Templates {
    engine: Environment<'static>,
}

impl Templates {
    pub fn new() -> Result<Self, minijinja::Error> {
        let mut engine = Environment::empty();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        engine.add_filter("in_words", in_words);
        engine.add_filter("program", |user_agent: Option<&str>| user_agent.map(client::program));
        for (name, layout) in LAYOUTS {
            engine.add_template(name, layout)?;
        }
        for Texts { language, mail, subject, text, html } in TEXTS {
            engine.add_template_owned(format!("{language}/{mail}.subject"), *subject)?;
            engine.add_template_owned(format!("{language}/{mail}.txt"), *text)?;
            engine.add_template_owned(format!("{language}/{mail}.html"), *html)?;
        }
        Ok(Self { engine })
    }

    /// In `language` (a tag such as `en` or `pt-BR`), its base language, or the default one.
    pub fn render(&self, mail: &SystemMail, language: &str) -> Result<Rendered, minijinja::Error> {
        let name = mail.content.name();
        let language = available(name, language);
        let values = minijinja::Value::from(Serde(mail.values(language)?));
        let part = |suffix: &str| {
            let name = format!("{language}/{name}.{suffix}");
            self.engine.get_template(&name)?.render(&values)
        };
        // The engine escapes slashes as well, which nothing here needs and which makes links unreadable.
        let html = part("html")?.replace("&#x2f;", "/");
        Ok(Rendered { subject: one_line(&part("subject")?), text: part("txt")?, html })
    }
}

/// The closest language that has this mail.
fn available(mail: &str, language: &str) -> &'static str {
    let find = |wanted: &str| {
        let fits = |texts: &&Texts| texts.mail == mail && texts.language.eq_ignore_ascii_case(wanted);
        TEXTS.iter().find(fits).map(|texts| texts.language)
    };
    let base = language.split(['-', '_']).next().unwrap_or(language);
    find(language).or_else(|| find(base)).unwrap_or(DEFAULT_LANGUAGE)
}

impl SystemMail {
    /// The fields of the content, and what every mail has. Whatever text is among them is one line.
    fn values(&self, language: &str) -> Result<Value, minijinja::Error> {
        let content = serde_json::to_value(&self.content)
            .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        let own = [
            ("language", Value::from(language)),
            ("company", Value::from(self.company.as_str())),
            ("recipient_name", Value::from(self.recipient_name.as_str())),
        ];
        let own = own.into_iter().chain(self.link.as_deref().map(|link| ("link", Value::from(link))));
        let mut values: Map<_, _> = own.map(|(name, value)| (name.to_owned(), value)).collect();
        if let Value::Object(fields) = content {
            values.extend(fields);
        }
        let mut values = Value::Object(values);
        clean(&mut values);
        Ok(values)
    }
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = one_line(text),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// "Saturday, 28 November 2026 at 23:40 UTC".
fn in_words(at: &str) -> Result<String, minijinja::Error> {
    let at: Timestamp = at.parse().map_err(|error: jiff::Error| {
        minijinja::Error::new(ErrorKind::InvalidOperation, "in_words is for instants").with_source(error)
    })?;
    Ok(at.to_zoned(TimeZone::UTC).strftime("%A, %-d %B %Y at %H:%M UTC").to_string())
}

/// Without line ends, other control characters, and those that turn the direction of writing.
fn one_line(text: &str) -> String {
    let drop =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let gap = |c: char| c.is_whitespace() || c.is_control();
    let text: String = text.chars().filter(|c| !drop(*c)).collect();
    text.split(gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
