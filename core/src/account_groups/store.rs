use const_format::concatcp;

use super::AccountGroup;
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn, Sql},
    ids::AccountGroupId,
    invalid::fold,
    on,
    page::{PageColumns, PageRequest},
};

const SELECT: &str = "SELECT g.id, g.name, g.colour, g.created_at,
    (SELECT COUNT(*) FROM accounts a WHERE a.group_id = g.id) AS account_count FROM account_groups g";

pub(super) async fn find(db: Conn<'_>, id: AccountGroupId) -> Result<Option<AccountGroup>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " WHERE g.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM account_groups")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<AccountGroup>, db::Error> {
    let mut sql = Sql::new(concatcp!(SELECT, " WHERE TRUE"));
    let columns = PageColumns { pair: "(g.created_at, g.id)", descending: "g.created_at DESC, g.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}

/// Holds a group's row until the transaction ends.
pub(super) async fn lock(cx: &mut Cx, id: AccountGroupId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE account_groups SET name = name WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if the name is taken.
pub(super) async fn insert(cx: &mut Cx, group: &AccountGroup) -> Result<bool, db::Error> {
    let row: Option<(AccountGroupId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO account_groups (id, name, name_folded, colour, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(group.id).bind(&group.name).bind(fold(&group.name)).bind(&group.colour).bind(group.created_at)
        .fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if the name is taken.
pub(super) async fn update(cx: &mut Cx, after: &AccountGroup) -> Result<bool, db::Error> {
    let done = on!(cx.db(), conn => {
        sqlx::query("UPDATE account_groups SET name = $2, name_folded = $3, colour = $4 WHERE id = $1")
            .bind(after.id).bind(&after.name).bind(fold(&after.name)).bind(&after.colour)
            .execute(conn).await.map(|_| ())
    });
    db::unless_taken(done)
}

/// What it was called, if it was there.
pub(super) async fn delete(cx: &mut Cx, id: AccountGroupId) -> Result<Option<String>, db::Error> {
    let row: Option<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM account_groups WHERE id = $1 RETURNING name").bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(|(name,)| name))
}
