//! Making, changing, closing and deleting accounts.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Account, AccountPermission, By, Error, Profile, ProfileChange, Status, find, locked, locked_by, members,
    store,
};
use crate::{
    activity,
    custom_fields::{self, Editor},
    cx::{Cx, Reads},
    db,
    event::{AccountClosed, AccountCreated, AccountDeleted, AccountEdited, AccountReopened, Changes},
    ids::{AccountGroupId, AccountId, UserId},
    invalid::{self, Checked, Invalid},
    invitations,
    outbox::{self, Mail, MailContent, Recipient},
    recovery,
    secret::Token,
    settings::Settings,
    users::{self, CreatedBy, NewUser},
};

/// An account that staff make.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    pub profile: ProfileChange,
    pub group_id: Option<AccountGroupId>,
    pub notes: String,
    /// By slug.
    pub custom_fields: Map<String, Value>,
}

/// Whose account it is to be.
#[derive(Clone, Debug)]
pub enum Owner {
    Existing(UserId),
    /// Who gets in by a link to choose a password.
    New(NewUser),
}

/// What staff change of an account: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub profile: ProfileChange,
    pub group_id: Option<Option<AccountGroupId>>,
    pub notes: Option<String>,
    /// Open ones only: see [`close`] and [`reopen`].
    pub inactive: Option<bool>,
    /// By slug; null empties a field.
    pub custom_fields: Map<String, Value>,
}

/// What is deleted together with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    pub account: AccountId,
    pub name: String,
    /// Who is on it. They stay users.
    pub users: Vec<UserId>,
    /// Those of them who are on no other account.
    pub users_without_account: Vec<UserId>,
    pub contacts: i64,
    pub open_invitations: i64,
}

impl Deletion {
    /// What says that this, and nothing else, was seen.
    pub fn seen(&self) -> String {
        let Self { account, name, users, users_without_account, contacts, open_invitations } = self;
        let text =
            format!("{account} {name} {users:?} {users_without_account:?} {contacts} {open_invitations}");
        let hash = Sha256::digest(text.as_bytes());
        data_encoding::HEXLOWER.encode(&hash[..8])
    }
}

fn notes(text: &str, invalid: &mut Invalid) -> String {
    invalid.take("notes", invalid::plain_text(text, 20_000))
}

impl NewAccount {
    /// The same with every field in its kept form; the fields of the profile are called `prefix` and their name.
    pub fn checked(self, prefix: &str, invalid: &mut Invalid) -> Self {
        let notes = notes(&self.notes, invalid);
        Self { profile: self.profile.checked(prefix, invalid), notes, ..self }
    }
}

impl AccountChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let notes = self.notes.map(|text| notes(&text, &mut invalid));
        let checked = Self { profile: self.profile.checked("", &mut invalid), notes, ..self };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// Makes an account with its owner. A new owner's link to choose a password comes along, once; it is mailed as well.
pub async fn create(
    cx: &mut Cx,
    owner: Owner,
    new: NewAccount,
    settings: &Settings,
) -> Result<(Account, Option<Token>), Error> {
    let (login, is_new) = match owner {
        Owner::Existing(id) => (users::locked(cx, id).await?, false),
        Owner::New(user) => {
            (users::create(cx, user, None, CreatedBy::Staff, settings.default_language()).await?, true)
        }
    };
    if login.disabled {
        return Err(Error::UserDisabled);
    }
    let profile = new.profile.into_profile(&login.first_name, &login.last_name, &login.email);
    let name = profile.name.clone();
    let account = insert(cx, login.id.of_user(), profile, new.group_id, new.notes, None).await?;
    custom_fields::set(cx, account.id, &new.custom_fields, Editor::Staff, true).await?;
    let token = match is_new {
        true => Some(recovery::set_password_link(cx, &login, Some(name), true).await?),
        false => None,
    };
    Ok((account, token))
}

/// The rows of a new account, and their events; a mail to whoever made it for themselves.
pub(crate) async fn insert(
    cx: &mut Cx,
    owner_id: UserId,
    profile: Profile,
    group_id: Option<AccountGroupId>,
    notes: String,
    welcome: Option<Recipient>,
) -> Result<Account, Error> {
    if let Some(group) = group_id
        && !store::group_exists(cx, group).await?
    {
        return Err(unknown_group().into());
    }
    let id = AccountId::new(cx.now(), cx.chance());
    store::insert(cx, id, owner_id, &profile, group_id, &notes).await?;
    let created = AccountCreated { account_id: id, name: profile.name.clone(), owner_id };
    match welcome {
        Some(recipient) => {
            let mail = Mail::news(cx, recipient, MailContent::Welcome { account: profile.name });
            cx.emit_and_mail(created, mail).await?;
        }
        None => drop(cx.emit(created).await?),
    }
    members::add_owner(cx, id, owner_id).await?;
    find(cx, id).await?.ok_or(Error::Unknown)
}

