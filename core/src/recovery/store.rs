use super::{Request, answer::MOST_WRONG};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    ids::{LoginId, PasswordResetId, ResetRequestId},
    logins::Audience,
    network::Network,
    on,
    secret::TokenHash,
    time::Timestamp,
};

pub(super) async fn asked_from(
    cx: &mut Cx,
    network: Option<Network>,
    since: Timestamp,
) -> Result<i64, db::Error> {
    let (count,): (i64,) = on!(cx.db(), conn => {
        sqlx::query_as("SELECT COUNT(*) FROM reset_requests WHERE network = $1 AND at > $2")
            .bind(network).bind(since).fetch_one(conn).await
    })?;
    Ok(count)
}

pub(super) async fn insert_request(
    cx: &mut Cx,
    id: ResetRequestId,
    audience: Audience,
    name: &str,
    address: Option<&str>,
    network: Option<Network>,
) -> Result<(), db::Error> {
    let (now, request_id) = (cx.now(), cx.caller().request_id.clone());
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO reset_requests (id, audience, name, address, network, request_id, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id).bind(audience).bind(name).bind(address).bind(network)
        .bind(request_id).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn waiting(db: Conn<'_>, most: i64) -> Result<Vec<Request>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT id, address, request_id FROM reset_requests WHERE name IS NOT NULL ORDER BY at, id LIMIT $1",
        )
        .bind(most).fetch_all(conn).await
    })?)
}

/// What was typed, which is forgotten by this. None if it was taken before.
pub(super) async fn take_request(
    cx: &mut Cx,
    id: ResetRequestId,
) -> Result<Option<(Audience, String)>, db::Error> {
    // RETURNING gives the new row, so the name is read under the lock that the first statement takes.
    let row: Option<(Audience,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE reset_requests SET at = at WHERE id = $1 AND name IS NOT NULL RETURNING audience")
            .bind(id).fetch_optional(conn).await
    })?;
    let Some((audience,)) = row else { return Ok(None) };
    let (name,): (String,) = on!(cx.db(), conn => {
        sqlx::query_as("SELECT name FROM reset_requests WHERE id = $1").bind(id).fetch_one(conn).await
    })?;
    on!(cx.db(), conn => {
        sqlx::query("UPDATE reset_requests SET name = NULL WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(Some((audience, name)))
}

/// How many of somebody's links since then are good, and when the last of them was made.
pub(super) async fn good_links(
    cx: &mut Cx,
    login: LoginId,
    since: Timestamp,
) -> Result<(i64, Option<Timestamp>), db::Error> {
    let now = cx.now();
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT COUNT(*), MAX(created_at) FROM password_resets
             WHERE login_id = $1 AND expires_at > $2 AND created_at > $3",
        )
        .bind(login).bind(now).bind(since).fetch_one(conn).await
    })?)
}

/// Counts no further than `most`.
pub(super) async fn count_waiting(cx: &mut Cx, counted: bool, most: i64) -> Result<i64, db::Error> {
    let (count,): (i64,) = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT COUNT(*) FROM (SELECT id FROM reset_requests
             WHERE name IS NOT NULL AND (network IS NOT NULL) = $2 LIMIT $1) AS waiting",
        )
        .bind(most).bind(counted).fetch_one(conn).await
    })?;
    Ok(count)
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: PasswordResetId,
    login: LoginId,
    token: &TokenHash,
    expires_at: Timestamp,
    mailed: bool,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO password_resets (id, token_hash, login_id, created_at, expires_at, mailed)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id).bind(token).bind(login).bind(now).bind(expires_at).bind(mailed).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Whose a good link is, and until when.
pub(super) async fn find(
    db: Conn<'_>,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<(LoginId, Timestamp)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT login_id, expires_at FROM password_resets
             WHERE token_hash = $1 AND expires_at > $2 AND wrong_answers < $3",
        )
        .bind(token).bind(now).bind(MOST_WRONG).fetch_optional(conn).await
    })?)
}

/// Counts an answer as wrong, before it is looked at; how many there were by now. None if the link is no longer good.
pub(super) async fn count_answer(cx: &mut Cx, token: &TokenHash) -> Result<Option<i64>, db::Error> {
    let now = cx.now();
    let row: Option<(i64,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE password_resets SET wrong_answers = wrong_answers + 1
             WHERE token_hash = $1 AND expires_at > $2 AND wrong_answers < $3 RETURNING wrong_answers",
        )
        .bind(token).bind(now).bind(MOST_WRONG).fetch_optional(conn).await
    })?;
    Ok(row.map(|(count,)| count))
}

/// Whether it had been mailed; none if it is no longer good.
pub(super) async fn spend(
    cx: &mut Cx,
    token: &TokenHash,
) -> Result<Option<(PasswordResetId, bool)>, db::Error> {
    const SPEND: &str =
        "DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > $2 RETURNING id, mailed";
    let now = cx.now();
    Ok(on!(cx.db(), conn => sqlx::query_as(SPEND).bind(token).bind(now).fetch_optional(conn).await)?)
}

pub(super) async fn delete_all(cx: &mut Cx, login: LoginId) -> Result<Vec<PasswordResetId>, db::Error> {
    let rows: Vec<(PasswordResetId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM password_resets WHERE login_id = $1 RETURNING id")
            .bind(login).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn tidy(cx: &mut Cx, since: Timestamp) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM reset_requests WHERE at <= $1")
            .bind(since).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM password_resets WHERE expires_at <= $1").bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
