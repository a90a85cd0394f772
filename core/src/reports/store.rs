//! What reports count, each in one statement: the database adds up, and nothing but sums comes out of it.
//!
//! Ids of entries and deliveries begin with their instant, so a range of them is a range of time, and every index that ends
//! with them serves a period.

use super::period::Period;
use crate::{
    db::{Arg, Sql},
    ids::{self, StaffId},
    logins::Audience,
    time::Timestamp,
};

/// Narrows to what has its id in the period.
fn within(sql: &mut Sql, id: &'static str, period: Period) {
    sql.push(id).push(" >= ").bind(Arg::Text(ids::first_at(period.from())));
    sql.push(" AND ").push(id).push(" < ").bind(Arg::Text(ids::first_at(period.to())));
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct Member {
    pub id: StaffId,
    pub first_name: String,
    pub last_name: String,
    pub username: String,
    pub role: String,
}

/// Everybody who works here and is not disabled, by username.
pub(super) fn members() -> Sql {
    Sql::new(
        "SELECT s.id, l.first_name, l.last_name, l.username, r.name AS role
         FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id
         WHERE l.disabled = FALSE ORDER BY l.username_folded",
    )
}

#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(super) struct CameIn {
    pub logins: i64,
    pub refused: i64,
    pub last_login_at: Option<Timestamp>,
}

/// How members came in. Their logins are among very many of users, so each member's entries are looked up by whom they
/// are about; CROSS JOIN makes SQLite begin with the members.
pub(super) fn came_in(period: Period) -> Sql {
    let mut sql = Sql::new(
        r#"SELECT s.id,
            COUNT(*) FILTER (WHERE e.name = 'session.started') AS logins,
            COUNT(*) FILTER (WHERE e.name = 'session.refused' AND e.data NOT LIKE '%"step":"confirmation"%') AS refused,
            MAX(e.at) FILTER (WHERE e.name = 'session.started') AS last_login_at
         FROM staff s CROSS JOIN events e WHERE e.subject_id = s.id AND "#,
    );
    within(&mut sql, "e.id", period);
    sql.push(" GROUP BY s.id");
    sql
}

#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(super) struct Did {
    pub changes: i64,
    pub changes_by_programs: i64,
    pub changes_as_users: i64,
    pub invitations: i64,
    pub last_entry_at: Option<Timestamp>,
}

/// What members did.
pub(super) fn did(period: Period) -> Sql {
    let mut sql = Sql::new(
        "SELECT s.id,
            COUNT(*) FILTER (WHERE e.actor_kind = 'staff' AND e.name NOT LIKE 'session.%') AS changes,
            COUNT(*) FILTER (WHERE e.actor_kind = 'program' AND e.name NOT LIKE 'session.%') AS changes_by_programs,
            COUNT(*) FILTER (WHERE e.actor_kind = 'staff_as_user' AND e.name NOT LIKE 'session.%') AS changes_as_users,
            COUNT(*) FILTER (WHERE e.name = 'invitation.created') AS invitations,
            MAX(e.at) AS last_entry_at
         FROM staff s CROSS JOIN events e WHERE e.actor_id = s.id AND ",
    );
    within(&mut sql, "e.id", period);
    sql.push(" GROUP BY s.id");
    sql
}

/// Somebody's part of a statement that is about each member.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Of<T> {
    pub id: StaffId,
    #[sqlx(flatten)]
    pub part: T,
}

#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(super) struct Logins {
    pub logins: i64,
    pub logins_as: i64,
    pub refused_password: i64,
    pub refused_code: i64,
    pub refused_confirmation: i64,
    pub challenges: i64,
    pub new_addresses: i64,
    pub people: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct LoginsOfDay {
    pub day: i64,
    pub audience: Audience,
    #[sqlx(flatten)]
    pub counts: Logins,
}

