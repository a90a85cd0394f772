//! Reading the log: filtered, searched, a page at a time, over any number of entries.
//!
//! What has an index leads: a subject, a person, an account, or names of events. Everything else that was asked for is
//! looked at entry by entry, in order, and no page examines more than [`EXAMINED`] of them: a page can hold fewer than
//! asked for, even none, and still say where to go on.

use std::collections::HashSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ActorKind, Row, join, names::Names, store};
use crate::{
    cx::Reads,
    db::{self, Arg, Sql},
    event,
    ids::{self, AccountId, ApiCredentialId, EventId},
    invalid::{Invalid, fold, fold_email},
    page::{MOST_COUNTED, Page, PageRequest, Total},
    time::Timestamp,
};

/// How many entries a page examines at the most.
pub const EXAMINED: usize = 20_000;
/// How many are read at once.
const CHUNK: usize = 1_000;

/// Which entries are wanted: those that fit everything given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// Who acted: a member of staff, a user (also where staff came in as them), or an API credential.
    pub actor: Option<Uuid>,
    pub actor_kind: Option<ActorKind>,
    pub account: Option<AccountId>,
    /// Whom or what it is about.
    pub subject: Option<Uuid>,
    /// Who acted or whom it is about.
    pub person: Option<Uuid>,
    /// Names of events; all if there are none.
    pub events: Vec<String>,
    pub request_id: Option<String>,
    /// Addresses of mail, folded, one of which an entry holds as personal data; any if there are none.
    pub addresses: HashSet<String>,
    /// Words that must each occur, in any order, without regard to case: in the event's name, its fields, the address,
    /// or what the people and accounts are called.
    pub text: Option<String>,
}

/// Somebody or something that has an id, and is or was called something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: Uuid,
    /// None of what was never called anything, or is erased.
    pub name: Option<String>,
}

/// An entry, as people read it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: EventId,
    pub at: Timestamp,
    /// The event's name.
    pub event: String,
    pub actor_kind: ActorKind,
    pub actor: Option<Named>,
    pub credential: Option<ApiCredentialId>,
    pub as_user: Option<Named>,
    pub account: Option<Named>,
    pub subject: Option<Named>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// The event's fields.
    pub data: Value,
    /// Whether something of it was erased with the person whose it was.
    pub erased: bool,
    /// Its number in the chain, once it is sealed.
    pub number: Option<i64>,
}

impl Filter {
    /// Refuses what no entry can have.
    pub fn check(&self) -> Result<(), Invalid> {
        crate::search::check("search", self.text.as_deref())?;
        let known: HashSet<_> = event::CATALOGUE.iter().map(|kind| kind.name).collect();
        if let Some(unknown) = self.events.iter().find(|name| !known.contains(name.as_str())) {
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, unknown).total_cmp(&strsim::jaro_winkler(b, unknown)));
            let nearest = nearest.copied().unwrap_or_default();
            let message = format!(
                "There is no such event; the nearest is {nearest}. GET /v1/admin/event-types lists all."
            );
            return Err(Invalid::one("event", "unknown", message));
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Invalid::one(
                "to",
                "malformed",
                "It ends after it begins: give a later instant than `from`.",
            ));
        }
        Ok(())
    }
}

/// The names of all events of a category.
pub fn of_category(category: &str) -> Vec<String> {
    let kinds = event::CATALOGUE.iter().filter(|kind| kind.category() == category);
    kinds.map(|kind| kind.name.to_owned()).collect()
}

/// A walk through the log, newest first.
#[derive(Debug)]
pub struct Scan {
    filter: Filter,
    words: Vec<String>,
    leading: Leading,
    /// Ids before this one come next.
    before: Option<String>,
    names: Names,
}

/// What leads, by whose index entries are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leading {
    Subject,
    Person,
    Actor,
    Account,
    Events,
    Everything,
}

