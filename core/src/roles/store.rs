use super::{Rights, Role};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn, Sql},
    ids::RoleId,
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
            second_factor_required: row.second_factor_required,
            created_at: row.created_at,
        }
    }
}

pub(super) async fn find(db: Conn<'_>, id: RoleId) -> Result<Option<Role>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as("SELECT id, name, everything, permissions, second_factor_required, created_at FROM roles WHERE id = $1")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(Role::from))
}

pub(super) async fn find_by_name(db: Conn<'_>, folded: &str) -> Result<Option<Role>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as(
            "SELECT id, name, everything, permissions, second_factor_required, created_at FROM roles WHERE name_folded = $1",
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

/// False if it was so before.
pub(super) async fn require_second_factor(
    cx: &mut Cx,
    id: RoleId,
    required: bool,
) -> Result<bool, db::Error> {
    let row: Option<(RoleId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE roles SET second_factor_required = $2 WHERE id = $1 AND second_factor_required <> $2 RETURNING id",
        )
        .bind(id).bind(required).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM roles")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<Role>, db::Error> {
    let mut sql = Sql::new(
        "SELECT id, name, everything, permissions, second_factor_required, created_at FROM roles WHERE TRUE",
    );
    request
        .finish(&mut sql, PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" });
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(Role::from).collect())
}
