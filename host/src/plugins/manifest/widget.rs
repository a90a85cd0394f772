//! `[[widget]]`: one card of the dashboard.

use serde::Serialize;

use super::field::{self, Field};
use super::reader::{Table, quoted};

/// One widget; a plugin may have several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Widget {
    /// `[a-z][a-z0-9-]{1,40}`, unique on a dashboard.
    pub id: String,
    pub title: String,
    pub description: String,
    /// 1 to 3.
    pub columns: u8,
    /// Lighter ones stand higher.
    pub weight: i32,
    pub cache: Cache,
    /// Seconds for which a view is kept.
    pub cache_s: u32,
    /// Who may see it; nothing means every member of staff.
    pub permission: Option<String>,
    /// The paths of the service's own API that it may read.
    pub reads: Vec<String>,
    /// What its buttons and forms may ask for.
    pub actions: Vec<String>,
    pub preferences: Vec<Field>,
}

/// For whom a view is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// For everybody: rendered without a viewer, with exactly the widget's permission.
    Shared,
    /// For each viewer.
    Viewer,
    None,
}

const KNOWN: [&str; 11] = [
    "id",
    "title",
    "description",
    "columns",
    "weight",
    "cache",
    "cache_s",
    "permission",
    "reads",
    "actions",
    "preference",
];

/// Answers with every widget, drawn.
const DASHBOARD: &str = "/v1/admin/dashboard";

const MAX_WIDGETS: usize = 30;
const MAX_LIST: usize = 50;

pub(super) fn read_all(root: &Table<'_>) -> Vec<Widget> {
    let tables = root.tables("widget", "[[widget]]", &KNOWN);
    if tables.len() > MAX_WIDGETS {
        root.error("widget", format!("more than {MAX_WIDGETS} of [[widget]]"));
        return Vec::new();
    }
    let mut widgets: Vec<Widget> = Vec::with_capacity(tables.len());
    for table in &tables {
        let widget = read(table);
        if widgets.iter().any(|other| other.id == widget.id) && !widget.id.is_empty() {
            table.error("id", format!("widget {} is declared twice", widget.id));
        }
        widgets.push(widget);
    }
    widgets
}

fn read(table: &Table<'_>) -> Widget {
    let cache = match table.text("cache").as_deref() {
        None | Some("viewer") => Cache::Viewer,
        Some("shared") => Cache::Shared,
        Some("none") => Cache::None,
        Some(other) => {
            table.error(
                "cache",
                format!("cache = \"{}\" must be \"shared\", \"viewer\" or \"none\"", quoted(other)),
            );
            Cache::Viewer
        }
    };
    if cache == Cache::None && table.has("cache_s") {
        table.error("cache_s", "cache = \"none\" keeps nothing; remove cache_s");
    }
    let permission = table.text("permission");
    if let Some(permission) = &permission
        && !super::is_slug(permission)
    {
        table.error(
            "permission",
            format!("permission \"{}\" must be a slug such as \"staff.view\"", quoted(permission)),
        );
    }
    let reads = table.texts("reads");
    for path in &reads {
        if let Some(wrong) = wrong_path(path) {
            table.error("reads", format!("reads \"{}\" {wrong}", quoted(path)));
        }
    }
    if cache == Cache::Shared && permission.is_none() && !reads.is_empty() {
        table.error(
            "reads",
            "a shared widget reads with exactly its permission; add permission = \"…\" or cache = \"viewer\"",
        );
    }
    let actions = table.texts("actions");
    for action in &actions {
        let good = (1..=40).contains(&action.len())
            && action.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !good {
            table.error(
                "actions",
                format!("action \"{}\" must be up to 40 of a-z, 0-9, \"-\" and \"_\"", quoted(action)),
            );
        }
    }
    for (key, list) in [("reads", &reads), ("actions", &actions)] {
        if list.len() > MAX_LIST {
            table.error(key, format!("{key} lists more than {MAX_LIST}"));
        }
    }
    let small = |key, min, max, default: i32| {
        table.integer_in(key, min..=max).and_then(|n| i32::try_from(n).ok()).unwrap_or(default)
    };
    Widget {
        id: super::read_id(table, "id"),
        title: super::read_short(table, "title"),
        description: table.text("description").unwrap_or_default(),
        columns: u8::try_from(small("columns", 1, 3, 1)).unwrap_or(1),
        weight: small("weight", -10_000, 10_000, 100),
        cache,
        cache_s: u32::try_from(small("cache_s", 1, 86_400, 60)).unwrap_or(60),
        permission,
        reads,
        actions,
        preferences: field::read_all(table, "preference", "[[widget.preference]]"),
    }
}

fn wrong_path(path: &str) -> Option<&'static str> {
    if path == DASHBOARD {
        return Some("draws this very widget, without end; read what the widget shows");
    }
    if !path.starts_with("/v1/") {
        return Some("must be a path of this service's API, beginning with /v1/");
    }
    if path.contains(['?', '#']) {
        return Some("must be the path alone; the query is free");
    }
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    if !path[1..].split('/').all(plain) {
        return Some("must be an exact path: letters, digits and \"-\" between single slashes");
    }
    None
}
