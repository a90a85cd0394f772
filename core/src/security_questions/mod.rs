//! Security questions: those that admins offer, which one a user has chosen, and what is kept of the answer.
//!
//! The answer is asked for where a password is set anew by a link ([`crate::recovery`]).

mod answer;
mod store;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{
        SecurityQuestionCleared, SecurityQuestionCreated, SecurityQuestionDeleted, SecurityQuestionEdited,
        SecurityQuestionSet,
    },
    ids::{LoginId, SecurityQuestionId, UserId},
    invalid::{self, Invalid},
    logins::{self, Audience, Login},
    outbox::{ChangedBy, Mail, Notice},
    page::{Page, PageRequest},
    recovery,
    time::Timestamp,
};

pub use answer::{Answer, AnswerHash};

/// Longest question, in characters.
const LONGEST: usize = 200;

/// A question that users can choose.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SecurityQuestion {
    pub id: SecurityQuestionId,
    pub question: String,
    /// How many users have chosen it.
    pub user_count: i64,
    pub created_at: Timestamp,
}

/// What a user is asked.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Chosen {
    pub question_id: SecurityQuestionId,
    pub question: String,
    pub answer_hash: AnswerHash,
}

/// A question in its kept form. Only the check makes it.
#[derive(Clone, Debug)]
pub struct Wording(String);

impl Wording {
    pub fn checked(text: &str) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let text = invalid.take("question", invalid::line(text, LONGEST));
        if invalid.0.is_empty() && text.is_empty() {
            invalid.add("question", "required", "A question is wanted.");
        }
        invalid.ok().map(|()| Self(text))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such security question")]
    NotFound,
    #[error("another security question reads like that")]
    Taken,
    #[error("users have chosen this security question")]
    InUse { users: i64 },
    #[error("there is no such user")]
    NoSuchUser,
    /// Whoever holds an address that is not theirs must not lock its owner out with a question of their own.
    #[error("the email address is not verified")]
    EmailUnverified,
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// The newest first.
pub async fn list(
    reads: &mut impl Reads,
    request: &PageRequest,
) -> Result<Page<SecurityQuestion>, db::Error> {
    let total = request.total(reads.db(), store::select_one()).await?;
    let rows = store::list(reads.db(), request).await?;
    Ok(request.page(rows, total, |question| (question.created_at, question.id.into())))
}

pub async fn create(cx: &mut Cx, Wording(question): Wording) -> Result<SecurityQuestion, Error> {
    let (id, created_at) = (SecurityQuestionId::new(cx.now(), cx.chance()), cx.now());
    let new = SecurityQuestion { id, question, user_count: 0, created_at };
    if !store::insert(cx, &new).await? {
        return Err(Error::Taken);
    }
    let question = new.question.clone();
    cx.emit(SecurityQuestionCreated { security_question_id: id, question }).await?;
    Ok(new)
}

/// Words a question anew. Whoever has chosen it keeps their answer.
pub async fn reword(
    cx: &mut Cx,
    id: SecurityQuestionId,
    Wording(to): Wording,
) -> Result<SecurityQuestion, Error> {
    let before = locked(cx, id).await?;
    let after = SecurityQuestion { question: to, ..before.clone() };
    if before.question != after.question {
        if !store::reword(cx, &after).await? {
            return Err(Error::Taken);
        }
        let (before, after) = (before.question, after.question.clone());
        cx.emit(SecurityQuestionEdited { security_question_id: id, before, after }).await?;
    }
    Ok(after)
}

/// Deletes a question that nobody has chosen. Whoever chooses it at the same time holds its row, or finds it gone.
pub async fn delete(cx: &mut Cx, id: SecurityQuestionId) -> Result<(), Error> {
    let SecurityQuestion { question, user_count, .. } = locked(cx, id).await?;
    if user_count > 0 {
        return Err(Error::InUse { users: user_count });
    }
    store::delete(cx, id).await?;
    cx.emit(SecurityQuestionDeleted { security_question_id: id, question }).await?;
    Ok(())
}

/// The question as it is once its row is held.
async fn locked(cx: &mut Cx, id: SecurityQuestionId) -> Result<SecurityQuestion, Error> {
    store::lock(cx, id).await?;
    store::find(cx, id).await?.ok_or(Error::NotFound)
}

/// What somebody is asked; none if they chose no question, which staff never do.
pub async fn chosen(reads: &mut impl Reads, login: LoginId) -> Result<Option<Chosen>, db::Error> {
    store::chosen(reads.db(), login.of_user()).await
}

/// Gives a user a question and its answer, in the place of the one before. They are told.
pub async fn choose(
    cx: &mut Cx,
    user: UserId,
    question: SecurityQuestionId,
    answer: AnswerHash,
) -> Result<(), Error> {
    let login = locked_user(cx, user).await?;
    if !login.email_verified {
        return Err(Error::EmailUnverified);
    }
    locked(cx, question).await?;
    if !store::choose(cx, user, question, &answer).await? {
        return Err(Error::NoSuchUser);
    }
    recovery::forget_guesses(cx, user).await?;
    let event = SecurityQuestionSet { user_id: user, security_question_id: question };
    let mail = notice(cx, &login, ChangedBy::Owner);
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}

/// Takes a user's question away. They are told. False if they had none.
pub async fn clear(cx: &mut Cx, user: UserId, by: ChangedBy) -> Result<bool, Error> {
    let login = locked_user(cx, user).await?;
    if !store::clear(cx, user).await? {
        return Ok(false);
    }
    recovery::forget_guesses(cx, user).await?;
    let event = SecurityQuestionCleared { user_id: user, by: by.as_str() };
    let mail = notice(cx, &login, by);
    cx.emit_and_mail(event, mail).await?;
    Ok(true)
}

/// The login's row before all others, as for everything by which somebody gets in.
async fn locked_user(cx: &mut Cx, user: UserId) -> Result<Login, Error> {
    logins::lock(cx, user.into()).await?;
    let login = logins::find(cx, user).await?.filter(|login| login.audience == Audience::User);
    login.ok_or(Error::NoSuchUser)
}

fn notice(cx: &Cx, login: &Login, by: ChangedBy) -> Mail {
    Mail::notice(cx, login.recipient(), Notice::SecurityQuestionChanged { by })
}

#[cfg(test)]
mod tests;
