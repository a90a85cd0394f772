//! What this node knows of programs between two requests of theirs: how fast they call, and when they last did, which is
//! written to the database once a minute, so that reads do not write.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use frontdesk_core::{
    api_access::{self, Used},
    cx::Caller,
    db,
    ids::ApiCredentialId,
    time::Timestamp,
};

use crate::App;

#[derive(Debug, Default)]
pub(crate) struct Programs {
    used: Mutex<HashMap<ApiCredentialId, Used>>,
    buckets: Mutex<HashMap<ApiCredentialId, Bucket>>,
}

/// A bucket of as many requests as a minute has, refilled evenly: the generic cell rate algorithm (ITU-T I.371). What is
/// kept is when it will be full again, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Bucket(i64);

const MINUTE: i64 = 60 * 1_000_000_000;

fn nanos(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1_000_000)
}

impl Bucket {
    /// The bucket after a request, and how long it takes until there is room for it if there is none.
    fn take(self, rate_per_minute: u32, now: Timestamp) -> (Self, Result<(), Duration>) {
        let (now, cost) = (nanos(now), MINUTE / i64::from(rate_per_minute.max(1)));
        // A clock that was set back keeps nobody waiting for longer than a minute.
        let full = self.0.clamp(now, now.saturating_add(MINUTE));
        match full.saturating_add(cost) - now - MINUTE {
            late @ 1.. => (Self(full), Err(Duration::from_nanos(late.unsigned_abs()))),
            _ => (Self(full.saturating_add(cost)), Ok(())),
        }
    }
}

impl Programs {
    /// Counts a request of a credential that may send so many a minute to this node. If that is one too many: when to come
    /// back.
    pub(crate) fn count(
        &self,
        credential: ApiCredentialId,
        rate_per_minute: u32,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.get(&credential).copied().unwrap_or(Bucket(i64::MIN));
        let (bucket, taken) = bucket.take(rate_per_minute, now);
        buckets.insert(credential, bucket);
        taken
    }

    pub(crate) fn note(&self, credential: ApiCredentialId, now: Timestamp, address: Option<IpAddr>) {
        lock(&self.used).insert(credential, Used { credential, at: now, address });
    }

    /// A full bucket is like none. Only credentials that are good have one, and those used in the last minute keep it.
    fn forget_full(&self, now: Timestamp) {
        lock(&self.buckets).retain(|_, bucket| bucket.0 > nanos(now));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and neither map can be half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what was gathered. Until it is kept, it is also still known here.
pub(crate) async fn write(app: &App) -> Result<(), db::Error> {
    app.programs().forget_full(app.now());
    let rows: Vec<_> = lock(&app.programs().used).values().copied().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut cx = app.begin(Caller::system()).await?;
    api_access::write_used(&mut cx, &rows).await?;
    cx.commit().await?;
    let mut used = lock(&app.programs().used);
    for row in rows {
        if used.get(&row.credential) == Some(&row) {
            used.remove(&row.credential);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ApiCredentialId = ApiCredentialId::from_u128(1);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000 + millis)
    }

    #[test]
    fn a_minute_has_as_many_requests_as_it_may_then_one_by_one() {
        let programs = Programs::default();
        for n in 0..60 {
            assert_eq!(programs.count(ONE, 60, at(0)), Ok(()), "{n}");
        }
        assert_eq!(programs.count(ONE, 60, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(programs.count(ONE, 60, at(999)), Err(Duration::from_millis(1)), "refusals cost nothing");
        assert_eq!(programs.count(ONE, 60, at(1000)), Ok(()));
        assert!(programs.count(ONE, 60, at(1000)).is_err());
        assert_eq!(programs.count(ApiCredentialId::from_u128(2), 60, at(1000)), Ok(()), "its own");

        for (rate, most) in [(1, 1), (7, 7), (100_000, 100_000)] {
            let programs = Programs::default();
            let taken = (0..most + 5).filter(|_| programs.count(ONE, rate, at(0)).is_ok()).count();
            assert_eq!(taken, most);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out() {
        let programs = Programs::default();
        while programs.count(ONE, 2, at(3_600_000)).is_ok() {}
        assert!(programs.count(ONE, 2, at(0)).is_err());
        assert_eq!(programs.count(ONE, 2, at(30_000)), Ok(()));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let programs = Programs::default();
        for n in 0..1000 {
            programs.count(ApiCredentialId::from_u128(n), 60, at(0)).unwrap();
        }
        programs.forget_full(at(999));
        assert_eq!(lock(&programs.buckets).len(), 1000);
        programs.forget_full(at(1000));
        assert_eq!(lock(&programs.buckets).len(), 0);
    }
}
