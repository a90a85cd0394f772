//! `/v1/public/invitations`: what a link invites to, and accepting it.

use axum::{extract::State, http::HeaderMap};
use frontdesk_core::{
    accounts::AccountPermission,
    invalid::Invalid,
    invitations::{
        self, AccountInvitation, Error, Invitation, Kind, Need, StaffAcceptance, StaffInvitation,
        account::{self, Acceptance},
    },
    logins::{self, Audience},
    password::LEAST_STAFF,
    secret::{Password, Token},
    sessions::{self, Method},
    staff,
    time::Timestamp,
    users::{self, NewUser},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    client_session::ClientLoggedIn,
    extract::Json,
    guard::{Guest, MaybeUser, Member, refuse_banned},
    problem::{Code, Problem},
    routes::{Op, Routes},
    tokens::{LoggedIn, SessionKind, Wanted, gone, with_cookie},
};
use crate::App;

const TAG: &str = "Invitations";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/public/invitations/lookup",
            Op::public("lookUpInvitation", TAG, "What a link invites to; spends nothing")
                .problems(LINK_PROBLEMS),
            look_up,
        )
        .post(
            "/v1/public/invitations/accept",
            Op::public("acceptInvitation", TAG, "Accept an invitation and be logged in")
                .not_as_another()
                .emits(&[
                    "invitation.accepted",
                    "staff.created",
                    "user.created",
                    "user.email_verification_sent",
                    "account.user_added",
                    "account.chosen",
                    "session.started",
                ])
                .problems(&[
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationExpired,
                    Code::InvitationReplaced,
                    Code::InvitationCancelled,
                    Code::UsernameTaken,
                    Code::EmailTaken,
                    Code::OnAccountAlready,
                    Code::Invalid,
                    Code::PasswordRefused,
                    Code::TooManyAttempts,
                    Code::Overloaded,
                    Code::LoginRequired,
                    Code::PasswordChangeRequired,
                    Code::SecondFactorRequired,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                ]),
            accept,
        )
}

const LINK_PROBLEMS: &[Code] = &[
    Code::InvitationUnknown,
    Code::InvitationUsed,
    Code::InvitationExpired,
    Code::InvitationReplaced,
    Code::InvitationCancelled,
];

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let ask = "Ask whoever invited you to send a new link.";
        match error {
            Error::Unknown => {
                Self::with_detail(Code::InvitationUnknown, "Check that the link, or the id, is complete.")
            }
            Error::Used => Self::with_detail(
                Code::InvitationUsed,
                "It brought somebody in, who logs in as always from then on.",
            ),
            Error::Expired => Self::with_detail(Code::InvitationExpired, ask),
            Error::Replaced => {
                Self::with_detail(Code::InvitationReplaced, "Use the link in the latest mail.")
            }
            Error::Cancelled => {
                Self::with_detail(Code::InvitationCancelled, "If that is a mistake, ask for a new one.")
            }
            Error::Unvouched => Self::with_detail(
                Code::InvitationCancelled,
                "Whoever invited you may no longer do so: ask their colleagues to send a new link.",
            ),
            Error::Invalid(invalid) => invalid.into(),
            Error::Refused(refused) => refused.into(),
            Error::UsernameTaken => Self::with_detail(Code::UsernameTaken, "Choose another username."),
            Error::EmailTaken => Self::with_detail(
                Code::EmailTaken,
                "Whoever has a login with it logs in, and accepts so; else give another address.",
            ),
            Error::TooMany { retry_after } => Self::too_many(retry_after),
            Error::AlreadyInvited => Self::with_detail(
                Code::AlreadyInvited,
                "An invitation to this address is pending: send it anew, or cancel it first.",
            ),
            Error::TooManyPending { most } => Self::with_detail(
                Code::LimitReached,
                format!(
                    "{most} invitations to the account are pending: cancel some, or wait until they are accepted."
                ),
            ),
            Error::Account(error) => error.into(),
            Error::Db(error) => error.into(),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InvitationLookUp {
    token: Token,
}

/// What a link invites to.
#[derive(Debug, Serialize, JsonSchema)]
struct LookedUpInvitation {
    kind: Kind,
    expires_at: Timestamp,
    /// Of staff: the role's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// To an account: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// To an account: what the invitee will be permitted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<AccountPermission>>,
    /// Of staff: what the invitation fixes is shown, and refused in `accept`. To an account: where the link was mailed to,
    /// which binds nobody.
    email: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// The fields that `accept` must be given. To an account: in `user`, unless the caller is logged in as one.
    needs: Vec<Need>,
}

impl From<StaffInvitation> for LookedUpInvitation {
    fn from(invitation: StaffInvitation) -> Self {
        Self {
            kind: Kind::Staff,
            needs: invitation.needs(),
            expires_at: invitation.dates.expires_at,
            role: Some(invitation.role.map(|role| role.name).unwrap_or_default()),
            account: None,
            permissions: None,
            email: invitation.email,
            username: invitation.username,
            first_name: invitation.first_name,
            last_name: invitation.last_name,
        }
    }
}

impl From<AccountInvitation> for LookedUpInvitation {
    fn from(invitation: AccountInvitation) -> Self {
        Self {
            kind: Kind::Account,
            needs: invitation.needs(),
            expires_at: invitation.dates.expires_at,
            role: None,
            account: Some(invitation.account_name),
            permissions: Some(invitation.permissions.to_list()),
            email: Some(invitation.email),
            username: None,
            first_name: None,
            last_name: None,
        }
    }
}

async fn look_up(
    State(app): State<App>,
    Json(body): Json<InvitationLookUp>,
) -> Result<Json<LookedUpInvitation>, Problem> {
    Ok(Json(match invitations::lookup(&mut app.read().await?, &body.token.hash()).await? {
        Invitation::Staff(invitation) => (*invitation).into(),
        Invitation::Account(invitation) => (*invitation).into(),
    }))
}

/// Of staff: exactly the fields that the look-up's `needs` names, beside the token. To an account: `user`, or nothing where
/// the request carries a user's session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvitation {
    token: Token,
    /// A letter, then letters and digits, 64 at most.
    username: Option<String>,
    /// 15 to 256 characters.
    password: Option<Password>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// To an account: whoever is no user yet registers in the same step.
    user: Option<NewUserFields>,
    #[serde(default)]
    session: Wanted,
}

