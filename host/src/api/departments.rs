//! `/v1/admin/departments`: what support is divided into, in which order, and who is in each.

use axum::extract::State;
use frontdesk_core::{
    authority,
    departments::{self, Department, DepartmentChange, Member, MemberEntry, NewDepartment},
    ids::{DepartmentId, StaffId},
    roles::Permission,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path, present},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::gravatar,
};
use crate::App;

const TAG: &str = "Departments";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::DepartmentsView), Some(Permission::DepartmentsEdit));
    routes
        .get(
            "/v1/admin/departments",
            Op::staff("listDepartments", TAG, "List departments in their order", view),
            list,
        )
        .post(
            "/v1/admin/departments",
            Op::staff("createDepartment", TAG, "Make a department, the last in the order", edit)
                .emits(&["system.department_created"])
                .problems(&[Code::NameTaken, Code::EmailTaken, Code::LimitReached]),
            create,
        )
        .put(
            "/v1/admin/departments/order",
            Op::staff("orderDepartments", TAG, "Put all departments into another order", edit)
                .emits(&["system.department_edited"]),
            reorder,
        )
        .get("/v1/admin/departments/{id}", Op::staff("getDepartment", TAG, "One department", view), get)
        .patch(
            "/v1/admin/departments/{id}",
            Op::staff("changeDepartment", TAG, "Change a department", edit)
                .emits(&["system.department_edited"])
                .problems(&[Code::NameTaken, Code::EmailTaken]),
            change,
        )
        .delete(
            "/v1/admin/departments/{id}",
            Op::staff("deleteDepartment", TAG, "Delete a department; its members stay staff", edit)
                .emits(&["system.department_deleted"])
                .problems(&[Code::BeyondOwnPermissions]),
            delete,
        )
        .get(
            "/v1/admin/departments/{id}/members",
            Op::staff("listDepartmentMembers", TAG, "Who is in a department, the newest staff first", view),
            members,
        )
        .put(
            "/v1/admin/departments/{id}/members",
            Op::staff(
                "setDepartmentMembers",
                TAG,
                "Put exactly these members of staff into a department",
                edit,
            )
            .confirmed()
            .emits(&["system.department_edited"])
            .problems(&[Code::BeyondOwnPermissions, Code::OwnLogin]),
            set_members,
        )
}

impl From<departments::Error> for Problem {
    fn from(error: departments::Error) -> Self {
        use departments::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Self::with_detail(
                Code::NotFound,
                "There is no department with this id; GET /v1/admin/departments lists them.",
            ),
            Error::NameTaken => Self::with_detail(
                Code::NameTaken,
                "Another department has that name; capitals make no difference. Choose another one.",
            ),
            Error::EmailTaken => Self::with_detail(
                Code::EmailTaken,
                "Another department has that address: mail to it could go to one of them only.",
            ),
            Error::TooMany => Self::with_detail(
                Code::LimitReached,
                format!(
                    "There are {} departments, the most there can be. Delete one first.",
                    departments::MOST
                ),
            ),
            Error::Refused(authority::Refused::Beyond) => Self::with_detail(
                Code::BeyondOwnPermissions,
                "It concerns somebody who may, or will, do what you may not: ask somebody whose role permits it.",
            ),
            Error::Refused(authority::Refused::OwnLogin) => Self::with_detail(
                Code::OwnLogin,
                "Nobody puts themselves into a department: ask a colleague. Leaving one is free.",
            ),
            Error::Refused(refused) => refused.into(),
            Error::Db(error) => error.into(),
        }
    }
}

/// A department.
#[derive(Debug, Serialize, JsonSchema)]
struct DepartmentView {
    id: DepartmentId,
    name: String,
    /// Plain text; lines end with a line feed.
    description: String,
    /// Where its mail comes in.
    email: Option<String>,
    /// Guests are kept out.
    clients_only: bool,
    /// Clients do not see it.
    hidden: bool,
    /// Its place in the order, from 0.
    position: i64,
    member_count: i64,
    created_at: Timestamp,
}

