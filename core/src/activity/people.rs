//! One person in the log: what it holds of them, and erasing it (Regulation (EU) 2016/679, articles 15 and 17).

use std::collections::HashSet;

use super::{
    ActorKind, Row, names, part_hash,
    search::{Filter, Scan, addresses_of, of_category},
    store,
};
use crate::{
    cx::{Caller, Reads, Service},
    db,
    event::PersonErased,
    ids::LoginId,
};

/// How many entries one transaction erases.
const BATCH: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever is still here could else wipe what they do.
    #[error("somebody is erased only once they are deleted")]
    Present,
    #[error("the log holds nothing of them")]
    Unknown,
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What one entry loses.
pub(super) struct Loss {
    pub(super) id: String,
    pub(super) address_hash: Option<Vec<u8>>,
    pub(super) personal_hash: Option<Vec<u8>>,
}

impl Loss {
    fn parts(&self) -> i64 {
        i64::from(self.address_hash.is_some()) + i64::from(self.personal_hash.is_some())
    }
}

/// Erases what entries hold of a member of staff, a user or a contact who was deleted: the addresses they came from, their
/// names and addresses of mail, before and after each change; also in invitations that were sent to one of their addresses.
/// The entries stay, with ids and hashes. How many parts of entries were erased.
pub async fn erase(service: &Service, caller: &Caller, person: LoginId) -> Result<i64, Error> {
    let mut view = service.read().await?;
    if store::is_present(view.db(), &person.to_string()).await? {
        return Err(Error::Present);
    }
    drop(view);
    let (mut losses, mut known) = (Vec::new(), false);
    each(service, of_person(person), |row| {
        known |= is_about_a_person(row) && row.subject_id.as_deref() == Some(&person.to_string());
        losses.extend(loss(row, person));
    })
    .await?;
    if !known {
        return Err(Error::Unknown);
    }
    let addresses = their_addresses(service, person).await?;
    if !addresses.is_empty() {
        each(service, invitations_to(addresses.clone()), |row| losses.extend(whole(row, false))).await?;
    }

    let mut cx = service.begin(caller.clone()).await?;
    let mut forgot = names::forget_name(&mut cx, person).await?;
    for address in &addresses {
        forgot |= store::forget_recipient(&mut cx, address).await?;
    }
    // Where entries lose something, they are what tells of it.
    if forgot && losses.is_empty() {
        cx.emit(PersonErased { person_id: person, parts: 0 }).await?;
    }
    cx.commit().await?;
    let mut parts = 0;
    for batch in losses.chunks(BATCH) {
        let mut cx = service.begin(caller.clone()).await?;
        // One erasure at a time: each accounts for what it took away itself.
        store::lock_erasures(&mut cx).await?;
        let mut left = Vec::new();
        for loss in batch {
            left.extend(store::still_there(&mut cx, loss).await?);
        }
        let erased = left.iter().map(Loss::parts).sum();
        if erased == 0 {
            continue;
        }
        let erasure = cx.emit(PersonErased { person_id: person, parts: erased }).await?;
        for loss in &left {
            store::erase(&mut cx, loss, &erasure.to_string()).await?;
        }
        cx.commit().await?;
        parts += erased;
    }
    Ok(parts)
}

/// Every entry that fits, in order.
async fn each(service: &Service, filter: Filter, mut look: impl FnMut(&Row)) -> Result<(), db::Error> {
    let mut scan = Scan::new(filter, None);
    loop {
        let mut view = service.read().await?;
        let Some(rows) = scan.next_rows(&mut view).await? else { return Ok(()) };
        rows.iter().for_each(&mut look);
    }
}

/// Whether the one an entry is about is a person, or an account, which may be one.
fn is_about_a_person(row: &Row) -> bool {
    let of = ["staff.", "user.", "account.contact_", "account.created", "account.deleted"];
    of.iter().any(|name| row.name.starts_with(name))
}

/// What they did, and what was done to them.
pub fn of_person(person: LoginId) -> Filter {
    Filter { person: Some(person.into()), ..Filter::default() }
}

/// Invitations that were sent to an address that the log knows as theirs.
pub async fn to_their_addresses(service: &Service, person: LoginId) -> Result<Option<Filter>, db::Error> {
    let addresses = their_addresses(service, person).await?;
    Ok(Some(addresses).filter(|addresses| !addresses.is_empty()).map(invitations_to))
}

fn invitations_to(addresses: HashSet<String>) -> Filter {
    Filter { events: of_category("invitation"), addresses, ..Filter::default() }
}

/// Addresses of mail that they have or had, and nobody else has.
async fn their_addresses(service: &Service, person: LoginId) -> Result<HashSet<String>, db::Error> {
    let mut addresses = HashSet::new();
    let about = Filter { subject: Some(person.into()), ..Filter::default() };
    each(service, about, |row| addresses.extend(addresses_of(row))).await?;
    // What belongs to somebody who is here, or is on its way to somebody, is not theirs alone.
    let mut view = service.read().await?;
    for taken in store::addresses_in_use(&mut view, &addresses).await? {
        addresses.remove(&taken);
    }
    Ok(addresses)
}

fn loss(row: &Row, person: LoginId) -> Option<Loss> {
    let person = person.to_string();
    let is = |id: &Option<String>| id.as_ref() == Some(&person);
    let by_guest = row.actor_kind == ActorKind::Guest.as_str();
    let came = is(&row.actor_id) || (by_guest && is(&row.subject_id));
    match is(&row.subject_id) {
        true => whole(row, came),
        false => Some(Loss { personal_hash: None, ..whole(row, came)? }).filter(|loss| loss.parts() > 0),
    }
}

/// Everything personal that is left of an entry, the address if asked for.
fn whole(row: &Row, address: bool) -> Option<Loss> {
    let hash = |value: &Option<String>, salt: &Option<Vec<u8>>| {
        value.as_deref().zip(salt.as_deref()).map(|(value, salt)| part_hash(salt, value).to_vec())
    };
    let loss = Loss {
        id: row.id.clone(),
        address_hash: hash(&row.parts.address, &row.parts.address_salt).filter(|_| address),
        personal_hash: hash(&row.parts.personal, &row.parts.personal_salt),
    };
    Some(loss).filter(|loss| loss.parts() > 0)
}
