//! `/v1/admin/roles` and `/v1/admin/permissions`.

use axum::extract::State;
use frontdesk_core::{
    cx::Reads,
    ids::RoleId,
    invalid::Invalid,
    roles::{
        self, EmailClass, Members, NewRole, Permission, PermissionSet, PermissionView, Report, Rights, Role,
        RoleChange,
    },
    staff::{self, Filter},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::StaffEntry,
};
use crate::App;

const TAG: &str = "Roles";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::RolesView), Some(Permission::RolesEdit));
    routes
        .get(
            "/v1/admin/roles",
            Op::staff("listRoles", TAG, "List roles, with how many have them", view)
                .problems(&[Code::Invalid]),
            list,
        )
        .post(
            "/v1/admin/roles",
            Op::staff("createRole", TAG, "Make a role, empty or with what it permits", edit)
                .confirmed()
                .emits(&["role.created"])
                .problems(&[Code::BeyondOwnPermissions, Code::NameTaken]),
            create,
        )
        .get(
            "/v1/admin/roles/{id}",
            Op::staff("getRole", TAG, "One role", view).problems(&[Code::NotFound]),
            get,
        )
        .patch(
            "/v1/admin/roles/{id}",
            Op::staff("changeRole", TAG, "Change a role; its members feel it at once", edit)
                .confirmed()
                .emits(&["role.edited"])
                .problems(&[
                    Code::NotFound,
                    Code::BeyondOwnPermissions,
                    Code::OwnRole,
                    Code::FullRole,
                    Code::NameTaken,
                ]),
            change,
        )
        .delete(
            "/v1/admin/roles/{id}",
            Op::staff("deleteRole", TAG, "Delete a role that nobody has", edit)
                .confirmed()
                .emits(&["role.deleted"])
                .problems(&[
                    Code::NotFound,
                    Code::BeyondOwnPermissions,
                    Code::OwnRole,
                    Code::FullRole,
                    Code::RoleInUse,
                ]),
            delete,
        )
        .post(
            "/v1/admin/roles/{id}/duplicate",
            Op::staff("duplicateRole", TAG, "Make a role like this one under a new name", edit)
                .confirmed()
                .emits(&["role.created"])
                .problems(&[Code::NotFound, Code::BeyondOwnPermissions, Code::NameTaken]),
            duplicate,
        )
        .get(
            "/v1/admin/roles/{id}/members",
            Op::staff("listRoleMembers", TAG, "Who has a role, invited people included", view)
                .problems(&[Code::NotFound, Code::Invalid]),
            members,
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
    /// Also permits what later versions and plugins bring. There is one such role, and it stays.
    everything: bool,
    /// Slugs.
    permissions: Vec<&'static str>,
    /// Opens every report, those of later versions included.
    all_reports: bool,
    reports: Vec<Report>,
    /// The classes of notifications that reach its members.
    email_classes: Vec<EmailClass>,
    /// Whoever has this role must have a second factor.
    second_factor_required: bool,
    members: MembersView,
    created_at: Timestamp,
}

/// How many have a role.
#[derive(Debug, Serialize, JsonSchema)]
struct MembersView {
    active: i64,
    disabled: i64,
    /// Invited, and not there yet.
    pending: i64,
}

impl RoleView {
    fn new(role: Role, members: Members) -> Self {
        let Rights { everything, permissions } = role.rights;
        Self {
            id: role.id,
            name: role.name,
            everything,
            permissions: permissions.iter().map(Permission::slug).collect(),
            all_reports: permissions.has_all_reports(),
            reports: permissions.reports().collect(),
            email_classes: role.email_classes,
            second_factor_required: role.second_factor_required,
            members: MembersView {
                active: members.active,
                disabled: members.disabled,
                pending: members.pending,
            },
            created_at: role.created_at,
        }
    }

    async fn read(reads: &mut impl Reads, role: Role) -> Result<Self, Problem> {
        let members = roles::members(reads, &[role.id]).await?.remove(&role.id).unwrap_or_default();
        Ok(Self::new(role, members))
    }
}

