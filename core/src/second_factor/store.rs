use data_encoding::BASE64URL_NOPAD;

use super::{
    Enrolled,
    keys::{Purpose, SecurityKey},
    security_keys::Credential,
};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    ids::{LoginId, SecurityKeyId, SessionId, StaffId},
    on,
    password::RecoveryHash,
    secret::Sealed,
    time::Timestamp,
};

pub(super) async fn enrolled(db: Conn<'_>, login: LoginId) -> Result<Enrolled, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM totp WHERE login_id = $1) AS totp,
                (SELECT COUNT(*) FROM security_keys WHERE login_id = $1) AS security_keys,
                (SELECT COUNT(*) FROM recovery_codes WHERE login_id = $1 AND used_at IS NULL) AS recovery_codes_left",
        )
        .bind(login).fetch_one(conn).await
    })?)
}

pub(super) async fn role_requires(db: Conn<'_>, staff: StaffId) -> Result<bool, db::Error> {
    let row: Option<(bool,)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT r.second_factor_required FROM staff s JOIN roles r ON r.id = s.role_id WHERE s.id = $1",
        )
        .bind(staff).fetch_optional(conn).await
    })?;
    Ok(row.is_some_and(|(required,)| required))
}

pub(super) async fn set_pending_totp(
    cx: &mut Cx,
    login: LoginId,
    seed: &Sealed,
    expires_at: Timestamp,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO totp_pending (login_id, sealed_seed, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (login_id) DO UPDATE SET sealed_seed = $2, expires_at = $3",
        )
        .bind(login).bind(seed).bind(expires_at).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn pending_totp(
    db: Conn<'_>,
    login: LoginId,
    now: Timestamp,
) -> Result<Option<Sealed>, db::Error> {
    let row: Option<(Sealed,)> = on!(db, conn => {
        sqlx::query_as("SELECT sealed_seed FROM totp_pending WHERE login_id = $1 AND expires_at > $2")
            .bind(login).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.map(|(seed,)| seed))
}

pub(super) async fn take_pending_totp(cx: &mut Cx, login: LoginId, seed: &Sealed) -> Result<bool, db::Error> {
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM totp_pending WHERE login_id = $1 AND sealed_seed = $2 RETURNING login_id")
            .bind(login).bind(seed).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn totp(db: Conn<'_>, login: LoginId) -> Result<Option<Sealed>, db::Error> {
    let row: Option<(Sealed,)> = on!(db, conn => {
        sqlx::query_as("SELECT sealed_seed FROM totp WHERE login_id = $1").bind(login).fetch_optional(conn).await
    })?;
    Ok(row.map(|(seed,)| seed))
}

pub(super) async fn set_totp(
    cx: &mut Cx,
    login: LoginId,
    seed: &Sealed,
    last_step: i64,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO totp (login_id, sealed_seed, last_step, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (login_id) DO UPDATE SET sealed_seed = $2, last_step = $3, created_at = $4",
        )
        .bind(login).bind(seed).bind(last_step).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if this step, or a later one, was spent before.
pub(super) async fn spend_totp_step(cx: &mut Cx, login: LoginId, step: i64) -> Result<bool, db::Error> {
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE totp SET last_step = $2 WHERE login_id = $1 AND last_step < $2 RETURNING login_id")
            .bind(login).bind(step).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn remove_totp(cx: &mut Cx, login: LoginId) -> Result<bool, db::Error> {
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM totp WHERE login_id = $1 RETURNING login_id")
            .bind(login).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// Everything, recovery codes and what was only begun included.
pub(super) async fn remove_all(cx: &mut Cx, login: LoginId) -> Result<(), db::Error> {
    for sql in [
        "DELETE FROM totp WHERE login_id = $1",
        "DELETE FROM totp_pending WHERE login_id = $1",
        "DELETE FROM security_keys WHERE login_id = $1",
        "DELETE FROM recovery_sets WHERE login_id = $1",
    ] {
        on!(cx.db(), conn => sqlx::query(sql).bind(login).execute(conn).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn recovery_salt(db: Conn<'_>, login: LoginId) -> Result<Option<Vec<u8>>, db::Error> {
    let row: Option<(Vec<u8>,)> = on!(db, conn => {
        sqlx::query_as("SELECT salt FROM recovery_sets WHERE login_id = $1")
            .bind(login).fetch_optional(conn).await
    })?;
    Ok(row.map(|(salt,)| salt))
}

pub(super) async fn set_recovery_codes(
    cx: &mut Cx,
    login: LoginId,
    salt: &[u8],
    hashes: &[RecoveryHash],
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM recovery_sets WHERE login_id = $1").bind(login).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("INSERT INTO recovery_sets (login_id, salt, created_at) VALUES ($1, $2, $3)")
            .bind(login).bind(salt).bind(now).execute(conn).await.map(|_| ())
    })?;
    for hash in hashes {
        on!(cx.db(), conn => {
            sqlx::query("INSERT INTO recovery_codes (login_id, hash) VALUES ($1, $2)")
                .bind(login).bind(hash).execute(conn).await.map(|_| ())
        })?;
    }
    Ok(())
}

pub(super) async fn spend_recovery_code(
    cx: &mut Cx,
    login: LoginId,
    hash: &RecoveryHash,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(LoginId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE recovery_codes SET used_at = $3 WHERE login_id = $1 AND hash = $2 AND used_at IS NULL
             RETURNING login_id",
        )
        .bind(login).bind(hash).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn security_keys(db: Conn<'_>, login: LoginId) -> Result<Vec<SecurityKey>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT id, name, created_at, last_used_at FROM security_keys WHERE login_id = $1 ORDER BY created_at, id",
        )
        .bind(login).fetch_all(conn).await
    })?)
}

pub(super) async fn credentials(
    db: Conn<'_>,
    login: LoginId,
) -> Result<Vec<(SecurityKeyId, String)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT id, credential FROM security_keys WHERE login_id = $1 ORDER BY created_at, id")
            .bind(login).fetch_all(conn).await
    })?)
}

