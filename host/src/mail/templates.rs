//! The texts of system mail: a subject, a plain text and an HTML part per mail and language, prepared once.
//!
//! HTML is escaped by the engine. A value never brings its own lines or invisible characters, neither into
//! the subject, where they would be headers, nor into the text, where they could pose as ours.

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

/// A mail that the service itself sends, with everything its text needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemMail {
    StaffInvitation {
        company: String,
        /// What the invitation already knows of the invitee.
        recipient_name: Option<String>,
        /// Absent when nobody invited: the first administrator.
        inviter: Option<String>,
        role: String,
        /// Carries the one-time token.
        link: String,
        expires_at: Timestamp,
    },
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
    /// Names the files and says which [`SystemMail`] they belong to.
    mail: &'static str,
    subject: &'static str,
    text: &'static str,
    html: &'static str,
}

const LAYOUT: &str = include_str!("templates/layout.html");

const TEXTS: [Texts; 1] = [Texts {
    language: "en",
    mail: "staff_invitation",
    subject: include_str!("templates/en/staff_invitation.subject"),
    text: include_str!("templates/en/staff_invitation.txt"),
    html: include_str!("templates/en/staff_invitation.html"),
}];

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
        engine.add_template("layout.html", LAYOUT)?;
        for Texts { language, mail, subject, text, html } in TEXTS {
            engine.add_template_owned(format!("{language}/{mail}.subject"), subject)?;
            engine.add_template_owned(format!("{language}/{mail}.txt"), text)?;
            engine.add_template_owned(format!("{language}/{mail}.html"), html)?;
        }
        Ok(Self { engine })
    }

    /// In `language` (a tag such as `en` or `pt-BR`), its base language, or the default one.
    pub fn render(&self, mail: &SystemMail, language: &str) -> Result<Rendered, minijinja::Error> {
        let language = available(mail.name(), language);
        let values = mail.values(language);
        let part = |suffix: &str| {
            let name = format!("{language}/{}.{suffix}", mail.name());
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
    /// Stable: templates, overrides and the list of system mails go by it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StaffInvitation { .. } => "staff_invitation",
        }
    }

    fn values(&self, language: &str) -> Value {
        let optional = |text: &Option<String>| text.as_deref().map(one_line).filter(|text| !text.is_empty());
        match self {
            Self::StaffInvitation { company, recipient_name, inviter, role, link, expires_at } => context! {
                language,
                company => one_line(company),
                recipient_name => optional(recipient_name),
                inviter => optional(inviter),
                role => one_line(role),
                link => one_line(link),
                expires_at => in_words(*expires_at),
            },
        }
    }
}

/// "Saturday, 28 November 2026 at 23:40 UTC".
fn in_words(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%A, %-d %B %Y at %H:%M UTC").to_string()
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
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\r\nBcc: \"x\"&'y'\u{202e}";

    /// One of each, with the same value wherever a person could have put one.
    fn samples(value: &str) -> Vec<SystemMail> {
        let expires_at = "2026-11-28T23:40:01.123Z".parse().unwrap();
        let sample = SystemMail::StaffInvitation {
            company: value.to_owned(),
            recipient_name: Some(value.to_owned()),
            inviter: Some(value.to_owned()),
            role: value.to_owned(),
            link: format!("https://desk.example.com/accept#token={value}"),
            expires_at,
        };
        // A new mail stops the build here: add its sample.
        match sample {
            SystemMail::StaffInvitation { .. } => vec![sample],
        }
    }

    fn languages() -> impl Iterator<Item = &'static str> {
        TEXTS.iter().map(|texts| texts.language).chain(["xx"])
    }

    #[test]
    fn every_mail_renders_in_every_language_and_escapes_what_people_typed() {
        let templates = Templates::new().unwrap();
        for language in languages() {
            for mail in samples(HOSTILE) {
                let Rendered { subject, text, html } = templates.render(&mail, language).unwrap();
                assert!(!subject.is_empty() && subject.chars().all(|c| !c.is_control()), "{subject:?}");
                assert!(!html.contains("<script>"), "{html}");
                assert!(html.contains("&lt;script&gt;"), "{html}");
                assert!(!html.contains("\"x\"") && !html.contains("'y'"), "attributes stay closed: {html}");
                assert!(text.contains("<script>alert(1)</script> Bcc: \"x\"&'y'"), "{text}");
                assert!(!text.contains("\nBcc:") && !text.contains('\u{202e}') && !html.contains('\u{202e}'));
            }
            for mail in samples("Ada") {
                let Rendered { subject, text, html } = templates.render(&mail, language).unwrap();
                for part in [&subject, &text, &html] {
                    assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
                }
                assert!(text.contains("https://desk.example.com/accept#token=Ada"), "{text}");
                assert!(html.contains("href=\"https://desk.example.com/accept#token=Ada\""), "{html}");
            }
        }
    }

    #[test]
    fn every_text_belongs_to_a_mail_and_every_mail_has_the_default_language() {
        for mail in samples("Ada") {
            assert!(TEXTS.iter().any(|t| t.mail == mail.name() && t.language == DEFAULT_LANGUAGE));
        }
        for texts in TEXTS {
            assert!(samples("Ada").iter().any(|mail| mail.name() == texts.mail), "{}", texts.mail);
        }
        assert_eq!(available("staff_invitation", "EN_gb"), "en");
        assert_eq!(available("staff_invitation", "xx"), "en");
    }

    #[test]
    fn a_staff_invitation_reads_well() {
        let templates = Templates::new().unwrap();
        let mail = SystemMail::StaffInvitation {
            company: "Acme Hosting".to_owned(),
            recipient_name: Some("Zoë".to_owned()),
            inviter: Some("Ada Lovelace".to_owned()),
            role: "Support".to_owned(),
            link: "https://desk.example.com/accept#token=abc".to_owned(),
            expires_at: "2026-11-28T23:40:01.123Z".parse().unwrap(),
        };
        let Rendered { subject, text, .. } = templates.render(&mail, "en").unwrap();
        assert_eq!(subject, "Ada Lovelace invites you to join Acme Hosting");
        assert_eq!(
            text,
            "\
Hello Zoë,

Ada Lovelace invites you to join the staff of Acme Hosting as Support.

Choose your username and password here:

https://desk.example.com/accept#token=abc

The link works once, until Saturday, 28 November 2026 at 23:40 UTC.

If you did not expect this invitation, you can ignore this mail: nothing
happens until somebody opens the link and accepts.

--\u{20}
Acme Hosting
"
        );
        let SystemMail::StaffInvitation { company, role, link, expires_at, .. } = mail;
        let mail = SystemMail::StaffInvitation {
            company,
            recipient_name: None,
            inviter: None,
            role,
            link,
            expires_at,
        };
        let Rendered { subject, text, .. } = templates.render(&mail, "en").unwrap();
        assert_eq!(subject, "You are invited to join Acme Hosting");
        assert!(
            text.starts_with("Hello,\n\nYou are invited to join the staff of Acme Hosting as Support.\n"),
            "{text}"
        );
    }
}
