use super::{MailTemplate, Mark};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    on,
};

pub(super) async fn list(db: Conn<'_>) -> Result<Vec<MailTemplate>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT mail, language, subject, text, html, changed_at FROM mail_templates ORDER BY mail, language",
        )
        .fetch_all(conn).await
    })?)
}

pub(super) async fn find(
    db: Conn<'_>,
    mail: &str,
    language: &str,
) -> Result<Option<MailTemplate>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT mail, language, subject, text, html, changed_at FROM mail_templates
             WHERE mail = $1 AND language = $2",
        )
        .bind(mail).bind(language).fetch_optional(conn).await
    })?)
}

pub(super) async fn mark(db: Conn<'_>) -> Result<Mark, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT COUNT(*) AS count, COALESCE(MAX(changed_at), 0) AS newest,
                CAST(COALESCE(SUM(changed_at), 0) AS BIGINT) AS sum FROM mail_templates",
        )
        .fetch_one(conn).await
    })?)
}

pub(super) async fn set(cx: &mut Cx, after: &MailTemplate) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO mail_templates (mail, language, subject, text, html, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (mail, language) DO UPDATE SET subject = $3, text = $4, html = $5, changed_at = $6",
        )
        .bind(&after.mail).bind(&after.language).bind(&after.subject).bind(&after.text).bind(&after.html)
        .bind(after.changed_at).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Whether there was one.
pub(super) async fn delete(cx: &mut Cx, mail: &str, language: &str) -> Result<bool, db::Error> {
    let deleted = on!(cx.db(), conn => {
        sqlx::query("DELETE FROM mail_templates WHERE mail = $1 AND language = $2")
            .bind(mail).bind(language).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(deleted > 0)
}
