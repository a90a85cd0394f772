use super::{Authenticated, Client, STAFF_ABSOLUTE};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{SessionId, StaffId},
    on,
    roles::Rights,
    secret::TokenHash,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: SessionId,
    staff_id: StaffId,
    everything: bool,
    permissions: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    confirmed_at: Timestamp,
}

/// One look-up for everything a request needs to know of its caller, so that what changes holds on the next request.
pub(super) async fn find(db: Conn<'_>, token: &TokenHash) -> Result<Option<Authenticated>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as(
            "SELECT e.id, e.staff_id, r.everything, r.permissions, e.created_at, e.last_seen_at,
                e.expires_at, e.confirmed_at
             FROM sessions e JOIN staff s ON s.id = e.staff_id JOIN roles r ON r.id = s.role_id
             WHERE e.token_hash = $1 AND e.audience = 'staff' AND e.state = 'full' AND NOT s.disabled",
        )
        .bind(token).fetch_optional(conn).await
    })?;
    Ok(row.map(|row| Authenticated {
        session: row.id,
        staff: row.staff_id,
        rights: Rights::from_columns(row.everything, &row.permissions),
        started_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        confirmed_at: row.confirmed_at,
    }))
}

/// False if the member of staff is gone or disabled.
pub(super) async fn touch_login(cx: &mut Cx, staff: StaffId) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(StaffId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE staff SET last_login_at = $2 WHERE id = $1 AND NOT disabled RETURNING id")
            .bind(staff).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: SessionId,
    token: &TokenHash,
    staff: StaffId,
    client: &Client,
) -> Result<(), db::Error> {
    let now = cx.now();
    let address = client.address.map(|address| address.to_string());
    let name = client.name.as_ref().map(|name| name.chars().take(200).collect::<String>());
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO sessions (id, token_hash, audience, state, staff_id, created_at, last_seen_at, expires_at,
                confirmed_at, address, client)
             VALUES ($1, $2, 'staff', 'full', $3, $4, $4, $5, $4, $6, $7)",
        )
        .bind(id).bind(token).bind(staff).bind(now).bind(now.plus(STAFF_ABSOLUTE)).bind(address).bind(name)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn confirm(cx: &mut Cx, id: SessionId) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE sessions SET confirmed_at = $2, last_seen_at = $2 WHERE id = $1 RETURNING id")
            .bind(id).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn delete(cx: &mut Cx, id: SessionId) -> Result<bool, db::Error> {
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE id = $1 RETURNING id").bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// One statement for up to 500 sessions.
pub(super) async fn write_seen(cx: &mut Cx, seen: &[(SessionId, Timestamp)]) -> Result<(), db::Error> {
    for part in seen.chunks(500) {
        let mut sql = Sql::new("WITH seen (id, at) AS (VALUES ");
        for (index, (id, at)) in part.iter().enumerate() {
            sql.push(if index == 0 { "(CAST(" } else { ", (CAST(" }).bind(Arg::Text(id.to_string()));
            sql.push(" AS TEXT), CAST(").bind(Arg::Int(at.as_millis())).push(" AS BIGINT))");
        }
        sql.push(
            ") UPDATE sessions SET last_seen_at = seen.at FROM seen
              WHERE sessions.id = seen.id AND sessions.last_seen_at < seen.at",
        );
        sql.execute(cx.db()).await?;
    }
    Ok(())
}

pub(super) async fn delete_over(cx: &mut Cx, idle_since: Timestamp) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM sessions WHERE audience = 'staff' AND (expires_at <= $1 OR last_seen_at <= $2)")
            .bind(now).bind(idle_since).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
