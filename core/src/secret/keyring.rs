//! The master key, and the ones it took the place of.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{NotOurs, Sealed, Token, key_file, store};
use crate::{
    db::{self, Db},
    ids::{self, Chance},
};

/// Why the master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: a master key is 64 hexadecimal digits; restore it from your backup", path.display())]
    Malformed { path: PathBuf },
    #[error(
        "this database belongs to master key {expected}, and there is no {}; copy it from the machine that made the database, or from your backup",
        path.display()
    )]
    Missing { path: PathBuf, expected: String },
    #[error(
        "this database belongs to master key {expected}, but {} holds {found}; copy the right one from the machine that made the database, or from your backup",
        path.display()
    )]
    Other { path: PathBuf, expected: String, found: String },
    #[error(transparent)]
    Db(#[from] db::Error),
}

pub(super) const KEY_ID: usize = 8;
const NONCE: usize = 24;

/// One master key, and what is derived from it (HKDF-SHA256, RFC 5869).
#[derive(Clone)]
pub(super) struct Key {
    /// In one place, and gone when the last handle is.
    master: Arc<Zeroizing<[u8; 32]>>,
}

impl Key {
    pub(super) fn new(master: [u8; 32]) -> Self {
        Self { master: Arc::new(Zeroizing::new(master)) }
    }

    pub(super) fn generate(chance: &dyn Chance) -> Self {
        Self::new(ids::bytes(chance))
    }

    pub(super) fn from_slice(master: &[u8]) -> Option<Self> {
        master.try_into().ok().map(Self::new)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.master.as_slice()
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"frontdesk"), self.bytes())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are within what HKDF gives");
        key
    }

    pub(super) fn raw_id(&self) -> [u8; KEY_ID] {
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&self.derive("key id")[..KEY_ID]);
        id
    }

    pub(super) fn id(&self) -> String {
        HEXLOWER.encode(&self.raw_id())
    }

    /// What the database holds of the key, to tell whether somebody has it.
    pub(super) fn check_value(&self) -> [u8; 32] {
        self.derive("check value")
    }

    fn is(&self, row: &store::Row) -> bool {
        row.check_value.as_slice().ct_eq(&self.check_value()).into()
    }

    pub(super) fn seal(&self, belongs_to: &str, secret: &[u8], chance: &dyn Chance) -> Sealed {
        let nonce: [u8; NONCE] = ids::bytes(chance);
        let payload = Payload { msg: secret, aad: belongs_to.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is shorter than the cipher's limit of 256 GiB");
        Sealed([&self.raw_id()[..], &nonce, &sealed].concat())
    }

    fn unseal(&self, belongs_to: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOurs> {
        let (_, rest) = sealed.split_at_checked(KEY_ID).ok_or(NotOurs)?;
        let (nonce, secret) = rest.split_first_chunk::<NONCE>().ok_or(NotOurs)?;
        let payload = Payload { msg: secret, aad: belongs_to.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| NotOurs)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("seal").into())
    }
}

/// What a new master key, sealed under the one before, belongs to.
pub(super) fn wrapped_as(key_id: &str) -> String {
    format!("master key {key_id}")
}

/// The master keys that this process holds. Clones share them: a key that is taken up is there for all.
///
/// What is sealed names its key, so any of them opens what it sealed. New secrets are sealed by
/// [`Cx::seal`](crate::cx::Cx::seal), which asks the database for the key that holds.
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

struct Ring {
    /// The newest first; never empty.
    keys: RwLock<Vec<Key>>,
    file: Option<PathBuf>,
    /// The ids of what the file holds, as far as is known.
    written: Mutex<Vec<String>>,
}

fn ids_of(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::id).collect()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.id())
    }
}

impl Keyring {
    pub fn from_bytes(master: [u8; 32]) -> Self {
        Self::of(vec![Key::new(master)], None)
    }

    fn of(keys: Vec<Key>, file: Option<PathBuf>) -> Self {
        let written = Mutex::new(ids_of(&keys));
        Self(Arc::new(Ring { keys: RwLock::new(keys), file, written }))
    }

    /// Takes the keys from `path`, or makes one there if neither file nor database knows of any. Nodes that share a
    /// database agree by one row: whoever comes second must hold the same key, or the one before while it is changed.
    pub async fn open(path: &Path, db: &Db, chance: &dyn Chance) -> Result<Self, KeyError> {
        let known = store::current(db).await?;
        let keys = match (key_file::read(path)?, &known) {
            (Some(keys), _) => keys,
            (None, Some(row)) => {
                return Err(KeyError::Missing { path: path.into(), expected: row.key_id.clone() });
            }
            (None, None) => {
                key_file::create(path, &Key::generate(chance), chance)?;
                key_file::read(path)?.ok_or_else(|| KeyError::Malformed { path: path.into() })?
            }
        };
        if known.is_none() {
            store::claim(db, &keys[0]).await?;
        }
        let ring = Self::of(keys, Some(path.into()));
        match ring.keep_up(db, chance).await {
            // A change of the key is under way, and the file cannot be written: that stops the change, not the service.
            Err(KeyError::File { path, source }) => {
                tracing::warn!(path = %path.display(), %source, "the new master key cannot be written");
            }
            done => done?,
        }
        Ok(ring)
    }

