use const_format::concatcp;

use super::{Contact, EmailPreference};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{AccountId, ContactId},
    invalid::fold,
    on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

const SELECT: &str =
    "SELECT id, account_id, first_name, last_name, company_name, email, phone, emails, created_at
    FROM contacts WHERE account_id = ";

#[derive(sqlx::FromRow)]
struct Row {
    id: ContactId,
    account_id: AccountId,
    first_name: String,
    last_name: String,
    company_name: String,
    email: String,
    phone: String,
    emails: String,
    created_at: Timestamp,
}

impl From<Row> for Contact {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            account_id: row.account_id,
            first_name: row.first_name,
            last_name: row.last_name,
            company_name: row.company_name,
            email: row.email,
            phone: row.phone,
            emails: row.emails.split(' ').filter_map(EmailPreference::parse).collect(),
            created_at: row.created_at,
        }
    }
}

fn words(emails: &[EmailPreference]) -> String {
    emails.iter().map(|email| email.as_str()).collect::<Vec<_>>().join(" ")
}

/// Holds the account's row until the transaction ends. False if there is none.
pub(super) async fn lock_account(cx: &mut Cx, id: AccountId) -> Result<bool, db::Error> {
    let row: Option<(AccountId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE accounts SET status = status WHERE id = $1 RETURNING id")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn account_exists(db: Conn<'_>, id: AccountId) -> Result<bool, db::Error> {
    let row: Option<(AccountId,)> = on!(db, conn => {
        sqlx::query_as("SELECT id FROM accounts WHERE id = $1").bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn find(
    db: Conn<'_>,
    account: AccountId,
    id: ContactId,
) -> Result<Option<Contact>, db::Error> {
    const SQL: &str = concatcp!(SELECT, "$1 AND id = $2");
    let row: Option<Row> =
        on!(db, conn => sqlx::query_as(SQL).bind(account).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(Contact::from))
}

pub(super) async fn count(cx: &mut Cx, account: AccountId) -> Result<i64, db::Error> {
    let (count,): (i64,) = on!(cx.db(), conn => {
        sqlx::query_as("SELECT COUNT(*) FROM contacts WHERE account_id = $1").bind(account).fetch_one(conn).await
    })?;
    Ok(count)
}

pub(super) fn select_one(account: AccountId) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM contacts WHERE account_id = ");
    sql.bind(Arg::Text(account.to_string()));
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    account: AccountId,
    request: &PageRequest,
) -> Result<Vec<Contact>, db::Error> {
    let mut sql = Sql::new(SELECT);
    sql.bind(Arg::Text(account.to_string()));
    request
        .finish(&mut sql, PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" });
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(Contact::from).collect())
}

pub(super) async fn insert(cx: &mut Cx, new: &Contact) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO contacts (id, account_id, first_name, last_name, company_name, email, email_folded, phone, emails,
                created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id).bind(new.account_id).bind(&new.first_name).bind(&new.last_name).bind(&new.company_name)
        .bind(&new.email).bind(fold(&new.email)).bind(&new.phone).bind(words(&new.emails)).bind(new.created_at)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn update(cx: &mut Cx, after: &Contact) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE contacts SET first_name = $2, last_name = $3, company_name = $4, email = $5, email_folded = $6,
                phone = $7, emails = $8 WHERE id = $1",
        )
        .bind(after.id).bind(&after.first_name).bind(&after.last_name).bind(&after.company_name).bind(&after.email)
        .bind(fold(&after.email)).bind(&after.phone).bind(words(&after.emails)).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// The address of the one that was deleted.
pub(super) async fn delete(
    cx: &mut Cx,
    account: AccountId,
    id: ContactId,
) -> Result<Option<String>, db::Error> {
    let row: Option<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM contacts WHERE account_id = $1 AND id = $2 RETURNING email")
            .bind(account).bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(|(email,)| email))
}
