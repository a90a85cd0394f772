use super::{Authenticated, Client, Listed, OnAccount, Pending, State};
use crate::{
    accounts::AccountPermissions,
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{AccountId, LoginId, RoleId, SessionId, UserId},
    logins::{Audience, Login},
    on,
    page::{PageColumns, PageRequest},
    roles::{PermissionSet, Rights},
    secret::TokenHash,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct Row {
    id: SessionId,
    login_id: LoginId,
    pending: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    pub(super) expires_at: Timestamp,
    confirmed_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct StaffRow {
    #[sqlx(flatten)]
    session: Row,
    role_id: RoleId,
    records_per_page: Option<i64>,
    everything: bool,
    permissions: String,
}

/// Everything a request needs to know of its caller in one look-up, so that what changes holds on the next request.
const STAFFS: &str =
    "SELECT e.id, e.login_id, e.pending, s.role_id, s.records_per_page, r.everything, r.permissions, e.created_at,
        e.last_seen_at, e.expires_at, e.confirmed_at
     FROM sessions e JOIN logins l ON l.id = e.login_id JOIN staff s ON s.id = l.id JOIN roles r ON r.id = s.role_id
     WHERE e.audience = 'staff' AND e.state <> 'challenge' AND NOT l.disabled";

/// A session as its row has it: whether it still lives is not looked at yet.
pub(super) struct Found {
    pub(super) session: Authenticated,
    /// The admin's session that it ends with.
    pub(super) opened_by: Option<SessionId>,
}

#[derive(sqlx::FromRow)]
struct UserRow {
    #[sqlx(flatten)]
    session: Row,
    opened_by: Option<SessionId>,
    bound_to: Option<AccountId>,
    account_id: Option<AccountId>,
    owner_id: Option<UserId>,
    everything: Option<bool>,
    permissions: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NamedRow {
    #[sqlx(flatten)]
    user: UserRow,
    #[sqlx(flatten)]
    names: Names,
}

/// Whom a session belongs to.
#[derive(sqlx::FromRow)]
pub(super) struct Names {
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) language: String,
}

/// The same for users: an account counts as long as they are on it and it is open.
const USERS: &str = const_format::concatcp!("SELECT ", USERS_COLUMNS, USERS_ROWS);
const USERS_COLUMNS: &str =
    "e.id, e.login_id, e.pending, e.created_at, e.last_seen_at, e.expires_at, e.confirmed_at, e.opened_by,
        e.account_id AS bound_to, m.account_id, a.owner_id, m.everything, m.permissions";
const USERS_ROWS: &str = "
     FROM sessions e JOIN logins l ON l.id = e.login_id
     LEFT JOIN accounts a ON a.id = e.account_id AND a.status <> 'closed'
     LEFT JOIN account_users m ON m.account_id = a.id AND m.user_id = e.login_id
     WHERE e.audience = 'user' AND e.state <> 'challenge' AND NOT l.disabled";

impl UserRow {
    fn found(self) -> Found {
        let none = Rights { everything: false, permissions: PermissionSet::NONE };
        let user = self.session.login_id.of_user();
        let account = self.account_id.map(|account| OnAccount {
            account,
            is_owner: self.owner_id == Some(user),
            permissions: AccountPermissions::from_columns(
                self.everything.unwrap_or_default(),
                self.permissions.as_deref().unwrap_or_default(),
            ),
        });
        let lost_account = account.is_none() && self.bound_to.is_some();
        let session =
            Authenticated { account, lost_account, ..authenticated(self.session, Audience::User, none) };
        Found { session, opened_by: self.opened_by }
    }
}

impl StaffRow {
    fn found(self) -> Found {
        Found { session: self.authenticated(), opened_by: None }
    }

    fn authenticated(self) -> Authenticated {
        let rights = Rights::from_columns(self.everything, &self.permissions);
        let (role, records_per_page) = (Some(self.role_id), self.records_per_page);
        Authenticated { role, records_per_page, ..authenticated(self.session, Audience::Staff, rights) }
    }
}

fn authenticated(row: Row, audience: Audience, rights: Rights) -> Authenticated {
    Authenticated {
        role: None,
        records_per_page: None,
        account: None,
        lost_account: false,
        opened_by: None,
        session: row.id,
        audience,
        login: row.login_id,
        rights,
        pending: row.pending.split(' ').filter_map(Pending::parse).collect(),
        started_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        confirmed_at: row.confirmed_at,
    }
}

pub(super) async fn find_staffs(db: Conn<'_>, token: &TokenHash) -> Result<Option<Found>, db::Error> {
    const SQL: &str = const_format::concatcp!(STAFFS, " AND e.token_hash = $1");
    let row: Option<StaffRow> = on!(db, conn => sqlx::query_as(SQL).bind(token).fetch_optional(conn).await)?;
    Ok(row.map(StaffRow::found))
}

pub(super) async fn find_staffs_by_id(db: Conn<'_>, id: SessionId) -> Result<Option<Found>, db::Error> {
    const SQL: &str = const_format::concatcp!(STAFFS, " AND e.id = $1");
    let row: Option<StaffRow> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(StaffRow::found))
}

pub(super) async fn find_users(db: Conn<'_>, token: &TokenHash) -> Result<Option<Found>, db::Error> {
    const SQL: &str = const_format::concatcp!(USERS, " AND e.token_hash = $1");
    let row: Option<UserRow> = on!(db, conn => sqlx::query_as(SQL).bind(token).fetch_optional(conn).await)?;
    Ok(row.map(UserRow::found))
}

/// Together with whom it belongs to, in the same look-up.
pub(super) async fn find_users_with_names(
    db: Conn<'_>,
    token: &TokenHash,
) -> Result<Option<(Found, Names)>, db::Error> {
    const SQL: &str = const_format::concatcp!(
        "SELECT l.email, l.email_verified, l.first_name, l.last_name, l.language, ",
        USERS_COLUMNS,
        USERS_ROWS,
        " AND e.token_hash = $1"
    );
    let row: Option<NamedRow> = on!(db, conn => sqlx::query_as(SQL).bind(token).fetch_optional(conn).await)?;
    Ok(row.map(|row| (row.user.found(), row.names)))
}

pub(super) async fn find_users_by_id(db: Conn<'_>, id: SessionId) -> Result<Option<Found>, db::Error> {
    const SQL: &str = const_format::concatcp!(USERS, " AND e.id = $1");
    let row: Option<UserRow> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(UserRow::found))
}

