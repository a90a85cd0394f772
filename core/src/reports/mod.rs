//! Reports: what happened in a period, counted (FEATURES D5).
//!
//! They read the activity log, so they reach back as far as it is kept, and count what happened when it happened, whoever was
//! deleted since. Where a row is a member of staff, whoever is disabled or deleted has none (FEATURES A7).

mod catalogue;
mod period;
mod store;

use std::collections::HashMap;

use serde_json::Value;

pub use catalogue::{About, Column, ColumnType, about};
pub use period::{LONGEST, Period};

use crate::{
    activity::full_name, cx::Reads, db, ids::StaffId, logins::Audience, roles::Report, time::Timestamp,
};

/// What a report found: in each row a value for each of its columns, in their order.
pub async fn run(
    reads: &mut impl Reads,
    report: Report,
    period: Period,
) -> Result<Vec<Vec<Value>>, db::Error> {
    Ok(match report {
        Report::StaffActivity => rows(&catalogue::STAFF_ACTIVITY, staff_activity(reads, period).await?),
        Report::Logins => rows(&catalogue::LOGINS, logins(reads, period).await?),
        Report::Invitations => rows(&catalogue::INVITATIONS, invitations(reads, period).await?),
        Report::Accounts => rows(&catalogue::ACCOUNTS, accounts(reads, period).await?),
        Report::Deliveries => rows(&catalogue::DELIVERIES, deliveries(reads, period).await?),
        // Nothing is told of it: see [`about`].
        Report::Tickets => Vec::new(),
    })
}

/// Every row has what the columns say: the compiler counts.
fn rows<const N: usize>(_: &[Column; N], rows: Vec<[Value; N]>) -> Vec<Vec<Value>> {
    rows.into_iter().map(Vec::from).collect()
}

fn instant(at: Option<Timestamp>) -> Value {
    at.map(|at| at.to_string()).into()
}

fn seconds(millis: Option<i64>) -> Value {
    // Every count of milliseconds that a database has seen is exact in it.
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285,000 years")]
    millis.map(|millis| millis as f64 / 1000.0).into()
}

async fn staff_activity(reads: &mut impl Reads, period: Period) -> Result<Vec<[Value; 12]>, db::Error> {
    let members: Vec<store::Member> = store::members().fetch_all(reads.db()).await?;
    let came_in: Vec<store::Of<store::CameIn>> = store::came_in(period).fetch_all(reads.db()).await?;
    let did: Vec<store::Of<store::Did>> = store::did(period).fetch_all(reads.db()).await?;
    let mut came_in: HashMap<_, _> = came_in.into_iter().map(|of| (of.id, of.part)).collect();
    let mut did: HashMap<_, _> = did.into_iter().map(|of| (of.id, of.part)).collect();
    let row = |member: store::Member| {
        let came_in = came_in.remove(&member.id).unwrap_or_default();
        let did = did.remove(&member.id).unwrap_or_default();
        [
            member.id.to_string().into(),
            full_name(&member.first_name, &member.last_name, &member.username).into(),
            member.username.into(),
            member.role.into(),
            came_in.logins.into(),
            came_in.refused.into(),
            did.changes.into(),
            did.changes_by_programs.into(),
            did.changes_as_users.into(),
            did.invitations.into(),
            instant(came_in.last_login_at),
            // Whoever logs in is nobody yet, so their login is an entry about them, not of theirs.
            instant(did.last_entry_at.max(came_in.last_login_at)),
        ]
    };
    Ok(members.into_iter().map(row).collect())
}

/// Also days on which nobody came: whoever draws the rows wants every day.
async fn logins(reads: &mut impl Reads, period: Period) -> Result<Vec<[Value; 10]>, db::Error> {
    let found: Vec<store::LoginsOfDay> = store::logins(period).fetch_all(reads.db()).await?;
    let mut found: HashMap<_, _> =
        found.into_iter().map(|row| ((row.day, row.audience), row.counts)).collect();
    let of_both = |day| [Audience::Staff, Audience::User].map(|audience| (day, audience));
    let row = |(day, audience): (i64, Audience)| {
        let counts = found.remove(&(day, audience)).unwrap_or_default();
        [
            period::date(day).into(),
            audience.as_str().into(),
            counts.logins.into(),
            counts.logins_as.into(),
            counts.refused_password.into(),
            counts.refused_code.into(),
            counts.refused_confirmation.into(),
            counts.challenges.into(),
            counts.new_addresses.into(),
            counts.people.into(),
        ]
    };
    Ok(period.days().flat_map(of_both).map(row).collect())
}

/// By inviter rather than by day: what an admin asks of invitations is whose come to nothing. How many came in on which
/// day, the report on accounts tells.
async fn invitations(reads: &mut impl Reads, period: Period) -> Result<Vec<[Value; 10]>, db::Error> {
    let now = reads.now();
    let members: Vec<store::Member> = store::members().fetch_all(reads.db()).await?;
    let named = |member: store::Member| {
        (member.id, full_name(&member.first_name, &member.last_name, &member.username))
    };
    let names: HashMap<StaffId, String> = members.into_iter().map(named).collect();
    let found: Vec<store::Invited> = store::invitations(period, now).fetch_all(reads.db()).await?;
    let mut found: Vec<_> = found
        .into_iter()
        .filter_map(|row| match row.inviter_id {
            Some(id) => names.get(&id).map(|name| (row, Some(name))),
            None => Some((row, None)),
        })
        .collect();
    // Members by name, then whoever has none.
    found.sort_by(|(a, a_name), (b, b_name)| {
        let key =
            |row: &store::Invited| (row.kind.clone(), row.inviter_id.is_none(), row.inviter_kind.clone());
        (key(a), a_name, a.inviter_id).cmp(&(key(b), b_name, b.inviter_id))
    });
    let row = |(row, name): (store::Invited, Option<&String>)| {
        [
            row.kind.into(),
            row.inviter_kind.into(),
            row.inviter_id.map(|id| id.to_string()).into(),
            name.cloned().into(),
            row.created.into(),
            row.resent.into(),
            row.accepted.into(),
            row.cancelled.into(),
            row.pending.into(),
            row.expired.into(),
        ]
    };
    Ok(found.into_iter().map(row).collect())
}

async fn accounts(reads: &mut impl Reads, period: Period) -> Result<Vec<[Value; 11]>, db::Error> {
    let found: Vec<store::AccountsOfDay> = store::accounts(period).fetch_all(reads.db()).await?;
    let mut found: HashMap<_, _> = found.into_iter().map(|row| (row.day, row.counts)).collect();
    let row = |day| {
        let counts = found.remove(&day).unwrap_or_default();
        [
            period::date(day).into(),
            counts.accounts_created.into(),
            counts.accounts_closed.into(),
            counts.accounts_reopened.into(),
            counts.accounts_deleted.into(),
            counts.users_registered.into(),
            counts.users_invited.into(),
            counts.users_created.into(),
            counts.users_deleted.into(),
            counts.members_added.into(),
            counts.members_removed.into(),
        ]
    };
    Ok(period.days().map(row).collect())
}

async fn deliveries(reads: &mut impl Reads, period: Period) -> Result<Vec<[Value; 9]>, db::Error> {
    let found: Vec<store::Delivered> = store::deliveries(period).fetch_all(reads.db()).await?;
    let row = |row: store::Delivered| {
        [
            row.mail.into(),
            row.made.into(),
            row.delivered.into(),
            row.waiting.into(),
            row.dead.into(),
            row.obsolete.into(),
            row.attempts.into(),
            seconds(row.median),
            seconds(row.p95),
        ]
    };
    Ok(found.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests;
