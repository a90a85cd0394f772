//! `/v1/admin/session`: logging in, the second factor, who am I, giving the password again, logging out.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as ResponseDoc},
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    cx::Cx,
    limits::{self, Refused, Step},
    logins::{self, Audience, Login},
    password::Verdict,
    second_factor::{self, Answer, Passed, recovery_codes},
    secret::{Password, Token},
    sessions::{self, CONFIRMATION, Entered, Method, Pending, Started},
    staff,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, NoContent},
    guard::{Guest, Member},
    problem::{Code, Problem},
    routes::{Op, Routes},
    security_keys,
    staff::StaffView,
    tokens::{LoggedIn, Renewed, SessionKind, Wanted, cookie, gone, with_cookie},
};
use crate::App;

const TAG: &str = "Session";

/// What every way of logging in may answer beside its own.
pub(super) const LIMITED: &[Code] = &[
    Code::LoginRefused,
    Code::Overloaded,
    Code::TooManyAttempts,
    Code::AddressBanned,
    Code::AddressNotAllowed,
];

/// What answering a challenge may.
pub(super) const FACTOR: &[Code] = &[
    Code::ChallengeOver,
    Code::CodeRefused,
    Code::Overloaded,
    Code::TooManyAttempts,
    Code::AddressBanned,
    Code::AddressNotAllowed,
];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/admin/session",
            Op::public("logIn", TAG, "Log in as staff")
                .emits(&[
                    "session.started",
                    "session.challenged",
                    "session.refused",
                    "system.address_banned",
                    "system.trusted_address_failed",
                ])
                .problems(LIMITED),
            log_in,
        )
        .post(
            "/v1/admin/session/second-factor",
            Op::public("answerChallenge", TAG, "Answer a login's challenge with the second factor")
                .emits(&[
                    "session.started",
                    "staff.recovery_code_used",
                    "session.refused",
                    "system.address_banned",
                    "system.trusted_address_failed",
                ])
                .problems(FACTOR),
            second_factor,
        )
        .get(
            "/v1/admin/session",
            Op::staff("whoAmI", TAG, "Who am I, and what may I do", None).despite(Pending::ALL),
            who_am_i,
        )
        .delete(
            "/v1/admin/session",
            Op::staff("logOut", TAG, "Log out", None).despite(Pending::ALL).emits(&["session.ended"]),
            log_out,
        )
        .post(
            "/v1/admin/session/confirm",
            Op::staff("confirmSession", TAG, "Give the password again, for sensitive changes", None)
                .despite(Pending::ALL)
                .emits(&[
                    "session.confirmed",
                    "session.refused",
                    "system.address_banned",
                    "system.trusted_address_failed",
                ])
                .problems(&[Code::ConfirmationRefused, Code::Overloaded, Code::TooManyAttempts]),
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
    session: Wanted,
}

/// A login whose password was right: the second factor is still to be proved.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Challenged {
    /// For `POST …/session/second-factor`, within ten minutes.
    challenge: String,
    /// With what it can be answered.
    methods: Vec<Method>,
    /// What to hand to `navigator.credentials.get()`, where a security key is among the methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    security_key: Option<serde_json::Value>,
}

/// In, or half of the way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum LogInAnswer {
    LoggedIn(Box<LoggedIn>),
    Challenged(Challenged),
}

with_cookie! {
    LogInAnswer: |answer| match answer {
        LogInAnswer::LoggedIn(answer) => answer.new.take(),
        LogInAnswer::Challenged(_) => None,
    };
}

pub(super) fn login_refused() -> Problem {
    Problem::with_detail(
        Code::LoginRefused,
        "Check both. Which of them it was, and whether the login exists, is not told.",
    )
}

pub(super) fn challenge_over() -> Problem {
    Problem::with_detail(Code::ChallengeOver, "It was answered, or ten minutes have passed: log in again.")
}

/// A password as it was taken. Nothing is kept before the unit of work is committed.
pub(super) struct Tried {
    pub(super) cx: Cx,
    pub(super) entered: Entered,
}

/// Takes a password of somebody of that audience; names that exist cost what others do.
pub(super) async fn try_password(
    app: &App,
    guest: Guest,
    audience: Audience,
    name: &str,
    password: Password,
) -> Result<Tried, Problem> {
    let settings = app.settings();
    let mut view = app.read().await?;
    let login = logins::find_by_name(&mut view, audience, name).await?;
    let attempt = guest.attempt(audience, name, login.as_ref(), Step::Password);
    limits::check(&mut view, &settings, &attempt).await?;
    drop(view);
    let mut turn = app.hasher().turn().await?;
    // While this one waited, others may have failed.
    limits::check(&mut app.read().await?, &settings, &attempt).await?;
    let hash = login.as_ref().and_then(|login| login.password_hash.clone());
    let verdict = turn.verify(password, hash).await;
    drop(turn);

    let mut cx = app.begin(guest.caller).await?;
    let entered =
        sessions::enter(&mut cx, &attempt, login.as_ref(), verdict, &guest.client, &settings).await?;
    Ok(Tried { cx, entered })
}

