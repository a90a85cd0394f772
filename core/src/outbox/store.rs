use super::{Claim, Delivered, LEASE, Mail, Outcome, Recipient};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    ids::{DeliveryId, EventId},
    on,
    secret::{self, Sealed, UnsealError},
    time::Timestamp,
};

pub(super) async fn insert(
    cx: &mut Cx,
    id: DeliveryId,
    event: EventId,
    mail: &Mail,
    sealed: Option<&Sealed>,
) -> Result<(), db::Error> {
    let now = cx.now();
    let data = serde_json::to_string(&mail.content).expect("a mail's content is plain data");
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO deliveries (id, event_id, mail, subject_id, recipient_name, recipient_address, language, data,
                sealed_token, useful_until, state, attempts, next_attempt_at, fence, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'waiting', 0, $11, 0, $11)",
        )
        .bind(id).bind(event).bind(mail.content.name()).bind(mail.content.subject_id())
        .bind(&mail.recipient.name).bind(&mail.recipient.address).bind(&mail.recipient.language)
        .bind(data).bind(sealed).bind(mail.useful_until).bind(now)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn make_obsolete(cx: &mut Cx, subject: &str, reason: &str) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE deliveries SET state = 'obsolete', reason = $2, sealed_token = NULL, held_by = NULL,
                fence = fence + 1, finished_at = $3
             WHERE subject_id = $1 AND state = 'waiting'",
        )
        .bind(subject).bind(reason).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn expire(cx: &mut Cx) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE deliveries SET state = 'obsolete',
                reason = CASE WHEN sealed_token IS NULL THEN 'it was too late for news' ELSE 'the link expired' END,
                sealed_token = NULL, held_by = NULL, fence = fence + 1, finished_at = $1
             WHERE state = 'waiting' AND next_attempt_at <= $1 AND useful_until <= $1",
        )
        .bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn next_due(db: Conn<'_>) -> Result<Option<Timestamp>, db::Error> {
    let (due,): (Option<Timestamp>,) = on!(db, conn => {
        sqlx::query_as("SELECT MIN(next_attempt_at) FROM deliveries WHERE state = 'waiting'").fetch_one(conn).await
    })?;
    Ok(due)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: DeliveryId,
    event: String,
    event_at: Timestamp,
    recipient_name: String,
    recipient_address: String,
    language: String,
    data: String,
    sealed_token: Option<Sealed>,
    attempts: i64,
    fence: i64,
}

