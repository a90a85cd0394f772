use std::net::IpAddr;

use super::{Attempt, REMEMBERED, Refused, Step, bans::Kind};
use crate::{
    cx::{Cx, Reads},
    db::{self, Conn},
    ids::{BanId, LoginId},
    logins::Audience,
    network::{Network, ordered},
    on,
    time::Timestamp,
};

/// What is set about an address.
pub(super) struct Rules {
    pub is_trusted: bool,
    /// The kind of each ban, and until when it lasts.
    bans: Vec<(Kind, Option<Timestamp>)>,
}

impl Rules {
    pub(super) fn applies_to(&self, attempt: &Attempt) -> Option<Refused> {
        // A ban by hand names somebody; an automatic one may have hit a proxy.
        let hits = |kind| match kind {
            Kind::Manual => true,
            Kind::Automatic => attempt.audience == Audience::Staff && attempt.countable,
        };
        let hit = self.bans.iter().filter(|(kind, _)| !self.is_trusted && hits(*kind));
        // The one by hand holds longer than it seems.
        hit.max_by_key(|(kind, _)| *kind).map(|(_, until)| Refused::Banned { until: *until })
    }
}

const TRUSTED: &str = "trusted";

pub(super) async fn rules(db: Conn<'_>, address: Option<IpAddr>, now: Timestamp) -> Result<Rules, db::Error> {
    // Without an address the same statement finds nothing.
    let text = address.map(ordered).unwrap_or_default();
    let network = address.map(Network::of).map(|network| network.to_string()).unwrap_or_default();
    let rows: Vec<(String, Option<Timestamp>)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT kind, expires_at FROM bans
             WHERE ((kind = 'manual' AND first_address <= $1 AND last_address >= $1)
                 OR (kind = 'automatic' AND network = $2)) AND (expires_at IS NULL OR expires_at > $3)
             UNION ALL
             SELECT CAST('trusted' AS TEXT), CAST(NULL AS BIGINT) FROM trusted_addresses
             WHERE first_address <= $1 AND last_address >= $1",
        )
        .bind(text).bind(network).bind(now).fetch_all(conn).await
    })?;
    Ok(Rules {
        is_trusted: rows.iter().any(|(kind, _)| kind == TRUSTED),
        bans: rows.iter().filter_map(|(kind, until)| Some((Kind::parse(kind)?, *until))).collect(),
    })
}

/// How often a guess failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub failures: i64,
    pub last_failed_at: Timestamp,
}

pub(super) struct Counts {
    pub counts: [Count; 2],
    /// Whether the login has come from the network.
    pub is_known: bool,
}

/// How the counters with two keys stand, and whether the login has come from the network since then.
pub(super) async fn counts(
    db: Conn<'_>,
    keys: [&String; 2],
    login: Option<LoginId>,
    network: Option<Network>,
    since: Timestamp,
) -> Result<Counts, db::Error> {
    let rows: Vec<(String, i64, Timestamp)> = on!(db, conn => {
        sqlx::query_as(
            "SELECT key, failures, last_failed_at FROM name_delays WHERE key = $1 OR key = $2
             UNION ALL
             SELECT CAST('known' AS TEXT), CAST(0 AS BIGINT), last_seen_at FROM known_networks
             WHERE login_id = $3 AND network = $4 AND last_seen_at > $5",
        )
        .bind(keys[0]).bind(keys[1]).bind(login).bind(network).bind(since).fetch_all(conn).await
    })?;
    let count = |key: &String| {
        let row = rows.iter().find(|row| row.0 == *key);
        row.map_or(Count { failures: 0, last_failed_at: Timestamp::from_millis(0) }, |row| Count {
            failures: row.1,
            last_failed_at: row.2,
        })
    };
    Ok(Counts { counts: keys.map(count), is_known: rows.iter().any(|row| row.0 == "known") })
}

/// Holds the counter's row until the transaction ends, and says how it stands.
pub(super) async fn lock(
    cx: &mut Cx,
    key: &str,
    attempt: &Attempt,
    apart: Option<Network>,
) -> Result<Count, db::Error> {
    let now = cx.now();
    let apart = apart.map(|network| network.to_string()).unwrap_or_default();
    let (failures, last_failed_at) = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO name_delays (key, login_id, step, network, failures, last_failed_at)
             VALUES ($1, $2, $3, $4, 0, $5)
             ON CONFLICT (key) DO UPDATE SET failures = name_delays.failures
             RETURNING failures, last_failed_at",
        )
        .bind(key).bind(attempt.login).bind(attempt.step).bind(apart).bind(now).fetch_one(conn).await
    })?;
    Ok(Count { failures, last_failed_at })
}

/// One more failure; the first again if the last one is forgotten.
pub(super) async fn count(
    cx: &mut Cx,
    key: &str,
    attempt: &Attempt,
    apart: Option<Network>,
) -> Result<(), db::Error> {
    let now = cx.now();
    let apart = apart.map(|network| network.to_string()).unwrap_or_default();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO name_delays (key, login_id, step, network, failures, last_failed_at)
             VALUES ($1, $2, $3, $4, 1, $5)
             ON CONFLICT (key) DO UPDATE SET last_failed_at = $5, login_id = $2,
                 failures = CASE WHEN name_delays.last_failed_at > $6 THEN name_delays.failures + 1 ELSE 1 END",
        )
        .bind(key).bind(attempt.login).bind(attempt.step).bind(apart).bind(now).bind(now.minus(REMEMBERED))
        .execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// One more failure from the network; how many there are by now, whatever was guessed at.
