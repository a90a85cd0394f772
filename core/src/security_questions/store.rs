use const_format::concatcp;

use super::{AnswerHash, Chosen, SecurityQuestion};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn, Sql},
    ids::{SecurityQuestionId, UserId},
    invalid::fold,
    on,
    page::{PageColumns, PageRequest},
};

const SELECT: &str = "SELECT q.id, q.question, q.created_at,
    (SELECT COUNT(*) FROM users u WHERE u.question_id = q.id) AS user_count FROM security_questions q";

/// Holds a question's row until the transaction ends.
pub(super) async fn lock(cx: &mut Cx, id: SecurityQuestionId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE security_questions SET question = question WHERE id = $1")
            .bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn find(cx: &mut Cx, id: SecurityQuestionId) -> Result<Option<SecurityQuestion>, db::Error> {
    const SQL: &str = concatcp!(SELECT, " WHERE q.id = $1");
    Ok(on!(cx.db(), conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?)
}

pub(super) fn select_one() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM security_questions")
}

pub(super) async fn list(db: Conn<'_>, request: &PageRequest) -> Result<Vec<SecurityQuestion>, db::Error> {
    let mut sql = Sql::new(concatcp!(SELECT, " WHERE TRUE"));
    let columns = PageColumns { pair: "(q.created_at, q.id)", descending: "q.created_at DESC, q.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all(db).await
}

/// False if another one reads like it.
pub(super) async fn insert(cx: &mut Cx, new: &SecurityQuestion) -> Result<bool, db::Error> {
    let row: Option<(SecurityQuestionId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO security_questions (id, question, folded, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(new.id).bind(&new.question).bind(fold(&new.question)).bind(new.created_at).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if another one reads like it.
pub(super) async fn reword(cx: &mut Cx, after: &SecurityQuestion) -> Result<bool, db::Error> {
    let done = on!(cx.db(), conn => {
        sqlx::query("UPDATE security_questions SET question = $2, folded = $3 WHERE id = $1")
            .bind(after.id).bind(&after.question).bind(fold(&after.question)).execute(conn).await.map(|_| ())
    });
    db::unless_taken(done)
}

pub(super) async fn delete(cx: &mut Cx, id: SecurityQuestionId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM security_questions WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn chosen(db: Conn<'_>, user: UserId) -> Result<Option<Chosen>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT u.question_id, q.question, u.answer_hash FROM users u JOIN security_questions q ON q.id = u.question_id
             WHERE u.id = $1 AND u.answer_hash IS NOT NULL",
        )
        .bind(user).fetch_optional(conn).await
    })?)
}

/// False if there is no such user.
pub(super) async fn choose(
    cx: &mut Cx,
    user: UserId,
    question: SecurityQuestionId,
    answer: &AnswerHash,
) -> Result<bool, db::Error> {
    let row: Option<(UserId,)> = on!(cx.db(), conn => {
        sqlx::query_as("UPDATE users SET question_id = $2, answer_hash = $3 WHERE id = $1 RETURNING id")
            .bind(user).bind(question).bind(answer).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if there was none.
pub(super) async fn clear(cx: &mut Cx, user: UserId) -> Result<bool, db::Error> {
    let row: Option<(UserId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE users SET question_id = NULL, answer_hash = NULL WHERE id = $1 AND question_id IS NOT NULL RETURNING id",
        )
        .bind(user).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}
