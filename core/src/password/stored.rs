//! What is kept of passwords and recovery codes, and how it is compared.

use std::{fmt, sync::LazyLock};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash as Phc,
};

use crate::secret::Password;

/// A stored password: argon2id in the PHC string format, parameters inside; or, imported and not yet used, bcrypt.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl PasswordHash {
    /// A hash made elsewhere: argon2id, or bcrypt as `$2a$`, `$2b$` or PHP's `$2y$`. `None` if no password could ever be
    /// verified by it, or only at a cost that would let one login hold up the others.
    pub fn parse(text: &str) -> Option<Self> {
        Scheme::of(text).map(|_| Self(text.into()))
    }

    /// A hash that no password matches, for tests in which nobody logs in.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_tests() -> Self {
        Self("$argon2id$none".into())
    }
}

/// What a look at a password finds.
#[derive(Debug)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but stored as we no longer store them: this one is to take the old one's place.
    Outdated(PasswordHash),
}

impl Verdict {
    pub fn is_right(&self) -> bool {
        !matches!(self, Self::Wrong)
    }
}

/// What is stored of a recovery code. All codes of a person share a salt, so that one hash and a comparison in SQL find
/// the one that was typed.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct RecoveryHash(String);

impl fmt::Debug for RecoveryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryHash(..)")
    }
}

/// OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane.
fn todays() -> Argon2<'static> {
    argon2id(19_456, 2, 1)
}

/// Not to be changed, whatever becomes of [`todays`]: stored recovery codes are compared as text.
fn for_recovery() -> Argon2<'static> {
    argon2id(19_456, 2, 1)
}

fn argon2id(memory_kib: u32, passes: u32, lanes: u32) -> Argon2<'static> {
    let params = Params::new(memory_kib, passes, lanes, Some(Params::DEFAULT_OUTPUT_LEN))
        .expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The work of one guess at a login that does not exist.
static NOBODYS: LazyLock<PasswordHash> =
    LazyLock::new(|| hash(&Password::new("nobody's password"), &[0; 16]));

const MOST_MEMORY_KIB: u32 = 1024 * 1024;
/// libsodium's "sensitive": four passes over 1 GiB, several seconds.
const MOST_WORK_KIB: u64 = 4 * 1024 * 1024;
const MOST_LANES: u32 = 16;
/// A second, about; each further step doubles it.
const MOST_BCRYPT_COST: u32 = 14;

/// A stored text, understood.
enum Scheme {
    Argon2id { hash: Box<Phc>, todays: bool },
    Bcrypt,
}

impl Scheme {
    fn of(text: &str) -> Option<Self> {
        if text.starts_with("$2") { Self::bcrypt(text) } else { Self::argon2id(text) }
    }

    fn argon2id(text: &str) -> Option<Self> {
        let hash = Phc::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        let output = hash.hash.as_ref()?.len();
        let salt = hash.salt.as_ref()?.len();
        let plain = params.keyid().is_empty() && params.data().is_empty();
        let bearable = params.m_cost() <= MOST_MEMORY_KIB
            && work <= MOST_WORK_KIB
            && params.p_cost() <= MOST_LANES
            // RFC 9106, section 3.1, lets four bytes do; those are found by chance.
            && output >= 16;
        // Without a version it would be the first one (PHC string format), which the crate takes for today's.
        let known = hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version.is_some_and(|version| Version::try_from(version).is_ok());
        if !known || !plain || !bearable {
            return None;
        }
        let ours = todays();
        let ours = ours.params();
        let todays = hash.version == Some(Version::V0x13.into())
            && (params.m_cost(), params.t_cost(), params.p_cost())
                == (ours.m_cost(), ours.t_cost(), ours.p_cost())
            && output >= Params::DEFAULT_OUTPUT_LEN
            && salt >= 16;
        Some(Self::Argon2id { hash: Box::new(hash), todays })
    }

    /// `$2x$` marks hashes of a faulty implementation, which the crate computes like the others.
    fn bcrypt(text: &str) -> Option<Self> {
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        let parts: bcrypt::HashParts = text.parse().ok().filter(|_| known)?;
        (4..=MOST_BCRYPT_COST).contains(&parts.get_cost()).then_some(Self::Bcrypt)
    }
}

pub(super) fn hash(password: &Password, salt: &[u8; 16]) -> PasswordHash {
    PasswordHash(phc(&todays(), password.expose(), salt))
}

pub(super) fn recovery(code: &str, salt: &[u8; 16]) -> RecoveryHash {
    RecoveryHash(phc(&for_recovery(), code, salt))
}

fn phc(argon2: &Argon2<'_>, secret: &str, salt: &[u8]) -> String {
    let hashed = argon2.hash_password_with_salt(secret.as_bytes(), salt);
    hashed.expect("salt and password are within argon2's bounds").to_string()
}

/// Without a hash that can be understood it takes as long as with one of today's, and is wrong.
pub(super) fn verify(password: &Password, hash: Option<&PasswordHash>, new_salt: &[u8; 16]) -> Verdict {
    let typed = password.expose();
    let (right, todays) = match hash.and_then(|hash| Scheme::of(&hash.0).map(|scheme| (hash, scheme))) {
        Some((_, Scheme::Argon2id { hash, todays })) => (matches(typed, &hash), todays),
        // As PHP's password_verify: what goes beyond 72 bytes is not looked at. Nor does PHP hash a NUL.
        Some((hash, Scheme::Bcrypt)) => {
            (bcrypt::verify(typed, &hash.0).unwrap_or(false) && !typed.contains('\0'), false)
        }
        None => {
            // Looked at, or the compiler might leave the work out.
            let _nobody = std::hint::black_box(Phc::new(&NOBODYS.0).is_ok_and(|hash| matches(typed, &hash)));
            (false, true)
        }
    };
    match (right, todays) {
        (false, _) => Verdict::Wrong,
        (true, true) => Verdict::Right,
        (true, false) => Verdict::Outdated(self::hash(password, new_salt)),
    }
}

/// Algorithm, version and parameters are the hash's own.
fn matches(typed: &str, hash: &Phc) -> bool {
    todays().verify_password(typed.as_bytes(), hash).is_ok()
}
