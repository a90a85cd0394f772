//! What a widget drew: checked against its bounds while it is turned into the JSON that front ends draw from.
//!
//! A view is data, never markup. Texts are bounded, numbers finite, links of schemes that cannot run anything.

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value as Json, json};

use super::bindings::widget::{
    Align, Badge, Block, Button, Chart, ChartKind, Form, Input, InputKind, Item, Meter, Number, Person, Stat,
    Table, Value, View,
};
use super::bindings::{Link, Tone};
use super::text::{drives, lines, shorten};

const MAX_BLOCKS: usize = 100;
const MAX_ROWS: usize = 200;
const MAX_COLUMNS: usize = 12;
const MAX_POINTS: usize = 500;
const MAX_SERIES: usize = 8;
/// Of stats, items, people, meters, buttons and inputs in one block.
const MAX_ENTRIES: usize = 200;
const MAX_TEXT_CHARS: usize = 2_000;
const MAX_URL_BYTES: usize = 2_048;
/// What a button or form sends back.
pub(super) const MAX_DATA_BYTES: usize = 16 * 1024;
const MAX_VIEW_BYTES: usize = 256 * 1024;
/// Of what an error quotes.
const MAX_QUOTE_BYTES: usize = 40;
/// The blocks of this version, and "other", which stands for those of later ones.
const BLOCK_TYPES: [&str; 15] = [
    "heading", "text", "code", "notice", "stats", "fields", "items", "people", "table", "chart", "meters",
    "buttons", "form", "divider", "other",
];

/// What is wrong with a view, and where: `blocks[2].rows[0][1].url: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ViewError {
    pub path: String,
    pub message: String,
}

/// The JSON form of a view. Its buttons and forms may ask for `actions`, those of the widget's manifest.
///
/// # Errors
/// The first place where it goes beyond its bounds.
pub fn view_json(view: &View, actions: &[String]) -> Result<Json, ViewError> {
    let root = At::Root(actions);
    if view.blocks.len() > MAX_BLOCKS {
        return Err(root
            .key("blocks")
            .error(format!("{} blocks; {MAX_BLOCKS} are allowed", view.blocks.len())));
    }
    let blocks = list(&view.blocks, MAX_BLOCKS, &root.key("blocks"), block)?;
    let json =
        json!({ "summary": optional_text(view.summary.as_deref(), &root.key("summary"))?, "blocks": blocks });
    let mut size = Size(0);
    if serde_json::to_writer(&mut size, &json).is_err() {
        return Err(root.error(format!("larger than {} KiB", MAX_VIEW_BYTES / 1024)));
    }
    Ok(json)
}

/// Where in a view, linked on the stack so that the path is only written when something is wrong.
enum At<'a> {
    /// With the actions that there are.
    Root(&'a [String]),
    Key(&'a At<'a>, &'static str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    fn key(&'a self, key: &'static str) -> At<'a> {
        At::Key(self, key)
    }

    fn actions(&self) -> &'a [String] {
        match self {
            At::Root(actions) => actions,
            At::Key(parent, _) | At::Index(parent, _) => parent.actions(),
        }
    }

    fn error(&self, message: impl Into<String>) -> ViewError {
        ViewError { path: self.to_string(), message: message.into() }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root(_) => f.write_str("view"),
            At::Key(At::Root(_), key) => f.write_str(key),
            At::Key(parent, key) => write!(f, "{parent}.{key}"),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Counts what is written to it, up to the bound.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > MAX_VIEW_BYTES { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Part = Result<Json, ViewError>;

fn list<T>(entries: &[T], max: usize, at: &At<'_>, each: impl Fn(&T, &At<'_>) -> Part) -> Part {
    if entries.len() > max {
        return Err(at.error(format!("{} entries; {max} are allowed", entries.len())));
    }
    entries.iter().enumerate().map(|(index, entry)| each(entry, &At::Index(at, index))).collect()
}

fn text(text: &str, at: &At<'_>) -> Part {
    // Bytes first: counting characters is only needed where there may be too many.
    if text.len() > MAX_TEXT_CHARS && text.chars().count() > MAX_TEXT_CHARS {
        return Err(at.error(format!("longer than {MAX_TEXT_CHARS} characters")));
    }
    // People's names come in views: one that turns the direction of writing spoils itself, not the widget.
    Ok(Json::from(lines(text)))
}

fn optional_text(value: Option<&str>, at: &At<'_>) -> Part {
    value.map_or(Ok(Json::Null), |value| text(value, at))
}

fn finite(number: f64, at: &At<'_>) -> Part {
    serde_json::Number::from_f64(number).map(Json::Number).ok_or_else(|| at.error("not a finite number"))
}

/// http, https, mailto, or relative to the front end.
fn url(url: &str, at: &At<'_>) -> Part {
    if url.len() > MAX_URL_BYTES {
        return Err(at.error(format!("longer than {MAX_URL_BYTES} bytes")));
    }
    // Browsers drop some control characters and trim spaces before they look for a scheme.
    if url.contains(|c: char| drives(c) || c.is_whitespace()) {
        return Err(at.error("a link holds no spaces or control characters"));
    }
    // Browsers read "\\" as "/", and what begins with two of them as another host.
    if url.starts_with("//") || url.contains('\\') {
        return Err(at.error("a link to another host begins with https://, and none holds a backslash"));
    }
    let before_path = url.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((scheme, _)) = before_path.split_once(':')
        && !["http", "https", "mailto"].iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed))
    {
        return Err(at.error(format!(
            "a link of scheme {:?}; http, https, mailto and relative ones are allowed",
            shorten(scheme.to_owned(), MAX_QUOTE_BYTES)
        )));
    }
    Ok(Json::from(url))
}

