//! Who serves right now, and which master key each has in its file.

use std::time::Duration;

use crate::{
    cx::{Cx, Reads},
    db::{self, Conn, Db},
    on,
    time::Timestamp,
};

/// How often a node says that it runs.
pub const BEAT: Duration = Duration::from_secs(15);
/// When a node that says nothing is taken to be gone. Should it come back, it seals nothing under a key that is gone,
/// and says that it needs the new one.
pub const GONE_AFTER: Duration = Duration::from_secs(60);

/// A process that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    /// For people: which machine, which data directory.
    pub name: String,
}

/// A node that does not have a key yet.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Status {
    pub name: String,
    pub seen_at: Timestamp,
    /// What stands in its way, if it knows.
    pub trouble: Option<String>,
}

/// Says that `node` starts, before it looks for its key: whoever changes the master key waits for it from here on.
/// `alone` is for whoever knows that no other node runs.
pub async fn announce(db: &Db, now: Timestamp, node: &Node, alone: bool) -> Result<(), db::Error> {
    let mut tx = db.begin().await?;
    if alone {
        on!(tx.conn(), conn => sqlx::query("DELETE FROM nodes").execute(conn).await.map(|_| ()))?;
    }
    say(tx.conn(), now, node, None, None).await?;
    tx.commit().await
}

/// Says that `node` runs and which key its file holds. Forgets nodes that are long gone.
pub async fn beat(cx: &mut Cx, node: &Node, key_id: &str, trouble: Option<&str>) -> Result<(), db::Error> {
    let now = cx.now();
    say(cx.db(), now, node, Some(key_id), trouble).await?;
    let gone = now.minus(GONE_AFTER * 60);
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM nodes WHERE seen_at < $1").bind(gone).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

async fn say(
    db: Conn<'_>,
    now: Timestamp,
    node: &Node,
    key_id: Option<&str>,
    trouble: Option<&str>,
) -> Result<(), db::Error> {
    Ok(on!(db, conn => {
        sqlx::query(
            "INSERT INTO nodes (id, name, seen_at, key_id, trouble) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, key_id = excluded.key_id,
                trouble = excluded.trouble",
        )
        .bind(&node.id).bind(&node.name).bind(now).bind(key_id).bind(trouble).execute(conn).await.map(|_| ())
    })?)
}

/// Says that `node` stops.
pub async fn leave(cx: &mut Cx, node: &Node) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM nodes WHERE id = $1").bind(&node.id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// How many nodes run.
pub async fn count(reads: &mut impl Reads) -> Result<usize, db::Error> {
    let gone = reads.now().minus(GONE_AFTER);
    let (count,): (i64,) = on!(reads.db(), conn => {
        sqlx::query_as("SELECT COUNT(*) FROM nodes WHERE seen_at > $1").bind(gone).fetch_one(conn).await
    })?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The running nodes that do not have that key yet.
pub async fn without(reads: &mut impl Reads, key_id: &str) -> Result<Vec<Status>, db::Error> {
    let gone = reads.now().minus(GONE_AFTER);
    Ok(on!(reads.db(), conn => {
        sqlx::query_as(
            "SELECT name, seen_at, trouble FROM nodes WHERE seen_at > $1 AND (key_id IS NULL OR key_id <> $2)
             ORDER BY name, id",
        )
        .bind(gone).bind(key_id).fetch_all(conn).await
    })?)
}
