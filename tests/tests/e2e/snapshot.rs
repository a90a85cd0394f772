//! What a full administrator sees, before and after: whatever was refused has changed none of it.

use crate::openapi::Operation;
use frontdesk_tests::{Api, Frontdesk};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;

/// What goes on by itself.
const VOLATILE: [&str; 4] = ["last_login_at", "last_seen_at", "last_used_at", "last_used_from"];

/// Every list and every setting, and how many events were written down.
#[derive(Debug)]
pub(crate) struct Snapshot {
    seen: BTreeMap<String, Value>,
    events: String,
}

impl Snapshot {
    /// Reads whatever `operations` offer to whoever may everything, without naming anything.
    pub(crate) async fn take(service: &Frontdesk, admin: &Api, operations: &[Operation]) -> Self {
        let mut seen = BTreeMap::new();
        for operation in operations.iter().filter(|one| shows_all(one)) {
            let mut body = admin.get(operation.path()).await.expect(200);
            settle(&mut body);
            seen.insert(operation.id().to_owned(), body);
        }
        assert!(seen.len() >= 8, "{:?}", seen.keys());
        Self { seen, events: events(service).await }
    }

    /// What was refused in between has changed nothing.
    pub(crate) fn is_still(&self, before: &Self, who: &str) {
        for (operation, seen) in &self.seen {
            assert_eq!(Some(seen), before.seen.get(operation), "{who} was refused, and {operation} shows it");
        }
        assert_eq!(self.events, before.events, "{who} was refused, and something happened");
    }
}

fn shows_all(operation: &Operation) -> bool {
    *operation.method() == Method::GET
        && operation.permission().is_some()
        && !operation.path().contains('{')
        // Exports are written down, so looking would change what is seen.
        && operation.emits().is_empty()
        // Its entries are counted below; their numbers come a moment later.
        && !operation.path().starts_with("/v1/admin/activity")
        // Who was there lately: it changes with every request.
        && operation.id() != "listStaffOnline"
}

/// Takes out what goes on by itself.
pub(crate) fn settle(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            fields.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

/// How many events there are: nothing changes without one.
pub(crate) async fn events(service: &Frontdesk) -> String {
    service.column("SELECT CAST(COUNT(*) AS TEXT) FROM events").await.remove(0)
}
