//! How often something may be done: counted in the database, so that all nodes count together, and exactly, also
//! when many come at once.

use std::time::Duration;

use crate::{
    cx::{Cx, Reads},
    db, on,
    time::Timestamp,
};

/// Nothing is counted for longer.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Counts one more under `key`, and answers the time until the next may come if there are more than `most` within
/// `window` of the first. Whoever is refused does not commit, and so has not counted.
pub(crate) async fn count(
    cx: &mut Cx,
    key: &str,
    most: i64,
    window: Duration,
) -> Result<Result<(), Duration>, db::Error> {
    let (now, over) = (cx.now(), cx.now().minus(window));
    let (count, since): (i64, Timestamp) = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO rates (key, since, count) VALUES ($1, $2, 1)
             ON CONFLICT (key) DO UPDATE SET
                count = CASE WHEN rates.since <= $3 THEN 1 ELSE rates.count + 1 END,
                since = CASE WHEN rates.since <= $3 THEN $2 ELSE rates.since END
             RETURNING count, since",
        )
        .bind(key).bind(now).bind(over).fetch_one(conn).await
    })?;
    Ok(if count <= most { Ok(()) } else { Err(window.saturating_sub(now.since(since))) })
}

/// The time until the next may come, without counting it: a cheap refusal, which [`count`] has to confirm.
pub(crate) async fn wait(
    reads: &mut impl Reads,
    key: &str,
    most: i64,
    window: Duration,
) -> Result<Option<Duration>, db::Error> {
    let (now, over) = (reads.now(), reads.now().minus(window));
    let row: Option<(Timestamp,)> = on!(reads.db(), conn => {
        sqlx::query_as("SELECT since FROM rates WHERE key = $1 AND since > $2 AND count >= $3")
            .bind(key).bind(over).bind(most).fetch_optional(conn).await
    })?;
    Ok(row.map(|(since,)| window.saturating_sub(now.since(since))))
}

/// Begins to count anew.
pub(crate) async fn forget(cx: &mut Cx, key: &str) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("DELETE FROM rates WHERE key = $1").bind(key).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Clears away what no longer counts.
pub async fn clear(cx: &mut Cx) -> Result<(), db::Error> {
    let over = cx.now().minus(LONGEST);
    on!(cx.db(), conn => sqlx::query("DELETE FROM rates WHERE since <= $1").bind(over).execute(conn).await.map(|_| ()))?;
    Ok(())
}
