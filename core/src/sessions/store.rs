use super::{Authenticated, Client, Listed, Pending, State};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{LoginId, RoleId, SessionId},
    logins::{Audience, Login},
    on,
    page::{PageColumns, PageRequest},
    roles::{PermissionSet, Rights},
    secret::TokenHash,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: SessionId,
    login_id: LoginId,
    pending: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    confirmed_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct StaffRow {
    #[sqlx(flatten)]
    session: Row,
    role_id: RoleId,
    records_per_page: Option<i64>,
    everything: bool,
    permissions: String,
}

/// Everything a request needs to know of its caller in one look-up, so that what changes holds on the next request.
const STAFFS: &str =
    "SELECT e.id, e.login_id, e.pending, s.role_id, s.records_per_page, r.everything, r.permissions, e.created_at,
        e.last_seen_at, e.expires_at, e.confirmed_at
     FROM sessions e JOIN logins l ON l.id = e.login_id JOIN staff s ON s.id = l.id JOIN roles r ON r.id = s.role_id
     WHERE e.audience = 'staff' AND e.state <> 'challenge' AND NOT l.disabled";

impl StaffRow {
    fn authenticated(self) -> Authenticated {
        let rights = Rights::from_columns(self.everything, &self.permissions);
        let (role, records_per_page) = (Some(self.role_id), self.records_per_page);
        Authenticated { role, records_per_page, ..authenticated(self.session, Audience::Staff, rights) }
    }
}

fn authenticated(row: Row, audience: Audience, rights: Rights) -> Authenticated {
    Authenticated {
        role: None,
        records_per_page: None,
        session: row.id,
        audience,
        login: row.login_id,
        rights,
        pending: row.pending.split(' ').filter_map(Pending::parse).collect(),
        started_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        confirmed_at: row.confirmed_at,
    }
}

pub(super) async fn find_staffs(db: Conn<'_>, token: &TokenHash) -> Result<Option<Authenticated>, db::Error> {
    const SQL: &str = const_format::concatcp!(STAFFS, " AND e.token_hash = $1");
    let row: Option<StaffRow> = on!(db, conn => sqlx::query_as(SQL).bind(token).fetch_optional(conn).await)?;
    Ok(row.map(StaffRow::authenticated))
}

pub(super) async fn find_staffs_by_id(
    db: Conn<'_>,
    id: SessionId,
) -> Result<Option<Authenticated>, db::Error> {
    const SQL: &str = const_format::concatcp!(STAFFS, " AND e.id = $1");
    let row: Option<StaffRow> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(StaffRow::authenticated))
}

pub(super) async fn find_users(db: Conn<'_>, token: &TokenHash) -> Result<Option<Authenticated>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as(
            "SELECT e.id, e.login_id, e.pending, e.created_at, e.last_seen_at, e.expires_at, e.confirmed_at
             FROM sessions e JOIN logins l ON l.id = e.login_id
             WHERE e.token_hash = $1 AND e.audience = 'user' AND e.state <> 'challenge' AND NOT l.disabled",
        )
        .bind(token).fetch_optional(conn).await
    })?;
    let none = Rights { everything: false, permissions: PermissionSet::NONE };
    Ok(row.map(|row| authenticated(row, Audience::User, none)))
}

pub(super) async fn find_challenge(
    db: Conn<'_>,
    audience: Audience,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<(SessionId, LoginId)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT e.id, e.login_id FROM sessions e JOIN logins l ON l.id = e.login_id
             WHERE e.token_hash = $1 AND e.audience = $2 AND e.state = 'challenge' AND e.expires_at > $3 AND NOT l.disabled",
        )
        .bind(token).bind(audience).bind(now).fetch_optional(conn).await
    })?)
}

fn words(pending: &[Pending]) -> String {
    pending.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::too_many_arguments, reason = "a row's columns")]
pub(super) async fn insert(
    cx: &mut Cx,
    id: SessionId,
    token: &TokenHash,
    login: &Login,
    state: State,
    pending: &[Pending],
    expires_at: Timestamp,
    client: &Client,
) -> Result<(), db::Error> {
    let now = cx.now();
    let address = client.address.map(|address| address.to_string());
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO sessions (id, token_hash, audience, state, pending, login_id, created_at, last_seen_at, expires_at,
                confirmed_at, address, client)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $7, $9, $10)",
        )
        .bind(id).bind(token).bind(login.audience).bind(state).bind(words(pending)).bind(login.id).bind(now)
        .bind(expires_at).bind(address).bind(client.short_name())
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn spend_challenge(cx: &mut Cx, id: SessionId) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE id = $1 AND state = 'challenge' AND expires_at > $2 RETURNING id")
            .bind(id).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn renew(
    cx: &mut Cx,
    id: SessionId,
    old: &TokenHash,
    new: &TokenHash,
    state: State,
    pending: &[Pending],
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE sessions SET token_hash = $3, state = $4, pending = $5, last_seen_at = $6
             WHERE id = $1 AND token_hash = $2 AND state <> 'challenge' RETURNING id",
        )
        .bind(id).bind(old).bind(new).bind(state).bind(words(pending)).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn confirm(cx: &mut Cx, id: SessionId) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("UPDATE sessions SET confirmed_at = $2 WHERE id = $1").bind(id).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

fn live(sql: &mut Sql, login: LoginId, now: Timestamp, idle_since: Timestamp) {
    sql.push(" FROM sessions WHERE state <> 'challenge' AND login_id = ").bind(Arg::Text(login.to_string()));
    sql.push(" AND expires_at > ").bind(Arg::Int(now.as_millis()));
    sql.push(" AND last_seen_at > ").bind(Arg::Int(idle_since.as_millis()));
}

pub(super) fn select_one(login: LoginId, now: Timestamp, idle_since: Timestamp) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT)");
    live(&mut sql, login, now, idle_since);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    login: LoginId,
    now: Timestamp,
    idle_since: Timestamp,
    request: &PageRequest,
) -> Result<Vec<Listed>, db::Error> {
    let mut sql = Sql::new("SELECT id, created_at, last_seen_at, expires_at, address, client");
    live(&mut sql, login, now, idle_since);
    request.finish(
        &mut sql,
        PageColumns { pair: "(last_seen_at, id)", descending: "last_seen_at DESC, id DESC" },
    );
    sql.fetch_all(db).await
}

pub(super) async fn delete(cx: &mut Cx, login: LoginId, id: SessionId) -> Result<bool, db::Error> {
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE id = $1 AND login_id = $2 AND state <> 'challenge' RETURNING id")
            .bind(id).bind(login).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// Those that were no challenges are answered.
pub(super) async fn delete_all(
    cx: &mut Cx,
    login: LoginId,
    keep: Option<SessionId>,
) -> Result<Vec<SessionId>, db::Error> {
    let keep = keep.map_or_else(String::new, |id| id.to_string());
    let rows: Vec<(SessionId, State)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE login_id = $1 AND id <> $2 RETURNING id, state")
            .bind(login).bind(keep).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().filter(|(_, state)| *state != State::Challenge).map(|(id, _)| id).collect())
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

pub(super) async fn delete_over(
    cx: &mut Cx,
    audience: Audience,
    idle_since: Timestamp,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM sessions WHERE audience = $3 AND (expires_at <= $1 OR last_seen_at <= $2)")
            .bind(now).bind(idle_since).bind(audience).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
