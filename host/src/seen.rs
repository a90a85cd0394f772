//! When sessions were last used: gathered here, written to the database once a minute, so that reads do not write.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use frontdesk_core::{cx::Caller, db, ids::SessionId, sessions, time::Timestamp};

use crate::App;

/// How often what was gathered is written down.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<SessionId, Timestamp>>);

impl Seen {
    pub(crate) fn note(&self, session: SessionId, now: Timestamp) {
        self.lock().insert(session, now);
    }

    /// When this node last saw the session used, if it has not written that down yet.
    pub(crate) fn last(&self, session: SessionId) -> Option<Timestamp> {
        self.lock().get(&session).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Timestamp>> {
        // Nothing panics while it is held, and a map of instants cannot be half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was gathered. What fails to be written is gathered again.
pub(crate) async fn write(app: &App) -> Result<(), db::Error> {
    let gathered = std::mem::take(&mut *app.seen().lock());
    let rows: Vec<_> = gathered.into_iter().collect();
    let written = async {
        let mut cx = app.begin(Caller::system()).await?;
        sessions::write_seen(&mut cx, &rows).await?;
        cx.commit().await
    };
    written.await.inspect_err(|_| {
        let mut seen = app.seen().lock();
        for (session, at) in rows {
            let last = seen.entry(session).or_insert(at);
            *last = at.max(*last);
        }
    })
}
