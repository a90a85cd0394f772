//! `/v1/client/session`: users log in, choose an account to act for, and log out; admins come in as them.

use axum::{extract::State, http::HeaderMap};
use frontdesk_core::{
    accounts::{self, AccountPermission, Membership, Status, login_as, members},
    cx::{Actor, Caller, Reads},
    ids::{AccountId, StaffId, UserId},
    logins::Audience,
    second_factor::Passed,
    secret::{Password, Token},
    sessions::{self, Authenticated, CONFIRMATION, Entered, OpenedBy, Pending, Started},
    time::Timestamp,
    users::{self, User},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::Json,
    guard::{Guest, Member, refuse_banned},
    problem::{Code, Problem},
    routes::{Needs, Op, Routes},
    session::{
        AnswerChallenge, Answered, Challenged, FACTOR, LIMITED, Tried, ask_for_factor, challenge_over,
        code_refused, confirm, log_out, login_refused, try_factor, try_password,
    },
    sessions as session_list,
    tokens::{NewToken, SessionKind, Wanted, gone, with_cookie},
};
use crate::App;

const TAG: &str = "Client session";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/client/session",
            Op::public("clientLogIn", TAG, "Log in as a user")
                .emits(&["session.started", "session.challenged", "session.refused"])
                .problems(LIMITED),
            log_in,
        )
        .post(
            "/v1/client/session/second-factor",
            Op::public("clientAnswerChallenge", TAG, "Answer a login's challenge with the second factor")
                .emits(&["session.started", "user.recovery_code_used", "session.refused"])
                .problems(FACTOR),
            second_factor,
        )
        .get(
            "/v1/client/session",
            Op::client("clientWhoAmI", TAG, "Who am I, and for which account", Needs::Nothing)
                .despite(Pending::ALL),
            who_am_i,
        )
        .delete(
            "/v1/client/session",
            Op::client("clientLogOut", TAG, "Log out", Needs::Nothing)
                .despite(Pending::ALL)
                .emits(&["session.ended"]),
            log_out,
        )
        .post(
            "/v1/client/session/confirm",
            Op::client(
                "clientConfirmSession",
                TAG,
                "Give the password again, for sensitive changes",
                Needs::Nothing,
            )
            .despite(Pending::ALL)
            .not_as_another()
            .emits(&["session.confirmed", "session.refused"])
            .problems(&[Code::ConfirmationRefused, Code::Overloaded, Code::TooManyAttempts]),
            confirm,
        )
        .post(
            "/v1/client/session/account",
            Op::client("chooseAccount", TAG, "Act for another of my accounts from now on", Needs::Nothing)
                .not_as_another()
                .emits(&["account.chosen"])
                .problems(&[Code::NotFound, Code::AccountClosed]),
            choose,
        )
        .get(
            "/v1/client/sessions",
            Op::client(
                "clientListSessions",
                TAG,
                "Where I am logged in, the session used last first",
                Needs::Nothing,
            ),
            session_list::list,
        )
        .delete(
            "/v1/client/sessions",
            Op::client("clientEndOtherSessions", TAG, "End all my sessions but this one", Needs::Nothing)
                .not_as_another()
                .emits(&["session.ended"]),
            session_list::end_others,
        )
        .delete(
            "/v1/client/sessions/{id}",
            Op::client("clientEndSession", TAG, "End one of my sessions", Needs::Nothing)
                .not_as_another()
                .emits(&["session.ended"])
                .problems(&[Code::NotFound]),
            session_list::end,
        )
        .post(
            "/v1/public/login-as",
            Op::public("enterAsUser", TAG, "Come in as a user, by the link that an admin was given")
                .emits(&["session.started"])
                .problems(&[Code::LinkDead, Code::AddressBanned, Code::AddressNotAllowed]),
            enter_as,
        )
}

/// A user, as they see themselves and as logins answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OwnUser {
    id: UserId,
    email: String,
    /// Whether somebody proved whose the address is.
    email_verified: bool,
    first_name: String,
    last_name: String,
    language: String,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<User> for OwnUser {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            first_name: user.first_name,
            last_name: user.last_name,
            language: user.language,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
        }
    }
}

/// An account that the caller is on.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OwnAccount {
    id: AccountId,
    name: String,
    /// A closed one is shown, and cannot be chosen.
    status: Status,
    is_owner: bool,
    /// What the caller may do there.
    permissions: Vec<AccountPermission>,
    /// Since when the caller is on it.
    since: Timestamp,
}

