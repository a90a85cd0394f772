//! A bounded pool for work that takes 20 ms and 19 MiB each.

use std::{future, panic, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::{
    PasswordHash, RecoveryHash, Verdict,
    rules::{self, Refused, Rules},
    stored,
};
use crate::{
    ids::{self, Chance},
    secret::Password,
};

/// Too many passwords are waiting to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at this moment")]
pub struct Overloaded;

/// Hashes at most as many passwords at once as there are cores, and lets only so many wait.
#[derive(Clone, Debug)]
pub struct Hasher {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    chance: Arc<dyn Chance>,
}

/// How many may wait for each core before further ones are turned away: about a second's work.
const WAITING_PER_CORE: usize = 32;

impl Hasher {
    pub fn new(cores: usize, chance: Arc<dyn Chance>) -> Self {
        let admitted = Arc::new(Semaphore::new(cores * (1 + WAITING_PER_CORE)));
        Self { running: Arc::new(Semaphore::new(cores)), admitted, chance }
    }

    /// Waits for a core, or is refused at once. What was decided before the wait may have changed since: look again at
    /// limits and bans, then work.
    pub async fn turn(&self) -> Result<Turn, Overloaded> {
        self.turn_of(1).await
    }

    /// A turn that takes as long as `weight` others, and as much of the room to wait.
    async fn turn_of(&self, weight: u32) -> Result<Turn, Overloaded> {
        let admitted = Arc::clone(&self.admitted).try_acquire_many_owned(weight).map_err(|_| Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Overloaded)?;
        let held = Arc::new(Held { _running: running, _admitted: admitted });
        Ok(Turn { held, chance: Arc::clone(&self.chance) })
    }

    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Overloaded> {
        Ok(self.turn().await?.hash(password).await)
    }

    /// Whether `password` is the one behind `hash`. [`Turn::verify`] says, too, if the hash should be renewed.
    pub async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Overloaded> {
        Ok(self.turn().await?.verify(password, hash).await.is_right())
    }

    /// The hashes of a person's new recovery codes, in their order, made in one turn.
    pub async fn recovery_all(
        &self,
        codes: Vec<Zeroizing<String>>,
        salt: [u8; 16],
    ) -> Result<Vec<RecoveryHash>, Overloaded> {
        let mut turn = self.turn_of(u32::try_from(codes.len()).unwrap_or(u32::MAX)).await?;
        Ok(turn.run(move || codes.iter().map(|code| stored::recovery(code, &salt)).collect()).await)
    }
}

/// One core's permission to hash, for one caller's pieces of work one after the other. Do not keep it longer than that:
/// others wait for it.
#[derive(Debug)]
pub struct Turn {
    held: Arc<Held>,
    chance: Arc<dyn Chance>,
}

#[derive(Debug)]
struct Held {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

impl Turn {
    /// Whether `password` is the one behind `hash`. Without a hash it takes just as long as with one of today's and is
    /// wrong, so that nobody can tell by the time which logins exist.
    pub async fn verify(&mut self, password: Password, hash: Option<PasswordHash>) -> Verdict {
        let new_salt = ids::bytes(&*self.chance);
        self.run(move || stored::verify(&password, hash.as_ref(), &new_salt)).await
    }

    pub async fn hash(&mut self, password: Password) -> PasswordHash {
        let salt = ids::bytes(&*self.chance);
        self.run(move || stored::hash(&password, &salt)).await
    }

    /// [`rules::check`], which may take 10 ms, beside the threads that serve requests.
    pub async fn check(
        &mut self,
        password: Password,
        least: usize,
        own_words: Vec<String>,
    ) -> Result<(), Refused> {
        self.run(move || {
            let own_words: Vec<&str> = own_words.iter().map(String::as_str).collect();
            rules::check(&password, &Rules { least, own_words: &own_words })
        })
        .await
    }

    /// The hash under which `code` is stored, if it is one of the person's whose salt this is. `code` comes in the form
    /// in which it was stored.
    pub async fn recovery(&mut self, code: &str, salt: &[u8; 16]) -> RecoveryHash {
        let (code, salt) = (Zeroizing::new(code.to_owned()), *salt);
        self.run(move || stored::recovery(&code, &salt)).await
    }

    async fn run<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let held = Arc::clone(&self.held);
        let working = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller who goes away does not make room for another.
            let _held = held;
            work()
        });
        match working.await.map_err(|error| error.try_into_panic()) {
            Ok(done) => done,
            Err(Ok(panicked)) => panic::resume_unwind(panicked),
            // Only the end of the runtime cancels such work, and it ends this caller, too.
            Err(Err(_)) => future::pending().await,
        }
    }
}