/// Keeps that the password was right, and asks for the second factor.
pub(super) async fn ask_for_factor(
    app: &App,
    mut cx: Cx,
    login: &Login,
    started: &Started,
    methods: Vec<Method>,
) -> Result<Challenged, Problem> {
    let security_key = match methods.contains(&Method::SecurityKey) {
        true => security_keys::ask(app, &mut cx, login, started.session).await?,
        false => None,
    };
    cx.commit().await?;
    // Keys that browsers would not use at this address are no way in.
    let methods =
        methods.into_iter().filter(|method| *method != Method::SecurityKey || security_key.is_some());
    Ok(Challenged { challenge: started.token.reveal(), methods: methods.collect(), security_key })
}

async fn log_in(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<LogIn>,
) -> Result<LogInAnswer, Problem> {
    let kind = body.session.for_caller(&app, &headers, Audience::Staff)?;
    let Tried { mut cx, entered } =
        try_password(&app, guest, Audience::Staff, &body.login, body.password).await?;
    match entered {
        Entered::In(login, started) => {
            let staff = staff::find(&mut cx, login.id.of_staff()).await?.ok_or_else(login_refused)?;
            cx.commit().await?;
            let answer = LoggedIn::new(&app, &started, kind, staff.into());
            Ok(LogInAnswer::LoggedIn(Box::new(answer)))
        }
        Entered::Challenged(login, started, methods) => {
            Ok(LogInAnswer::Challenged(ask_for_factor(&app, cx, &login, &started, methods).await?))
        }
        Entered::Refused => {
            cx.commit().await?;
            Err(login_refused())
        }
    }
}

/// What is answered with.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum AnswerMethod {
    Totp,
    Recovery,
    SecurityKey,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerChallenge {
    challenge: Token,
    method: AnswerMethod,
    /// With `totp` and `recovery`: what the app shows, or one of the recovery codes.
    code: Option<String>,
    /// With `security-key`: what `navigator.credentials.get()` gave, as JSON.
    credential: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) session: Wanted,
}

impl From<second_factor::LoginError> for Problem {
    fn from(error: second_factor::LoginError) -> Self {
        match error {
            second_factor::LoginError::Over => challenge_over(),
            second_factor::LoginError::Limited(refused) => refused.into(),
            second_factor::LoginError::Db(error) => error.into(),
        }
    }
}

/// A second factor as it was taken. Nothing is kept before the unit of work is committed.
pub(super) struct Answered {
    pub(super) cx: Cx,
    pub(super) passed: Passed,
}

/// Takes what somebody of that audience answers a challenge with.
pub(super) async fn try_factor(
    app: &App,
    guest: Guest,
    audience: Audience,
    body: AnswerChallenge,
) -> Result<Answered, Problem> {
    let settings = app.settings();
    let challenge = body.challenge.hash();
    let mut view = app.read().await?;
    let found = sessions::challenged(&mut view, audience, &challenge).await?;
    let (_, id) = found.ok_or_else(challenge_over)?;
    let login = logins::find(&mut view, id).await?.ok_or_else(challenge_over)?;
    let attempt = guest.attempt(audience, login.display_name(), Some(&login), Step::Code);
    limits::check(&mut view, &settings, &attempt).await?;
    let salt = recovery_codes::salt(&mut view, id).await?;
    // Back to the pool: who waits for a second connection with one in hand waits for those who do the same.
    drop(view);
    let wanted = |field| frontdesk_core::invalid::Invalid::one(field, "required", "This method wants it.");
    let answer = match body.method {
        AnswerMethod::Totp => Answer::Totp(body.code.ok_or_else(|| wanted("code"))?),
        AnswerMethod::Recovery => {
            let typed = body.code.ok_or_else(|| wanted("code"))?;
            let hash = match recovery_codes::read(&typed) {
                Some(code) => {
                    let mut turn = app.hasher().turn().await?;
                    limits::check(&mut app.read().await?, &settings, &attempt).await?;
                    Some(turn.recovery(&code, &salt).await)
                }
                None => None,
            };
            Answer::Recovery(hash)
        }
        AnswerMethod::SecurityKey => {
            let credential = body.credential.ok_or_else(|| wanted("credential"))?;
            security_keys::answer(app, credential)?
        }
    };

    let mut cx = app.begin(guest.caller).await?;
    let passed =
        second_factor::pass(&mut cx, audience, &challenge, answer, &guest.client, guest.countable, &settings)
            .await?;
    Ok(Answered { cx, passed })
}

