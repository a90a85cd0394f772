//! Members of staff.

mod store;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    api_access,
    cx::{Cx, Reads},
    db,
    event::{StaffCreated, StaffDisabled, StaffEnabled},
    ids::{RoleId, SessionId, StaffId},
    logins::{self, Audience, NewLogin},
    page::{Page, PageRequest},
    password::PasswordHash,
    roles::{Rights, Role},
    time::Timestamp,
};

/// Somebody who works here.
#[derive(Clone, Debug)]
pub struct Staff {
    pub id: StaffId,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub role_id: RoleId,
    pub role_name: String,
    pub rights: Rights,
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

#[derive(sqlx::FromRow)]
struct Row {
    id: StaffId,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    role_id: RoleId,
    role_name: String,
    everything: bool,
    permissions: String,
    language: String,
    disabled: bool,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<Row> for Staff {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            username: row.username,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            role_id: row.role_id,
            role_name: row.role_name,
            rights: Rights::from_columns(row.everything, &row.permissions),
            language: row.language,
            disabled: row.disabled,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
        }
    }
}

pub async fn find(reads: &mut impl Reads, id: StaffId) -> Result<Option<Staff>, db::Error> {
    Ok(store::find(reads.db(), id).await?.map(Staff::from))
}

pub async fn list(
    reads: &mut impl Reads,
    state: Option<State>,
    request: &PageRequest,
) -> Result<Page<Staff>, db::Error> {
    let total = request.total(reads.db(), store::select_one(state)).await?;
    let rows = store::list(reads.db(), state, request).await?.into_iter().map(Staff::from).collect();
    Ok(request.page(rows, total, |staff: &Staff| (staff.created_at, staff.id.into())))
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
) -> Result<StaffId, logins::Error> {
    let new = NewLogin {
        audience: Audience::Staff,
        username: Some(new.username),
        email: new.email,
        // Whoever invited them gave it.
        email_verified: true,
        first_name: new.first_name,
        last_name: new.last_name,
        language: new.language,
        password_hash: Some(password),
    };
    let id = logins::create(cx, &new).await?.of_staff();
    store::insert(cx, id, role.id).await?;
    let username = new.username.unwrap_or_default();
    cx.emit(StaffCreated { staff_id: id, username, email: new.email, role: role.name.clone() }).await?;
    Ok(id)
}

/// Lets somebody in again. False if they could.
pub async fn enable(cx: &mut Cx, staff: &Staff) -> Result<bool, db::Error> {
    let changed = logins::set_disabled(cx, staff.id.into(), false).await?;
    if changed {
        cx.emit(StaffEnabled { staff_id: staff.id, username: staff.username.clone() }).await?;
    }
    Ok(changed)
}

/// Shuts somebody out; their sessions end at once. False if they were.
pub async fn disable(cx: &mut Cx, staff: &Staff) -> Result<bool, db::Error> {
    let changed = logins::set_disabled(cx, staff.id.into(), true).await?;
    if changed {
        api_access::end_all_of(cx, staff.id).await?;
        cx.emit(StaffDisabled { staff_id: staff.id, username: staff.username.clone() }).await?;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests;
