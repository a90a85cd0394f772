//! `/v1/admin/staff`: who works here, and who is online.

use axum::extract::State;
use data_encoding::HEXLOWER;
use frontdesk_core::{
    cx::Cx,
    ids::{RoleId, StaffId},
    logins::{self, Login},
    outbox::RemovedBy,
    recovery,
    roles::Permission,
    second_factor,
    staff::{self, Online, Staff},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    extract::{Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Staff";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, help) = (Some(Permission::StaffView), Some(Permission::StaffSecurity));
    routes
        .get(
            "/v1/admin/staff",
            Op::staff("listStaff", TAG, "List staff, the newest first", view).problems(&[Code::Invalid]),
            list,
        )
        .get(
            "/v1/admin/staff/online",
            Op::staff("listStaffOnline", TAG, "Who was active in the last 15 minutes", view)
                .problems(&[Code::Invalid]),
            online,
        )
        .get(
            "/v1/admin/staff/{id}",
            Op::staff("getStaff", TAG, "One member of staff", view).problems(&[Code::NotFound]),
            get,
        )
        .post(
            "/v1/admin/staff/{id}/reset-password",
            Op::staff("resetStaffPassword", TAG, "Mail a colleague a link to set their password anew", help)
                .confirmed()
                .problems(HELP_PROBLEMS),
            reset_password,
        )
        .post(
            "/v1/admin/staff/{id}/remove-second-factor",
            Op::staff(
                "removeStaffSecondFactor",
                TAG,
                "Remove a colleague's second factor; their sessions end",
                help,
            )
            .confirmed()
            .problems(HELP_PROBLEMS),
            remove_second_factor,
        )
}

const HELP_PROBLEMS: &[Code] =
    &[Code::NotFound, Code::BeyondOwnPermissions, Code::OwnLogin, Code::LoginDisabled];

/// A member of staff.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StaffView {
    id: StaffId,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    role: RoleName,
    /// For mails and front ends.
    language: String,
    avatar_url: String,
    disabled: bool,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RoleName {
    pub id: RoleId,
    pub name: String,
}

impl From<Staff> for StaffView {
    fn from(staff: Staff) -> Self {
        Self {
            avatar_url: gravatar(&staff.email),
            id: staff.id,
            username: staff.username,
            email: staff.email,
            first_name: staff.first_name,
            last_name: staff.last_name,
            role: RoleName { id: staff.role_id, name: staff.role_name },
            language: staff.language,
            disabled: staff.disabled,
            last_login_at: staff.last_login_at,
            created_at: staff.created_at,
        }
    }
}

/// Gravatar's address: the SHA-256 of the email address in lower case.
fn gravatar(email: &str) -> String {
    let hash = Sha256::digest(email.trim().to_lowercase());
    format!("https://gravatar.com/avatar/{}", HEXLOWER.encode(&hash))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StaffList {
    /// Both without it.
    state: Option<staff::State>,
}

async fn list(State(app): State<App>, list: List<StaffList>) -> Result<Json<Page<StaffView>>, Problem> {
    let page = staff::list(&mut app.read().await?, list.filter.state, &list.request).await?;
    Ok(Json(Page::of(page, StaffView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StaffPath {
    id: StaffId,
}

async fn get(
    State(app): State<App>,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<Json<StaffView>, Problem> {
    let found = staff::find(&mut app.read().await?, id).await?;
    Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

/// A member of staff who was active lately.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffOnlineView {
    id: StaffId,
    username: String,
    first_name: String,
    last_name: String,
    avatar_url: String,
    /// When the session they used last began.
    since: Timestamp,
    last_seen_at: Timestamp,
    /// Where from.
    address: Option<String>,
}

impl From<Online> for StaffOnlineView {
    fn from(online: Online) -> Self {
        Self {
            avatar_url: gravatar(&online.email),
            id: online.id,
            username: online.username,
            first_name: online.first_name,
            last_name: online.last_name,
            since: online.since,
            last_seen_at: online.last_seen_at,
            address: online.address,
        }
    }
}

async fn online(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<StaffOnlineView>>, Problem> {
    let page = staff::online(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, StaffOnlineView::from)))
}

/// A colleague whom the caller may help: somebody else, who may nothing that the caller may not.
async fn colleague(cx: &mut Cx, by: &By, id: StaffId) -> Result<Login, Problem> {
    let staff = staff::find(cx, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    by.authority.again(cx).await?.over_colleague(id, &staff.rights)?;
    logins::find(cx, id).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn reset_password(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = app.begin(by.caller.clone()).await?;
    let login = colleague(&mut cx, &by, id).await?;
    if login.disabled {
        return Err(Problem::with_detail(
            Code::LoginDisabled,
            "A link would be dead until they are enabled again.",
        ));
    }
    // By mail alone: whoever helps does not come in by it.
    recovery::link(&mut cx, &login).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn remove_second_factor(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = app.begin(by.caller.clone()).await?;
    let login = colleague(&mut cx, &by, id).await?;
    if !second_factor::remove_all(&mut cx, &login, RemovedBy::Colleague).await? {
        return Err(Problem::with_detail(Code::NotFound, "They have no second factor."));
    }
    cx.commit().await?;
    Ok(NoContent)
}
