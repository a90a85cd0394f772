//! What a mail of the outbox becomes: texts, a tone, and the link that carries its token.

use frontdesk_core::{
    outbox::{Claim, MailContent, Notice},
    secret::Token,
};

use crate::{
    App,
    mail::{SystemMail, templates::check::sample_of},
    plugins::{Link, Notification, Recipient, Tone},
};

/// Why there is nothing to hand to the mailer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("its link was sealed by another master key; send a new one")]
    Sealed,
    #[error("there is no mail {0} in this version; send a sample of another one")]
    Unknown(String),
    #[error("its template does not render: {0}")]
    Template(#[from] minijinja::Error),
}

/// What the mailer is told.
pub(super) fn notification(app: &App, claim: Claim) -> Result<Notification, Unfit> {
    let link = link(app, &claim.content, claim.token.as_ref())?;
    let settings = app.settings();
    let (mail, language) = match &claim.content {
        MailContent::Sample { sample, language } => {
            let mail = sample_of(sample, app.letterhead(), &app.sample_link());
            (mail.ok_or_else(|| Unfit::Unknown(sample.clone()))?, language)
        }
        _ => {
            let mail = SystemMail {
                letterhead: app.letterhead(),
                recipient_name: claim.recipient.name.clone(),
                content: claim.content.clone(),
                link: link.as_ref().map(|link| link.url.clone()),
            };
            (mail, &claim.recipient.language)
        }
    };
    let mut texts = app.templates().render(&mail, language, settings.default_language())?;
    if let MailContent::Sample { .. } = &claim.content {
        texts.subject = format!("[Test] {}", texts.subject);
    }
    Ok(Notification {
        id: claim.id.to_string(),
        attempt: u32::try_from(claim.attempt).unwrap_or(u32::MAX),
        event: claim.event,
        at: claim.event_at.to_string(),
        tone: tone(&claim.content),
        title: texts.subject,
        message: texts.text,
        html: Some(texts.html),
        link,
        attributes: Vec::new(),
        recipients: vec![Recipient {
            name: claim.recipient.name,
            address: claim.recipient.address,
            locale: claim.recipient.language,
        }],
        data: "{}".into(),
    })
}

/// Only what carries a token has one.
fn link(app: &App, content: &MailContent, token: Option<&Token>) -> Result<Option<Link>, Unfit> {
    let token = || token.ok_or(Unfit::Sealed);
    let (label, url) = match content {
        MailContent::StaffInvitation { .. } => ("Accept the invitation", app.invitation_link(token()?)),
        MailContent::AccountInvitation { .. } => ("Accept the invitation", app.invitation_link(token()?)),
        MailContent::PasswordReset { .. } => ("Choose a new password", app.password_reset_link(token()?)),
        MailContent::SetPassword { .. } => ("Choose your password", app.password_reset_link(token()?)),
        MailContent::EmailVerification { .. } => {
            ("Confirm your address", app.email_verification_link(token()?))
        }
        MailContent::Welcome { .. }
        | MailContent::AlreadyRegistered { .. }
        | MailContent::AccessRemoved { .. }
        | MailContent::NowOwner { .. }
        | MailContent::Sample { .. }
        | MailContent::Notice { .. } => return Ok(None),
    };
    Ok(Some(Link { label: label.into(), url }))
}

fn tone(content: &MailContent) -> Tone {
    match content {
        MailContent::StaffInvitation { .. }
        | MailContent::AccountInvitation { .. }
        | MailContent::PasswordReset { .. }
        | MailContent::SetPassword { .. }
        | MailContent::EmailVerification { .. }
        | MailContent::NowOwner { .. }
        | MailContent::Sample { .. } => Tone::Info,
        MailContent::Welcome { .. } => Tone::Success,
        MailContent::AlreadyRegistered { .. } | MailContent::AccessRemoved { .. } => Tone::Warning,
        MailContent::Notice { notice, .. } => match notice {
            Notice::SecondFactorRemoved { .. }
            | Notice::EmailChanged { .. }
            | Notice::ApiCredentialCreated { .. }
            | Notice::SecurityQuestionChanged { .. }
            | Notice::LoggedInAs { .. }
            | Notice::LoginFromNewAddress { .. } => Tone::Warning,
            Notice::PasswordChanged { .. }
            | Notice::SecondFactorAdded { .. }
            | Notice::RecoveryCodeUsed { .. }
            | Notice::RecoveryCodesRenewed => Tone::Info,
        },
    }
}
