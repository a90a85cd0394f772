//! Bans by hand, as this node knows them: every request is held against them without asking the database. Looked for again
//! at once after a change made here, and once a second for what other nodes and the command line changed.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use frontdesk_core::{
    cx::Caller,
    db,
    limits::{
        self,
        bans::{self, Snapshot},
    },
    rates,
    time::Timestamp,
};

use crate::App;

#[derive(Debug, Default)]
pub(crate) struct Bans(RwLock<Arc<Snapshot>>);

impl Bans {
    /// The end of the ban that refuses everything from this address, if there is one.
    pub(crate) fn refuses(&self, address: IpAddr, now: Timestamp) -> Option<Option<Timestamp>> {
        self.known().refuses(address, now)
    }

    fn known(&self) -> Arc<Snapshot> {
        // Nothing panics while it is held.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Forgets bans that are over, and failures too old to count.
pub(crate) async fn clear(app: &App) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    limits::clear(&mut cx).await?;
    rates::clear(&mut cx).await?;
    cx.commit().await
}

/// Looks whether anything has changed. What is known stays in force while the database does not answer.
pub(crate) async fn refresh(app: &App) -> Result<(), db::Error> {
    let known = app.bans().known();
    if let Some(new) = bans::snapshot(&mut app.read().await?, &known).await? {
        let mut slot = app.bans().0.write().unwrap_or_else(PoisonError::into_inner);
        // Of two looks at once the later one counts, whichever ends first.
        if slot.is_older_than(&new) {
            *slot = Arc::new(new);
        }
    }
    Ok(())
}
