//! Reading a TOML table key by key, so that every mistake is told with its line and what to write instead.
//!
//! serde would stop at the first mistake and speak of types; an author has several and thinks in keys.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ManifestError, ManifestErrors};
use crate::plugins::text::{drives, shorten};

/// What authors coming from elsewhere call a key. Consulted before spelling: "FriendlyName" is nowhere near "label".
const KEY_ALIASES: [(&str, &str); 27] = [
    ("friendlyname", "label"),
    ("displayname", "label"),
    ("caption", "label"),
    ("text", "label"),
    ("name", "label"),
    ("description", "help"),
    ("hint", "help"),
    ("desc", "description"),
    ("name", "key"),
    ("id", "key"),
    ("key", "id"),
    ("field", "key"),
    ("choices", "options"),
    ("values", "options"),
    ("regex", "pattern"),
    ("mandatory", "required"),
    ("optional", "required"),
    ("value", "default"),
    ("width", "columns"),
    ("order", "weight"),
    ("cachetime", "cache_s"),
    ("cacheexpiry", "cache_s"),
    ("requiredpermission", "permission"),
    ("timeout", "wall_ms"),
    ("memory", "memory_mb"),
    ("host", "url"),
    ("why", "reason"),
];

/// More help nobody, and a hostile manifest has ten thousand.
const MAX_MISTAKES: usize = 20;
/// Of a name that a mistake quotes, in characters.
const MAX_QUOTE_CHARS: usize = 40;
/// Of a mistake's sentence.
const MAX_MESSAGE_BYTES: usize = 500;

/// Strings are for people and forms: nobody needs more.
const MAX_TEXT_CHARS: usize = 2_000;

/// The manifest's text and the mistakes found in it so far.
pub(super) struct Source {
    line_starts: Vec<usize>,
    errors: RefCell<Vec<ManifestError>>,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { line_starts, errors: RefCell::default() }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    pub(super) fn error(&self, at: &Range<usize>, message: impl Into<String>) {
        // A message may quote the manifest, and be read in a terminal.
        let message = message.into().replace(drives, "\u{fffd}");
        let message = shorten(message, MAX_MESSAGE_BYTES);
        self.errors.borrow_mut().push(ManifestError { line: self.line(at.start), message });
    }

    pub(super) fn is_clean(&self) -> bool {
        self.errors.borrow().is_empty()
    }

    pub(super) fn into_errors(self) -> ManifestErrors {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| error.line);
        errors.dedup();
        if errors.len() > MAX_MISTAKES {
            let more = errors.len() - MAX_MISTAKES;
            errors.truncate(MAX_MISTAKES);
            if let Some(last) = errors.last_mut() {
                last.message += &format!(" (and {more} more mistakes)");
            }
        }
        ManifestErrors(errors)
    }
}

/// One table of the manifest. Its known keys are checked when it is opened.
pub(super) struct Table<'s> {
    pub(super) source: &'s Source,
    /// As the author writes it: `[notifier]`, `[[setting]]`.
    pub(super) name: &'static str,
    pub(super) span: Range<usize>,
    entries: &'s DeTable<'s>,
}

impl<'s> Table<'s> {
    pub(super) fn open(
        source: &'s Source,
        name: &'static str,
        span: Range<usize>,
        entries: &'s DeTable<'s>,
        known: &[&str],
    ) -> Self {
        for key in entries.keys() {
            let written = key.get_ref().as_ref();
            if known.contains(&written) {
                continue;
            }
            let message = match nearest_key(written, known) {
                Some(key) => format!("unknown key {}; did you mean {key}?", quoted(written)),
                None => format!("unknown key {}; {name} knows {}", quoted(written), known.join(", ")),
            };
            source.error(&key.span(), message);
        }
        Self { source, name, span, entries }
    }

    /// A table without a fixed set of keys, such as `headers`.
    pub(super) fn open_map(
        source: &'s Source,
        name: &'static str,
        span: Range<usize>,
        entries: &'s DeTable<'s>,
    ) -> Self {
        Self { source, name, span, entries }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.entries.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'s Spanned<std::borrow::Cow<'s, str>>> {
        self.entries.keys()
    }

    /// Where a key stands, or its table when it is missing.
    pub(super) fn at(&self, key: &str) -> Range<usize> {
        self.entries.get_key_value(key).map_or(self.span.clone(), |(key, _)| key.span())
    }

    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        self.source.error(&self.at(key), message);
    }

