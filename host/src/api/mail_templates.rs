//! `/v1/admin/mail-templates`: what the mails of the service say, in which language, and whose words they are.

use axum::extract::State;
use frontdesk_core::{
    invalid::Invalid,
    logins,
    mail_templates::{self, NewMailTemplate},
    roles::Permission,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, NoContent, Path},
    guard::By,
    problem::{Code, Problem},
    routes::{Op, Routes},
    tokens::gone,
};
use crate::{
    App, live,
    mail::{
        Override,
        templates::{Source, Templates, about, check},
    },
};

const TAG: &str = "Mail templates";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::SettingsView), Some(Permission::SettingsEdit));
    routes
        .get(
            "/v1/admin/mail-templates",
            Op::staff("listMailTemplates", TAG, "Every mail, its variables and its languages", view),
            list,
        )
        .get(
            "/v1/admin/mail-templates/{mail}/{language}",
            Op::staff("getMailTemplate", TAG, "What a mail says in a language, and what ours says", view),
            get,
        )
        .put(
            "/v1/admin/mail-templates/{mail}/{language}",
            Op::staff("setMailTemplate", TAG, "Put texts in the place of ours", edit)
                .confirmed()
                .emits(&["system.mail_template_changed"])
                .problems(&[Code::LimitReached]),
            set,
        )
        .delete(
            "/v1/admin/mail-templates/{mail}/{language}",
            Op::staff("resetMailTemplate", TAG, "Put ours, or those of a file, in force again", edit)
                .confirmed()
                .emits(&["system.mail_template_reset"]),
            reset,
        )
        .post(
            "/v1/admin/mail-templates/{mail}/{language}/preview",
            Op::staff("previewMailTemplate", TAG, "What a mail becomes; nothing is kept or sent", view),
            preview,
        )
        .post(
            "/v1/admin/mail-templates/{mail}/{language}/test",
            Op::staff("testMailTemplate", TAG, "Send a sample of a mail to my own address", edit)
                .emits(&["system.mail_template_tested"]),
            test,
        )
}

