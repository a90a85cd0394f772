use super::{
    Sealed,
    keyring::{KEY_ID, Key},
    rotation::SealedColumn,
};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn, Db},
    on,
};
use sqlx::AssertSqlSafe;

/// What the database holds of a master key.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) key_id: String,
    pub(super) check_value: Vec<u8>,
    /// The key itself, sealed under the one before it, while it is changed.
    pub(super) wrapped: Option<Vec<u8>>,
}

const CURRENT: &str = "SELECT key_id, check_value, wrapped FROM master_key WHERE slot = 1";

pub(super) async fn current(db: &Db) -> Result<Option<Row>, db::Error> {
    read_current(db.read().await?.conn()).await
}

pub(super) async fn read_current(db: Conn<'_>) -> Result<Option<Row>, db::Error> {
    Ok(on!(db, conn => sqlx::query_as(CURRENT).fetch_optional(conn).await)?)
}

/// The key that holds until the end of this unit of work: nobody changes it before.
pub(super) async fn hold_current(cx: &mut Cx) -> Result<Option<Row>, db::Error> {
    Ok(match cx.db() {
        // There is one writer, and this is it.
        Conn::Sqlite(conn) => sqlx::query_as(CURRENT).fetch_optional(conn).await,
        Conn::Postgres(conn) => {
            let held = const_format::concatcp!(CURRENT, " FOR SHARE");
            sqlx::query_as(held).fetch_optional(conn).await
        }
    }?)
}

/// The key before, while the key is changed.
pub(super) async fn earlier(db: Conn<'_>) -> Result<Option<String>, db::Error> {
    let row: Option<(String,)> = on!(db, conn => {
        sqlx::query_as("SELECT key_id FROM master_key WHERE slot = 2").fetch_optional(conn).await
    })?;
    Ok(row.map(|(key_id,)| key_id))
}

/// Writes the first key's row, unless another node did.
pub(super) async fn claim(db: &Db, key: &Key) -> Result<(), db::Error> {
    let mut tx = db.begin().await?;
    let insert =
        "INSERT INTO master_key (slot, key_id, check_value) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
    on!(tx.conn(), conn => {
        sqlx::query(insert).bind(key.id()).bind(&key.check_value()[..]).execute(conn).await.map(|_| ())
    })?;
    tx.commit().await
}

/// Puts `new` in the place of `old`. False if that no longer holds. Waits for everybody who is sealing under it.
pub(super) async fn publish(cx: &mut Cx, old: &Row, new: &Key, wrapped: &Sealed) -> Result<bool, db::Error> {
    let row: Option<(i64,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE master_key SET key_id = $1, check_value = $2, wrapped = $3
             WHERE slot = 1 AND key_id = $4 AND wrapped IS NULL RETURNING slot",
        )
        .bind(new.id()).bind(&new.check_value()[..]).bind(wrapped).bind(&old.key_id).fetch_optional(conn).await
    })?;
    if row.is_none() {
        return Ok(false);
    }
    on!(cx.db(), conn => {
        sqlx::query("INSERT INTO master_key (slot, key_id, check_value) VALUES (2, $1, $2)")
            .bind(&old.key_id).bind(&old.check_value).execute(conn).await.map(|_| ())
    })?;
    Ok(true)
}

/// Makes the new key the only one. False if somebody else did.
pub(super) async fn conclude(cx: &mut Cx, key_id: &str) -> Result<bool, db::Error> {
    let row: Option<(i64,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE master_key SET wrapped = NULL WHERE slot = 1 AND key_id = $1 AND wrapped IS NOT NULL
             RETURNING slot",
        )
        .bind(key_id).fetch_optional(conn).await
    })?;
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM master_key WHERE slot = 2 AND key_id <> $1")
            .bind(key_id).execute(conn).await.map(|_| ())
    })?;
    Ok(row.is_some())
}

/// How many rows of `column` are sealed under that key.
pub(super) async fn count(db: Conn<'_>, column: &SealedColumn, key: &[u8; KEY_ID]) -> Result<u64, db::Error> {
    let SealedColumn { table, column, .. } = column;
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE substr({column}, 1, {KEY_ID}) = $1");
    let (count,): (i64,) = on!(db, conn => {
        sqlx::query_as(AssertSqlSafe(sql)).bind(&key[..]).fetch_one(conn).await
    })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The next rows of `column` that are sealed under that key and that nobody else is changing.
pub(super) async fn take(
    cx: &mut Cx,
    column: &SealedColumn,
    key: &[u8; KEY_ID],
    after: &str,
    most: i64,
) -> Result<Vec<(String, Sealed)>, db::Error> {
    let SealedColumn { table, id, column, .. } = column;
    let sql = format!(
        "SELECT {id}, {column} FROM {table} WHERE substr({column}, 1, {KEY_ID}) = $1 AND {id} > $2
         ORDER BY {id} LIMIT $3"
    );
    Ok(match cx.db() {
        Conn::Sqlite(conn) => {
            let query = sqlx::query_as(AssertSqlSafe(sql)).bind(&key[..]).bind(after).bind(most);
            query.fetch_all(conn).await
        }
        Conn::Postgres(conn) => {
            // Stepping over what others hold, this waits for nobody while it holds something itself.
            let sql = sql + " FOR UPDATE SKIP LOCKED";
            let query = sqlx::query_as(AssertSqlSafe(sql)).bind(&key[..]).bind(after).bind(most);
            query.fetch_all(conn).await
        }
    }?)
}

/// Puts `new` in the place of exactly `old`.
pub(super) async fn swap(
    cx: &mut Cx,
    column: &SealedColumn,
    row: &str,
    old: &Sealed,
    new: &Sealed,
) -> Result<bool, db::Error> {
    let SealedColumn { table, id, column, .. } = column;
    let sql = format!("UPDATE {table} SET {column} = $1 WHERE {id} = $2 AND {column} = $3 RETURNING {id}");
    let row: Option<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as(AssertSqlSafe(sql)).bind(new).bind(row).bind(old).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}
