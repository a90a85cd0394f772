//! Ten codes for whoever lost their device, each good once.

use zeroize::Zeroizing;

use super::store;
use crate::{
    cx::{Cx, Reads},
    db,
    event::{RecoveryCodeUsed, RecoveryCodesRenewed},
    ids::{self, Chance, LoginId},
    logins::{self, Login},
    outbox::{Mail, Notice},
    password::{Hasher, Overloaded, RecoveryHash},
};

/// How many there are.
pub const COUNT: usize = 10;
/// Crockford's Base32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 60 bits: beyond guessing, also for a thief of the database who must pay argon2id for each guess.
const LENGTH: usize = 12;

/// Ten new codes: what is shown once, and what is kept.
#[derive(Debug)]
pub struct RecoveryCodes {
    shown: Vec<Zeroizing<String>>,
    pub(super) salt: [u8; 16],
    pub(super) hashes: Vec<RecoveryHash>,
}

impl RecoveryCodes {
    /// Draws ten codes and hashes them.
    pub async fn new(hasher: &Hasher, chance: &dyn Chance) -> Result<Self, Overloaded> {
        let codes: Vec<_> = (0..COUNT).map(|_| draw(chance)).collect();
        let salt = ids::bytes(chance);
        let hashes = hasher.recovery_all(codes.clone(), salt).await?;
        Ok(Self { shown: codes.iter().map(|code| grouped(code)).collect(), salt, hashes })
    }

    /// `k7qf-2mxa-9tdr` and so on, for their owner to keep.
    pub fn reveal(&self) -> Vec<String> {
        self.shown.iter().map(|code| code.as_str().to_owned()).collect()
    }
}

fn draw(chance: &dyn Chance) -> Zeroizing<String> {
    let bytes = Zeroizing::new(ids::bytes::<LENGTH>(chance));
    // 32 letters: five bits of each byte, without bias.
    Zeroizing::new(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

fn grouped(code: &str) -> Zeroizing<String> {
    Zeroizing::new([&code[..4], &code[4..8], &code[8..]].join("-"))
}

/// A code as somebody typed it: without spaces and dashes, in either case, look-alikes read as digits.
pub fn read(typed: &str) -> Option<Zeroizing<String>> {
    let code: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .take(LENGTH + 1)
        .collect();
    let fits = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then(|| Zeroizing::new(code))
}

/// The salt of somebody's codes. Whoever has none gets one as well, so that asking takes the same time.
pub async fn salt(reads: &mut impl Reads, login: LoginId) -> Result<[u8; 16], db::Error> {
    let salt = store::recovery_salt(reads.db(), login).await?;
    Ok(salt.and_then(|salt| salt.try_into().ok()).unwrap_or([0; 16]))
}

/// Ten new ones in the place of those there are.
pub async fn renew(cx: &mut Cx, login: &Login, codes: &RecoveryCodes) -> Result<(), super::Error> {
    logins::lock(cx, login.id).await?;
    if !super::is_enrolled(cx, login.id).await? {
        return Err(super::Error::NotEnrolled);
    }
    keep(cx, login.id, codes).await?;
    let mail = Mail::notice(cx, login.recipient(), Notice::RecoveryCodesRenewed);
    cx.emit_and_mail(RecoveryCodesRenewed { audience: login.audience, login_id: login.id }, mail).await?;
    Ok(())
}

pub(super) async fn keep(cx: &mut Cx, login: LoginId, codes: &RecoveryCodes) -> Result<(), db::Error> {
    store::set_recovery_codes(cx, login, &codes.salt, &codes.hashes).await
}

/// Spends the code with this hash. Of any number at once, one does.
pub(super) async fn spend(cx: &mut Cx, login: &Login, hash: &RecoveryHash) -> Result<bool, db::Error> {
    if !store::spend_recovery_code(cx, login.id, hash).await? {
        return Ok(false);
    }
    // The password was right before: nothing is left to prove.
    cx.act_as(login.actor());
    let left = super::enrolled(cx, login.id).await?.recovery_codes_left;
    let left = u32::try_from(left).unwrap_or(0);
    let mail = Mail::notice(cx, login.recipient(), Notice::RecoveryCodeUsed { left });
    let event = RecoveryCodeUsed { audience: login.audience, login_id: login.id, left };
    cx.emit_and_mail(event, mail).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SystemChance;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = draw(&SystemChance);
        assert_eq!(read(&grouped(&code)).as_deref(), Some(&*code));
        assert_eq!(read(&format!(" {} ", grouped(&code).to_uppercase())).as_deref(), Some(&*code));
        assert_eq!(read("OIL0-0000-0000").as_deref().map(String::as_str), Some("011000000000"));
        for wrong in ["", "0000-0000-000", "0000-0000-00000", "0000-0000-000u", "ä000-0000-000"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
