//! The values that stand in stats, fields and tables.

use super::{Badge, Number, Person, Value};
use crate::{Link, Timestamp, Tone};

/// A number with a unit to come: `number(512).unit("B")`.
pub fn number(value: impl Into<Number>) -> Number {
    value.into()
}

/// A word in a coloured frame.
pub fn badge(label: impl Into<String>, tone: Tone) -> Badge {
    Badge { label: label.into(), tone }
}

/// A person; with [`avatar`](Person::avatar), [`detail`](Person::detail) and [`url`](Person::url) where known.
pub fn person(name: impl Into<String>) -> Person {
    Person { name: name.into(), avatar: None, detail: None, url: None }
}

impl Number {
    /// `%`, `B`, `s`, a currency (`EUR`, ISO 4217), or a word.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}

impl Person {
    /// The address of a picture.
    #[must_use]
    pub fn avatar(mut self, url: impl Into<String>) -> Self {
        self.avatar = Some(url.into());
        self
    }

    /// A line below the name.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Where the person's page is.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self { value, unit: None }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value.into())
    }
}

macro_rules! lossless {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Number {
            fn from(value: $integer) -> Self {
                Self { value: value.into(), unit: None }
            }
        }

        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Self::Number(value.into())
            }
        }
    )*};
}

lossless!(i8 u8 i16 u16 i32 u32 f32);

/// Counts of a collection. Above 2^53 the last digits are lost, as everywhere in JSON.
impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self { value: value as f64, unit: None }
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(time.to_string())
    }
}

macro_rules! value {
    ($($record:ident)*) => {$(
        impl From<$record> for Value {
            fn from(record: $record) -> Self {
                Self::$record(record)
            }
        }
    )*};
}

value!(Number Badge Link Person);