async fn list(State(app): State<App>, list: List<Unfiltered>) -> Result<Json<Page<RoleView>>, Problem> {
    let mut view = app.read().await?;
    let page = roles::list(&mut view, &list.request).await?;
    let ids: Vec<_> = page.items.iter().map(|role| role.id).collect();
    let mut members = roles::members(&mut view, &ids).await?;
    Ok(Json(Page::of(page, |role| {
        let of = members.remove(&role.id).unwrap_or_default();
        RoleView::new(role, of)
    })))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RolePath {
    id: RoleId,
}

async fn get(
    State(app): State<App>,
    Path(RolePath { id }): Path<RolePath>,
) -> Result<Json<RoleView>, Problem> {
    let mut view = app.read().await?;
    let role = roles::find(&mut view, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(RoleView::read(&mut view, role).await?))
}

/// The permissions of these slugs.
fn permission_set(slugs: &[String]) -> Result<PermissionSet, Invalid> {
    let mut invalid = Invalid::default();
    let mut parse = |(index, slug): (usize, &String)| {
        let found = Permission::parse(slug);
        if found.is_none() {
            let message = "There is no such permission; GET /v1/admin/permissions lists them.";
            invalid.add(&format!("permissions.{index}"), "unknown", message);
        }
        found
    };
    let set = slugs.iter().enumerate().filter_map(&mut parse).collect();
    invalid.ok().map(|()| set)
}

/// A role to make. What is left out, it does not permit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateRole {
    name: String,
    /// Slugs, as `GET /v1/admin/permissions` lists them; only what one's own role permits.
    #[serde(default)]
    permissions: Vec<String>,
    /// Opens every report, those of later versions included.
    #[serde(default)]
    all_reports: bool,
    #[serde(default)]
    reports: Vec<Report>,
    #[serde(default)]
    email_classes: Vec<EmailClass>,
    #[serde(default)]
    second_factor_required: bool,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateRole>,
) -> Result<Created<RoleView>, Problem> {
    let mut permissions = permission_set(&body.permissions)?;
    permissions = body.reports.into_iter().fold(permissions, PermissionSet::with_report);
    if body.all_reports {
        permissions = permissions.with_all_reports();
    }
    let new = NewRole {
        name: body.name,
        permissions,
        email_classes: body.email_classes,
        second_factor_required: body.second_factor_required,
    };
    let new = new.checked()?;
    let mut cx = by.begin(&app).await?;
    let role = roles::create(&mut cx, &by.authority, new).await?;
    cx.commit().await?;
    Ok(Created(RoleView::new(role, Members::default())))
}

/// What is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeRole {
    name: Option<String>,
    /// Slugs: all that it is to permit.
    permissions: Option<Vec<String>>,
    /// Opens every report, those of later versions included. Set to false, it opens those of `reports`.
    all_reports: Option<bool>,
    reports: Option<Vec<Report>>,
    email_classes: Option<Vec<EmailClass>>,
    /// Whoever has this role must have a second factor, and enrols at the next login.
    second_factor_required: Option<bool>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(RolePath { id }): Path<RolePath>,
    Json(body): Json<ChangeRole>,
) -> Result<Json<RoleView>, Problem> {
    let change = RoleChange {
        name: body.name,
        permissions: body.permissions.as_deref().map(permission_set).transpose()?,
        all_reports: body.all_reports,
        reports: body.reports,
        email_classes: body.email_classes,
        second_factor_required: body.second_factor_required,
    };
    let change = change.checked()?;
    let mut cx = by.begin(&app).await?;
    let role = roles::change(&mut cx, &by.authority, id, change).await?;
    let view = RoleView::read(&mut cx, role).await?;
    cx.commit().await?;
    Ok(Json(view))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(RolePath { id }): Path<RolePath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    roles::delete(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DuplicateRole {
    /// Of the new role.
    name: String,
}

async fn duplicate(
    State(app): State<App>,
    by: By,
    Path(RolePath { id }): Path<RolePath>,
    Json(body): Json<DuplicateRole>,
) -> Result<Created<RoleView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let role = roles::duplicate(&mut cx, &by.authority, id, &body.name).await?;
    cx.commit().await?;
    Ok(Created(RoleView::new(role, Members::default())))
}

async fn members(
    State(app): State<App>,
    Path(RolePath { id }): Path<RolePath>,
    list: List<Unfiltered>,
) -> Result<Json<Page<StaffEntry>>, Problem> {
    let mut view = app.read().await?;
    roles::find(&mut view, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let filter = Filter { role: Some(id), ..Filter::default() };
    let page = staff::list(&mut view, &filter, &list.request).await?;
    Ok(Json(StaffEntry::page(&mut view, page).await?))
}

/// Every permission there is.
#[derive(Debug, Serialize, JsonSchema)]
struct Permissions {
    items: Vec<PermissionView>,
}

async fn permissions() -> Json<Permissions> {
    Json(Permissions { items: Permission::ALL.iter().copied().map(Permission::describe).collect() })
}

impl From<roles::Error> for Problem {
    fn from(error: roles::Error) -> Self {
        match error {
            roles::Error::Unknown => Self::new(Code::NotFound),
            roles::Error::Invalid(invalid) => invalid.into(),
            roles::Error::NameTaken => {
                Self::with_detail(Code::NameTaken, "Another role has that name; choose another.")
            }
            roles::Error::FullRole => Self::with_detail(
                Code::FullRole,
                "This role permits everything and stays. Duplicate it for one that can be changed.",
            ),
            roles::Error::InUse(Members { active, disabled, pending }) => Self::with_detail(
                Code::RoleInUse,
                format!(
                    "Give them another role first: {active} active, {disabled} disabled, {pending} invited. \
                     GET /v1/admin/roles/{{id}}/members lists them."
                ),
            ),
            roles::Error::Refused(refused) => refused.into(),
            roles::Error::Db(error) => error.into(),
        }
    }
}