impl Scan {
    pub fn new(filter: Filter, after: Option<Uuid>) -> Self {
        let leading = match &filter {
            Filter { subject: Some(_), .. } => Leading::Subject,
            Filter { person: Some(_), .. } => Leading::Person,
            Filter { actor: Some(_), .. } => Leading::Actor,
            Filter { account: Some(_), .. } => Leading::Account,
            Filter { events, .. } if !events.is_empty() => Leading::Events,
            _ => Leading::Everything,
        };
        let bound = filter.to.map(ids::first_at);
        let before = match (after.map(|id| id.to_string()), bound) {
            (Some(after), Some(bound)) => Some(after.min(bound)),
            (after, bound) => after.or(bound),
        };
        let words = filter.text.as_deref().unwrap_or_default();
        let words = words.split_whitespace().map(fold).collect();
        Self { filter, words, leading, before, names: Names::default() }
    }

    /// Whether everything asked for has an index: then what is read fits.
    fn is_exact(&self) -> bool {
        let Filter { actor, account, events, subject, person, .. } = &self.filter;
        let asked =
            [actor.is_some(), account.is_some(), !events.is_empty(), subject.is_some(), person.is_some()];
        asked.into_iter().filter(|asked| *asked).count() <= 1 && !self.examines()
    }

    fn examines(&self) -> bool {
        let Filter { actor_kind, request_id, addresses, .. } = &self.filter;
        !self.words.is_empty() || actor_kind.is_some() || request_id.is_some() || !addresses.is_empty()
    }

    /// The next entries in order, those that do not fit among them; none at the end.
    async fn read(&mut self, reads: &mut impl Reads, most: usize) -> Result<Vec<Row>, db::Error> {
        let rows: Vec<Row> = self.statement(most).fetch_all(reads.db()).await?;
        if let Some(last) = rows.last() {
            self.before = Some(last.id.clone());
        }
        Ok(rows)
    }

    fn statement(&self, most: usize) -> Sql {
        let mut sql = Sql::new("SELECT ");
        sql.push(store::COLUMNS);
        self.select(&mut sql, as_number(most));
        sql
    }

    /// What follows the columns.
    fn select(&self, sql: &mut Sql, most: i64) {
        let text = |id: &Uuid| Arg::Text(id.to_string());
        let id = |id: &Option<Uuid>| id.as_ref().map(text).unwrap_or(Arg::Text(String::new()));
        let streams: Vec<(&'static str, Arg)> = match self.leading {
            Leading::Everything => Vec::new(),
            Leading::Subject => vec![("subject_id = ", id(&self.filter.subject))],
            Leading::Account => vec![("account_id = ", id(&self.filter.account.map(Into::into)))],
            Leading::Actor => ["actor_id = ", "as_user_id = ", "actor_credential_id = "]
                .map(|column| (column, id(&self.filter.actor)))
                .into(),
            Leading::Person => ["subject_id = ", "actor_id = ", "as_user_id = "]
                .map(|column| (column, id(&self.filter.person)))
                .into(),
            Leading::Events => {
                self.filter.events.iter().map(|name| ("name = ", Arg::Text(name.clone()))).collect()
            }
        };
        sql.push(" FROM events WHERE ");
        let [stream] = &streams[..] else {
            if streams.is_empty() {
                self.bound(sql, None);
            } else {
                // Each stream by its own index, then the first of all of them.
                sql.push("id IN (");
                for (index, stream) in streams.iter().enumerate() {
                    sql.push(if index == 0 { "" } else { " UNION ALL " });
                    sql.push("SELECT id FROM (SELECT id FROM events WHERE ");
                    self.bound(sql, Some(stream));
                    sql.push(" ORDER BY id DESC LIMIT ").bind(Arg::Int(most)).push(") AS stream");
                }
                sql.push(")");
            }
            sql.push(" ORDER BY id DESC LIMIT ").bind(Arg::Int(most));
            return;
        };
        self.bound(sql, Some(stream));
        sql.push(" ORDER BY id DESC LIMIT ").bind(Arg::Int(most));
    }

