use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    on,
};

pub(super) async fn load(db: Conn<'_>) -> Result<Vec<(String, String)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT key, value FROM settings WHERE key <> 'lock'").fetch_all(conn).await
    })?)
}

/// One change at a time: a rule that looks at several settings must see what it judges.
pub(super) async fn lock(cx: &mut Cx) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO settings (key, value, changed_at) VALUES ('lock', 'null', $1)
             ON CONFLICT (key) DO UPDATE SET changed_at = $1",
        )
        .bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set(cx: &mut Cx, key: &str, value: &str) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO settings (key, value, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET value = $2, changed_at = $3",
        )
        .bind(key).bind(value).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