impl From<mail_templates::Error> for Problem {
    fn from(error: mail_templates::Error) -> Self {
        use mail_templates::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Self::with_detail(
                Code::NotFound,
                "Nobody has put other texts in the place of ours here, so there is nothing to take back.",
            ),
            Error::TooMany => Self::with_detail(
                Code::LimitReached,
                format!(
                    "There are {} templates, the most there can be. Delete one first.",
                    mail_templates::MOST
                ),
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// Whose words they are: ours, those of a file of the directory `mail_templates`, or set by the API.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SourceView {
    BuiltIn,
    File,
    Api,
}

impl From<Source> for SourceView {
    fn from(source: Source) -> Self {
        match source {
            Source::BuiltIn => Self::BuiltIn,
            Source::File => Self::File,
            Source::Api => Self::Api,
        }
    }
}

/// Something that a template can show or ask for.
#[derive(Debug, Serialize, JsonSchema)]
struct VariableView {
    name: String,
    description: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LanguageView {
    language: String,
    source: SourceView,
}

/// A mail that the service sends.
#[derive(Debug, Serialize, JsonSchema)]
struct MailView {
    mail: &'static str,
    /// When it goes out.
    description: &'static str,
    variables: Vec<VariableView>,
    /// In which it has a text.
    languages: Vec<LanguageView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Mails {
    items: Vec<MailView>,
}

async fn list(State(app): State<App>) -> Result<Json<Mails>, Problem> {
    let view = |(mail, description): &(&'static str, &'static str)| {
        let variables = check::described(mail).into_iter();
        let languages = app.templates().languages(mail).into_iter();
        MailView {
            mail,
            description,
            variables: variables.map(|(name, description)| VariableView { name, description }).collect(),
            languages: languages
                .map(|(language, source)| LanguageView { language, source: source.into() })
                .collect(),
        }
    };
    Ok(Json(Mails { items: about::MAILS.iter().map(view).collect() }))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TemplatePath {
    /// As `GET /v1/admin/mail-templates` calls it.
    mail: String,
    /// A tag like `en` or `pt-BR`.
    language: String,
}

impl TemplatePath {
    fn known(self) -> Result<Self, Problem> {
        if about::MAILS.iter().any(|(mail, _)| *mail == self.mail) {
            return Ok(self);
        }
        let detail = "There is no mail of this name; GET /v1/admin/mail-templates lists them.";
        Err(Problem::with_detail(Code::NotFound, detail))
    }
}

/// The three texts of a mail, as templates or filled.
#[derive(Debug, Serialize, JsonSchema)]
struct TextsView {
    /// One line.
    subject: String,
    text: String,
    html: String,
}

impl From<Override> for TextsView {
    fn from(Override { subject, text, html, .. }: Override) -> Self {
        Self { subject, text, html }
    }
}

/// What a mail says in a language.
#[derive(Debug, Serialize, JsonSchema)]
struct TemplateView {
    mail: String,
    language: String,
    source: SourceView,
    #[serde(flatten)]
    texts: TextsView,
    /// Ours; null in a language that we do not have.
    built_in: Option<TextsView>,
}

impl TemplateView {
    fn of(app: &App, mail: &str, language: &str) -> Result<Self, Problem> {
        let (source, texts) = app.templates().texts(mail, language).ok_or_else(no_text)?;
        Ok(Self {
            mail: mail.to_owned(),
            language: texts.language.clone(),
            source: source.into(),
            texts: texts.into(),
            built_in: Templates::built_in(mail, language).map(Into::into),
        })
    }
}

fn no_text() -> Problem {
    let detail = "This mail has no text in this language yet; PUT one here, or start from another language.";
    Problem::with_detail(Code::NotFound, detail)
}

async fn get(State(app): State<App>, Path(path): Path<TemplatePath>) -> Result<Json<TemplateView>, Problem> {
    let TemplatePath { mail, language } = path.known()?;
    Ok(Json(TemplateView::of(&app, &mail, &language)?))
}

/// The templates of a mail. They show variables, `{{ company }}`, and choose, `{% if inviter %}…{% endif %}`; they may
/// be built on ours: `{% extends "layout.html" %}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetTemplate {
    /// One line, 500 characters at most.
    subject: String,
    /// Plain text, 32,768 bytes at most. With `{{ link }}` if the mail carries one.
    text: String,
    /// 32,768 bytes at most; values are escaped. With `{{ link }}` if the mail carries one.
    html: String,
}

async fn set(
    State(app): State<App>,
    by: By,
    Path(path): Path<TemplatePath>,
    Json(body): Json<SetTemplate>,
) -> Result<Json<TemplateView>, Problem> {
    let TemplatePath { mail, language } = path.known()?;
    let SetTemplate { subject, text, html } = body;
    let new = NewMailTemplate { mail, language, subject, text, html };
    let checked = new.clone().checked()?;
    let (mail, language) = (new.mail.clone(), new.language.clone());
    fit(with_line_feeds(new)).await?;
    let mut cx = by.begin(&app).await?;
    mail_templates::set(&mut cx, checked).await?;
    cx.commit().await?;
    // Here at once, at other nodes within a second.
    live::refresh(&app).await?;
    Ok(Json(TemplateView::of(&app, &mail, &language)?))
}

fn with_line_feeds(new: NewMailTemplate) -> Override {
    let NewMailTemplate { mail, language, subject, text, html } = new;
    let [text, html] = [text, html].map(|part| part.replace("\r\n", "\n"));
    Override { mail, language, subject, text, html }
}

/// Refuses what is unfit. A hostile template takes its time to be refused, and nobody else is to wait for it.
async fn fit(over: Override) -> Result<(), Problem> {
    let checked = tokio::task::spawn_blocking(move || check::check(&over)).await;
    let Err(faults) = checked.map_err(|_| Problem::new(Code::Internal))? else { return Ok(()) };
    let mut invalid = Invalid::default();
    for fault in faults {
        let message = match fault.line {
            0 => fault.message,
            line => format!("Line {line}: {}", fault.message),
        };
        invalid.add(fault.part.field(), "template", message);
    }
    Err(invalid.into())
}

async fn reset(State(app): State<App>, by: By, Path(path): Path<TemplatePath>) -> Result<NoContent, Problem> {
    let TemplatePath { mail, language } = path.known()?;
    let mut cx = by.begin(&app).await?;
    mail_templates::reset(&mut cx, &mail, &language).await?;
    cx.commit().await?;
    live::refresh(&app).await?;
    Ok(NoContent)
}

/// What is left out is what is in force; in a language without a text, English.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreviewTemplate {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

async fn preview(
    State(app): State<App>,
    Path(path): Path<TemplatePath>,
    Json(body): Json<PreviewTemplate>,
) -> Result<Json<TextsView>, Problem> {
    let TemplatePath { mail, language } = path.known()?;
    let templates = app.templates();
    let texts =
        templates.texts(&mail, &language).or_else(|| templates.texts(&mail, crate::mail::DEFAULT_LANGUAGE));
    let (_, texts) = texts.ok_or_else(no_text)?;
    let new = NewMailTemplate {
        mail,
        language,
        subject: body.subject.unwrap_or(texts.subject),
        text: body.text.unwrap_or(texts.text),
        html: body.html.unwrap_or(texts.html),
    };
    new.clone().checked()?;
    let over = with_line_feeds(new);
    fit(over.clone()).await?;
    let sample = check::sample_of(&over.mail, app.letterhead(), &app.sample_link()).ok_or_else(no_text)?;
    let rendered = check::preview(&over, &sample).map_err(|_| Problem::new(Code::Internal))?;
    Ok(Json(TextsView { subject: rendered.subject, text: rendered.text, html: rendered.html }))
}

async fn test(State(app): State<App>, by: By, Path(path): Path<TemplatePath>) -> Result<NoContent, Problem> {
    let TemplatePath { mail, language } = path.known()?;
    app.templates().texts(&mail, &language).ok_or_else(no_text)?;
    let mut cx = by.begin(&app).await?;
    let staff = by.authority.staff().ok_or_else(gone)?;
    let login = logins::find(&mut cx, staff).await?.ok_or_else(gone)?;
    mail_templates::send_sample(&mut cx, login.recipient(), &mail, &language).await?;
    cx.commit().await?;
    Ok(NoContent)
}