    fn bound(&self, sql: &mut Sql, stream: Option<&(&'static str, Arg)>) {
        match stream {
            Some((column, value)) => sql.push(column).bind(value.clone()),
            // Ids are text, and none is shorter.
            None => sql.push("id > ''"),
        };
        if let Some(before) = &self.before {
            sql.push(" AND id < ").bind(Arg::Text(before.clone()));
        }
        if let Some(from) = self.filter.from {
            sql.push(" AND id >= ").bind(Arg::Text(ids::first_at(from)));
        }
    }

    /// Whether an entry fits everything that was asked for.
    fn fits(&self, row: &Row) -> bool {
        let Filter { actor, actor_kind, account, subject, person, events, request_id, .. } = &self.filter;
        let is = |id: &Uuid, column: &Option<String>| column.as_deref() == Some(&id.to_string());
        actor.is_none_or(|id| {
            [&row.actor_id, &row.as_user_id, &row.actor_credential_id].iter().any(|column| is(&id, column))
        }) && person.is_none_or(|id| {
            [&row.subject_id, &row.actor_id, &row.as_user_id].iter().any(|column| is(&id, column))
        }) && actor_kind.is_none_or(|kind| row.actor_kind == kind.as_str())
            && account.is_none_or(|id| is(&id.into(), &row.account_id))
            && subject.is_none_or(|id| is(&id, &row.subject_id))
            && (events.is_empty() || events.contains(&row.name))
            && (self.filter.addresses.is_empty()
                || addresses_of(row).any(|one| self.filter.addresses.contains(&one)))
            && request_id.as_ref().is_none_or(|id| row.request_id.as_ref() == Some(id))
            && self.has_words(row)
    }

    fn has_words(&self, row: &Row) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let names = [&row.actor_id, &row.as_user_id, &row.account_id, &row.subject_id];
        let names = names.into_iter().filter_map(|id| self.names.of(id));
        let parts =
            [Some(&row.name), Some(&row.data), row.parts.personal.as_ref(), row.parts.address.as_ref()];
        let parts = parts.into_iter().flatten().map(String::as_str);
        let mut text = String::with_capacity(512);
        for part in parts.chain(names) {
            text.push_str(part);
            text.push('\n');
        }
        let text = if text.is_ascii() {
            text.make_ascii_lowercase();
            text
        } else {
            fold(&text)
        };
        self.words.iter().all(|word| text.contains(word))
    }

    fn entry(&self, row: Row) -> Entry {
        let named = |id: &Option<String>| {
            let name = self.names.of(id).map(str::to_owned);
            id.as_deref().and_then(|id| id.parse().ok()).map(|id| Named { id, name })
        };
        let mut data = serde_json::from_str(&row.data).unwrap_or(Value::Null);
        let personal = row.parts.personal.as_deref().map(serde_json::from_str::<Map<String, Value>>);
        if let Some(Ok(personal)) = personal {
            join(&mut data, &personal);
        }
        Entry {
            id: row.id.parse().unwrap_or(EventId::from_u128(0)),
            at: row.at,
            event: row.name,
            actor_kind: ActorKind::parse(&row.actor_kind).unwrap_or(ActorKind::System),
            actor: named(&row.actor_id),
            credential: row.actor_credential_id.as_deref().and_then(|id| id.parse().ok()),
            as_user: named(&row.as_user_id),
            account: named(&row.account_id),
            subject: named(&row.subject_id),
            address: row.parts.address,
            request_id: row.request_id,
            data,
            erased: row.parts.personal_hash.is_some() || row.parts.address_hash.is_some(),
            number: row.number,
        }
    }

    /// The next entries that fit; `None` at the end. For whoever wants all of them.
    pub async fn next(&mut self, reads: &mut impl Reads) -> Result<Option<Vec<Entry>>, db::Error> {
        let Some(rows) = self.next_rows(reads).await? else { return Ok(None) };
        Ok(Some(rows.into_iter().map(|row| self.entry(row)).collect()))
    }

