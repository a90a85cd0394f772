//! Bans and trusted addresses, as administrators set and see them.
//!
//! A ban by hand refuses everything from its network, an automatic one only logins of staff. Trusted addresses are never
//! banned, whichever came first. Nobody bans the network they call from.

mod store;

use std::net::IpAddr;

use crate::{
    cx::{Actor, Cx, Reads},
    db,
    event::{AddressBanned, AddressTrusted, AddressUntrusted, BanLifted},
    ids::{BanId, StaffId, TrustedAddressId},
    invalid::Invalid,
    network::Network,
    page::{Page, PageRequest},
    text_enum::text_enum,
    time::Timestamp,
};

text_enum! {
    /// How a ban came to be.
    pub enum Kind {
        /// By too many failed logins. Refuses logins of staff, not open sessions.
        Automatic => "automatic",
        /// By hand. Refuses everything.
        Manual => "manual",
    }
}

/// A network that is kept out.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Ban {
    pub id: BanId,
    pub network: Network,
    pub kind: Kind,
    pub reason: String,
    pub created_at: Timestamp,
    /// `None`: until it is lifted.
    pub expires_at: Option<Timestamp>,
    pub created_by: Option<StaffId>,
}

/// A network that is never banned by address.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TrustedAddress {
    pub id: TrustedAddressId,
    pub network: Network,
    pub note: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such ban or trusted address")]
    NotFound,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Longest reason or note, in characters.
const LONGEST_TEXT: usize = 200;

fn line(text: &str) -> Result<String, (&'static str, String)> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        Err(("malformed", "This is one line of text.".into()))
    } else if text.chars().count() > LONGEST_TEXT {
        Err(("too_long", format!("This has at most {LONGEST_TEXT} characters.")))
    } else {
        Ok(text.into())
    }
}

fn network(invalid: &mut Invalid, parsed: Result<Network, crate::network::Malformed>) -> Option<Network> {
    parsed.map_err(|error| invalid.add("network", "malformed", format!("{error}."))).ok()
}

/// Keeps a network out; a lone IPv6 address means its /64. Banning it again gives the ban the new reason and end.
pub async fn ban(cx: &mut Cx, text: &str, reason: &str, expires_at: Option<Timestamp>) -> Result<Ban, Error> {
    let mut invalid = Invalid::default();
    let reason = invalid.take("reason", line(reason));
    if expires_at.is_some_and(|at| at <= cx.now()) {
        invalid.add("expires_at", "malformed", "A ban ends in the future.");
    }
    let network = network(&mut invalid, Network::to_keep_out(text));
    if let Some(address) = cx.caller().address
        && network.is_some_and(|network| network.overlaps(&Network::of(address)))
    {
        invalid.add("network", "bans_you", format!("You come from there yourself ({address})."));
    }
    let Some(network) = network else { return Err(invalid.into()) };
    // From here on nobody else bans or trusts until this is decided.
    store::note_change(cx).await?;
    if let Some(trusted) = store::trusted_within(cx, network).await? {
        let message =
            format!("{trusted} is trusted and never banned. Take it from the trusted addresses first.");
        invalid.add("network", "trusted", message);
    }
    invalid.ok()?;
    let created_by = match cx.caller().actor {
        Actor::Staff(id) | Actor::Program(id, _) => Some(id),
        _ => None,
    };
    let id = BanId::new(cx.now(), cx.chance());
    let ban = store::insert(cx, id, network, &reason, expires_at, created_by).await?;
    let kind = Kind::Manual.as_str();
    cx.emit(AddressBanned { ban_id: ban.id, network, kind, reason, expires_at }).await?;
    Ok(ban)
}

/// Lifts a ban, automatic or not.
pub async fn lift(cx: &mut Cx, id: BanId) -> Result<(), Error> {
    store::note_change(cx).await?;
    let ban = store::delete(cx, id).await?.ok_or(Error::NotFound)?;
    lifted(cx, ban).await
}

