//! `/v1/admin/account-groups`: what accounts are sorted into.

use axum::extract::State;
use frontdesk_core::{
    account_groups::{self, AccountGroup, AccountGroupChange, NewAccountGroup},
    ids::AccountGroupId,
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
};
use crate::App;

const TAG: &str = "Account groups";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, setup) = (Some(Permission::AccountsView), Some(Permission::AccountsSetup));
    routes
        .get(
            "/v1/admin/account-groups",
            Op::staff("listAccountGroups", TAG, "List groups of accounts, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/account-groups",
            Op::staff("createAccountGroup", TAG, "Make a group of accounts", setup)
                .emits(&["system.account_group_created"])
                .problems(&[Code::NameTaken]),
            create,
        )
        .get(
            "/v1/admin/account-groups/{id}",
            Op::staff("getAccountGroup", TAG, "One group of accounts", view),
            get,
        )
        .patch(
            "/v1/admin/account-groups/{id}",
            Op::staff("changeAccountGroup", TAG, "Change a group of accounts", setup)
                .emits(&["system.account_group_edited"])
                .problems(&[Code::NameTaken]),
            change,
        )
        .delete(
            "/v1/admin/account-groups/{id}",
            Op::staff("deleteAccountGroup", TAG, "Delete a group; its accounts are in none", setup)
                .emits(&["system.account_group_deleted"]),
            delete,
        )
}

impl From<account_groups::Error> for Problem {
    fn from(error: account_groups::Error) -> Self {
        use account_groups::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Self::with_detail(
                Code::NotFound,
                "There is no group with this id; GET /v1/admin/account-groups lists them.",
            ),
            Error::NameTaken => Self::with_detail(
                Code::NameTaken,
                "Another group has that name; capitals make no difference. Choose another one.",
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// A group of accounts.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountGroupView {
    id: AccountGroupId,
    name: String,
    /// `#rrggbb`, for front ends.
    colour: Option<String>,
    /// How many accounts are in it.
    account_count: i64,
    created_at: Timestamp,
}

impl From<AccountGroup> for AccountGroupView {
    fn from(group: AccountGroup) -> Self {
        let AccountGroup { id, name, colour, account_count, created_at } = group;
        Self { id, name, colour, account_count, created_at }
    }
}

async fn list(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<AccountGroupView>>, Problem> {
    let page = account_groups::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, AccountGroupView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountGroupPath {
    id: AccountGroupId,
}

async fn get(
    State(app): State<App>,
    Path(AccountGroupPath { id }): Path<AccountGroupPath>,
) -> Result<Json<AccountGroupView>, Problem> {
    let found = account_groups::find(&mut app.read().await?, id).await?;
    Ok(Json(found.ok_or(account_groups::Error::NotFound)?.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateAccountGroup {
    /// One line, 100 characters at most, and no other group's.
    name: String,
    /// `#rrggbb`.
    colour: Option<String>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateAccountGroup>,
) -> Result<Created<AccountGroupView>, Problem> {
    let CreateAccountGroup { name, colour } = body;
    let new = NewAccountGroup { name, colour }.checked()?;
    let mut cx = by.begin(&app).await?;
    let group = account_groups::create(&mut cx, new).await?;
    cx.commit().await?;
    Ok(Created(group.into()))
}

/// What to change; what is absent stays. `null` takes the colour away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeAccountGroup {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    colour: Option<Option<String>>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(AccountGroupPath { id }): Path<AccountGroupPath>,
    Json(body): Json<ChangeAccountGroup>,
) -> Result<Json<AccountGroupView>, Problem> {
    let ChangeAccountGroup { name, colour } = body;
    let change = AccountGroupChange { name, colour }.checked()?;
    let mut cx = by.begin(&app).await?;
    let group = account_groups::change(&mut cx, id, change).await?;
    cx.commit().await?;
    Ok(Json(group.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(AccountGroupPath { id }): Path<AccountGroupPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    account_groups::delete(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}