pub(super) async fn count_address(
    cx: &mut Cx,
    network: Network,
    key: &str,
    attempt: &Attempt,
) -> Result<i64, db::Error> {
    let now = cx.now();
    let since = now.minus(REMEMBERED);
    // First the anchor: of failures at once, each sees those before it.
    for (key, login, failure) in [("", None, 0_i64), (key, attempt.login, 1)] {
        on!(cx.db(), conn => {
            sqlx::query(
                "INSERT INTO address_failures (network, key, login_id, step, failures, last_failed_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (network, key) DO UPDATE SET last_failed_at = $6, login_id = $3,
                     failures = CASE WHEN address_failures.last_failed_at > $7
                         THEN address_failures.failures + $5 ELSE $5 END",
            )
            .bind(network).bind(key).bind(login).bind(attempt.step).bind(failure).bind(now).bind(since)
            .execute(conn).await.map(|_| ())
        })?;
    }
    let (sum,): (i64,) = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT CAST(SUM(failures) AS BIGINT) FROM address_failures WHERE network = $1 AND last_failed_at > $2",
        )
        .bind(network).bind(since).fetch_one(conn).await
    })?;
    Ok(sum)
}

pub(super) async fn forget_address(cx: &mut Cx, network: Network) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        // The anchor stays: others may be waiting for it.
        sqlx::query("DELETE FROM address_failures WHERE network = $1 AND key <> ''")
            .bind(network).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// None if there is such a ban already: it is not made longer by what was under way when it began.
pub(super) async fn ban_automatically(
    cx: &mut Cx,
    id: BanId,
    network: Network,
    reason: &str,
    expires_at: Timestamp,
) -> Result<Option<BanId>, db::Error> {
    let now = cx.now();
    let row: Option<(BanId,)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "INSERT INTO bans (id, network, first_address, last_address, kind, reason, created_at, expires_at)
             VALUES ($1, $2, $3, $4, 'automatic', $5, $6, $7)
             ON CONFLICT (network, kind) DO UPDATE SET id = $1, reason = $5, created_at = $6, expires_at = $7
             WHERE bans.expires_at <= $6
             RETURNING id",
        )
        .bind(id).bind(network).bind(network.first()).bind(network.last()).bind(reason).bind(now).bind(expires_at)
        .fetch_optional(conn).await
    })?;
    Ok(row.map(|(id,)| id))
}

/// Forgets what was counted for a login by name: wrong passwords, and after a right code wrong codes as well.
pub(super) async fn forget(
    cx: &mut Cx,
    login: LoginId,
    step: Step,
    apart: Option<Network>,
) -> Result<(), db::Error> {
    let apart = apart.map(|network| network.to_string()).unwrap_or_default();
    on!(cx.db(), conn => {
        sqlx::query(
            "DELETE FROM name_delays
             WHERE login_id = $1 AND network = $2 AND (step = $3 OR ($3 = 'code' AND step = 'password')
                 OR ($3 <> 'confirmation' AND step = 'confirmation'))",
        )
        .bind(login).bind(apart).bind(step).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// What was guessed at a login's password, from wherever.
pub(super) async fn forget_passwords(cx: &mut Cx, login: LoginId) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM name_delays WHERE login_id = $1 AND step <> 'code'")
            .bind(login).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// The same by address.
pub(super) async fn forget_address_of(
    cx: &mut Cx,
    login: LoginId,
    step: Step,
    network: Network,
) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query(
            "DELETE FROM address_failures
             WHERE network = $2 AND login_id = $1 AND (step = $3 OR ($3 = 'code' AND step = 'password')
                 OR ($3 <> 'confirmation' AND step = 'confirmation'))",
        )
        .bind(login).bind(network).bind(step).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

/// From where a login has come, and when last.
pub(super) async fn known(db: Conn<'_>, login: LoginId) -> Result<Vec<(Network, Timestamp)>, db::Error> {
    Ok(on!(db, conn => {
        sqlx::query_as("SELECT network, last_seen_at FROM known_networks WHERE login_id = $1")
            .bind(login).fetch_all(conn).await
    })?)
}

pub(super) async fn know(cx: &mut Cx, login: LoginId, network: Network) -> Result<(), db::Error> {
    let now = cx.now();
    on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO known_networks (login_id, network, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (login_id, network) DO UPDATE SET last_seen_at = $3",
        )
        .bind(login).bind(network).bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn forget_networks(cx: &mut Cx, login: LoginId, since: Timestamp) -> Result<(), db::Error> {
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM known_networks WHERE login_id = $1 AND last_seen_at <= $2")
            .bind(login).bind(since).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

pub(super) async fn clear(cx: &mut Cx) -> Result<(), db::Error> {
    let now = cx.now();
    let since = now.minus(REMEMBERED);
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM name_delays WHERE last_failed_at <= $1").bind(since).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM address_failures WHERE last_failed_at <= $1")
            .bind(since).execute(conn).await.map(|_| ())
    })?;
    on!(cx.db(), conn => {
        sqlx::query("DELETE FROM bans WHERE expires_at <= $1").bind(now).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