/// False if somebody has this key.
pub(super) async fn insert_security_key(
    cx: &mut Cx,
    id: SecurityKeyId,
    login: LoginId,
    name: &str,
    key: &Credential,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(SecurityKeyId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO security_keys (id, login_id, name, credential_id, credential, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(id).bind(login).bind(name).bind(BASE64URL_NOPAD.encode(key.id())).bind(key.to_text()).bind(now)
        .fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn use_security_key(
    cx: &mut Cx,
    id: SecurityKeyId,
    used: &Credential,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("UPDATE security_keys SET credential = $2, last_used_at = $3 WHERE id = $1")
            .bind(id).bind(used.to_text()).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn rename_security_key(
    cx: &mut Cx,
    login: LoginId,
    id: SecurityKeyId,
    name: &str,
) -> Result<Option<SecurityKey>, db::Error> {
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE security_keys SET name = $3 WHERE id = $1 AND login_id = $2
             RETURNING id, name, created_at, last_used_at",
        )
        .bind(id).bind(login).bind(name).fetch_optional(conn).await
    })?)
}

/// Its name.
pub(super) async fn remove_security_key(
    cx: &mut Cx,
    login: LoginId,
    id: SecurityKeyId,
) -> Result<Option<String>, db::Error> {
    let row: Option<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM security_keys WHERE id = $1 AND login_id = $2 RETURNING name")
            .bind(id).bind(login).fetch_optional(conn).await
    })?;
    Ok(row.map(|(name,)| name))
}

pub(super) async fn set_ceremony(
    cx: &mut Cx,
    session: SessionId,
    purpose: Purpose,
    state: &str,
    expires_at: Timestamp,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO key_ceremonies (session_id, purpose, state, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (session_id) DO UPDATE SET purpose = $2, state = $3, expires_at = $4",
        )
        .bind(session).bind(purpose).bind(state).bind(expires_at).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn has_ceremony(
    db: Conn<'_>,
    session: SessionId,
    purpose: Purpose,
    now: Timestamp,
) -> Result<bool, db::Error> {
    let row: Option<(SessionId,)> = on!(db, conn => {
        sqlx::query_as("SELECT session_id FROM key_ceremonies WHERE session_id = $1 AND purpose = $2 AND expires_at > $3")
            .bind(session).bind(purpose).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn take_ceremony(
    cx: &mut Cx,
    session: SessionId,
    purpose: Purpose,
) -> Result<Option<String>, db::Error> {
    let now = cx.now();
    let row: Option<(String,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "DELETE FROM key_ceremonies WHERE session_id = $1 AND purpose = $2 AND expires_at > $3 RETURNING state",
        )
        .bind(session).bind(purpose).bind(now).fetch_optional(conn).await
    })?;
    Ok(row.map(|(state,)| state))
}
