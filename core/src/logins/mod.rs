//! Whoever logs in, staff and users alike: their names, their password, and whether they may.
//!
//! Staff and users are separate logins, also for one person. What only staff have stands in [`crate::staff`].

mod store;

use crate::{
    cx::{Actor, Cx, Reads},
    db,
    event::PasswordChanged,
    ids::{LoginId, SessionId},
    invalid::{fold, fold_email},
    outbox::{Mail, Notice, PasswordChange, Recipient},
    password::{LEAST_STAFF, LEAST_WITH_SECOND_FACTOR, PasswordHash},
    recovery, second_factor, sessions,
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
};

text_enum! {
    /// Which side of the service a login belongs to.
    pub enum Audience {
        Staff => "staff",
        User => "user",
    }
}

/// Somebody who logs in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Login {
    pub id: LoginId,
    pub audience: Audience,
    /// Only staff have one.
    pub username: Option<String>,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
    /// None yet: nobody gets in by password.
    pub password_hash: Option<PasswordHash>,
    /// Shorter than a password may be that stands alone.
    pub password_needs_factor: bool,
    pub must_change_password: bool,
    pub disabled: bool,
    pub created_at: Timestamp,
}

/// Somebody about to log in for the first time; every field is checked.
#[derive(Clone, Debug)]
pub(crate) struct NewLogin {
    pub audience: Audience,
    pub username: Option<String>,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
    pub password_hash: Option<PasswordHash>,
    pub must_change_password: bool,
}

/// How somebody is called, and where and in which language mails reach them; every field is checked.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub username: Option<String>,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
}

/// Of mails to those who chose none.
pub const DEFAULT_LANGUAGE: &str = "en";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("somebody has that username")]
    UsernameTaken,
    #[error("somebody has that email address")]
    EmailTaken,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Login {
    /// Who acts, once it is proved that it is they.
    pub(crate) fn actor(&self) -> Actor {
        match self.audience {
            Audience::Staff => Actor::Staff(self.id.of_staff()),
            Audience::User => Actor::User(self.id.of_user()),
        }
    }

    /// To whom mails about this login go.
    pub fn recipient(&self) -> Recipient {
        Recipient {
            name: format!("{} {}", self.first_name, self.last_name).trim().to_owned(),
            address: self.email.clone(),
            language: self.language.clone(),
        }
    }

    /// Words that a password must not be made of: the person's own.
    pub fn own_words(&self) -> Vec<&str> {
        let name = self.username.as_deref();
        [Some(self.email.as_str()), Some(&self.first_name), Some(&self.last_name), name]
            .into_iter()
            .flatten()
            .collect()
    }

    /// How a person is addressed where one name is shown: the username of staff, else the email address.
    pub fn display_name(&self) -> &str {
        self.username.as_deref().unwrap_or(&self.email)
    }
}

/// How long a password must be at least (NIST SP 800-63B-4, section 3.1.1.2): less where a second factor is enrolled.
pub fn least_length(audience: Audience, has_second_factor: bool, settings: &Settings) -> usize {
    match audience {
        Audience::Staff if has_second_factor => LEAST_WITH_SECOND_FACTOR,
        Audience::Staff => LEAST_STAFF,
        Audience::User => settings.password_min_users.into(),
    }
}

pub async fn find(reads: &mut impl Reads, id: impl Into<LoginId>) -> Result<Option<Login>, db::Error> {
    store::find(reads.db(), id.into()).await
}

/// The login that `name`, a username or an email address, means.
pub async fn find_by_name(
    reads: &mut impl Reads,
    audience: Audience,
    name: &str,
) -> Result<Option<Login>, db::Error> {
    // No login is longer than an address, and PostgreSQL's text holds no NUL.
    if name.len() > 254 || name.contains('\0') {
        return Ok(None);
    }
    store::find_by_name(reads.db(), audience, &fold_email(name)).await
}

pub async fn email_exists(
    reads: &mut impl Reads,
    audience: Audience,
    email: &str,
) -> Result<bool, db::Error> {
    store::email_exists(reads.db(), audience, &fold_email(email)).await
}

