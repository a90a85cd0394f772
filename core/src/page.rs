//! Lists, a page at a time: keyset paging, so that the thousandth page costs what the first one does.

use data_encoding::BASE64URL_NOPAD;

use uuid::Uuid;

use crate::{
    db::{self, Arg, Conn, Sql},
    invalid::Invalid,
    time::Timestamp,
};

/// What part of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    limit: i64,
    after: Option<Cursor>,
    count: bool,
}

/// Where a page ended: the last row's key and id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    key: i64,
    id: Uuid,
}

/// What a list is ordered by before the id: an instant, or a place in an order that people chose.
pub trait PageKey {
    fn as_number(&self) -> i64;
}

impl PageKey for Timestamp {
    fn as_number(&self) -> i64 {
        self.as_millis()
    }
}

impl PageKey for i64 {
    fn as_number(&self) -> i64 {
        *self
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
    pub total: Option<Total>,
}

/// How many rows the list has. Counting stops at 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    Exactly(i64),
    AtLeast(i64),
}

pub(crate) const MOST_COUNTED: i64 = 10_000;

impl Total {
    pub(crate) fn of(count: i64) -> Self {
        if count > MOST_COUNTED { Self::AtLeast(MOST_COUNTED) } else { Self::Exactly(count) }
    }
}

impl PageRequest {
    pub const MOST: i64 = 200;

    pub fn new(limit: i64, cursor: Option<&str>, count: bool) -> Result<Self, Invalid> {
        if !(1..=Self::MOST).contains(&limit) {
            return Err(Invalid::one("limit", "malformed", "A limit is a number from 1 to 200."));
        }
        let after = cursor
            .map(|text| {
                Cursor::parse(text).ok_or_else(|| {
                    Invalid::one(
                        "cursor",
                        "malformed",
                        "Take the cursor from next_cursor of the page before, unchanged.",
                    )
                })
            })
            .transpose()?;
        Ok(Self { limit, after, count })
    }

    /// How many rows are wanted.
    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// The id that the page before ended with.
    pub(crate) fn after(&self) -> Option<Uuid> {
        self.after.as_ref().map(|cursor| cursor.id)
    }

    /// Whether the caller wants them counted.
    pub(crate) fn counts(&self) -> bool {
        self.count
    }

    /// A cursor for a list that is ordered by id alone.
    pub(crate) fn cursor_at(id: Uuid) -> String {
        Cursor { key: 0, id }.to_text()
    }

    /// Ends a statement whose conditions are complete: newest first, one row more than asked for, to know whether there
    /// is a next page. `columns` are the instant and the id to order by.
    pub fn finish(&self, sql: &mut Sql, columns: PageColumns) {
        self.end(sql, columns.pair, " < (", columns.descending);
    }

    /// The same for a list that begins with its first: `columns` are the place and the id to order by.
    pub fn finish_ascending(&self, sql: &mut Sql, columns: AscendingColumns) {
        self.end(sql, columns.pair, " > (", columns.ascending);
    }

    fn end(&self, sql: &mut Sql, pair: &'static str, beyond: &'static str, order: &'static str) {
        if let Some(Cursor { key, id }) = &self.after {
            sql.push(" AND ").push(pair).push(beyond);
            sql.bind(Arg::Int(*key)).push(", ").bind(Arg::Text(id.to_string())).push(")");
        }
        sql.push(" ORDER BY ").push(order).push(" LIMIT ");
        sql.bind(Arg::Int(self.limit + 1));
    }

    /// Cuts the extra row off and makes a cursor of the last one that stays.
    pub fn page<T, K: PageKey>(
        &self,
        mut rows: Vec<T>,
        total: Option<Total>,
        key: impl Fn(&T) -> (K, Uuid),
    ) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| {
            let (key, id) = key(last);
            Cursor { key: key.as_number(), id }.to_text()
        });
        Page { items: rows, next_cursor, total }
    }

    /// Counts the rows that `select_one` (a `SELECT 1 FROM … WHERE …`) gives, if the caller asked for it.
    pub async fn total(&self, db: Conn<'_>, select_one: Sql) -> Result<Option<Total>, db::Error> {
        if !self.count {
            return Ok(None);
        }
        // Counted where the rows are: ten thousand of them are many to fetch.
        let counted = select_one.counted(MOST_COUNTED + 1).fetch_all::<(i64,)>(db).await?;
        let count = counted.first().map_or(0, |(count,)| *count);
        Ok(Some(Total::of(count)))
    }
}

/// The two columns that order a list, as they stand in its statement.
#[derive(Clone, Copy, Debug)]
pub struct PageColumns {
    /// `(t.created_at, t.id)`
    pub pair: &'static str,
    /// `t.created_at DESC, t.id DESC`
    pub descending: &'static str,
}

/// The same for a list that begins with its first.
#[derive(Clone, Copy, Debug)]
pub struct AscendingColumns {
    /// `(t.position, t.id)`
    pub pair: &'static str,
    /// `t.position, t.id`
    pub ascending: &'static str,
}

impl Cursor {
    fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(format!("{}.{}", self.key, self.id).as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
        let (key, id) = text.split_once('.')?;
        Some(Self { key: key.parse().ok()?, id: id.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_from_the_last_row_and_nothing_else_does() {
        let row = |n: &i64| (Timestamp::from_millis(*n), Uuid::from_u128(n.unsigned_abs().into()));
        let first = PageRequest::new(2, None, false).unwrap();
        let page = first.page(vec![3, 2, 1], None, row);
        assert_eq!(page.items, [3, 2]);
        let next = PageRequest::new(2, page.next_cursor.as_deref(), false).unwrap();
        assert_eq!(next.after, Some(Cursor { key: 2, id: Uuid::from_u128(2) }));
        assert!(next.page(vec![1], None, row).next_cursor.is_none());
        for forged in ["1.2", &BASE64URL_NOPAD.encode(b"5.a\0b"), &BASE64URL_NOPAD.encode(b"5")] {
            assert!(PageRequest::new(2, Some(forged), false).is_err(), "{forged}");
        }
        assert!(PageRequest::new(0, None, false).is_err() && PageRequest::new(201, None, false).is_err());
    }

    #[test]
    fn a_place_in_an_order_leads_on_as_an_instant_does() {
        let place = |n: &i64| (*n, Uuid::from_u128(n.unsigned_abs().into()));
        let page = PageRequest::new(2, None, false).unwrap().page(vec![0, 1, 2], None, place);
        let next = PageRequest::new(2, page.next_cursor.as_deref(), false).unwrap();
        assert_eq!(next.after, Some(Cursor { key: 1, id: Uuid::from_u128(1) }));
    }
}
