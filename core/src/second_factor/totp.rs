//! Time-based one-time codes (RFC 6238): six digits, 30 seconds, SHA-1, one step of drift to either side.

use std::time::Duration;

use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

use super::{Error, Factor, RecoveryCodes, added, may_enrol, may_remove, recovery_codes, removed_one, store};
use crate::{
    cx::{Cx, Reads},
    db,
    ids::{self, LoginId, SessionId},
    logins::{self, Login},
    secret::{self, Sealed, UnsealError},
    settings::Settings,
    time::Timestamp,
};

const STEP_S: u64 = 30;
const DIGITS: u8 = 6;
/// How long a seed that was shown waits for its first code.
pub const ENROLMENT: Duration = Duration::from_secs(15 * 60);

/// A seed: 160 bits, as RFC 4226 (section 4, R6) recommends. Kept sealed.
pub struct Seed(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// What an authenticator app needs to know, shown once.
#[derive(Debug)]
pub struct Enrolment {
    seed: Seed,
    issuer: String,
    account: String,
}

impl Enrolment {
    /// Base32, for typing in.
    pub fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&self.seed.0))
    }

    /// For the QR code: `otpauth://totp/Issuer:account?secret=…` (the format of Google Authenticator's key URIs).
    pub fn otpauth_url(&self) -> Zeroizing<String> {
        let (issuer, account) = (encode(&self.issuer), encode(&self.account));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
            *self.secret()
        ))
    }
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl Seed {
    /// The time step whose code this is, near `now`.
    fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let totp = Builder::new()
            .with_secret(self.0.to_vec())
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_S)
            .with_skew(1)
            .build()
            .ok()?;
        let time = u64::try_from(now.as_millis()).ok()? / 1000;
        totp.check(&code, time).and_then(|step| i64::try_from(step).ok())
    }
}

/// What a seed is sealed for: its owner, wherever it stands.
pub(crate) fn belongs_to(login: &str) -> String {
    format!("totp {login}")
}

/// Shows a new seed. Nothing changes before a first code from it is confirmed; one shown earlier is forgotten.
pub async fn begin(
    cx: &mut Cx,
    login: &Login,
    issuer: &str,
    settings: &Settings,
) -> Result<Enrolment, Error> {
    may_enrol(login, Factor::Totp, settings)?;
    let seed = Seed(Zeroizing::new(ids::bytes::<20>(cx.chance()).to_vec()));
    let sealed = cx.seal(&belongs_to(&login.id.to_string()), &seed.0).await?;
    store::set_pending_totp(cx, login.id, &sealed, cx.now().plus(ENROLMENT)).await?;
    Ok(Enrolment { seed, issuer: issuer.into(), account: login.display_name().into() })
}

/// Whether `code` would confirm what was begun: a cheap look before ten recovery codes are hashed.
pub async fn look(reads: &mut impl Reads, login: LoginId, code: &str) -> Result<(), Error> {
    let now = reads.now();
    let sealed = store::pending_totp(reads.db(), login, now).await?.ok_or(Error::NotBegun)?;
    let seed = unseal(reads, login, &sealed).await?;
    seed.step_of(code, now).map(drop).ok_or(Error::WrongCode)
}

/// Enrols what was begun, by a first code from it. `codes` are kept if this is the first factor; true then.
/// Other sessions end.
pub async fn confirm(
    cx: &mut Cx,
    login: &Login,
    session: SessionId,
    code: &str,
    codes: Option<&RecoveryCodes>,
    settings: &Settings,
) -> Result<bool, Error> {
    may_enrol(login, Factor::Totp, settings)?;
    logins::lock(cx, login.id).await?;
    let now = cx.now();
    let sealed = store::pending_totp(cx.db(), login.id, now).await?.ok_or(Error::NotBegun)?;
    let seed = unseal(cx, login.id, &sealed).await?;
    let step = seed.step_of(code, now).ok_or(Error::WrongCode)?;
    // Spent here: of any number at once one enrols it.
    if !store::take_pending_totp(cx, login.id, &sealed).await? {
        return Err(Error::NotBegun);
    }
    let first = !super::is_enrolled(cx, login.id).await?;
    store::set_totp(cx, login.id, &sealed, step).await?;
    if first {
        // None were made because there was a factor, which is gone by now.
        let codes = codes.ok_or(Error::NotBegun)?;
        recovery_codes::keep(cx, login.id, codes).await?;
    }
    added(cx, login, Factor::Totp, None, session).await?;
    Ok(first)
}

/// Takes a code, once: neither it nor an earlier one is ever taken again.
pub(super) async fn spend(cx: &mut Cx, login: LoginId, code: &str) -> Result<bool, db::Error> {
    let Some(sealed) = store::totp(cx.db(), login).await? else { return Ok(false) };
    let seed = match unseal(cx, login, &sealed).await {
        Ok(seed) => seed,
        Err(Error::Db(error)) => return Err(error),
        Err(_) => {
            tracing::error!(%login, "a seed that this master key does not open: its owner needs a recovery code");
            return Ok(false);
        }
    };
    let Some(step) = seed.step_of(code, cx.now()) else { return Ok(false) };
    store::spend_totp_step(cx, login, step).await
}

/// Removes the codes at their owner's wish.
pub async fn remove(
    cx: &mut Cx,
    login: &Login,
    session: SessionId,
    settings: &Settings,
) -> Result<(), Error> {
    logins::lock(cx, login.id).await?;
    if !store::remove_totp(cx, login.id).await? {
        return Err(Error::NotEnrolled);
    }
    may_remove(cx, login, settings).await?;
    removed_one(cx, login, Factor::Totp, None, session).await?;
    Ok(())
}

async fn unseal(reads: &mut impl Reads, login: LoginId, sealed: &Sealed) -> Result<Seed, Error> {
    match secret::unseal(reads, &belongs_to(&login.to_string()), sealed).await {
        Ok(seed) => Ok(Seed(seed)),
        Err(UnsealError::NotOurs(_)) => Err(Error::NotBegun),
        Err(UnsealError::Db(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, in six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let seed = Seed(Zeroizing::new(b"12345678901234567890".to_vec()));
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let now = Timestamp::from_millis(time * 1000);
            assert_eq!(seed.step_of(code, now), Some(time / 30));
            assert_eq!(seed.step_of(&format!(" {} {}", &code[..3], &code[3..]), now), Some(time / 30));
            for (drift, taken) in [(-60, false), (-30, true), (30, true), (60, false)] {
                let then = Timestamp::from_millis((time + drift) * 1000);
                assert_eq!(seed.step_of(code, then).is_some(), taken, "{drift} s");
            }
        }
        assert_eq!(seed.step_of("", Timestamp::from_millis(59_000)), None);
        assert_eq!(seed.step_of("287082", Timestamp::from_millis(-59_000)), None);
    }

    #[test]
    fn apps_are_told_in_the_form_they_know() {
        let seed = Seed(Zeroizing::new(b"12345678901234567890".to_vec()));
        let enrolment = Enrolment { seed, issuer: "Acme & Söhne".into(), account: "ada".into() };
        assert_eq!(
            *enrolment.otpauth_url(),
            "otpauth://totp/Acme%20%26%20S%C3%B6hne:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Acme%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30"
        );
    }
}
