//! The log's own work while the service runs: sealing behind the writers, and retention.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use frontdesk_core::{
    activity::{
        retention,
        seal::{self, Head},
    },
    db,
};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{App, config::Config};

/// How often entries are sealed: what is younger is not in the chain yet.
const EVERY: Duration = Duration::from_secs(1);
/// How often retention looks.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// Seals until `stopped`, and once more then.
pub(crate) async fn run(app: App, mut stopped: watch::Receiver<()>) {
    let mut second = tokio::time::interval(EVERY);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut minute = tokio::time::interval(TRIM_EVERY);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut so_far = SoFar { seen: seen_before(&app), ..SoFar::default() };
    loop {
        let last = tokio::select! {
            _ = second.tick() => false,
            _ = minute.tick() => {
                match retention::trim(app.service(), app.settings().activity_keep_days).await {
                    Ok(0) => {}
                    Ok(entries) => tracing::info!(entries, "retention took old entries of the activity log away"),
                    Err(error) => tracing::warn!(%error, "retention of the activity log did not run; trying again in a minute"),
                }
                continue;
            }
            _ = stopped.changed() => true,
        };
        match seal(&app, &mut so_far).await {
            Ok(()) => {}
            Err(db::Error::TryAgain(error)) => {
                tracing::debug!(%error, "the activity log could not be sealed now")
            }
            Err(error) => {
                tracing::warn!(%error, "the activity log could not be sealed; trying again in a second")
            }
        }
        if last {
            return;
        }
    }
}

/// What is known from one round to the next.
#[derive(Default)]
struct SoFar {
    /// The newest head that this machine has seen.
    seen: Option<Head>,
    /// How many entries Frontdesk did not write.
    foreign: usize,
    /// Whether it was said that nothing is sealed.
    refused: bool,
}

fn seen_before(app: &App) -> Option<Head> {
    let file = seen_file(app.config());
    seen(&file).unwrap_or_else(|error| {
        tracing::error!(file = %file.display(), %error, "the newest head of the activity log seen here cannot be read");
        None
    })
}

async fn seal(app: &App, so_far: &mut SoFar) -> Result<(), db::Error> {
    let sealed = seal::seal(app.service(), so_far.seen.as_ref()).await?;
    if sealed.refused && !so_far.refused {
        let seen = so_far.seen.as_ref().map(|seen| seen.number);
        tracing::error!(
            seen,
            "the head of the activity log is not what this machine saw, or not signed by the log's key: somebody changed it, or \
             the database is an older copy. Nothing is sealed until `frontdesk activity verify` finds nothing wrong, or that \
             is explained and activity-head.json deleted before a restart"
        );
    }
    so_far.refused = sealed.refused;
    if sealed.foreign.len() > so_far.foreign {
        tracing::error!(
            entries = sealed.foreign.len(),
            first = %sealed.foreign[0],
            "entries of the activity log were not written by frontdesk, or changed before they were sealed; they stay out of \
             the chain, and `frontdesk activity verify` lists them"
        );
    }
    so_far.foreign = sealed.foreign.len();
    for head in &sealed.kept {
        // Whoever keeps the log elsewhere keeps a witness there.
        let (number, hash, signature) = (head.number, head.link.to_string(), head.signature.to_string());
        tracing::info!(target: "activity", number, hash, at = %head.at, signature, "head of the activity log");
    }
    if let Some(head) = sealed.head.filter(|head| so_far.seen.as_ref() != Some(head) && head.number > 0) {
        if let Err(error) = keep_seen(&seen_file(app.config()), &head) {
            tracing::warn!(%error, "the last head of the activity log could not be written beside the database");
        }
        so_far.seen = Some(head);
    }
    Ok(())
}

/// Where this machine keeps the newest head it has seen: a database that is put back to an older state says less.
pub(crate) fn seen_file(config: &Config) -> PathBuf {
    config.data.join("activity-head.json")
}

/// The newest head this machine has seen, if it has seen one.
pub(crate) fn seen(file: &Path) -> io::Result<Option<Head>> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn keep_seen(file: &Path, head: &Head) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut to = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    to.write_all(&serde_json::to_vec(head).map_err(io::Error::other)?)?;
    to.sync_all()?;
    fs::rename(&new, file)
}
