use super::{Details, Filter, Online, Row, Staff, State};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{RoleId, StaffId},
    invitations, on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

const SELECT: &str =
    "SELECT s.id, l.username, l.email, l.first_name, l.last_name, s.role_id, r.name AS role_name, r.everything, r.permissions,
    l.language, s.signature, s.notes, s.template, s.records_per_page, l.must_change_password, l.disabled,
    l.last_login_at, l.created_at
    FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id";

pub(super) async fn find(db: Conn<'_>, id: StaffId) -> Result<Option<Row>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE s.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: StaffId,
    role: RoleId,
    details: &Details,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO staff (id, role_id, signature, notes, template, records_per_page) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id).bind(role).bind(&details.signature).bind(&details.notes).bind(&details.template)
        .bind(details.records_per_page).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// The part that only staff have.
pub(super) async fn update(cx: &mut Cx, staff: &Staff) -> Result<(), db::Error> {
    let details = &staff.details;
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE staff SET role_id = $2, signature = $3, notes = $4, template = $5, records_per_page = $6 WHERE id = $1",
        )
        .bind(staff.id).bind(staff.role_id).bind(&details.signature).bind(&details.notes).bind(&details.template)
        .bind(details.records_per_page).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Whether somebody else may do everything, and can log in.
pub(super) async fn another_administrator(cx: &mut Cx, than: StaffId) -> Result<bool, db::Error> {
    let row: Option<(StaffId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT s.id FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id
             WHERE r.everything AND NOT l.disabled AND s.id <> $1 LIMIT 1",
        )
        .bind(than).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

fn filter(sql: &mut Sql, filter: &Filter) {
    if let Some(state) = filter.state {
        sql.push(" AND l.disabled = ").bind(Arg::Bool(state == State::Disabled));
    }
    if let Some(role) = filter.role {
        sql.push(" AND s.role_id = ").bind(Arg::Text(role.to_string()));
    }
    if let Some(department) = filter.department {
        sql.push(
            " AND EXISTS (SELECT 1 FROM department_members m WHERE m.staff_id = l.id AND m.department_id = ",
        );
        sql.bind(Arg::Text(department.to_string())).push(")");
    }
    for pattern in filter.patterns() {
        sql.push(" AND l.search LIKE ").bind(Arg::Text(pattern)).push(" ESCAPE '!'");
    }
}

/// Of members, of invitations, or of both.
pub(super) fn select_one(wanted: &Filter, members: bool, invited: bool) -> Sql {
    let mut sql = Sql::new("");
    if members {
        sql.push(
            "SELECT CAST(1 AS BIGINT) FROM staff s JOIN logins l ON l.id = s.id WHERE l.audience = 'staff'",
        );
        filter(&mut sql, wanted);
    }
    if members && invited {
        sql.push(" UNION ALL ");
    }
    if invited {
        sql.push("SELECT CAST(1 AS BIGINT)");
        invitations::select_open(&mut sql, wanted);
    }
    sql
}

pub(super) fn select_page(wanted: &Filter, request: &PageRequest) -> Sql {
    let mut sql = Sql::new(const_format::concatcp!(SELECT, " WHERE l.audience = 'staff'"));
    filter(&mut sql, wanted);
    let columns = PageColumns { pair: "(l.created_at, l.id)", descending: "l.created_at DESC, l.id DESC" };
    request.finish(&mut sql, columns);
    sql
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
