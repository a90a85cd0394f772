//! `/v1/public/invitations`: what a link invites to, and accepting it.

use axum::{extract::State, http::HeaderMap};
use frontdesk_core::{
    invitations::{self, Error, Need, StaffAcceptance},
    logins::Audience,
    password::LEAST_STAFF,
    secret::{Password, Token},
    staff,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::Json,
    guard::{Guest, refuse_banned},
    problem::{Code, Problem},
    routes::{Op, Routes},
    tokens::{LoggedIn, Wanted},
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
            Op::public("acceptInvitation", TAG, "Accept an invitation and be logged in").problems(&[
                Code::InvitationUnknown,
                Code::InvitationUsed,
                Code::InvitationExpired,
                Code::InvitationReplaced,
                Code::InvitationCancelled,
                Code::UsernameTaken,
                Code::EmailTaken,
                Code::Invalid,
                Code::PasswordRefused,
                Code::Overloaded,
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
                "It brought somebody in, who logs in with what they chose then.",
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
            Error::EmailTaken => {
                Self::with_detail(Code::EmailTaken, "Every member of staff has an address of their own.")
            }
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
    /// `staff`.
    kind: &'static str,
    expires_at: Timestamp,
    /// The role's name.
    role: String,
    /// What the invitation fixes is shown, and refused in `accept`.
    email: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// The fields that `accept` must be given.
    needs: Vec<Need>,
}

async fn look_up(
    State(app): State<App>,
    Json(body): Json<InvitationLookUp>,
) -> Result<Json<LookedUpInvitation>, Problem> {
    let invitation = invitations::lookup(&mut app.read().await?, &body.token.hash()).await?;
    Ok(Json(LookedUpInvitation {
        kind: "staff",
        needs: invitation.needs(),
        expires_at: invitation.expires_at,
        role: invitation.role.map(|role| role.name).unwrap_or_default(),
        email: invitation.email,
        username: invitation.username,
        first_name: invitation.first_name,
        last_name: invitation.last_name,
    }))
}

/// Exactly the fields that the look-up's `needs` names, beside the token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvitation {
    token: Token,
    /// A letter, then letters and digits, 64 at most.
    username: Option<String>,
    /// 15 to 256 characters.
    password: Password,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(default)]
    session: Wanted,
}

async fn accept(
    State(app): State<App>,
    guest: Guest,
    headers: HeaderMap,
    Json(body): Json<AcceptInvitation>,
) -> Result<LoggedIn, Problem> {
    let kind = body.session.for_caller(&app, &headers)?;
    let token = body.token.hash();
    let acceptance = StaffAcceptance {
        username: body.username,
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
    };
    let invitation = invitations::lookup(&mut app.read().await?, &token).await?;
    acceptance.check(&invitation)?;
    let settings = app.settings();
    refuse_banned(&mut app.read().await?, &settings, &guest, Audience::Staff).await?;
    let mut turn = app.hasher().turn().await?;
    let own_words = acceptance.own_words(&invitation, &app.company());
    turn.check(body.password.clone(), LEAST_STAFF, own_words).await?;
    let password = turn.hash(body.password).await;
    drop(turn);

    let mut cx = app.begin(guest.caller).await?;
    let accepted =
        invitations::accept_staff(&mut cx, &token, acceptance, password, &guest.client, &settings).await?;
    let staff = staff::find(&mut cx, accepted.staff).await?;
    cx.commit().await?;
    let staff = staff.ok_or_else(|| Problem::internal("the member of staff just created is gone"))?;
    Ok(LoggedIn::new(&app, &accepted.session, kind, staff.into()))
}
