use super::{EmailClass, Rights, Role};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::RoleId,
    invalid::fold,
    on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: RoleId,
    name: String,
    everything: bool,
    permissions: String,
    email_classes: String,
    second_factor_required: bool,
    created_at: Timestamp,
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        let rights = Rights::from_columns(row.everything, &row.permissions);
        Self {
            id: row.id,
            name: row.name,
            rights,
            email_classes: row.email_classes.split(' ').filter_map(EmailClass::parse).collect(),
            second_factor_required: row.second_factor_required,
            created_at: row.created_at,
        }
    }
}

pub(super) async fn find(db: Conn<'_>, id: RoleId) -> Result<Option<Role>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as("SELECT id, name, everything, permissions, email_classes, second_factor_required, created_at FROM roles WHERE id = $1")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(Role::from))
}

pub(super) async fn find_by_name(db: Conn<'_>, folded: &str) -> Result<Option<Role>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as(
            "SELECT id, name, everything, permissions, email_classes, second_factor_required, created_at FROM roles WHERE name_folded = $1",
        )
        .bind(folded).fetch_optional(conn).await
    })?;
    Ok(row.map(Role::from))
}

pub(super) async fn lock(cx: &mut Cx, id: RoleId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE roles SET everything = everything WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if the name is taken.
pub(super) async fn insert(cx: &mut Cx, role: &Role) -> Result<bool, db::Error> {
    let row: Option<(RoleId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO roles (id, name, name_folded, everything, permissions, email_classes, second_factor_required, created_at)
             VALUES ($1, $2, $3, FALSE, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(role.id).bind(&role.name).bind(fold(&role.name)).bind(role.rights.permissions.to_words())
        .bind(words(&role.email_classes)).bind(role.second_factor_required).bind(role.created_at)
        .fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if the name is taken. What the full role permits is left as it is.
pub(super) async fn update(cx: &mut Cx, role: &Role) -> Result<bool, db::Error> {
    let done = on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE roles SET name = $2, name_folded = $3, permissions = CASE WHEN everything THEN permissions ELSE $4 END,
                email_classes = $5, second_factor_required = $6 WHERE id = $1",
        )
        .bind(role.id).bind(&role.name).bind(fold(&role.name)).bind(role.rights.permissions.to_words())
        .bind(words(&role.email_classes)).bind(role.second_factor_required)
        .execute(conn).await.map(|_| ())
    });
    db::unless_taken(done)
}

pub(super) async fn delete(cx: &mut Cx, id: RoleId) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("DELETE FROM roles WHERE id = $1").bind(id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

fn words(classes: &[EmailClass]) -> String {
    classes.iter().map(|class| class.as_str()).collect::<Vec<_>>().join(" ")
}

fn one_of(sql: &mut Sql, ids: &[RoleId]) {
    sql.push(" IN (''");
    for id in ids {
        sql.push(", ").bind(Arg::Text(id.to_string()));
    }
    sql.push(")");
}

/// Role, state and how many: `active`, `disabled`, `pending`.
pub(super) async fn members(db: Conn<'_>, ids: &[RoleId]) -> Result<Vec<(RoleId, String, i64)>, db::Error> {
    let mut sql = Sql::new(
        "SELECT s.role_id, CASE WHEN l.disabled THEN 'disabled' ELSE 'active' END AS state, COUNT(*)
         FROM staff s JOIN logins l ON l.id = s.id WHERE s.role_id",
    );
    one_of(&mut sql, ids);
    sql.push(
        " GROUP BY s.role_id, state UNION ALL
         SELECT p.role_id, 'pending', COUNT(*) FROM staff_invitations p JOIN invitations i ON i.id = p.invitation_id
         WHERE i.email IS NOT NULL AND i.accepted_at IS NULL AND i.cancelled_at IS NULL AND p.role_id",
    );
    one_of(&mut sql, ids);
    sql.push(" GROUP BY p.role_id");
    sql.fetch_all(db).await
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM roles")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<Role>, db::Error> {
    let mut sql = Sql::new(
        "SELECT id, name, everything, permissions, email_classes, second_factor_required, created_at FROM roles WHERE TRUE",
    );
    request
        .finish(&mut sql, PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" });
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(Role::from).collect())
}