fn optional_url(value: Option<&str>, at: &At<'_>) -> Part {
    value.map_or(Ok(Json::Null), |value| url(value, at))
}

fn document(data: &str, at: &At<'_>) -> Part {
    if data.len() > MAX_DATA_BYTES {
        return Err(at.error(format!("larger than {} KiB", MAX_DATA_BYTES / 1024)));
    }
    serde_json::from_str(data).map_err(|error| at.error(format!("not a JSON document: {error}")))
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Neutral => "neutral",
        Tone::Info => "info",
        Tone::Success => "success",
        Tone::Warning => "warning",
        Tone::Danger => "danger",
    }
}

fn block(block: &Block, at: &At<'_>) -> Part {
    Ok(match block {
        Block::Heading(words) => json!({ "type": "heading", "text": text(words, at)? }),
        Block::Text(words) => json!({ "type": "text", "text": text(words, at)? }),
        Block::Code(words) => json!({ "type": "code", "text": text(words, at)? }),
        Block::Notice(notice) => json!({
            "type": "notice", "tone": tone(notice.tone), "text": text(&notice.text, &at.key("text"))?,
            "link": notice.link.as_ref().map(|it| link(it, &at.key("link"))).transpose()?,
        }),
        Block::Stats(stats) => {
            json!({ "type": "stats", "items": list(stats, MAX_ENTRIES, &at.key("items"), stat)? })
        }
        Block::Fields(fields) => {
            let field = |field: &super::bindings::widget::Field, at: &At<'_>| {
                Ok(
                    json!({ "label": text(&field.label, &at.key("label"))?, "value": value(&field.value, &at.key("value"))? }),
                )
            };
            json!({ "type": "fields", "items": list(fields, MAX_ENTRIES, &at.key("items"), field)? })
        }
        Block::Items(items) => {
            json!({ "type": "items", "items": list(items, MAX_ENTRIES, &at.key("items"), item)? })
        }
        Block::People(people) => {
            json!({ "type": "people", "items": list(people, MAX_ENTRIES, &at.key("items"), person)? })
        }
        Block::Table(it) => table(it, at)?,
        Block::Chart(it) => chart(it, at)?,
        Block::Meters(meters) => {
            json!({ "type": "meters", "items": list(meters, MAX_ENTRIES, &at.key("items"), meter)? })
        }
        Block::Buttons(buttons) => {
            json!({ "type": "buttons", "items": list(buttons, MAX_ENTRIES, &at.key("items"), button)? })
        }
        Block::Form(it) => form(it, at)?,
        Block::Divider => json!({ "type": "divider" }),
        Block::Other(data) => other(data, at)?,
    })
}

