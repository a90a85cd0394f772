//! Reading the whole chain again: whether every entry is there, in its place, as it was written.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use data_encoding::HEXLOWER;

use super::{
    Row, link,
    retention::Checkpoint,
    seal::Head,
    search::{Filter, Scan},
    store,
};
use crate::{
    cx::{Reads, Service},
    db,
    time::Timestamp,
};

/// How many entries are read at once.
const CHUNK: i64 = 10_000;
/// How many chunks are looked at side by side.
const ASIDE: usize = 2;
/// More problems are counted, not listed.
const LISTED: usize = 100;
/// Where a service runs, entries wait for the sealer less long than this.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The key in the database is not the one that the master key opens.
    Key,
    /// There is no head, or not a number of them.
    NoHead,
    /// The head was not signed by this log's key.
    HeadForged {
        number: i64,
    },
    CheckpointForged {
        number: i64,
    },
    /// Entries with these numbers are gone.
    Missing {
        from: i64,
        through: i64,
    },
    /// What stands there is not what was sealed: changed, swapped, or another entry.
    Changed {
        number: i64,
        id: String,
        at: Timestamp,
        event: String,
    },
    /// Something was put behind the last entry.
    Beyond {
        number: i64,
    },
    /// The chain does not go through a head that was signed.
    OffHead {
        number: i64,
    },
    /// The chain ends before a head that this machine, or whoever kept it, has seen: its end was cut off, or the
    /// database is an older copy.
    Cut {
        seen: i64,
        head: i64,
    },
    /// Not sealed, and not written by Frontdesk, or changed since.
    Foreign {
        id: String,
        at: Timestamp,
    },
    /// Part of an entry was wiped, and no erasure accounts for it.
    Wiped {
        id: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str(
                "the log's public key in the database is not the one that its sealed key belongs to",
            ),
            Self::NoHead => f.write_str("the chain's head is gone"),
            Self::HeadForged { number } => {
                write!(f, "the head at entry {number} is not signed by this log's key")
            }
            Self::CheckpointForged { number } => {
                write!(f, "the checkpoint of retention at entry {number} is not signed by this log's key")
            }
            Self::Missing { from, through } if from == through => write!(f, "entry {from} is missing"),
            Self::Missing { from, through } => write!(f, "entries {from} to {through} are missing"),
            Self::Changed { number, id, at, event } => {
                write!(f, "entry {number} is not what was sealed there (now: {event} of {at}, id {id})")
            }
            Self::Beyond { number } => write!(f, "entry {number} lies outside the chain"),
            Self::OffHead { number } => {
                write!(f, "the chain does not lead through the head signed at entry {number}")
            }
            Self::Cut { seen, head } => write!(
                f,
                "a head signed at entry {seen} was seen, and the log ends at entry {head}: its end was cut off, or this \
                 database is an older copy"
            ),
            Self::Foreign { id, at } => {
                write!(f, "the unsealed entry {id} of {at} was not written by Frontdesk, or changed since")
            }
            Self::Wiped { id } => write!(f, "entry {id} lost personal data, and no erasure accounts for it"),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sealed entries that were read.
    pub entries: u64,
    /// Entries that are not sealed yet: of them only that Frontdesk wrote them is certain, not that none is missing.
    pub unsealed: u64,
    /// Since when the oldest of those waits, if that is longer than a running service makes it wait.
    pub waiting_since: Option<Timestamp>,
    /// Entries of which something personal was erased.
    pub erased: u64,
    /// How many retention took away before.
    pub removed: i64,
    /// Up to where the chain was read.
    pub head: Option<Head>,
    /// What is wrong, [`LISTED`] at most.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub more: u64,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, problem: Problem) {
        match self.problems.len() {
            LISTED.. => self.more += 1,
            _ => self.problems.push(problem),
        }
    }
}

/// How many parts of entries each erasure accounts for.
async fn granted(service: &Service, reads: &mut impl Reads) -> Result<HashMap<String, i64>, db::Error> {
    let filter = Filter { events: vec!["system.person_erased".into()], ..Filter::default() };
    let (mut scan, mut granted) = (Scan::new(filter, None), HashMap::new());
    while let Some(rows) = scan.next_rows(reads).await? {
        let ours =
            rows.into_iter().filter(|row| row.mac.as_deref() == Some(&service.log_key.mac(&row.digest())));
        granted.extend(ours.filter_map(|row| {
            let data: serde_json::Value = serde_json::from_str(&row.data).ok()?;
            Some((row.id, data["parts"].as_i64().unwrap_or_default()))
        }));
    }
    Ok(granted)
}

