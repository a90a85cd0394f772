use const_format::concatcp;

use super::{Department, Member, MemberEntry, membership::Membership};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{DepartmentId, InvitationId, StaffId},
    invalid::fold,
    on,
    page::{AscendingColumns, PageColumns, PageRequest},
    roles::Rights,
};

const SELECT: &str =
    "SELECT d.id, d.name, d.description, d.email, d.clients_only, d.hidden, d.position, d.created_at,
    (SELECT COUNT(*) FROM department_members m WHERE m.department_id = d.id) AS member_count
    FROM departments d";
const IN_ORDER: AscendingColumns =
    AscendingColumns { pair: "(d.position, d.id)", ascending: "d.position, d.id" };

/// Holds everything about departments until the transaction ends.
pub(super) async fn lock(cx: &mut Cx) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("UPDATE department_lock SET slot = 1").execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn find(db: Conn<'_>, id: DepartmentId) -> Result<Option<Department>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " WHERE d.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM departments")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<Department>, db::Error> {
    let mut sql = Sql::new(concatcp!(SELECT, " WHERE TRUE"));
    request.finish_ascending(&mut sql, IN_ORDER);
    sql.fetch_all(db).await
}

/// All of them.
pub(super) async fn in_order(cx: &mut Cx) -> Result<Vec<Department>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " ORDER BY ", IN_ORDER.ascending);
    Ok(on!(cx.db(), conn => sqlx::query_as(SQL).fetch_all(conn).await)?)
}

