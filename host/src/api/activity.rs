//! `/v1/admin/activity`: who did what, when and from where; and `/v1/admin/event-types`, what can happen.

use std::sync::{Arc, LazyLock};

use axum::{
    body::{Body, Bytes},
    extract::State,
};
use frontdesk_core::{
    activity::{
        self, ActorKind, people,
        seal::{Head, Hex},
        search::{Entry, Filter, Named, Scan},
    },
    event::{self, ActivityExported},
    ids::{AccountId, ApiCredentialId, EventId, LoginId},
    invalid::Invalid,
    roles::Permission,
    time::Timestamp,
};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    download::{CsvLines, Download, Format},
    extract::{Both, Json, Path, Query},
    guard::By,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Activity";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, export) = (Some(Permission::ActivityView), Some(Permission::ActivityExport));
    routes
        .get(
            "/v1/admin/activity",
            Op::staff("listActivity", TAG, "Search the activity log, the newest entry first", view),
            list,
        )
        .get(
            "/v1/admin/activity/export",
            Op::staff("exportActivity", TAG, "Take entries away as a file", export)
                .emits(&["system.activity_exported"]),
            export_entries,
        )
        .get(
            "/v1/admin/activity/heads",
            Op::staff("listActivityHeads", TAG, "List signed heads of the chain, the oldest first", view),
            heads,
        )
        .get(
            "/v1/admin/activity/people/{id}",
            Op::staff("exportPerson", TAG, "Take away what the log holds of one person", export)
                .emits(&["system.activity_exported"]),
            export_person,
        )
        .delete(
            "/v1/admin/activity/people/{id}",
            Op::staff("erasePerson", TAG, "Erase somebody who was deleted", Some(Permission::ActivityErase))
                .confirmed()
                .emits(&["system.person_erased"])
                .problems(&[Code::PersonPresent]),
            erase,
        )
        .get("/v1/admin/activity/{id}", Op::staff("getActivityEntry", TAG, "One entry", view), get)
        .get(
            "/v1/admin/event-types",
            Op::staff("listEventTypes", TAG, "List everything that can happen", None),
            event_types,
        )
}

impl From<people::Error> for Problem {
    fn from(error: people::Error) -> Self {
        match error {
            people::Error::Present => Self::new(Code::PersonPresent),
            people::Error::Unknown => Self::new(Code::NotFound),
            people::Error::Db(error) => error.into(),
        }
    }
}

/// What to look for: entries that fit everything that is given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActivityFilter {
    /// At this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
    /// The id of a member of staff, a user or an API credential: what they did, or staff did as them.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<LoginId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_kind: Option<ActorKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<AccountId>,
    /// The id of whom or what it is about: a person, an account, an invitation, a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<LoginId>,
    /// Names of events, with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// All events of a category.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Words that must each occur, in any order: in the event's name, its fields, the address, or what people and
    /// accounts are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
}

