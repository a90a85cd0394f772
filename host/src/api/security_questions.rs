//! `/v1/admin/security-questions`: what users can be asked who forgot their password; and taking a user's away.

use axum::extract::State;
use frontdesk_core::{
    ids::{SecurityQuestionId, UserId},
    outbox::ChangedBy,
    roles::Permission,
    security_questions::{self, SecurityQuestion, Wording},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Security questions";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, setup) = (Some(Permission::AccountsView), Some(Permission::AccountsSetup));
    routes
        .get(
            "/v1/admin/security-questions",
            Op::staff("listSecurityQuestions", TAG, "List security questions, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/security-questions",
            Op::staff("createSecurityQuestion", TAG, "Add a security question", setup)
                .emits(&["system.security_question_created"])
                .problems(&[Code::NameTaken]),
            create,
        )
        .patch(
            "/v1/admin/security-questions/{id}",
            Op::staff("changeSecurityQuestion", TAG, "Word a security question anew", setup)
                .emits(&["system.security_question_edited"])
                .problems(&[Code::NameTaken]),
            change,
        )
        .delete(
            "/v1/admin/security-questions/{id}",
            Op::staff(
                "deleteSecurityQuestion",
                TAG,
                "Delete a security question that nobody has chosen",
                setup,
            )
            .emits(&["system.security_question_deleted"])
            .problems(&[Code::QuestionInUse]),
            delete,
        )
        .post(
            "/v1/admin/users/{id}/clear-security-question",
            Op::staff(
                "clearSecurityQuestion",
                TAG,
                "Take a user's security question away",
                Some(Permission::UsersSecurity),
            )
            .confirmed()
            .emits(&["user.security_question_cleared"]),
            clear,
        )
}

impl From<security_questions::Error> for Problem {
    fn from(error: security_questions::Error) -> Self {
        use security_questions::Error;
        match error {
            Error::NotFound => {
                Self::with_detail(Code::NotFound, "There is no security question with this id.")
            }
            Error::Taken => Self::with_detail(
                Code::NameTaken,
                "Another security question reads like that; capitals make no difference.",
            ),
            Error::InUse { users } => Self::with_detail(
                Code::QuestionInUse,
                format!("So many users have chosen it: {users}. It can be worded anew."),
            ),
            Error::NoSuchUser => Self::with_detail(Code::NotFound, "There is no user with this id."),
            Error::EmailUnverified => Self::with_detail(
                Code::EmailUnverified,
                "Verify your email address first: a link in a mail to it does.",
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// A question that users can choose.
#[derive(Debug, Serialize, JsonSchema)]
struct SecurityQuestionView {
    id: SecurityQuestionId,
    question: String,
    /// How many users have chosen it; one that somebody has stays.
    user_count: i64,
    created_at: Timestamp,
}

impl From<SecurityQuestion> for SecurityQuestionView {
    fn from(question: SecurityQuestion) -> Self {
        let SecurityQuestion { id, question, user_count, created_at } = question;
        Self { id, question, user_count, created_at }
    }
}

async fn list(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<SecurityQuestionView>>, Problem> {
    let page = security_questions::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, SecurityQuestionView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SecurityQuestionPath {
    id: SecurityQuestionId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WordSecurityQuestion {
    /// One line, 200 characters at most, and no other question's.
    question: String,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<WordSecurityQuestion>,
) -> Result<Created<SecurityQuestionView>, Problem> {
    let wording = Wording::checked(&body.question)?;
    let mut cx = by.begin(&app).await?;
    let question = security_questions::create(&mut cx, wording).await?;
    cx.commit().await?;
    Ok(Created(question.into()))
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(SecurityQuestionPath { id }): Path<SecurityQuestionPath>,
    Json(body): Json<WordSecurityQuestion>,
) -> Result<Json<SecurityQuestionView>, Problem> {
    let wording = Wording::checked(&body.question)?;
    let mut cx = by.begin(&app).await?;
    let question = security_questions::reword(&mut cx, id, wording).await?;
    cx.commit().await?;
    Ok(Json(question.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(SecurityQuestionPath { id }): Path<SecurityQuestionPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    security_questions::delete(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct QuestionedUserPath {
    id: UserId,
}

async fn clear(
    State(app): State<App>,
    by: By,
    Path(QuestionedUserPath { id }): Path<QuestionedUserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    if !security_questions::clear(&mut cx, id, ChangedBy::Colleague).await? {
        return Err(Problem::with_detail(Code::NotFound, "They have no security question."));
    }
    cx.commit().await?;
    Ok(NoContent)
}