/// Who registers. Nobody's address is verified by it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUserFields {
    /// Any address, not only the one that the link was mailed to.
    email: String,
    /// As many characters as the setting `password_min_users` says, 256 at most.
    password: Password,
    first_name: String,
    last_name: String,
    language: Option<String>,
}

/// A session of whoever came in: a member of staff, or a user.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum AcceptAnswer {
    Staff(Box<LoggedIn>),
    User(Box<ClientLoggedIn>),
}

with_cookie! {
    AcceptAnswer: |answer| match answer {
        AcceptAnswer::Staff(answer) => answer.new.take(),
        AcceptAnswer::User(answer) => answer.new.take(),
    };
}

async fn accept(
    State(app): State<App>,
    guest: Guest,
    user: MaybeUser,
    headers: HeaderMap,
    Json(body): Json<AcceptInvitation>,
) -> Result<AcceptAnswer, Problem> {
    let invitation = invitations::lookup(&mut app.read().await?, &body.token.hash()).await?;
    match invitation {
        Invitation::Staff(invitation) => {
            let kind = body.session.for_caller(&app, &headers, Audience::Staff)?;
            let answer = accept_staff(&app, guest, body, *invitation, kind).await?;
            Ok(AcceptAnswer::Staff(Box::new(answer)))
        }
        Invitation::Account(_) => {
            refuse_staffs_fields(&body)?;
            let answer = match (user.0?, body.user) {
                (Some(member), None) => accept_as(&app, &member, &body.token).await?,
                (Some(_), Some(_)) => {
                    let message = "You are logged in, and accept as who you are: leave it out, or log out.";
                    return Err(Invalid::one("user", "fixed", message).into());
                }
                (None, Some(user)) => {
                    let kind = body.session.for_caller(&app, &headers, Audience::User)?;
                    register(&app, guest, &body.token, user, kind).await?
                }
                (None, None) => {
                    let message = "Give the user to register, or log in as one and send that session along.";
                    return Err(Invalid::one("user", "required", message).into());
                }
            };
            Ok(AcceptAnswer::User(Box::new(answer)))
        }
    }
}