impl ActivityFilter {
    fn checked(self) -> Result<Filter, Invalid> {
        let mut events: Vec<String> = self.event.as_deref().map(names).unwrap_or_default();
        events.sort_unstable();
        events.dedup();
        if let Some(category) = &self.category {
            let of_category = activity::search::of_category(category);
            if of_category.is_empty() {
                let message = "There is no such category. GET /v1/admin/event-types lists all.";
                return Err(Invalid::one("category", "unknown", message));
            }
            let given = std::mem::replace(&mut events, of_category);
            if !given.is_empty() {
                events.retain(|name| given.contains(name));
                if events.is_empty() {
                    return Err(Invalid::one("event", "unknown", "No such event is of that category."));
                }
            }
        }
        let filter = Filter {
            from: self.from,
            to: self.to,
            actor: self.actor.map(Into::into),
            actor_kind: self.actor_kind,
            account: self.account_id,
            subject: self.subject.map(Into::into),
            events,
            request_id: self.request_id,
            text: self.search,
            ..Filter::default()
        };
        filter.check()?;
        Ok(filter)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Somebody or something, by id, and what it is or was called.
#[derive(Debug, Serialize, JsonSchema)]
struct NamedView {
    id: LoginId,
    /// Null of what has no name, or is erased.
    name: Option<String>,
}

impl From<Named> for NamedView {
    fn from(Named { id, name }: Named) -> Self {
        Self { id: LoginId::from_u128(id.as_u128()), name }
    }
}

/// Who did it.
#[derive(Debug, Serialize, JsonSchema)]
struct ActorView {
    kind: ActorKind,
    /// The member of staff or the user; of a program its owner. Null where nobody had logged in.
    id: Option<LoginId>,
    name: Option<String>,
    /// The API credential that a program authenticated with.
    api_credential_id: Option<ApiCredentialId>,
    /// As whom a member of staff had come in.
    as_user: Option<NamedView>,
}

/// An entry of the log.
#[derive(Debug, Serialize, JsonSchema)]
struct EntryView {
    id: EventId,
    at: Timestamp,
    /// The event's name: `GET /v1/admin/event-types` describes each.
    event: String,
    actor: ActorView,
    /// The account it happened on.
    account: Option<NamedView>,
    /// Whom or what it is about.
    subject: Option<NamedView>,
    /// The address it came from.
    address: Option<String>,
    /// The X-Request-Id of the answer.
    request_id: Option<String>,
    /// The event's fields; of a change each field before and after.
    data: Value,
    /// Whether something personal of it was erased: it is null then.
    erased: bool,
    /// Its place in the chain; null until it is sealed, a moment later.
    number: Option<i64>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let (id, name) = entry.actor.map(|actor| (NamedView::from(actor.clone()).id, actor.name)).unzip();
        Self {
            id: entry.id,
            at: entry.at,
            event: entry.event,
            actor: ActorView {
                kind: entry.actor_kind,
                id,
                name: name.flatten(),
                api_credential_id: entry.credential,
                as_user: entry.as_user.map(Into::into),
            },
            account: entry.account.map(Into::into),
            subject: entry.subject.map(Into::into),
            address: entry.address,
            request_id: entry.request_id,
            data: entry.data,
            erased: entry.erased,
            number: entry.number,
        }
    }
}

async fn list(State(app): State<App>, list: List<ActivityFilter>) -> Result<Json<Page<EntryView>>, Problem> {
    let filter = list.filter.checked()?;
    // A page may examine many entries: those who search wait for one another, and nobody else for them.
    let turn = app.searches().acquire().await;
    let page = activity::search::page(&mut app.read().await?, filter, &list.request).await?;
    drop(turn);
    Ok(Json(Page::of(page, EntryView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EntryPath {
    id: EventId,
}

async fn get(
    State(app): State<App>,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<Json<EntryView>, Problem> {
    let entry = activity::search::find(&mut app.read().await?, id).await?;
    entry.map(|entry| Json(entry.into())).ok_or_else(|| Problem::new(Code::NotFound))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InFormat {
    format: Format,
}

async fn export_entries(
    State(app): State<App>,
    by: By,
    Both(InFormat { format }, wanted): Both<InFormat, ActivityFilter>,
) -> Result<Download, Problem> {
    let told = serde_json::to_value(&wanted).unwrap_or_default();
    let filter = wanted.checked()?;
    let turn = turn(&app)?;
    let mut cx = by.begin(&app).await?;
    cx.emit(ActivityExported { format: format.name(), person_id: None, filter: told }).await?;
    cx.commit().await?;
    Ok(Download { format, name: "activity".into(), body: body(app, vec![filter], format, turn) })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct PersonPath {
    /// Of a member of staff, a user or a contact, there or deleted.
    id: LoginId,
}

async fn export_person(
    State(app): State<App>,
    by: By,
    Path(PersonPath { id }): Path<PersonPath>,
) -> Result<Download, Problem> {
    let turn = turn(&app)?;
    let invitations = people::to_their_addresses(app.service(), id).await?;
    let filters = std::iter::once(people::of_person(id)).chain(invitations).collect();
    let told = ActivityExported { format: "person", person_id: Some(id), filter: Value::Null };
    let mut cx = by.begin(&app).await?;
    cx.emit(told).await?;
    cx.commit().await?;
    let format = Format::Jsonl;
    Ok(Download { format, name: format!("person-{id}"), body: body(app, filters, format, turn) })
}

/// How many search at once.
pub(crate) const SEARCHES: usize = 2;
/// How many files are written at once.
pub(crate) const EXPORTS: usize = 2;

fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let taken = "Other exports are running; try again when they are done.";
    Arc::clone(app.exports()).try_acquire_owned().map_err(|_| Problem::with_detail(Code::Overloaded, taken))
}

/// Entries as they are read: nothing is gathered, and no connection is held while the other side reads.
fn body(app: App, filters: Vec<Filter>, format: Format, turn: OwnedSemaphorePermit) -> Body {
    let mut scans: Vec<_> = filters.into_iter().map(|filter| Scan::new(filter, None)).collect();
    scans.reverse();
    let lines =
        stream::try_unfold((app, scans, true, turn), move |(app, mut scans, first, turn)| async move {
            let Some(scan) = scans.last_mut() else { return Ok(None) };
            let mut view = app.read().await?;
            let entries = scan.next(&mut view).await?;
            drop(view);
            if entries.is_none() {
                scans.pop();
            }
            let text = write(format, first, entries.unwrap_or_default());
            Ok::<_, frontdesk_core::db::Error>(Some((Bytes::from(text), (app, scans, false, turn))))
        });
    Body::from_stream(lines)
}

const COLUMNS: [&str; 18] = [
    "id",
    "at",
    "event",
    "actor_kind",
    "actor_id",
    "actor_name",
    "api_credential_id",
    "as_user_id",
    "as_user_name",
    "account_id",
    "account_name",
    "subject_id",
    "subject_name",
    "address",
    "request_id",
    "number",
    "erased",
    "data",
];

pub(crate) fn write(format: Format, first: bool, entries: Vec<Entry>) -> Vec<u8> {
    let entries = entries.into_iter().map(EntryView::from);
    if format == Format::Jsonl {
        let mut text = Vec::new();
        for entry in entries {
            // Into memory, which takes everything.
            _ = serde_json::to_writer(&mut text, &entry);
            text.push(b'\n');
        }
        return text;
    }
    let mut lines = CsvLines::default();
    if first {
        lines.push(COLUMNS.map(Into::into));
    }
    for entry in entries {
        let text = |value: Option<String>| value.unwrap_or_default();
        let id = |named: &Option<NamedView>| named.as_ref().map(|named| named.id.to_string());
        let name = |named: &Option<NamedView>| named.as_ref().and_then(|named| named.name.clone());
        let cells: [String; 18] = [
            entry.id.to_string(),
            entry.at.to_string(),
            entry.event,
            entry.actor.kind.to_string(),
            text(entry.actor.id.map(|id| id.to_string())),
            text(entry.actor.name),
            text(entry.actor.api_credential_id.map(|id| id.to_string())),
            text(id(&entry.actor.as_user)),
            text(name(&entry.actor.as_user)),
            text(id(&entry.account)),
            text(name(&entry.account)),
            text(id(&entry.subject)),
            text(name(&entry.subject)),
            text(entry.address),
            text(entry.request_id),
            text(entry.number.map(|number| number.to_string())),
            entry.erased.to_string(),
            entry.data.to_string(),
        ];
        lines.push(cells.map(Into::into));
    }
    lines.into_bytes()
}

/// How many parts of entries were erased.
#[derive(Debug, Serialize, JsonSchema)]
struct Erased {
    parts: i64,
}

async fn erase(
    State(app): State<App>,
    by: By,
    Path(PersonPath { id }): Path<PersonPath>,
) -> Result<Json<Erased>, Problem> {
    let caller = by.begin(&app).await?.caller().clone();
    let parts = people::erase(app.service(), &caller, id).await?;
    Ok(Json(Erased { parts }))
}

/// A page of signed heads, and what they are signed with.
#[derive(Debug, Serialize, JsonSchema)]
struct Heads {
    /// Ed25519, 64 hexadecimal digits. Note it down elsewhere: by it `frontdesk activity verify` knows this log.
    public_key: Hex,
    items: Vec<Head>,
    /// Give it as `after` to get the next page; null at the end.
    next_after: Option<i64>,
    /// How far the chain reaches now.
    head: Option<Head>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeadsAfter {
    /// Heads at later entries only.
    after: Option<i64>,
}

async fn heads(State(app): State<App>, Query(query): Query<HeadsAfter>) -> Result<Json<Heads>, Problem> {
    let mut view = app.read().await?;
    let found = activity::seal::heads(&mut view, query.after.unwrap_or(0)).await?;
    Ok(Json(Heads {
        public_key: Hex(app.service().log_key.public().to_vec()),
        items: found.kept,
        next_after: found.next_after,
        head: found.head,
    }))
}

/// Something that can happen.
#[derive(Debug, Serialize, JsonSchema)]
struct EventTypeView {
    name: &'static str,
    category: &'static str,
    description: &'static str,
    /// The JSON schema of its fields.
    schema: schemars::Schema,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EventTypes {
    items: &'static [EventTypeView],
}

async fn event_types() -> Json<EventTypes> {
    static TYPES: LazyLock<Vec<EventTypeView>> = LazyLock::new(|| {
        let view = |kind: &event::EventType| EventTypeView {
            name: kind.name,
            category: kind.category(),
            description: kind.description.trim(),
            schema: (kind.schema)(),
        };
        event::CATALOGUE.iter().map(view).collect()
    });
    Json(EventTypes { items: &TYPES })
}