    /// The same as they are stored.
    pub(super) async fn next_rows(&mut self, reads: &mut impl Reads) -> Result<Option<Vec<Row>>, db::Error> {
        let rows = self.read(reads, CHUNK).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        self.names.learn(reads, &rows).await?;
        Ok(Some(rows.into_iter().filter(|row| self.fits(row)).collect()))
    }
}

/// Addresses of mail among what is personal of an entry.
pub(super) fn addresses_of(row: &Row) -> impl Iterator<Item = String> {
    let personal = row.parts.personal.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let personal: Map<String, Value> = personal.unwrap_or_default();
    let texts = personal.into_iter().filter_map(|(_, value)| value.as_str().map(fold_email));
    texts.filter(|text| text.contains('@'))
}

fn as_number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page of the log.
pub async fn page(
    reads: &mut impl Reads,
    filter: Filter,
    request: &PageRequest,
) -> Result<Page<Entry>, db::Error> {
    let total = match request.counts() {
        true => Some(count(reads, filter.clone()).await?),
        false => None,
    };
    let limit = request.limit();
    let mut scan = Scan::new(filter, request.after());
    let mut found: Vec<Row> = Vec::new();
    let mut examined = 0;
    let mut size = if scan.is_exact() { limit + 1 } else { (limit * 4).min(CHUNK) };
    let more = loop {
        let rows = scan.read(reads, size).await?;
        let ended = rows.len() < size;
        examined += rows.len();
        if !scan.words.is_empty() {
            scan.names.learn(reads, &rows).await?;
        }
        found.extend(rows.into_iter().filter(|row| scan.fits(row)));
        if found.len() > limit {
            found.truncate(limit);
            break found.last().map(|last| last.id.clone());
        }
        if ended {
            break None;
        }
        if examined >= EXAMINED {
            break scan.before.clone();
        }
        size = CHUNK.min(EXAMINED - examined);
    };
    scan.names.learn(reads, &found).await?;
    let next_cursor = more.and_then(|id| id.parse().ok()).map(PageRequest::cursor_at);
    Ok(Page { items: found.into_iter().map(|row| scan.entry(row)).collect(), next_cursor, total })
}

/// How many there are; where more would have to be examined than for a page, how many at least.
async fn count(reads: &mut impl Reads, filter: Filter) -> Result<Total, db::Error> {
    let mut scan = Scan::new(filter, None);
    if scan.is_exact() {
        let mut sql = Sql::new("SELECT COUNT(*) FROM (SELECT id");
        scan.select(&mut sql, MOST_COUNTED + 1);
        sql.push(") AS counted");
        let counted: Vec<(i64,)> = sql.fetch_all(reads.db()).await?;
        return Ok(Total::of(counted.first().map_or(0, |(count,)| *count)));
    }
    let (mut examined, mut count) = (0, 0);
    while examined < EXAMINED {
        let rows = scan.read(reads, CHUNK).await?;
        if !scan.words.is_empty() {
            scan.names.learn(reads, &rows).await?;
        }
        examined += rows.len();
        count += rows.iter().filter(|row| scan.fits(row)).count();
        if rows.len() < CHUNK {
            return Ok(Total::of(as_number(count)));
        }
    }
    Ok(Total::AtLeast(as_number(count)))
}

/// One entry.
pub async fn find(reads: &mut impl Reads, id: EventId) -> Result<Option<Entry>, db::Error> {
    let mut scan = Scan::new(Filter::default(), None);
    let rows: Vec<Row> = store::find(reads.db(), &id.to_string()).await?.into_iter().collect();
    scan.names.learn(reads, &rows).await?;
    Ok(rows.into_iter().next().map(|row| scan.entry(row)))
}

/// How the engine goes about a page.
#[cfg(any(test, feature = "testing"))]
pub async fn plan(reads: &mut impl Reads, filter: Filter) -> Result<Vec<String>, db::Error> {
    Scan::new(filter, None).statement(26).plan(reads.db()).await
}
