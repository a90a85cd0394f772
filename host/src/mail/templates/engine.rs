//! The template engine, with what it knows and how much it may do.
//!
//! It knows no functions and few filters, and [`check`](super::check) keeps arithmetic out, so that a template can neither
//! make a short text long nor go on for ever: what it does is counted in instructions, what it shows in characters.

use std::io;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter,
    value::ValueKind,
};

use super::{Override, texts};
use crate::mail::client;

/// Steps that a template may take. Ours take some hundreds, of which a long footer is the most.
const FUEL: u64 = 5_000;

/// What may become of one template, in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// What templates can do to values. See [`new`].
pub(super) const FILTERS: [&str; 4] = ["in_words", "program", "upper", "lower"];

/// With our texts.
pub(super) fn new() -> Result<Environment<'static>, Error> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(50);
    engine.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    engine.set_formatter(show);
    engine.add_filter("in_words", in_words);
    engine.add_filter("program", |user_agent: Option<&str>| user_agent.map(client::program));
    engine.add_filter("upper", |text: &str| text.to_uppercase());
    engine.add_filter("lower", |text: &str| text.to_lowercase());
    for (name, layout) in texts::LAYOUTS {
        engine.add_template(name, layout)?;
    }
    for ours in texts::TEXTS {
        add(&mut engine, "", &ours.into())?;
    }
    Ok(engine)
}

/// Beside those that are there.
pub(super) fn add(engine: &mut Environment<'static>, folder: &str, over: &Override) -> Result<(), Error> {
    let Override { mail, language, subject, text, html } = over;
    for (suffix, source) in [("subject", subject), ("txt", text), ("html", html)] {
        engine.add_template_owned(format!("{folder}{language}/{mail}.{suffix}"), source.clone())?;
    }
    Ok(())
}

/// What becomes of a template.
pub(super) fn part(engine: &Environment<'static>, name: &str, values: &Value) -> Result<String, Error> {
    let mut bounded = Bounded(Vec::new());
    engine.get_template(name)?.render_captured_to(values, &mut bounded)?;
    let text = String::from_utf8(bounded.0)
        .map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))?;
    // The engine escapes slashes as well, which nothing here needs and which makes links unreadable.
    Ok(if name.ends_with(".html") { text.replace("&#x2f;", "/") } else { text })
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::Error::other("the mail becomes too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes texts and numbers, so much of them and no more; also into what a template keeps for itself.
fn show(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    const SHOWN: &str = "shown";
    let refuse = |message: &'static str| Err(Error::new(ErrorKind::InvalidOperation, message));
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool | ValueKind::Undefined => {}
        ValueKind::None => {
            return refuse(
                "a value that may be missing is missing; ask first: {% if name %}{{ name }}{% endif %}",
            );
        }
        _ => return refuse("this is no text; go through a list with {% for one in list %}"),
    }
    let length = value.as_str().map_or(40, str::len);
    let before = state.get_temp(SHOWN).and_then(|value| value.as_usize()).unwrap_or(0);
    let after = before.saturating_add(length);
    if after > MOST_BYTES {
        return refuse("the mail becomes too long");
    }
    state.set_temp(SHOWN, Value::from(after));
    escape_formatter(out, state, value)
}

/// "Saturday, 28 November 2026 at 23:40 UTC", in the language of the template; in one that we do not know, by numbers.
fn in_words(state: &State, at: &str) -> Result<String, Error> {
    let at: Timestamp = at.parse().map_err(|error: jiff::Error| {
        Error::new(ErrorKind::InvalidOperation, "in_words is for instants").with_source(error)
    })?;
    let at = at.to_zoned(TimeZone::UTC);
    let language = state.lookup("language");
    let base = language.as_ref().and_then(Value::as_str).and_then(|tag| tag.split('-').next());
    Ok(match base {
        Some("en") => at.strftime("%A, %-d %B %Y at %H:%M UTC").to_string(),
        Some("de") => in_german(&at),
        _ => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    })
}

/// "Samstag, 28. November 2026 um 23:40 UTC".
fn in_german(at: &Zoned) -> String {
    const DAYS: [&str; 7] = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];
    const MONTHS: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let index = |from_zero: i8| usize::try_from(from_zero).unwrap_or(0);
    let day = DAYS[index(at.weekday().to_monday_zero_offset())];
    let month = MONTHS[index(at.month() - 1)];
    format!("{day}, {}. {month} {} um {} UTC", at.day(), at.year(), at.strftime("%H:%M"))
}

/// Without line ends, other control characters, and those that turn the direction of writing.
pub(super) fn one_line(text: &str) -> String {
    let drop =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let gap = |c: char| c.is_whitespace() || c.is_control();
    let text: String = text.chars().filter(|c| !drop(*c)).collect();
    text.split(gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_days_and_months_are_german() {
        let written = |at: &str| in_german(&at.parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC));
        assert_eq!(written("2026-11-28T23:40:01Z"), "Samstag, 28. November 2026 um 23:40 UTC");
        assert_eq!(written("2027-03-01T00:05:59Z"), "Montag, 1. März 2027 um 00:05 UTC");
        assert_eq!(written("2027-12-05T12:00:00Z"), "Sonntag, 5. Dezember 2027 um 12:00 UTC");
    }
}
