use super::{Dates, InvitedAs, Kind, StaffInvitation, Status};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{InvitationId, RoleId, StaffId},
    logins::search_text,
    on,
    page::{PageColumns, PageRequest},
    roles::Rights,
    secret::TokenHash,
    staff::Filter,
    time::Timestamp,
};

const SELECT: &str =
    "SELECT i.id, i.email, i.language, p.role_id, r.name AS role_name, r.everything, r.permissions,
    p.username, p.first_name, p.last_name, i.invited_by, i.created_at, i.sent_at, i.expires_at, i.accepted_at,
    i.cancelled_at, p.staff_id, v.disabled AS inviter_disabled, vr.everything AS inviter_everything,
    vr.permissions AS inviter_permissions
    FROM invitations i JOIN staff_invitations p ON p.invitation_id = i.id LEFT JOIN roles r ON r.id = p.role_id
    LEFT JOIN logins v ON v.id = i.invited_by LEFT JOIN staff vs ON vs.id = v.id LEFT JOIN roles vr ON vr.id = vs.role_id";

const BY_AGE: PageColumns =
    PageColumns { pair: "(i.created_at, i.id)", descending: "i.created_at DESC, i.id DESC" };

#[derive(sqlx::FromRow)]
struct Row {
    id: InvitationId,
    email: Option<String>,
    language: String,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    everything: Option<bool>,
    permissions: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    invited_by: Option<StaffId>,
    #[sqlx(flatten)]
    dates: Dates,
    staff_id: Option<StaffId>,
    inviter_disabled: Option<bool>,
    inviter_everything: Option<bool>,
    inviter_permissions: Option<String>,
}

impl From<Row> for StaffInvitation {
    fn from(row: Row) -> Self {
        let rights = |everything: Option<bool>, permissions: Option<&str>| {
            Rights::from_columns(everything.unwrap_or_default(), permissions.unwrap_or_default())
        };
        let given = rights(row.everything, row.permissions.as_deref());
        let inviter = rights(row.inviter_everything, row.inviter_permissions.as_deref());
        Self {
            vouched: row.invited_by.is_none()
                || (row.inviter_disabled == Some(false) && inviter.covers(&given)),
            id: row.id,
            email: row.email,
            language: row.language,
            role: row.role_id.map(|id| InvitedAs {
                id,
                name: row.role_name.unwrap_or_default(),
                rights: given,
            }),
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            invited_by: row.invited_by,
            dates: row.dates,
            staff_id: row.staff_id,
        }
    }
}

pub(super) async fn find(db: Conn<'_>, id: InvitationId) -> Result<Option<StaffInvitation>, db::Error> {
    const SQL: &str = const_format::concatcp!(SELECT, " WHERE i.id = $1");
    let row: Option<Row> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(StaffInvitation::from))
}

/// Whose link it is, of whatever kind.
pub(super) async fn kind_of(
    db: Conn<'_>,
    token: &TokenHash,
) -> Result<Option<(InvitationId, Kind)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT id, kind FROM invitations WHERE token_hash = $1").bind(token).fetch_optional(conn).await
    })?)
}

