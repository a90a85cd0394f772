//! Groups that accounts are sorted into: a name, and a colour for front ends. An account is in one or in none.

mod store;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{AccountGroupCreated, AccountGroupDeleted, AccountGroupEdited, Changes},
    ids::AccountGroupId,
    invalid::{self, Checked, Invalid},
    page::{Page, PageRequest},
    time::Timestamp,
};

/// A group of accounts.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AccountGroup {
    pub id: AccountGroupId,
    pub name: String,
    /// `#rrggbb`.
    pub colour: Option<String>,
    pub account_count: i64,
    pub created_at: Timestamp,
}

/// A group about to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccountGroup {
    pub name: String,
    pub colour: Option<String>,
}

/// What to change: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct AccountGroupChange {
    pub name: Option<String>,
    pub colour: Option<Option<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such group of accounts")]
    NotFound,
    #[error("another group of accounts has that name")]
    NameTaken,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// `#rrggbb`, kept in lower case.
fn colour(text: &str) -> Result<String, (&'static str, String)> {
    let digits = text.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(("malformed", "A colour looks like #2457d6.".into()))
    }
}

impl NewAccountGroup {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: invalid.take("name", invalid::title(&self.name)),
            colour: self.colour.map(|text| invalid.take("colour", colour(&text))),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl AccountGroupChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: self.name.map(|name| invalid.take("name", invalid::title(&name))),
            colour: self.colour.map(|to| to.map(|to| invalid.take("colour", colour(&to)))),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

pub async fn find(reads: &mut impl Reads, id: AccountGroupId) -> Result<Option<AccountGroup>, db::Error> {
    store::find(reads.db(), id).await
}

/// The newest first.
pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<AccountGroup>, db::Error> {
    let total = request.total(reads.db(), store::select_one()).await?;
    let rows = store::list(reads.db(), request).await?;
    Ok(request.page(rows, total, |group| (group.created_at, group.id.into())))
}

pub async fn create(cx: &mut Cx, Checked(new): Checked<NewAccountGroup>) -> Result<AccountGroup, Error> {
    let group = AccountGroup {
        id: AccountGroupId::new(cx.now(), cx.chance()),
        name: new.name,
        colour: new.colour,
        account_count: 0,
        created_at: cx.now(),
    };
    if !store::insert(cx, &group).await? {
        return Err(Error::NameTaken);
    }
    cx.emit(AccountGroupCreated { account_group_id: group.id, name: group.name.clone() }).await?;
    Ok(group)
}

pub async fn change(
    cx: &mut Cx,
    id: AccountGroupId,
    Checked(change): Checked<AccountGroupChange>,
) -> Result<AccountGroup, Error> {
    store::lock(cx, id).await?;
    let before = find(cx, id).await?.ok_or(Error::NotFound)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.colour = change.colour.unwrap_or(after.colour);
    let mut changed = Changes::default();
    changed.note_words("name", &before.name, &after.name);
    changed.note_words("colour", &before.colour, &after.colour);
    if !changed.is_empty() {
        if !store::update(cx, &after).await? {
            return Err(Error::NameTaken);
        }
        let (account_group_id, name) = (id, after.name.clone());
        cx.emit(AccountGroupEdited { account_group_id, name, changed: changed.into_list() }).await?;
    }
    Ok(after)
}

/// Deletes a group; its accounts are in none.
pub async fn delete(cx: &mut Cx, id: AccountGroupId) -> Result<(), Error> {
    let name = store::delete(cx, id).await?.ok_or(Error::NotFound)?;
    cx.emit(AccountGroupDeleted { account_group_id: id, name }).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
