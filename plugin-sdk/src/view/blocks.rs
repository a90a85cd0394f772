//! The blocks.

use super::{Block, Button, Chart, Field, Form, Item, Meter, Notice, Person, Stat, Table};

/// A section's heading.
pub fn heading(text: impl Into<String>) -> Block {
    Block::Heading(text.into())
}

/// A paragraph, without markup.
pub fn text(text: impl Into<String>) -> Block {
    Block::Text(text.into())
}

/// Text of fixed width, line breaks kept.
pub fn code(text: impl Into<String>) -> Block {
    Block::Code(text.into())
}

/// Numbers side by side: see [`stat`](super::stat).
pub fn stats(stats: impl IntoIterator<Item = Stat>) -> Block {
    Block::Stats(stats.into_iter().collect())
}

/// Labels with values: see [`field`](super::field).
pub fn fields(fields: impl IntoIterator<Item = Field>) -> Block {
    Block::Fields(fields.into_iter().collect())
}

/// A list of things, each with its own buttons: see [`item`](super::item).
pub fn items(items: impl IntoIterator<Item = Item>) -> Block {
    Block::Items(items.into_iter().collect())
}

/// Faces with names: see [`person`](super::person).
pub fn people(people: impl IntoIterator<Item = Person>) -> Block {
    Block::People(people.into_iter().collect())
}

/// Bars of how full something is: see [`meter`](super::meter).
pub fn meters(meters: impl IntoIterator<Item = Meter>) -> Block {
    Block::Meters(meters.into_iter().collect())
}

/// Buttons side by side: see [`button`](super::button).
pub fn buttons(buttons: impl IntoIterator<Item = Button>) -> Block {
    Block::Buttons(buttons.into_iter().collect())
}

/// A line between two sections.
#[must_use]
pub fn divider() -> Block {
    Block::Divider
}

macro_rules! block {
    ($($record:ident)*) => {$(
        impl From<$record> for Block {
            fn from(record: $record) -> Self {
                Self::$record(record)
            }
        }
    )*};
}

block!(Notice Table Chart Form);
