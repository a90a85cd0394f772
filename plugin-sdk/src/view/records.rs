//! What the blocks hold.

use serde::Serialize;

use super::{
    Align, Badge, Button, Chart, ChartKind, Column, Field, Form, Input, InputKind, Item, Meter, Notice,
    Number, Person, Series, Stat, Table, Value, json,
};
use crate::{Link, Timestamp, Tone};

/// A sentence that stands out: a warning, or that there is nothing to show.
pub fn notice(text: impl Into<String>) -> Notice {
    Notice { tone: Tone::Neutral, text: text.into(), link: None }
}

/// A number or another value under its label.
pub fn stat(label: impl Into<String>, value: impl Into<Value>) -> Stat {
    Stat {
        label: label.into(),
        value: value.into(),
        delta: None,
        tone: Tone::Neutral,
        trend: Vec::new(),
        url: None,
    }
}

/// A value beside its label.
pub fn field(label: impl Into<String>, value: impl Into<Value>) -> Field {
    Field { label: label.into(), value: value.into() }
}

/// One thing in a list.
pub fn item(title: impl Into<String>) -> Item {
    Item {
        title: title.into(),
        detail: None,
        url: None,
        tone: Tone::Neutral,
        person: None,
        time: None,
        badges: Vec::new(),
        buttons: Vec::new(),
    }
}

/// A table of these columns; add rows with [`row`](Table::row).
pub fn table<C: Into<Column>>(columns: impl IntoIterator<Item = C>) -> Table {
    Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new(), more: None }
}

/// A column; [`end`](Column::end) puts its values to the end of the line, as numbers like to stand.
pub fn column(label: impl Into<String>) -> Column {
    Column { label: label.into(), align: Align::Start }
}

/// A chart over these labels; add its lines, bars or slices with [`series`](Chart::series).
pub fn chart<L: Into<String>>(kind: ChartKind, labels: impl IntoIterator<Item = L>) -> Chart {
    Chart {
        title: None,
        kind,
        labels: labels.into_iter().map(Into::into).collect(),
        series: Vec::new(),
        unit: None,
    }
}

/// How full something is.
pub fn meter(label: impl Into<String>, value: f64, max: f64) -> Meter {
    Meter { label: label.into(), value, max, unit: None, tone: Tone::Neutral }
}

/// A button that calls `act` with the action, which the manifest lists in `actions`.
pub fn button(label: impl Into<String>, action: impl Into<String>) -> Button {
    Button {
        label: label.into(),
        action: action.into(),
        data: "{}".to_owned(),
        tone: Tone::Neutral,
        confirm: None,
    }
}

/// A form that calls `act` with the action; its inputs join the data under their names.
pub fn form(action: impl Into<String>, submit: impl Into<String>) -> Form {
    Form { action: action.into(), data: "{}".to_owned(), inputs: Vec::new(), submit: submit.into() }
}

/// A line of text to fill in; see [`Input::kind`] for the others.
pub fn input(name: impl Into<String>, label: impl Into<String>) -> Input {
    Input {
        name: name.into(),
        label: label.into(),
        kind: InputKind::Text,
        value: String::new(),
        required: false,
        choices: Vec::new(),
    }
}

/// `name(value)` sets a field; the field's own words are the documentation.
macro_rules! setters {
    ($($record:ident { $($(#[$doc:meta])* $name:ident($argument:ident: $kind:ty) => $field:ident = $set:expr;)* })*) => {$(
        impl $record {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $argument: $kind) -> Self {
                self.$field = $set;
                self
            }
        )*}
    )*};
}

setters! {
    Notice {
        /// Its colour.
        tone(tone: Tone) => tone = tone;
        /// Where to go from here.
        link(link: Link) => link = Some(link);
    }
    Stat {
        /// How it changed.
        delta(delta: impl Into<Number>) => delta = Some(delta.into());
        /// Its colour.
        tone(tone: Tone) => tone = tone;
        /// The values that led here, oldest first, drawn as a small line.
        trend(values: impl IntoIterator<Item = f64>) => trend = values.into_iter().collect();
        /// Where its details are.
        url(url: impl Into<String>) => url = Some(url.into());
    }
    Item {
        /// A line below the title.
        detail(detail: impl Into<String>) => detail = Some(detail.into());
        /// Where its page is.
        url(url: impl Into<String>) => url = Some(url.into());
        /// Its colour.
        tone(tone: Tone) => tone = tone;
        /// Whose it is.
        person(person: Person) => person = Some(person);
        /// When it happened or will happen.
        time(time: Timestamp) => time = Some(time.to_string());
    }
    Column {
        /// Puts the values to the end of the line.
        align(align: Align) => align = align;
    }
    Table {
        /// Where the rest is.
        more(link: Link) => more = Some(link);
    }
    Chart {
        /// A line above it.
        title(title: impl Into<String>) => title = Some(title.into());
        /// The unit of its values, as for a [`Number`].
        unit(unit: impl Into<String>) => unit = Some(unit.into());
    }
    Meter {
        /// The unit of both values, as for a [`Number`].
        unit(unit: impl Into<String>) => unit = Some(unit.into());
        /// Its colour.
        tone(tone: Tone) => tone = tone;
    }
    Button {
        /// What `act` is given beside the action.
        data(data: impl Serialize) => data = json(data);
        /// Its colour.
        tone(tone: Tone) => tone = tone;
        /// A question to answer before the action.
        confirm(question: impl Into<String>) => confirm = Some(question.into());
    }
    Form {
        /// What `act` is given beside the inputs.
        data(data: impl Serialize) => data = json(data);
    }
    Input {
        /// What is filled in: text, number, date, …
        kind(kind: InputKind) => kind = kind;
        /// What is filled in already.
        value(value: impl Into<String>) => value = value.into();
    }
}

impl Column {
    /// Puts the values to the end of the line.
    #[must_use]
    pub fn end(self) -> Self {
        self.align(Align::End)
    }
}

impl<T: Into<String>> From<T> for Column {
    fn from(label: T) -> Self {
        column(label)
    }
}

impl Item {
    /// One more word in a coloured frame.
    #[must_use]
    pub fn badge(mut self, badge: Badge) -> Self {
        self.badges.push(badge);
        self
    }

    /// One more button.
    #[must_use]
    pub fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }
}

impl Table {
    /// One more row, with a value for each column.
    #[must_use]
    pub fn row<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.rows.push(values.into_iter().map(Into::into).collect());
        self
    }
}

impl Chart {
    /// One more line, set of bars, or ring. `None` is a gap.
    #[must_use]
    pub fn series<V: Into<Option<f64>>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.series.push(Series { name: name.into(), values, tone: None });
        self
    }
}

impl Form {
    /// One more input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }
}

impl Input {
    /// The form is not sent without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// One of these, from a list.
    #[must_use]
    pub fn choices<C: Into<String>>(mut self, choices: impl IntoIterator<Item = C>) -> Self {
        self.kind = InputKind::Select;
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }
}