/// Lifts whatever bans exactly this network; a lone IPv6 address means its /64. How many bans that were.
pub async fn lift_network(cx: &mut Cx, text: &str) -> Result<usize, Error> {
    let mut invalid = Invalid::default();
    let Some(network) = network(&mut invalid, Network::to_keep_out(text)) else { return Err(invalid.into()) };
    store::note_change(cx).await?;
    let bans = store::delete_network(cx, network).await?;
    let count = bans.len();
    for ban in bans {
        lifted(cx, ban).await?;
    }
    Ok(count)
}

async fn lifted(cx: &mut Cx, ban: Ban) -> Result<(), Error> {
    cx.emit(BanLifted { ban_id: ban.id, network: ban.network, kind: ban.kind.as_str() }).await?;
    Ok(())
}

/// The bans that hold, the newest first.
pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<Ban>, db::Error> {
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one_ban(now)).await?;
    let rows = store::list(reads.db(), now, request).await?;
    Ok(request.page(rows, total, |ban| (ban.created_at, ban.id.into())))
}

/// Trusts a network never to be banned; an address alone is that address. Trusting it again changes the note.
pub async fn trust(cx: &mut Cx, text: &str, note: Option<&str>) -> Result<TrustedAddress, Error> {
    let mut invalid = Invalid::default();
    let note = note.map(|note| invalid.take("note", line(note))).filter(|note| !note.is_empty());
    let network = network(&mut invalid, text.parse());
    invalid.ok()?;
    // Without one it was invalid.
    let Some(network) = network else { return Err(Error::NotFound) };
    store::note_change(cx).await?;
    let id = TrustedAddressId::new(cx.now(), cx.chance());
    let trusted = store::insert_trusted(cx, id, network, note.as_deref()).await?;
    cx.emit(AddressTrusted { trusted_address_id: trusted.id, network, note }).await?;
    Ok(trusted)
}

/// Trusts it no longer.
pub async fn distrust(cx: &mut Cx, id: TrustedAddressId) -> Result<(), Error> {
    store::note_change(cx).await?;
    let network = store::delete_trusted(cx, id).await?.ok_or(Error::NotFound)?;
    cx.emit(AddressUntrusted { trusted_address_id: id, network }).await?;
    Ok(())
}

/// The trusted addresses, the newest first.
pub async fn list_trusted(
    reads: &mut impl Reads,
    request: &PageRequest,
) -> Result<Page<TrustedAddress>, db::Error> {
    let total = request.total(reads.db(), store::select_one_trusted()).await?;
    let rows = store::list_trusted(reads.db(), request).await?;
    Ok(request.page(rows, total, |trusted| (trusted.created_at, trusted.id.into())))
}

/// What every request is held against, without asking the database: the bans by hand, and whom they do not hit.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    changes: i64,
    bans: Vec<(Network, Option<Timestamp>)>,
    trusted: Vec<Network>,
}

impl Snapshot {
    pub fn is_older_than(&self, other: &Snapshot) -> bool {
        self.changes < other.changes
    }

    /// The end of the ban that refuses everything from this address, if there is one.
    pub fn refuses(&self, address: IpAddr, now: Timestamp) -> Option<Option<Timestamp>> {
        let holds = |until: &Option<Timestamp>| until.is_none_or(|until| now < until);
        let ban = self.bans.iter().find(|(network, until)| network.contains(address) && holds(until))?;
        let is_trusted = self.trusted.iter().any(|network| network.contains(address));
        (!is_trusted).then_some(ban.1)
    }
}

/// What has to be known now, where that is not what is known already. One small look if nothing has changed.
pub async fn snapshot(reads: &mut impl Reads, known: &Snapshot) -> Result<Option<Snapshot>, db::Error> {
    // Before the lists: if they are newer than this, the next look finds out.
    let changes = store::changes(reads.db()).await?;
    if changes == known.changes {
        return Ok(None);
    }
    let now = reads.now();
    let bans = store::manual(reads.db(), now).await?;
    let trusted = store::trusted(reads.db()).await?;
    Ok(Some(Snapshot { changes, bans, trusted }))
}

#[cfg(test)]
mod tests;
