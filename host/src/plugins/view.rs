//! What a widget drew: checked against its bounds while it is turned into the JSON that front ends draw from.
//!
//! A view is data, never markup. Texts are bounded, numbers finite, links of schemes that cannot run anything.

use std::fmt;

use serde_json::{Value as Json, json};

use super::bindings::widget::{
    Align, Badge, Block, Button, Chart, ChartKind, Form, Input, InputKind, Item, Meter, Number, Person, Stat,
    Table, Value, View,
};
use super::bindings::{Link, Tone};

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

/// What is wrong with a view, and where: `blocks[2].rows[0][1].url: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ViewError {
    pub path: String,
    pub message: String,
}

/// The JSON form of a view.
///
/// # Errors
/// The first place where it goes beyond its bounds.
pub fn view_json(view: &View) -> Result<Json, ViewError> {
    let root = At::Root;
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
    Root,
    Key(&'a At<'a>, &'static str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    fn key(&'a self, key: &'static str) -> At<'a> {
        At::Key(self, key)
    }

    fn error(&self, message: impl Into<String>) -> ViewError {
        ViewError { path: self.to_string(), message: message.into() }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => f.write_str("view"),
            At::Key(At::Root, key) => f.write_str(key),
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
    Ok(Json::from(text))
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
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(at.error("a link holds no spaces or control characters"));
    }
    let before_path = url.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((scheme, _)) = before_path.split_once(':')
        && !["http", "https", "mailto"].iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed))
    {
        return Err(at.error(format!(
            "a link of scheme {scheme:?}; http, https, mailto and relative ones are allowed"
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
        Block::Other(data) => {
            let other = document(data, at)?;
            let has = |key: &str| other.get(key).is_some_and(Json::is_string);
            if !has("type") || !has("text") {
                return Err(at.error("a block of a later version has \"type\" and \"text\""));
            }
            other
        }
    })
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
    match instant.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(Json::from(instant)),
        Err(_) => Err(at.error("not an instant such as \"2026-11-21T22:45:48.123Z\"")),
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
        "action": text(&button.action, &at.key("action"))?,
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
        "type": "form", "action": text(&form.action, &at.key("action"))?,
        "data": document(&form.data, &at.key("data"))?,
        "inputs": list(&form.inputs, MAX_ENTRIES, &at.key("inputs"), input)?,
        "submit": text(&form.submit, &at.key("submit"))?,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::bindings::widget::{Column, Notice, Series};
    use super::*;

    fn draw(blocks: Vec<Block>) -> Result<Json, String> {
        view_json(&View { summary: None, blocks }).map_err(|error| error.to_string())
    }

    fn linked(url: &str) -> Block {
        let link = Some(Link { label: "More".to_owned(), url: url.to_owned() });
        Block::Notice(Notice { tone: Tone::Info, text: "Hello".to_owned(), link })
    }

    fn cells(rows: Vec<Vec<Value>>) -> Block {
        let column = |label: &str| Column { label: label.to_owned(), align: Align::Start };
        Block::Table(Table { columns: vec![column("Domain"), column("Days")], rows, more: None })
    }

    #[test]
    fn blocks_have_the_form_that_authors_write() {
        let number = Value::Number(Number { value: 3.0, unit: Some("days".to_owned()) });
        let stat = Stat {
            label: "Pending".to_owned(),
            value: Value::Text("3".to_owned()),
            delta: None,
            tone: Tone::Warning,
            trend: vec![1.0, 2.5],
            url: Some("/invitations".to_owned()),
        };
        let view = View {
            summary: Some("3 pending".to_owned()),
            blocks: vec![
                Block::Heading("Invitations".to_owned()),
                Block::Stats(vec![stat]),
                cells(vec![vec![Value::Text("acme.test".to_owned()), number]]),
                Block::Divider,
            ],
        };
        assert_eq!(
            view_json(&view),
            Ok(json!({
                "summary": "3 pending",
                "blocks": [
                    { "type": "heading", "text": "Invitations" },
                    { "type": "stats", "items": [{
                        "label": "Pending", "value": "3", "delta": null, "tone": "warning", "trend": [1.0, 2.5], "url": "/invitations",
                    }] },
                    {
                        "type": "table", "more": null,
                        "columns": [{ "label": "Domain", "align": "start" }, { "label": "Days", "align": "start" }],
                        "rows": [["acme.test", { "value": 3.0, "unit": "days" }]],
                    },
                    { "type": "divider" },
                ],
            }))
        );
    }

    #[test]
    fn links_run_nothing() {
        for good in
            ["https://a.test/x?y=a:b", "HTTP://a.test", "mailto:jo@a.test", "/staff/1", "staff?a=b:c", "#top"]
        {
            assert!(draw(vec![linked(good)]).is_ok(), "{good}");
        }
        assert_eq!(
            draw(vec![Block::Divider, linked("javascript:alert(1)")]),
            Err("blocks[1].link.url: a link of scheme \"javascript\"; http, https, mailto and relative ones are allowed".to_owned())
        );
        for bad in [
            "JavaScript:alert(1)",
            "data:text/html,x",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "vbscript:x",
        ] {
            assert!(draw(vec![linked(bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_bound_names_its_place() {
        let long = "ü".repeat(MAX_TEXT_CHARS + 1);
        assert_eq!(draw(vec![Block::Text(long)]), Err("blocks[0]: longer than 2000 characters".to_owned()));
        assert!(draw(vec![Block::Text("ü".repeat(MAX_TEXT_CHARS))]).is_ok());
        assert_eq!(draw(vec![Block::Divider; 101]), Err("blocks: 101 blocks; 100 are allowed".to_owned()));
        let row = vec![Value::Text(String::new()), Value::Text(String::new())];
        assert_eq!(
            draw(vec![cells(vec![row.clone(); 201])]),
            Err("blocks[0].rows: 201 entries; 200 are allowed".to_owned())
        );
        assert_eq!(
            draw(vec![cells(vec![row, vec![Value::Text(String::new())]])]),
            Err("blocks[0].rows[1]: 1 values for 2 columns".to_owned())
        );
        let meter =
            |value| Meter { label: "Disk".to_owned(), value, max: 1.0, unit: None, tone: Tone::Neutral };
        assert_eq!(
            draw(vec![Block::Meters(vec![meter(0.5), meter(f64::NAN)])]),
            Err("blocks[0].items[1].value: not a finite number".to_owned())
        );
        let series = Series { name: "a".to_owned(), values: vec![None; 501], tone: None };
        let chart = Chart {
            title: None,
            kind: ChartKind::Line,
            labels: Vec::new(),
            series: vec![series],
            unit: None,
        };
        assert_eq!(
            draw(vec![Block::Chart(chart)]),
            Err("blocks[0].series[0].values: 501 entries; 500 are allowed".to_owned())
        );
        assert_eq!(
            draw(vec![Block::Other("{\"type\":\"map\"}".to_owned())]),
            Err("blocks[0]: a block of a later version has \"type\" and \"text\"".to_owned())
        );
        let texts = vec![Block::Code("x".repeat(MAX_TEXT_CHARS)); 100];
        assert!(draw(texts).is_ok());
        let rows = vec![vec![Value::Text("x".repeat(1_000)), Value::Text("x".repeat(1_000))]; 200];
        assert_eq!(draw(vec![cells(rows)]), Err("view: larger than 256 KiB".to_owned()));
    }
}
