//! What a widget is drawn with: blocks, one below the other, and never HTML.
//!
//! Numbers stay numbers and instants stay instants: the front end knows the viewer's locale and time zone.
//!
//! ```
//! use frontdesk_plugin_sdk::{Tone, view::*};
//!
//! let view: View = [
//!     stats([stat("Pending", 3), stat("Queue", number(512).unit("B")).tone(Tone::Warning)]),
//!     notice("One invitation expires today").tone(Tone::Warning).into(),
//!     buttons([button("Send again", "resend").confirm("Send it again?")]),
//! ]
//! .into();
//! let view = view.summary("3 pending, 1 expires today");
//! # assert_eq!(view.blocks.len(), 3);
//! ```

use serde::Serialize;

pub use crate::bindings::widget::exports::frontdesk::plugin::widget::{
    Align, Badge, Block, Button, Chart, ChartKind, Column, Field, Form, Input, InputKind, Item, Meter,
    Notice, Number, Person, Series, Stat, Table, Value, View,
};

mod blocks;
mod records;
mod values;

pub use blocks::*;
pub use records::*;
pub use values::*;

impl View {
    /// One line for the collapsed widget: "3 pending, 1 expires today".
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

impl FromIterator<Block> for View {
    fn from_iter<I: IntoIterator<Item = Block>>(blocks: I) -> Self {
        Self { summary: None, blocks: blocks.into_iter().collect() }
    }
}

impl From<Vec<Block>> for View {
    fn from(blocks: Vec<Block>) -> Self {
        Self { summary: None, blocks }
    }
}

impl<const N: usize> From<[Block; N]> for View {
    fn from(blocks: [Block; N]) -> Self {
        Self::from_iter(blocks)
    }
}

impl<B: Into<Block>> From<B> for View {
    fn from(block: B) -> Self {
        Self::from_iter([block.into()])
    }
}

/// An action's data as the interface carries it. Author's data is plain; what cannot be written as JSON (a map
/// whose keys are no texts) becomes `null`, which the action then finds.
fn json(data: impl Serialize) -> String {
    serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests;
