//! What the log is signed with.
//!
//! An Ed25519 key (RFC 8032) of its own, sealed in the database under the master key: whoever has the database alone
//! cannot sign, whoever has the public key can check, and a changed master key changes neither. From the same seed comes
//! the key by which Frontdesk knows its own entries before they are sealed (HMAC, RFC 2104).

use std::{fmt, sync::Arc};

use data_encoding::HEXLOWER;
use ring::{
    hmac,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use zeroize::Zeroizing;

use super::{Digest, store};
use crate::{
    db::{self, Db},
    ids::{self, Chance},
    secret::{Keyring, NotOurs},
    time::Timestamp,
};

/// How much of an entry's authentication code is kept, in bytes (NIST SP 800-107, section 5.3.3).
const MAC: usize = 16;

/// The log's own key. Clones share it.
#[derive(Clone)]
pub struct LogKey(Arc<Inner>);

struct Inner {
    pair: Ed25519KeyPair,
    mac: hmac::Key,
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", HEXLOWER.encode(self.public()))
    }
}

/// Why the log's key is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the key of the activity log does not open under the master key: {0}")]
    Sealed(#[from] NotOurs),
    /// Made anew, it would bless whatever the log says now.
    #[error(
        "the activity log has entries, and its key is gone from the database; put the table activity_key back from a backup"
    )]
    Gone,
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What the key is sealed for.
pub(crate) fn belongs_to(slot: &str) -> String {
    format!("activity key {slot}")
}

/// The only row.
pub(super) const SLOT: &str = "1";

impl LogKey {
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let mac = hmac::sign(&key, b"frontdesk entry authentication");
        Self(Arc::new(Inner { pair, mac: hmac::Key::new(hmac::HMAC_SHA256, mac.as_ref()) }))
    }

    /// Opens the key that the database holds, or makes one: the first start of a database begins its log. Entries from
    /// before there was a log become its first.
    pub async fn open(db: &Db, keys: &Keyring, now: Timestamp, chance: &dyn Chance) -> Result<Self, Error> {
        if let Some(sealed) = store::sealed_seed(db.read().await?.conn()).await? {
            return Self::unseal(keys, &sealed);
        }
        let mut reader = db.read().await?;
        if store::head(reader.conn()).await?.is_some() || store::last_number(reader.conn()).await?.is_some() {
            // Unless another node began the log at this moment.
            let sealed = store::sealed_seed(reader.conn()).await?.ok_or(Error::Gone)?;
            return Self::unseal(keys, &sealed);
        }
        drop(reader);
        let seed = Zeroizing::new(ids::bytes::<32>(chance));
        let key = Self::from_seed(&seed);
        let sealed = keys.seal_first(&belongs_to(SLOT), &*seed, chance);
        let mut tx = db.begin().await?;
        if !store::begin_log(tx.conn(), &key, &sealed, now).await? {
            // Another node was faster.
            drop(tx);
            let sealed = store::sealed_seed(db.read().await?.conn()).await?.ok_or(NotOurs)?;
            return Self::unseal(keys, &sealed);
        }
        tx.commit().await?;
        Ok(key)
    }

    fn unseal(keys: &Keyring, sealed: &crate::secret::Sealed) -> Result<Self, Error> {
        let seed = keys.unseal(&belongs_to(SLOT), sealed)?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| NotOurs)?);
        Ok(Self::from_seed(&seed))
    }

    /// What everybody may know: 32 bytes.
    pub fn public(&self) -> &[u8] {
        self.0.pair.public_key().as_ref()
    }

    pub(super) fn mac(&self, digest: &Digest) -> [u8; MAC] {
        let tag = hmac::sign(&self.0.mac, digest);
        let mut mac = [0; MAC];
        mac.copy_from_slice(&tag.as_ref()[..MAC]);
        mac
    }

    pub(super) fn sign(&self, text: &str) -> Vec<u8> {
        self.0.pair.sign(text.as_bytes()).as_ref().to_vec()
    }
}

/// Whether whoever has the key to `public` signed `text`.
pub(super) fn is_signed(public: &[u8], text: &str, signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), signature).is_ok()
}