pub(super) async fn was_replaced(db: Conn<'_>, token: &TokenHash) -> Result<bool, db::Error> {
    let row: Option<(InvitationId,)> = on!(db, conn => {
        sqlx::query_as("SELECT invitation_id FROM replaced_invitation_tokens WHERE token_hash = $1")
            .bind(token).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

fn filter(sql: &mut Sql, status: Option<Status>, now: Timestamp) {
    sql.push(" WHERE i.kind = 'staff' AND i.email IS NOT NULL");
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

pub(super) fn select_one(status: Option<Status>, now: Timestamp) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM invitations i");
    filter(&mut sql, status, now);
    sql
}

pub(super) async fn list(
    db: Conn<'_>,
    status: Option<Status>,
    now: Timestamp,
    request: &PageRequest,
) -> Result<Vec<StaffInvitation>, db::Error> {
    let mut sql = Sql::new(SELECT);
    filter(&mut sql, status, now);
    request.finish(&mut sql, BY_AGE);
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(StaffInvitation::from).collect())
}

#[expect(clippy::too_many_arguments, reason = "a row's columns")]
pub(super) async fn insert(
    cx: &mut Cx,
    id: InvitationId,
    kind: Kind,
    token: &TokenHash,
    email: &str,
    language: &str,
    invited_by: Option<StaffId>,
    expires_at: Timestamp,
) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO invitations (id, kind, token_hash, email, language, invited_by, created_at, sent_at, expires_at)
             VALUES ($1, $8, $2, $3, $4, $5, $6, $6, $7)",
        )
        .bind(id).bind(token).bind(email).bind(language).bind(invited_by).bind(now).bind(expires_at).bind(kind)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if the row is there.
pub(super) async fn insert_first(
    cx: &mut Cx,
    id: InvitationId,
    token: &TokenHash,
    expires_at: Timestamp,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let row: Option<(InvitationId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO invitations (id, kind, token_hash, language, created_at, sent_at, expires_at)
             VALUES ($1, 'staff', $2, 'en', $3, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING id",
        )
        .bind(id).bind(token).bind(now).bind(expires_at).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// From `FROM` on; the columns are the caller's.
pub(super) fn open_ones(sql: &mut Sql, wanted: &Filter) {
    sql.push(" FROM invitations i JOIN staff_invitations p ON p.invitation_id = i.id LEFT JOIN roles r ON r.id = p.role_id");
    conditions(sql, wanted);
}

fn conditions(sql: &mut Sql, wanted: &Filter) {
    sql.push(" WHERE i.kind = 'staff' AND i.email IS NOT NULL AND i.accepted_at IS NULL AND i.cancelled_at IS NULL");
    if let Some(role) = wanted.role {
        sql.push(" AND p.role_id = ").bind(Arg::Text(role.to_string()));
    }
    if let Some(department) = wanted.department {
        sql.push(" AND EXISTS (SELECT 1 FROM invitation_departments m WHERE m.invitation_id = i.id AND m.department_id = ");
        sql.bind(Arg::Text(department.to_string())).push(")");
    }
    for pattern in wanted.patterns() {
        sql.push(" AND p.search LIKE ").bind(Arg::Text(pattern)).push(" ESCAPE '!'");
    }
}

pub(super) async fn open(
    db: Conn<'_>,
    wanted: &Filter,
    request: &PageRequest,
) -> Result<Vec<StaffInvitation>, db::Error> {
    let mut sql = Sql::new(SELECT);
    conditions(&mut sql, wanted);
    request.finish(&mut sql, BY_AGE);
    Ok(sql.fetch_all::<Row>(db).await?.into_iter().map(StaffInvitation::from).collect())
}

/// `names`: username, first name, last name.
pub(super) async fn insert_staff_part(
    cx: &mut Cx,
    id: InvitationId,
    role: RoleId,
    email: Option<&str>,
    names: [Option<&str>; 3],
) -> Result<(), db::Error> {
    let [username, first_name, last_name] = names;
    let search = search_text([username, email, first_name, last_name]);
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO staff_invitations (invitation_id, role_id, username, first_name, last_name, search)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id).bind(role).bind(username).bind(first_name).bind(last_name).bind(search).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Holds the row until the transaction ends.
pub(super) async fn lock(cx: &mut Cx, id: InvitationId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET sent_at = sent_at WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if the invitation is over. The row is locked before its hash is read, so of two at once neither's link is
/// forgotten.
pub(super) async fn replace_token(
    cx: &mut Cx,
    id: InvitationId,
    token: &TokenHash,
    expires_at: Timestamp,
) -> Result<bool, db::Error> {
    let now = cx.now();
    let old: Option<(TokenHash,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE invitations SET sent_at = $2, expires_at = $3
             WHERE id = $1 AND accepted_at IS NULL AND cancelled_at IS NULL RETURNING token_hash",
        )
        .bind(id).bind(now).bind(expires_at).fetch_optional(conn).await
    })?;
    let Some((old,)) = old else { return Ok(false) };
    on!(cx.db(), conn => {
        sqlx::query("INSERT INTO replaced_invitation_tokens (token_hash, invitation_id, replaced_at) VALUES ($1, $2, $3)")
            .bind(old).bind(id).bind(now).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET token_hash = $2 WHERE id = $1")
            .bind(id).bind(token).execute(conn).await.map(|_| ())
    })?;
    Ok(true)
}

/// Whoever sends or changes an invitation answers for it from now on.
pub(super) async fn vouch(cx: &mut Cx, id: InvitationId, by: Option<StaffId>) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET invited_by = $2 WHERE id = $1").bind(id).bind(by).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// Those that somebody answers for and that can still be accepted or resent, with their addresses.
pub(super) async fn open_of(
    cx: &mut Cx,
    inviter: StaffId,
) -> Result<Vec<(InvitationId, Kind, Option<String>)>, db::Error> {
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT id, kind, email FROM invitations
             WHERE invited_by = $1 AND accepted_at IS NULL AND cancelled_at IS NULL ORDER BY id",
        )
        .bind(inviter).fetch_all(conn).await
    })?)
}

/// The one statement that spends a link, with every guard in its WHERE.
pub(super) async fn spend(
    cx: &mut Cx,
    token: &TokenHash,
    kind: Kind,
) -> Result<Option<InvitationId>, db::Error> {
    let now = cx.now();
    let row: Option<(InvitationId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE invitations SET accepted_at = $2
             WHERE token_hash = $1 AND kind = $3 AND accepted_at IS NULL AND cancelled_at IS NULL AND expires_at > $2
             RETURNING id",
        )
        .bind(token).bind(now).bind(kind).fetch_optional(conn).await
    })?;
    Ok(row.map(|(id,)| id))
}

pub(super) async fn set_staff(cx: &mut Cx, id: InvitationId, staff: StaffId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE staff_invitations SET staff_id = $2 WHERE invitation_id = $1")
            .bind(id).bind(staff).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn cancel(cx: &mut Cx, id: InvitationId) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET cancelled_at = $2 WHERE id = $1")
            .bind(id).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn update(cx: &mut Cx, after: &StaffInvitation) -> Result<(), db::Error> {
    let [username, email, first, last] =
        [&after.username, &after.email, &after.first_name, &after.last_name].map(Option::as_deref);
    let search = search_text([username, email, first, last]);
    on!(cx.db(), conn => {
        sqlx::query("UPDATE invitations SET email = $2, language = $3 WHERE id = $1")
            .bind(after.id).bind(&after.email).bind(&after.language).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE staff_invitations SET role_id = $2, username = $3, first_name = $4, last_name = $5, search = $6
             WHERE invitation_id = $1",
        )
        .bind(after.id).bind(after.role.as_ref().map(|role| role.id)).bind(&after.username).bind(&after.first_name).bind(&after.last_name)
        .bind(search).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn staff_exists(db: Conn<'_>) -> Result<bool, db::Error> {
    let row: Option<(StaffId,)> = on!(db, conn => {
        sqlx::query_as("SELECT id FROM staff LIMIT 1").fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}