fn unknown_group() -> Invalid {
    Invalid::one(
        "group_id",
        "unknown",
        "There is no group with this id; GET /v1/admin/account-groups lists them.",
    )
}

/// Changes an account, as staff do.
pub async fn change(
    cx: &mut Cx,
    id: AccountId,
    Checked(change): Checked<AccountChange>,
) -> Result<Account, Error> {
    let before = locked(cx, id).await?;
    let mut after = before.clone();
    change.profile.apply(&mut after.profile);
    if let Some(group) = change.group_id {
        if let Some(group) = group
            && !store::group_exists(cx, group).await?
        {
            return Err(unknown_group().into());
        }
        after.group_id = group;
    }
    after.notes = change.notes.unwrap_or(after.notes);
    match (change.inactive, before.status) {
        (None, _) => {}
        (Some(_), Status::Closed) => return Err(Error::Closed),
        (Some(inactive), _) => after.status = if inactive { Status::Inactive } else { Status::Active },
    }
    keep(cx, &before, &after, &change.custom_fields, Editor::Staff).await
}

/// Changes what users may who have the permission `profile`.
pub async fn change_profile(
    cx: &mut Cx,
    id: AccountId,
    user: UserId,
    Checked(change): Checked<AccountChange>,
) -> Result<Account, Error> {
    let before = locked_by(cx, By::User(user, AccountPermission::Profile), id).await?;
    let mut after = before.clone();
    change.profile.apply(&mut after.profile);
    keep(cx, &before, &after, &change.custom_fields, Editor::User).await
}

async fn keep(
    cx: &mut Cx,
    before: &Account,
    after: &Account,
    fields: &Map<String, Value>,
    by: Editor,
) -> Result<Account, Error> {
    let mut changes = Changes::default();
    before.profile.note(&after.profile, &mut changes);
    changes.note("group_id", &before.group_id, &after.group_id);
    changes.note_free_text("notes", &before.notes, &after.notes);
    changes.note("status", &before.status, &after.status);
    changes.add(custom_fields::set(cx, after.id, fields, by, false).await?);
    if changes.is_empty() {
        return Ok(before.clone());
    }
    store::update(cx, after).await?;
    let name = after.profile.name.clone();
    cx.emit(AccountEdited { account_id: after.id, name, changed: changes.into_list() }).await?;
    find(cx, after.id).await?.ok_or(Error::Unknown)
}

/// Closes an account: nobody acts for it any more, and its invitations are dead as long as it is closed. False if it was.
pub async fn close(cx: &mut Cx, id: AccountId) -> Result<bool, Error> {
    let account = locked(cx, id).await?;
    if account.status == Status::Closed {
        return Ok(false);
    }
    store::set_status(cx, id, Status::Closed).await?;
    cx.emit(AccountClosed { account_id: id, name: account.profile.name }).await?;
    Ok(true)
}

/// Opens a closed account again. False if it was open.
pub async fn reopen(cx: &mut Cx, id: AccountId) -> Result<bool, Error> {
    let account = locked(cx, id).await?;
    if account.status != Status::Closed {
        return Ok(false);
    }
    store::set_status(cx, id, Status::Active).await?;
    cx.emit(AccountReopened { account_id: id, name: account.profile.name }).await?;
    Ok(true)
}

/// What would be deleted together with an account.
pub async fn deletion(reads: &mut impl Reads, id: AccountId) -> Result<Deletion, Error> {
    let account = find(reads, id).await?.ok_or(Error::Unknown)?;
    let now = reads.now();
    let users = store::users_of(reads.db(), id).await?;
    Ok(Deletion {
        account: id,
        name: account.profile.name,
        users_without_account: store::users_of_alone(reads.db(), id).await?,
        contacts: store::count_contacts(reads.db(), id).await?,
        open_invitations: invitations::count_pending_to(reads, id, now).await?,
        users,
    })
}

/// Deletes an account for good, if what goes with it is what was `seen`.
pub async fn delete(cx: &mut Cx, id: AccountId, seen: &str) -> Result<(), Error> {
    // Whoever accepts holds the invitation first, and then the account.
    let invitations = invitations::hold_all_to(cx, id).await?;
    let account = locked(cx, id).await?;
    let deletion = deletion(cx, id).await?;
    if deletion.seen() != seen {
        return Err(Error::PreviewOutdated);
    }
    for invitation in invitations {
        outbox::make_obsolete(cx, &invitation.to_string(), "the account was deleted").await?;
    }
    delete_rows(cx, id).await?;
    let Account { profile, .. } = account;
    activity::keep_name(cx, id, &profile.name).await?;
    cx.emit(AccountDeleted { account_id: id, name: profile.name, users: deletion.users }).await?;
    Ok(())
}

async fn delete_rows(cx: &mut Cx, id: AccountId) -> Result<(), db::Error> {
    invitations::delete_all_to(cx, id).await?;
    store::delete(cx, id).await
}