    /// Takes up what changed in the database: the new key while it is being changed, into the file as well; and, when
    /// that is over, the old one out of the file. The process keeps old keys, which open nothing any more, for readers
    /// who are late.
    pub async fn keep_up(&self, db: &Db, chance: &dyn Chance) -> Result<(), KeyError> {
        let Some(current) = store::current(db).await? else { return Ok(()) };
        let Some(path) = &self.0.file else {
            self.learn(&current);
            return Ok(());
        };
        if !self.learn(&current) {
            // Perhaps somebody has put the right file there.
            self.add(key_file::read(path)?.unwrap_or_default());
            if !self.learn(&current) {
                return Err(KeyError::Other {
                    path: path.clone(),
                    expected: current.key_id,
                    found: self.id(),
                });
            }
        }
        if ids_of(&self.wanted(&current)) == *self.written() {
            return Ok(());
        }
        // One writer at a time, who looks again: another process of this directory may be further.
        let _lock = key_file::lock(path).await;
        let Some(current) = store::current(db).await? else { return Ok(()) };
        if self.learn(&current) {
            let wanted = self.wanted(&current);
            if ids_of(&key_file::read(path)?.unwrap_or_default()) != ids_of(&wanted) {
                key_file::replace(path, &wanted, chance)?;
            }
            *self.written() = ids_of(&wanted);
        }
        Ok(())
    }

    /// Which keys the file should hold: while the key is changed, the one before as well.
    fn wanted(&self, current: &store::Row) -> Vec<Key> {
        let keys = self.keys();
        let before = keys.iter().filter(|key| current.wrapped.is_some() && !key.is(current)).take(1);
        keys.iter().filter(|key| key.is(current)).chain(before).cloned().collect()
    }

    /// Makes the key of `row` the first, if it is held or can be unwrapped. False if neither.
    pub(super) fn learn(&self, row: &store::Row) -> bool {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.iter().position(|key| key.is(row)) {
            Some(at) => keys[..=at].rotate_right(1),
            None => {
                let Some(wrapped) = &row.wrapped else { return false };
                let opened = keys.iter().find_map(|key| key.unseal(&wrapped_as(&row.key_id), wrapped).ok());
                let Some(new) = opened.and_then(|bytes| Key::from_slice(&bytes)) else { return false };
                if !new.is(row) {
                    return false;
                }
                keys.insert(0, new);
            }
        }
        true
    }

    fn add(&self, more: Vec<Key>) {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        for key in more {
            if keys.iter().all(|held| held.raw_id() != key.raw_id()) {
                keys.push(key);
            }
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<Key>> {
        // Nothing panics while it is held.
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, id: &[u8]) -> Option<Key> {
        self.keys().iter().find(|key| key.raw_id() == id).cloned()
    }

    pub(super) fn newest(&self) -> Key {
        self.keys()[0].clone()
    }

    pub(super) fn find_named(&self, id: &str) -> Option<Key> {
        self.find(&HEXLOWER.decode(id.as_bytes()).ok()?)
    }

    /// A short name of the newest key, safe to show.
    pub fn id(&self) -> String {
        self.keys()[0].id()
    }

    /// The id of the newest key that the file holds.
    pub fn written_id(&self) -> String {
        self.written()[0].clone()
    }

    /// A key for one purpose, from which neither the master key nor another purpose's can be told. It changes with the
    /// master key: nothing that is kept may depend on it.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.keys()[0].derive(purpose)
    }

    /// Seals for `belongs_to` before there is a unit of work: while a database is opened for the first time. Everything
    /// else takes [`Cx::seal`](crate::cx::Cx::seal), which asks the database for the key that holds.
    pub(crate) fn seal_first(&self, belongs_to: &str, secret: &[u8], chance: &dyn Chance) -> Sealed {
        self.newest().seal(belongs_to, secret, chance)
    }

    /// Where its file lies, if it came from one.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// Opens what one of these keys sealed for `belongs_to`. See [`super::unseal`], which also finds a key that is new.
    pub fn unseal(&self, belongs_to: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, NotOurs> {
        let key = sealed.0.get(..KEY_ID).and_then(|id| self.find(id)).ok_or(NotOurs)?;
        key.unseal(belongs_to, &sealed.0)
    }

    pub fn unseal_token(&self, belongs_to: &str, sealed: &Sealed) -> Result<Token, NotOurs> {
        let bytes = self.unseal(belongs_to, sealed)?;
        Ok(Token(bytes.as_slice().try_into().map_err(|_| NotOurs)?))
    }
}
