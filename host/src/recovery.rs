//! Looks up, some time after the request, whose password somebody asked to set anew: so that no answer, and no time that it
//! or the requests behind it take, tells whether a login exists.

use std::time::Duration;

use frontdesk_core::{cx::Caller, db, ids, recovery};
use tokio::sync::watch;

use crate::App;

/// How long requests wait, and up to how much longer: nobody knows when theirs is looked up.
const WAIT: Duration = Duration::from_millis(500);
const JITTER_MS: u64 = 2000;
/// At once.
const MOST: i64 = 32;

/// Looks up what waits until `stopped`.
pub(crate) async fn run(app: App, mut stopped: watch::Receiver<()>) {
    loop {
        let more = match look_up(&app).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "who asked for a new password could not be looked up; trying again");
                false
            }
        };
        if more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait(&app)) => {}
            _ = stopped.changed() => return,
        }
    }
}

fn wait(app: &App) -> Duration {
    let drawn = u64::from_le_bytes(ids::bytes(app.chance()));
    WAIT + Duration::from_millis(drawn % JITTER_MS)
}

/// True if there may be more.
async fn look_up(app: &App) -> Result<bool, db::Error> {
    let mut view = app.read().await?;
    let waiting = recovery::waiting(&mut view, MOST).await?;
    drop(view);
    let mut failed = false;
    for request in &waiting {
        // One that fails does not stand in the way of those behind it; after an hour it is forgotten.
        if let Err(error) = resolve(app, request).await {
            tracing::warn!(%error, "who asked for a new password could not be looked up; trying again");
            failed = true;
        }
    }
    Ok(!failed && i64::try_from(waiting.len()).is_ok_and(|count| count == MOST))
}

async fn resolve(app: &App, request: &recovery::Request) -> Result<(), db::Error> {
    let mut cx = app.begin(request.caller()).await?;
    recovery::resolve(&mut cx, request.id, &app.settings()).await?;
    cx.commit().await
}

/// Forgets what is over.
pub(crate) async fn tidy(app: &App) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    recovery::tidy(&mut cx).await?;
    cx.commit().await
}