    fn wrong_type(&self, key: &str, value: &DeValue<'_>, wanted: &str) {
        self.error(key, format!("{} must be {wanted}, not {}", quoted(key), kind_of(value)));
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key)?.get_ref() {
            DeValue::String(text) => {
                self.check_text(key, text);
                Some(text.to_string())
            }
            other => {
                self.wrong_type(key, other, "a string");
                None
            }
        }
    }

    /// Empty on a mistake, which is then already told.
    pub(super) fn required_text(&self, key: &str) -> String {
        if !self.has(key) {
            self.error(key, format!("{} has no {key}", self.name));
            return String::new();
        }
        let text = self.text(key).unwrap_or_default();
        if self.get(key).is_some_and(|value| value.get_ref().is_str()) && text.trim().is_empty() {
            self.error(key, format!("{key} is empty"));
        }
        text
    }

    fn check_text(&self, key: &str, text: &str) {
        if text.chars().count() > MAX_TEXT_CHARS {
            self.error(key, format!("{} is longer than {MAX_TEXT_CHARS} characters", quoted(key)));
        }
        if text.chars().any(|c| drives(c) && c != '\n' && c != '\t') {
            let what = "a control character, or one that turns the direction of writing";
            self.error(key, format!("{} holds {what}", quoted(key)));
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                self.wrong_type(key, other, "true or false");
                None
            }
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key)?.get_ref() {
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
                if parsed.is_none() {
                    self.error(key, format!("{key} is too large"));
                }
                parsed
            }
            other => {
                self.wrong_type(key, other, "a whole number");
                None
            }
        }
    }

    /// A whole number of a range; its absence is the caller's default.
    pub(super) fn integer_in(&self, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let number = self.integer(key)?;
        if !range.contains(&number) {
            self.error(key, format!("{key} must lie between {} and {}", range.start(), range.end()));
            return None;
        }
        Some(number)
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)?.get_ref() {
            DeValue::Integer(_) => self.integer(key).map(|number| number as f64),
            DeValue::Float(number) => {
                let parsed = number.as_str().parse::<f64>().ok().filter(|number| number.is_finite());
                if parsed.is_none() {
                    self.error(key, format!("{key} must be a finite number"));
                }
                parsed
            }
            other => {
                self.wrong_type(key, other, "a number");
                None
            }
        }
    }

    /// A list of strings; a single string stands for a list of one.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::String(text) => {
                self.check_text(key, text);
                vec![text.to_string()]
            }
            DeValue::Array(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => {
                            self.check_text(key, text);
                            texts.push(text.to_string());
                        }
                        other => self.wrong_type(key, other, "a list of strings"),
                    }
                }
                texts
            }
            other => {
                self.wrong_type(key, other, "a list of strings");
                Vec::new()
            }
        }
    }

    /// A table written once: `[notifier]`, or inline.
    pub(super) fn table(&self, key: &str, name: &'static str, known: &[&str]) -> Option<Table<'s>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::open(self.source, name, value.span(), entries, known)),
            DeValue::Array(_) => {
                self.error(key, format!("{key} stands once: write [{key}], not [[{key}]]"));
                None
            }
            other => {
                self.wrong_type(key, other, "a table");
                None
            }
        }
    }

    /// A table of names that the author chooses: `headers = { authorization = "…" }`.
    pub(super) fn map(&self, key: &str, name: &'static str) -> Option<Table<'s>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(Table::open_map(self.source, name, value.span(), entries)),
            other => {
                self.wrong_type(key, other, "a table of names and texts");
                None
            }
        }
    }

    /// A table that may stand several times: `[[setting]]`.
    pub(super) fn tables(&self, key: &str, name: &'static str, known: &[&str]) -> Vec<Table<'s>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let brackets = name.trim_start_matches('[').trim_end_matches(']');
            self.error(key, format!("{key} may stand several times: write [[{brackets}]]"));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Table::open(self.source, name, item.span(), entries, known));
                }
                other => {
                    self.source.error(&item.span(), format!("{name} is a table, not {}", kind_of(other)))
                }
            }
        }
        tables
    }
}

/// What an author wrote, for a sentence: it may be anything.
pub(super) fn quoted(written: &str) -> String {
    match written.char_indices().nth(MAX_QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &written[..end]),
        None => written.to_owned(),
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known key that the author most likely meant.
fn nearest_key<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain: String =
        written.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    // The same word in another spelling ("PerTarget") before a synonym, a synonym before a near miss.
    known
        .iter()
        .find(|key| key.replace('_', "") == plain)
        .or_else(|| {
            KEY_ALIASES
                .iter()
                .filter(|(alias, _)| *alias == plain)
                .find_map(|(_, key)| known.iter().find(|k| *k == key))
        })
        .copied()
        .or_else(|| nearest(&plain, known.iter().copied()))
}

/// The nearest of some words, if any is near.
pub(super) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > MAX_QUOTE_CHARS {
        // Nothing known is as long, and measuring how far it is off would take time.
        return None;
    }
    let written = written.to_lowercase();
    known
        .filter(|word| word.len() <= MAX_QUOTE_CHARS)
        .map(|word| (strsim::osa_distance(&written, word), word))
        .filter(|(distance, word)| *distance <= 2 && *distance * 2 < word.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
