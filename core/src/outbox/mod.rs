//! Who is to be told, and how far that got: at least once, with a stable id for each delivery.
//!
//! A worker *claims* what is due, which gives it a lease and a fencing number; it *renews* the lease while it works
//! and *records* the outcome. Whoever lost the lease in between, because they were killed or slow, records nothing.

mod mail;
mod store;

use std::time::Duration;

pub use mail::{ChangedBy, Factor, Mail, MailContent, Notice, PasswordChange, Recipient, RemovedBy};

use crate::{
    cx::{Cx, Reads},
    db,
    ids::{DeliveryId, EventId},
    secret::Token,
    time::Timestamp,
};

/// A delivery that somebody holds.
#[derive(Clone, Debug)]
pub struct Claim {
    pub id: DeliveryId,
    pub fence: i64,
    /// 1 for the first.
    pub attempt: i64,
    /// The name of the event behind it.
    pub event: String,
    pub event_at: Timestamp,
    pub content: MailContent,
    pub recipient: Recipient,
    /// None if the mail carries none, or it was sealed by a master key that is not ours.
    pub token: Option<Token>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub id: DeliveryId,
    pub fence: i64,
    pub attempt: i64,
    pub began_at: Timestamp,
    pub took: Duration,
    pub result: Result<Delivered, Failed>,
}

/// It was handed over.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// What the provider calls the message.
    pub provider_id: Option<String>,
}

/// It was not handed over.
#[derive(Clone, Debug)]
pub struct Failed {
    pub message: String,
    /// Whether it makes sense to try again, and when at the earliest if the provider said so.
    pub again: Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// On the schedule.
    Scheduled,
    /// After this time, but not before the schedule says.
    After(Duration),
    Never,
}

/// How long a claim holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);

const SCHEDULE: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// How long to wait after the attempt of that number. `jitter` from 0 to 255 adds up to a tenth, so that what failed
/// together is not tried together.
fn backoff(attempt: i64, jitter: u8) -> Duration {
    let index = usize::try_from(attempt - 1).unwrap_or(0).min(SCHEDULE.len() - 1);
    SCHEDULE[index] + SCHEDULE[index] / 10 * u32::from(jitter) / 255
}

pub(crate) async fn enqueue(cx: &mut Cx, event: EventId, mail: Mail) -> Result<(), db::Error> {
    let id = DeliveryId::new(cx.now(), cx.chance());
    let sealed = match &mail.token {
        Some(token) => Some(cx.seal_token(&id.to_string(), token).await?),
        None => None,
    };
    store::insert(cx, id, event, &mail, sealed.as_ref()).await
}

/// Ends what waits for a subject that no longer needs telling: its link was used, replaced or cancelled.
pub(crate) async fn make_obsolete(cx: &mut Cx, subject: &str, reason: &str) -> Result<(), db::Error> {
    store::make_obsolete(cx, subject, reason).await
}

/// When the next delivery is due, if any waits.
pub async fn next_due(reads: &mut impl Reads) -> Result<Option<Timestamp>, db::Error> {
    store::next_due(reads.db()).await
}

/// Takes what is due, `most` at the most, under a lease in the name of `worker`. What came too late for its link, or
/// to be news, ends here.
pub async fn claim(cx: &mut Cx, worker: &str, most: usize) -> Result<Vec<Claim>, db::Error> {
    store::expire(cx).await?;
    store::claim(cx, worker, i64::try_from(most).unwrap_or(i64::MAX)).await
}

/// Whether a claim made a while ago still stands, so that nothing is told that was cancelled meanwhile.
pub async fn stands(reads: &mut impl Reads, id: DeliveryId, fence: i64) -> Result<bool, db::Error> {
    let now = reads.now();
    store::stands(reads.db(), id, fence, now).await
}

/// Keeps holding everything that `worker` holds.
pub async fn renew(cx: &mut Cx, worker: &str) -> Result<(), db::Error> {
    store::renew(cx, worker).await
}

/// Gives back, due at once, what `worker` claimed and did not begin.
pub async fn release(cx: &mut Cx, worker: &str) -> Result<(), db::Error> {
    store::release(cx, worker).await
}

/// Gives back, due at once, what workers held that are no longer there. Only for whoever knows that they are not.
pub async fn release_all(cx: &mut Cx) -> Result<(), db::Error> {
    store::release_all(cx).await
}

/// Writes down how attempts ended. False for those whose lease somebody else has by now: their outcome is void.
pub async fn record(cx: &mut Cx, outcomes: &[Outcome]) -> Result<Vec<bool>, db::Error> {
    let mut kept = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let ours = match &outcome.result {
            Ok(delivered) => store::delivered(cx, outcome, delivered).await?,
            Err(Failed { message, again: Again::Never }) => store::dead(cx, outcome, message).await?,
            Err(Failed { message, again }) => {
                let [jitter] = crate::ids::bytes(cx.chance());
                let scheduled = backoff(outcome.attempt, jitter);
                let wait = if let Again::After(wait) = again { scheduled.max(*wait) } else { scheduled };
                store::wait(cx, outcome, message, cx.now().plus(wait)).await?
            }
        };
        if ours {
            store::insert_attempt(cx, outcome).await?;
        }
        kept.push(ours);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
