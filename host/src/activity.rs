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
    let mut foreign = 0;
    compare(&app).await;
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
        match seal(&app, &mut foreign).await {
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

/// Whether the log is at least as long as this machine has seen it.
async fn compare(app: &App) {
    let file = seen_file(app.config());
    let head = async { Ok::<_, db::Error>(seal::heads(&mut app.read().await?, i64::MAX).await?.head) };
    match (seen(&file), head.await) {
        (Err(error), _) => {
            tracing::warn!(file = %file.display(), %error, "the newest head seen here cannot be read")
        }
        (Ok(Some(seen)), Ok(head)) if head.as_ref().is_none_or(|head| head.number < seen.number) => {
            let (seen, head) = (seen.number, head.map_or(0, |head| head.number));
            tracing::error!(
                seen,
                head,
                "the activity log ends before an entry that this machine has seen: its end was cut off, or the database is an \
                 older copy; once that is explained, delete activity-head.json"
            );
        }
        _ => {}
    }
}

async fn seal(app: &App, foreign: &mut usize) -> Result<(), db::Error> {
    let sealed = seal::seal(app.service()).await?;
    if sealed.foreign.len() > *foreign {
        tracing::error!(
            entries = sealed.foreign.len(),
            first = %sealed.foreign[0],
            "entries of the activity log were not written by frontdesk, or changed before they were sealed; they stay out of \
             the chain, and `frontdesk activity verify` lists them"
        );
    }
    *foreign = sealed.foreign.len();
    for head in &sealed.kept {
        // Whoever keeps the log elsewhere keeps a witness there.
        let (number, hash, signature) = (head.number, head.link.to_string(), head.signature.to_string());
        tracing::info!(target: "activity", number, hash, at = %head.at, signature, "head of the activity log");
    }
    if let Some(head) = sealed.kept.last()
        && let Err(error) = keep_seen(&seen_file(app.config()), head)
    {
        tracing::warn!(%error, "the last head of the activity log could not be written beside the database");
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
    // An older head says less: what this machine has seen is not forgotten because the database was.
    if seen(file).ok().flatten().is_some_and(|seen| seen.number >= head.number) {
        return Ok(());
    }
    let new = file.with_extension("json.new");
    let mut to = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    to.write_all(&serde_json::to_vec(head).map_err(io::Error::other)?)?;
    to.sync_all()?;
    fs::rename(&new, file)
}
