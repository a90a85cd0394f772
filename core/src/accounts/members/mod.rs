//! Who is on an account, and what they may do there.

mod store;

use super::{Account, AccountPermissions, By, Error, Status, locked, locked_by};
use crate::{
    cx::{Cx, Reads},
    db,
    event::{AccountOwnerChanged, AccountUserAdded, AccountUserChanged, AccountUserRemoved},
    ids::{AccountId, UserId},
    invalid::fold_email,
    logins::{self, Login},
    outbox::{Mail, MailContent},
    page::{Page, PageRequest},
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
    users,
};

/// A user on an account, as the account's owner and staff see them.
#[derive(Clone, Debug)]
pub struct AccountUser {
    pub id: UserId,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub disabled: bool,
    pub is_owner: bool,
    pub permissions: AccountPermissions,
    /// Since when they are on it.
    pub since: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// An account that a user is on, as that user sees it.
#[derive(Clone, Debug)]
pub struct Membership {
    pub account: AccountId,
    pub name: String,
    pub status: Status,
    pub is_owner: bool,
    pub permissions: AccountPermissions,
    pub since: Timestamp,
}

impl Membership {
    /// Whether a session can act for it.
    pub fn can_be_chosen(&self) -> bool {
        self.status != Status::Closed
    }
}

text_enum! {
    /// How a user came to be on an account.
    pub enum AddedBy {
        Created => "created",
        Invitation => "invitation",
        Staff => "staff",
    }
}

/// A user on an account; None if they are not on it.
pub async fn find(
    reads: &mut impl Reads,
    account: AccountId,
    user: UserId,
) -> Result<Option<AccountUser>, db::Error> {
    store::find(reads.db(), account, user).await
}

/// Who is on an account, the one who came last first.
pub async fn list(
    reads: &mut impl Reads,
    account: AccountId,
    request: &PageRequest,
) -> Result<Page<AccountUser>, db::Error> {
    let total = request.total(reads.db(), store::select_one(account)).await?;
    let rows = store::list(reads.db(), account, request).await?;
    Ok(request.page(rows, total, |user| (user.since, user.id.into())))
}

/// The accounts that a user is on, closed ones included, the oldest first.
pub async fn of_user(reads: &mut impl Reads, user: UserId) -> Result<Vec<Membership>, db::Error> {
    store::of_user(reads.db(), user).await
}

/// What a user may do on an account at this moment: nothing if they are not on it, disabled, or it is closed.
pub async fn permissions(
    reads: &mut impl Reads,
    account: AccountId,
    user: UserId,
) -> Result<AccountPermissions, db::Error> {
    store::permissions(reads.db(), account, user).await
}

pub(super) async fn add_owner(cx: &mut Cx, account: AccountId, owner: UserId) -> Result<(), Error> {
    insert(cx, account, owner, AccountPermissions::ALL, AddedBy::Created).await
}

async fn insert(
    cx: &mut Cx,
    account: AccountId,
    user: UserId,
    permissions: AccountPermissions,
    how: AddedBy,
) -> Result<(), Error> {
    if !store::insert(cx, account, user, permissions).await? {
        return Err(Error::OnAccountAlready);
    }
    let added = AccountUserAdded {
        account_id: account,
        user_id: user,
        permissions: permissions.words(),
        how: how.as_str(),
    };
    cx.emit(added).await?;
    Ok(())
}

/// Puts a user, whose login is held, on an account that is open.
pub(crate) async fn add(
    cx: &mut Cx,
    account: AccountId,
    user: &Login,
    permissions: AccountPermissions,
    how: AddedBy,
) -> Result<Account, Error> {
    if user.disabled {
        return Err(Error::UserDisabled);
    }
    let account = locked(cx, account).await?;
    if account.status == Status::Closed {
        return Err(Error::Closed);
    }
    insert(cx, account.id, user.id.of_user(), permissions, how).await?;
    Ok(account)
}

/// Whom staff put on an account at once.
#[derive(Clone, Debug)]
pub enum Whom {
    User(UserId),
    /// The user with this address, who has proved it to be theirs.
    Address(String),
    /// Nobody yet: who gets in by a link to choose a password.
    New(users::NewUser),
}

/// Puts a user on an account at once, as only staff can. No mail goes out. For a new user the answer has their login.
pub async fn associate(
    cx: &mut Cx,
    account: AccountId,
    whom: Whom,
    permissions: AccountPermissions,
    settings: &Settings,
) -> Result<(AccountUser, Option<Login>), Error> {
    let (user, new) = match whom {
        Whom::User(id) => (users::locked(cx, id).await?, None),
        Whom::Address(address) => {
            let found = logins::find_by_name(cx, logins::Audience::User, &address).await?;
            let login = users::locked(cx, found.ok_or(users::Error::Unknown)?.id.of_user()).await?;
            // Whoever registered with an address that nobody has proved may be anybody.
            if !login.email_verified || fold_email(&login.email) != fold_email(&address) {
                return Err(Error::EmailUnverified);
            }
            (login, None)
        }
        Whom::New(new) => {
            let how = users::CreatedBy::Staff;
            let login = users::create(cx, new, None, how, settings.default_language()).await?;
            (login.clone(), Some(login))
        }
    };
    add(cx, account, &user, permissions, AddedBy::Staff).await?;
    let added = find(cx, account, user.id.of_user()).await?.ok_or(Error::NotOnAccount)?;
    Ok((added, new))
}

/// Refuses what owners do where a setting turned it off.
fn refuse_turned_off(by: By<'_>, settings: &Settings) -> Result<(), Error> {
    match by {
        By::Staff(_) => Ok(()),
        By::Owner(_) | By::User(..) if settings.client_user_management => Ok(()),
        By::Owner(_) | By::User(..) => Err(Error::TurnedOff),
    }
}

/// Changes what somebody may do on an account; it holds on their next request. The owner may everything, always.
pub async fn change(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    user: UserId,
    permissions: AccountPermissions,
    settings: &Settings,
) -> Result<AccountUser, Error> {
    refuse_turned_off(by, settings)?;
    locked_by(cx, by, account).await?;
    let before = find(cx, account, user).await?.ok_or(Error::NotOnAccount)?;
    if before.is_owner {
        return Err(Error::OwnerFixed);
    }
    if before.permissions != permissions {
        store::set_permissions(cx, account, user, permissions).await?;
        let (before, after) = (before.permissions.words(), permissions.words());
        cx.emit(AccountUserChanged { account_id: account, user_id: user, before, after }).await?;
    }
    find(cx, account, user).await?.ok_or(Error::NotOnAccount)
}

/// Takes somebody off an account, who is told. They stay a user. The owner cannot be removed.
pub async fn remove(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    user: UserId,
    settings: &Settings,
) -> Result<(), Error> {
    refuse_turned_off(by, settings)?;
    let of = locked_by(cx, by, account).await?;
    let before = find(cx, account, user).await?.ok_or(Error::NotOnAccount)?;
    if before.is_owner {
        return Err(Error::OwnerFixed);
    }
    store::delete(cx, account, user).await?;
    let removed = AccountUserRemoved { account_id: account, user_id: user };
    let login = logins::find(cx, user).await?.ok_or(Error::NotOnAccount)?;
    let mail = Mail::news(cx, login.recipient(), MailContent::AccessRemoved { account: of.profile.name });
    cx.emit_and_mail(removed, mail).await?;
    Ok(())
}

/// Makes another user of the account its owner, who is told. The one before stays, with every permission.
pub async fn give_to(cx: &mut Cx, account: AccountId, user: UserId) -> Result<Account, Error> {
    let login = users::locked(cx, user).await?;
    let before = locked(cx, account).await?;
    if login.disabled {
        return Err(Error::UserDisabled);
    }
    find(cx, account, user).await?.ok_or(Error::NotOnAccount)?;
    if before.owner_id == user {
        return Ok(before);
    }
    for one in [user, before.owner_id] {
        store::set_permissions(cx, account, one, AccountPermissions::ALL).await?;
    }
    super::store::set_owner(cx, account, user).await?;
    let changed = AccountOwnerChanged { account_id: account, before: before.owner_id, after: user };
    let former = logins::find(cx, before.owner_id).await?.map(|login| login.recipient().name);
    let content = MailContent::NowOwner { account: before.profile.name, former: former.unwrap_or_default() };
    let mail = Mail::news(cx, login.recipient(), content);
    cx.emit_and_mail(changed, mail).await?;
    super::find(cx, account).await?.ok_or(Error::Unknown)
}
