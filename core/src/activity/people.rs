//! One person in the log: what it holds of them, and erasing it (Regulation (EU) 2016/679, articles 15 and 17).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    ActorKind, Row, names, part_hash,
    search::{Filter, Scan, of_category},
    store,
};
use crate::{
    cx::{Caller, Reads, Service},
    db,
    event::PersonErased,
    ids::LoginId,
    invalid::fold_email,
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
    let filter = Filter { person: Some(person.into()), ..Filter::default() };
    let (mut losses, mut addresses, mut known) = (Vec::new(), HashSet::new(), false);
    each(service, filter, |row| {
        known = true;
        collect_addresses(row, person, &mut addresses);
        losses.extend(loss(row, person));
    })
    .await?;
    if !known {
        return Err(Error::Unknown);
    }
    let invited = Filter { events: of_category("invitation"), ..Filter::default() };
    each(service, invited, |row| {
        let personal = personal(row);
        let theirs =
            personal.values().filter_map(Value::as_str).any(|text| addresses.contains(&fold_email(text)));
        losses.extend(theirs.then(|| whole(row, false)).flatten());
    })
    .await?;

    // Also where no entry has anything left of them.
    let mut cx = service.begin(caller.clone()).await?;
    if losses.is_empty() && names::forget_name(&mut cx, person).await? {
        cx.emit(PersonErased { person_id: person, parts: 0 }).await?;
        cx.commit().await?;
    } else {
        drop(cx);
    }
    let mut parts = 0;
    for batch in losses.chunks(BATCH) {
        let erased = batch.iter().map(Loss::parts).sum();
        let mut cx = service.begin(caller.clone()).await?;
        let erasure = cx.emit(PersonErased { person_id: person, parts: erased }).await?;
        for loss in batch {
            store::erase(&mut cx, loss, &erasure.to_string()).await?;
        }
        names::forget_name(&mut cx, person).await?;
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

fn personal(row: &Row) -> Map<String, Value> {
    row.parts.personal.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Addresses of mail that the person has or had.
fn collect_addresses(row: &Row, person: LoginId, addresses: &mut HashSet<String>) {
    if row.subject_id.as_deref() == Some(&person.to_string()) {
        let personal = personal(row);
        let texts = personal.values().filter_map(Value::as_str).filter(|text| text.contains('@'));
        addresses.extend(texts.map(fold_email));
    }
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
