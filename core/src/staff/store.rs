use super::{Login, NewStaff, Online, Staff, State};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{RoleId, StaffId},
    invalid::fold,
    on,
    page::{PageColumns, PageRequest},
    password::PasswordHash,
    time::Timestamp,
};

const SELECT: &str =
    "SELECT s.id, s.username, s.email, s.first_name, s.last_name, s.role_id, r.name AS role_name,
    s.language, s.disabled, s.last_login_at, s.created_at FROM staff s JOIN roles r ON r.id = s.role_id";

pub(super) async fn find(db: Conn<'_>, id: StaffId) -> Result<Option<Staff>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE s.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn find_login(db: Conn<'_>, folded: &str) -> Result<Option<Login>, db::Error> {
    // A username holds no @ and an email address must, so at most one row is meant.
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT id, password_hash FROM staff WHERE username_folded = $1 OR email_folded = $1")
            .bind(folded).fetch_optional(conn).await
    })?)
}

pub(super) async fn login_of(db: Conn<'_>, id: StaffId) -> Result<Option<Login>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT id, password_hash FROM staff WHERE id = $1").bind(id).fetch_optional(conn).await
    })?)
}

pub(super) async fn email_exists(db: Conn<'_>, folded: &str) -> Result<bool, db::Error> {
    let row: Option<(StaffId,)> = on!(db, conn => {
        sqlx::query_as("SELECT id FROM staff WHERE email_folded = $1").bind(folded).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if the username or the email address is somebody's.
pub(super) async fn insert(
    cx: &mut Cx,
    id: StaffId,
    new: &NewStaff,
    role: RoleId,
    password: PasswordHash,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(StaffId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO staff (id, username, username_folded, email, email_folded, first_name, last_name, role_id, language,
                password_hash, disabled, last_login_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, $12)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(id).bind(&new.username).bind(fold(&new.username)).bind(&new.email).bind(fold(&new.email))
        .bind(&new.first_name).bind(&new.last_name).bind(role).bind(&new.language).bind(password)
        .bind(false).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

fn filter(sql: &mut Sql, state: Option<State>) {
    if let Some(state) = state {
        sql.push(" AND s.disabled = ").bind(Arg::Bool(state == State::Disabled));
    }
}

pub(super) fn select_one(state: Option<State>) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM staff s WHERE TRUE");
    filter(&mut sql, state);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    state: Option<State>,
    request: &PageRequest,
) -> Result<Vec<Staff>, db::Error> {
    let mut sql = Sql::new(const_format::concatcp!(SELECT, " WHERE TRUE"));
    filter(&mut sql, state);
    let columns = PageColumns { pair: "(s.created_at, s.id)", descending: "s.created_at DESC, s.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}

fn online_from(sql: &mut Sql, since: Timestamp, now: Timestamp) {
    sql.push(" FROM sessions e JOIN staff s ON s.id = e.staff_id WHERE e.audience = 'staff' AND e.state = 'full' AND NOT s.disabled");
    sql.push(" AND e.last_seen_at > ").bind(Arg::Int(since.as_millis()));
    sql.push(" AND e.expires_at > ").bind(Arg::Int(now.as_millis()));
    // Whoever has several sessions is shown with the one used last.
    sql.push(" AND NOT EXISTS (SELECT 1 FROM sessions n WHERE n.staff_id = e.staff_id AND n.state = 'full'");
    sql.push(" AND (n.last_seen_at, n.id) > (e.last_seen_at, e.id) AND n.expires_at > ");
    sql.bind(Arg::Int(now.as_millis())).push(")");
}

pub(super) fn select_one_online(since: Timestamp, now: Timestamp) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT)");
    online_from(&mut sql, since, now);
    sql
}

pub(super) async fn online(
    db: Conn<'_>,
    since: Timestamp,
    now: Timestamp,
    request: &PageRequest,
) -> Result<Vec<Online>, db::Error> {
    let mut sql = Sql::new(
        "SELECT s.id, s.username, s.email, s.first_name, s.last_name, e.id AS session_id, e.created_at AS since,
            e.last_seen_at, e.address",
    );
    online_from(&mut sql, since, now);
    let columns =
        PageColumns { pair: "(e.last_seen_at, e.id)", descending: "e.last_seen_at DESC, e.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}
