//! Secrets have types: none prints itself, each says what may be stored of it.

mod key_file;
mod keyring;
pub mod nodes;
pub mod rotation;
mod store;

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::keyring::KEY_ID;
pub use self::keyring::{KeyError, Keyring};
use crate::{
    cx::{Cx, Reads},
    db,
    ids::{self, Chance},
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

/// Sealing was undone by somebody else, or belongs to another key or purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("sealed by another master key, or changed since")]
pub struct NotOurs;

impl Cx {
    /// Seals `secret` for the row `belongs_to`: moved to another row, it no longer opens. Under the master key that the
    /// database names, which is not changed before this unit of work ends.
    pub async fn seal(&mut self, belongs_to: &str, secret: &[u8]) -> Result<Sealed, db::Error> {
        let key = match store::hold_current(self).await? {
            Some(current) => {
                self.keys().learn(&current);
                self.keys().find_named(&current.key_id).ok_or(db::Error::MissingKey(current.key_id))?
            }
            // Only where no service ever started.
            None => self.keys().newest(),
        };
        Ok(key.seal(belongs_to, secret, self.chance()))
    }

    pub async fn seal_token(&mut self, belongs_to: &str, token: &Token) -> Result<Sealed, db::Error> {
        self.seal(belongs_to, &token.0).await
    }
}

/// Why something sealed does not open.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Opens what was sealed for `belongs_to`, also if the master key was changed a moment ago.
pub async fn unseal(
    reads: &mut impl Reads,
    belongs_to: &str,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
    let held = sealed.0.get(..KEY_ID).is_some_and(|id| reads.keys().find(id).is_some());
    if !held && let Some(current) = store::read_current(reads.db()).await? {
        reads.keys().learn(&current);
        if reads.keys().find_named(&current.key_id).is_none() {
            // We were away while the master key was changed: what does not open here opens elsewhere.
            return Err(db::Error::MissingKey(current.key_id).into());
        }
    }
    Ok(reads.keys().unseal(belongs_to, sealed)?)
}

pub async fn unseal_token(
    reads: &mut impl Reads,
    belongs_to: &str,
    sealed: &Sealed,
) -> Result<Token, UnsealError> {
    let bytes = unseal(reads, belongs_to, sealed).await?;
    Ok(Token(bytes.as_slice().try_into().map_err(|_| NotOurs)?))
}

#[cfg(test)]
mod tests;
