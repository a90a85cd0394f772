use super::{AccountInvitation, Inviter};
use crate::{
    accounts::{self, AccountPermissions},
    cx::{Cx, Reads as _},
    db::{self, Arg, Conn, Sql},
    ids::{AccountId, InvitationId, StaffId, UserId},
    invitations::{Dates, Status},
    on,
    page::{PageColumns, PageRequest},
    roles::{Permission, Rights},
    time::Timestamp,
};

const SELECT: &str = "SELECT i.id, i.email, i.language, p.account_id, a.name AS account_name, a.status AS account_status,
    a.owner_id, p.everything, p.permissions, i.invited_by, p.invited_by_user, i.created_at, i.sent_at, i.expires_at,
    i.accepted_at, i.cancelled_at, p.user_id, v.disabled AS staff_disabled, vr.everything AS staff_everything,
    vr.permissions AS staff_permissions, u.disabled AS user_disabled
    FROM account_invitations p JOIN invitations i ON i.id = p.invitation_id JOIN accounts a ON a.id = p.account_id
    LEFT JOIN logins v ON v.id = i.invited_by LEFT JOIN staff vs ON vs.id = v.id LEFT JOIN roles vr ON vr.id = vs.role_id
    LEFT JOIN logins u ON u.id = p.invited_by_user";

const BY_AGE: PageColumns =
    PageColumns { pair: "(i.created_at, i.id)", descending: "i.created_at DESC, i.id DESC" };

#[derive(sqlx::FromRow)]
struct Row {
    id: InvitationId,
    email: Option<String>,
    language: String,
    account_id: AccountId,
    account_name: String,
    account_status: accounts::Status,
    owner_id: UserId,
    everything: bool,
    permissions: String,
    invited_by: Option<StaffId>,
    invited_by_user: Option<UserId>,
    #[sqlx(flatten)]
    dates: Dates,
    user_id: Option<UserId>,
    staff_disabled: Option<bool>,
    staff_everything: Option<bool>,
    staff_permissions: Option<String>,
    user_disabled: Option<bool>,
}

impl Row {
    /// Whether whoever invited still may.
    fn inviter_may(&self) -> bool {
        match (self.invited_by, self.invited_by_user) {
            (Some(_), _) => {
                let everything = self.staff_everything.unwrap_or_default();
                let rights =
                    Rights::from_columns(everything, self.staff_permissions.as_deref().unwrap_or_default());
                self.staff_disabled == Some(false) && rights.has(Permission::AccountsUsers)
            }
            (None, Some(user)) => self.user_disabled == Some(false) && user == self.owner_id,
            (None, None) => false,
        }
    }
}

impl From<Row> for AccountInvitation {
    fn from(row: Row) -> Self {
        Self {
            vouched: row.account_status != accounts::Status::Closed && row.inviter_may(),
            id: row.id,
            email: row.email.unwrap_or_default(),
            language: row.language,
            account: row.account_id,
            account_name: row.account_name,
            permissions: AccountPermissions::from_columns(row.everything, &row.permissions),
            invited_by: row.invited_by.map(Inviter::Staff).or(row.invited_by_user.map(Inviter::Owner)),
            dates: row.dates,
            user_id: row.user_id,
        }
    }
}

pub(super) async fn find(db: Conn<'_>, id: InvitationId) -> Result<Option<AccountInvitation>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE p.invitation_id = $1");
    let row: Option<Row> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(AccountInvitation::from))
}

fn filter(sql: &mut Sql, account: AccountId, status: Option<Status>, now: Timestamp) {
    sql.push(" WHERE p.account_id = ").bind(Arg::Text(account.to_string()));
    match status {
        Some(Status::Accepted) => sql.push(" AND i.accepted_at IS NOT NULL"),
        Some(Status::Cancelled) => sql.push(" AND i.cancelled_at IS NOT NULL"),
        None | Some(Status::Pending | Status::Expired) => {
            sql.push(" AND i.accepted_at IS NULL AND i.cancelled_at IS NULL")
        }
    };
    match status {
        Some(Status::Pending) => sql.push(" AND i.expires_at > ").bind(Arg::Int(now.as_millis())),
        Some(Status::Expired) => sql.push(" AND i.expires_at <= ").bind(Arg::Int(now.as_millis())),
        _ => sql,
    };
}

