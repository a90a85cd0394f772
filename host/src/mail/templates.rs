//! The texts of system mail: a subject, a plain text and an HTML part per mail and language. Ours are prepared once; the
//! operator's own, from files or by the API, stand in their place.
//!
//! A template knows the fields of its [`MailContent`] by name, and those of every mail (see [`about::VARIABLES`]); the
//! filter `in_words` writes an instant, `program` a `User-Agent`.
//!
//! HTML is escaped by the engine. A value never brings its own lines or invisible characters, neither into
//! the subject, where they would be headers, nor into the text, where they could pose as ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use frontdesk_core::{
    mail_templates::{MailTemplate, Mark},
    outbox::MailContent,
};
use minijinja::{Environment, ErrorKind, value::Serde};
use serde_json::{Map, Value};

pub(crate) mod about;
pub(crate) mod check;
mod engine;
pub(crate) mod files;
mod own_link;
pub(crate) mod samples;
mod texts;

use engine::{one_line, part};
use texts::{TEXTS, Texts};

/// A mail that the service itself sends, with everything its text needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemMail {
    pub letterhead: Letterhead,
    /// Empty if unknown.
    pub recipient_name: String,
    pub content: MailContent,
    /// With the one-time token, where the mail carries one.
    pub link: Option<String>,
}

/// Whose mail it is: what stands at its head and at its foot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letterhead {
    pub company: String,
    /// An https address, or empty.
    pub logo: String,
    /// Lines of plain text, or empty.
    pub footer: String,
}

/// A mail's three texts. The subject is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Somebody's own texts for a mail in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    pub mail: String,
    pub language: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Where the text of a mail in a language comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    BuiltIn,
    File,
    Api,
}

impl Source {
    /// Where its templates stand in the engine.
    fn folder(self) -> &'static str {
        match self {
            Self::BuiltIn => "",
            Self::File => "file/",
            Self::Api => "api/",
        }
    }
}

/// What a language without texts of its own falls back to in the end.
pub const DEFAULT_LANGUAGE: &str = "en";

/// Lines of the footer that are shown.
const MOST_FOOTER_LINES: usize = 50;

/// Every template, parsed.
#[derive(Debug)]
pub struct Templates {
    /// What the operator's files say, for as long as the process runs.
    files: Vec<Override>,
    in_force: RwLock<Arc<InForce>>,
}

#[derive(Debug)]
struct InForce {
    engine: Environment<'static>,
    /// What stands before ours, by mail and language.
    own: BTreeMap<(String, String), (Source, Override)>,
    /// What of the database it was made of.
    mark: Option<Mark>,
}

impl InForce {
    fn new(files: &[Override], by_api: Vec<Override>, mark: Option<Mark>) -> Result<Self, minijinja::Error> {
        let mut engine = engine::new()?;
        let mut own = BTreeMap::new();
        let files = files.iter().cloned().map(|over| (Source::File, over));
        for (source, over) in files.chain(by_api.into_iter().map(|over| (Source::Api, over))) {
            // They were checked when they were saved, perhaps by another version.
            if let Err(error) = engine::add(&mut engine, source.folder(), &over) {
                let (mail, language) = (&over.mail, &over.language);
                tracing::error!(%mail, %language, %error, "a mail template is broken and left out; ours stands in");
                continue;
            }
            own.insert((over.mail.clone(), over.language.clone()), (source, over));
        }
        Ok(Self { engine, own, mark })
    }

    fn own(&self, mail: &str, language: &str) -> Option<&(Source, Override)> {
        let fits = |key: &(String, String)| key.0 == mail && key.1.eq_ignore_ascii_case(language);
        self.own.iter().find(|(key, _)| fits(key)).map(|(_, own)| own)
    }

    fn render(
        &self,
        mail: &SystemMail,
        source: Source,
        language: &str,
    ) -> Result<Rendered, minijinja::Error> {
        let stem = format!("{}{language}/{}", source.folder(), mail.content.name());
        let values = minijinja::Value::from(Serde(mail.values(language)?));
        let rendered = Rendered {
            subject: one_line(&part(&self.engine, &format!("{stem}.subject"), &values)?),
            text: part(&self.engine, &format!("{stem}.txt"), &values)?,
            html: part(&self.engine, &format!("{stem}.html"), &values)?,
        };
        // What was checked with samples may do otherwise with the real thing.
        match (source, &mail.link) {
            (Source::File | Source::Api, Some(link)) => match own_link::check(&rendered, link) {
                Ok(()) => Ok(rendered),
                Err((_, message)) => Err(minijinja::Error::new(ErrorKind::InvalidOperation, message)),
            },
            (Source::BuiltIn, _) | (_, None) => Ok(rendered),
        }
    }
}

