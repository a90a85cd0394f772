//! Security keys of logins: what is kept of them, and what is asked of whom. The rules of WebAuthn stand in
//! [`security_keys`](super::security_keys).

use serde_json::Value;

use super::{
    Error, Factor, RecoveryCodes, added, may_enrol, may_remove, recovery_codes, removed_one,
    security_keys::{Ceremony, Credential, Refused, RelyingParty, TIMEOUT},
    store,
};
use crate::{
    cx::{Cx, Reads},
    db,
    event::SecurityKeyRenamed,
    ids::{LoginId, SecurityKeyId, SessionId},
    logins::{self, Login},
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
};

/// How many keys somebody can have.
pub const MOST: usize = 20;

text_enum! {
    /// What a key is asked for.
    pub(super) enum Purpose {
        Register => "register",
        LogIn => "log_in",
    }
}

/// A security key of somebody's, as its owner sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SecurityKey {
    pub id: SecurityKeyId,
    /// What its owner calls it.
    pub name: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// A key's answer to a login's challenge.
#[derive(Debug)]
pub struct KeyAnswer {
    pub relying_party: RelyingParty,
    /// What `navigator.credentials.get()` gave.
    pub response: Value,
}

/// Somebody's keys, the oldest first: all of them.
pub async fn list(reads: &mut impl Reads, login: LoginId) -> Result<Vec<SecurityKey>, db::Error> {
    store::security_keys(reads.db(), login).await
}

/// What to hand to `navigator.credentials.create()`. One that was begun earlier in this session is forgotten.
pub async fn begin(
    cx: &mut Cx,
    relying_party: &RelyingParty,
    login: &Login,
    session: SessionId,
    settings: &Settings,
) -> Result<Value, Error> {
    may_enrol(login, Factor::SecurityKey, settings)?;
    let existing = credentials(cx, login.id).await?;
    if existing.len() >= MOST {
        return Err(Error::TooMany);
    }
    let existing: Vec<_> = existing.into_iter().map(|(_, key)| key).collect();
    let name = format!("{} {}", login.first_name, login.last_name);
    let (options, ceremony) =
        relying_party.begin_registration(login.id.into(), login.display_name(), name.trim(), &existing);
    let expires_at = cx.now().plus(TIMEOUT);
    store::set_ceremony(cx, session, Purpose::Register, &ceremony.to_text(), expires_at).await?;
    Ok(options)
}

/// Whether something was begun in this session: a cheap look before ten recovery codes are hashed.
pub async fn look(reads: &mut impl Reads, session: SessionId) -> Result<(), Error> {
    let now = reads.now();
    let begun = store::has_ceremony(reads.db(), session, Purpose::Register, now).await?;
    if begun { Ok(()) } else { Err(Error::NotBegun) }
}

/// Registers the key that answered. `codes` are kept if this is the first factor; true then. Other sessions end.
pub async fn confirm(
    cx: &mut Cx,
    answer: KeyAnswer,
    login: &Login,
    session: SessionId,
    name: &str,
    codes: Option<&RecoveryCodes>,
    settings: &Settings,
) -> Result<(SecurityKeyId, bool), Error> {
    may_enrol(login, Factor::SecurityKey, settings)?;
    logins::lock(cx, login.id).await?;
    // Spent before it is looked at: of any number at once one registers.
    let ceremony = store::take_ceremony(cx, session, Purpose::Register).await?.ok_or(Error::NotBegun)?;
    let ceremony = Ceremony::from_text(&ceremony).map_err(|_| Error::NotBegun)?;
    let key = answer.relying_party.finish_registration(login.id.into(), answer.response, &ceremony)?;
    let enrolled = super::enrolled(cx, login.id).await?;
    if usize::try_from(enrolled.security_keys).is_ok_and(|keys| keys >= MOST) {
        return Err(Error::TooMany);
    }
    let first = !enrolled.any();
    let id = SecurityKeyId::new(cx.now(), cx.chance());
    if !store::insert_security_key(cx, id, login.id, name, &key).await? {
        // Somebody has it, perhaps somebody else (WebAuthn Level 3, section 7.1, step 26).
        return Err(Error::Key(Refused::Unfit));
    }
    if first {
        // None were made because there was a factor, which is gone by now.
        let codes = codes.ok_or(Error::NotBegun)?;
        recovery_codes::keep(cx, login.id, codes).await?;
    }
    added(cx, login, Factor::SecurityKey, Some(name.to_owned()), session).await?;
    Ok((id, first))
}