/// What a chunk came to.
#[derive(Debug, Default)]
struct Part {
    entries: u64,
    problems: Vec<Problem>,
    links: Vec<(i64, Vec<u8>)>,
    erasures: Erasures,
}

/// Parts of entries that erasures account for, and those that are gone, by the erasure's id.
#[derive(Debug, Default)]
struct Erasures {
    granted: HashMap<String, i64>,
    used: BTreeMap<String, (i64, String)>,
    erased: u64,
}

impl Erasures {
    fn look(&mut self, row: &Row) {
        let parts = &row.parts;
        let gone = [
            (&parts.address_hash, &parts.address_erasure_id),
            (&parts.personal_hash, &parts.personal_erasure_id),
        ];
        let mut erased = false;
        for (_, by) in gone.into_iter().filter(|(hash, _)| hash.is_some()) {
            erased = true;
            let by = by.clone().unwrap_or_default();
            self.used.entry(by).or_insert_with(|| (0, row.id.clone())).0 += 1;
        }
        self.erased += u64::from(erased);
    }

    fn merge(&mut self, other: Self) {
        for (by, (parts, id)) in other.used {
            self.used.entry(by).or_insert((0, id)).0 += parts;
        }
        self.erased += other.erased;
    }

    /// Ids of entries that lost something without an erasure. An erasure is the younger entry: it is still there.
    fn unaccounted(&self) -> impl Iterator<Item = &str> {
        let wrong = |(by, (parts, _)): &(&String, &(i64, String))| {
            self.granted.get(by.as_str()).is_none_or(|granted| granted < parts)
        };
        self.used.iter().filter(wrong).map(|(_, (_, id))| id.as_str())
    }
}

/// Reads the chain from its checkpoint to its head, and what is not sealed yet. `seen` are heads that were kept elsewhere.
pub async fn verify(service: &Service, seen: &[Head]) -> Result<Report, db::Error> {
    loop {
        let mut view = service.read().await?;
        let checkpoint = store::checkpoint(view.db()).await?;
        drop(view);
        let report = verify_from(service, checkpoint.as_ref(), seen).await?;
        let mut view = service.read().await?;
        // Retention may have come between.
        if store::checkpoint(view.db()).await? == checkpoint {
            return Ok(report);
        }
    }
}

async fn verify_from(
    service: &Service,
    checkpoint: Option<&Checkpoint>,
    seen: &[Head],
) -> Result<Report, db::Error> {
    let mut report = Report::default();
    let public = service.log_key.public();
    let mut view = service.read().await?;
    if store::public_key(view.db()).await?.as_deref() != Some(public) {
        report.add(Problem::Key);
    }
    let (start, first) = match checkpoint {
        Some(checkpoint) => (checkpoint.number, checkpoint.link.0.clone()),
        None => (0, vec![0; 32]),
    };
    report.removed = start;
    if checkpoint.is_some_and(|checkpoint| !checkpoint.is_signed(public)) {
        report.add(Problem::CheckpointForged { number: start });
    }
    let Some(head) = store::head(view.db()).await? else {
        report.add(Problem::NoHead);
        return Ok(report);
    };
    let mut heads = kept_heads(&mut view, start).await?;
    let waiting = unsealed(service, &mut view, &mut report).await?;
    drop(view);
    heads.push(head.clone());
    for forged in heads.iter().filter(|head| !head.is_signed(public)) {
        report.add(Problem::HeadForged { number: forged.number });
    }
    for head_seen in seen {
        match head_seen.is_signed(public) {
            false => report.add(Problem::HeadForged { number: head_seen.number }),
            true if head_seen.number > head.number => {
                report.add(Problem::Cut { seen: head_seen.number, head: head.number });
            }
            true => heads.push(head_seen.clone()),
        }
    }

    let mut erasures = waiting;
    let mut links: HashMap<i64, Vec<u8>> = HashMap::new();
    let wanted: std::collections::HashSet<i64> = heads.iter().map(|head| head.number).collect();
    let mut tasks = tokio::task::JoinSet::new();
    let mut next = start;
    let mut parts: BTreeMap<i64, Part> = BTreeMap::new();
    loop {
        while tasks.len() < ASIDE && next < head.number {
            let through = head.number.min(next + CHUNK);
            let before = (next == start).then(|| first.clone());
            let (service, wanted) = (service.clone(), wanted.clone());
            let from = next;
            tasks.spawn(async move {
                let part = chunk(&service, from, through, before, &wanted).await;
                part.map(|part| (from, part))
            });
            next = through;
        }
        let Some(done) = tasks.join_next().await else { break };
        let (from, part) =
            done.map_err(|error| db::Error::Failed(sqlx::Error::Io(std::io::Error::other(error))))??;
        parts.insert(from, part);
    }
    for part in parts.into_values() {
        report.entries += part.entries;
        part.problems.into_iter().for_each(|problem| report.add(problem));
        links.extend(part.links);
        erasures.merge(part.erasures);
    }
    links.insert(start, first);
    for head in &heads {
        if head.number >= start && links.get(&head.number) != Some(&head.link.0) {
            report.add(Problem::OffHead { number: head.number });
        }
    }
    let mut view = service.read().await?;
    let end = store::last_number(view.db()).await?.unwrap_or(start);
    let now = store::head(view.db()).await?;
    if end > now.map_or(0, |head| head.number) {
        report.add(Problem::Beyond { number: end });
    }
    if let Some(number) = store::first_number(view.db()).await?.filter(|number| *number < 1) {
        report.add(Problem::Beyond { number });
    }
    // Last of all: whatever was erased while the chain was read has its erasure by now.
    erasures.granted = granted(service, &mut view).await?;
    let wiped: Vec<_> = erasures.unaccounted().map(|id| Problem::Wiped { id: id.to_owned() }).collect();
    wiped.into_iter().for_each(|problem| report.add(problem));
    report.erased = erasures.erased;
    report.head = Some(head);
    Ok(report)
}

