//! When sessions were last used: gathered here, written to the database once a minute, so that reads do not write.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use frontdesk_core::{
    cx::Caller,
    db,
    ids::SessionId,
    sessions::{self, Authenticated, UNWRITTEN},
    time::Timestamp,
};
use tokio::sync::Notify;

use crate::App;

/// How often what was gathered is written down.
pub(crate) const WRITE_EVERY: Duration = UNWRITTEN;

#[derive(Debug, Default)]
pub(crate) struct Seen {
    gathered: Mutex<HashMap<SessionId, Timestamp>>,
    hurry: Notify,
}

impl Seen {
    pub(crate) fn note(&self, session: &Authenticated, now: Timestamp, idle: Duration) {
        let mut gathered = self.lock();
        // A clock that was set back makes nobody idle.
        let last = gathered.entry(session.session).or_insert(now);
        *last = now.max(*last);
        drop(gathered);
        // To other nodes the session looks idle for long: tell them before it looks over.
        if now.since(session.last_seen_at) > idle / 2 {
            self.hurry.notify_one();
        }
    }

    /// Waits until something should be written down at once.
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// When this node last saw the session used, if it has not written that down yet.
    pub(crate) fn last(&self, session: SessionId) -> Option<Timestamp> {
        self.lock().get(&session).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Timestamp>> {
        // Nothing panics while it is held, and a map of instants cannot be half changed.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was gathered. Until it is kept, it is also still known here.
pub(crate) async fn write(app: &App) -> Result<(), db::Error> {
    let rows: Vec<_> = app.seen().lock().iter().map(|(session, at)| (*session, *at)).collect();
    let mut cx = app.begin(Caller::system()).await?;
    sessions::write_seen(&mut cx, &rows, &app.settings()).await?;
    cx.commit().await?;
    let mut seen = app.seen().lock();
    for (session, at) in rows {
        if seen.get(&session) == Some(&at) {
            seen.remove(&session);
        }
    }
    Ok(())
}
