use crate::{
    cx::{Cx, Reads as _},
    db,
    ids::{AccountId, LoginAsLinkId, SessionId, UserId},
    on,
    secret::TokenHash,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
pub(super) struct Link {
    pub(super) opened_by: SessionId,
    pub(super) account_id: AccountId,
    pub(super) user_id: UserId,
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: LoginAsLinkId,
    token: &TokenHash,
    opened_by: SessionId,
    account: AccountId,
    user: UserId,
    expires_at: Timestamp,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO login_as_links (id, token_hash, opened_by, account_id, user_id, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id).bind(token).bind(opened_by).bind(account).bind(user).bind(expires_at).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn spend(cx: &mut Cx, token: &TokenHash) -> Result<Option<Link>, db::Error> {
    let now = cx.now();
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(
            "DELETE FROM login_as_links WHERE token_hash = $1 AND expires_at > $2
             RETURNING opened_by, account_id, user_id",
        )
        .bind(token).bind(now).fetch_optional(conn).await
    })?)
}

/// Clears away those that are too old.
pub(super) async fn clear(cx: &mut Cx) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM login_as_links WHERE expires_at <= $1").bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
