//! `/v1/admin/roles` and `/v1/admin/permissions`.

use axum::extract::State;
use frontdesk_core::{
    ids::RoleId,
    roles::{self, Permission, PermissionView, Role},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Roles";

pub(super) fn routes(routes: Routes) -> Routes {
    let view = Some(Permission::RolesView);
    routes
        .get(
            "/v1/admin/roles",
            Op::staff("listRoles", TAG, "List roles", view).problems(&[Code::Invalid]),
            list,
        )
        .get(
            "/v1/admin/roles/{id}",
            Op::staff("getRole", TAG, "One role", view).problems(&[Code::NotFound]),
            get,
        )
        .patch(
            "/v1/admin/roles/{id}",
            Op::staff("changeRole", TAG, "Change a role", Some(Permission::RolesEdit))
                .confirmed()
                .problems(&[Code::NotFound, Code::BeyondOwnPermissions]),
            change,
        )
        .get(
            "/v1/admin/permissions",
            Op::staff("listPermissions", TAG, "What a role can permit", view),
            permissions,
        )
}

/// A role of staff.
#[derive(Debug, Serialize, JsonSchema)]
struct RoleView {
    id: RoleId,
    name: String,
    /// Also permits what later versions and plugins bring.
    everything: bool,
    /// Slugs.
    permissions: Vec<&'static str>,
    /// Whoever has this role must have a second factor.
    second_factor_required: bool,
    created_at: Timestamp,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: role.id,
            name: role.name,
            everything: role.rights.everything,
            permissions: role.rights.permissions.iter().map(Permission::slug).collect(),
            second_factor_required: role.second_factor_required,
            created_at: role.created_at,
        }
    }
}

async fn list(State(app): State<App>, list: List<Unfiltered>) -> Result<Json<Page<RoleView>>, Problem> {
    let page = roles::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, RoleView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RolePath {
    id: RoleId,
}

async fn get(
    State(app): State<App>,
    Path(RolePath { id }): Path<RolePath>,
) -> Result<Json<RoleView>, Problem> {
    let found = roles::find(&mut app.read().await?, id).await?;
    Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

/// What is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeRole {
    /// Whoever has this role must have a second factor, and enrols at the next login.
    second_factor_required: Option<bool>,
}

impl From<roles::Error> for Problem {
    fn from(error: roles::Error) -> Self {
        match error {
            roles::Error::Unknown => Self::new(Code::NotFound),
            roles::Error::Refused(refused) => refused.into(),
            roles::Error::Db(error) => error.into(),
        }
    }
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(RolePath { id }): Path<RolePath>,
    Json(body): Json<ChangeRole>,
) -> Result<Json<RoleView>, Problem> {
    let mut cx = app.begin(by.caller).await?;
    let role = match body.second_factor_required {
        Some(required) => roles::require_second_factor(&mut cx, &by.authority, id, required).await?,
        None => roles::find(&mut cx, id).await?.ok_or(roles::Error::Unknown)?,
    };
    cx.commit().await?;
    Ok(Json(role.into()))
}

/// Every permission there is.
#[derive(Debug, Serialize, JsonSchema)]
struct Permissions {
    items: Vec<PermissionView>,
}

async fn permissions() -> Json<Permissions> {
    Json(Permissions { items: Permission::ALL.iter().copied().map(Permission::describe).collect() })
}
