//! Hashing passwords, at most as many at once as there are cores.

use std::sync::{Arc, LazyLock};

use argon2::PasswordVerifier as _;
use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash as Phc};
use tokio::sync::Semaphore;

use crate::{
    ids::{self, Chance},
    secret::Password,
};

/// A stored password: argon2id in the PHC string format, parameters inside.
#[derive(Clone, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(any(test, feature = "testing"))]
impl PasswordHash {
    /// A hash that no password matches, for tests in which nobody logs in.
    pub fn for_tests() -> Self {
        Self("$argon2id$none".into())
    }
}

/// Why a password was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("A password for staff has at least {0} characters.")]
    TooShort(usize),
    #[error("A password has at most {0} characters.")]
    TooLong(usize),
}

/// Too many passwords are waiting to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at this moment")]
pub struct Overloaded;

/// NIST SP 800-63B-4, section 3.1.1.2: fifteen characters where a password is the only factor.
pub const LEAST_STAFF: usize = 15;
pub const MOST: usize = 256;

/// The rules for a password that a member of staff chooses. Checked when it is set, never at login.
pub fn check_staff(password: &Password) -> Result<(), Refused> {
    match password.expose().chars().count() {
        length if length < LEAST_STAFF => Err(Refused::TooShort(LEAST_STAFF)),
        length if length > MOST => Err(Refused::TooLong(MOST)),
        _ => Ok(()),
    }
}

/// A bounded pool for work that takes 20 ms and 19 MiB each.
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

    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Overloaded> {
        let salt: [u8; 16] = ids::bytes(&*self.chance);
        self.run(move || hash(&password, &salt)).await
    }

    /// Whether `password` is the one behind `hash`. Without a hash it takes just as long and is wrong, so that nobody
    /// can tell by the time which logins exist.
    pub async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Overloaded> {
        self.run(move || {
            let matches = verify(&password, hash.as_ref().unwrap_or(&NOBODYS));
            matches && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let _admitted = self.admitted.try_acquire().map_err(|_| Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Overloaded)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work itself: a caller who goes away does not make room for another.
            let _running = running;
            work()
        })
        .await
        .map_err(|_| Overloaded)
    }
}

static NOBODYS: LazyLock<PasswordHash> =
    LazyLock::new(|| hash(&Password::new("nobody's password"), &[0; 16]));

/// OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane.
fn argon2id() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &Password, salt: &[u8]) -> PasswordHash {
    use argon2::PasswordHasher as _;
    let hashed = argon2id().hash_password_with_salt(password.expose().as_bytes(), salt);
    PasswordHash(hashed.expect("salt and password are within argon2's bounds").to_string())
}

fn verify(password: &Password, hash: &PasswordHash) -> bool {
    let parsed = Phc::new(&hash.0);
    parsed.is_ok_and(|hash| argon2id().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SystemChance;

    #[tokio::test]
    async fn a_password_is_recognised_in_any_unicode_form_and_no_other_is() {
        let hasher = Hasher::new(2, Arc::new(SystemChance));
        let hash = hasher.hash(Password::new("Caf\u{e9} au lait, s'il vous pla\u{ee}t")).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        let decomposed = Password::new("Cafe\u{301} au lait, s'il vous plai\u{302}t");
        assert!(hasher.verify(decomposed, Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(Password::new("Cafe au lait"), Some(hash)).await.unwrap());
        assert!(!hasher.verify(Password::new("nobody's password"), None).await.unwrap());
    }

    #[test]
    fn staff_passwords_have_fifteen_characters() {
        assert_eq!(check_staff(&Password::new(&"é".repeat(14))), Err(Refused::TooShort(15)));
        assert_eq!(check_staff(&Password::new(&"é".repeat(15))), Ok(()));
        assert_eq!(check_staff(&Password::new(&"x".repeat(257))), Err(Refused::TooLong(256)));
    }

    #[tokio::test]
    async fn more_than_fit_are_turned_away_at_once() {
        let hasher = Hasher::new(0, Arc::new(SystemChance));
        assert_eq!(hasher.hash(Password::new("any")).await.err(), Some(Overloaded));
    }
}
