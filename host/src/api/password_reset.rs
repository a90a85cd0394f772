//! `/v1/public/password-reset`: setting a forgotten password anew, by a link.

use axum::extract::State;
use frontdesk_core::{
    logins::Audience,
    recovery::{self, Error},
    second_factor,
    secret::{Password, Token},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    extract::{Json, NoContent},
    guard::{Guest, refuse_banned},
    me::judge,
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Recovery";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/public/password-reset",
            Op::public("askForPasswordReset", TAG, "Ask for a link to set a forgotten password anew")
                .problems(&[
                    Code::TurnedOff,
                    Code::TooManyAttempts,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                ]),
            ask,
        )
        .post(
            "/v1/public/password-reset/complete",
            Op::public("completePasswordReset", TAG, "Set the password; log in with it afterwards").problems(
                &[
                    Code::ResetLinkDead,
                    Code::PasswordRefused,
                    Code::Overloaded,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                    Code::TooManyAttempts,
                ],
            ),
            complete,
        )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Dead => Self::with_detail(
                Code::ResetLinkDead,
                "It works once, for an hour, and not after another one was used. Ask for a new one.",
            ),
            Error::TooMany { retry_after } => Self::too_many(retry_after),
            Error::TurnedOff => Self::with_detail(
                Code::TurnedOff,
                "The setting staff_password_reset is off: a colleague or whoever runs this service can help.",
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// Which side of the service a login belongs to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ResetAudience {
    Staff,
    User,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskForPasswordReset {
    audience: ResetAudience,
    /// Username or email address. The answer is the same whether it is anybody's.
    login: String,
}

async fn ask(
    State(app): State<App>,
    guest: Guest,
    Json(body): Json<AskForPasswordReset>,
) -> Result<NoContent, Problem> {
    let settings = app.settings();
    let audience = match body.audience {
        ResetAudience::Staff => Audience::Staff,
        ResetAudience::User => Audience::User,
    };
    let mut cx = app.begin(guest.caller.clone()).await?;
    refuse_banned(&mut cx, &settings, &guest, audience).await?;
    recovery::ask(&mut cx, audience, &body.login, guest.countable, &settings).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CompletePasswordReset {
    token: Token,
    /// As for any new password.
    password: Password,
}

async fn complete(
    State(app): State<App>,
    guest: Guest,
    Json(body): Json<CompletePasswordReset>,
) -> Result<NoContent, Problem> {
    let (settings, token) = (app.settings(), body.token.hash());
    let mut view = app.read().await?;
    let login = recovery::lookup(&mut view, &token).await?;
    refuse_banned(&mut view, &settings, &guest, login.audience).await?;
    let has_second_factor = second_factor::is_enrolled(&mut view, login.id).await?;
    drop(view);
    let new = judge(&app, &login, has_second_factor, &settings, body.password).await?;
    let mut cx = app.begin(guest.caller).await?;
    recovery::complete(&mut cx, &token, new).await?;
    cx.commit().await?;
    Ok(NoContent)
}