impl From<Department> for DepartmentView {
    fn from(department: Department) -> Self {
        let Department {
            id,
            name,
            description,
            email,
            clients_only,
            hidden,
            position,
            member_count,
            created_at,
        } = department;
        Self { id, name, description, email, clients_only, hidden, position, member_count, created_at }
    }
}

async fn list(State(app): State<App>, list: List<Unfiltered>) -> Result<Json<Page<DepartmentView>>, Problem> {
    let page = departments::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, DepartmentView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DepartmentPath {
    id: DepartmentId,
}

async fn get(
    State(app): State<App>,
    Path(DepartmentPath { id }): Path<DepartmentPath>,
) -> Result<Json<DepartmentView>, Problem> {
    let found = departments::find(&mut app.read().await?, id).await?;
    Ok(Json(found.ok_or(departments::Error::NotFound)?.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateDepartment {
    /// One line, 100 characters at most, and no other department's.
    name: String,
    /// Plain text, 2000 characters at most.
    #[serde(default)]
    description: String,
    /// Where its mail comes in; no other department's.
    email: Option<String>,
    /// Keeps guests out.
    #[serde(default)]
    clients_only: bool,
    /// Clients do not see it.
    #[serde(default)]
    hidden: bool,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateDepartment>,
) -> Result<Created<DepartmentView>, Problem> {
    let CreateDepartment { name, description, email, clients_only, hidden } = body;
    let new = NewDepartment { name, description, email, clients_only, hidden }.checked()?;
    let mut cx = by.begin(&app).await?;
    let department = departments::create(&mut cx, new).await?;
    cx.commit().await?;
    Ok(Created(department.into()))
}

/// What to change; what is absent stays. `null` takes the email address away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeDepartment {
    name: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    clients_only: Option<bool>,
    hidden: Option<bool>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(DepartmentPath { id }): Path<DepartmentPath>,
    Json(body): Json<ChangeDepartment>,
) -> Result<Json<DepartmentView>, Problem> {
    let ChangeDepartment { name, description, email, clients_only, hidden } = body;
    let change = DepartmentChange { name, description, email, clients_only, hidden }.checked()?;
    let mut cx = by.begin(&app).await?;
    let department = departments::change(&mut cx, id, change).await?;
    cx.commit().await?;
    Ok(Json(department.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(DepartmentPath { id }): Path<DepartmentPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    departments::delete(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderDepartments {
    /// Every department once, the first one first.
    ids: Vec<DepartmentId>,
}

async fn reorder(
    State(app): State<App>,
    by: By,
    Json(body): Json<OrderDepartments>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    departments::reorder(&mut cx, &body.ids).await?;
    cx.commit().await?;
    Ok(NoContent)
}

/// A member of staff in a department.
#[derive(Debug, Serialize, JsonSchema)]
struct DepartmentMemberView {
    id: StaffId,
    username: String,
    first_name: String,
    last_name: String,
    avatar_url: String,
    /// Whether they want its ticket notifications.
    notify: bool,
    disabled: bool,
}

impl From<Member> for DepartmentMemberView {
    fn from(member: Member) -> Self {
        Self {
            avatar_url: gravatar(&member.email),
            id: member.id,
            username: member.username,
            first_name: member.first_name,
            last_name: member.last_name,
            notify: member.notify,
            disabled: member.disabled,
        }
    }
}

async fn members(
    State(app): State<App>,
    Path(DepartmentPath { id }): Path<DepartmentPath>,
    list: List<Unfiltered>,
) -> Result<Json<Page<DepartmentMemberView>>, Problem> {
    let page = departments::members(&mut app.read().await?, id, &list.request).await?;
    Ok(Json(Page::of(page, DepartmentMemberView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetDepartmentMembers {
    /// Who is in it from now on; whoever is left out is in it no longer.
    members: Vec<MemberEntry>,
}

async fn set_members(
    State(app): State<App>,
    by: By,
    Path(DepartmentPath { id }): Path<DepartmentPath>,
    Json(body): Json<SetDepartmentMembers>,
) -> Result<Json<DepartmentView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let department = departments::set_members(&mut cx, &by.authority, id, &body.members).await?;
    cx.commit().await?;
    Ok(Json(department.into()))
}
