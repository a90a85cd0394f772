//! `/v1/admin/api-roles` and `/v1/admin/api-operations`: what programs may call.

use std::collections::BTreeMap;

use axum::extract::State;
use frontdesk_core::{
    api_access::{
        self,
        roles::{self, ApiRole, ApiRoleChange, NewApiRole},
    },
    ids::ApiRoleId,
    roles::Permission,
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
};
use crate::App;

pub(super) const TAG: &str = "API access";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::ApiView), Some(Permission::ApiEdit));
    routes
        .get(
            "/v1/admin/api-operations",
            Op::staff("listApiOperations", TAG, "What an API role can allow", view),
            operations,
        )
        .get("/v1/admin/api-roles", Op::staff("listApiRoles", TAG, "List API roles", view), list)
        .post(
            "/v1/admin/api-roles",
            Op::staff("createApiRole", TAG, "Create an API role", edit)
                .confirmed()
                .emits(&["api.role_created"])
                .problems(&[Code::BeyondOwnPermissions, Code::NameTaken]),
            create,
        )
        .get("/v1/admin/api-roles/{id}", Op::staff("getApiRole", TAG, "One API role", view), get)
        .patch(
            "/v1/admin/api-roles/{id}",
            Op::staff("changeApiRole", TAG, "Change an API role; holds at once", edit)
                .confirmed()
                .emits(&["api.role_edited"])
                .problems(&[Code::BeyondOwnPermissions, Code::NameTaken]),
            change,
        )
        .delete(
            "/v1/admin/api-roles/{id}",
            Op::staff("deleteApiRole", TAG, "Delete an API role; its credentials lose it", edit)
                .confirmed()
                .emits(&["api.role_deleted"])
                .problems(&[Code::BeyondOwnPermissions]),
            delete,
        )
}

impl From<api_access::Error> for Problem {
    fn from(error: api_access::Error) -> Self {
        use api_access::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::Unknown => Self::new(Code::NotFound),
            Error::NameTaken => Self::with_detail(Code::NameTaken, "Names differ in more than case."),
            Error::RoleRequired => Self::with_detail(
                Code::ApiRoleRequired,
                "Create an API role first, POST /v1/admin/api-roles, and give its id in api_role_ids.",
            ),
            Error::OwnerDisabled => {
                Self::with_detail(Code::LoginDisabled, "Nobody acts for somebody who is disabled.")
            }
            Error::OwnerLacksAccess => Self::with_detail(
                Code::ApiAccessRequired,
                "The role of the member of staff it is to act for lacks the permission api.access.",
            ),
            Error::TooMany => {
                Self::with_detail(Code::LimitReached, format!("{error}: delete one that is no longer used."))
            }
            Error::RotatedMeanwhile { until } => Self::with_detail(
                Code::RotatedMeanwhile,
                match until {
                    Some(until) => format!(
                        "The secret before works until {until}. Wait, or end both with \"overlap_minutes\": 0."
                    ),
                    None => {
                        "Somebody else has its new secret; look who, then rotate again if need be.".into()
                    }
                },
            ),
            Error::Refused(refused) => refused.into(),
            Error::Db(error) => error.into(),
        }
    }
}

/// Every operation that programs can call, by area.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiOperations {
    items: Vec<ApiOperationGroup>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ApiOperationGroup {
    /// The tag in this description.
    group: &'static str,
    operations: Vec<ApiOperation>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ApiOperation {
    /// The `operationId` in this description.
    id: &'static str,
    summary: &'static str,
    /// What the credential's owner must be permitted; null where it depends on what is asked for, like reports.
    permission: Option<&'static str>,
}

async fn operations(State(app): State<App>) -> Json<ApiOperations> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for operation in app.catalogue().iter() {
        let api_access::Operation { id, group, summary, permission } = *operation;
        groups.entry(group).or_default().push(ApiOperation {
            id,
            summary,
            permission: permission.map(Permission::slug),
        });
    }
    let items = groups.into_iter().map(|(group, operations)| ApiOperationGroup { group, operations });
    Json(ApiOperations { items: items.collect() })
}

/// A set of operations that programs may call.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiRoleView {
    id: ApiRoleId,
    name: String,
    description: String,
    /// Ids of operations, sorted.
    operations: Vec<String>,
    created_at: Timestamp,
}

impl From<ApiRole> for ApiRoleView {
    fn from(role: ApiRole) -> Self {
        let ApiRole { id, name, description, operations, created_at } = role;
        Self { id, name, description, operations, created_at }
    }
}

async fn list(State(app): State<App>, list: List<Unfiltered>) -> Result<Json<Page<ApiRoleView>>, Problem> {
    let page = roles::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, ApiRoleView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ApiRolePath {
    id: ApiRoleId,
}

async fn get(
    State(app): State<App>,
    Path(ApiRolePath { id }): Path<ApiRolePath>,
) -> Result<Json<ApiRoleView>, Problem> {
    let found = roles::find(&mut app.read().await?, id).await?;
    Ok(Json(found.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateApiRole {
    /// Unique without regard to case.
    name: String,
    /// One line, 200 characters at most.
    #[serde(default)]
    description: String,
    /// Ids of operations, as `GET /v1/admin/api-operations` lists them, 500 at most; none that need a permission you lack.
    operations: Vec<String>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateApiRole>,
) -> Result<Created<ApiRoleView>, Problem> {
    let CreateApiRole { name, description, operations } = body;
    let new = NewApiRole { name, description, operations }.checked(app.catalogue())?;
    let mut cx = by.begin(&app).await?;
    let role = roles::create(&mut cx, &by.authority, app.catalogue(), new).await?;
    cx.commit().await?;
    Ok(Created(role.into()))
}

/// What is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeApiRole {
    name: Option<String>,
    description: Option<String>,
    /// All of them: what is not listed is no longer allowed.
    operations: Option<Vec<String>>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(ApiRolePath { id }): Path<ApiRolePath>,
    Json(body): Json<ChangeApiRole>,
) -> Result<Json<ApiRoleView>, Problem> {
    let ChangeApiRole { name, description, operations } = body;
    let change = ApiRoleChange { name, description, operations }.checked(app.catalogue())?;
    let mut cx = by.begin(&app).await?;
    let role = roles::change(&mut cx, &by.authority, app.catalogue(), id, change).await?;
    cx.commit().await?;
    Ok(Json(role.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(ApiRolePath { id }): Path<ApiRolePath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    roles::delete(&mut cx, &by.authority, app.catalogue(), id).await?;
    cx.commit().await?;
    Ok(NoContent)
}
