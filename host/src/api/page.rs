//! Lists, as the API speaks of them.

use frontdesk_core::{
    invalid::Invalid,
    page::{self, PageRequest, Total},
};
use schemars::JsonSchema;
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; null at the end.
    pub next_cursor: Option<String>,
    /// How many there are, with `total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Where counting stopped, with `total=true`: there are at least so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_at_least: Option<i64>,
}

/// Records per page unless the request says otherwise.
const DEFAULT: i64 = 25;

/// The request behind the query's `limit`, `cursor` and `total`.
pub(super) fn request(
    limit: Option<i64>,
    cursor: Option<&str>,
    total: Option<bool>,
) -> Result<PageRequest, Invalid> {
    PageRequest::new(limit.unwrap_or(DEFAULT), cursor, total.unwrap_or(false))
}

impl<T> Page<T> {
    pub(super) fn of<U>(page: page::Page<U>, view: impl FnMut(U) -> T) -> Self {
        let (total, total_at_least) = match page.total {
            Some(Total::Exactly(count)) => (Some(count), None),
            Some(Total::AtLeast(count)) => (None, Some(count)),
            None => (None, None),
        };
        Self {
            items: page.items.into_iter().map(view).collect(),
            next_cursor: page.next_cursor,
            total,
            total_at_least,
        }
    }
}
