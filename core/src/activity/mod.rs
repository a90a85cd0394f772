//! The activity log: every event is an entry, and the entries form a chain that shows whether anybody touched them.
//!
//! Writing an entry ([`record`]) is one statement in the unit of work that it tells of. Whatever is personal of it (the
//! address it came from; names, addresses and their like) stands beside the chain: an entry's digest covers only
//! salted hashes of it, so that a person can be erased ([`people`]) and the chain stays whole.
//!
//! Behind the writers, one sealer at a time ([`seal`]) gives entries their numbers and links, and signs the head.
//! [`verify`] reads everything again. [`retention`] takes whole segments from the old end and leaves a signed checkpoint.

pub mod key;
mod names;
pub mod people;
pub mod retention;
pub mod seal;
pub mod search;
mod store;
pub mod verify;

use ring::digest::{Context, SHA256};
use serde_json::{Map, Value};

pub use names::{forget_name, keep_name};
pub(crate) use store::full_name;

use crate::{
    cx::{Actor, Cx, Reads},
    db,
    event::Event,
    ids::{self, EventId, LoginId},
    text_enum::text_enum,
    time::Timestamp,
};

text_enum! {
    /// Who acted, in a word (FEATURES D2).
    pub enum ActorKind {
        /// Frontdesk itself.
        System => "system",
        /// Whoever may run commands where Frontdesk is installed.
        CommandLine => "command_line",
        /// Somebody who had not logged in.
        Guest => "guest",
        /// A member of staff.
        Staff => "staff",
        /// A user.
        User => "user",
        /// A member of staff who came in as a user.
        StaffAsUser => "staff_as_user",
        /// An API credential of a member of staff.
        Program => "program",
    }
}

/// What is known of an entry's author.
#[derive(Clone, Copy, Debug)]
struct Author {
    kind: ActorKind,
    actor: Option<LoginId>,
    credential: Option<ids::ApiCredentialId>,
    as_user: Option<ids::UserId>,
}

impl From<Actor> for Author {
    fn from(actor: Actor) -> Self {
        let nobody = |kind| Self { kind, actor: None, credential: None, as_user: None };
        let somebody = |kind, id| Self { actor: Some(id), ..nobody(kind) };
        match actor {
            Actor::System => nobody(ActorKind::System),
            Actor::CommandLine => nobody(ActorKind::CommandLine),
            Actor::Guest => nobody(ActorKind::Guest),
            Actor::Staff(id) => somebody(ActorKind::Staff, id.into()),
            Actor::User(id) => somebody(ActorKind::User, id.into()),
            Actor::StaffAsUser(id, user) => {
                Self { as_user: Some(user), ..somebody(ActorKind::StaffAsUser, id.into()) }
            }
            Actor::Program(id, credential) => {
                Self { credential: Some(credential), ..somebody(ActorKind::Program, id.into()) }
            }
        }
    }
}

/// A row of `events`: an entry with everything that its digest covers.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Row {
    id: String,
    at: Timestamp,
    name: String,
    actor_kind: String,
    actor_id: Option<String>,
    actor_credential_id: Option<String>,
    as_user_id: Option<String>,
    account_id: Option<String>,
    subject_id: Option<String>,
    request_id: Option<String>,
    /// Without what is personal.
    data: String,
    #[sqlx(flatten)]
    parts: Parts,
    mac: Option<Vec<u8>>,
    number: Option<i64>,
    link: Option<Vec<u8>>,
}

/// What stands beside the chain: each is there with its salt, or erased with its hash, or there never was any.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
struct Parts {
    address: Option<String>,
    address_salt: Option<Vec<u8>>,
    address_hash: Option<Vec<u8>>,
    address_erasure_id: Option<String>,
    personal: Option<String>,
    personal_salt: Option<Vec<u8>>,
    personal_hash: Option<Vec<u8>>,
    personal_erasure_id: Option<String>,
}

type Digest = [u8; 32];

