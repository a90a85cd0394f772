//! Users: who logs in on the client side. What they may do stands with the accounts that they are on.

mod edit;
mod list;
mod register;
mod store;
pub mod verification;

use crate::{
    activity::{self, full_name},
    cx::{Cx, Reads},
    db,
    event::{UserCreated, UserDeleted, UserDisabled, UserEnabled},
    ids::{SecurityQuestionId, UserId},
    invalid::{self, Invalid},
    logins::{self, Audience, Login, NewLogin},
    password::PasswordHash,
    recovery,
    secret::Token,
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
};

pub(crate) use edit::refuse_blocked;
pub use edit::{OwnChange, UserChange, change, change_own, set_temporary_password};
pub use list::{Filter, State, list};
pub use register::{Registered, Registration, admit, further_account, note_probe, refuse_prober, register};

/// Somebody who logs in on the client side.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
    /// False until they chose one by a link.
    pub has_password: bool,
    pub must_change_password: bool,
    pub has_second_factor: bool,
    pub question_id: Option<SecurityQuestionId>,
    pub disabled: bool,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Somebody who is to be a user.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    /// None: the first of the setting `languages`.
    pub language: Option<String>,
}

text_enum! {
    /// How a user came to be.
    pub enum CreatedBy {
        Registration => "registration",
        Invitation => "invitation",
        Staff => "staff",
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such user")]
    Unknown,
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("a user has that email address")]
    EmailTaken,
    /// Whoever is on an account is removed from it first.
    #[error("the user is on an account")]
    HasAccounts,
    #[error("registration is turned off")]
    TurnedOff,
    #[error("too many registrations came from there")]
    TooMany { retry_after: std::time::Duration },
    /// The link to verify an address was used, replaced, or is too old, or somebody else's.
    #[error("the link is not good, or no longer")]
    LinkDead,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<logins::Error> for Error {
    fn from(error: logins::Error) -> Self {
        match error {
            // Users have no usernames.
            logins::Error::UsernameTaken | logins::Error::EmailTaken => Self::EmailTaken,
            logins::Error::Db(error) => Self::Db(error),
        }
    }
}

impl NewUser {
    /// The same with every field in its kept form; the fields are called `prefix` and their name.
    pub fn checked(self, prefix: &str, invalid: &mut Invalid) -> Self {
        let field = |name: &str| format!("{prefix}{name}");
        Self {
            email: invalid.take(&field("email"), invalid::email(&self.email)),
            first_name: invalid.take(&field("first_name"), invalid::person_name(&self.first_name)),
            last_name: invalid.take(&field("last_name"), invalid::person_name(&self.last_name)),
            language: self.language.map(|tag| invalid.take(&field("language"), invalid::language(&tag))),
        }
    }

    /// Words that their password must not be made of: their own, and the company's.
    pub fn own_words(&self, company: &str) -> Vec<String> {
        [&self.email, &self.first_name, &self.last_name]
            .map(String::clone)
            .into_iter()
            .chain([company.into()])
            .collect()
    }
}

pub async fn find(reads: &mut impl Reads, id: UserId) -> Result<Option<User>, db::Error> {
    store::find(reads.db(), id).await
}

/// Makes a user whose fields are checked. Nobody has proved yet whose the address is.
pub(crate) async fn create(
    cx: &mut Cx,
    new: NewUser,
    password_hash: Option<PasswordHash>,
    how: CreatedBy,
    default_language: &str,
) -> Result<Login, Error> {
    let login = NewLogin {
        audience: Audience::User,
        username: None,
        email: new.email,
        email_verified: false,
        first_name: new.first_name,
        last_name: new.last_name,
        language: new.language.unwrap_or_else(|| default_language.to_owned()),
        password_hash,
        must_change_password: false,
    };
    let id = logins::create(cx, &login).await?.of_user();
    store::insert(cx, id).await?;
    cx.emit(UserCreated { user_id: id, email: login.email, how: how.as_str() }).await?;
    logins::find(cx, id).await?.ok_or(Error::Unknown)
}

/// Makes a user, as staff do: with a password that they change at the first login, else with a link to choose one, which is
/// mailed.
pub async fn create_for(
    cx: &mut Cx,
    new: NewUser,
    password_hash: Option<PasswordHash>,
    settings: &Settings,
) -> Result<(User, Option<Token>), Error> {
    let has_password = password_hash.is_some();
    let login = create(cx, new, password_hash, CreatedBy::Staff, settings.default_language()).await?;
    let token = if has_password {
        logins::require_new_password(cx, login.id).await?;
        None
    } else {
        Some(recovery::set_password_link(cx, &login, None, true).await?)
    };
    let user = find(cx, login.id.of_user()).await?.ok_or(Error::Unknown)?;
    Ok((user, token))
}

/// The login of a user, held until the transaction ends.
pub async fn locked(cx: &mut Cx, id: UserId) -> Result<Login, Error> {
    logins::lock(cx, id.into()).await?;
    logins::find(cx, id).await?.filter(|login| login.audience == Audience::User).ok_or(Error::Unknown)
}

/// Lets somebody in again. False if they could.
pub async fn enable(cx: &mut Cx, id: UserId) -> Result<bool, Error> {
    let login = locked(cx, id).await?;
    let changed = logins::set_disabled(cx, id.into(), false).await?;
    if changed {
        cx.emit(UserEnabled { user_id: id, email: login.email }).await?;
    }
    Ok(changed)
}

/// Shuts somebody out; their sessions end at once. False if they were.
pub async fn disable(cx: &mut Cx, id: UserId) -> Result<bool, Error> {
    let login = locked(cx, id).await?;
    let changed = logins::set_disabled(cx, id.into(), true).await?;
    if changed {
        verification::forget(cx, id.into()).await?;
        cx.emit(UserDisabled { user_id: id, email: login.email }).await?;
    }
    Ok(changed)
}

/// Deletes somebody for good who is on no account.
pub async fn delete(cx: &mut Cx, id: UserId) -> Result<(), Error> {
    let login = locked(cx, id).await?;
    // Whoever puts them on an account holds their login, too.
    if store::is_on_an_account(cx, id).await? {
        return Err(Error::HasAccounts);
    }
    recovery::forget(cx, id.into()).await?;
    verification::forget(cx, id.into()).await?;
    logins::delete(cx, id.into()).await?;
    let name = full_name(&login.first_name, &login.last_name, &login.email);
    activity::keep_name(cx, id, &name).await?;
    cx.emit(UserDeleted { user_id: id, email: login.email }).await?;
    Ok(())
}
