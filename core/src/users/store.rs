use super::{Filter, State, User};
use crate::{
    cx::{Cx, Reads as _},
    db::{self, Arg, Conn, Sql},
    ids::UserId,
    on,
    page::{PageColumns, PageRequest},
};

const SELECT: &str = "SELECT l.id, l.email, l.email_verified, l.first_name, l.last_name, l.language,
    l.password_hash IS NOT NULL AS has_password, l.must_change_password,
    (EXISTS (SELECT 1 FROM totp t WHERE t.login_id = l.id)
        OR EXISTS (SELECT 1 FROM security_keys k WHERE k.login_id = l.id)) AS has_second_factor,
    u.question_id, l.disabled, l.last_login_at, l.created_at
    FROM logins l JOIN users u ON u.id = l.id";

const BY_AGE: PageColumns =
    PageColumns { pair: "(l.created_at, l.id)", descending: "l.created_at DESC, l.id DESC" };

pub(super) async fn find(db: Conn<'_>, id: UserId) -> Result<Option<User>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE l.id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn insert(cx: &mut Cx, id: UserId) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("INSERT INTO users (id) VALUES ($1)").bind(id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn is_on_an_account(cx: &mut Cx, id: UserId) -> Result<bool, db::Error> {
    let row: Option<(UserId,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT user_id FROM account_users WHERE user_id = $1 LIMIT 1")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

fn filter(sql: &mut Sql, wanted: &Filter) {
    sql.push(" WHERE l.audience = 'user'");
    match wanted.state {
        Some(State::Active) => sql.push(" AND NOT l.disabled"),
        Some(State::Disabled) => sql.push(" AND l.disabled"),
        None => sql,
    };
    if let Some(account) = wanted.account {
        sql.push(" AND EXISTS (SELECT 1 FROM account_users m WHERE m.user_id = l.id AND m.account_id = ");
        sql.bind(Arg::Text(account.to_string())).push(")");
    }
    for pattern in wanted.patterns() {
        sql.push(" AND l.search LIKE ").bind(Arg::Text(pattern)).push(" ESCAPE '!'");
    }
}

pub(super) fn select_one(wanted: &Filter) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM logins l");
    filter(&mut sql, wanted);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    wanted: &Filter,
    request: &PageRequest,
) -> Result<Vec<User>, db::Error> {
    let mut sql = Sql::new(SELECT);
    filter(&mut sql, wanted);
    request.finish(&mut sql, BY_AGE);
    sql.fetch_all(db).await
}