/// A block that this version does not know. Nobody has checked more of it than its text, so nothing else of it is
/// passed on; and it is not a way around the checks of those that are known.
fn other(data: &str, at: &At<'_>) -> Part {
    let document = document(data, at)?;
    let part = |key: &str| document.get(key).and_then(Json::as_str);
    let (Some(name), Some(words)) = (part("type"), part("text")) else {
        return Err(at.error("a block of a later version has \"type\" and \"text\""));
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=40).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(at.key("type").error("up to 40 of a-z, 0-9 and \"-\""));
    }
    if BLOCK_TYPES.contains(&name) {
        let message = format!("{name} is a block of this version; answer it as such instead of as \"other\"");
        return Err(at.key("type").error(message));
    }
    Ok(json!({ "type": name, "text": text(words, &at.key("text"))? }))
}

/// What a button or a form asks for, which [`Plugins::widget_act`](super::Plugins::widget_act) would refuse.
fn action(action: &str, at: &At<'_>) -> Part {
    if !at.actions().iter().any(|known| known == action) {
        let action = shorten(action.to_owned(), MAX_QUOTE_BYTES);
        return Err(at.error(format!("{action:?} is not listed under actions in plugin.toml")));
    }
    Ok(Json::from(action))
}

fn link(link: &Link, at: &At<'_>) -> Part {
    Ok(json!({ "label": text(&link.label, &at.key("label"))?, "url": url(&link.url, &at.key("url"))? }))
}

fn number(number: &Number, at: &At<'_>) -> Part {
    Ok(json!({
        "value": finite(number.value, &at.key("value"))?, "unit": optional_text(number.unit.as_deref(), &at.key("unit"))?,
    }))
}

/// Told apart by their keys, as authors write them: a string is text.
fn value(value: &Value, at: &At<'_>) -> Part {
    Ok(match value {
        Value::Text(words) => text(words, at)?,
        Value::Number(it) => number(it, at)?,
        Value::Time(instant) => json!({ "time": time(instant, at)? }),
        Value::Badge(badge) => {
            json!({ "badge": text(&badge.label, &at.key("badge"))?, "tone": tone(badge.tone) })
        }
        Value::Link(it) => link(it, at)?,
        Value::Person(it) => person(it, at)?,
    })
}

fn time(instant: &str, at: &At<'_>) -> Part {
    // Written anew: what parses comes in many forms, front ends read one. Years beyond four digits are none of it.
    let parsed = instant.parse::<jiff::Timestamp>().map(|instant| format!("{instant:.3}"));
    match parsed {
        Ok(instant) if !instant.starts_with('-') => Ok(Json::from(instant)),
        _ => Err(at.error("not an instant such as \"2026-11-21T22:45:48.123Z\"")),
    }
}

fn person(person: &Person, at: &At<'_>) -> Part {
    Ok(json!({
        "name": text(&person.name, &at.key("name"))?,
        "avatar": optional_url(person.avatar.as_deref(), &at.key("avatar"))?,
        "detail": optional_text(person.detail.as_deref(), &at.key("detail"))?,
        "url": optional_url(person.url.as_deref(), &at.key("url"))?,
    }))
}

fn stat(stat: &Stat, at: &At<'_>) -> Part {
    Ok(json!({
        "label": text(&stat.label, &at.key("label"))?,
        "value": value(&stat.value, &at.key("value"))?,
        "delta": stat.delta.as_ref().map(|it| number(it, &at.key("delta"))).transpose()?,
        "tone": tone(stat.tone),
        "trend": list(&stat.trend, MAX_POINTS, &at.key("trend"), |point, at| finite(*point, at))?,
        "url": optional_url(stat.url.as_deref(), &at.key("url"))?,
    }))
}

fn item(item: &Item, at: &At<'_>) -> Part {
    let badge = |badge: &Badge, at: &At<'_>| {
        Ok(json!({ "label": text(&badge.label, &at.key("label"))?, "tone": tone(badge.tone) }))
    };
    Ok(json!({
        "title": text(&item.title, &at.key("title"))?,
        "detail": optional_text(item.detail.as_deref(), &at.key("detail"))?,
        "url": optional_url(item.url.as_deref(), &at.key("url"))?,
        "tone": tone(item.tone),
        "person": item.person.as_ref().map(|it| person(it, &at.key("person"))).transpose()?,
        "time": item.time.as_ref().map(|it| time(it, &at.key("time"))).transpose()?,
        "badges": list(&item.badges, MAX_ENTRIES, &at.key("badges"), badge)?,
        "buttons": list(&item.buttons, MAX_ENTRIES, &at.key("buttons"), button)?,
    }))
}