/// What to hand to `navigator.credentials.get()` to answer a login's challenge. None for somebody without keys.
pub async fn ask(
    cx: &mut Cx,
    relying_party: &RelyingParty,
    login: LoginId,
    challenge: SessionId,
) -> Result<Option<Value>, db::Error> {
    let keys: Vec<_> = credentials(cx, login).await?.into_iter().map(|(_, key)| key).collect();
    let Some((options, ceremony)) = relying_party.begin_login(login.into(), &keys) else { return Ok(None) };
    let expires_at = cx.now().plus(TIMEOUT);
    store::set_ceremony(cx, challenge, Purpose::LogIn, &ceremony.to_text(), expires_at).await?;
    Ok(Some(options))
}

/// Takes a key's answer, once: what was asked is spent, right or wrong.
pub(super) async fn spend(
    cx: &mut Cx,
    challenge: SessionId,
    login: LoginId,
    answer: KeyAnswer,
) -> Result<bool, db::Error> {
    let ceremony = store::take_ceremony(cx, challenge, Purpose::LogIn).await?;
    let Some(ceremony) = ceremony.and_then(|text| Ceremony::from_text(&text).ok()) else { return Ok(false) };
    let keys = credentials(cx, login).await?;
    let plain: Vec<_> = keys.iter().map(|(_, key)| key.clone()).collect();
    match answer.relying_party.finish_login(login.into(), answer.response, &ceremony, &plain) {
        Ok(used) => {
            let Some((id, _)) = keys.iter().find(|(_, key)| key.id() == used.id()) else { return Ok(false) };
            store::use_security_key(cx, *id, &used).await?;
            Ok(true)
        }
        Err(refused) => {
            // A copied key is worth somebody's attention; nothing of the answer is written down.
            tracing::warn!(%login, reason = %refused, "a security key's answer was refused");
            Ok(false)
        }
    }
}

/// Gives a key another name.
pub async fn rename(cx: &mut Cx, login: &Login, id: SecurityKeyId, name: &str) -> Result<SecurityKey, Error> {
    let key = store::rename_security_key(cx, login.id, id, name).await?.ok_or(Error::NotEnrolled)?;
    cx.emit(SecurityKeyRenamed {
        audience: login.audience,
        login_id: login.id,
        key_id: id,
        name: name.to_owned(),
    })
    .await?;
    Ok(key)
}

/// Removes a key at its owner's wish.
pub async fn remove(
    cx: &mut Cx,
    login: &Login,
    id: SecurityKeyId,
    session: SessionId,
    settings: &Settings,
) -> Result<(), Error> {
    logins::lock(cx, login.id).await?;
    let name = store::remove_security_key(cx, login.id, id).await?.ok_or(Error::NotEnrolled)?;
    may_remove(cx, login, settings).await?;
    removed_one(cx, login, Factor::SecurityKey, Some(name), session).await?;
    Ok(())
}

async fn credentials(cx: &mut Cx, login: LoginId) -> Result<Vec<(SecurityKeyId, Credential)>, db::Error> {
    let rows = store::credentials(cx.db(), login).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, text)| match Credential::from_text(&text) {
            Ok(key) => Some((id, key)),
            Err(error) => {
                tracing::error!(key = %id, %error, "a security key that this version does not understand is left out");
                None
            }
        })
        .collect())
}
