//! `/v1/admin/me/security-keys`: registering, naming and removing security keys (WebAuthn).

use axum::extract::State;
use frontdesk_core::{
    cx::Cx,
    db,
    ids::{SecurityKeyId, SessionId},
    invalid::{Invalid, person_name},
    logins::Login,
    second_factor::{
        Answer,
        keys::{self, KeyAnswer, SecurityKey},
        security_keys::RelyingParty,
    },
    sessions::{self, Pending},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    extract::{Json, Path},
    guard::Member,
    me::{first_codes, own_login, shown},
    problem::{Code, Problem},
    routes::{Op, Routes},
    tokens::{NewToken, Renewed, gone, with_cookie},
};
use crate::App;

const TAG: &str = "Own profile";

pub(super) fn routes(routes: Routes) -> Routes {
    const ENROL: &[Pending] = &[Pending::EnrolSecondFactor];
    routes
        .get(
            "/v1/admin/me/security-keys",
            Op::staff("listSecurityKeys", TAG, "My security keys", None).despite(ENROL),
            list,
        )
        .post(
            "/v1/admin/me/security-keys",
            Op::staff("beginSecurityKey", TAG, "Begin to register a security key", None)
                .confirmed()
                .despite(ENROL)
                .problems(&[
                    Code::TurnedOff,
                    Code::EmailUnverified,
                    Code::SecurityKeysUnavailable,
                    Code::Invalid,
                ]),
            begin,
        )
        .post(
            "/v1/admin/me/security-keys/confirm",
            Op::staff("confirmSecurityKey", TAG, "Register the security key that answered", None)
                .confirmed()
                .despite(ENROL)
                .emits(&["staff.second_factor_added"])
                .problems(&[
                    Code::TurnedOff,
                    Code::EmailUnverified,
                    Code::SecurityKeysUnavailable,
                    Code::NotBegun,
                    Code::Invalid,
                    Code::Overloaded,
                ]),
            confirm,
        )
        .patch(
            "/v1/admin/me/security-keys/{id}",
            Op::staff("renameSecurityKey", TAG, "Give a security key another name", None)
                .emits(&["staff.security_key_renamed"])
                .problems(&[Code::NotFound]),
            rename,
        )
        .delete(
            "/v1/admin/me/security-keys/{id}",
            Op::staff("removeSecurityKey", TAG, "Remove a security key; other sessions end", None)
                .confirmed()
                .emits(&["staff.second_factor_removed"])
                .problems(&[Code::NotFound, Code::SecondFactorNeeded]),
            remove,
        )
}

fn relying_party(app: &App) -> Result<&RelyingParty, Problem> {
    app.relying_party().ok_or_else(|| {
        let detail = "Browsers use security keys only with a host name and https, or on localhost: an administrator can set public_url so.";
        Problem::with_detail(Code::SecurityKeysUnavailable, detail)
    })
}

/// What a login's challenge asks of security keys, if there are any.
pub(super) async fn ask(
    app: &App,
    cx: &mut Cx,
    login: &Login,
    challenge: SessionId,
) -> Result<Option<Value>, db::Error> {
    match app.relying_party() {
        Some(relying_party) => keys::ask(cx, relying_party, login.id, challenge).await,
        None => Ok(None),
    }
}

pub(super) fn answer(app: &App, response: Value) -> Result<Answer, Problem> {
    let relying_party = relying_party(app)?.clone();
    Ok(Answer::SecurityKey(Box::new(KeyAnswer { relying_party, response })))
}

/// A security key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecurityKeyView {
    id: SecurityKeyId,
    name: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl From<SecurityKey> for SecurityKeyView {
    fn from(key: SecurityKey) -> Self {
        Self { id: key.id, name: key.name, created_at: key.created_at, last_used_at: key.last_used_at }
    }
}

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecurityKeys {
    items: Vec<SecurityKeyView>,
}

pub(super) async fn list(State(app): State<App>, member: Member) -> Result<Json<SecurityKeys>, Problem> {
    let keys = keys::list(&mut app.read().await?, member.session.login).await?;
    Ok(Json(SecurityKeys { items: keys.into_iter().map(SecurityKeyView::from).collect() }))
}

/// What a browser needs to ask a security key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecurityKeyOptions {
    /// For `navigator.credentials.create()`, its binary parts in base64url; five minutes.
    options: Value,
}

pub(super) async fn begin(
    State(app): State<App>,
    member: Member,
) -> Result<Json<SecurityKeyOptions>, Problem> {
    let relying_party = relying_party(&app)?;
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    let settings = app.settings();
    let options = keys::begin(&mut cx, relying_party, &login, member.session.session, &settings).await?;
    cx.commit().await?;
    Ok(Json(SecurityKeyOptions { options }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmSecurityKey {
    /// What to call it, 100 characters at most.
    name: String,
    /// What `navigator.credentials.create()` gave, as JSON.
    credential: Value,
}

/// A security key was registered. The session has a new token.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecurityKeyAdded {
    key: SecurityKeyView,
    /// Shown once, with the first second factor: ten codes for whoever loses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    pending: Vec<Pending>,
    #[serde(skip)]
    new: Option<NewToken>,
}

with_cookie! {
    SecurityKeyAdded: |answer| answer.new.take();
}

fn key_name(text: &str) -> Result<String, Problem> {
    person_name(text).map_err(|(code, message)| Invalid::one("name", code, message).into())
}

pub(super) async fn confirm(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ConfirmSecurityKey>,
) -> Result<SecurityKeyAdded, Problem> {
    let answer = KeyAnswer { relying_party: relying_party(&app)?.clone(), response: body.credential };
    let name = key_name(&body.name)?;
    keys::look(&mut app.read().await?, member.session.session).await?;
    let codes = first_codes(&app, &member).await?;
    let settings = app.settings();
    let token = member.presented()?.token.clone();

    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    let session = member.session.session;
    let (id, first) =
        keys::confirm(&mut cx, answer, &login, session, &name, codes.as_ref(), &settings).await?;
    let started = sessions::renew(&mut cx, &member.session, &token, &settings).await?.ok_or_else(gone)?;
    let keys = keys::list(&mut cx, login.id).await?;
    cx.commit().await?;
    let key = keys.into_iter().find(|key| key.id == id);
    let key = key.ok_or_else(|| Problem::internal("the security key just registered is gone"))?;
    let (token, pending, new) = Renewed::new(&app, &member, &started)?.parts();
    let recovery_codes = shown(first, codes);
    Ok(SecurityKeyAdded { key: key.into(), recovery_codes, token, pending, new })
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct KeyPath {
    id: SecurityKeyId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameSecurityKey {
    name: String,
}

pub(super) async fn rename(
    State(app): State<App>,
    member: Member,
    Path(KeyPath { id }): Path<KeyPath>,
    Json(body): Json<RenameSecurityKey>,
) -> Result<Json<SecurityKeyView>, Problem> {
    let name = key_name(&body.name)?;
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    let key = keys::rename(&mut cx, &login, id, &name).await?;
    cx.commit().await?;
    Ok(Json(key.into()))
}

pub(super) async fn remove(
    State(app): State<App>,
    member: Member,
    Path(KeyPath { id }): Path<KeyPath>,
) -> Result<Renewed, Problem> {
    let (settings, token) = (app.settings(), member.presented()?.token.clone());
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    keys::remove(&mut cx, &login, id, member.session.session, &settings).await?;
    let started = sessions::renew(&mut cx, &member.session, &token, &settings).await?.ok_or_else(gone)?;
    cx.commit().await?;
    Renewed::new(&app, &member, &started)
}
