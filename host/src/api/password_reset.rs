//! `/v1/public/password-reset`: setting a forgotten password anew, by a link.

use axum::extract::State;
use frontdesk_core::{
    invalid::Invalid,
    logins::Audience,
    recovery::{self, Completed, Error, Judged, Link},
    second_factor,
    secret::{Password, Token},
    security_questions::Answer,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, NoContent},
    guard::{Guest, refuse_banned},
    me::{judge, judge_for_colleague},
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
                .emits(&["staff.password_reset_requested", "user.password_reset_requested"])
                .problems(&[
                    Code::TurnedOff,
                    Code::TooManyAttempts,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                ]),
            ask,
        )
        .post(
            "/v1/public/password-reset/lookup",
            Op::public(
                "lookUpPasswordReset",
                TAG,
                "What a link sets the password of, and what it asks for; spends nothing",
            )
            .problems(&[
                Code::ResetLinkDead,
                Code::AddressBanned,
                Code::AddressNotAllowed,
                Code::TooManyAttempts,
            ]),
            look_up,
        )
        .post(
            "/v1/public/password-reset/complete",
            Op::public("completePasswordReset", TAG, "Set the password; log in with it afterwards")
                .emits(&[
                    "staff.password_changed",
                    "user.password_changed",
                    "user.second_factor_removed",
                    "user.email_verified",
                    "user.security_answer_refused",
                ])
                .problems(&[
                    Code::ResetLinkDead,
                    Code::PasswordRefused,
                    Code::AnswerRefused,
                    Code::Overloaded,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                    Code::TooManyAttempts,
                ]),
            complete,
        )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Dead => Self::with_detail(
                Code::ResetLinkDead,
                "It works once, until it expires, not after another one was used, and not after five wrong answers. Ask for a \
                 new one.",
            ),
            Error::TooMany { retry_after } => Self::too_many(retry_after),
            Error::TurnedOff => Self::with_detail(
                Code::TurnedOff,
                "The setting staff_password_reset is off: a colleague or whoever runs this service can help.",
            ),
            Error::AnswerWanted => answer_wanted().into(),
            Error::ChangedMeanwhile => Self::with_detail(
                Code::TryAgain,
                "The security question was changed at the same time. Nothing was kept: look the link up again.",
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// Which side of the service a login belongs to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
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
struct LookUpPasswordReset {
    token: Token,
}

/// What a link asks for.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ResetNeed {
    Password,
    /// To the security question.
    Answer,
}

/// A link that is good.
#[derive(Debug, Serialize, JsonSchema)]
struct PasswordResetView {
    audience: ResetAudience,
    /// What completing wants.
    needs: Vec<ResetNeed>,
    /// The security question to answer, if one was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    expires_at: Timestamp,
}

impl From<Link> for PasswordResetView {
    fn from(link: Link) -> Self {
        let mut needs = vec![ResetNeed::Password];
        needs.extend(link.asked.is_some().then_some(ResetNeed::Answer));
        Self {
            audience: match link.login.audience {
                Audience::Staff => ResetAudience::Staff,
                Audience::User => ResetAudience::User,
            },
            needs,
            question: link.asked.map(|asked| asked.question),
            expires_at: link.expires_at,
        }
    }
}

async fn look_up(
    State(app): State<App>,
    guest: Guest,
    Json(body): Json<LookUpPasswordReset>,
) -> Result<Json<PasswordResetView>, Problem> {
    let mut view = app.read().await?;
    let link = recovery::lookup(&mut view, &body.token.hash()).await?;
    refuse_banned(&mut view, &app.settings(), &guest, link.login.audience).await?;
    Ok(Json(link.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CompletePasswordReset {
    token: Token,
    /// As for any new password.
    password: Password,
    /// Where the link needs one; else it does not matter.
    answer: Option<Answer>,
}

async fn complete(
    State(app): State<App>,
    guest: Guest,
    Json(body): Json<CompletePasswordReset>,
) -> Result<NoContent, Problem> {
    let (settings, token) = (app.settings(), body.token.hash());
    let mut view = app.read().await?;
    let Link { login, asked, .. } = recovery::lookup(&mut view, &token).await?;
    refuse_banned(&mut view, &settings, &guest, login.audience).await?;
    let answer = match &asked {
        Some(_) => {
            let answer = body.answer.ok_or_else(answer_wanted)?;
            answer.check()?;
            recovery::refuse_too_many(&mut view, login.id.of_user()).await?;
            Some(answer)
        }
        None => None,
    };
    let has_second_factor = second_factor::is_enrolled(&mut view, login.id).await?;
    drop(view);
    // The password comes first, and is hashed whatever the answer is worth: nobody learns by the time this takes, without
    // being counted, whether it was right.
    let new = match asked {
        // Nor whether this is the password as it stands: whoever cannot answer must not try passwords here.
        Some(_) => judge_for_colleague(&app, &login, Vec::new(), has_second_factor, body.password).await?,
        None => judge(&app, &login, has_second_factor, &settings, body.password).await?,
    };
    let answered = match (asked, answer) {
        (Some(asked), Some(answer)) => {
            let mut turn = app.hasher().turn().await?;
            let right = answer.verify(&mut turn, &asked.answer_hash).await;
            Some(Judged { with: asked.answer_hash, right })
        }
        _ => None,
    };
    let mut cx = app.begin(guest.caller).await?;
    let completed = recovery::complete(&mut cx, &token, new, answered).await?;
    cx.commit().await?;
    match completed {
        Completed::Set(_) => Ok(NoContent),
        Completed::WrongAnswer { left } => Err(answer_refused(left)),
    }
}

fn answer_wanted() -> Invalid {
    Invalid::one("answer", "required", "The answer to the security question is wanted.")
}

fn answer_refused(left: i64) -> Problem {
    let detail = match left {
        0 => "This link takes no more answers. Ask for a new one.".into(),
        1 => "It takes one more answer at most.".into(),
        left => format!("It takes {left} more answers at most."),
    };
    Problem::with_detail(Code::AnswerRefused, detail)
}