/// What the digest covers of a personal part: a hash that tells nothing once the salt is gone.
fn part_hash(salt: &[u8], value: &str) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in [b"frontdesk personal", salt, value.as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> Digest {
    context.finish().as_ref().try_into().unwrap_or([0; 32])
}

impl Parts {
    fn address_hash(&self) -> Option<Vec<u8>> {
        hash_of(self.address.as_deref(), self.address_salt.as_deref(), self.address_hash.as_deref())
    }

    fn personal_hash(&self) -> Option<Vec<u8>> {
        hash_of(self.personal.as_deref(), self.personal_salt.as_deref(), self.personal_hash.as_deref())
    }
}

fn hash_of(value: Option<&str>, salt: Option<&[u8]>, kept: Option<&[u8]>) -> Option<Vec<u8>> {
    match (value, salt, kept) {
        (Some(value), Some(salt), None) => Some(part_hash(salt, value).to_vec()),
        (None, None, kept) => kept.map(<[u8]>::to_vec),
        // Frontdesk leaves no half of it: whatever this is, it is no hash.
        _ => Some(b"neither there nor erased".to_vec()),
    }
}

impl Row {
    /// SHA-256 over every column that is not personal, and over the hashes of those that are. Each is written as its
    /// length and itself, or as nothing, so that no two entries are the same text.
    fn digest(&self) -> Digest {
        let (address, personal) = (self.parts.address_hash(), self.parts.personal_hash());
        let at = self.at.as_millis().to_be_bytes();
        let fields = [
            Some(&b"frontdesk entry 1"[..]),
            Some(self.id.as_bytes()),
            Some(&at),
            Some(self.name.as_bytes()),
            Some(self.actor_kind.as_bytes()),
            self.actor_id.as_deref().map(str::as_bytes),
            self.actor_credential_id.as_deref().map(str::as_bytes),
            self.as_user_id.as_deref().map(str::as_bytes),
            self.account_id.as_deref().map(str::as_bytes),
            self.subject_id.as_deref().map(str::as_bytes),
            self.request_id.as_deref().map(str::as_bytes),
            Some(self.data.as_bytes()),
            address.as_deref(),
            personal.as_deref(),
        ];
        let mut context = Context::new(&SHA256);
        for field in fields {
            match field {
                None => context.update(&[0]),
                Some(bytes) => {
                    context.update(&[1]);
                    context.update(&(bytes.len() as u64).to_be_bytes());
                    context.update(bytes);
                }
            }
        }
        finish(context)
    }
}

/// The link of the entry that comes after `before` as number `number`.
fn link(before: &[u8], number: i64, digest: &Digest) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(b"frontdesk link 1");
    context.update(before);
    context.update(&number.to_be_bytes());
    context.update(digest);
    finish(context)
}

/// Takes what is personal out of an event's fields: where it stood (RFC 6901), and what. `null` stays in its place.
fn split(event: &Event, data: &mut Value) -> Option<Map<String, Value>> {
    let mut pointers: Vec<_> = event.personal().iter().map(|field| format!("/{field}")).collect();
    let changed = data.get("changed").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, _) in changed.filter(|(_, change)| change["personal"] == true) {
        pointers.extend(["before", "after"].map(|side| format!("/changed/{index}/{side}")));
    }
    let mut personal = Map::new();
    for pointer in pointers {
        let taken = data.pointer_mut(&pointer).map(Value::take).filter(|value| !value.is_null());
        personal.extend(taken.map(|value| (pointer, value)));
    }
    Some(personal).filter(|personal| !personal.is_empty())
}

/// Puts back what [`split`] took out.
fn join(data: &mut Value, personal: &Map<String, Value>) {
    for (pointer, value) in personal {
        if let Some(place) = data.pointer_mut(pointer) {
            place.clone_from(value);
        }
    }
}

/// Writes an entry: what happened, by whom, from where.
pub(crate) async fn record(cx: &mut Cx, id: EventId, event: &Event) -> Result<(), db::Error> {
    let mut data = serde_json::to_value(event).expect("events are plain data");
    let account_id = data.get("account_id").and_then(Value::as_str).map(str::to_owned);
    let personal = split(event, &mut data).map(|personal| Value::Object(personal).to_string());
    let address = cx.caller().address.map(|address| address.to_string());
    let salt = |cx: &Cx, part: &Option<String>| part.as_ref().map(|_| ids::bytes::<16>(cx.chance()).to_vec());
    let author = Author::from(cx.caller().actor);
    let mut row = Row {
        id: id.to_string(),
        at: cx.now(),
        name: event.name().to_owned(),
        actor_kind: author.kind.as_str().to_owned(),
        actor_id: author.actor.map(|id| id.to_string()),
        actor_credential_id: author.credential.map(|id| id.to_string()),
        as_user_id: author.as_user.map(|id| id.to_string()),
        account_id,
        subject_id: event.subject().map(|id| id.to_string()),
        request_id: cx.caller().request_id.clone(),
        data: data.to_string(),
        parts: Parts {
            address_salt: salt(cx, &address),
            address,
            personal_salt: salt(cx, &personal),
            personal,
            ..Parts::default()
        },
        mac: None,
        number: None,
        link: None,
    };
    row.mac = Some(cx.log_key().mac(&row.digest()).to_vec());
    store::insert(cx.db(), &row).await
}

#[cfg(test)]
mod tests;
