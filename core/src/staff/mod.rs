//! Members of staff.

mod store;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cx::{Cx, Reads},
    db,
    event::StaffCreated,
    ids::{RoleId, SessionId, StaffId},
    invalid::fold,
    page::{Page, PageRequest},
    password::PasswordHash,
    roles::Role,
    time::Timestamp,
};

/// Somebody who works here.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Staff {
    pub id: StaffId,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub role_id: RoleId,
    pub role_name: String,
    pub language: String,
    pub disabled: bool,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Somebody about to become staff; every field is checked.
#[derive(Clone, Debug)]
pub(crate) struct NewStaff {
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
}

/// A login, before the password is looked at.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Login {
    pub id: StaffId,
    pub password_hash: PasswordHash,
}

/// Somebody who was active lately.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Online {
    pub id: StaffId,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub session_id: SessionId,
    /// When the session they used last began.
    pub since: Timestamp,
    pub last_seen_at: Timestamp,
    pub address: Option<String>,
}

/// How recently somebody did something who counts as online.
pub const ONLINE_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Which members of staff a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StaffState")]
pub enum State {
    Active,
    Disabled,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("somebody has that username")]
    UsernameTaken,
    #[error("a member of staff has that email address")]
    EmailTaken,
    #[error(transparent)]
    Db(#[from] db::Error),
}

pub async fn find(reads: &mut impl Reads, id: StaffId) -> Result<Option<Staff>, db::Error> {
    store::find(reads.db(), id).await
}

/// The login that `name`, a username or an email address, means.
pub async fn find_login(reads: &mut impl Reads, name: &str) -> Result<Option<Login>, db::Error> {
    // No login is longer than an address, and PostgreSQL's text holds no NUL.
    if name.len() > 254 || name.contains('\0') {
        return Ok(None);
    }
    store::find_login(reads.db(), &fold(name.trim())).await
}

/// The login behind an id, to confirm its password.
pub async fn login_of(reads: &mut impl Reads, id: StaffId) -> Result<Option<Login>, db::Error> {
    store::login_of(reads.db(), id).await
}

pub async fn email_exists(reads: &mut impl Reads, email: &str) -> Result<bool, db::Error> {
    store::email_exists(reads.db(), &fold(email)).await
}

pub async fn list(
    reads: &mut impl Reads,
    state: Option<State>,
    request: &PageRequest,
) -> Result<Page<Staff>, db::Error> {
    let total = request.total(reads.db(), store::select_one(state)).await?;
    let rows = store::list(reads.db(), state, request).await?;
    Ok(request.page(rows, total, |staff| (staff.created_at, staff.id.into())))
}

/// Who was active in the last fifteen minutes, the latest first.
pub async fn online(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<Online>, db::Error> {
    let since = reads.now().minus(ONLINE_WITHIN);
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one_online(since, now)).await?;
    let rows = store::online(reads.db(), since, now, request).await?;
    Ok(request.page(rows, total, |online| (online.last_seen_at, online.session_id.into())))
}

/// Brings somebody in. The role was judged by whoever invited them.
pub(crate) async fn create(
    cx: &mut Cx,
    new: NewStaff,
    role: &Role,
    password: PasswordHash,
) -> Result<StaffId, Error> {
    let id = StaffId::new(cx.now(), cx.chance());
    if !store::insert(cx, id, &new, role.id, password).await? {
        // Which of the two names was it? An error would end the transaction, so the statement does not say.
        return Err(if store::email_exists(cx.db(), &fold(&new.email)).await? {
            Error::EmailTaken
        } else {
            Error::UsernameTaken
        });
    }
    let NewStaff { username, email, .. } = new;
    cx.emit(StaffCreated { staff_id: id, username, email, role: role.name.clone() }).await?;
    Ok(id)
}

#[cfg(test)]
mod tests;