/// The one account that a user can act for, if there is exactly one.
pub(super) async fn only_account(cx: &mut Cx, user: UserId) -> Result<Option<AccountId>, db::Error> {
    let rows: Vec<(AccountId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT m.account_id FROM account_users m JOIN accounts a ON a.id = m.account_id
             WHERE m.user_id = $1 AND a.status <> 'closed' LIMIT 2",
        )
        .bind(user).fetch_all(conn).await
    })?;
    Ok(match rows.as_slice() {
        [(account,)] => Some(*account),
        _ => None,
    })
}

pub(super) async fn set_account(cx: &mut Cx, id: SessionId, account: AccountId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE sessions SET account_id = $2 WHERE id = $1").bind(id).bind(account)
            .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn find_challenge(
    db: Conn<'_>,
    audience: Audience,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<(SessionId, LoginId)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT e.id, e.login_id FROM sessions e JOIN logins l ON l.id = e.login_id
             WHERE e.token_hash = $1 AND e.audience = $2 AND e.state = 'challenge' AND e.expires_at > $3 AND NOT l.disabled",
        )
        .bind(token).bind(audience).bind(now).fetch_optional(conn).await
    })?)
}

fn words(pending: &[Pending]) -> String {
    pending.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
}

/// A session that is to be.
pub(super) struct New<'a> {
    pub(super) login: &'a Login,
    pub(super) state: State,
    pub(super) pending: &'a [Pending],
    pub(super) expires_at: Timestamp,
    pub(super) client: &'a Client,
    pub(super) account: Option<AccountId>,
    pub(super) opened_by: Option<SessionId>,
}

