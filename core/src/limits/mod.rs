//! Keeping guesses few: bans by address, and delays by name.
//!
//! **By address.** Failed logins of staff in a row, three unless the settings say otherwise, ban the network they came from
//! for a while. A login that succeeds takes back what was counted for itself and nothing else, so that nobody buys guesses
//! at other people's names with a good login of their own. Users are slowed, never banned. See [`bans`] for bans by hand.
//!
//! **By name.** Three failures are free, each further one doubles the time until the next guess (OWASP Authentication Cheat
//! Sheet; NIST SP 800-63B-4, section 3.2.2). Names that exist and names that do not are counted by the same statements. Codes
//! of second factors are counted per login: neither a new challenge nor a new password buys further guesses. Whoever comes
//! from a network that the login has come from before, or from a trusted address, is counted apart, so that strangers lock
//! nobody out.

pub mod bans;
mod store;

use std::{net::IpAddr, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{AddressBanned, TrustedAddressFailed},
    ids::{BanId, LoginId},
    invalid::fold,
    logins::Audience,
    network::Network,
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
};

/// How long a failure is remembered after the last one.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a network that somebody logged in from is theirs.
pub const KNOWN: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Failures before the first delay.
const FREE: i64 = 3;

text_enum! {
    /// What is being guessed.
    pub enum Step {
        Password => "password",
        Code => "code",
        /// The password once more, in a live session: counted apart, so that no stranger's attempts hold it up.
        Confirmation => "confirmation",
    }
}

impl Step {
    /// The longest delay.
    const fn longest(self) -> Duration {
        match self {
            Self::Password | Self::Confirmation => Duration::from_secs(15 * 60),
            Self::Code => Duration::from_secs(60 * 60),
        }
    }

    /// How long after that many failures the next guess is taken.
    fn delay(self, failures: i64) -> Duration {
        if failures < FREE {
            return Duration::ZERO;
        }
        // Sixteen doublings are beyond both.
        let doublings = (failures - FREE).min(16);
        Duration::from_secs(1 << doublings).min(self.longest())
    }
}

/// Somebody tries to log in.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub audience: Audience,
    /// As typed; case and spaces around it do not matter.
    pub name: String,
    /// Whose name it is, if anybody's. Known for codes.
    pub login: Option<LoginId>,
    pub step: Step,
    pub address: Option<IpAddr>,
    /// False where the address is that of a proxy that nobody has configured.
    pub countable: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the address is banned")]
    Banned {
        /// `None`: until it is lifted.
        until: Option<Timestamp>,
    },
    #[error("staff do not log in from this address")]
    NotAllowedFrom,
    #[error("too many attempts")]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Attempt {
    /// By what network it is counted, if by any.
    fn network(&self) -> Option<Network> {
        self.address.filter(|_| self.countable).map(Network::of)
    }

    /// What is counted together. Codes belong to the login, passwords to the name, which may be nobody's.
    fn key(&self, reads: &impl Reads, apart: Option<Network>) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&reads.keys().derive("guesses"))
            .expect("HMAC takes keys of any length (RFC 2104)");
        let whose = match (self.step, self.login) {
            (Step::Code | Step::Confirmation, Some(login)) => login.to_string(),
            _ => fold(self.name.trim()),
        };
        let apart = apart.map(|network| network.to_string()).unwrap_or_default();
        // None of them but the last holds a NUL.
        for part in [self.step.as_str(), self.audience.as_str(), &apart, &whose] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())
    }
}

/// How an attempt stands before it is made.
struct Standing {
    banned: Option<Refused>,
    is_trusted: bool,
    /// Set if it is counted apart from what strangers do.
    apart: Option<Network>,
    /// Which counter is its own, and how that stands.
    key: String,
    count: store::Count,
}

impl Standing {
    async fn of(reads: &mut impl Reads, settings: &Settings, attempt: &Attempt) -> Result<Self, db::Error> {
        let (now, network) = (reads.now(), attempt.network());
        let rules = store::rules(reads.db(), attempt.address, now).await?;
        let is_trusted = rules.is_trusted;
        let banned = rules.applies_to(attempt).or_else(|| attempt.is_kept_out_by(settings));

        let keys = [attempt.key(reads, None), attempt.key(reads, network)];
        let (known_since, counts) = (now.minus(KNOWN), [&keys[0], &keys[1]]);
        let found = store::counts(reads.db(), counts, attempt.login, network, known_since).await?;
        let apart = network.filter(|_| is_trusted || found.is_known);
        let [shared, own] = keys;
        let (key, count) = if apart.is_some() { (own, found.counts[1]) } else { (shared, found.counts[0]) };
        Ok(Self { banned, is_trusted, apart, key, count })
    }
}

impl Attempt {
    fn is_kept_out_by(&self, settings: &Settings) -> Option<Refused> {
        let open = self.audience != Audience::Staff || settings.staff_networks.is_empty();
        let within = |address| settings.staff_networks.iter().any(|network| network.contains(address));
        (!open && !self.address.is_some_and(within)).then_some(Refused::NotAllowedFrom)
    }
}

