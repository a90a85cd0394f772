//! Numbering and linking entries, behind those who write them.
//!
//! Writers never wait for the sealer, nor it for them: it reads what is not sealed yet, computes, and only then opens a
//! transaction, whose first statement moves the head on condition that nobody else did. Of several nodes one wins.

use std::time::Duration;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, Row, key, link, store};
use crate::{
    cx::{Caller, Reads, Service},
    db,
    ids::EventId,
    time::Timestamp,
};

/// How many entries one transaction seals: on SQLite others wait for it.
const BATCH: i64 = 500;
/// How often a head is kept: the end of a segment.
pub const KEPT_EVERY: Duration = Duration::from_secs(60);
/// And after how many entries at the latest.
const KEPT_AFTER: i64 = 10_000;

/// How far the chain reached at an instant, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, sqlx::FromRow)]
pub struct Head {
    /// How many entries the chain has had since it began.
    pub number: i64,
    /// The last one's link: SHA-256, 64 hexadecimal digits.
    #[serde(rename = "hash")]
    #[sqlx(try_from = "Vec<u8>")]
    pub link: Hex,
    /// When it was signed.
    pub at: Timestamp,
    /// Ed25519 (RFC 8032) over the text `frontdesk activity head`, number, hash, and the instant in milliseconds since
    /// the Unix epoch, each on a line of its own; 128 hexadecimal digits.
    #[sqlx(try_from = "Vec<u8>")]
    pub signature: Hex,
}

/// Bytes that are written as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl From<Vec<u8>> for Hex {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        bytes.map(Self).map_err(|_| serde::de::Error::custom("expected hexadecimal digits"))
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hex".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]*$" })
    }
}

impl Head {
    pub(super) fn signed(by: &key::LogKey, number: i64, link: &[u8], at: Timestamp) -> Self {
        let mut head = Self { number, link: Hex(link.to_vec()), at, signature: Hex(Vec::new()) };
        head.signature = Hex(by.sign(&head.text()));
        head
    }

    /// What is signed.
    fn text(&self) -> String {
        format!("frontdesk activity head\n{}\n{}\n{}\n", self.number, self.link, self.at.as_millis())
    }

    /// Whether whoever has the key to `public` signed it.
    pub fn is_signed(&self, public: &[u8]) -> bool {
        key::is_signed(public, &self.text(), &self.signature.0)
    }
}

/// What came of sealing.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    pub entries: u64,
    /// Heads that were kept meanwhile, the newest last.
    pub kept: Vec<Head>,
    /// Entries that Frontdesk did not write: they are never sealed.
    pub foreign: Vec<EventId>,
    /// How far the chain reaches now.
    pub head: Option<Head>,
    /// The head is not this log's, or lies before one that was seen: nothing is sealed upon it.
    pub refused: bool,
}

/// Seals what is not sealed yet, unless another node does; and keeps the head if that is due. `seen` is the newest head that
/// was ever seen here: upon one that lies before it, or that this log's key did not sign, nothing is sealed.
pub async fn seal(service: &Service, seen: Option<&Head>) -> Result<Sealed, db::Error> {
    let mut sealed = Sealed::default();
    let mut after = String::new();
    loop {
        let mut view = service.read().await?;
        let Some(head) = store::head(view.db()).await? else { return Ok(sealed) };
        let kept = store::last_kept(view.db()).await?;
        let rows = store::unsealed(view.db(), &after, BATCH).await?;
        let refused = !head.is_signed(service.log_key.public())
            || match seen {
                Some(seen) => !leads_through(&mut view, seen, &head).await?,
                None => false,
            };
        drop(view);
        if refused {
            return Ok(Sealed { refused, ..sealed });
        }
        let now = service.clock.now();
        sealed.head = Some(head.clone());
        if is_due(&head, kept.as_ref(), now) {
            keep(service, head.clone(), &mut sealed).await?;
        }
        let more = rows.len() as i64 == BATCH;
        if let Some(last) = rows.last() {
            after.clone_from(&last.id);
        }
        let links = chain(service, &head, &rows, &mut sealed.foreign);
        if let Some((_, number, last)) = links.last() {
            let next = Head::signed(&service.log_key, *number, last, now);
            let mut cx = service.begin(Caller::system()).await?;
            if !store::advance(cx.db(), &head, &next).await? {
                return Ok(sealed);
            }
            store::number(cx.db(), &links).await?;
            cx.commit().await?;
            sealed.entries += links.len() as u64;
            sealed.head = Some(next);
        }
        if !more {
            return Ok(sealed);
        }
    }
}

/// Whether the chain that ends with `head` goes through a head that was seen.
async fn leads_through(reads: &mut impl Reads, seen: &Head, head: &Head) -> Result<bool, db::Error> {
    if seen.number == head.number {
        return Ok(seen.link == head.link);
    }
    if seen.number > head.number {
        return Ok(false);
    }
    let removed = store::checkpoint(reads.db()).await?.map_or(0, |checkpoint| checkpoint.number);
    // Before the first entry there is nothing, and behind a checkpoint nothing any more.
    let passed = seen.number == 0 || seen.number <= removed;
    Ok(passed || store::link_of(reads.db(), seen.number).await?.as_ref() == Some(&seen.link.0))
}

fn is_due(head: &Head, kept: Option<&Head>, now: Timestamp) -> bool {
    match kept {
        None => head.number > 0,
        // One that lies beyond the head is none of ours: `verify` finds it.
        Some(kept) if head.number <= kept.number => head.number < kept.number,
        Some(kept) => now.since(kept.at) >= KEPT_EVERY || head.number - kept.number >= KEPT_AFTER,
    }
}

async fn keep(service: &Service, head: Head, sealed: &mut Sealed) -> Result<(), db::Error> {
    let mut cx = service.begin(Caller::system()).await?;
    if store::keep_head(cx.db(), &head).await? {
        cx.commit().await?;
        sealed.kept.push(head);
    }
    Ok(())
}

/// Ids with their numbers and links. What Frontdesk did not write is left out.
fn chain(
    service: &Service,
    head: &Head,
    rows: &[Row],
    foreign: &mut Vec<EventId>,
) -> Vec<(String, i64, Digest)> {
    let mut links: Vec<(String, i64, Digest)> = Vec::with_capacity(rows.len());
    for row in rows {
        let digest = row.digest();
        if row.mac.as_deref() != Some(&service.log_key.mac(&digest)) {
            foreign.extend(row.id.parse::<EventId>());
            continue;
        }
        let (before, number) = match links.last() {
            Some((_, number, before)) => (&before[..], *number),
            None => (&head.link.0[..], head.number),
        };
        let next = link(before, number + 1, &digest);
        links.push((row.id.clone(), number + 1, next));
    }
    links
}

/// Heads that were kept.
#[derive(Clone, Debug)]
pub struct Heads {
    /// The oldest first.
    pub kept: Vec<Head>,
    /// Where to go on.
    pub next_after: Option<i64>,
    /// How far the chain reaches.
    pub head: Option<Head>,
}

/// How many heads are given at once.
const PAGE: i64 = 1_000;

/// Heads that were kept behind entry `after`.
pub async fn heads(reads: &mut impl Reads, after: i64) -> Result<Heads, db::Error> {
    let head = store::head(reads.db()).await?;
    let mut kept = store::kept(reads.db(), after, PAGE + 1).await?;
    let more = kept.len() as i64 > PAGE;
    kept.truncate(PAGE as usize);
    let next_after = kept.last().filter(|_| more).map(|last| last.number);
    Ok(Heads { kept, next_after, head })
}
