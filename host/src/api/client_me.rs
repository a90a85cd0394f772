//! `/v1/client/me`: a user's own login: names, address and its verification, password, second factors.

use axum::extract::State;
use frontdesk_core::{
    cx::Reads,
    ids::SecurityQuestionId,
    outbox::ChangedBy,
    secret::Token,
    security_questions::{self, Answer},
    sessions::Pending,
    users::{self, OwnChange, verification},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    client_session::OwnUser,
    extract::{Json, NoContent},
    guard::{Member, refuse_unconfirmed},
    me::{SecondFactorView, begin_totp, change_password, confirm_totp, remove_totp, renew_recovery_codes},
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Needs, Op, Routes},
    security_keys,
    tokens::gone,
};
use crate::App;

const TAG: &str = "Client profile";

/// An operation on one's own login, which no admin does who came in as the user.
const fn own(id: &'static str, summary: &'static str) -> Op {
    Op::client(id, TAG, summary, Needs::Nothing).not_as_another()
}

pub(super) fn routes(routes: Routes) -> Routes {
    const ENROL: &[Pending] = &[Pending::EnrolSecondFactor];
    const BEGIN: &[Code] = &[Code::TurnedOff, Code::EmailUnverified];
    const CONFIRM: &[Code] = &[Code::TurnedOff, Code::EmailUnverified, Code::NotBegun, Code::Overloaded];
    let routes = routes
        .get(
            "/v1/client/me",
            Op::client("clientGetMe", TAG, "My own details, and how my login is secured", Needs::Nothing)
                .despite(Pending::ALL),
            get,
        )
        .patch(
            "/v1/client/me",
            own("clientChangeMe", "Change my own details")
                .emits(&["user.edited", "user.security_question_cleared", "user.email_verification_sent"])
                .problems(&[Code::ConfirmationRequired, Code::EmailTaken, Code::TooManyAttempts]),
            change,
        )
        .put(
            "/v1/client/me/password",
            own("clientChangePassword", "Change my password; my other sessions end")
                .confirmed()
                .despite(&[Pending::ChangePassword])
                .emits(&["user.password_changed"])
                .problems(&[Code::PasswordRefused, Code::Overloaded]),
            change_password,
        )
        .post(
            "/v1/client/me/email-verification",
            own("sendEmailVerification", "Send the link that verifies my address again, once a minute")
                .despite(Pending::ALL)
                .emits(&["user.email_verification_sent"])
                .problems(&[Code::TooManyAttempts]),
            send_verification,
        )
        .post(
            "/v1/client/me/email-verification/confirm",
            own("confirmEmail", "Verify my address by the link that was mailed there")
                .despite(Pending::ALL)
                .emits(&["user.email_verified"])
                .problems(&[Code::LinkDead]),
            confirm_email,
        );
    let routes = routes
        .get(
            "/v1/client/security-questions",
            Op::client(
                "listSecurityQuestionsToChoose",
                TAG,
                "The security questions there are to choose from",
                Needs::Nothing,
            ),
            questions,
        )
        .put(
            "/v1/client/me/security-question",
            own("chooseSecurityQuestion", "Choose a security question, asked when I forgot my password")
                .confirmed()
                .emits(&["user.security_question_set"])
                .problems(&[Code::EmailUnverified, Code::Overloaded]),
            choose_question,
        )
        .delete(
            "/v1/client/me/security-question",
            own("dropSecurityQuestion", "Have no security question any more")
                .confirmed()
                .emits(&["user.security_question_cleared"]),
            drop_question,
        );
    let routes = routes
        .post(
            "/v1/client/me/totp",
            own("clientBeginTotp", "Begin to enrol, or to renew, time-based codes")
                .confirmed()
                .despite(ENROL)
                .problems(BEGIN),
            begin_totp,
        )
        .post(
            "/v1/client/me/totp/confirm",
            own("clientConfirmTotp", "Enrol time-based codes by a first one")
                .confirmed()
                .despite(ENROL)
                .emits(&["user.second_factor_added"])
                .problems(CONFIRM),
            confirm_totp,
        )
        .delete(
            "/v1/client/me/totp",
            own("clientRemoveTotp", "Remove time-based codes; my other sessions end")
                .confirmed()
                .emits(&["user.second_factor_removed"])
                .problems(&[Code::NotFound, Code::SecondFactorNeeded]),
            remove_totp,
        )
        .post(
            "/v1/client/me/recovery-codes",
            own("clientRenewRecoveryCodes", "Ten new recovery codes in the place of the old ones")
                .confirmed()
                .emits(&["user.recovery_codes_renewed"])
                .problems(&[Code::NotFound, Code::Overloaded]),
            renew_recovery_codes,
        );
    routes
        .get(
            "/v1/client/me/security-keys",
            Op::client("clientListSecurityKeys", TAG, "My security keys", Needs::Nothing).despite(ENROL),
            security_keys::list,
        )
        .post(
            "/v1/client/me/security-keys",
            own("clientBeginSecurityKey", "Begin to register a security key")
                .confirmed()
                .despite(ENROL)
                .problems(&[
                    Code::TurnedOff,
                    Code::EmailUnverified,
                    Code::SecurityKeysUnavailable,
                    Code::Invalid,
                ]),
            security_keys::begin,
        )
        .post(
            "/v1/client/me/security-keys/confirm",
            own("clientConfirmSecurityKey", "Register the security key that answered")
                .confirmed()
                .despite(ENROL)
                .emits(&["user.second_factor_added"])
                .problems(&[
                    Code::TurnedOff,
                    Code::EmailUnverified,
                    Code::SecurityKeysUnavailable,
                    Code::NotBegun,
                    Code::Invalid,
                    Code::Overloaded,
                ]),
            security_keys::confirm,
        )
        .patch(
            "/v1/client/me/security-keys/{id}",
            own("clientRenameSecurityKey", "Give a security key another name")
                .emits(&["user.security_key_renamed"])
                .problems(&[Code::NotFound]),
            security_keys::rename,
        )
        .delete(
            "/v1/client/me/security-keys/{id}",
            own("clientRemoveSecurityKey", "Remove a security key; other sessions end")
                .confirmed()
                .emits(&["user.second_factor_removed"])
                .problems(&[Code::NotFound, Code::SecondFactorNeeded]),
            security_keys::remove,
        )
}

