//! The outbox worker: claims what is due, has the mailer plugin deliver it, and records how that went.
//!
//! It wakes when a commit left something to deliver, when something falls due, and once a second to see what other
//! nodes left. At least once: a worker that dies between hand-over and record leaves the delivery to another one,
//! under the same id.

mod attempt;
mod mail;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use frontdesk_core::{
    cx::Caller,
    db,
    ids::{self, DeliveryId},
    outbox::{self, LEASE, Outcome},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{App, plugins::RUNNING_PER_PLUGIN};

/// How many deliveries one worker holds.
const HELD: usize = 256;
/// How long other nodes' commits, and a clock that was set, go unnoticed.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait after the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Delivers until `stopped`, then finishes what has begun and gives back the rest.
pub async fn run(app: App, mut stopped: watch::Receiver<()>) {
    let (outcomes, recorded) = mpsc::channel(HELD);
    let name: Arc<str> = ids::uuid(app.now(), app.chance()).to_string().into();
    let worker = Worker {
        name: Arc::clone(&name),
        held: Arc::default(),
        running: Arc::new(Semaphore::new(RUNNING_PER_PLUGIN)),
        outcomes,
        app: app.clone(),
    };
    let held = Arc::clone(&worker.held);
    let recorder = tokio::spawn(record(app.clone(), Arc::clone(&name), held, recorded));
    if app.is_alone() {
        // Whoever held something before is gone: this process alone holds the database.
        while let Err(error) = release_all(&app).await {
            pause(&error).await;
        }
    }

    let mut attempts = JoinSet::new();
    loop {
        let next = worker.claim(&mut attempts).await;
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            () = app.outbox_bell().notified() => {}
            Some(_) = attempts.join_next() => {}
            _ = stopped.changed() => break,
        }
        while attempts.try_join_next().is_some() {}
    }
    worker.running.close();
    while attempts.join_next().await.is_some() {}
    drop(worker);
    // The recorder ends when every outcome is written.
    _ = recorder.await;
    if let Err(error) = release(&app, &name).await {
        tracing::warn!(%error, "what was not begun could not be given back; it is taken up when the lease is over");
    }
}

/// What this worker holds, each with its fence.
#[derive(Debug, Default)]
struct Held(Mutex<HashMap<DeliveryId, i64>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeliveryId, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Lets go of a claim, unless the same delivery was claimed again since.
    fn remove(&self, id: DeliveryId, fence: i64) {
        if let Entry::Occupied(held) = self.lock().entry(id)
            && *held.get() == fence
        {
            held.remove();
        }
    }
}

struct Worker {
    app: App,
    name: Arc<str>,
    held: Arc<Held>,
    /// As many attempts run as the mailer may have calls; the others wait here, not in the plugin's queue.
    running: Arc<Semaphore>,
    outcomes: mpsc::Sender<Outcome>,
}

impl Worker {
    /// Begins what is due; answers how long nothing else will be.
    async fn claim(&self, attempts: &mut JoinSet<()>) -> Duration {
        let room = HELD - self.held.lock().len();
        // Many small claims cost more than a few large ones: one transaction each.
        if room < HELD / 2 {
            return POLL;
        }
        let claimed = async {
            let now = self.app.now();
            match outbox::next_due(&mut self.app.read().await?).await? {
                Some(due) if due <= now => {}
                due => return Ok((Vec::new(), due.map_or(POLL, |due| due.since(now)))),
            }
            let mut cx = self.app.begin(Caller::system()).await?;
            let claims = outbox::claim(&mut cx, &self.name, room).await?;
            cx.commit().await?;
            Ok::<_, db::Error>((claims, Duration::ZERO))
        };
        let (claims, next) = match claimed.await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read; trying again");
                return PAUSE;
            }
        };
        // Something was due and nothing was ours to take: another node was faster.
        let next =
            if claims.is_empty() { next.clamp(Duration::from_millis(5), POLL) } else { Duration::ZERO };
        for claim in claims {
            self.held.lock().insert(claim.id, claim.fence);
            let (app, running, outcomes) =
                (self.app.clone(), Arc::clone(&self.running), self.outcomes.clone());
            let held = Arc::clone(&self.held);
            attempts.spawn(async move {
                let Ok(_permit) = running.acquire_owned().await else { return };
                let (id, fence) = (claim.id, claim.fence);
                match attempt::attempt(&app, claim).await {
                    // The recorder outlives every attempt.
                    Some(outcome) => _ = outcomes.send(outcome).await,
                    None => held.remove(id, fence),
                }
            });
        }
        next
    }
}

/// The one writer of a worker's rows: commits whatever outcomes wait in one transaction, and renews the leases of what
/// is still being worked on. One, so that it never waits for itself.
async fn record(app: App, worker: Arc<str>, held: Arc<Held>, mut outcomes: mpsc::Receiver<Outcome>) {
    let mut batch = Vec::with_capacity(HELD);
    let mut beat = tokio::time::interval(LEASE / 3);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = outcomes.recv_many(&mut batch, HELD) => match received {
                0 => return,
                _ => keep(&app, &held, &mut batch).await,
            },
            _ = beat.tick() => {
                if !held.is_empty() && let Err(error) = renew(&app, &worker).await {
                    tracing::warn!(%error, "leases could not be renewed; trying again");
                }
            }
        }
    }
}

async fn keep(app: &App, held: &Held, batch: &mut Vec<Outcome>) {
    let kept = loop {
        match write(app, batch).await {
            Ok(kept) => break kept,
            Err(error) => pause(&error).await,
        }
    };
    for (outcome, kept) in batch.drain(..).zip(kept) {
        held.remove(outcome.id, outcome.fence);
        let (delivery, attempt, took_ms) = (outcome.id, outcome.attempt, outcome.took.as_millis());
        match outcome.result {
            _ if !kept => tracing::warn!(%delivery, attempt, "an outcome came after its lease and is void"),
            Ok(_) => tracing::info!(%delivery, attempt, took_ms, "delivered"),
            // The reason stands in the database: it may name people.
            Err(failed) => {
                tracing::warn!(%delivery, attempt, took_ms, again = ?failed.again, "not delivered")
            }
        }
    }
}

async fn write(app: &App, outcomes: &[Outcome]) -> Result<Vec<bool>, db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    let kept = outbox::record(&mut cx, outcomes).await?;
    cx.commit().await?;
    Ok(kept)
}

async fn renew(app: &App, worker: &str) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    outbox::renew(&mut cx, worker).await?;
    cx.commit().await
}

async fn release(app: &App, worker: &str) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    outbox::release(&mut cx, worker).await?;
    cx.commit().await
}

async fn release_all(app: &App) -> Result<(), db::Error> {
    let mut cx = app.begin(Caller::system()).await?;
    outbox::release_all(&mut cx).await?;
    cx.commit().await
}

/// What must be written is tried until it is, before anything else.
async fn pause(error: &db::Error) {
    tracing::warn!(%error, "the outbox could not be written; trying again");
    tokio::time::sleep(PAUSE).await;
}