impl From<Membership> for OwnAccount {
    fn from(membership: Membership) -> Self {
        Self {
            id: membership.account,
            name: membership.name,
            status: membership.status,
            is_owner: membership.is_owner,
            permissions: membership.permissions.to_list(),
            since: membership.since,
        }
    }
}

/// Who a session belongs to, and for which account it acts.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Standing {
    user: OwnUser,
    /// The account that the session acts for; null: none, choose one.
    account: Option<OwnAccount>,
    /// Everything the user is on, closed accounts included.
    accounts: Vec<OwnAccount>,
}

impl Standing {
    /// `account`: the one that the session acts for, or would if it is the only one that can be chosen.
    async fn read(reads: &mut impl Reads, user: UserId, account: Option<AccountId>) -> Result<Self, Problem> {
        let found = users::find(reads, user).await?.ok_or_else(gone)?;
        let memberships = members::of_user(reads, user).await?;
        let bound = memberships.iter().find(|one| Some(one.account) == account && one.can_be_chosen());
        Ok(Self {
            user: found.into(),
            account: bound.cloned().map(OwnAccount::from),
            accounts: memberships.into_iter().map(OwnAccount::from).collect(),
        })
    }

    /// The same for a session that just began: it acts for the only account there is to choose.
    async fn begun(reads: &mut impl Reads, user: UserId) -> Result<Self, Problem> {
        let memberships = members::of_user(reads, user).await?;
        let mut open = memberships.iter().filter(|one| one.can_be_chosen());
        let only = open.next().filter(|_| open.next().is_none()).map(|one| one.account);
        Self::read(reads, user, only).await
    }

    /// What must be done, the choice of an account included.
    fn pending(&self, stored: &[Pending]) -> Vec<Pending> {
        let mut pending = stored.to_vec();
        let can_choose = self.accounts.iter().any(|account| account.status != Status::Closed);
        if self.account.is_none() && can_choose {
            pending.push(Pending::ChooseAccount);
        }
        pending
    }
}

/// A user's login that succeeded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ClientLoggedIn {
    /// Send it as `Authorization: Bearer TOKEN`. Absent where the session is a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(flatten)]
    standing: Standing,
    /// What must be done: `choose_account` before anything of an account works, the others before anything at all.
    pending: Vec<Pending>,
    #[serde(skip)]
    pub(super) new: Option<NewToken>,
}

impl ClientLoggedIn {
    pub(super) fn new(app: &App, started: &Started, kind: SessionKind, standing: Standing) -> Self {
        let mut new = NewToken::new(app, started, kind);
        let pending = standing.pending(&started.pending);
        Self { token: new.shown(), standing, pending, new: Some(new) }
    }

    /// Of a session that acts for this account.
    pub(super) async fn on_account(
        app: &App,
        reads: &mut impl Reads,
        started: &Started,
        kind: SessionKind,
        (user, account): (UserId, AccountId),
    ) -> Result<Self, Problem> {
        Ok(Self::new(app, started, kind, Standing::read(reads, user, Some(account)).await?))
    }
}

/// In, or half of the way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum ClientLogInAnswer {
    LoggedIn(Box<ClientLoggedIn>),
    Challenged(Challenged),
}

