use super::{Audience, Login, Names, NewLogin, NewPassword, search_text};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    ids::LoginId,
    invalid::{fold, fold_email},
    on,
    password::PasswordHash,
};

const SELECT: &str =
    "SELECT id, audience, username, email, email_verified, first_name, last_name, language, password_hash,
    password_needs_factor, must_change_password, disabled, created_at FROM logins";

pub(super) async fn find(db: Conn<'_>, id: LoginId) -> Result<Option<Login>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE id = $1");
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) async fn find_by_name(
    db: Conn<'_>,
    audience: Audience,
    folded: &str,
) -> Result<Option<Login>, db::Error> {
    // A username holds no @ and an email address must, so at most one row is meant.
    const SQL: &str = const_format::concatcp!(
        SELECT,
        " WHERE audience = $1 AND (username_folded = $2 OR email_folded = $2)"
    );
    Ok(on!(db, conn => sqlx::query_as(SQL).bind(audience).bind(folded).fetch_optional(conn).await)?)
}

pub(super) async fn email_exists(db: Conn<'_>, audience: Audience, folded: &str) -> Result<bool, db::Error> {
    let row: Option<(LoginId,)> = on!(db, conn => {
        sqlx::query_as("SELECT id FROM logins WHERE audience = $1 AND email_folded = $2")
            .bind(audience).bind(folded).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if the username or the address is taken.
pub(super) async fn insert(cx: &mut Cx, id: LoginId, new: &NewLogin) -> Result<bool, db::Error> {
    let now = cx.now();
    let search =
        search_text([new.username.as_deref(), Some(&new.email), Some(&new.first_name), Some(&new.last_name)]);
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO logins (id, audience, username, username_folded, email, email_folded, email_verified, first_name,
                last_name, language, password_hash, password_changed_at, password_needs_factor, must_change_password,
                disabled, created_at, search)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13, FALSE, $12, $14)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(id).bind(new.audience).bind(&new.username).bind(new.username.as_deref().map(fold))
        .bind(&new.email).bind(fold_email(&new.email)).bind(new.email_verified).bind(&new.first_name).bind(&new.last_name)
        .bind(&new.language).bind(&new.password_hash).bind(now)
        .bind(new.must_change_password).bind(search)
        .fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn set_password(cx: &mut Cx, id: LoginId, new: &NewPassword) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE logins SET password_hash = $2, password_needs_factor = $3, password_changed_at = $4,
                must_change_password = FALSE WHERE id = $1",
        )
        .bind(id).bind(&new.hash).bind(new.needs_factor).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if the address is taken.
pub(super) async fn set_email(cx: &mut Cx, id: LoginId, email: &str) -> Result<bool, db::Error> {
    let done = on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET email = $2, email_folded = $3 WHERE id = $1 AND email <> $2")
            .bind(id).bind(email).bind(fold_email(email)).execute(conn).await.map(|_| ())
    });
    db::unless_taken(done)
}

/// All but the address. False if the username is taken.
pub(super) async fn set_names(cx: &mut Cx, id: LoginId, names: &Names) -> Result<bool, db::Error> {
    let Names { username, email, first_name, last_name, language } = names;
    let search = search_text([username.as_deref(), Some(email), Some(first_name), Some(last_name)]);
    let done = on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE logins SET username = $2, username_folded = $3, first_name = $4, last_name = $5, language = $6, search = $7
             WHERE id = $1",
        )
        .bind(id).bind(username).bind(username.as_deref().map(fold)).bind(first_name).bind(last_name).bind(language)
        .bind(search).execute(conn).await.map(|_| ())
    });
    db::unless_taken(done)
}

pub(super) async fn require_new_password(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET must_change_password = TRUE WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delete(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    on!(cx.db(), conn => sqlx::query("DELETE FROM logins WHERE id = $1").bind(id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

pub(super) async fn upgrade_hash(
    cx: &mut Cx,
    id: LoginId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
            .bind(id).bind(old).bind(new).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Judged by the row as it is, not as somebody read it.
pub(super) async fn require_longer_password(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET must_change_password = TRUE WHERE id = $1 AND password_needs_factor")
            .bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_email_verified(cx: &mut Cx, id: LoginId, verified: bool) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET email_verified = $2 WHERE id = $1").bind(id).bind(verified)
            .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn touch(cx: &mut Cx, id: LoginId) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE logins SET last_login_at = $2 WHERE id = $1 AND NOT disabled RETURNING id")
            .bind(id).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn lock(cx: &mut Cx, id: LoginId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE logins SET disabled = disabled WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_disabled(cx: &mut Cx, id: LoginId, disabled: bool) -> Result<bool, db::Error> {
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE logins SET disabled = $2 WHERE id = $1 AND disabled <> $2 RETURNING id")
            .bind(id).bind(disabled).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}
