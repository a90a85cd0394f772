//! Changing the master key while the service runs.
//!
//! 1. [`begin`] makes a new key and publishes it, sealed under the old one. From that commit on, whoever seals asks for
//!    the new key inside the same transaction ([`Cx::seal`]), so nothing is sealed under the old one any more, not even
//!    by a node that was away; whoever does not have the new key yet unwraps it with the old one.
//! 2. Every node takes it up ([`Keyring::keep_up`](super::Keyring::keep_up)), writes both keys into its file and says so
//!    (`nodes`).
//! 3. [`reseal_pass`], until nothing is left.
//! 4. [`finish`] wipes the wrapped key: with it, whoever has the old key could open the new one and everything else.
//!    Then the files lose the old key.
//!
//! Each step is one transaction, or a row at a time: interrupted anywhere, everything opens, and running it again goes
//! on where it stopped.

use super::{
    keyring::{KEY_ID, Key, wrapped_as},
    nodes, store,
};
use crate::{
    activity::key,
    cx::{Caller, Cx, Reads, Service},
    db,
    event::MasterKeyRotated,
    second_factor::totp,
};

/// A column of sealed secrets. Its name begins with `sealed_`, and a test looks for columns that are missing here.
#[derive(Clone, Copy, Debug)]
pub struct SealedColumn {
    pub table: &'static str,
    /// The column that tells rows apart, as text.
    pub id: &'static str,
    pub column: &'static str,
    /// What the secret of the row with that id is sealed for.
    pub belongs_to: fn(id: &str) -> String,
}

/// Everything that is sealed.
pub const SEALED: &[SealedColumn] = &[
    SealedColumn { table: "deliveries", id: "id", column: "sealed_token", belongs_to: str::to_owned },
    SealedColumn { table: "totp", id: "login_id", column: "sealed_seed", belongs_to: totp::belongs_to },
    SealedColumn {
        table: "totp_pending",
        id: "login_id",
        column: "sealed_seed",
        belongs_to: totp::belongs_to,
    },
    SealedColumn { table: "activity_key", id: "slot", column: "sealed_seed", belongs_to: key::belongs_to },
];

/// Why the master key cannot be changed, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database knows no master key yet; start `frontdesk serve` once")]
    NoKey,
    #[error("the master key is being changed by somebody else at this moment; try again")]
    Raced,
    #[error("{0} secrets are still sealed under the master key before")]
    Unfinished(u64),
    #[error("{} of the running nodes do not have the new master key yet", .0.len())]
    Waiting(Vec<nodes::Status>),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// A change of the master key that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The ids of the keys.
    pub from: String,
    pub to: String,
    /// Whether it was begun earlier.
    pub resumed: bool,
}

/// Makes and publishes a new key; or finds the change that was begun earlier. It holds once it is committed; then
/// [`Keyring::keep_up`](super::Keyring::keep_up) takes it up here.
pub async fn begin(cx: &mut Cx) -> Result<Rotation, Error> {
    let current = store::read_current(cx.db()).await?.ok_or(Error::NoKey)?;
    if current.wrapped.is_some() {
        let from = store::earlier(cx.db()).await?.ok_or(Error::Raced)?;
        return Ok(Rotation { from, to: current.key_id, resumed: true });
    }
    let missing = || db::Error::MissingKey(current.key_id.clone());
    let old = cx.keys().find_named(&current.key_id).ok_or_else(missing)?;
    let new = Key::generate(cx.chance());
    let wrapped = old.seal(&wrapped_as(&new.id()), new.bytes(), cx.chance());
    if !store::publish(cx, &current, &new, &wrapped).await? {
        return Err(Error::Raced);
    }
    Ok(Rotation { from: old.id(), to: new.id(), resumed: false })
}

/// What one look at everything that is sealed came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    pub resealed: u64,
    /// Held or changed by others at that moment: for the next pass.
    pub left: u64,
    /// Damaged: no key opens them, the old one neither.
    pub unreadable: u64,
}

/// How many rows one transaction holds.
const AT_ONCE: i64 = 32;

/// Seals again, under the new key, what the old one sealed. Needs a keyring that holds both.
pub async fn reseal_pass(service: &Service, caller: &Caller, rotation: &Rotation) -> Result<Pass, db::Error> {
    let old = service.keys.find_named(&rotation.from);
    let old = old.ok_or_else(|| db::Error::MissingKey(rotation.from.clone()))?.raw_id();
    let mut pass = Pass::default();
    for column in SEALED {
        let mut after = String::new();
        let mut unreadable = 0;
        loop {
            let mut cx = service.begin(caller.clone()).await?;
            let rows = store::take(&mut cx, column, &old, &after, AT_ONCE).await?;
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            let mut resealed = 0;
            for (id, sealed) in rows {
                let belongs_to = (column.belongs_to)(&id);
                let Ok(secret) = cx.keys().unseal(&belongs_to, &sealed) else {
                    tracing::warn!(table = column.table, id, "no master key opens this secret");
                    unreadable += 1;
                    continue;
                };
                let again = cx.seal(&belongs_to, &secret).await?;
                resealed += u64::from(store::swap(&mut cx, column, &id, &sealed, &again).await?);
            }
            cx.commit().await?;
            pass.resealed += resealed;
        }
        let mut view = service.read().await?;
        pass.left += store::count(view.db(), column, &old).await?.saturating_sub(unreadable);
        pass.unreadable += unreadable;
    }
    Ok(pass)
}

/// Makes the new key the only one, when nothing but `unreadable` rows needs the old one and every running node has the
/// new one. False if it was the only one already.
pub async fn finish(cx: &mut Cx, rotation: &Rotation, unreadable: u64) -> Result<bool, Error> {
    let old = cx.keys().find_named(&rotation.from);
    let old: [u8; KEY_ID] = old.ok_or_else(|| db::Error::MissingKey(rotation.from.clone()))?.raw_id();
    let mut left = 0;
    for column in SEALED {
        left += store::count(cx.db(), column, &old).await?;
    }
    if left > unreadable {
        return Err(Error::Unfinished(left - unreadable));
    }
    let waiting = nodes::without(cx, &rotation.to).await?;
    if !waiting.is_empty() {
        return Err(Error::Waiting(waiting));
    }
    let concluded = store::conclude(cx, &rotation.to).await?;
    if concluded {
        cx.emit(MasterKeyRotated { from: rotation.from.clone(), to: rotation.to.clone() }).await?;
    }
    Ok(concluded)
}