impl<'a> New<'a> {
    pub(super) fn of(login: &'a Login, state: State, expires_at: Timestamp, client: &'a Client) -> Self {
        Self { login, state, pending: &[], expires_at, client, account: None, opened_by: None }
    }
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: SessionId,
    token: &TokenHash,
    new: New<'_>,
) -> Result<(), db::Error> {
    let now = cx.now();
    let address = new.client.address.map(|address| address.to_string());
    // Whoever opened a session as somebody else has not given that one's password.
    let confirmed_at = if new.opened_by.is_some() { Timestamp::from_millis(0) } else { now };
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO sessions (id, token_hash, audience, state, pending, login_id, created_at, last_seen_at, expires_at,
                confirmed_at, address, client, account_id, opened_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id).bind(token).bind(new.login.audience).bind(new.state).bind(words(new.pending)).bind(new.login.id).bind(now)
        .bind(new.expires_at).bind(confirmed_at).bind(address).bind(new.client.short_name()).bind(new.account)
        .bind(new.opened_by)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn spend_challenge(cx: &mut Cx, id: SessionId) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE id = $1 AND state = 'challenge' AND expires_at > $2 RETURNING id")
            .bind(id).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn renew(
    cx: &mut Cx,
    id: SessionId,
    old: &TokenHash,
    new: &TokenHash,
    state: State,
    pending: &[Pending],
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE sessions SET token_hash = $3, state = $4, pending = $5, last_seen_at = $6
             WHERE id = $1 AND token_hash = $2 AND state <> 'challenge' RETURNING id",
        )
        .bind(id).bind(old).bind(new).bind(state).bind(words(pending)).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn confirm(cx: &mut Cx, id: SessionId) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("UPDATE sessions SET confirmed_at = $2 WHERE id = $1").bind(id).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

fn live(sql: &mut Sql, login: LoginId, now: Timestamp, idle_since: Timestamp) {
    sql.push(" FROM sessions WHERE state <> 'challenge' AND login_id = ").bind(Arg::Text(login.to_string()));
    sql.push(" AND expires_at > ").bind(Arg::Int(now.as_millis()));
    sql.push(" AND last_seen_at > ").bind(Arg::Int(idle_since.as_millis()));
}

pub(super) fn select_one(login: LoginId, now: Timestamp, idle_since: Timestamp) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT)");
    live(&mut sql, login, now, idle_since);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    login: LoginId,
    now: Timestamp,
    idle_since: Timestamp,
    request: &PageRequest,
) -> Result<Vec<Listed>, db::Error> {
    let mut sql = Sql::new("SELECT id, created_at, last_seen_at, expires_at, address, client");
    live(&mut sql, login, now, idle_since);
    request.finish(
        &mut sql,
        PageColumns { pair: "(last_seen_at, id)", descending: "last_seen_at DESC, id DESC" },
    );
    sql.fetch_all(db).await
}

pub(super) async fn delete(cx: &mut Cx, login: LoginId, id: SessionId) -> Result<bool, db::Error> {
    let row: Option<(SessionId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE id = $1 AND login_id = $2 AND state <> 'challenge' RETURNING id")
            .bind(id).bind(login).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// Those that were no challenges are answered.
pub(super) async fn delete_all(
    cx: &mut Cx,
    login: LoginId,
    keep: Option<SessionId>,
) -> Result<Vec<SessionId>, db::Error> {
    let keep = keep.map_or_else(String::new, |id| id.to_string());
    let rows: Vec<(SessionId, State)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM sessions WHERE login_id = $1 AND id <> $2 RETURNING id, state")
            .bind(login).bind(keep).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().filter(|(_, state)| *state != State::Challenge).map(|(id, _)| id).collect())
}

/// One statement for up to 500 sessions.
pub(super) async fn write_seen(cx: &mut Cx, seen: &[(SessionId, Timestamp)]) -> Result<(), db::Error> {
    for part in seen.chunks(500) {
        let mut sql = Sql::new("WITH seen (id, at) AS (VALUES ");
        for (index, (id, at)) in part.iter().enumerate() {
            sql.push(if index == 0 { "(CAST(" } else { ", (CAST(" }).bind(Arg::Text(id.to_string()));
            sql.push(" AS TEXT), CAST(").bind(Arg::Int(at.as_millis())).push(" AS BIGINT))");
        }
        sql.push(
            ") UPDATE sessions SET last_seen_at = seen.at FROM seen
              WHERE sessions.id = seen.id AND sessions.last_seen_at < seen.at",
        );
        sql.execute(cx.db()).await?;
    }
    Ok(())
}

pub(super) async fn delete_over(
    cx: &mut Cx,
    audience: Audience,
    idle_since: Timestamp,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM sessions WHERE audience = $3 AND (expires_at <= $1 OR last_seen_at <= $2)")
            .bind(now).bind(idle_since).bind(audience).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
