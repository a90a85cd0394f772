//! Changing users: staff do, or they themselves.

use std::time::Duration;

use super::{Error, User, find, locked, verification};
use crate::{
    cx::Cx,
    event::{Changes, EmailVerified, UserEdited},
    ids::UserId,
    invalid::{self, Checked, Invalid},
    logins::{self, Login, Names, NewPassword},
    outbox::{ChangedBy, Mail, Notice, PasswordChange},
    rates, recovery, security_questions,
    settings::Settings,
};

/// How often somebody changes their own address in an hour.
const CHANGES_OF_ADDRESS: i64 = 5;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What to change of a user; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub own: OwnChange,
    /// Staff know whose the address is.
    pub email_verified: Option<bool>,
}

/// What to change of oneself; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct OwnChange {
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub language: Option<String>,
}

impl OwnChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let name = invalid::person_name;
        let checked = Self {
            email: self.email.map(|email| invalid.take("email", invalid::email(&email))),
            first_name: self.first_name.map(|to| invalid.take("first_name", name(&to))),
            last_name: self.last_name.map(|to| invalid.take("last_name", name(&to))),
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl UserChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let Checked(own) = self.own.checked()?;
        Ok(Checked(Self { own, ..self }))
    }
}

/// Changes a user, as staff do: any domain will do for the address.
pub async fn change(cx: &mut Cx, id: UserId, Checked(change): Checked<UserChange>) -> Result<User, Error> {
    let before = locked(cx, id).await?;
    let mut changes = keep(cx, &before, &change.own, ChangedBy::Colleague).await?;
    let now = find(cx, id).await?.ok_or(Error::Unknown)?;
    if let Some(verified) = change.email_verified.filter(|verified| *verified != now.email_verified) {
        changes.note("email_verified", &now.email_verified, &verified);
        logins::set_email_verified(cx, id.into(), verified).await?;
        if verified {
            verification::forget(cx, id.into()).await?;
            cx.emit(EmailVerified { user_id: id, email: now.email.clone(), how: "staff" }).await?;
        }
    }
    tell(cx, &before, changes, ChangedBy::Colleague).await
}

/// Changes what everybody may change of themselves. Another address holds at once, and is to be proved anew.
pub async fn change_own(
    cx: &mut Cx,
    id: UserId,
    Checked(change): Checked<OwnChange>,
    settings: &Settings,
) -> Result<User, Error> {
    let before = locked(cx, id).await?;
    let changes_address = change.email.as_ref().is_some_and(|email| *email != before.email);
    if let Some(email) = change.email.as_deref().filter(|_| changes_address) {
        refuse_blocked("email", email, settings)?;
        // Each sends two mails, to addresses that the user chooses.
        let key = format!("address {}", before.id);
        let counted = rates::count(cx, &key, CHANGES_OF_ADDRESS, HOUR).await?;
        counted.map_err(|retry_after| Error::TooMany { retry_after })?;
    }
    let changes = keep(cx, &before, &change, ChangedBy::Owner).await?;
    tell(cx, &before, changes, ChangedBy::Owner).await
}

/// Refuses an address of a domain that users cannot have.
pub(crate) fn refuse_blocked(field: &str, email: &str, settings: &Settings) -> Result<(), Invalid> {
    if settings.blocks(email) {
        let message = "Addresses of this domain are not taken here; give another one.";
        return Err(Invalid::one(field, "blocked", message));
    }
    Ok(())
}

/// Writes what changes, and answers what that is.
async fn keep(cx: &mut Cx, before: &Login, change: &OwnChange, by: ChangedBy) -> Result<Changes, Error> {
    let kept = |to: &Option<String>, before: &String| to.clone().unwrap_or_else(|| before.clone());
    let after = Names {
        username: None,
        email: kept(&change.email, &before.email),
        first_name: kept(&change.first_name, &before.first_name),
        last_name: kept(&change.last_name, &before.last_name),
        language: kept(&change.language, &before.language),
    };
    let mut changes = Changes::default();
    changes.note_personal("email", &before.email, &after.email);
    changes.note_personal("first_name", &before.first_name, &after.first_name);
    changes.note_personal("last_name", &before.last_name, &after.last_name);
    changes.note_words("language", &before.language, &after.language);
    if changes.is_empty() {
        return Ok(changes);
    }
    if after.email != before.email {
        // Who has the new address answers for themselves, not for whoever had the login before.
        security_questions::clear(cx, before.id.of_user(), by).await.map_err(of_question)?;
    }
    logins::rename(cx, before.id, &after).await?;
    if after.email != before.email {
        // A link in the old mailbox must not open the login any more, nor prove the new address.
        recovery::forget(cx, before.id).await?;
        logins::set_email_verified(cx, before.id, false).await?;
    }
    Ok(changes)
}

/// Says what changed, if anything did: the address before is told, the new one is asked to prove itself.
async fn tell(cx: &mut Cx, before: &Login, changes: Changes, by: ChangedBy) -> Result<User, Error> {
    let id = before.id.of_user();
    let after = find(cx, id).await?.ok_or(Error::Unknown)?;
    if changes.is_empty() {
        return Ok(after);
    }
    let edited = UserEdited { user_id: id, email: after.email.clone(), changed: changes.into_list() };
    if before.email == after.email {
        cx.emit(edited).await?;
        return Ok(after);
    }
    let mail = Mail::notice(cx, before.recipient(), Notice::EmailChanged { by });
    cx.emit_and_mail(edited, mail).await?;
    if !after.email_verified {
        let login = logins::find(cx, id).await?.ok_or(Error::Unknown)?;
        if login.password_hash.is_some() {
            verification::send(cx, &login).await?;
        } else {
            // Who has no password yet cannot log in to verify anything; the link before went to the wrong address.
            recovery::set_password_link(cx, &login, None, false).await?;
        }
    }
    Ok(after)
}

fn of_question(error: security_questions::Error) -> Error {
    match error {
        security_questions::Error::Db(error) => Error::Db(error),
        _ => Error::Unknown,
    }
}

/// Sets a password that its owner changes at the next login, and ends their sessions.
pub async fn set_temporary_password(cx: &mut Cx, id: UserId, new: NewPassword) -> Result<(), Error> {
    let login = locked(cx, id).await?;
    logins::set_password(cx, &login, new, PasswordChange::Colleague, None).await?;
    // Somebody else knows it.
    logins::require_new_password(cx, id.into()).await?;
    Ok(())
}
