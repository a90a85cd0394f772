use super::{Rights, Role};
use crate::{
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
    created_at: Timestamp,
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        let rights = Rights::from_columns(row.everything, &row.permissions);
        Self { id: row.id, name: row.name, rights, created_at: row.created_at }
    }
}

pub(super) async fn find(db: Conn<'_>, id: RoleId) -> Result<Option<Role>, db::Error> {
    let row: Option<Row> = on!(db, conn => {
        sqlx::query_as("SELECT id, name, everything, permissions, created_at FROM roles WHERE id = $1")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(Role::from))
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM roles")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<Role>, db::Error> {
    let mut sql = Sql::new("SELECT id, name, everything, permissions, created_at FROM roles WHERE TRUE");
    request
        .finish(&mut sql, PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" });
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(Role::from).collect())
}
