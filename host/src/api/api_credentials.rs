//! `/v1/admin/api-credentials`: what programs authenticate with, and for whom they act.

use std::time::Duration;

use axum::extract::State;
use frontdesk_core::{
    api_access::{
        Limits,
        credentials::{
            self, ApiRoleName, Credential, CredentialChange, LONGEST_OVERLAP, NewCredential, WithSecret,
        },
    },
    ids::{ApiCredentialId, ApiRoleId, StaffId},
    invalid::Invalid,
    network::Network,
    roles::Permission,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api_roles::TAG,
    extract::{Created, Json, NoContent, Path, present},
    guard::By,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::ApiView), Some(Permission::ApiEdit));
    routes
        .get(
            "/v1/admin/api-credentials",
            Op::staff("listApiCredentials", TAG, "List API credentials, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/api-credentials",
            Op::staff("createApiCredential", TAG, "Create an API credential; its owner is told", edit)
                .confirmed()
                .emits(&["api.credential_created"])
                .problems(&[
                    Code::BeyondOwnPermissions,
                    Code::ApiRoleRequired,
                    Code::ApiAccessRequired,
                    Code::LoginDisabled,
                    Code::LimitReached,
                ]),
            create,
        )
        .get(
            "/v1/admin/api-credentials/{id}",
            Op::staff("getApiCredential", TAG, "One API credential", view),
            get,
        )
        .patch(
            "/v1/admin/api-credentials/{id}",
            Op::staff("changeApiCredential", TAG, "Change an API credential; holds at once", edit)
                .confirmed()
                .emits(&["api.credential_edited"])
                .problems(&[Code::BeyondOwnPermissions, Code::ApiRoleRequired]),
            change,
        )
        .delete(
            "/v1/admin/api-credentials/{id}",
            Op::staff("deleteApiCredential", TAG, "Delete an API credential; it refuses at once", edit)
                .confirmed()
                .emits(&["api.credential_deleted"])
                .problems(&[Code::BeyondOwnPermissions]),
            delete,
        )
        .post(
            "/v1/admin/api-credentials/{id}/rotate",
            Op::staff(
                "rotateApiCredential",
                TAG,
                "Give an API credential a new secret; the old one may overlap",
                edit,
            )
            .confirmed()
            .emits(&["api.credential_rotated"])
            .problems(&[Code::BeyondOwnPermissions, Code::LoginDisabled, Code::RotatedMeanwhile]),
            rotate,
        )
}

/// What a program authenticates with.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiCredentialView {
    id: ApiCredentialId,
    /// Public, like a username.
    identifier: String,
    staff: OwnerView,
    description: String,
    /// The program may call what any of them lists; none are left once all were deleted.
    api_roles: Vec<ApiRoleNameView>,
    /// From where it works; everywhere if empty.
    networks: Vec<Network>,
    /// Null: until it is deleted.
    expires_at: Option<Timestamp>,
    /// Requests a minute at each node; null: as many as it likes.
    rate_per_minute: Option<u32>,
    /// Written down once a minute.
    last_used_at: Option<Timestamp>,
    last_used_from: Option<String>,
    /// Until when the secret before the last rotation works, too.
    previous_until: Option<Timestamp>,
    /// How often it was rotated.
    rotations: i64,
    created_at: Timestamp,
    /// Only in the answer that made it: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Identifier and secret in one, for `Authorization: Bearer`; only where `secret` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// The member of staff it acts for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ApiCredentialOwner")]