/// One's own details.
#[derive(Debug, Serialize, JsonSchema)]
struct ClientMe {
    user: OwnUser,
    second_factor: SecondFactorView,
    /// Asked when I forgot my password.
    security_question_id: Option<SecurityQuestionId>,
}

impl ClientMe {
    async fn read(app: &App, member: &Member, reads: &mut impl Reads) -> Result<Self, Problem> {
        let user = users::find(reads, member.session.user()).await?.ok_or_else(gone)?;
        let second_factor = SecondFactorView::read(app, member, reads).await?;
        Ok(Self { security_question_id: user.question_id, user: user.into(), second_factor })
    }
}

async fn get(State(app): State<App>, member: Member) -> Result<Json<ClientMe>, Problem> {
    Ok(Json(ClientMe::read(&app, &member, &mut app.read().await?).await?))
}

/// What to change of oneself; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClientChangeMe {
    /// Wants the password given within ten minutes. It holds at once; the address before is told, and the new one is sent a
    /// link to verify it.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: Option<String>,
}

async fn change(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ClientChangeMe>,
) -> Result<Json<ClientMe>, Problem> {
    if body.email.is_some() {
        refuse_unconfirmed(&member.session, app.now())?;
        users::refuse_prober(&mut app.read().await?, member.caller(), member.countable).await?;
    }
    let change = OwnChange {
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
    };
    let change = change.checked()?;
    let mut cx = member.begin(&app).await?;
    let changed = users::change_own(&mut cx, member.session.user(), change, &app.settings()).await;
    if matches!(changed, Err(users::Error::EmailTaken)) {
        drop(cx);
        let mut cx = member.begin(&app).await?;
        users::note_probe(&mut cx, member.countable).await?;
        cx.commit().await?;
        return Err(users::Error::EmailTaken.into());
    }
    changed?;
    let me = ClientMe::read(&app, &member, &mut cx).await?;
    cx.commit().await?;
    Ok(Json(me))
}

async fn send_verification(State(app): State<App>, member: Member) -> Result<NoContent, Problem> {
    let mut cx = member.begin(&app).await?;
    verification::resend(&mut cx, member.session.user()).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmEmail {
    token: Token,
}

async fn confirm_email(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ConfirmEmail>,
) -> Result<NoContent, Problem> {
    let mut cx = member.begin(&app).await?;
    verification::confirm(&mut cx, member.session.user(), &body.token.hash()).await?;
    cx.commit().await?;
    Ok(NoContent)
}

/// A security question, as those see it who choose one.
#[derive(Debug, Serialize, JsonSchema)]
struct QuestionToChoose {
    id: SecurityQuestionId,
    question: String,
}

async fn questions(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<QuestionToChoose>>, Problem> {
    let page = security_questions::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, |one| QuestionToChoose { id: one.id, question: one.question })))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChooseSecurityQuestion {
    question_id: SecurityQuestionId,
    /// 2 to 256 characters; neither case nor spaces matter.
    answer: Answer,
}

async fn choose_question(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ChooseSecurityQuestion>,
) -> Result<Json<ClientMe>, Problem> {
    body.answer.check()?;
    let mut turn = app.hasher().turn().await?;
    let answer = body.answer.hash(&mut turn).await;
    drop(turn);
    let mut cx = member.begin(&app).await?;
    security_questions::choose(&mut cx, member.session.user(), body.question_id, answer).await?;
    let me = ClientMe::read(&app, &member, &mut cx).await?;
    cx.commit().await?;
    Ok(Json(me))
}

async fn drop_question(State(app): State<App>, member: Member) -> Result<NoContent, Problem> {
    let mut cx = member.begin(&app).await?;
    security_questions::clear(&mut cx, member.session.user(), ChangedBy::Owner).await?;
    cx.commit().await?;
    Ok(NoContent)
}