impl Templates {
    /// With the operator's own from files; those of the API come with [`Self::take`].
    pub fn new(files: Vec<Override>) -> Result<Self, minijinja::Error> {
        let in_force = InForce::new(&files, Vec::new(), None)?;
        Ok(Self { files, in_force: RwLock::new(Arc::new(in_force)) })
    }

    fn in_force(&self) -> Arc<InForce> {
        // Nothing panics while it is held.
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the database has other templates than those in force.
    pub(crate) fn is_outdated(&self, mark: &Mark) -> bool {
        self.in_force().mark.as_ref() != Some(mark)
    }

    /// Puts in force what the database has.
    pub(crate) fn take(&self, by_api: Vec<Override>, mark: Mark) -> Result<(), minijinja::Error> {
        let new = Arc::new(InForce::new(&self.files, by_api, Some(mark))?);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// In `language` (a tag such as `en` or `pt-BR`), its base language, what people have who chose none, or English.
    pub fn render(
        &self,
        mail: &SystemMail,
        language: &str,
        default: &str,
    ) -> Result<Rendered, minijinja::Error> {
        let in_force = self.in_force();
        let name = mail.content.name();
        for language in preference(language, default) {
            if let Some((source, over)) = in_force.own(name, &language) {
                match in_force.render(mail, *source, &over.language) {
                    Ok(rendered) => return Ok(rendered),
                    // A mail that goes out in our words is better than one that does not.
                    Err(error) => {
                        tracing::error!(mail = %name, %language, %error, "a mail template fails; ours stands in");
                    }
                }
            }
            if let Some(ours) = built_in(name, &language) {
                return in_force.render(mail, Source::BuiltIn, ours.language);
            }
        }
        Err(minijinja::Error::new(ErrorKind::TemplateNotFound, format!("there is no text for {name}")))
    }

    /// What is said in a mail in a language, and whose words they are.
    pub(crate) fn texts(&self, mail: &str, language: &str) -> Option<(Source, Override)> {
        let own = self.in_force().own(mail, language).cloned();
        own.or_else(|| built_in(mail, language).map(|texts| (Source::BuiltIn, texts.into())))
    }

    /// Ours.
    pub(crate) fn built_in(mail: &str, language: &str) -> Option<Override> {
        built_in(mail, language).map(Into::into)
    }

    /// The languages that a mail has, and whose words they are.
    pub(crate) fn languages(&self, mail: &str) -> BTreeMap<String, Source> {
        let in_force = self.in_force();
        let ours = TEXTS.iter().filter(|texts| texts.mail == mail);
        let mut languages: BTreeMap<_, _> =
            ours.map(|texts| (texts.language.to_owned(), Source::BuiltIn)).collect();
        let own = in_force.own.iter().filter(|((its, _), _)| its == mail);
        languages.extend(own.map(|((_, language), (source, _))| (language.clone(), *source)));
        languages
    }
}

fn built_in(mail: &str, language: &str) -> Option<&'static Texts> {
    TEXTS.iter().find(|texts| texts.mail == mail && texts.language.eq_ignore_ascii_case(language))
}

/// The languages to try, the best one first.
fn preference(language: &str, default: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut languages = Vec::new();
    for tag in [language, default, DEFAULT_LANGUAGE] {
        let tag = tag.replace('_', "-").to_ascii_lowercase();
        let base = tag.split('-').next().unwrap_or_default().to_owned();
        languages.extend([tag, base].into_iter().filter(|tag| seen.insert(tag.clone())));
    }
    languages
}

impl From<MailTemplate> for Override {
    fn from(MailTemplate { mail, language, subject, text, html, .. }: MailTemplate) -> Self {
        Self { mail, language, subject, text, html }
    }
}

impl From<&Texts> for Override {
    fn from(texts: &Texts) -> Self {
        Self {
            mail: texts.mail.to_owned(),
            language: texts.language.to_owned(),
            // The last line end is the file's.
            subject: texts.subject.trim_end().to_owned(),
            text: texts.text.to_owned(),
            html: texts.html.to_owned(),
        }
    }
}

impl SystemMail {
    /// The fields of the content, and what every mail has. Whatever text is among them is one line.
    fn values(&self, language: &str) -> Result<Value, minijinja::Error> {
        let content = serde_json::to_value(&self.content)
            .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        let Letterhead { company, logo, footer } = &self.letterhead;
        let own = [
            ("language", Value::from(language)),
            ("company", Value::from(company.as_str())),
            ("logo", Value::from(logo.as_str())),
            ("footer", footer.trim_end().lines().take(MOST_FOOTER_LINES).collect()),
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

#[cfg(test)]
mod tests;
