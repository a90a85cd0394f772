use const_format::concatcp;

use super::{CustomField, Kind};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{AccountId, CustomFieldId},
    on,
    page::{AscendingColumns, PageRequest},
    time::Timestamp,
};

const SELECT: &str =
    "SELECT id, slug, name, description, kind, options, required, staff_only, position, created_at
    FROM custom_fields";
const IN_ORDER: AscendingColumns = AscendingColumns { pair: "(position, id)", ascending: "position, id" };

#[derive(sqlx::FromRow)]
struct Row {
    id: CustomFieldId,
    slug: String,
    name: String,
    description: String,
    kind: Kind,
    options: String,
    required: bool,
    staff_only: bool,
    position: i64,
    created_at: Timestamp,
}

impl From<Row> for CustomField {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            description: row.description,
            kind: row.kind,
            options: serde_json::from_str(&row.options).unwrap_or_default(),
            required: row.required,
            staff_only: row.staff_only,
            position: row.position,
            created_at: row.created_at,
        }
    }
}

/// Holds everything about custom fields until the transaction ends.
pub(super) async fn lock(cx: &mut Cx) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("UPDATE custom_field_lock SET slot = 1").execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn find(cx: &mut Cx, id: CustomFieldId) -> Result<Option<CustomField>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " WHERE id = $1");
    let row: Option<Row> = on!(cx.db(), conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(CustomField::from))
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM custom_fields")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<CustomField>, db::Error> {
    let mut sql = Sql::new(concatcp!(SELECT, " WHERE TRUE"));
    request.finish_ascending(&mut sql, IN_ORDER);
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(CustomField::from).collect())
}

/// All of them.
pub(super) async fn in_order(db: Conn<'_>) -> Result<Vec<CustomField>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " ORDER BY ", IN_ORDER.ascending);
    let rows: Vec<Row> = on!(db, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(CustomField::from).collect())
}

pub(super) async fn insert(cx: &mut Cx, new: &CustomField) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO custom_fields (id, slug, name, description, kind, options, required, staff_only, position, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id).bind(&new.slug).bind(&new.name).bind(&new.description).bind(new.kind)
        .bind(as_json(&new.options)).bind(new.required).bind(new.staff_only).bind(new.position).bind(new.created_at)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn update(cx: &mut Cx, after: &CustomField) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE custom_fields SET name = $2, description = $3, options = $4, required = $5, staff_only = $6
             WHERE id = $1",
        )
        .bind(after.id).bind(&after.name).bind(&after.description).bind(as_json(&after.options))
        .bind(after.required).bind(after.staff_only).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

fn as_json(options: &[String]) -> String {
    serde_json::json!(options).to_string()
}

pub(super) async fn set_position(cx: &mut Cx, after: &CustomField) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE custom_fields SET position = $2 WHERE id = $1")
            .bind(after.id).bind(after.position).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Those behind it move up, so that places stay without a gap.
pub(super) async fn delete(cx: &mut Cx, field: &CustomField) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM custom_fields WHERE id = $1").bind(field.id).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("UPDATE custom_fields SET position = position - 1 WHERE position > $1")
            .bind(field.position).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Account, slug and value, in the order of the fields.
pub(super) async fn values_of_accounts(
    db: Conn<'_>,
    ids: &[AccountId],
    with_staff_only: bool,
) -> Result<Vec<(AccountId, String, String)>, db::Error> {
    let mut sql = Sql::new(
        "SELECT v.account_id, f.slug, v.value FROM custom_field_values v JOIN custom_fields f ON f.id = v.field_id
         WHERE v.account_id IN (",
    );
    for (index, id) in ids.iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " }).bind(Arg::Text(id.to_string()));
    }
    sql.push(if with_staff_only { ")" } else { ") AND NOT f.staff_only" });
    sql.push(" ORDER BY f.position, f.id");
    sql.fetch_all(db).await
}

pub(super) async fn values_of_account(
    cx: &mut Cx,
    account: AccountId,
) -> Result<Vec<(CustomFieldId, String)>, db::Error> {
    Ok(on!(cx.db(), conn => {
        sqlx::query_as("SELECT field_id, value FROM custom_field_values WHERE account_id = $1")
            .bind(account).fetch_all(conn).await
    })?)
}

pub(super) async fn set_value(
    cx: &mut Cx,
    account: AccountId,
    field: CustomFieldId,
    value: &str,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO custom_field_values (account_id, field_id, value) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, field_id) DO UPDATE SET value = excluded.value",
        )
        .bind(account).bind(field).bind(value).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn clear_value(
    cx: &mut Cx,
    account: AccountId,
    field: CustomFieldId,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM custom_field_values WHERE account_id = $1 AND field_id = $2")
            .bind(account).bind(field).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