pub(super) fn code_refused() -> Problem {
    let detail = "Check the device's clock and take the next code; each code is taken once.";
    Problem::with_detail(Code::CodeRefused, detail)
}

async fn second_factor(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<AnswerChallenge>,
) -> Result<LoggedIn, Problem> {
    let kind = body.session.for_caller(&app, &headers, Audience::Staff)?;
    let Answered { mut cx, passed } = try_factor(&app, guest, Audience::Staff, body).await?;
    match passed {
        Passed::In(login, started) => {
            let staff = staff::find(&mut cx, login.id.of_staff()).await?.ok_or_else(challenge_over)?;
            cx.commit().await?;
            Ok(LoggedIn::new(&app, &started, kind, staff.into()))
        }
        Passed::Wrong => {
            cx.commit().await?;
            Err(code_refused())
        }
    }
}

/// The caller's session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    staff: StaffView,
    /// The slugs of what the role permits.
    permissions: Vec<&'static str>,
    pending: Vec<Pending>,
    started_at: Timestamp,
    expires_at: Timestamp,
    /// Until then sensitive changes need no password.
    confirmed_until: Timestamp,
}

async fn who_am_i(State(app): State<App>, member: Member) -> Result<Json<SessionView>, Problem> {
    let session = &member.session;
    let staff = staff::find(&mut app.read().await?, session.staff()).await?;
    Ok(Json(SessionView {
        staff: staff.ok_or_else(|| Problem::new(Code::LoginRequired))?.into(),
        permissions: session.rights.permissions.iter().map(|permission| permission.slug()).collect(),
        pending: session.pending.clone(),
        started_at: session.started_at,
        expires_at: session.expires_at,
        confirmed_until: session.confirmed_at.plus(CONFIRMATION),
    }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmSession {
    password: Password,
}

pub(super) async fn confirm(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ConfirmSession>,
) -> Result<Renewed, Problem> {
    let settings = app.settings();
    let presented = member.presented()?.clone();
    let mut view = app.read().await?;
    let login = logins::find(&mut view, member.session.login).await?.ok_or_else(gone)?;
    let attempt = member.attempt(&login);
    unless_slowed(limits::check(&mut view, &settings, &attempt).await)?;
    drop(view);
    let mut turn = app.hasher().turn().await?;
    unless_slowed(limits::check(&mut app.read().await?, &settings, &attempt).await)?;
    let verdict = turn.verify(body.password, login.password_hash.clone()).await;
    drop(turn);

    let mut cx = member.begin(&app).await?;
    let unchanged = still_has(logins::find(&mut cx, login.id).await?, &login);
    if matches!(verdict, Verdict::Wrong) || !unchanged {
        limits::failed(&mut cx, &settings, &attempt).await?;
        sessions::refuse(&mut cx, login.audience, Some(login.id), Step::Confirmation).await?;
        cx.commit().await?;
        return Err(Problem::new(Code::ConfirmationRefused));
    }
    limits::succeeded(&mut cx, &attempt).await?;
    let started = sessions::confirm(&mut cx, &member.session, &presented.token, &settings).await;
    let started = started.map_err(|error| match error {
        sessions::Error::Refused => gone(),
        sessions::Error::Db(error) => error.into(),
    })?;
    cx.commit().await?;
    Renewed::new(&app, &member, &started)
}

/// A ban refuses logins, not open sessions: only the delay holds here.
fn unless_slowed(checked: Result<(), Refused>) -> Result<(), Problem> {
    match checked {
        Ok(()) | Err(Refused::Banned { .. } | Refused::NotAllowedFrom) => Ok(()),
        Err(refused) => Err(refused.into()),
    }
}

fn still_has(now: Option<Login>, before: &Login) -> bool {
    now.is_some_and(|login| login.password_hash == before.password_hash)
}

/// 204; where the session was a cookie, that is gone.
#[derive(Debug)]
pub(super) struct LoggedOut(SessionKind);

impl IntoResponse for LoggedOut {
    fn into_response(self) -> Response {
        match self.0 {
            SessionKind::Token => NoContent.into_response(),
            SessionKind::Cookie(audience) => {
                ([(header::SET_COOKIE, cookie(audience, "", 0))], NoContent).into_response()
            }
        }
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

pub(super) async fn log_out(State(app): State<App>, member: Member) -> Result<LoggedOut, Problem> {
    let kind = member.presented()?.kind;
    let mut cx = member.begin(&app).await?;
    sessions::end(&mut cx, &member.session, member.session.session).await?;
    cx.commit().await?;
    Ok(LoggedOut(kind))
}