with_cookie! {
    ClientLoggedIn: |answer| answer.new.take();
    ClientLogInAnswer: |answer| match answer {
        ClientLogInAnswer::LoggedIn(answer) => answer.new.take(),
        ClientLogInAnswer::Challenged(_) => None,
    };
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClientLogIn {
    /// The email address.
    login: String,
    password: Password,
    #[serde(default)]
    session: Wanted,
}

async fn log_in(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<ClientLogIn>,
) -> Result<ClientLogInAnswer, Problem> {
    let kind = body.session.for_caller(&app, &headers, Audience::User)?;
    let Tried { mut cx, entered } =
        try_password(&app, guest, Audience::User, &body.login, body.password).await?;
    match entered {
        Entered::In(login, started) => {
            let standing = Standing::begun(&mut cx, login.id.of_user()).await?;
            cx.commit().await?;
            let answer = ClientLoggedIn::new(&app, &started, kind, standing);
            Ok(ClientLogInAnswer::LoggedIn(Box::new(answer)))
        }
        Entered::Challenged(login, started, methods) => {
            Ok(ClientLogInAnswer::Challenged(ask_for_factor(&app, cx, &login, &started, methods).await?))
        }
        Entered::Refused => {
            cx.commit().await?;
            Err(login_refused())
        }
    }
}

async fn second_factor(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<AnswerChallenge>,
) -> Result<ClientLoggedIn, Problem> {
    let kind = body.session.for_caller(&app, &headers, Audience::User)?;
    let Answered { mut cx, passed } = try_factor(&app, guest, Audience::User, body).await?;
    match passed {
        Passed::In(login, started) => {
            let standing =
                Standing::begun(&mut cx, login.id.of_user()).await.map_err(|_| challenge_over())?;
            cx.commit().await?;
            Ok(ClientLoggedIn::new(&app, &started, kind, standing))
        }
        Passed::Wrong => {
            cx.commit().await?;
            Err(code_refused())
        }
    }
}

/// The admin who came in as this user.
#[derive(Debug, Serialize, JsonSchema)]
struct LoggedInAs {
    staff_id: StaffId,
}

/// The caller's session.
#[derive(Debug, Serialize, JsonSchema)]
struct ClientSession {
    #[serde(flatten)]
    standing: Standing,
    pending: Vec<Pending>,
    /// Set where it is not the user themselves: they cannot change how the user logs in, nor who is on the account.
    opened_by: Option<LoggedInAs>,
    started_at: Timestamp,
    expires_at: Timestamp,
    /// Until then sensitive changes need no password.
    confirmed_until: Timestamp,
}

impl ClientSession {
    async fn read(reads: &mut impl Reads, session: &Authenticated) -> Result<Self, Problem> {
        let account = session.account.map(|on| on.account);
        let standing = Standing::read(reads, session.user(), account).await?;
        Ok(Self {
            pending: standing.pending(&session.pending),
            standing,
            opened_by: session.opened_by.map(|OpenedBy { staff, .. }| LoggedInAs { staff_id: staff }),
            started_at: session.started_at,
            expires_at: session.expires_at,
            confirmed_until: session.confirmed_at.plus(CONFIRMATION),
        })
    }
}

async fn who_am_i(State(app): State<App>, member: Member) -> Result<Json<ClientSession>, Problem> {
    Ok(Json(ClientSession::read(&mut app.read().await?, &member.session).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChooseAccount {
    account_id: AccountId,
}

async fn choose(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ChooseAccount>,
) -> Result<ClientLoggedIn, Problem> {
    let presented = member.presented()?.clone();
    let (user, account) = (member.session.user(), body.account_id);
    let mut cx = member.begin(&app).await?;
    let found = members::of_user(&mut cx, user).await?.into_iter().find(|one| one.account == account);
    // An account of somebody else's is none.
    let found = found.ok_or_else(|| {
        Problem::with_detail(Code::NotFound, "GET /v1/client/accounts lists those you are on.")
    })?;
    if !found.can_be_chosen() {
        return Err(accounts::Error::Closed.into());
    }
    let settings = app.settings();
    let started = sessions::choose(&mut cx, &member.session, &presented.token, account, &settings).await?;
    let started = started.ok_or_else(gone)?;
    let answer = ClientLoggedIn::on_account(&app, &mut cx, &started, presented.kind, (user, account)).await?;
    cx.commit().await?;
    Ok(answer)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EnterAsUser {
    token: Token,
    #[serde(default)]
    session: Wanted,
}

impl From<login_as::Error> for Problem {
    fn from(error: login_as::Error) -> Self {
        match error {
            login_as::Error::Dead => Self::with_detail(
                Code::LinkDead,
                "It works once, for a minute, and while the one who made it is logged in. Make a new one.",
            ),
            login_as::Error::Account(error) => error.into(),
            login_as::Error::Db(error) => error.into(),
        }
    }
}

async fn enter_as(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<EnterAsUser>,
) -> Result<ClientLoggedIn, Problem> {
    let kind = body.session.for_caller(&app, &headers, Audience::User)?;
    let settings = app.settings();
    refuse_banned(&mut app.read().await?, &settings, &guest, Audience::Staff).await?;
    let mut cx = app.begin(Caller { actor: Actor::Guest, ..guest.caller }).await?;
    let token = body.token.hash();
    let opened = login_as::enter(&mut cx, &token, &guest.client, &settings, |id| app.seen().last(id)).await?;
    let on = (opened.user, opened.account);
    let answer = ClientLoggedIn::on_account(&app, &mut cx, &opened.session, kind, on).await?;
    cx.commit().await?;
    Ok(answer)
}