/// Logins by day and audience. The fields that are looked for are words of ours: nobody else writes into them.
pub(super) fn logins(period: Period) -> Sql {
    let mut sql = Sql::new(
        r#"SELECT at / 86400000 AS day,
            CASE WHEN data LIKE '%"audience":"user"%' THEN 'user' ELSE 'staff' END AS audience,
            COUNT(*) FILTER (WHERE name = 'session.started' AND data NOT LIKE '%"method":"login-as"%') AS logins,
            COUNT(*) FILTER (WHERE name = 'session.started' AND data LIKE '%"method":"login-as"%') AS logins_as,
            COUNT(*) FILTER (WHERE name = 'session.refused' AND data LIKE '%"step":"password"%') AS refused_password,
            COUNT(*) FILTER (WHERE name = 'session.refused' AND data LIKE '%"step":"code"%') AS refused_code,
            COUNT(*) FILTER (WHERE name = 'session.refused' AND data LIKE '%"step":"confirmation"%') AS refused_confirmation,
            COUNT(*) FILTER (WHERE name = 'session.challenged') AS challenges,
            COUNT(*) FILTER (WHERE name = 'session.started' AND data LIKE '%"new_address":true%') AS new_addresses,
            COUNT(DISTINCT CASE WHEN name = 'session.started' AND data NOT LIKE '%"method":"login-as"%' THEN subject_id END)
                AS people
         FROM events
         WHERE name IN ('session.started', 'session.refused', 'session.challenged')
            AND COALESCE(subject_id, '') NOT IN (SELECT id FROM logins WHERE audience = 'staff' AND disabled = TRUE)
            AND COALESCE(actor_id, '') NOT IN (SELECT id FROM logins WHERE audience = 'staff' AND disabled = TRUE) AND "#,
    );
    within(&mut sql, "id", period);
    sql.push(" GROUP BY 1, 2");
    sql
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct Invited {
    pub kind: String,
    pub inviter_kind: String,
    pub inviter_id: Option<StaffId>,
    pub created: i64,
    pub resent: i64,
    pub accepted: i64,
    pub cancelled: i64,
    pub pending: i64,
    pub expired: i64,
}

/// What happened to invitations, by who made them: whoever accepts is nobody yet, and colleagues send and cancel each
/// other's. The maker is looked up by whom the entry is about; joined to `''` the name leads no planner to its own index,
/// by which it would read all invitations there ever were for each.
pub(super) fn invitations(period: Period, now: Timestamp) -> Sql {
    let mut sql = Sql::new(
        r#"SELECT CASE WHEN e.data LIKE '%"kind":"account"%' THEN 'account' ELSE 'staff' END AS kind,
            CASE WHEN c.actor_kind IN ('staff', 'program') THEN 'staff'
                WHEN c.actor_kind IN ('user', 'staff_as_user') THEN 'owner' ELSE 'system' END AS inviter_kind,
            CASE WHEN c.actor_kind IN ('staff', 'program') THEN c.actor_id END AS inviter_id,
            COUNT(*) FILTER (WHERE e.name = 'invitation.created') AS created,
            COUNT(*) FILTER (WHERE e.name = 'invitation.resent') AS resent,
            COUNT(*) FILTER (WHERE e.name = 'invitation.accepted') AS accepted,
            COUNT(*) FILTER (WHERE e.name = 'invitation.cancelled') AS cancelled,
            COUNT(*) FILTER (WHERE i.expires_at > "#,
    );
    sql.bind(Arg::Int(now.as_millis()));
    sql.push(") AS pending, COUNT(*) FILTER (WHERE i.expires_at <= ").bind(Arg::Int(now.as_millis()));
    sql.push(
        ") AS expired
         FROM events e
         LEFT JOIN events c ON c.subject_id = e.subject_id AND c.name || '' = 'invitation.created'
         LEFT JOIN invitations i ON i.id = e.subject_id AND e.name = 'invitation.created'
            AND i.accepted_at IS NULL AND i.cancelled_at IS NULL
         WHERE e.name IN ('invitation.created', 'invitation.resent', 'invitation.accepted', 'invitation.cancelled') AND ",
    );
    within(&mut sql, "e.id", period);
    sql.push(" GROUP BY 1, 2, 3");
    sql
}

#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(super) struct Accounts {
    pub accounts_created: i64,
    pub accounts_closed: i64,
    pub accounts_reopened: i64,
    pub accounts_deleted: i64,
    pub users_registered: i64,
    pub users_invited: i64,
    pub users_created: i64,
    pub users_deleted: i64,
    pub members_added: i64,
    pub members_removed: i64,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct AccountsOfDay {
    pub day: i64,
    #[sqlx(flatten)]
    pub counts: Accounts,
}

/// Accounts and users by day. The owner that an account is made with was not put on it.
pub(super) fn accounts(period: Period) -> Sql {
    let mut sql = Sql::new(
        r#"SELECT at / 86400000 AS day,
            COUNT(*) FILTER (WHERE name = 'account.created') AS accounts_created,
            COUNT(*) FILTER (WHERE name = 'account.closed') AS accounts_closed,
            COUNT(*) FILTER (WHERE name = 'account.reopened') AS accounts_reopened,
            COUNT(*) FILTER (WHERE name = 'account.deleted') AS accounts_deleted,
            COUNT(*) FILTER (WHERE name = 'user.created' AND data LIKE '%"how":"registration"%') AS users_registered,
            COUNT(*) FILTER (WHERE name = 'user.created' AND data LIKE '%"how":"invitation"%') AS users_invited,
            COUNT(*) FILTER (WHERE name = 'user.created' AND data LIKE '%"how":"staff"%') AS users_created,
            COUNT(*) FILTER (WHERE name = 'user.deleted') AS users_deleted,
            COUNT(*) FILTER (WHERE name = 'account.user_added' AND data NOT LIKE '%"how":"created"%') AS members_added,
            COUNT(*) FILTER (WHERE name = 'account.user_removed') AS members_removed
         FROM events
         WHERE name IN ('account.created', 'account.closed', 'account.reopened', 'account.deleted', 'user.created',
            'user.deleted', 'account.user_added', 'account.user_removed') AND "#,
    );
    within(&mut sql, "id", period);
    sql.push(" GROUP BY 1");
    sql
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct Delivered {
    pub mail: String,
    pub made: i64,
    pub delivered: i64,
    pub waiting: i64,
    pub dead: i64,
    pub obsolete: i64,
    pub attempts: i64,
    /// In milliseconds.
    pub median: Option<i64>,
    pub p95: Option<i64>,
}

/// Mails by what they are about. Percentiles by the nearest rank, which both databases can count.
pub(super) fn deliveries(period: Period) -> Sql {
    let mut sql = Sql::new(
        "SELECT mail,
            COUNT(*) AS made,
            COUNT(*) FILTER (WHERE state = 'delivered') AS delivered,
            COUNT(*) FILTER (WHERE state = 'waiting') AS waiting,
            COUNT(*) FILTER (WHERE state = 'dead') AS dead,
            COUNT(*) FILTER (WHERE state = 'obsolete') AS obsolete,
            CAST(SUM(attempts) AS BIGINT) AS attempts,
            MIN(took) FILTER (WHERE state = 'delivered' AND place = (number + 1) / 2) AS median,
            MIN(took) FILTER (WHERE state = 'delivered' AND place = (number * 95 + 99) / 100) AS p95
         FROM (SELECT mail, state, attempts, finished_at - created_at AS took,
                ROW_NUMBER() OVER (PARTITION BY mail, state ORDER BY finished_at - created_at) AS place,
                COUNT(*) OVER (PARTITION BY mail, state) AS number
             FROM deliveries WHERE mail IS NOT NULL AND ",
    );
    within(&mut sql, "id", period);
    sql.push(") AS ranked GROUP BY mail ORDER BY mail");
    sql
}
