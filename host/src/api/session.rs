//! `/v1/admin/session`: logging in, who am I, giving the password again, logging out.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as ResponseDoc},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    secret::{Password, Token},
    sessions::{self, CONFIRMATION, Method, STAFF_ABSOLUTE},
    staff,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, NoContent},
    guard::{Guest, Member, STAFF_COOKIE},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::StaffView,
};
use crate::App;

const TAG: &str = "Session";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/admin/session",
            Op::public("logIn", TAG, "Log in as staff").problems(&[Code::LoginRefused, Code::Overloaded]),
            log_in,
        )
        .get("/v1/admin/session", Op::staff("whoAmI", TAG, "Who am I, and what may I do", None), who_am_i)
        .delete("/v1/admin/session", Op::staff("logOut", TAG, "Log out", None), log_out)
        .post(
            "/v1/admin/session/confirm",
            Op::staff("confirmSession", TAG, "Give the password again, for sensitive changes", None)
                .problems(&[Code::ConfirmationRefused, Code::Overloaded]),
            confirm,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// Username or email address.
    login: String,
    password: Password,
    #[serde(default)]
    session: SessionKind,
}

/// How the session's token travels.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionKind {
    /// In the answer, for programs.
    #[default]
    Token,
    /// In a cookie, for browsers.
    Cookie,
}

/// A login that succeeded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LoggedIn {
    /// Send it as `Authorization: Bearer TOKEN`. Absent where the session is a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    staff: StaffView,
    /// What must be done before anything else works.
    pending: Vec<&'static str>,
    #[serde(skip)]
    cookie: Option<HeaderValue>,
}

impl LoggedIn {
    pub(super) fn new(token: &Token, kind: SessionKind, staff: StaffView) -> Self {
        let (token, cookie) = match kind {
            SessionKind::Token => (Some(token.reveal()), None),
            SessionKind::Cookie => (None, Some(cookie(&token.reveal(), STAFF_ABSOLUTE.as_secs()))),
        };
        Self { token, staff, pending: Vec::new(), cookie }
    }
}

fn cookie(value: &str, max_age_s: u64) -> HeaderValue {
    let text =
        format!("{STAFF_COOKIE}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Strict");
    let mut header = HeaderValue::from_str(&text).expect("a token is base64url");
    header.set_sensitive(true);
    header
}

impl IntoResponse for LoggedIn {
    fn into_response(mut self) -> Response {
        let cookie = self.cookie.take();
        let mut response = Json(self).into_response();
        if let Some(cookie) = cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl OperationOutput for LoggedIn {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        Json::<Self>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        Json::<Self>::inferred_responses(ctx, operation)
    }
}

impl From<sessions::Error> for Problem {
    fn from(error: sessions::Error) -> Self {
        match error {
            sessions::Error::Refused => login_refused(),
            sessions::Error::Db(error) => error.into(),
        }
    }
}

fn login_refused() -> Problem {
    Problem::with_detail(
        Code::LoginRefused,
        "Check both. Which of them it was, and whether the login exists, is not told.",
    )
}

async fn log_in(State(app): State<App>, guest: Guest, Json(body): Json<LogIn>) -> Result<LoggedIn, Problem> {
    let login = staff::find_login(&mut app.read().await?, &body.login).await?;
    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let right = app.hasher().verify(body.password, hash).await?;
    let mut cx = app.begin(guest.caller).await?;
    let started = match &login {
        Some(login) if right => sessions::start(&mut cx, login.id, Method::Password, &guest.client).await,
        _ => Err(sessions::Error::Refused),
    };
    match (started, login) {
        (Ok(token), Some(login)) => {
            let staff = staff::find(&mut cx, login.id).await?.ok_or_else(login_refused)?;
            cx.commit().await?;
            Ok(LoggedIn::new(&token, body.session, staff.into()))
        }
        (Err(sessions::Error::Db(error)), _) => Err(error.into()),
        (_, login) => {
            sessions::refuse(&mut cx, login.map(|login| login.id)).await?;
            cx.commit().await?;
            Err(login_refused())
        }
    }
}

/// The caller's session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    staff: StaffView,
    /// The slugs of what the role permits.
    permissions: Vec<&'static str>,
    pending: Vec<&'static str>,
    started_at: Timestamp,
    expires_at: Timestamp,
    /// Until then sensitive changes need no password.
    confirmed_until: Timestamp,
}

async fn who_am_i(State(app): State<App>, member: Member) -> Result<Json<SessionView>, Problem> {
    let session = &member.session;
    let staff = staff::find(&mut app.read().await?, session.staff).await?;
    Ok(Json(SessionView {
        staff: staff.ok_or_else(|| Problem::new(Code::LoginRequired))?.into(),
        permissions: session.rights.permissions.iter().map(|permission| permission.slug()).collect(),
        pending: Vec::new(),
        started_at: session.started_at,
        expires_at: session.expires_at,
        confirmed_until: session.confirmed_at.plus(CONFIRMATION),
    }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmSession {
    password: Password,
}

async fn confirm(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ConfirmSession>,
) -> Result<NoContent, Problem> {
    let login = staff::login_of(&mut app.read().await?, member.session.staff).await?;
    let right = app.hasher().verify(body.password, login.map(|login| login.password_hash)).await?;
    let Member { caller, session } = member;
    let mut cx = app.begin(caller).await?;
    if !right {
        sessions::refuse(&mut cx, Some(session.staff)).await?;
        cx.commit().await?;
        return Err(Problem::new(Code::ConfirmationRefused));
    }
    sessions::confirm(&mut cx, &session).await.map_err(|error| match error {
        sessions::Error::Refused => Problem::new(Code::LoginRequired),
        sessions::Error::Db(error) => error.into(),
    })?;
    cx.commit().await?;
    Ok(NoContent)
}

/// 204, and the cookie is gone.
#[derive(Debug)]
struct LoggedOut;

impl IntoResponse for LoggedOut {
    fn into_response(self) -> Response {
        ([(header::SET_COOKIE, cookie("", 0))], NoContent).into_response()
    }
}

impl OperationOutput for LoggedOut {
    type Inner = ();

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        NoContent::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        NoContent::inferred_responses(ctx, operation)
    }
}

async fn log_out(State(app): State<App>, member: Member) -> Result<LoggedOut, Problem> {
    let Member { caller, session } = member;
    let mut cx = app.begin(caller).await?;
    sessions::end(&mut cx, &session).await?;
    cx.commit().await?;
    Ok(LoggedOut)
}