struct OwnerView {
    id: StaffId,
    username: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ApiRoleName")]
struct ApiRoleNameView {
    id: ApiRoleId,
    name: String,
}

impl From<Credential> for ApiCredentialView {
    fn from(credential: Credential) -> Self {
        let Limits { networks, expires_at, rate_per_minute } = credential.limits;
        let name = |ApiRoleName { id, name }| ApiRoleNameView { id, name };
        Self {
            id: credential.id,
            identifier: credential.identifier,
            staff: OwnerView { id: credential.owner.id, username: credential.owner.username },
            description: credential.description,
            api_roles: credential.api_roles.into_iter().map(name).collect(),
            networks,
            expires_at,
            rate_per_minute,
            last_used_at: credential.last_used_at,
            last_used_from: credential.last_used_from,
            previous_until: credential.previous_until,
            rotations: credential.rotations,
            created_at: credential.created_at,
            secret: None,
            token: None,
        }
    }
}

impl From<WithSecret> for ApiCredentialView {
    fn from(WithSecret { credential, secret }: WithSecret) -> Self {
        let secret = secret.reveal();
        let token = Some(format!("{}.{secret}", credential.identifier));
        Self { secret: Some(secret), token, ..credential.into() }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ApiCredentialList {
    /// Of this member of staff only.
    staff_id: Option<StaffId>,
}

async fn list(
    State(app): State<App>,
    list: List<ApiCredentialList>,
) -> Result<Json<Page<ApiCredentialView>>, Problem> {
    let page = credentials::list(&mut app.read().await?, list.filter.staff_id, &list.request).await?;
    Ok(Json(Page::of(page, ApiCredentialView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ApiCredentialPath {
    id: ApiCredentialId,
}

async fn find(app: &App, id: ApiCredentialId) -> Result<Credential, Problem> {
    let found = credentials::find(&mut app.read().await?, id).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn get(
    State(app): State<App>,
    Path(ApiCredentialPath { id }): Path<ApiCredentialPath>,
) -> Result<Json<ApiCredentialView>, Problem> {
    Ok(Json(find(&app, id).await?.into()))
}

/// A program made by a program is limited as that one is, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateApiCredential {
    /// For whom it acts: you, or somebody who may nothing that you may not. Absent: you.
    staff_id: Option<StaffId>,
    /// One line, 200 characters at most.
    #[serde(default)]
    description: String,
    /// One or more, 50 at most; none that lists what needs a permission you lack.
    #[serde(default)]
    api_role_ids: Vec<ApiRoleId>,
    /// From where it works, 50 at most; everywhere if empty.
    #[serde(default)]
    networks: Vec<Network>,
    /// In the future. Absent: until it is deleted.
    expires_at: Option<Timestamp>,
    /// Requests a minute at each node, all at once or evenly, 1 to 100000. Absent: as many as it likes.
    #[schemars(range(min = 1, max = 100_000))]
    rate_per_minute: Option<u32>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateApiCredential>,
) -> Result<Created<ApiCredentialView>, Problem> {
    let new = NewCredential {
        staff_id: body.staff_id,
        description: body.description,
        api_role_ids: body.api_role_ids,
        limits: Limits {
            networks: body.networks,
            expires_at: body.expires_at,
            rate_per_minute: body.rate_per_minute,
        },
    }
    .checked()?;
    let mut cx = by.begin(&app).await?;
    let made = credentials::create(&mut cx, &by.authority, app.catalogue(), new).await?;
    cx.commit().await?;
    Ok(Created(made.into()))
}

/// What is left out stays; `null` lifts an expiry or a rate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeApiCredential {
    description: Option<String>,
    /// All of them, one at least.
    api_role_ids: Option<Vec<ApiRoleId>>,
    /// All of them; an empty list lets it work from everywhere.
    networks: Option<Vec<Network>>,
    #[serde(default, deserialize_with = "present")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "present")]
    rate_per_minute: Option<Option<u32>>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(ApiCredentialPath { id }): Path<ApiCredentialPath>,
    Json(body): Json<ChangeApiCredential>,
) -> Result<Json<ApiCredentialView>, Problem> {
    let ChangeApiCredential { description, api_role_ids, networks, expires_at, rate_per_minute } = body;
    let change =
        CredentialChange { description, api_role_ids, networks, expires_at, rate_per_minute }.checked()?;
    let mut cx = by.begin(&app).await?;
    let changed = credentials::change(&mut cx, &by.authority, app.catalogue(), id, change).await?;
    cx.commit().await?;
    Ok(Json(changed.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(ApiCredentialPath { id }): Path<ApiCredentialPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    credentials::delete(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotateApiCredential {
    /// For how long the secret before works, too, 0 to 10080. 0 ends it at once, and one that still overlaps with it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_080))]
    overlap_minutes: u64,
    /// `rotations` as it was when the caller looked: of several who saw the same, one rotates.
    rotations: Option<i64>,
}

async fn rotate(
    State(app): State<App>,
    by: By,
    Path(ApiCredentialPath { id }): Path<ApiCredentialPath>,
    Json(body): Json<RotateApiCredential>,
) -> Result<Json<ApiCredentialView>, Problem> {
    let overlap = Duration::from_secs(body.overlap_minutes.saturating_mul(60));
    if overlap > LONGEST_OVERLAP {
        let wanted = "This is a number from 0 to 10080.";
        return Err(Invalid::one("overlap_minutes", "malformed", wanted).into());
    }
    // Of several at once only one has looked at what is there now.
    let rotations = match body.rotations {
        Some(seen) => seen,
        None => find(&app, id).await?.rotations,
    };
    let mut cx = by.begin(&app).await?;
    let rotated =
        credentials::rotate(&mut cx, &by.authority, app.catalogue(), id, rotations, overlap).await?;
    cx.commit().await?;
    Ok(Json(rotated.into()))
}
