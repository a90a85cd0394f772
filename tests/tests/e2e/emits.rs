//! D1: every operation declares the events it may write (`x-frontdesk.emits`), and writes these and no others.
//!
//! The operations are the document's. Those that need a permission are called as `permissions/fixtures.rs` has it, all
//! others by [`script`]: a new operation fails here by its name until it is called in one of the two.

mod attribution;
mod script;

use crate::openapi::{Operation, document};
use crate::permissions::fixtures::{FIXTURES, World};
use frontdesk_tests::{Answer, Api, Database, Frontdesk, both, first_administrator};
use reqwest::Method;
use std::collections::BTreeSet;

/// What is sent by other methods than GET and leaves everything as it was, with the reason why it is sent so.
const CHANGES_NOTHING: [(&str, &str); 9] = [
    ("introspect", "the question is a secret, which has no place in an address"),
    ("authorize", "it is a question like the one before"),
    ("previewMailTemplate", "it tries texts that are too long for an address"),
    ("lookUpInvitation", "the question is a secret"),
    ("lookUpPasswordReset", "the question is a secret"),
    ("beginTotp", "the seed counts for nothing before it is confirmed, and is forgotten"),
    ("clientBeginTotp", "the same of users"),
    ("beginSecurityKey", "the browser's task counts for nothing before it is answered, and is forgotten"),
    ("clientBeginSecurityKey", "the same of users"),
];

/// Reads that are written down: who took what away.
const EXPORTS: [&str; 2] = ["exportActivity", "exportPerson"];

/// What no operation writes, with what does.
const BY_ITSELF: [(&str, &str); 2] =
    [("system.activity_trimmed", "retention"), ("system.master_key_rotated", "frontdesk secrets rotate")];

both! { what_operations_write_is_what_they_declare }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_changes_something_declares_what_it_writes() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let document = document(&service.api()).await;
    let operations = Operation::all(&document);
    for operation in &operations {
        let (name, emits) = (operation.name(), operation.emits());
        let changes_nothing = CHANGES_NOTHING.iter().any(|(id, _)| *id == operation.id());
        if *operation.method() == Method::GET {
            let exports = EXPORTS.contains(&operation.id());
            assert!(emits.is_empty() || exports, "{name} reads, and declares {emits:?}");
            assert!(!changes_nothing, "{name} reads, and need not say that it changes nothing");
        } else {
            assert!(!emits.is_empty() || changes_nothing, "{name} declares no event: see Op::emits");
            assert!(emits.is_empty() || !changes_nothing, "{name} changes nothing, and declares {emits:?}");
        }
    }
    let ids: BTreeSet<_> = operations.iter().map(Operation::id).collect();
    for id in CHANGES_NOTHING.map(|(id, _)| id).iter().chain(&EXPORTS) {
        assert!(ids.contains(id), "the document has no operation {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declared_can_happen_and_what_can_happen_is_declared() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let document = document(&ada.api).await;
    let operations = Operation::all(&document);
    let kinds = ada.api.get("/v1/admin/event-types").await.expect(200);
    let kinds = kinds["items"].as_array().expect("a list");
    let catalogue: BTreeSet<_> = kinds.iter().filter_map(|kind| kind["name"].as_str()).collect();
    for operation in &operations {
        let unknown: Vec<_> =
            operation.emits().into_iter().filter(|name| !catalogue.contains(name)).collect();
        assert!(unknown.is_empty(), "{} declares what cannot happen: {unknown:?}", operation.name());
    }
    let declared: BTreeSet<_> = operations.iter().flat_map(Operation::emits).collect();
    let by_itself = BY_ITSELF.map(|(name, _)| name).into();
    let undeclared: BTreeSet<_> = catalogue.difference(&declared).copied().collect();
    assert_eq!(undeclared, by_itself, "on the left, what no operation declares");
}

/// What the log has of one request: `session.started by staff`, in the order of the alphabet.
async fn entries(reader: &Api, answer: &Answer) -> Vec<String> {
    let id = answer.header("x-request-id").expect("every answer has one");
    let found = reader.get(&format!("/v1/admin/activity?limit=200&request_id={id}")).await.expect(200);
    let items = found["items"].as_array().expect("a list");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let mut entries: Vec<_> = items
        .iter()
        .map(|one| format!("{} by {}", text(&one["event"]), text(&one["actor"]["kind"])))
        .collect();
    entries.sort_unstable();
    entries
}

/// What an operation wrote is among what it declares.
fn are_declared(operation: &Operation, entries: &[String]) {
    let declared = operation.emits();
    for entry in entries {
        let (event, _) = entry.split_once(" by ").expect("as they are made above");
        assert!(declared.contains(event), "{} wrote {entry}, and declares {declared:?}", operation.name());
    }
}

async fn what_operations_write_is_what_they_declare(database: Database) {
    let world = World::on(database).await;
    let document = document(&world.ada.api).await;
    let operations = Operation::all(&document);
    for fixture in FIXTURES {
        let operation = operations.iter().find(|one| one.id() == fixture.operation).expect("it is described");
        let done = world.ready(operation, fixture).await.sent_by(&world.ada.api).await;
        assert!(done.status.is_success(), "{}: {} {}", operation.name(), done.status, done.text);
        let entries = entries(&world.ada.api, &done).await;
        are_declared(operation, &entries);
        assert_eq!(
            entries.is_empty(),
            operation.emits().is_empty(),
            "{} succeeded and wrote {entries:?}",
            operation.name()
        );
        for entry in &entries {
            assert!(entry.ends_with(" by staff"), "{} wrote {entry}", operation.name());
        }
    }
}
