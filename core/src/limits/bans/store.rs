use const_format::concatcp;

use super::{Ban, TrustedAddress};
use crate::{
    cx::{Cx, Reads},
    db::{self, Arg, Conn, Sql},
    ids::{BanId, StaffId, TrustedAddressId},
    network::Network,
    on,
    page::{PageColumns, PageRequest},
    time::Timestamp,
};

const BAN: &str = "id, network, kind, reason, created_at, expires_at, created_by";
const TRUSTED: &str = "id, network, note, created_at";
const PAGE: PageColumns = PageColumns { pair: "(created_at, id)", descending: "created_at DESC, id DESC" };

/// Tells every node to look again. One change at a time: what is trusted and what is banned are judged together.
pub(super) async fn note_change(cx: &mut Cx) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("UPDATE ban_changes SET changes = changes + 1").execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn changes(db: Conn<'_>) -> Result<i64, db::Error> {
    let (changes,) = on!(db, conn => {
        sqlx::query_as("SELECT changes FROM ban_changes").fetch_one(conn).await
    })?;
    Ok(changes)
}

/// A trusted network that has an address in common with this one.
pub(super) async fn trusted_within(cx: &mut Cx, network: Network) -> Result<Option<Network>, db::Error> {
    let row: Option<(Network,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT network FROM trusted_addresses WHERE first_address <= $2 AND last_address >= $1
             ORDER BY first_address LIMIT 1",
        )
        .bind(network.first()).bind(network.last()).fetch_optional(conn).await
    })?;
    Ok(row.map(|(network,)| network))
}

pub(super) async fn insert(
    cx: &mut Cx,
    id: BanId,
    network: Network,
    reason: &str,
    expires_at: Option<Timestamp>,
    created_by: Option<StaffId>,
) -> Result<Ban, db::Error> {
    const SQL: &str = concatcp!(
        "INSERT INTO bans (id, network, first_address, last_address, kind, reason, created_at, expires_at, created_by)
         VALUES ($1, $2, $3, $4, 'manual', $5, $6, $7, $8)
         ON CONFLICT (network, kind) DO UPDATE SET reason = $5, expires_at = $7, created_by = $8
         RETURNING ",
        BAN
    );
    let now = cx.now();
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(SQL)
            .bind(id).bind(network).bind(network.first()).bind(network.last()).bind(reason).bind(now).bind(expires_at)
            .bind(created_by).fetch_one(conn).await
    })?)
}

pub(super) async fn delete(cx: &mut Cx, id: BanId) -> Result<Option<Ban>, db::Error> {
    const SQL: &str = concatcp!(
        "DELETE FROM bans WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2) RETURNING ",
        BAN
    );
    let now = cx.now();
    Ok(on!(cx.db(), conn => sqlx::query_as(SQL).bind(id).bind(now).fetch_optional(conn).await)?)
}

pub(super) async fn delete_network(cx: &mut Cx, network: Network) -> Result<Vec<Ban>, db::Error> {
    const SQL: &str = concatcp!(
        "DELETE FROM bans WHERE network = $1 AND (expires_at IS NULL OR expires_at > $2) RETURNING ",
        BAN
    );
    let now = cx.now();
    Ok(on!(cx.db(), conn => sqlx::query_as(SQL).bind(network).bind(now).fetch_all(conn).await)?)
}

pub(super) fn select_one_ban(now: Timestamp) -> Sql {
    let mut sql = Sql::new("SELECT CAST(1 AS BIGINT) FROM bans WHERE (expires_at IS NULL OR expires_at > ");
    sql.bind(Arg::Int(now.as_millis())).push(")");
    sql
}

pub(super) async fn list(db: Conn<'_>, now: Timestamp, request: &PageRequest) -> Result<Vec<Ban>, db::Error> {
    let mut sql =
        Sql::new(concatcp!("SELECT ", BAN, " FROM bans WHERE (expires_at IS NULL OR expires_at > "));
    sql.bind(Arg::Int(now.as_millis())).push(")");
    request.finish(&mut sql, PAGE);
    sql.fetch_all(db).await
}

pub(super) async fn insert_trusted(
    cx: &mut Cx,
    id: TrustedAddressId,
    network: Network,
    note: Option<&str>,
) -> Result<TrustedAddress, db::Error> {
    const SQL: &str = concatcp!(
        "INSERT INTO trusted_addresses (id, network, first_address, last_address, note, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (network) DO UPDATE SET note = $5
         RETURNING ",
        TRUSTED
    );
    let now = cx.now();
    Ok(on!(cx.db(), conn => {
        sqlx::query_as(SQL)
            .bind(id).bind(network).bind(network.first()).bind(network.last()).bind(note).bind(now)
            .fetch_one(conn).await
    })?)
}

pub(super) async fn delete_trusted(cx: &mut Cx, id: TrustedAddressId) -> Result<Option<Network>, db::Error> {
    let row: Option<(Network,)> = on!(cx.db(), conn => {
        sqlx::query_as("DELETE FROM trusted_addresses WHERE id = $1 RETURNING network")
            .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(|(network,)| network))
}

pub(super) fn select_one_trusted() -> Sql {
    Sql::new("SELECT CAST(1 AS BIGINT) FROM trusted_addresses")
}

pub(super) async fn list_trusted(
    db: Conn<'_>,
    request: &PageRequest,
) -> Result<Vec<TrustedAddress>, db::Error> {
    let mut sql = Sql::new(concatcp!("SELECT ", TRUSTED, " FROM trusted_addresses WHERE TRUE"));
    request.finish(&mut sql, PAGE);
    sql.fetch_all(db).await
}

pub(super) async fn manual(
    db: Conn<'_>,
    now: Timestamp,
) -> Result<Vec<(Network, Option<Timestamp>)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as(
            "SELECT network, expires_at FROM bans
             WHERE kind = 'manual' AND (expires_at IS NULL OR expires_at > $1)",
        )
        .bind(now).fetch_all(conn).await
    })?)
}

pub(super) async fn trusted(db: Conn<'_>) -> Result<Vec<Network>, db::Error> {
    let rows: Vec<(Network,)> = on!(db, conn => {
        sqlx::query_as("SELECT network FROM trusted_addresses").fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(network,)| network).collect())
}