/// Makes a login. Its first password was judged before it was hashed.
pub(crate) async fn create(cx: &mut Cx, new: &NewLogin) -> Result<LoginId, Error> {
    let id = LoginId::new(cx.now(), cx.chance());
    if store::insert(cx, id, new).await? {
        return Ok(id);
    }
    // Which of the two names was it? An error would end the transaction, so the statement does not say.
    Err(if store::email_exists(cx.db(), new.audience, &fold_email(&new.email)).await? {
        Error::EmailTaken
    } else {
        Error::UsernameTaken
    })
}

/// A new password in its kept form, and what must be known of the old one.
#[derive(Clone, Debug)]
pub struct NewPassword {
    pub hash: PasswordHash,
    /// Too short to stand alone.
    pub needs_factor: bool,
}

/// Sets a password and ends every session of its owner but `keep`. The owner is told.
pub async fn set_password(
    cx: &mut Cx,
    login: &Login,
    new: NewPassword,
    how: PasswordChange,
    keep: Option<SessionId>,
) -> Result<(), db::Error> {
    store::set_password(cx, login.id, &new).await?;
    if new.needs_factor && !second_factor::is_enrolled(cx, login.id).await? {
        // The factor was removed while the password was being hashed.
        store::require_longer_password(cx, login.id).await?;
    }
    sessions::end_all(cx, login.id, keep).await?;
    recovery::forget(cx, login.id).await?;
    let event = PasswordChanged { audience: login.audience, login_id: login.id, how: how.as_str() };
    let mail = Mail::notice(cx, login.recipient(), Notice::PasswordChanged { how });
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}

/// Gives a login other names. Whoever changes the address forgets recovery links, too.
pub(crate) async fn rename(cx: &mut Cx, id: LoginId, names: &Names) -> Result<(), Error> {
    // One after the other: which of the two was taken, the statement does not say.
    if !store::set_email(cx, id, &names.email).await? {
        return Err(Error::EmailTaken);
    }
    if !store::set_names(cx, id, names).await? {
        return Err(Error::UsernameTaken);
    }
    Ok(())
}

/// Whoever logs in next with this password chooses another one first.
pub(crate) async fn require_new_password(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    store::require_new_password(cx, id).await
}

/// Deletes a login and everything that is only its own.
pub(crate) async fn delete(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    store::delete(cx, id).await
}

/// What a search looks through.
pub(crate) fn search_text(parts: [Option<&str>; 4]) -> String {
    fold(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// Puts a hash with today's parameters in the place of `old`, unless the password was changed meanwhile.
pub async fn upgrade_hash(
    cx: &mut Cx,
    id: LoginId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<(), db::Error> {
    store::upgrade_hash(cx, id, old, new).await
}

/// A password that may only stand beside a second factor must be changed once that is gone.
pub(crate) async fn require_longer_password(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    store::require_longer_password(cx, id).await
}

/// Writes down that somebody came in. False if they are gone or disabled.
pub(crate) async fn touch(cx: &mut Cx, id: LoginId) -> Result<bool, db::Error> {
    store::touch(cx, id).await
}

/// Whether the address turned out to be theirs.
pub(crate) async fn set_email_verified(cx: &mut Cx, id: LoginId, verified: bool) -> Result<(), db::Error> {
    store::set_email_verified(cx, id, verified).await
}

/// Holds the login's row until the transaction ends: second factors, their codes and passwords change one at a time.
pub(crate) async fn lock(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    store::lock(cx, id).await
}

/// Shuts somebody out, or lets them in again. Every session of theirs ends at once. False if nothing changed.
pub(crate) async fn set_disabled(cx: &mut Cx, id: LoginId, disabled: bool) -> Result<bool, db::Error> {
    let changed = store::set_disabled(cx, id, disabled).await?;
    if changed && disabled {
        sessions::end_all(cx, id, None).await?;
        recovery::forget(cx, id).await?;
    }
    Ok(changed)
}
