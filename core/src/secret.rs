//! Secrets have types: none prints itself, each says what may be stored of it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hkdf::Hkdf;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    db::{self, Db},
    ids::{self, Chance},
    on,
};

/// A one-time link or a session: 256 random bits, shown once, kept only as [`TokenHash`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 32]);

impl Token {
    pub fn new(chance: &dyn Chance) -> Self {
        Self(ids::bytes(chance))
    }

    /// The text that travels: 43 characters of base64url (RFC 4648, section 5), no padding.
    pub fn reveal(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let fits = BASE64URL_NOPAD.decode_len(text.len()) == Ok(32);
        (fits && BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut bytes).is_ok()).then_some(Self(bytes))
    }

    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).to_vec())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

// Any text is taken, so that a mistyped token is "unknown" like every other wrong one.
impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        Ok(Self::parse(&text).unwrap_or_else(|| Self(Sha256::digest(text.as_bytes()).into())))
    }
}

impl JsonSchema for Token {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Token".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "description": "The part of the link behind `#token=`." })
    }
}

/// What is stored of a [`Token`]: its SHA-256. Slow hashing adds nothing to 256 random bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash(Vec<u8>);

/// A password as somebody typed it, in NFKC (NIST SP 800-63B-4, section 3.1.1.2).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    pub fn new(text: &str) -> Self {
        use unicode_normalization::UnicodeNormalization;
        Self(text.nfkc().collect())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        // Hashing takes time with length; nobody's password is longer than this in any encoding of 256 characters.
        if text.len() > 4096 {
            return Err(D::Error::custom("a password has at most 256 characters"));
        }
        Ok(Self::new(&text))
    }
}

impl JsonSchema for Password {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Password".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "maxLength": 4096 })
    }
}

/// Something only the master key opens: key id, nonce, XChaCha20-Poly1305.
#[derive(Clone, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct Sealed(Vec<u8>);

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

/// Sealing was undone by somebody else, or belongs to another key or purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("sealed by another master key, or changed since")]
pub struct NotOurs;

/// The master key, and what is derived from it (HKDF-SHA256, RFC 5869).
#[derive(Clone)]
pub struct Keyring {
    /// In one place, and gone when the last handle is.
    master: Arc<Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.id())
    }
}

const KEY_ID: usize = 8;
const NONCE: usize = 24;

impl Keyring {
    pub fn from_bytes(master: [u8; 32]) -> Self {
        Self { master: Arc::new(Zeroizing::new(master)) }
    }

    /// Takes the key from `path`, or makes one there if neither file nor database knows of any. Nodes that share a
    /// database agree by one row: whoever comes second must hold the same key.
    pub async fn open(path: &Path, db: &Db, chance: &dyn Chance) -> Result<Self, KeyError> {
        let known = store::known(db).await?;
        let found = Self::read(path)?;
        let ours = match (found, &known) {
            (Some(key), _) => key,
            (None, Some((expected, _))) => {
                return Err(KeyError::Missing { path: path.into(), expected: expected.clone() });
            }
            (None, None) => {
                Self::write(path, ids::bytes(chance), &HEXLOWER.encode(&ids::bytes::<8>(chance)))?;
                Self::read(path)?.ok_or_else(|| KeyError::Malformed { path: path.into() })?
            }
        };
        let (expected, check) = match known {
            Some(known) => known,
            None => store::claim(db, &ours.id(), &ours.derive("check value")).await?,
        };
        if !bool::from(check.as_slice().ct_eq(&ours.derive("check value"))) {
            return Err(KeyError::Other { path: path.into(), expected, found: ours.id() });
        }
        Ok(ours)
    }

    fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let mut text = Zeroizing::new(String::new());
        match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeyError::File { path: path.into(), source }),
        }
        let malformed = || KeyError::Malformed { path: path.into() };
        let bytes = Zeroizing::new(HEXLOWER.decode(text.trim().as_bytes()).map_err(|_| malformed())?);
        Ok(Some(Self::from_bytes(bytes.as_slice().try_into().map_err(|_| malformed())?)))
    }

    /// Whole or not at all: a key that was written by half could never be mended.
    fn write(path: &Path, master: [u8; 32], unique: &str) -> Result<(), KeyError> {
        let text = Zeroizing::new(HEXLOWER.encode(&master) + "\n");
        let draft = path.with_extension(format!("key.{unique}"));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::hard_link(&draft, path));
        _ = fs::remove_file(&draft);
        // The name must outlive a power cut, too: the database will soon ask for this key.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = written.and_then(|()| File::open(folder)?.sync_all());
        match written {
            // Another node with the same directory was faster: its key is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(|source| KeyError::File { path: path.into(), source }),
        }
    }

    /// A short name of the key, safe to show.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.derive("key id")[..KEY_ID])
    }

    /// A key for one purpose, from which neither the master key nor another purpose's can be told.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"frontdesk"), self.master.as_slice())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are within what HKDF gives");
        key
    }

    /// Seals `secret` for the row `belongs_to`: moved to another row, it no longer opens.
    pub fn seal(&self, belongs_to: &str, secret: &[u8], chance: &dyn Chance) -> Sealed {
        let nonce: [u8; NONCE] = ids::bytes(chance);
        let payload = Payload { msg: secret, aad: belongs_to.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is shorter than the cipher's limit of 256 GiB");
        Sealed([&self.derive("key id")[..KEY_ID], &nonce, &sealed].concat())
    }

    pub fn unseal(&self, belongs_to: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, NotOurs> {
        let (key_id, rest) = sealed.0.split_at_checked(KEY_ID).ok_or(NotOurs)?;
        let (nonce, secret) = rest.split_first_chunk::<NONCE>().ok_or(NotOurs)?;
        if key_id != &self.derive("key id")[..KEY_ID] {
            return Err(NotOurs);
        }
        let payload = Payload { msg: secret, aad: belongs_to.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| NotOurs)
    }

    pub fn seal_token(&self, belongs_to: &str, token: &Token, chance: &dyn Chance) -> Sealed {
        self.seal(belongs_to, &token.0, chance)
    }

    pub fn unseal_token(&self, belongs_to: &str, sealed: &Sealed) -> Result<Token, NotOurs> {
        let bytes = self.unseal(belongs_to, sealed)?;
        Ok(Token(bytes.as_slice().try_into().map_err(|_| NotOurs)?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive("seal").into())
    }
}

mod store {
    use super::*;

    pub(super) async fn known(db: &Db) -> Result<Option<(String, Vec<u8>)>, db::Error> {
        let mut reader = db.read().await?;
        Ok(on!(reader.conn(), conn => {
            sqlx::query_as("SELECT key_id, check_value FROM master_key WHERE slot = 1").fetch_optional(conn).await
        })?)
    }

    /// Writes the row unless another node did, and answers what stands there.
    pub(super) async fn claim(
        db: &Db,
        key_id: &str,
        check_value: &[u8],
    ) -> Result<(String, Vec<u8>), db::Error> {
        let mut tx = db.begin().await?;
        let insert =
            "INSERT INTO master_key (slot, key_id, check_value) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        on!(tx.conn(), conn => {
            sqlx::query(insert).bind(key_id).bind(check_value).execute(conn).await.map(|_| ())
        })?;
        tx.commit().await?;
        Ok(known(db).await?.unwrap_or_else(|| (key_id.into(), check_value.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SystemChance;

    #[test]
    fn tokens_travel_as_text_and_never_print() {
        let token = Token::new(&SystemChance);
        assert_eq!(Token::parse(&token.reveal()).unwrap(), token);
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(format!("{token:?} {:?}", Password::new("secret")), "Token(..) Password(..)");
        assert!(Token::parse("short").is_none() && Token::parse(&"=".repeat(43)).is_none());
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let keys = Keyring::from_bytes([7; 32]);
        let sealed = keys.seal("delivery 1", b"the link", &SystemChance);
        assert_eq!(keys.unseal("delivery 1", &sealed).unwrap().as_slice(), b"the link");
        assert!(keys.unseal("delivery 2", &sealed).is_err());
        assert!(Keyring::from_bytes([8; 32]).unseal("delivery 1", &sealed).is_err());
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(keys.unseal("delivery 1", &changed).is_err(), "byte {at}");
            assert!(keys.unseal("delivery 1", &Sealed(sealed.0[..at].to_vec())).is_err(), "cut at {at}");
        }
    }
}
