//! From the service's answer to the view.

use frontdesk_plugin_sdk::{
    Timestamp,
    view::{Person, View, notice, people, person},
};
use serde::Deserialize;

/// A page of `/v1/admin/staff/online`. Later versions of the service may answer more.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    items: Vec<Online>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Online {
    username: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    avatar_url: Option<String>,
    since: Option<Timestamp>,
    address: Option<String>,
}

pub(crate) fn view(page: Page) -> View {
    let count = page.items.len();
    if count == 0 {
        return View::from(notice("Nobody of the staff is online")).summary("nobody online");
    }
    // A page that is not the last holds a part of the staff: say so rather than a wrong number.
    let more = if page.next_cursor.is_some() { "+" } else { "" };
    View::from(people(page.items.into_iter().map(Online::person))).summary(format!("{count}{more} online"))
}

impl Online {
    fn person(self) -> Person {
        let detail = self.detail();
        let name = format!("{} {}", self.first_name, self.last_name);
        let name = name.trim();
        let person = person(if name.is_empty() { &self.username } else { name });
        Person { avatar: self.avatar_url, detail, ..person }
    }

    /// "since 14:05 UTC, 203.0.113.7", as far as it is known.
    fn detail(&self) -> Option<String> {
        let since = self.since.map(|since| format!("since {} UTC", since.hour_and_minute()));
        match (since, &self.address) {
            (Some(since), Some(address)) => Some(format!("{since}, {address}")),
            (since, address) => since.or_else(|| address.clone()),
        }
    }
}
