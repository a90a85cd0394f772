use super::{Account, Filter, Profile, Status};
use crate::{
    cx::{Cx, Reads as _},
    db::{self, Arg, Conn, Sql},
    ids::{AccountGroupId, AccountId, UserId},
    on,
    page::{PageColumns, PageRequest},
};

const SELECT: &str = "SELECT a.id, a.owner_id, a.kind, a.name, a.first_name, a.last_name, a.email, a.phone, a.line1, a.line2,
    a.city, a.region, a.postcode, a.country, a.tax_id, a.currency, a.group_id, g.name AS group_name, a.notes, a.status,
    a.created_at
    FROM accounts a LEFT JOIN account_groups g ON g.id = a.group_id";

const BY_AGE: PageColumns =
    PageColumns { pair: "(a.created_at, a.id)", descending: "a.created_at DESC, a.id DESC" };

pub(super) async fn find(db: Conn<'_>, id: AccountId) -> Result<Option<Account>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE a.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

/// False if there is none.
pub(super) async fn lock(cx: &mut Cx, id: AccountId) -> Result<bool, db::Error> {
    let row: Option<(AccountId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE accounts SET status = status WHERE id = $1 RETURNING id")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn group_exists(cx: &mut Cx, id: AccountGroupId) -> Result<bool, db::Error> {
    // Held, so that it cannot go before this is kept.
    let row: Option<(AccountGroupId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE account_groups SET name = name WHERE id = $1 RETURNING id")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: AccountId,
    owner: UserId,
    of: &Profile,
    group: Option<AccountGroupId>,
    notes: &str,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO accounts (id, owner_id, kind, name, first_name, last_name, email, phone, line1, line2, city, region,
                postcode, country, tax_id, currency, group_id, notes, status, search, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'active', $19, $20)",
        )
        .bind(id).bind(owner).bind(of.kind).bind(&of.name).bind(&of.first_name).bind(&of.last_name).bind(&of.email)
        .bind(&of.phone).bind(&of.line1).bind(&of.line2).bind(&of.city).bind(&of.region).bind(&of.postcode).bind(&of.country)
        .bind(&of.tax_id).bind(&of.currency).bind(group).bind(notes).bind(of.search_text()).bind(now)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn update(cx: &mut Cx, after: &Account) -> Result<(), db::Error> {
    let of = &after.profile;
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE accounts SET kind = $2, name = $3, first_name = $4, last_name = $5, email = $6, phone = $7, line1 = $8,
                line2 = $9, city = $10, region = $11, postcode = $12, country = $13, tax_id = $14, currency = $15,
                group_id = $16, notes = $17, status = $18, search = $19
             WHERE id = $1",
        )
        .bind(after.id).bind(of.kind).bind(&of.name).bind(&of.first_name).bind(&of.last_name).bind(&of.email).bind(&of.phone)
        .bind(&of.line1).bind(&of.line2).bind(&of.city).bind(&of.region).bind(&of.postcode).bind(&of.country).bind(&of.tax_id)
        .bind(&of.currency).bind(after.group_id).bind(&after.notes).bind(after.status).bind(of.search_text())
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_status(cx: &mut Cx, id: AccountId, status: Status) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE accounts SET status = $2 WHERE id = $1").bind(id).bind(status).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_owner(cx: &mut Cx, id: AccountId, owner: UserId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE accounts SET owner_id = $2 WHERE id = $1").bind(id).bind(owner).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delete(cx: &mut Cx, id: AccountId) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("DELETE FROM accounts WHERE id = $1").bind(id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn users_of(db: Conn<'_>, id: AccountId) -> Result<Vec<UserId>, db::Error> {
    let rows: Vec<(UserId,)> = on!(db, conn => {
        sqlx::query_as("SELECT user_id FROM account_users WHERE account_id = $1 ORDER BY user_id")
            .bind(id).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Those who are on no other account.
pub(super) async fn users_of_alone(db: Conn<'_>, id: AccountId) -> Result<Vec<UserId>, db::Error> {
    let rows: Vec<(UserId,)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT m.user_id FROM account_users m WHERE m.account_id = $1 AND NOT EXISTS
                (SELECT 1 FROM account_users o WHERE o.user_id = m.user_id AND o.account_id <> $1) ORDER BY m.user_id",
        )
        .bind(id).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn count_contacts(db: Conn<'_>, id: AccountId) -> Result<i64, db::Error> {
    let (count,): (i64,) = on!(db, conn => {
        sqlx::query_as("SELECT COUNT(*) FROM contacts WHERE account_id = $1").bind(id).fetch_one(conn).await
    })?;
    Ok(count)
}

fn filter(sql: &mut Sql, wanted: &Filter) {
    sql.push(" WHERE a.id IS NOT NULL");
    if let Some(status) = wanted.status {
        sql.push(" AND a.status = ").bind(Arg::Text(status.to_string()));
    }
    if let Some(group) = wanted.group {
        sql.push(" AND a.group_id = ").bind(Arg::Text(group.to_string()));
    }
    if let Some(user) = wanted.user {
        sql.push(" AND EXISTS (SELECT 1 FROM account_users m WHERE m.account_id = a.id AND m.user_id = ");
        sql.bind(Arg::Text(user.to_string())).push(")");
    }
    for pattern in wanted.patterns() {
        sql.push(" AND a.search LIKE ").bind(Arg::Text(pattern)).push(" ESCAPE '!'");
    }
}

pub(super) fn select_one(wanted: &Filter) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM accounts a");
    filter(&mut sql, wanted);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    wanted: &Filter,
    request: &PageRequest,
) -> Result<Vec<Account>, db::Error> {
    let mut sql = Sql::new(SELECT);
    filter(&mut sql, wanted);
    request.finish(&mut sql, BY_AGE);
    sql.fetch_all(db).await
}
