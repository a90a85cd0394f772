//! `/v1/admin/introspect`, `/v1/admin/authorize`: other systems ask whose session a token is, and what a user may do on an
//! account. They ask often: each answer costs one look-up beside the one that knows who asks.

use axum::extract::State;
use frontdesk_core::{
    accounts::{AccountPermission, members},
    ids::{AccountId, UserId},
    roles::Permission,
    secret::Token,
    sessions::{self, Introspected, Pending},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::Json,
    problem::Problem,
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Other systems";

pub(super) fn routes(routes: Routes) -> Routes {
    let ask = Some(Permission::AccountsAuthorize);
    routes
        .post(
            "/v1/admin/introspect",
            Op::staff("introspect", TAG, "Whose session a user's token is; asking is no use of it", ask),
            introspect,
        )
        .post(
            "/v1/admin/authorize",
            Op::staff("authorize", TAG, "Whether a user may do something on an account", ask),
            authorize,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Introspect {
    /// Of a user's session.
    token: Token,
}

/// `active` alone, false, for a token that is no live session's; else everything (after RFC 7662).
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    session: Option<ActiveSession>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ActiveSession {
    user: SessionUser,
    /// The account that the session acts for; null: none, or one that is closed or that the user is no longer on.
    account_id: Option<AccountId>,
    is_owner: bool,
    /// What the user may do there; nothing without an account.
    allowed_permissions: Vec<AccountPermission>,
    /// Whether an admin came in as the user.
    login_as: bool,
    /// What must be done before the session can do anything else: as long as there is something, let it do nothing.
    pending: Vec<Pending>,
    expires_at: Timestamp,
}

/// Whose session it is.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionUser {
    id: UserId,
    email: String,
    /// Whether somebody proved whose the address is.
    email_verified: bool,
    first_name: String,
    last_name: String,
    language: String,
}

impl From<Introspected> for ActiveSession {
    fn from(
        Introspected { session, email, email_verified, first_name, last_name, language }: Introspected,
    ) -> Self {
        let id = session.user();
        Self {
            user: SessionUser { id, email, email_verified, first_name, last_name, language },
            account_id: session.account.map(|on| on.account),
            is_owner: session.account.is_some_and(|on| on.is_owner),
            allowed_permissions: session.account.map(|on| on.permissions.to_list()).unwrap_or_default(),
            login_as: session.opened_by.is_some(),
            pending: session.pending,
            expires_at: session.expires_at,
        }
    }
}

async fn introspect(
    State(app): State<App>,
    Json(body): Json<Introspect>,
) -> Result<Json<Introspection>, Problem> {
    let mut view = app.read().await?;
    let seen = |id| app.seen().last(id);
    let found = sessions::introspect(&mut view, &body.token.hash(), &app.settings(), seen).await?;
    Ok(Json(Introspection { active: found.is_some(), session: found.map(ActiveSession::from) }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Authorize {
    user_id: UserId,
    account_id: AccountId,
    permission: AccountPermission,
}

/// Nobody may anything on an account that they are not on, or that is closed, nor while they are disabled.
#[derive(Debug, Serialize, JsonSchema)]
struct Authorization {
    allowed: bool,
    /// All they may do there.
    allowed_permissions: Vec<AccountPermission>,
}

async fn authorize(
    State(app): State<App>,
    Json(body): Json<Authorize>,
) -> Result<Json<Authorization>, Problem> {
    let Authorize { user_id, account_id, permission } = body;
    let found = members::permissions(&mut app.read().await?, account_id, user_id).await?;
    Ok(Json(Authorization { allowed: found.has(permission), allowed_permissions: found.to_list() }))
}
