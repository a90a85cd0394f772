use crate::{
    cx::{Cx, Reads as _},
    db,
    ids::{EmailVerificationId, LoginId},
    on,
    secret::TokenHash,
    time::Timestamp,
};

pub(super) async fn insert(
    cx: &mut Cx,
    id: EmailVerificationId,
    login: LoginId,
    token: &TokenHash,
    email_folded: &str,
    expires_at: Timestamp,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO email_verifications (login_id, id, token_hash, email_folded, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(login).bind(id).bind(token).bind(email_folded).bind(now).bind(expires_at)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn sent_at(cx: &mut Cx, login: LoginId) -> Result<Option<Timestamp>, db::Error> {
    let row: Option<(Timestamp,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT created_at FROM email_verifications WHERE login_id = $1")
            .bind(login).fetch_optional(conn).await
    })?;
    Ok(row.map(|(at,)| at))
}

pub(super) async fn spend(
    cx: &mut Cx,
    login: LoginId,
    token: &TokenHash,
    email_folded: &str,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "DELETE FROM email_verifications
             WHERE login_id = $1 AND token_hash = $2 AND email_folded = $3 AND expires_at > $4 RETURNING login_id",
        )
        .bind(login).bind(token).bind(email_folded).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn delete(cx: &mut Cx, login: LoginId) -> Result<Option<EmailVerificationId>, db::Error> {
    let row: Option<(EmailVerificationId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM email_verifications WHERE login_id = $1 RETURNING id")
            .bind(login).fetch_optional(conn).await
    })?;
    Ok(row.map(|(id,)| id))
}