const CLAIM_DUE: &str = "UPDATE deliveries
    SET held_by = $1, fence = fence + 1, attempts = attempts + 1, next_attempt_at = $2
    WHERE id IN (SELECT id FROM deliveries WHERE state = 'waiting' AND next_attempt_at <= $3
                 ORDER BY next_attempt_at, id LIMIT $4";
const CLAIMED: &str = ")
    RETURNING id, (SELECT e.name FROM events e WHERE e.id = event_id) AS event,
        (SELECT e.at FROM events e WHERE e.id = event_id) AS event_at,
        recipient_name, recipient_address, language, data, sealed_token, attempts, fence";

pub(super) async fn claim(cx: &mut Cx, worker: &str, most: i64) -> Result<Vec<Claim>, db::Error> {
    let (now, lease) = (cx.now(), cx.now().plus(LEASE));
    // SQLite has one writer, so nobody stands in the way; on PostgreSQL other nodes' claims are stepped over.
    let rows: Vec<Row> = match cx.db() {
        Conn::Sqlite(conn) => {
            sqlx::query_as(const_format::concatcp!(CLAIM_DUE, CLAIMED))
                .bind(worker)
                .bind(lease)
                .bind(now)
                .bind(most)
                .fetch_all(conn)
                .await
        }
        Conn::Postgres(conn) => {
            sqlx::query_as(const_format::concatcp!(CLAIM_DUE, " FOR UPDATE SKIP LOCKED", CLAIMED))
                .bind(worker)
                .bind(lease)
                .bind(now)
                .bind(most)
                .fetch_all(conn)
                .await
        }
    }?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in rows {
        claims.extend(open(cx, row).await?);
    }
    Ok(claims)
}

async fn open(cx: &mut Cx, row: Row) -> Result<Option<Claim>, db::Error> {
    let content = match serde_json::from_str(&row.data) {
        Ok(content) => content,
        Err(error) => {
            // Written by a newer version: that one's workers will take it when this lease is over.
            tracing::error!(delivery = %row.id, %error, "a delivery that this version does not understand is left alone");
            return Ok(None);
        }
    };
    let token = match row.sealed_token {
        Some(sealed) => match secret::unseal_token(cx, &row.id.to_string(), &sealed).await {
            Ok(token) => Some(token),
            Err(UnsealError::NotOurs(_)) => None,
            Err(UnsealError::Db(error)) => return Err(error),
        },
        None => None,
    };
    Ok(Some(Claim {
        id: row.id,
        fence: row.fence,
        attempt: row.attempts,
        event: row.event,
        event_at: row.event_at,
        content,
        recipient: Recipient {
            name: row.recipient_name,
            address: row.recipient_address,
            language: row.language,
        },
        token,
    }))
}

pub(super) async fn stands(
    db: Conn<'_>,
    id: DeliveryId,
    fence: i64,
    now: Timestamp,
) -> Result<bool, db::Error> {
    let row: Option<(DeliveryId,)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT id FROM deliveries WHERE id = $1 AND fence = $2 AND state = 'waiting' AND useful_until > $3",
        )
        .bind(id).bind(fence).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn renew(cx: &mut Cx, worker: &str) -> Result<(), db::Error> {
    let lease = cx.now().plus(LEASE);
    on!(cx.db(), conn => {
        sqlx::query("UPDATE deliveries SET next_attempt_at = $2 WHERE held_by = $1 AND state = 'waiting'")
            .bind(worker).bind(lease).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn release(cx: &mut Cx, worker: &str) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE deliveries SET held_by = NULL, next_attempt_at = $2, attempts = attempts - 1
             WHERE held_by = $1 AND state = 'waiting'",
        )
        .bind(worker).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn release_all(cx: &mut Cx) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE deliveries SET held_by = NULL, next_attempt_at = $1, fence = fence + 1
             WHERE state = 'waiting' AND held_by IS NOT NULL",
        )
        .bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delivered(
    cx: &mut Cx,
    outcome: &Outcome,
    delivered: &Delivered,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(DeliveryId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE deliveries SET state = 'delivered', reason = NULL, provider_id = $3, sealed_token = NULL,
                held_by = NULL, finished_at = $4
             WHERE id = $1 AND fence = $2 AND state = 'waiting' RETURNING id",
        )
        .bind(outcome.id).bind(outcome.fence).bind(&delivered.provider_id).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn dead(cx: &mut Cx, outcome: &Outcome, reason: &str) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(DeliveryId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE deliveries SET state = 'dead', reason = $3, sealed_token = NULL, held_by = NULL, finished_at = $4
             WHERE id = $1 AND fence = $2 AND state = 'waiting' RETURNING id",
        )
        .bind(outcome.id).bind(outcome.fence).bind(reason).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn wait(
    cx: &mut Cx,
    outcome: &Outcome,
    reason: &str,
    until: Timestamp,
) -> Result<bool, db::Error> {
    let row: Option<(DeliveryId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            // Not past its use: then it is expired, and its token wiped.
            "UPDATE deliveries SET reason = $3, held_by = NULL,
                next_attempt_at = CASE WHEN useful_until < $4 THEN useful_until ELSE $4 END
             WHERE id = $1 AND fence = $2 AND state = 'waiting' RETURNING id",
        )
        .bind(outcome.id).bind(outcome.fence).bind(reason).bind(until).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn insert_attempt(cx: &mut Cx, outcome: &Outcome) -> Result<(), db::Error> {
    let (result, message) = match &outcome.result {
        Ok(delivered) => ("delivered", delivered.provider_id.as_deref().unwrap_or_default()),
        Err(failed) => ("failed", failed.message.as_str()),
    };
    let took = i64::try_from(outcome.took.as_millis()).unwrap_or(i64::MAX);
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO delivery_attempts (delivery_id, attempt, at, took_ms, outcome, message)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(outcome.id).bind(outcome.attempt).bind(outcome.began_at).bind(took).bind(result).bind(message)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