impl store::Count {
    fn judge(self, step: Step, now: Timestamp) -> Result<(), Refused> {
        let wait = step.delay(self.failures).saturating_sub(now.since(self.last_failed_at));
        let forgotten = now.since(self.last_failed_at) >= REMEMBERED;
        if wait.is_zero() || forgotten { Ok(()) } else { Err(Refused::TooMany { retry_after: wait }) }
    }
}

/// Whether an attempt may be made at all. Asked before a password is hashed, and again after the wait for that.
pub async fn check(reads: &mut impl Reads, settings: &Settings, attempt: &Attempt) -> Result<(), Refused> {
    let now = reads.now();
    let standing = Standing::of(reads, settings, attempt).await?;
    match standing.banned {
        Some(refused) => Err(refused),
        None => standing.count.judge(attempt.step, now),
    }
}

/// Takes one guess at a code: checks, and counts it before anybody looks whether it is right. Of any number at once no
/// more get past than are allowed, because each waits for the unit of work of the one before. What is refused is not
/// counted. Afterwards comes [`failed`] or [`succeeded`], in the same unit of work.
pub async fn guess(cx: &mut Cx, settings: &Settings, attempt: &Attempt) -> Result<(), Refused> {
    let now = cx.now();
    let standing = Standing::of(cx, settings, attempt).await?;
    if let Some(refused) = standing.banned {
        return Err(refused);
    }
    let apart = standing.apart;
    store::lock(cx, &standing.key, attempt, apart).await?.judge(attempt.step, now)?;
    store::count(cx, &standing.key, attempt, apart).await?;
    Ok(())
}

/// Counts a failed attempt. A code's guess was counted when it was taken; here its address is.
pub async fn failed(cx: &mut Cx, settings: &Settings, attempt: &Attempt) -> Result<(), db::Error> {
    let standing = Standing::of(cx, settings, attempt).await?;
    if attempt.step != Step::Code {
        store::count(cx, &standing.key, attempt, standing.apart).await?;
    }
    let (Audience::Staff, Some(address)) = (attempt.audience, attempt.address) else { return Ok(()) };
    if standing.is_trusted {
        cx.emit(TrustedAddressFailed {
            address: address.to_string(),
            login_id: attempt.login,
            step: attempt.step.as_str(),
        })
        .await?;
        return Ok(());
    }
    match attempt.network() {
        Some(network) if settings.ban_after > 0 => count_address(cx, settings, attempt, network).await,
        _ => Ok(()),
    }
}

async fn count_address(
    cx: &mut Cx,
    settings: &Settings,
    attempt: &Attempt,
    network: Network,
) -> Result<(), db::Error> {
    let key = attempt.key(cx, None);
    let failures = store::count_address(cx, network, &key, attempt).await?;
    if failures < i64::from(settings.ban_after) {
        return Ok(());
    }
    store::forget_address(cx, network).await?;
    let expires_at = cx.now().plus(Duration::from_secs(u64::from(settings.ban_minutes) * 60));
    let reason = format!("{failures} failed logins of staff in a row");
    let id = BanId::new(cx.now(), cx.chance());
    if let Some(ban_id) = store::ban_automatically(cx, id, network, &reason, expires_at).await? {
        let kind = bans::Kind::Automatic.as_str();
        cx.emit(AddressBanned { ban_id, network, kind, reason, expires_at: Some(expires_at) }).await?;
    }
    Ok(())
}

/// Takes back what this login's own attempts had counted. A right password takes back wrong passwords alone: what was
/// guessed at its codes stands until one of them is right.
pub async fn succeeded(cx: &mut Cx, attempt: &Attempt) -> Result<(), db::Error> {
    let Some(login) = attempt.login else { return Ok(()) };
    // Settings do not matter for which counter is whose.
    let standing = Standing::of(cx, &Settings::default(), attempt).await?;
    store::forget(cx, login, attempt.step, standing.apart).await?;
    if let Some(network) = attempt.network() {
        store::forget_address_of(cx, login, attempt.step, network).await?;
    }
    Ok(())
}

/// Whoever just chose a new password by a link need not wait for what others guessed at the old one. Guesses at codes stand.
pub(crate) async fn forgive(cx: &mut Cx, login: LoginId) -> Result<(), db::Error> {
    store::forget_passwords(cx, login).await
}

/// Remembers from where somebody logged in. True if they had come from elsewhere before and never from there.
pub async fn came_in(cx: &mut Cx, login: LoginId, address: Option<IpAddr>) -> Result<bool, db::Error> {
    let Some(network) = address.map(Network::of) else { return Ok(false) };
    let since = cx.now().minus(KNOWN);
    let known = store::known(cx.db(), login).await?;
    let is_new = !known.iter().any(|(one, last_seen_at)| *one == network && *last_seen_at > since);
    store::know(cx, login, network).await?;
    // Only now: whoever comes back after a year still had come from elsewhere.
    store::forget_networks(cx, login, since).await?;
    Ok(is_new && !known.is_empty())
}

/// Clears away what no longer counts.
pub async fn clear(cx: &mut Cx) -> Result<(), db::Error> {
    store::clear(cx).await
}

#[cfg(test)]
mod tests;
