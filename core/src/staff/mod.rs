//! Members of staff.

mod create;
mod edit;
mod list;
mod store;

use std::time::Duration;

use crate::{
    activity::{self, full_name},
    api_access,
    authority::{self, Authority},
    cx::{Cx, Reads},
    db, departments,
    event::{StaffDeleted, StaffDisabled, StaffEnabled},
    ids::{RoleId, SessionId, StaffId},
    invalid::Invalid,
    invitations,
    logins::{self, Login},
    page::{Page, PageRequest},
    recovery,
    roles::{self, FULL_ADMINISTRATOR, Rights},
    time::Timestamp,
};

pub use create::{NewMember, create, look};
pub(crate) use create::{NewStaff, bring_in};
pub use edit::{OwnChange, StaffChange, change, change_own};
#[cfg(any(test, feature = "testing"))]
pub use list::plan;
pub use list::{Entry, Filter, State, list};

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
    pub details: Details,
    pub must_change_password: bool,
    pub disabled: bool,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// What only staff have.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Details {
    /// Under their replies to tickets: plain text.
    pub signature: String,
    /// For themselves and holders of `staff.notes`.
    pub notes: String,
    /// A name that the front end knows.
    pub template: Option<String>,
    /// How many records a page of a list has, 10 to 200; none: the setting.
    pub records_per_page: Option<i64>,
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

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such member of staff")]
    Unknown,
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("somebody has that username")]
    UsernameTaken,
    #[error("a member of staff has that email address")]
    EmailTaken,
    /// Without them nobody could do everything.
    #[error("it is the last active full administrator")]
    LastAdministrator,
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
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
    #[sqlx(flatten)]
    details: Details,
    must_change_password: bool,
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
            details: row.details,
            must_change_password: row.must_change_password,
            disabled: row.disabled,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
        }
    }
}

pub async fn find(reads: &mut impl Reads, id: StaffId) -> Result<Option<Staff>, db::Error> {
    Ok(store::find(reads.db(), id).await?.map(Staff::from))
}

/// Who was active in the last fifteen minutes, the latest first.
pub async fn online(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<Online>, db::Error> {
    let since = reads.now().minus(ONLINE_WITHIN);
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one_online(since, now)).await?;
    let rows = store::online(reads.db(), since, now, request).await?;
    Ok(request.page(rows, total, |online| (online.last_seen_at, online.session_id.into())))
}

/// A colleague whom `by` may change, held until the transaction ends. Whoever may take a full administrator away holds
/// the full role first, so that of two at once the second sees what the first did.
async fn colleague(cx: &mut Cx, by: &Authority, id: StaffId) -> Result<Staff, Error> {
    roles::lock(cx, FULL_ADMINISTRATOR).await?;
    logins::lock(cx, id.into()).await?;
    let staff = find(cx, id).await?.ok_or(Error::Unknown)?;
    by.again(cx).await?.over_colleague(id, &staff.rights)?;
    Ok(staff)
}

/// The login of a colleague whom `by` may help back in, held until the transaction ends.
pub async fn to_help(cx: &mut Cx, by: &Authority, id: StaffId) -> Result<Login, Error> {
    logins::lock(cx, id.into()).await?;
    let staff = find(cx, id).await?.ok_or(Error::Unknown)?;
    by.again(cx).await?.over_colleague(id, &staff.rights)?;
    logins::find(cx, id).await?.ok_or(Error::Unknown)
}

/// Refuses to lose the last one who may everything; with the full role held.
async fn keep_an_administrator(cx: &mut Cx, without: &Staff) -> Result<(), Error> {
    let is_one = without.rights.everything && !without.disabled;
    if is_one && !store::another_administrator(cx, without.id).await? {
        return Err(Error::LastAdministrator);
    }
    Ok(())
}

/// Lets somebody in again. False if they could.
pub async fn enable(cx: &mut Cx, by: &Authority, id: StaffId) -> Result<bool, Error> {
    let staff = colleague(cx, by, id).await?;
    let changed = logins::set_disabled(cx, id.into(), false).await?;
    if changed {
        cx.emit(StaffEnabled { staff_id: id, username: staff.username }).await?;
    }
    Ok(changed)
}

/// Shuts somebody out; their sessions and API credentials end at once. False if they were.
pub async fn disable(cx: &mut Cx, by: &Authority, id: StaffId) -> Result<bool, Error> {
    let staff = colleague(cx, by, id).await?;
    keep_an_administrator(cx, &staff).await?;
    let changed = logins::set_disabled(cx, id.into(), true).await?;
    if changed {
        cx.emit(StaffDisabled { staff_id: id, username: staff.username }).await?;
        api_access::end_all_of(cx, id).await?;
    }
    Ok(changed)
}

/// Deletes somebody for good, with their sessions, second factors, API credentials and open invitations. What they did
/// stays on record.
pub async fn delete(cx: &mut Cx, by: &Authority, id: StaffId) -> Result<(), Error> {
    let staff = colleague(cx, by, id).await?;
    keep_an_administrator(cx, &staff).await?;
    recovery::forget(cx, id.into()).await?;
    api_access::end_all_of(cx, id).await?;
    invitations::cancel_all_of(cx, id).await?;
    logins::delete(cx, id.into()).await?;
    let name = full_name(&staff.first_name, &staff.last_name, &staff.username);
    activity::keep_name(cx, id, &name).await?;
    let Staff { username, email, role_name, .. } = staff;
    cx.emit(StaffDeleted { staff_id: id, username, email, role: role_name }).await?;
    Ok(())
}

fn unknown_role() -> Invalid {
    Invalid::one("role_id", "unknown", "There is no role with this id; GET /v1/admin/roles lists them.")
}

/// A role that `by` may put somebody into, held until the transaction ends.
pub(crate) async fn role_to_give(cx: &mut Cx, by: &Authority, id: RoleId) -> Result<roles::Role, GiveError> {
    // So that it can neither go nor come to permit more before this is kept.
    roles::lock(cx, id).await?;
    let role = roles::find(cx, id).await?.ok_or_else(unknown_role)?;
    by.covers(&role.rights)?;
    Ok(role)
}

/// Why a role cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GiveError {
    #[error("there is no such role")]
    Invalid(Invalid),
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for GiveError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<GiveError> for Error {
    fn from(error: GiveError) -> Self {
        match error {
            GiveError::Invalid(invalid) => Self::Invalid(invalid),
            GiveError::Refused(refused) => Self::Refused(refused),
            GiveError::Db(error) => Self::Db(error),
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<logins::Error> for Error {
    fn from(error: logins::Error) -> Self {
        match error {
            logins::Error::UsernameTaken => Self::UsernameTaken,
            logins::Error::EmailTaken => Self::EmailTaken,
            logins::Error::Db(error) => Self::Db(error),
        }
    }
}

impl From<departments::SetError> for Error {
    fn from(error: departments::SetError) -> Self {
        match error {
            departments::SetError::Invalid(invalid) => Self::Invalid(invalid),
            departments::SetError::Db(error) => Self::Db(error),
        }
    }
}

#[cfg(test)]
mod tests;
