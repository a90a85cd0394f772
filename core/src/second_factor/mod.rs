//! Second factors: time-based codes and security keys, and recovery codes for whoever lost theirs.
//!
//! The same for staff and users. A login is answered by exactly one of them, each code and each signature once.

pub mod keys;
mod login;
pub mod recovery_codes;
pub mod security_keys;
mod store;
pub mod totp;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{SecondFactorAdded, SecondFactorRemoved},
    ids::{LoginId, SessionId},
    logins::{self, Audience, Login},
    outbox::{Factor as Told, Mail, Notice, RemovedBy},
    sessions,
    settings::Settings,
    text_enum::text_enum,
};

pub use login::{Answer, Error as LoginError, Passed, methods, pass};
pub use recovery_codes::RecoveryCodes;

text_enum! {
    /// A second factor that can be enrolled.
    pub enum Factor {
        /// Time-based one-time codes (RFC 6238).
        Totp => "totp",
        /// A security key or passkey (WebAuthn).
        SecurityKey => "security-key",
    }
}

/// What somebody has enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Enrolled {
    pub totp: bool,
    pub security_keys: i64,
    pub recovery_codes_left: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The factor is turned off for this side of the service.
    #[error("this kind of second factor cannot be enrolled here")]
    NotOffered,
    /// Whoever holds an address that is not theirs must not lock its owner out with a factor of their own.
    #[error("the email address is not verified")]
    EmailUnverified,
    /// There is nothing to confirm, or it took too long.
    #[error("nothing was begun, or too long ago")]
    NotBegun,
    #[error("the code is wrong, or was used before")]
    WrongCode,
    #[error("there is no such second factor")]
    NotEnrolled,
    #[error("the setting or the role requires a second factor, and this is the last one")]
    Required,
    #[error("there are as many security keys as somebody can have")]
    TooMany,
    #[error("the security key cannot be registered: {0}")]
    Key(#[from] security_keys::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Enrolled {
    pub fn any(&self) -> bool {
        self.totp || self.security_keys > 0
    }
}

pub async fn enrolled(reads: &mut impl Reads, login: LoginId) -> Result<Enrolled, db::Error> {
    store::enrolled(reads.db(), login).await
}

pub async fn is_enrolled(reads: &mut impl Reads, login: LoginId) -> Result<bool, db::Error> {
    Ok(enrolled(reads, login).await?.any())
}

/// Whether the setting or the role wants this login to have a second factor.
pub async fn is_required(
    reads: &mut impl Reads,
    login: &Login,
    settings: &Settings,
) -> Result<bool, db::Error> {
    if !settings.offers_any(login.audience) {
        // A role cannot ask for what nobody may enrol.
        return Ok(false);
    }
    if settings.requires_second_factor(login.audience) {
        return Ok(true);
    }
    match login.audience {
        Audience::Staff => store::role_requires(reads.db(), login.id.of_staff()).await,
        Audience::User => Ok(false),
    }
}

/// What must hold before a factor can be enrolled.
fn may_enrol(login: &Login, factor: Factor, settings: &Settings) -> Result<(), Error> {
    if !settings.offers(login.audience, factor) {
        return Err(Error::NotOffered);
    }
    if !login.email_verified {
        return Err(Error::EmailUnverified);
    }
    Ok(())
}

/// Takes away everything that somebody has enrolled, recovery codes included: for a colleague, the command line, or an
/// address that turns out to be somebody else's. Ends every session. False if there was nothing.
pub async fn remove_all(cx: &mut Cx, login: &Login, by: RemovedBy) -> Result<bool, db::Error> {
    logins::lock(cx, login.id).await?;
    if !is_enrolled(cx, login.id).await? {
        return Ok(false);
    }
    store::remove_all(cx, login.id).await?;
    logins::require_longer_password(cx, login.id).await?;
    sessions::end_all(cx, login.id, None).await?;
    removed(cx, login, None, None, by).await?;
    Ok(true)
}

/// What follows when its owner removed one factor: other sessions end, and with the last factor go the recovery codes
/// and a password too short to stand alone.
async fn removed_one(
    cx: &mut Cx,
    login: &Login,
    factor: Factor,
    name: Option<String>,
    session: SessionId,
) -> Result<(), db::Error> {
    if !is_enrolled(cx, login.id).await? {
        store::remove_all(cx, login.id).await?;
        logins::require_longer_password(cx, login.id).await?;
    }
    sessions::end_all(cx, login.id, Some(session)).await?;
    removed(cx, login, Some(factor), name, RemovedBy::Owner).await
}

async fn removed(
    cx: &mut Cx,
    login: &Login,
    factor: Option<Factor>,
    name: Option<String>,
    by: RemovedBy,
) -> Result<(), db::Error> {
    let told = factor.map_or(Told::All, |factor| factor.told(name.as_deref()));
    let mail = Mail::notice(cx, login.recipient(), Notice::SecondFactorRemoved { factor: told, by });
    let event = SecondFactorRemoved {
        audience: login.audience,
        login_id: login.id,
        factor: factor.map_or("all", Factor::as_str),
        name,
        by: by.as_str(),
    };
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}

/// Writes down, and tells its owner, that a factor was enrolled. Every other session of theirs ends: those began with
/// less, perhaps by somebody who has only the password.
async fn added(
    cx: &mut Cx,
    login: &Login,
    factor: Factor,
    name: Option<String>,
    session: SessionId,
) -> Result<(), db::Error> {
    sessions::end_all(cx, login.id, Some(session)).await?;
    let notice = Notice::SecondFactorAdded { factor: factor.told(name.as_deref()) };
    let mail = Mail::notice(cx, login.recipient(), notice);
    let event =
        SecondFactorAdded { audience: login.audience, login_id: login.id, factor: factor.as_str(), name };
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}

impl Factor {
    /// As its owner is told of it.
    fn told(self, name: Option<&str>) -> Told {
        match self {
            Self::Totp => Told::Totp,
            Self::SecurityKey => Told::SecurityKey { name: name.unwrap_or_default().into() },
        }
    }
}

/// Nobody who must have a second factor takes their last one away themselves. Asked after it was taken away, in a unit of
/// work that then is not kept.
async fn may_remove(cx: &mut Cx, login: &Login, settings: &Settings) -> Result<(), Error> {
    let last = !is_enrolled(cx, login.id).await?;
    if last && is_required(cx, login, settings).await? { Err(Error::Required) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
