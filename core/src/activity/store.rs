use std::collections::HashSet;

use super::{
    Digest, Row,
    key::{LogKey, SLOT},
    people::Loss,
    retention::Checkpoint,
    seal::Head,
};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    on,
    secret::Sealed,
    time::Timestamp,
};

/// Every column of an entry.
pub(super) const COLUMNS: &str =
    "id, at, name, actor_kind, actor_id, actor_credential_id, as_user_id, account_id, subject_id,
    request_id, data, address, address_salt, address_hash, address_erasure_id,
    personal, personal_salt, personal_hash, personal_erasure_id, mac, number, link";

pub(super) async fn insert(db: Conn<'_>, row: &Row) -> Result<(), db::Error> {
    const INSERT: &str =
        "INSERT INTO events (id, at, name, actor_kind, actor_id, actor_credential_id, as_user_id, account_id,
            subject_id, request_id, data, address, address_salt, personal, personal_salt, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    on!(db, conn => {
        sqlx::query(INSERT)
            .bind(&row.id).bind(row.at).bind(&row.name).bind(&row.actor_kind).bind(&row.actor_id)
            .bind(&row.actor_credential_id).bind(&row.as_user_id).bind(&row.account_id).bind(&row.subject_id)
            .bind(&row.request_id).bind(&row.data).bind(&row.parts.address).bind(&row.parts.address_salt)
            .bind(&row.parts.personal).bind(&row.parts.personal_salt).bind(&row.mac)
            .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn sealed_seed(db: Conn<'_>) -> Result<Option<Sealed>, db::Error> {
    let row: Option<(Sealed,)> = on!(db, conn => {
        sqlx::query_as("SELECT sealed_seed FROM activity_key WHERE slot = $1").bind(SLOT).fetch_optional(conn).await
    })?;
    Ok(row.map(|(seed,)| seed))
}

/// Writes the log's key and an empty head. False if there is a key.
pub(super) async fn begin_log(
    mut db: Conn<'_>,
    key: &LogKey,
    sealed: &Sealed,
    now: Timestamp,
) -> Result<bool, db::Error> {
    const KEY: &str =
        "INSERT INTO activity_key (slot, sealed_seed, public_key, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING RETURNING slot";
    let made: Option<(String,)> = on!(db.again(), conn => {
        sqlx::query_as(KEY).bind(SLOT).bind(sealed).bind(key.public()).bind(now).fetch_optional(conn).await
    })?;
    if made.is_none() {
        return Ok(false);
    }
    let head = Head::signed(key, 0, &[0; 32], now);
    on!(db.again(), conn => {
        sqlx::query("INSERT INTO activity_head (slot, number, link, at, signature) VALUES (1, $1, $2, $3, $4)")
            .bind(head.number).bind(&head.link.0).bind(head.at).bind(&head.signature.0)
            .execute(conn).await.map(|_| ())
    })?;
    // What was written before there was a log.
    let sql = const_format::formatcp!("SELECT {COLUMNS} FROM events WHERE mac IS NULL");
    let rows: Vec<Row> = on!(db.again(), conn => sqlx::query_as(sql).fetch_all(conn).await)?;
    for row in rows {
        // Its address had no salt: it is a part of nothing, and was nobody's to check.
        let salt = row.parts.address.as_ref().map(|_| vec![0; 16]);
        let row = Row { parts: super::Parts { address_salt: salt, ..row.parts }, ..row };
        on!(db.again(), conn => {
            sqlx::query("UPDATE events SET mac = $1, address_salt = $2 WHERE id = $3")
                .bind(&key.mac(&row.digest())[..]).bind(&row.parts.address_salt).bind(&row.id)
                .execute(conn).await.map(|_| ())
        })?;
    }
    Ok(true)
}

const HEAD: &str = "SELECT number, link, at, signature FROM activity_head WHERE slot = 1";

pub(super) async fn head(db: Conn<'_>) -> Result<Option<Head>, db::Error> {
    Ok(on!(db, conn => sqlx::query_as(HEAD).fetch_optional(conn).await)?)
}

pub(super) async fn last_kept(db: Conn<'_>) -> Result<Option<Head>, db::Error> {
    const LAST: &str = "SELECT number, link, at, signature FROM activity_heads ORDER BY number DESC LIMIT 1";
    Ok(on!(db, conn => sqlx::query_as(LAST).fetch_optional(conn).await)?)
}

/// Heads that were kept, the oldest first, from after `number` on.
pub(super) async fn kept(db: Conn<'_>, number: i64, most: i64) -> Result<Vec<Head>, db::Error> {
    const KEPT: &str =
        "SELECT number, link, at, signature FROM activity_heads WHERE number > $1 ORDER BY number LIMIT $2";
    Ok(on!(db, conn => sqlx::query_as(KEPT).bind(number).bind(most).fetch_all(conn).await)?)
}

/// Entries that are not sealed, in order.
pub(super) async fn unsealed(db: Conn<'_>, after: &str, most: i64) -> Result<Vec<Row>, db::Error> {
    let sql = const_format::formatcp!(
        "SELECT {COLUMNS} FROM events WHERE number IS NULL AND id > $1 ORDER BY id LIMIT $2"
    );
    Ok(on!(db, conn => sqlx::query_as(sql).bind(after).bind(most).fetch_all(conn).await)?)
}

/// Moves the head. False if somebody else did.
pub(super) async fn advance(db: Conn<'_>, from: &Head, to: &Head) -> Result<bool, db::Error> {
    const ADVANCE: &str = "UPDATE activity_head SET number = $1, link = $2, at = $3, signature = $4
         WHERE slot = 1 AND number = $5 AND link = $6 RETURNING slot";
    let moved: Option<(i64,)> = on!(db, conn => {
        sqlx::query_as(ADVANCE).bind(to.number).bind(&to.link.0).bind(to.at).bind(&to.signature.0)
            .bind(from.number).bind(&from.link.0).fetch_optional(conn).await
    })?;
    Ok(moved.is_some())
}

/// Gives entries their numbers and links.
pub(super) async fn number(db: Conn<'_>, links: &[(String, i64, Digest)]) -> Result<(), db::Error> {
    let mut sql = Sql::new("UPDATE events SET number = sealed.column2, link = sealed.column3 FROM (VALUES ");
    for (index, (id, number, link)) in links.iter().enumerate() {
        sql.push(if index == 0 { "(" } else { ", (" }).bind(Arg::Text(id.clone()));
        sql.push(", ").bind(Arg::Int(*number)).push(", ").bind(Arg::Bytes(link.to_vec())).push(")");
    }
    sql.push(") AS sealed WHERE events.id = sealed.column1");
    sql.execute(db).await
}

/// Keeps a head for good. False if it was kept already.
pub(super) async fn keep_head(db: Conn<'_>, head: &Head) -> Result<bool, db::Error> {
    const KEEP: &str = "INSERT INTO activity_heads (number, link, at, signature) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING RETURNING number";
    let kept: Option<(i64,)> = on!(db, conn => {
        sqlx::query_as(KEEP).bind(head.number).bind(&head.link.0).bind(head.at).bind(&head.signature.0)
            .fetch_optional(conn).await
    })?;
    Ok(kept.is_some())
}

/// Sealed entries from after `number` on, in their order.
pub(super) async fn sealed(db: Conn<'_>, number: i64, through: i64) -> Result<Vec<Row>, db::Error> {
    let sql = const_format::formatcp!(
        "SELECT {COLUMNS} FROM events WHERE number > $1 AND number <= $2 ORDER BY number"
    );
    Ok(on!(db, conn => sqlx::query_as(sql).bind(number).bind(through).fetch_all(conn).await)?)
}

/// The last number that any entry has.
pub(super) async fn last_number(db: Conn<'_>) -> Result<Option<i64>, db::Error> {
    const LAST: &str = "SELECT number FROM events WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1";
    let row: Option<(i64,)> = on!(db, conn => sqlx::query_as(LAST).fetch_optional(conn).await)?;
    Ok(row.map(|(number,)| number))
}

/// The first number that any entry has.
pub(super) async fn first_number(db: Conn<'_>) -> Result<Option<i64>, db::Error> {
    const FIRST: &str = "SELECT number FROM events WHERE number IS NOT NULL ORDER BY number LIMIT 1";
    let row: Option<(i64,)> = on!(db, conn => sqlx::query_as(FIRST).fetch_optional(conn).await)?;
    Ok(row.map(|(number,)| number))
}

pub(super) async fn checkpoint(db: Conn<'_>) -> Result<Option<Checkpoint>, db::Error> {
    const LAST: &str =
        "SELECT number, link, at, signature FROM activity_checkpoints ORDER BY number DESC LIMIT 1";
    Ok(on!(db, conn => sqlx::query_as(LAST).fetch_optional(conn).await)?)
}

/// Writes a checkpoint. False if there is one.
pub(super) async fn insert_checkpoint(db: Conn<'_>, to: &Checkpoint) -> Result<bool, db::Error> {
    const INSERT: &str =
        "INSERT INTO activity_checkpoints (number, link, at, signature) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING RETURNING number";
    let made: Option<(i64,)> = on!(db, conn => {
        sqlx::query_as(INSERT).bind(to.number).bind(&to.link.0).bind(to.at).bind(&to.signature.0)
            .fetch_optional(conn).await
    })?;
    Ok(made.is_some())
}

/// The newest head that was kept before `before` and whose entries nobody has to be told of any more.
pub(super) async fn removable(
    db: Conn<'_>,
    after: i64,
    before: Timestamp,
) -> Result<Option<Head>, db::Error> {
    const REMOVABLE: &str = "SELECT number, link, at, signature FROM activity_heads
         WHERE number > $1 AND at < $2 AND number < COALESCE(
             (SELECT MIN(events.number) FROM deliveries JOIN events ON events.id = deliveries.event_id
              WHERE deliveries.finished_at IS NULL AND events.number IS NOT NULL), $3)
         ORDER BY number DESC LIMIT 1";
    Ok(on!(db, conn => {
        sqlx::query_as(REMOVABLE).bind(after).bind(before).bind(i64::MAX).fetch_optional(conn).await
    })?)
}

/// Takes some of the entries up to `number` away, with what is on record of telling people of them. How many.
pub(super) async fn remove(mut db: Conn<'_>, number: i64, most: i64) -> Result<u64, db::Error> {
    const OLDEST: &str = "(SELECT id FROM events WHERE number <= $1 ORDER BY number LIMIT $2)";
    const DELIVERIES: &str = const_format::concatcp!("DELETE FROM deliveries WHERE event_id IN ", OLDEST);
    const EVENTS: &str = const_format::concatcp!("DELETE FROM events WHERE id IN ", OLDEST);
    on!(db.again(), conn => sqlx::query(DELIVERIES).bind(number).bind(most).execute(conn).await.map(|_| ()))?;
    Ok(on!(db, conn => {
        sqlx::query(EVENTS).bind(number).bind(most).execute(conn).await.map(|done| done.rows_affected())
    })?)
}

/// Takes heads away that are older than a checkpoint.
pub(super) async fn forget_heads(db: Conn<'_>, before: i64) -> Result<(), db::Error> {
    on!(db, conn => {
        sqlx::query("DELETE FROM activity_heads WHERE number < $1").bind(before).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn find(db: Conn<'_>, id: &str) -> Result<Option<Row>, db::Error> {
    let sql = const_format::formatcp!("SELECT {COLUMNS} FROM events WHERE id = $1");
    Ok(on!(db, conn => sqlx::query_as(sql).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn public_key(db: Conn<'_>) -> Result<Option<Vec<u8>>, db::Error> {
    let row: Option<(Vec<u8>,)> = on!(db, conn => {
        sqlx::query_as("SELECT public_key FROM activity_key WHERE slot = $1").bind(SLOT).fetch_optional(conn).await
    })?;
    Ok(row.map(|(key,)| key))
}

pub(super) async fn link_of(db: Conn<'_>, number: i64) -> Result<Option<Vec<u8>>, db::Error> {
    let row: Option<(Option<Vec<u8>>,)> = on!(db, conn => {
        sqlx::query_as("SELECT link FROM events WHERE number = $1").bind(number).fetch_optional(conn).await
    })?;
    Ok(row.and_then(|(link,)| link))
}

pub(super) async fn insert_name(db: Conn<'_>, id: &str, name: &str) -> Result<(), db::Error> {
    on!(db, conn => {
        sqlx::query("INSERT INTO former_names (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(id).bind(name).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delete_name(db: Conn<'_>, id: &str) -> Result<bool, db::Error> {
    let deleted = on!(db, conn => {
        sqlx::query("DELETE FROM former_names WHERE id = $1").bind(id).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(deleted > 0)
}

/// What people and accounts with these ids are, or were, called.
pub(super) async fn names(
    reads: &mut impl Reads,
    ids: &[String],
) -> Result<Vec<(String, String)>, db::Error> {
    fn of(select: &'static str, ids: &[String]) -> Sql {
        let mut sql = Sql::new(select);
        for (index, id) in ids.iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " }).bind(Arg::Text(id.clone()));
        }
        sql.push(")");
        sql
    }
    let mut names = Vec::new();
    for ids in ids.chunks(500) {
        let people =
            of("SELECT id, first_name, last_name, COALESCE(username, email) FROM logins WHERE id IN (", ids);
        let people: Vec<(String, String, String, String)> = people.fetch_all(reads.db()).await?;
        names.extend(
            people.into_iter().map(|(id, first, last, login)| (id, full_name(&first, &last, &login))),
        );
        for select in
            ["SELECT id, name FROM accounts WHERE id IN (", "SELECT id, name FROM former_names WHERE id IN ("]
        {
            names.extend(of(select, ids).fetch_all::<(String, String)>(reads.db()).await?);
        }
    }
    Ok(names)
}

/// What somebody is called in the log: by their name, else as they log in.
pub(crate) fn full_name(first: &str, last: &str, login: &str) -> String {
    let name = format!("{first} {last}");
    match name.trim() {
        "" => login.to_owned(),
        name => name.to_owned(),
    }
}

/// Whether a person is still here.
pub(super) async fn is_present(db: Conn<'_>, id: &str) -> Result<bool, db::Error> {
    const PRESENT: &str =
        "SELECT id FROM logins WHERE id = $1 UNION ALL SELECT id FROM contacts WHERE id = $1
         UNION ALL SELECT id FROM accounts WHERE id = $1 LIMIT 1";
    let row: Option<(String,)> =
        on!(db, conn => sqlx::query_as(PRESENT).bind(id).fetch_optional(conn).await)?;
    Ok(row.is_some())
}

/// Puts hashes in the place of what is personal, in an entry and in what is on record of telling people of it.
pub(super) async fn erase(cx: &mut Cx, loss: &Loss, erasure: &str) -> Result<(), db::Error> {
    if let Some(hash) = &loss.address_hash {
        const ADDRESS: &str = "UPDATE events SET address = NULL, address_salt = NULL, address_hash = $1,
             address_erasure_id = $2 WHERE id = $3 AND address IS NOT NULL";
        on!(cx.db(), conn => sqlx::query(ADDRESS).bind(hash).bind(erasure).bind(&loss.id).execute(conn).await.map(|_| ()))?;
    }
    if let Some(hash) = &loss.personal_hash {
        const PERSONAL: &str = "UPDATE events SET personal = NULL, personal_salt = NULL, personal_hash = $1,
             personal_erasure_id = $2 WHERE id = $3 AND personal IS NOT NULL";
        const TOLD: &str =
            "UPDATE deliveries SET recipient_name = NULL, recipient_address = NULL, data = '{}'
             WHERE event_id = $1 AND finished_at IS NOT NULL";
        on!(cx.db(), conn => sqlx::query(PERSONAL).bind(hash).bind(erasure).bind(&loss.id).execute(conn).await.map(|_| ()))?;
        on!(cx.db(), conn => sqlx::query(TOLD).bind(&loss.id).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

/// Holds off other erasures until the transaction ends.
pub(super) async fn lock_erasures(cx: &mut Cx) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE activity_key SET slot = slot").execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// What of a loss nobody else erased meanwhile.
pub(super) async fn still_there(cx: &mut Cx, loss: &Loss) -> Result<Option<Loss>, db::Error> {
    let row: Option<(Option<String>, Option<String>)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT address, personal FROM events WHERE id = $1").bind(&loss.id).fetch_optional(conn).await
    })?;
    let Some((address, personal)) = row else { return Ok(None) };
    Ok(Some(Loss {
        id: loss.id.clone(),
        address_hash: loss.address_hash.clone().filter(|_| address.is_some()),
        personal_hash: loss.personal_hash.clone().filter(|_| personal.is_some()),
    }))
}

/// Which of these addresses a login, a contact or a pending invitation has.
pub(super) async fn addresses_in_use(
    reads: &mut impl Reads,
    addresses: &HashSet<String>,
) -> Result<Vec<String>, db::Error> {
    const USED: &str = "SELECT email_folded FROM logins WHERE email_folded = $1
         UNION ALL SELECT email FROM contacts WHERE LOWER(email) = $1
         UNION ALL SELECT email FROM invitations
             WHERE LOWER(email) = $1 AND accepted_at IS NULL AND cancelled_at IS NULL LIMIT 1";
    let mut used = Vec::new();
    for address in addresses {
        let row: Option<(String,)> =
            on!(reads.db(), conn => sqlx::query_as(USED).bind(address).fetch_optional(conn).await)?;
        used.extend(row.map(|_| address.clone()));
    }
    Ok(used)
}

/// Forgets to whom mails went that were sent to an address. Whether there were any.
pub(super) async fn forget_recipient(cx: &mut Cx, address: &str) -> Result<bool, db::Error> {
    const FORGET: &str = "UPDATE deliveries SET recipient_name = NULL, recipient_address = NULL, data = '{}'
         WHERE LOWER(recipient_address) = $1 AND finished_at IS NOT NULL";
    let done = on!(cx.db(), conn => {
        sqlx::query(FORGET).bind(address).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(done > 0)
}
