//! Accounts: the billable parties that users act for. Who may do what on one stands in [`members`].
//!
//! An account has exactly one owner: the column `owner_id`, whose user is always on the account with every permission.
//! Whatever changes who is on an account holds the user's login first, then the account's row.

mod edit;
mod list;
pub mod login_as;
pub mod members;
pub mod permissions;
mod profile;
mod store;

use crate::{
    authority::Authority,
    custom_fields,
    cx::{Cx, Reads},
    db,
    ids::{AccountGroupId, AccountId, UserId},
    invalid::Invalid,
    text_enum::text_enum,
    time::Timestamp,
    users,
};

pub(crate) use edit::insert;
pub use edit::{
    AccountChange, Deletion, NewAccount, Owner, change, change_profile, close, create, delete, deletion,
    reopen,
};
pub use list::{Filter, list};
pub use members::{AccountUser, Membership};
pub use permissions::{AccountPermission, AccountPermissionView, AccountPermissions};
pub use profile::{Kind, Profile, ProfileChange};

/// A billable party.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    pub id: AccountId,
    pub owner_id: UserId,
    #[sqlx(flatten)]
    pub profile: Profile,
    pub group_id: Option<AccountGroupId>,
    pub group_name: Option<String>,
    /// For staff only.
    pub notes: String,
    pub status: Status,
    pub created_at: Timestamp,
}

text_enum! {
    /// How an account stands.
    #[schemars(rename = "AccountStatus")]
    pub enum Status {
        Active => "active",
        /// Has nothing at the moment; works like an active one.
        Inactive => "inactive",
        /// Nobody acts for it; it can be reopened.
        Closed => "closed",
    }
}

/// Who changes something of an account.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Whose permission the route asked for.
    Staff(&'a Authority),
    /// Who must own the account.
    Owner(UserId),
    /// Whose permission on the account the route asked for.
    User(UserId, AccountPermission),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such account")]
    Unknown,
    #[error("the account is closed")]
    Closed,
    #[error("the user is not on the account")]
    NotOnAccount,
    #[error("the user is on the account already")]
    OnAccountAlready,
    /// Neither their permissions nor they themselves leave, while they own it.
    #[error("the owner of an account is fixed")]
    OwnerFixed,
    #[error("only the owner may do this")]
    OwnerOnly,
    /// The permission was taken away meanwhile.
    #[error("the user may not do this on the account")]
    NotPermitted,
    #[error("the user is disabled")]
    UserDisabled,
    /// Association by address is for addresses that somebody has proved to be theirs.
    #[error("the user's address is not verified")]
    EmailUnverified,
    /// What goes with the account changed since it was looked at.
    #[error("something else would be deleted than was shown")]
    PreviewOutdated,
    #[error("a setting turned it off")]
    TurnedOff,
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error(transparent)]
    User(#[from] users::Error),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<custom_fields::SetError> for Error {
    fn from(error: custom_fields::SetError) -> Self {
        match error {
            custom_fields::SetError::Invalid(invalid) => Self::Invalid(invalid),
            custom_fields::SetError::Db(error) => Self::Db(error),
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

pub async fn find(reads: &mut impl Reads, id: AccountId) -> Result<Option<Account>, db::Error> {
    store::find(reads.db(), id).await
}

/// An account, held until the transaction ends.
pub(crate) async fn locked(cx: &mut Cx, id: AccountId) -> Result<Account, Error> {
    if !store::lock(cx, id).await? {
        return Err(Error::Unknown);
    }
    find(cx, id).await?.ok_or(Error::Unknown)
}

/// An account that `by` may change, held until the transaction ends: as things stand now, not when the request came in.
pub(crate) async fn locked_by(cx: &mut Cx, by: By<'_>, id: AccountId) -> Result<Account, Error> {
    let account = locked(cx, id).await?;
    match by {
        By::Staff(_) => {}
        By::Owner(user) if account.owner_id != user => return Err(Error::OwnerOnly),
        By::Owner(_) | By::User(..) if account.status == Status::Closed => return Err(Error::Closed),
        By::Owner(_) => {}
        By::User(user, permission) => {
            let found = members::find(cx, id, user).await?.ok_or(Error::NotOnAccount)?;
            if !found.permissions.has(permission) {
                return Err(Error::NotPermitted);
            }
        }
    }
    Ok(account)
}