pub(super) fn select_one(account: AccountId, status: Option<Status>, now: Timestamp) -> Sql {
    let mut sql = Sql::new(
        "SELECT CAST(1 AS BIGINT) FROM account_invitations p JOIN invitations i ON i.id = p.invitation_id",
    );
    filter(&mut sql, account, status, now);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    account: AccountId,
    status: Option<Status>,
    now: Timestamp,
    request: &PageRequest,
) -> Result<Vec<AccountInvitation>, db::Error> {
    let mut sql = Sql::new(SELECT);
    filter(&mut sql, account, status, now);
    request.finish(&mut sql, BY_AGE);
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(AccountInvitation::from).collect())
}

pub(super) async fn count_pending(
    db: Conn<'_>,
    account: AccountId,
    now: Timestamp,
) -> Result<i64, db::Error> {
    let (count,): (i64,) = on!(db, conn => {
        sqlx::query_as(
            "SELECT COUNT(*) FROM account_invitations p JOIN invitations i ON i.id = p.invitation_id
             WHERE p.account_id = $1 AND i.accepted_at IS NULL AND i.cancelled_at IS NULL AND i.expires_at > $2",
        )
        .bind(account).bind(now).fetch_one(conn).await
    })?;
    Ok(count)
}

pub(super) async fn insert_part(
    cx: &mut Cx,
    id: InvitationId,
    account: AccountId,
    permissions: AccountPermissions,
    email_folded: &str,
    by: Option<UserId>,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO account_invitations (invitation_id, account_id, everything, permissions, email_folded, invited_by_user)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id).bind(account).bind(permissions.is_everything()).bind(permissions.to_words()).bind(email_folded).bind(by)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Whether somebody with that address is on the account.
pub(super) async fn has_user_with(
    cx: &mut Cx,
    account: AccountId,
    email_folded: &str,
) -> Result<bool, db::Error> {
    let row: Option<(UserId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT m.user_id FROM account_users m JOIN logins l ON l.id = m.user_id
             WHERE m.account_id = $1 AND l.audience = 'user' AND l.email_folded = $2",
        )
        .bind(account).bind(email_folded).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// Whether somebody with that address can accept at this moment.
pub(super) async fn is_pending(
    cx: &mut Cx,
    account: AccountId,
    email_folded: &str,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(InvitationId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT i.id FROM account_invitations p JOIN invitations i ON i.id = p.invitation_id
             WHERE p.account_id = $1 AND p.email_folded = $2 AND i.accepted_at IS NULL AND i.cancelled_at IS NULL
                AND i.expires_at > $3 LIMIT 1",
        )
        .bind(account).bind(email_folded).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// The addresses that can accept at this moment, folded.
pub(super) async fn pending_addresses(cx: &mut Cx, account: AccountId) -> Result<Vec<String>, db::Error> {
    let now = cx.now();
    let rows: Vec<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT p.email_folded FROM account_invitations p JOIN invitations i ON i.id = p.invitation_id
             WHERE p.account_id = $1 AND i.accepted_at IS NULL AND i.cancelled_at IS NULL AND i.expires_at > $2",
        )
        .bind(account).bind(now).fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(email,)| email).collect())
}

/// Whoever sends an invitation answers for it from now on.
pub(super) async fn vouch(cx: &mut Cx, id: InvitationId, by: Option<Inviter>) -> Result<(), db::Error> {
    let (staff, user) = match by {
        Some(Inviter::Staff(id)) => (Some(id), None),
        Some(Inviter::Owner(id)) => (None, Some(id)),
        None => (None, None),
    };
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET invited_by = $2 WHERE id = $1").bind(id).bind(staff)
            .execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("UPDATE account_invitations SET invited_by_user = $2 WHERE invitation_id = $1").bind(id).bind(user)
            .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_user(cx: &mut Cx, id: InvitationId, user: UserId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE account_invitations SET user_id = $2 WHERE invitation_id = $1")
            .bind(id).bind(user).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// In the order of their ids, so that no two who hold several wait for each other.
pub(super) async fn hold_all_to(cx: &mut Cx, account: AccountId) -> Result<Vec<InvitationId>, db::Error> {
    let rows: Vec<(InvitationId,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT invitation_id FROM account_invitations WHERE account_id = $1 ORDER BY invitation_id")
            .bind(account).fetch_all(conn).await
    })?;
    let ids: Vec<_> = rows.into_iter().map(|(id,)| id).collect();
    for id in &ids {
        crate::invitations::store::lock(cx, *id).await?;
    }
    Ok(ids)
}

pub(super) async fn delete_all_to(cx: &mut Cx, account: AccountId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "DELETE FROM invitations WHERE id IN (SELECT invitation_id FROM account_invitations WHERE account_id = $1)",
        )
        .bind(account).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