async fn accept_staff(
    app: &App,
    guest: Guest,
    body: AcceptInvitation,
    invitation: StaffInvitation,
    kind: SessionKind,
) -> Result<LoggedIn, Problem> {
    if body.user.is_some() {
        return Err(Invalid::one("user", "fixed", "This invitation is one of staff; leave it out.").into());
    }
    let acceptance = StaffAcceptance {
        username: body.username,
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
    };
    acceptance.check(&invitation)?;
    let given = body.password.ok_or_else(|| Invalid::one("password", "required", "This is wanted."))?;
    let settings = app.settings();
    refuse_banned(&mut app.read().await?, &settings, &guest, Audience::Staff).await?;
    let mut turn = app.hasher().turn().await?;
    let own_words = acceptance.own_words(&invitation, &app.company());
    turn.check(given.clone(), LEAST_STAFF, own_words).await?;
    let password = turn.hash(given).await;
    drop(turn);

    let mut cx = app.begin(guest.caller).await?;
    let token = body.token.hash();
    let accepted =
        invitations::accept_staff(&mut cx, &token, acceptance, password, &guest.client, &settings).await?;
    let staff = staff::find(&mut cx, accepted.staff).await?;
    cx.commit().await?;
    let staff = staff.ok_or_else(|| Problem::internal("the member of staff just created is gone"))?;
    Ok(LoggedIn::new(app, &accepted.session, kind, staff.into()))
}

/// What only an invitation of staff asks for.
fn refuse_staffs_fields(body: &AcceptInvitation) -> Result<(), Invalid> {
    let given = [
        ("username", body.username.is_some()),
        ("password", body.password.is_some()),
        ("email", body.email.is_some()),
        ("first_name", body.first_name.is_some()),
        ("last_name", body.last_name.is_some()),
    ];
    let mut invalid = Invalid::default();
    for (field, _) in given.into_iter().filter(|(_, is)| *is) {
        invalid.add(
            field,
            "unknown",
            "This invitation is to an account: whoever registers is described in user.",
        );
    }
    invalid.ok()
}

/// Accepts as the user who is logged in. Their session acts for the account from now on, under a new token.
async fn accept_as(app: &App, member: &Member, token: &Token) -> Result<ClientLoggedIn, Problem> {
    let (settings, presented) = (app.settings(), member.presented()?.clone());
    let user = member.session.user();
    let mut cx = member.begin(app).await?;
    let acceptance = Acceptance::Existing(user);
    let accepted = account::accept(&mut cx, &token.hash(), acceptance, &settings).await?;
    let account = accepted.invitation.account;
    let started = sessions::choose(&mut cx, &member.session, &presented.token, account, &settings).await?;
    let started = started.ok_or_else(gone)?;
    let answer = ClientLoggedIn::on_account(app, &mut cx, &started, presented.kind, (user, account)).await?;
    cx.commit().await?;
    Ok(answer)
}

/// Accepts as a new user, who is logged in by it.
async fn register(
    app: &App,
    guest: Guest,
    token: &Token,
    user: NewUserFields,
    kind: SessionKind,
) -> Result<ClientLoggedIn, Problem> {
    let settings = app.settings();
    let NewUserFields { email, password: given, first_name, last_name, language } = user;
    let mut invalid = Invalid::default();
    let user = NewUser { email, first_name, last_name, language }.checked("user.", &mut invalid);
    invalid.ok()?;
    let mut view = app.read().await?;
    refuse_banned(&mut view, &settings, &guest, Audience::User).await?;
    users::refuse_prober(&mut view, &guest.caller, guest.countable).await?;
    drop(view);
    let mut turn = app.hasher().turn().await?;
    let least = logins::least_length(Audience::User, false, &settings);
    turn.check(given.clone(), least, user.own_words(&app.company())).await?;
    let password = turn.hash(given).await;
    drop(turn);

    let caller = guest.caller;
    let mut cx = app.begin(caller.clone()).await?;
    let acceptance = Acceptance::New(user, password);
    let accepted = match account::accept(&mut cx, &token.hash(), acceptance, &settings).await {
        Ok(accepted) => accepted,
        Err(error) => {
            if matches!(error, Error::EmailTaken) {
                drop(cx);
                let mut cx = app.begin(caller).await?;
                users::note_probe(&mut cx, guest.countable).await?;
                cx.commit().await?;
            }
            return Err(error.into());
        }
    };
    let started =
        sessions::start(&mut cx, &accepted.login, Method::Invitation, &guest.client, &settings).await;
    let started = started.map_err(|error| match error {
        sessions::Error::Db(error) => error.into(),
        sessions::Error::Refused => Problem::internal("the user just created is gone"),
    })?;
    let on = (accepted.login.id.of_user(), accepted.invitation.account);
    let answer = ClientLoggedIn::on_account(app, &mut cx, &started, kind, on).await?;
    cx.commit().await?;
    Ok(answer)
}
