use const_format::concatcp;

use super::{
    Catalogue, Limits, Owner, Program, Used,
    credentials::{ApiRoleName, Credential, NewCredential},
    programs::Secrets,
    roles::ApiRole,
};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{ApiCredentialId, ApiRoleId, RoleId, StaffId},
    network::Network,
    on,
    page::{PageColumns, PageRequest},
    roles::Rights,
    secret::TokenHash,
    time::Timestamp,
};

#[derive(sqlx::FromRow)]
struct RoleRow {
    id: ApiRoleId,
    name: String,
    description: String,
    operations: String,
    created_at: Timestamp,
}

const ROLE: &str = "id, name, description, operations, created_at";

impl From<RoleRow> for ApiRole {
    fn from(row: RoleRow) -> Self {
        let operations = words(&row.operations).map(str::to_owned).collect();
        let RoleRow { id, name, description, created_at, .. } = row;
        Self { id, name, description, operations, created_at }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

pub(super) async fn find_role(db: Conn<'_>, id: ApiRoleId) -> Result<Option<ApiRole>, db::Error> {
    const SQL: &str = concatcp!("SELECT ", ROLE, " FROM api_roles WHERE id = $1");
    let row: Option<RoleRow> = on!(db, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(ApiRole::from))
}

/// Holds it until the transaction ends, and reads it as it is then.
pub(super) async fn lock_role(cx: &mut Cx, id: ApiRoleId) -> Result<Option<ApiRole>, db::Error> {
    const SQL: &str = concatcp!("UPDATE api_roles SET name = name WHERE id = $1 RETURNING ", ROLE);
    let row: Option<RoleRow> = on!(cx.db(), conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(ApiRole::from))
}

pub(super) async fn any_role(cx: &mut Cx) -> Result<bool, db::Error> {
    let row: Option<(ApiRoleId,)> =
        on!(cx.db(), conn => sqlx::query_as("SELECT id FROM api_roles LIMIT 1").fetch_optional(conn).await)?;
    Ok(row.is_some())
}

/// False if the name is taken.
pub(super) async fn insert_role(cx: &mut Cx, role: &ApiRole, folded: &str) -> Result<bool, db::Error> {
    let row: Option<(ApiRoleId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO api_roles (id, name, name_folded, description, operations, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(role.id).bind(&role.name).bind(folded).bind(&role.description).bind(role.operations.join(" "))
        .bind(role.created_at).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// False if the name is taken, and then the transaction is of no more use.
pub(super) async fn update_role(cx: &mut Cx, role: &ApiRole, folded: &str) -> Result<bool, db::Error> {
    let done = on!(cx.db(), conn => {
        sqlx::query("UPDATE api_roles SET name = $2, name_folded = $3, description = $4, operations = $5 WHERE id = $1")
            .bind(role.id).bind(&role.name).bind(folded).bind(&role.description).bind(role.operations.join(" "))
            .execute(conn).await.map(|_| ())
    });
    match done {
        Err(sqlx::Error::Database(cause)) if cause.is_unique_violation() => Ok(false),
        done => Ok(done.map(|()| true)?),
    }
}

pub(super) async fn delete_role(cx: &mut Cx, id: ApiRoleId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM api_roles WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) fn select_one_role() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM api_roles")
}

pub(super) async fn list_roles(db: Conn<'_>, request: &PageRequest) -> Result<Vec<ApiRole>, db::Error> {
    let mut sql = Sql::new(concatcp!("SELECT ", ROLE, " FROM api_roles WHERE TRUE"));
    request
        .finish(&mut sql, PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" });
    Ok(sql.fetch_all::<RoleRow>(db).await?.into_iter().map(ApiRole::from).collect())
}

#[derive(sqlx::FromRow)]
struct LimitColumns {
    networks: String,
    expires_at: Option<Timestamp>,
    rate_per_minute: Option<i64>,
}

impl LimitColumns {
    /// What cannot be read is an error, and not a limit less.
    fn read(self) -> Result<Limits, db::Error> {
        let unread = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let networks = words(&self.networks).map(str::parse::<Network>).collect::<Result<_, _>>();
        let rate_per_minute = self.rate_per_minute.map(u32::try_from).transpose();
        Ok(Limits {
            networks: networks.map_err(|error| unread(error.into()))?,
            expires_at: self.expires_at,
            rate_per_minute: rate_per_minute.map_err(|error| unread(error.into()))?,
        })
    }
}

fn networks(limits: &Limits) -> String {
    limits.networks.iter().map(Network::to_string).collect::<Vec<_>>().join(" ")
}

#[derive(sqlx::FromRow)]
struct CredentialRow {
    id: ApiCredentialId,
    staff_id: StaffId,
    username: String,
    description: String,
    identifier: String,
    #[sqlx(flatten)]
    limits: LimitColumns,
    last_used_at: Option<Timestamp>,
    last_used_from: Option<String>,
    previous_until: Option<Timestamp>,
    rotations: i64,
    created_at: Timestamp,
}

const CREDENTIAL: &str = "SELECT c.id, c.staff_id, l.username, c.description, c.identifier, c.networks, c.expires_at, c.rate_per_minute,
    c.last_used_at, c.last_used_from, c.previous_until, c.rotations, c.created_at
    FROM api_credentials c JOIN logins l ON l.id = c.staff_id";

impl CredentialRow {
    fn read(self, now: Timestamp) -> Result<Credential, db::Error> {
        Ok(Credential {
            id: self.id,
            owner: Owner { id: self.staff_id, username: self.username },
            description: self.description,
            identifier: self.identifier,
            api_roles: Vec::new(),
            limits: self.limits.read()?,
            last_used_at: self.last_used_at,
            last_used_from: self.last_used_from,
            previous_until: self.previous_until.filter(|until| now < *until),
            rotations: self.rotations,
            created_at: self.created_at,
        })
    }
}

pub(super) async fn find_credential(
    mut db: Conn<'_>,
    id: ApiCredentialId,
    now: Timestamp,
) -> Result<Option<Credential>, db::Error> {
    const SQL: &str = concatcp!(CREDENTIAL, " WHERE c.id = $1");
    let row: Option<CredentialRow> =
        on!(again(&mut db), conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    let Some(row) = row else { return Ok(None) };
    let mut found = [row.read(now)?];
    add_api_roles(db, &mut found).await?;
    let [found] = found;
    Ok(Some(found))
}

/// The same connection, for another statement.
fn again<'c>(db: &'c mut Conn<'_>) -> Conn<'c> {
    match db {
        Conn::Sqlite(conn) => Conn::Sqlite(conn),
        Conn::Postgres(conn) => Conn::Postgres(conn),
    }
}

fn of(sql: &mut Sql, owner: Option<StaffId>) {
    if let Some(owner) = owner {
        sql.push(" AND c.staff_id = ").bind(Arg::Text(owner.to_string()));
    }
}

pub(super) fn select_one_credential(owner: Option<StaffId>) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM api_credentials c WHERE TRUE");
    of(&mut sql, owner);
    sql
}

/// Without their API roles.
pub(super) async fn list_credentials(
    db: Conn<'_>,
    owner: Option<StaffId>,
    request: &PageRequest,
    now: Timestamp,
) -> Result<Vec<Credential>, db::Error> {
    let mut sql = Sql::new(concatcp!(CREDENTIAL, " WHERE TRUE"));
    of(&mut sql, owner);
    let columns = PageColumns { pair: "(c.created_at, c.id)", descending: "c.created_at DESC, c.id DESC" };
    request.finish(&mut sql, columns);
    sql.fetch_all::<CredentialRow>(db).await?.into_iter().map(|row| row.read(now)).collect()
}

pub(super) async fn add_api_roles(db: Conn<'_>, credentials: &mut [Credential]) -> Result<(), db::Error> {
    if credentials.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(
        "SELECT g.credential_id, r.id, r.name FROM api_credential_roles g JOIN api_roles r ON r.id = g.api_role_id
         WHERE g.credential_id IN (",
    );
    for (index, credential) in credentials.iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind(Arg::Text(credential.id.to_string()));
    }
    sql.push(") ORDER BY r.name_folded, r.id");
    for (of, id, name) in sql.fetch_all::<(ApiCredentialId, ApiRoleId, String)>(db).await? {
        if let Some(credential) = credentials.iter_mut().find(|credential| credential.id == of) {
            credential.api_roles.push(ApiRoleName { id, name });
        }
    }
    Ok(())
}

pub(super) async fn count_of(cx: &mut Cx, owner: StaffId) -> Result<usize, db::Error> {
    let rows: Vec<(ApiCredentialId,)> = on!(cx.db(), conn => {
        sqlx::query_as("SELECT id FROM api_credentials WHERE staff_id = $1").bind(owner).fetch_all(conn).await
    })?;
    Ok(rows.len())
}

pub(super) async fn insert_credential(
    cx: &mut Cx,
    id: ApiCredentialId,
    owner: StaffId,
    identifier: &str,
    secret: &TokenHash,
    new: &NewCredential,
) -> Result<(), db::Error> {
    let (now, limits) = (cx.now(), &new.limits);
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO api_credentials (id, staff_id, description, identifier, secret_hash, rotations, networks,
                rate_per_minute, expires_at, created_at)
             VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)",
        )
        .bind(id).bind(owner).bind(&new.description).bind(identifier).bind(secret).bind(networks(limits))
        .bind(limits.rate_per_minute.map(i64::from)).bind(limits.expires_at).bind(now)
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn set_api_roles(
    cx: &mut Cx,
    id: ApiCredentialId,
    roles: &[ApiRole],
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM api_credential_roles WHERE credential_id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    for role in roles {
        on!(cx.db(), conn => {
            sqlx::query("INSERT INTO api_credential_roles (credential_id, api_role_id) VALUES ($1, $2)")
                .bind(id).bind(role.id).execute(conn).await.map(|_| ())
        })?;
    }
    Ok(())
}

pub(super) async fn update_credential(
    cx: &mut Cx,
    id: ApiCredentialId,
    description: &str,
    limits: &Limits,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "UPDATE api_credentials SET description = $2, networks = $3, rate_per_minute = $4, expires_at = $5 WHERE id = $1",
        )
        .bind(id).bind(description).bind(networks(limits)).bind(limits.rate_per_minute.map(i64::from))
        .bind(limits.expires_at).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// False if it was rotated since it had been rotated so often. Without `previous_until` the secret before is forgotten.
pub(super) async fn rotate(
    cx: &mut Cx,
    id: ApiCredentialId,
    rotations: i64,
    secret: &TokenHash,
    previous_until: Option<Timestamp>,
) -> Result<bool, db::Error> {
    let row: Option<(ApiCredentialId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "UPDATE api_credentials SET secret_hash = $3, rotations = rotations + 1, previous_until = $4,
                previous_secret_hash = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE secret_hash END
             WHERE id = $1 AND rotations = $2 RETURNING id",
        )
        .bind(id).bind(rotations).bind(secret).bind(previous_until).fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

pub(super) async fn delete_credential(cx: &mut Cx, id: ApiCredentialId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM api_credentials WHERE id = $1").bind(id).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn delete_all_of(
    cx: &mut Cx,
    owner: StaffId,
) -> Result<Vec<(ApiCredentialId, String)>, db::Error> {
    Ok(on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM api_credentials WHERE staff_id = $1 RETURNING id, identifier")
            .bind(owner).fetch_all(conn).await
    })?)
}

#[derive(sqlx::FromRow)]
struct ProgramRow {
    id: ApiCredentialId,
    staff_id: StaffId,
    secret_hash: TokenHash,
    previous_secret_hash: Option<TokenHash>,
    previous_until: Option<Timestamp>,
    #[sqlx(flatten)]
    limits: LimitColumns,
    role_id: RoleId,
    everything: bool,
    permissions: String,
    /// Of one of its API roles, if it has any.
    operations: Option<String>,
}

/// How a program is looked for.
pub(super) enum By<'a> {
    Identifier(&'a str),
    Id(ApiCredentialId),
}

/// One look-up for everything a request needs to know of a program, a row for each of its API roles, so that what changes
/// holds on the next request.
pub(super) async fn find_program(
    db: Conn<'_>,
    by: By<'_>,
    catalogue: &Catalogue,
) -> Result<Option<(Program, Secrets)>, db::Error> {
    const SELECT: &str =
        "SELECT c.id, c.staff_id, c.secret_hash, c.previous_secret_hash, c.previous_until, c.networks, c.expires_at,
            c.rate_per_minute, s.role_id, r.everything, r.permissions, a.operations
         FROM api_credentials c JOIN logins l ON l.id = c.staff_id JOIN staff s ON s.id = l.id JOIN roles r ON r.id = s.role_id
            LEFT JOIN api_credential_roles g ON g.credential_id = c.id LEFT JOIN api_roles a ON a.id = g.api_role_id
         WHERE NOT l.disabled";
    const BY_IDENTIFIER: &str = concatcp!(SELECT, " AND c.identifier = $1");
    const BY_ID: &str = concatcp!(SELECT, " AND c.id = $1");
    let mut rows: Vec<ProgramRow> = on!(db, conn => match by {
        By::Identifier(identifier) => sqlx::query_as(BY_IDENTIFIER).bind(identifier).fetch_all(conn).await,
        By::Id(id) => sqlx::query_as(BY_ID).bind(id).fetch_all(conn).await,
    })?;
    let operations = catalogue.known(rows.iter().filter_map(|row| row.operations.as_deref()).flat_map(words));
    let Some(row) = rows.pop() else { return Ok(None) };
    let program = Program {
        credential: row.id,
        owner: row.staff_id,
        owner_role: row.role_id,
        owner_rights: Rights::from_columns(row.everything, &row.permissions),
        operations,
        limits: row.limits.read()?,
        catalogue: catalogue.clone(),
    };
    let secrets =
        Secrets { hash: row.secret_hash, previous: row.previous_secret_hash.zip(row.previous_until) };
    Ok(Some((program, secrets)))
}

/// One statement for up to 300 credentials.
pub(super) async fn write_used(cx: &mut Cx, used: &[Used]) -> Result<(), db::Error> {
    for part in used.chunks(300) {
        let mut sql = Sql::new("WITH used (id, at, address) AS (VALUES ");
        for (index, Used { credential, at, address }) in part.iter().enumerate() {
            let address = address.map_or_else(String::new, |address| address.to_canonical().to_string());
            sql.push(if index == 0 { "(CAST(" } else { ", (CAST(" }).bind(Arg::Text(credential.to_string()));
            sql.push(" AS TEXT), CAST(").bind(Arg::Int(at.as_millis())).push(" AS BIGINT), CAST(");
            sql.bind(Arg::Text(address)).push(" AS TEXT))");
        }
        sql.push(
            ") UPDATE api_credentials SET last_used_at = used.at, last_used_from = NULLIF(used.address, '') FROM used
              WHERE api_credentials.id = used.id
                AND (api_credentials.last_used_at IS NULL OR api_credentials.last_used_at < used.at)",
        );
        sql.execute(cx.db()).await?;
    }
    Ok(())
}

/// Who has a credential with that API role, and what they may.
pub(super) async fn owners_with(cx: &mut Cx, id: ApiRoleId) -> Result<Vec<(StaffId, Rights)>, db::Error> {
    let rows: Vec<(StaffId, bool, String)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT DISTINCT s.id, r.everything, r.permissions
             FROM api_credential_roles h JOIN api_credentials c ON c.id = h.credential_id
             JOIN staff s ON s.id = c.staff_id JOIN roles r ON r.id = s.role_id WHERE h.api_role_id = $1",
        )
        .bind(id).fetch_all(conn).await
    })?;
    let rights =
        |(id, everything, permissions): (_, _, String)| (id, Rights::from_columns(everything, &permissions));
    Ok(rows.into_iter().map(rights).collect())
}
