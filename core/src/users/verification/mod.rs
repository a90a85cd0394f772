//! Whose an address is: proved by a link that was mailed there, by whoever has logged in as its user. Nothing is
//! blocked meanwhile.

mod store;

use std::time::Duration;

use super::Error;
use crate::{
    cx::{Cx, Reads as _},
    db,
    event::{EmailVerificationSent, EmailVerified},
    ids::{EmailVerificationId, LoginId, UserId},
    invalid::fold_email,
    logins::{self, Login},
    outbox::{self, Mail, MailContent},
    secret::{Token, TokenHash},
};

/// How long a link lives, to the millisecond.
pub const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A further mail goes out after so long at the earliest.
pub const BETWEEN_MAILS: Duration = Duration::from_secs(60);

/// Sends a link; the one before is dead.
pub(crate) async fn send(cx: &mut Cx, login: &Login) -> Result<(), db::Error> {
    forget(cx, login.id).await?;
    let (id, token) = (EmailVerificationId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(LIFETIME);
    store::insert(cx, id, login.id, &token.hash(), &fold_email(&login.email), expires_at).await?;
    let mail = Mail {
        content: MailContent::EmailVerification { verification_id: id, expires_at },
        recipient: login.recipient(),
        token: Some(token),
        useful_until: expires_at,
    };
    let sent = EmailVerificationSent { user_id: login.id.of_user(), email: login.email.clone() };
    cx.emit_and_mail(sent, mail).await?;
    Ok(())
}

/// Sends another link, once a minute. Nothing is sent for an address that is verified.
pub async fn resend(cx: &mut Cx, id: UserId) -> Result<(), Error> {
    let login = super::locked(cx, id).await?;
    if login.email_verified {
        return Ok(());
    }
    let now = cx.now();
    if let Some(sent_at) = store::sent_at(cx, login.id).await?
        && now.since(sent_at) < BETWEEN_MAILS
    {
        return Err(Error::TooMany { retry_after: BETWEEN_MAILS.saturating_sub(now.since(sent_at)) });
    }
    send(cx, &login).await?;
    Ok(())
}

/// Spends the link, for whoever it was sent to and while that is still their address. Of any number at once, one does.
pub async fn confirm(cx: &mut Cx, id: UserId, token: &TokenHash) -> Result<(), Error> {
    let login = super::locked(cx, id).await?;
    if !store::spend(cx, login.id, token, &fold_email(&login.email)).await? {
        return Err(Error::LinkDead);
    }
    logins::set_email_verified(cx, login.id, true).await?;
    cx.emit(EmailVerified { user_id: id, email: login.email, how: "link" }).await?;
    Ok(())
}

/// Kills somebody's link, and the mail that still waits to bring it.
pub(crate) async fn forget(cx: &mut Cx, login: LoginId) -> Result<(), db::Error> {
    if let Some(id) = store::delete(cx, login).await? {
        outbox::make_obsolete(cx, &id.to_string(), "the link is no longer good").await?;
    }
    Ok(())
}
