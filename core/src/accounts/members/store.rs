use super::{AccountUser, Membership};
use crate::{
    accounts::{AccountPermissions, Status},
    cx::{Cx, Reads as _},
    db::{self, Arg, Conn, Sql},
    ids::{AccountId, UserId},
    on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

const SELECT: &str =
    "SELECT l.id, l.email, l.email_verified, l.first_name, l.last_name, l.disabled, a.owner_id, m.everything,
    m.permissions, m.created_at AS since, l.last_login_at
    FROM account_users m JOIN accounts a ON a.id = m.account_id JOIN logins l ON l.id = m.user_id";

const BY_AGE: PageColumns =
    PageColumns { pair: "(m.created_at, m.user_id)", descending: "m.created_at DESC, m.user_id DESC" };

#[derive(sqlx::FromRow)]
struct Row {
    id: UserId,
    email: String,
    email_verified: bool,
    first_name: String,
    last_name: String,
    disabled: bool,
    owner_id: UserId,
    everything: bool,
    permissions: String,
    since: Timestamp,
    last_login_at: Option<Timestamp>,
}

impl From<Row> for AccountUser {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            email_verified: row.email_verified,
            first_name: row.first_name,
            last_name: row.last_name,
            disabled: row.disabled,
            is_owner: row.owner_id == row.id,
            permissions: AccountPermissions::from_columns(row.everything, &row.permissions),
            since: row.since,
            last_login_at: row.last_login_at,
        }
    }
}

pub(super) async fn find(
    db: Conn<'_>,
    account: AccountId,
    user: UserId,
) -> Result<Option<AccountUser>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE m.account_id = $1 AND m.user_id = $2");
    let row: Option<Row> =
        on!(db, conn => sqlx::query_as(SQL).bind(account).bind(user).fetch_optional(conn).await)?;
    Ok(row.map(AccountUser::from))
}

pub(super) fn select_one(account: AccountId) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM account_users m WHERE m.account_id = ");
    sql.bind(Arg::Text(account.to_string()));
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    account: AccountId,
    request: &PageRequest,
) -> Result<Vec<AccountUser>, db::Error> {
    let mut sql = Sql::new(SELECT);
    sql.push(" WHERE m.account_id = ").bind(Arg::Text(account.to_string()));
    request.finish(&mut sql, BY_AGE);
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(AccountUser::from).collect())
}

#[derive(sqlx::FromRow)]
struct OwnRow {
    account_id: AccountId,
    name: String,
    status: Status,
    owner_id: UserId,
    everything: bool,
    permissions: String,
    since: Timestamp,
}

pub(super) async fn of_user(db: Conn<'_>, user: UserId) -> Result<Vec<Membership>, db::Error> {
    let rows: Vec<OwnRow> = on!(db, conn => {
        sqlx::query_as(
            "SELECT m.account_id, a.name, a.status, a.owner_id, m.everything, m.permissions, m.created_at AS since
             FROM account_users m JOIN accounts a ON a.id = m.account_id WHERE m.user_id = $1
             ORDER BY m.created_at, m.account_id",
        )
        .bind(user).fetch_all(conn).await
    })?;
    let membership = |row: OwnRow| Membership {
        account: row.account_id,
        name: row.name,
        status: row.status,
        is_owner: row.owner_id == user,
        permissions: AccountPermissions::from_columns(row.everything, &row.permissions),
        since: row.since,
    };
    Ok(rows.into_iter().map(membership).collect())
}

pub(super) async fn permissions(
    db: Conn<'_>,
    account: AccountId,
    user: UserId,
) -> Result<AccountPermissions, db::Error> {
    let row: Option<(bool, String)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT m.everything, m.permissions
             FROM account_users m JOIN accounts a ON a.id = m.account_id JOIN logins l ON l.id = m.user_id
             WHERE m.account_id = $1 AND m.user_id = $2 AND a.status <> 'closed' AND NOT l.disabled",
        )
        .bind(account).bind(user).fetch_optional(conn).await
    })?;
    Ok(row.map_or(AccountPermissions::NONE, |(everything, words)| {
        AccountPermissions::from_columns(everything, &words)
    }))
}

/// False if they are on it.
pub(super) async fn insert(
    cx: &mut Cx,
    account: AccountId,
    user: UserId,
    permissions: AccountPermissions,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(UserId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO account_users (account_id, user_id, everything, permissions, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING user_id",
        )
        .bind(account).bind(user).bind(permissions.is_everything()).bind(permissions.to_words()).bind(now)
        .fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn set_permissions(
    cx: &mut Cx,
    account: AccountId,
    user: UserId,
    permissions: AccountPermissions,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE account_users SET everything = $3, permissions = $4 WHERE account_id = $1 AND user_id = $2")
            .bind(account).bind(user).bind(permissions.is_everything()).bind(permissions.to_words())
            .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delete(cx: &mut Cx, account: AccountId, user: UserId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM account_users WHERE account_id = $1 AND user_id = $2")
            .bind(account).bind(user).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