fn button(button: &Button, at: &At<'_>) -> Part {
    Ok(json!({
        "label": text(&button.label, &at.key("label"))?,
        "action": action(&button.action, &at.key("action"))?,
        "data": document(&button.data, &at.key("data"))?,
        "tone": tone(button.tone),
        "confirm": optional_text(button.confirm.as_deref(), &at.key("confirm"))?,
    }))
}

fn table(table: &Table, at: &At<'_>) -> Part {
    let columns = list(&table.columns, MAX_COLUMNS, &at.key("columns"), |column, at| {
        let align = match column.align {
            Align::Start => "start",
            Align::End => "end",
        };
        Ok(json!({ "label": text(&column.label, &at.key("label"))?, "align": align }))
    })?;
    let rows = list(&table.rows, MAX_ROWS, &at.key("rows"), |row, at| {
        if row.len() != table.columns.len() {
            return Err(at.error(format!("{} values for {} columns", row.len(), table.columns.len())));
        }
        list(row, MAX_COLUMNS, at, value)
    })?;
    let more = table.more.as_ref().map(|it| link(it, &at.key("more"))).transpose()?;
    Ok(json!({ "type": "table", "columns": columns, "rows": rows, "more": more }))
}

fn chart(chart: &Chart, at: &At<'_>) -> Part {
    let kind = match chart.kind {
        ChartKind::Line => "line",
        ChartKind::Area => "area",
        ChartKind::Bar => "bar",
        ChartKind::StackedBar => "stacked-bar",
        ChartKind::Donut => "donut",
    };
    let series = list(&chart.series, MAX_SERIES, &at.key("series"), |series, at| {
        let points = list(&series.values, MAX_POINTS, &at.key("values"), |point, at| {
            point.map_or(Ok(Json::Null), |point| finite(point, at))
        })?;
        Ok(json!({
            "name": text(&series.name, &at.key("name"))?, "values": points, "tone": series.tone.map(tone),
        }))
    })?;
    Ok(json!({
        "type": "chart", "title": optional_text(chart.title.as_deref(), &at.key("title"))?, "kind": kind,
        "labels": list(&chart.labels, MAX_POINTS, &at.key("labels"), |label, at| text(label, at))?,
        "series": series, "unit": optional_text(chart.unit.as_deref(), &at.key("unit"))?,
    }))
}

fn meter(meter: &Meter, at: &At<'_>) -> Part {
    Ok(json!({
        "label": text(&meter.label, &at.key("label"))?,
        "value": finite(meter.value, &at.key("value"))?,
        "max": finite(meter.max, &at.key("max"))?,
        "unit": optional_text(meter.unit.as_deref(), &at.key("unit"))?,
        "tone": tone(meter.tone),
    }))
}

fn form(form: &Form, at: &At<'_>) -> Part {
    let input = |input: &Input, at: &At<'_>| {
        let kind = match input.kind {
            InputKind::Text => "text",
            InputKind::Textarea => "textarea",
            InputKind::Number => "number",
            InputKind::Checkbox => "checkbox",
            InputKind::Date => "date",
            InputKind::Select => "select",
        };
        Ok(json!({
            "name": text(&input.name, &at.key("name"))?, "label": text(&input.label, &at.key("label"))?, "kind": kind,
            "value": text(&input.value, &at.key("value"))?, "required": input.required,
            "choices": list(&input.choices, MAX_ENTRIES, &at.key("choices"), |choice, at| text(choice, at))?,
        }))
    };
    Ok(json!({
        "type": "form", "action": action(&form.action, &at.key("action"))?,
        "data": document(&form.data, &at.key("data"))?,
        "inputs": list(&form.inputs, MAX_ENTRIES, &at.key("inputs"), input)?,
        "submit": text(&form.submit, &at.key("submit"))?,
    }))
}