async fn kept_heads(reads: &mut impl Reads, after: i64) -> Result<Vec<Head>, db::Error> {
    let mut heads = Vec::new();
    loop {
        let from = heads.last().map_or(after, |head: &Head| head.number);
        let more = store::kept(reads.db(), from, CHUNK).await?;
        if more.is_empty() {
            return Ok(heads);
        }
        heads.extend(more);
    }
}

/// Looks at what is not sealed yet: whether Frontdesk wrote it.
async fn unsealed(
    service: &Service,
    reads: &mut impl Reads,
    report: &mut Report,
) -> Result<Erasures, db::Error> {
    let (mut erasures, mut after, mut oldest) = (Erasures::default(), String::new(), None);
    loop {
        let rows = store::unsealed(reads.db(), &after, CHUNK).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        for row in &rows {
            if row.mac.as_deref() != Some(&service.log_key.mac(&row.digest())) {
                report.add(Problem::Foreign { id: row.id.clone(), at: row.at });
                continue;
            }
            oldest = oldest.or(Some(row.at));
            report.unsealed += 1;
            erasures.look(row);
        }
    }
    report.waiting_since = oldest.filter(|since| reads.now().since(*since) > PATIENCE);
    Ok(erasures)
}

/// Entries after `from` through `through`. Each chunk trusts the stored link before it, which the chunk before checks.
async fn chunk(
    service: &Service,
    from: i64,
    through: i64,
    before: Option<Vec<u8>>,
    wanted: &std::collections::HashSet<i64>,
) -> Result<Part, db::Error> {
    let mut view = service.read().await?;
    let mut before = match before {
        Some(link) => Some(link),
        None => store::link_of(view.db(), from).await?,
    };
    let rows = store::sealed(view.db(), from, through).await?;
    drop(view);
    // Hashing is work, not waiting.
    let (wanted, key) = (wanted.clone(), service.log_key.clone());
    let work = move || {
        let mut part = Part::default();
        let mut next = from + 1;
        for row in rows {
            let number = row.number.unwrap_or_default();
            if number > next {
                part.problems.push(Problem::Missing { from: next, through: number - 1 });
                before = None;
            }
            let stored = row.link.clone().unwrap_or_default();
            let digest = row.digest();
            let ours = row.mac.as_deref() == Some(&key.mac(&digest));
            // Behind a gap there is nothing to follow from; the next entry follows from this one again.
            let follows =
                before.as_ref().is_none_or(|before| link(before, number, &digest)[..] == stored[..]);
            if !follows || !ours {
                let (id, at, event) = (row.id.clone(), row.at, row.name.clone());
                part.problems.push(Problem::Changed { number, id, at, event });
            }
            if wanted.contains(&number) {
                part.links.push((number, stored.clone()));
            }
            part.erasures.look(&row);
            part.entries += 1;
            before = Some(stored);
            next = number + 1;
        }
        if next <= through {
            part.problems.push(Problem::Missing { from: next, through });
        }
        part
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| db::Error::Failed(sqlx::Error::Io(std::io::Error::other(error))))
}

/// The public key, as people copy it.
pub fn public_key(service: &Service) -> String {
    HEXLOWER.encode(service.log_key.public())
}
