//! Texts that admins put in the place of ours, by mail and language. What a template may hold is the renderer's to judge;
//! here they are kept.

mod store;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{MailTemplateChanged, MailTemplateReset, MailTemplateTested},
    invalid::{self, Checked, Invalid},
    outbox::{Mail, MailContent, Recipient},
    time::Timestamp,
};

/// Longest text or HTML part, in bytes.
pub const LONGEST: usize = 32 * 1024;

/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 500;

/// How many there can be.
pub const MOST: i64 = 1000;

/// The texts of a mail in a language.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MailTemplate {
    pub mail: String,
    pub language: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub changed_at: Timestamp,
}

/// Texts about to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMailTemplate {
    pub mail: String,
    pub language: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What tells the templates of one moment from those of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Mark {
    count: i64,
    newest: i64,
    sum: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such template")]
    NotFound,
    #[error("there are as many templates as there can be")]
    TooMany,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Lines end with a line feed.
fn part(text: &str) -> Result<String, (&'static str, String)> {
    let text = text.replace("\r\n", "\n");
    if text.trim().is_empty() {
        Err(("required", "A text is wanted.".into()))
    } else if text.len() > LONGEST {
        Err(("too_long", format!("This has at most {LONGEST} bytes.")))
    } else {
        invalid::plain_text(&text, LONGEST)
    }
}

fn subject(text: &str) -> Result<String, (&'static str, String)> {
    // What is cut off at the ends is no line of its own, but it is not waved through either: it would be a header.
    if text.chars().any(char::is_control) {
        return Err(("malformed", "A subject is one line of text.".into()));
    }
    match invalid::line(text, LONGEST_SUBJECT)? {
        text if text.is_empty() => Err(("required", "A subject is wanted.".into())),
        text => Ok(text),
    }
}

impl NewMailTemplate {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            mail: self.mail,
            language: invalid.take("language", invalid::language(&self.language)),
            subject: invalid.take("subject", subject(&self.subject)),
            text: invalid.take("text", part(&self.text)),
            html: invalid.take("html", part(&self.html)),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// All of them.
pub async fn list(reads: &mut impl Reads) -> Result<Vec<MailTemplate>, db::Error> {
    store::list(reads.db()).await
}

pub async fn mark(reads: &mut impl Reads) -> Result<Mark, db::Error> {
    store::mark(reads.db()).await
}

/// Puts texts in the place of ours, or of those before.
pub async fn set(cx: &mut Cx, Checked(new): Checked<NewMailTemplate>) -> Result<MailTemplate, Error> {
    let NewMailTemplate { mail, language, subject, text, html } = new;
    let before = store::find(cx.db(), &mail, &language).await?;
    let Mark { count, newest, .. } = store::mark(cx.db()).await?;
    if before.is_none() && count >= MOST {
        return Err(Error::TooMany);
    }
    // Later than every other one, so that nodes see by the mark that there is something new.
    let changed_at = cx.now().max(Timestamp::from_millis(newest.saturating_add(1)));
    let after = MailTemplate { mail, language, subject, text, html, changed_at };
    if let Some(before) = before.filter(|before| MailTemplate { changed_at, ..before.clone() } == after) {
        return Ok(before);
    }
    store::set(cx, &after).await?;
    let (mail, language) = (after.mail.clone(), after.language.clone());
    cx.emit(MailTemplateChanged { mail, language }).await?;
    Ok(after)
}

/// Puts ours in force again.
pub async fn reset(cx: &mut Cx, mail: &str, language: &str) -> Result<(), Error> {
    if !store::delete(cx, mail, language).await? {
        return Err(Error::NotFound);
    }
    cx.emit(MailTemplateReset { mail: mail.to_owned(), language: language.to_owned() }).await?;
    Ok(())
}

/// Sends a sample of a mail to whoever asks for it.
pub async fn send_sample(cx: &mut Cx, to: Recipient, mail: &str, language: &str) -> Result<(), db::Error> {
    let (mail, language) = (mail.to_owned(), language.to_owned());
    let sample = MailContent::Sample { sample: mail.clone(), language: language.clone() };
    let sample = Mail::news(cx, to, sample);
    cx.emit_and_mail(MailTemplateTested { mail, language }, sample).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