pub(super) async fn name_is_taken(cx: &mut Cx, id: DepartmentId, folded: &str) -> Result<bool, db::Error> {
    let row: Option<(DepartmentId,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT id FROM departments WHERE name_folded = $2 AND id <> $1")
            .bind(id).bind(folded).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn email_is_taken(cx: &mut Cx, id: DepartmentId, folded: &str) -> Result<bool, db::Error> {
    let row: Option<(DepartmentId,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT id FROM departments WHERE email_folded = $2 AND id <> $1")
            .bind(id).bind(folded).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn insert(cx: &mut Cx, new: &Department) -> Result<(), db::Error> {
    let (name_folded, email_folded) = folded(new);
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO departments (id, name, name_folded, description, email, email_folded, clients_only, hidden, position,
                created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id).bind(&new.name).bind(name_folded).bind(&new.description).bind(&new.email).bind(email_folded)
        .bind(new.clients_only).bind(new.hidden).bind(new.position).bind(new.created_at)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn update(cx: &mut Cx, after: &Department) -> Result<(), db::Error> {
    let (name_folded, email_folded) = folded(after);
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE departments SET name = $2, name_folded = $3, description = $4, email = $5, email_folded = $6,
                clients_only = $7, hidden = $8 WHERE id = $1",
        )
        .bind(after.id).bind(&after.name).bind(name_folded).bind(&after.description).bind(&after.email)
        .bind(email_folded).bind(after.clients_only).bind(after.hidden).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

fn folded(department: &Department) -> (String, Option<String>) {
    (fold(&department.name), department.email.as_deref().map(fold))
}

pub(super) async fn set_position(cx: &mut Cx, after: &Department) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE departments SET position = $2 WHERE id = $1")
            .bind(after.id).bind(after.position).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Those behind it move up, so that places stay without a gap.
pub(super) async fn delete(cx: &mut Cx, department: &Department) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM departments WHERE id = $1").bind(department.id).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("UPDATE departments SET position = position - 1 WHERE position > $1")
            .bind(department.position).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// What its members may, but for one of them, and what those may become who are invited into it.
pub(super) async fn rights_of_those_in(
    cx: &mut Cx,
    id: DepartmentId,
    but: Option<StaffId>,
) -> Result<Vec<Rights>, db::Error> {
    // No id is empty.
    let but = but.map(|id| id.to_string()).unwrap_or_default();
    let rows: Vec<(bool, String)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT r.everything, r.permissions FROM roles r
             WHERE EXISTS (
                 SELECT 1 FROM department_members m JOIN staff s ON s.id = m.staff_id
                 WHERE m.department_id = $1 AND m.staff_id <> $2 AND s.role_id = r.id)
             OR EXISTS (
                 SELECT 1 FROM invitation_departments d
                 JOIN invitations i ON i.id = d.invitation_id JOIN staff_invitations p ON p.invitation_id = i.id
                 WHERE d.department_id = $1 AND i.accepted_at IS NULL AND i.cancelled_at IS NULL AND p.role_id = r.id)",
        )
        .bind(id).bind(but).fetch_all(conn).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(everything, permissions)| Rights::from_columns(everything, &permissions))
        .collect())
}

/// `$n, $n + 1, …)`
fn bind_ids<I: ToString>(sql: &mut Sql, ids: impl IntoIterator<Item = I>) {
    for (index, id) in ids.into_iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " }).bind(Arg::Text(id.to_string()));
    }
    sql.push(")");
}

/// Which of these departments there are.
pub(super) async fn known(cx: &mut Cx, ids: &[DepartmentId]) -> Result<Vec<DepartmentId>, db::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("SELECT id FROM departments WHERE id IN (");
    bind_ids(&mut sql, ids);
    Ok(sql.fetch_all::<(DepartmentId,)>(cx.db()).await?.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn departments_of_staff(
    db: Conn<'_>,
    ids: &[StaffId],
) -> Result<Vec<(StaffId, DepartmentId, String, bool)>, db::Error> {
    let mut sql = Sql::new(
        "SELECT m.staff_id, d.id, d.name, m.notify FROM department_members m JOIN departments d ON d.id = m.department_id
         WHERE m.staff_id IN (",
    );
    bind_ids(&mut sql, ids);
    sql.push(" ORDER BY d.position, d.id");
    sql.fetch_all(db).await
}

pub(super) async fn departments_of_invitations(
    db: Conn<'_>,
    ids: &[InvitationId],
) -> Result<Vec<(InvitationId, DepartmentId, String, bool)>, db::Error> {
    let mut sql = Sql::new(
        "SELECT p.invitation_id, d.id, d.name, p.notify
         FROM invitation_departments p JOIN departments d ON d.id = p.department_id WHERE p.invitation_id IN (",
    );
    bind_ids(&mut sql, ids);
    sql.push(" ORDER BY d.position, d.id");
    sql.fetch_all(db).await
}

pub(super) async fn leave_all(cx: &mut Cx, staff: StaffId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM department_members WHERE staff_id = $1").bind(staff).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Puts people into departments they are not in.
pub(super) async fn join(
    cx: &mut Cx,
    rows: impl IntoIterator<Item = (DepartmentId, StaffId, bool)>,
) -> Result<(), db::Error> {
    let rows = rows.into_iter().map(|(department, staff, notify)| {
        [Arg::Text(department.to_string()), Arg::Text(staff.to_string()), Arg::Bool(notify)]
    });
    let sql = Sql::new("INSERT INTO department_members (department_id, staff_id, notify) VALUES ");
    insert_rows(cx, sql, rows.collect()).await
}

async fn insert_rows(cx: &mut Cx, mut sql: Sql, rows: Vec<[Arg; 3]>) -> Result<(), db::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    for (index, [first, second, third]) in rows.into_iter().enumerate() {
        sql.push(if index == 0 { "(" } else { ", (" });
        sql.bind(first).push(", ").bind(second).push(", ").bind(third).push(")");
    }
    sql.execute(cx.db()).await
}

pub(super) async fn leave(cx: &mut Cx, department: DepartmentId, staff: StaffId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM department_members WHERE department_id = $1 AND staff_id = $2")
            .bind(department).bind(staff).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_notify(
    cx: &mut Cx,
    department: DepartmentId,
    staff: StaffId,
    notify: bool,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE department_members SET notify = $3 WHERE department_id = $1 AND staff_id = $2")
            .bind(department).bind(staff).bind(notify).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn forget_of_invitation(cx: &mut Cx, id: InvitationId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM invitation_departments WHERE invitation_id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Notes down departments that an invitation does not lead to yet.
pub(super) async fn promise(cx: &mut Cx, id: InvitationId, to: &[Membership]) -> Result<(), db::Error> {
    let row =
        |to: &Membership| [Arg::Text(id.to_string()), Arg::Text(to.id.to_string()), Arg::Bool(to.notify)];
    let sql = Sql::new("INSERT INTO invitation_departments (invitation_id, department_id, notify) VALUES ");
    insert_rows(cx, sql, to.iter().map(row).collect()).await
}

/// Leaves alone whatever department they are in already.
pub(super) async fn keep_promise(
    cx: &mut Cx,
    invitation: InvitationId,
    staff: StaffId,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO department_members (department_id, staff_id, notify)
             SELECT department_id, CAST($2 AS TEXT), notify FROM invitation_departments WHERE invitation_id = $1
             ON CONFLICT DO NOTHING",
        )
        .bind(invitation).bind(staff).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Somebody whose being in a department is decided.
#[derive(Clone, Debug)]
pub(super) struct Colleague {
    pub id: StaffId,
    pub username: String,
    pub rights: Rights,
    /// Whether they want its notifications; none if they are not in it.
    pub notify: Option<bool>,
}

#[derive(sqlx::FromRow)]
struct ColleagueRow {
    id: StaffId,
    username: String,
    everything: bool,
    permissions: String,
    notify: Option<bool>,
}

impl From<ColleagueRow> for Colleague {
    fn from(row: ColleagueRow) -> Self {
        let rights = Rights::from_columns(row.everything, &row.permissions);
        Self { id: row.id, username: row.username, rights, notify: row.notify }
    }
}

/// Who is in a department, and those of `others` who are there at all.
pub(super) async fn colleagues(
    cx: &mut Cx,
    department: DepartmentId,
    others: &[MemberEntry],
) -> Result<Vec<Colleague>, db::Error> {
    let mut sql = Sql::new(
        "SELECT s.id, l.username, r.everything, r.permissions, m.notify
         FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id
         LEFT JOIN department_members m ON m.staff_id = s.id AND m.department_id = ",
    );
    sql.bind(Arg::Text(department.to_string())).push(" WHERE m.notify IS NOT NULL");
    if !others.is_empty() {
        sql.push(" OR s.id IN (");
        bind_ids(&mut sql, others.iter().map(|other| other.id));
    }
    sql.push(" ORDER BY s.id");
    Ok(sql.fetch_all::<ColleagueRow>(cx.db()).await?.into_iter().map(Colleague::from).collect())
}

pub(super) fn select_one_member(department: DepartmentId) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM department_members m WHERE m.department_id = ");
    sql.bind(Arg::Text(department.to_string()));
    sql
}

pub(super) async fn members(
    db: Conn<'_>,
    department: DepartmentId,
    request: &PageRequest,
) -> Result<Vec<Member>, db::Error> {
    let mut sql = Sql::new(
        "SELECT l.id, l.username, l.email, l.first_name, l.last_name, l.disabled, m.notify, l.created_at
         FROM department_members m JOIN logins l ON l.id = m.staff_id WHERE m.department_id = ",
    );
    sql.bind(Arg::Text(department.to_string()));
    let columns = PageColumns { pair: "(l.created_at, l.id)", descending: "l.created_at DESC, l.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}
