//! The security question that stands before a new password: five answers to a link, and five to a user in a day.

use std::time::Duration;

use super::{Error, store};
use crate::{
    cx::{Cx, Reads},
    db,
    event::SecurityAnswerRefused,
    ids::UserId,
    logins::Login,
    rates,
    secret::TokenHash,
    security_questions::{AnswerHash, Chosen},
};

/// A link is dead after so many wrong answers, and no more are taken from its owner, over all links, within [`WINDOW`].
pub(super) const MOST_WRONG: i64 = 5;
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer that was compared. Nobody is to learn the outcome before [`super::complete`] has counted it, not by the time
/// it takes either: whoever makes this goes on in the same way whether it was right or not.
#[derive(Debug)]
pub struct Judged {
    /// What it was compared with.
    pub with: AnswerHash,
    pub right: bool,
}

/// Refuses, before an answer is compared, whose owner has given too many wrong ones.
pub async fn refuse_too_many(reads: &mut impl Reads, user: UserId) -> Result<(), Error> {
    match rates::wait(reads, &key(user), MOST_WRONG, WINDOW).await? {
        Some(retry_after) => Err(Error::TooMany { retry_after }),
        None => Ok(()),
    }
}

/// Counts an answer, and only then says whether it was right: none, or how many more the link takes. The caller holds the
/// login's row, so of any number at once five are looked at.
pub(super) async fn count_and_judge(
    cx: &mut Cx,
    token: &TokenHash,
    login: &Login,
    asked: &Chosen,
    answered: Option<Judged>,
) -> Result<Option<i64>, Error> {
    let Judged { with, right } = answered.ok_or(Error::AnswerWanted)?;
    if with != asked.answer_hash {
        return Err(Error::ChangedMeanwhile);
    }
    let user = login.id.of_user();
    if let Err(retry_after) = rates::count(cx, &key(user), MOST_WRONG, WINDOW).await? {
        return Err(Error::TooMany { retry_after });
    }
    let wrong = store::count_answer(cx, token).await?.ok_or(Error::Dead)?;
    if right {
        forget_guesses(cx, user).await?;
        return Ok(None);
    }
    cx.emit(SecurityAnswerRefused { user_id: user }).await?;
    Ok(Some(MOST_WRONG - wrong))
}

/// Begins to count a user's answers anew.
pub(crate) async fn forget_guesses(cx: &mut Cx, user: UserId) -> Result<(), db::Error> {
    rates::forget(cx, &key(user)).await
}

fn key(user: UserId) -> String {
    format!("security-answer {user}")
}
