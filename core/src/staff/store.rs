use super::{Online, Row, State};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{RoleId, StaffId},
    on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

const SELECT: &str =
    "SELECT s.id, l.username, l.email, l.first_name, l.last_name, s.role_id, r.name AS role_name, r.everything, r.permissions,
    l.language, l.disabled, l.last_login_at, l.created_at
    FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id";

pub(super) async fn find(db: Conn<'_>, id: StaffId) -> Result<Option<Row>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE s.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn insert(cx: &mut Cx, id: StaffId, role: RoleId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("INSERT INTO staff (id, role_id) VALUES ($1, $2)").bind(id).bind(role).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

fn filter(sql: &mut Sql, state: Option<State>) {
    if let Some(state) = state {
        sql.push(" AND l.disabled = ").bind(Arg::Bool(state == State::Disabled));
    }
}

pub(super) fn select_one(state: Option<State>) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM logins l WHERE l.audience = 'staff'");
    filter(&mut sql, state);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    state: Option<State>,
    request: &PageRequest,
) -> Result<Vec<Row>, db::Error> {
    let mut sql = Sql::new(const_format::concatcp!(SELECT, " WHERE l.audience = 'staff'"));
    filter(&mut sql, state);
    let columns = PageColumns { pair: "(l.created_at, l.id)", descending: "l.created_at DESC, l.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}

fn online_from(sql: &mut Sql, since: Timestamp, now: Timestamp) {
    sql.push(" FROM sessions e JOIN logins l ON l.id = e.login_id WHERE e.audience = 'staff' AND e.state = 'full' AND NOT l.disabled");
    sql.push(" AND e.last_seen_at > ").bind(Arg::Int(since.as_millis()));
    sql.push(" AND e.expires_at > ").bind(Arg::Int(now.as_millis()));
    // Whoever has several sessions is shown with the one used last.
    sql.push(" AND NOT EXISTS (SELECT 1 FROM sessions n WHERE n.login_id = e.login_id AND n.state = 'full'");
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
        "SELECT l.id, l.username, l.email, l.first_name, l.last_name, e.id AS session_id, e.created_at AS since,
            e.last_seen_at, e.address",
    );
    online_from(&mut sql, since, now);
    let columns =
        PageColumns { pair: "(e.last_seen_at, e.id)", descending: "e.last_seen_at DESC, e.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}
