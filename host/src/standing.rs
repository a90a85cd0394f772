//! That this process serves, said in the database; and a changed master key, taken up while it does.

use std::time::Duration;

use frontdesk_core::{
    cx::Caller,
    db::{self, Db},
    ids,
    secret::{
        KeyError,
        nodes::{self, BEAT, Node},
    },
    time::Timestamp,
};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{App, BuildError, Surroundings, config::Config};

/// How long a changed master key goes unnoticed by who needs none.
const POLL: Duration = Duration::from_secs(1);

/// Says that a node starts, before it looks for its key: whoever changes the master key waits for it from here on.
pub(crate) async fn announce(
    config: &Config,
    db: &Db,
    around: &Surroundings,
    alone: bool,
) -> Result<Node, BuildError> {
    let now = around.clock.now();
    let machine = hostname::get().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned());
    let data = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
    let node = Node {
        id: ids::uuid(now, &*around.chance).to_string(),
        name: format!("{machine} ({}, {})", around.bound, data.display()),
    };
    nodes::announce(db, now, &node, alone).await?;
    Ok(node)
}

/// What was last said, and when.
#[derive(PartialEq, Eq)]
struct Said {
    key_id: String,
    trouble: Option<String>,
}

/// Keeps up with the master key, and says so, until `stopped`.
pub(crate) async fn keep(app: App, mut stopped: watch::Receiver<()>) {
    let service = app.service();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<(Timestamp, Said)> = None;
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            _ = stopped.changed() => break,
        }
        let trouble = match service.keys.keep_up(&service.db, &*service.chance).await {
            Ok(()) => None,
            // The next look finds it.
            Err(KeyError::Db(_)) => continue,
            Err(error) => Some(error.to_string()),
        };
        let said = Said { key_id: service.keys.written_id(), trouble };
        if let Some((at, before)) = &last
            && *before == said
            && app.now().since(*at) < BEAT
        {
            continue;
        }
        if let Some(trouble) = &said.trouble {
            tracing::error!(trouble, "the master key was changed and this node cannot take up the new one");
        } else if last.as_ref().is_some_and(|(_, before)| before.key_id != said.key_id) {
            tracing::info!(key = said.key_id, "took up a new master key");
        }
        let at = app.now();
        match beat(&app, &said).await {
            Ok(()) => last = Some((at, said)),
            Err(error) => tracing::debug!(%error, "could not say that this node runs; trying again"),
        }
    }
    if let Err(error) = leave(&app).await {
        tracing::debug!(%error, "could not say that this node stops; it counts as gone in a minute");
    }
}

async fn beat(app: &App, said: &Said) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    nodes::beat(&mut cx, app.node(), &said.key_id, said.trouble.as_deref()).await?;
    cx.commit().await
}

async fn leave(app: &App) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    nodes::leave(&mut cx, app.node()).await?;
    cx.commit().await
}
