//! Typed reading of the layered settings. Every mistake is kept and reading goes on with the default, so
//! that one run names them all; what nobody asked for is unknown, and what was asked for is the list to
//! suggest from.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::secret::Secret;
use super::source::{Entry, Origin, Raw, Sources};
use super::{Problem, Problems};

/// One line of the effective configuration, its value as TOML would write it, secrets hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `section.key`, or `key` at the top level.
    pub path: String,
    /// Absent when nothing is set and there is no default.
    pub value: Option<String>,
    pub origin: Origin,
}

pub(super) struct Reader {
    sources: Sources,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, effective: Vec::new(), problems: Vec::new() }
    }

    /// `""` is the top level.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { reader: self, name }
    }

    /// Call once everything has been asked for: the rest is unknown.
    pub(super) fn finish(mut self) -> (Vec<Effective>, Problems) {
        let unknown: Vec<_> =
            self.sources.entries.iter().map(|(path, entry)| self.unknown(path, entry)).collect();
        self.problems.extend(unknown);
        self.problems.sort();
        self.problems.dedup();
        (self.effective, Problems(self.problems))
    }

    fn known(&self) -> impl Iterator<Item = (&str, &str)> {
        self.effective.iter().map(|line| split(&line.path))
    }

    fn unknown(&self, path: &str, entry: &Entry) -> Problem {
        let (section, key) = split(path);
        let is_section = |name: &str| self.known().any(|(known, _)| known == name);
        let message = if is_section(path) {
            format!("{path} is a section; write [{path}] and its keys below it")
        } else if self.known().any(|known| known == split(section)) && !section.is_empty() {
            format!("{section} is a single value, not a section")
        } else if !is_section(section) {
            let sections: Vec<_> = self.known().map(|(section, _)| section).collect();
            let elsewhere = match nearest(section, sections.iter().copied()) {
                Some(name) => format!("; did you mean [{name}]?"),
                None => String::new(),
            };
            format!("unknown section [{section}] (key {key}){elsewhere}")
        } else {
            let siblings = self.known().filter(|(name, _)| *name == section).map(|(_, key)| key);
            let homes = self.known().filter(|(_, name)| *name == key).map(|(section, _)| section);
            match (nearest(key, siblings), homes.collect::<Vec<_>>().as_slice()) {
                (Some(name), _) => format!("unknown key {path}; did you mean {name}?"),
                (None, [""]) => format!("unknown key {path}; {key} stands at the top of the file"),
                (None, [home]) => format!("unknown key {path}; {key} belongs in [{home}]"),
                (None, _) => format!("unknown key {path}"),
            }
        };
        match &entry.origin {
            // The path is our reading of the variable's name; the name to aim at helps more.
            Origin::Variable(_) => {
                let known: Vec<_> = self.effective.iter().map(|line| line.path.replace('.', "__")).collect();
                let hint = nearest(&path.replace('.', "__"), known.iter().map(String::as_str));
                let hint = hint.map(|path| format!("; did you mean {}?", variable(path))).unwrap_or_default();
                Problem::at(&entry.origin, format!("unknown setting{hint}"))
            }
            origin => Problem::at(origin, message),
        }
    }
}

/// One section while it is read. Keys are asked for in the order the file explains them.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    name: &'static str,
}

impl Section<'_> {
    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let path = self.path(key);
        self.reader.sources.entries.remove(&path)
    }

    fn show(&mut self, key: &str, value: Option<String>, origin: Origin) {
        let path = self.path(key);
        self.reader.effective.push(Effective { path, value, origin });
    }

    fn refuse(&mut self, key: &str, origin: &Origin, message: impl std::fmt::Display) {
        let path = self.path(key);
        self.reader.problems.push(Problem::at(origin, format!("{path} {message}")));
        // It counts as set, lest its absence be complained about as well.
        self.show(key, None, origin.clone());
    }

    fn refuse_kind(&mut self, key: &str, entry: &Entry) {
        self.refuse(key, &entry.origin, format!("must be text in quotes, not {}", entry.raw.kind()));
    }

    /// Text that `parse` turns into what is wanted; its error completes the sentence "`key` …".
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(entry) = self.take(key) else {
            self.show(key, default.map(toml_text), Origin::Default);
            return default.and_then(|text| parse(text).ok());
        };
        let (Raw::Text(text) | Raw::Words(text)) = &entry.raw else {
            self.refuse_kind(key, &entry);
            return None;
        };
        match parse(text) {
            Ok(value) => {
                self.show(key, Some(toml_text(text)), entry.origin);
                Some(value)
            }
            Err(message) => {
                self.refuse(key, &entry.origin, message);
                None
            }
        }
    }

    /// A list of texts that `parse` turns into what is wanted; its error is a sentence of its own. A variable
    /// separates them by commas, and says `none` for the empty list, because an empty variable is not set.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let Some(entry) = self.take(key) else {
            self.show(key, None, Origin::Default);
            return None;
        };
        let texts: Vec<&str> = match &entry.raw {
            Raw::List(texts) => texts.iter().map(String::as_str).collect(),
            Raw::Words(text) if text.trim() == "none" => Vec::new(),
            Raw::Words(text) => text.split(',').map(str::trim).collect(),
            other => {
                let message =
                    format!("must be a list of texts in quotes, [\"…\", \"…\"], not {}", other.kind());
                self.refuse(key, &entry.origin, message);
                return None;
            }
        };
        match texts.iter().map(|text| parse(text)).collect() {
            Ok(values) => {
                let shown: Vec<_> = texts.into_iter().map(toml_text).collect();
                self.show(key, Some(format!("[{}]", shown.join(", "))), entry.origin);
                Some(values)
            }
            Err(message) => {
                self.refuse(key, &entry.origin, format!("has a mistake: {message}"));
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.whole_number(key, Some(default), range).unwrap_or(default)
    }

    /// A whole number within `range`, whose default depends on something else.
    pub(super) fn optional_number(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.whole_number(key, None, range)
    }

    fn whole_number(&mut self, key: &str, default: Option<u64>, range: RangeInclusive<u64>) -> Option<u64> {
        let Some(entry) = self.take(key) else {
            self.show(key, default.map(|number| number.to_string()), Origin::Default);
            return default;
        };
        let number = match &entry.raw {
            Raw::Integer(number) => u64::try_from(*number).ok(),
            Raw::Words(text) => text.trim().parse().ok(),
            Raw::Text(_) | Raw::List(_) | Raw::Other(_) => None,
        };
        let number = number.filter(|number| range.contains(number));
        match number {
            Some(number) => self.show(key, Some(number.to_string()), entry.origin),
            None => {
                let (low, high) = range.into_inner();
                self.refuse(key, &entry.origin, format!("must be a whole number from {low} to {high}"));
            }
        }
        number
    }

    /// A file or directory; relative ones are taken from the working directory.
    pub(super) fn file(&mut self, key: &str, default: Option<&str>) -> Option<PathBuf> {
        self.parsed(key, default, |text| {
            if text.is_empty() { Err("must name a path".to_owned()) } else { Ok(PathBuf::from(text)) }
        })
    }

    /// A secret, given as `key` or as `key_file`, a file that holds it and nothing else. The stronger
    /// layer wins; within one layer there may be only one. `show` is what may be seen of it.
    pub(super) fn secret(&mut self, key: &str, show: impl Fn(&str) -> String) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let (mut plain, mut file) = (self.take(key), self.take(&file_key));
        if let (Some(a), Some(b)) = (&plain, &file) {
            if a.origin.same_layer(&b.origin) {
                let message = format!("and {} are both given; keep one", self.path(&file_key));
                self.refuse(key, &a.origin.clone(), message);
                return None;
            }
            // The weaker one is dropped unread: it may well name a file that is not there.
            let weaker = if a.origin > b.origin { &mut file } else { &mut plain };
            *weaker = None;
        }
        let plain = plain.and_then(|entry| self.text_of(key, entry));
        let file = file.and_then(|entry| self.text_of(&file_key, entry));
        if let Some((path, origin)) = file {
            let text = match read_secret(&path) {
                Ok(text) => text,
                Err(message) => {
                    self.refuse(&file_key, &origin, message);
                    return None;
                }
            };
            self.show(key, Some(show(&text)), origin.clone());
            self.show(&file_key, Some(toml_text(&path)), origin);
            return Some(Secret::new(text));
        }
        let (shown, origin) = match &plain {
            Some((text, origin)) => (Some(show(text)), origin.clone()),
            None => (None, Origin::Default),
        };
        self.show(key, shown, origin);
        self.show(&file_key, None, Origin::Default);
        plain.map(|(text, _)| Secret::new(text))
    }

    fn text_of(&mut self, key: &str, entry: Entry) -> Option<(String, Origin)> {
        match entry.raw {
            Raw::Text(text) | Raw::Words(text) if !text.is_empty() => Some((text, entry.origin)),
            Raw::Text(_) | Raw::Words(_) => {
                self.refuse(key, &entry.origin, "must not be empty");
                None
            }
            Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => {
                self.refuse_kind(key, &entry);
                None
            }
        }
    }

    /// Reports a mistake that only several settings together make, at the place of the first one set.
    pub(super) fn conflict(&mut self, keys: &[&str], message: impl std::fmt::Display) {
        let path = |key: &&str| self.path(key);
        let paths: Vec<_> = keys.iter().map(path).collect();
        let set = |path: &String| {
            let line = self.reader.effective.iter().find(|line| line.path == *path)?;
            (line.origin != Origin::Default).then(|| line.origin.clone())
        };
        let origin = paths.iter().find_map(set).unwrap_or(Origin::Default);
        self.reader.problems.push(Problem::at(&origin, message.to_string()));
    }

    /// Which of the keys read so far somebody has set.
    pub(super) fn set_keys(&self) -> Vec<String> {
        let here = |line: &&Effective| split(&line.path).0 == self.name && line.origin != Origin::Default;
        self.reader.effective.iter().filter(here).map(|line| split(&line.path).1.to_owned()).collect()
    }
}

/// Files of secrets end in a newline because editors write one; it is not part of the secret.
fn read_secret(path: &str) -> Result<String, String> {
    let mut text = std::fs::read_to_string(path)
        .map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(format!("names {path}, which is empty")) } else { Ok(text) }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// The environment variable that sets a path.
fn variable(path: &str) -> String {
    format!("{}{}", super::source::PREFIX, path.replace('.', "__").to_ascii_uppercase())
}

/// A TOML basic string.
pub(super) fn toml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The known name somebody probably meant: a swapped or missing letter, not a different word.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    let best = known.filter(|known| !known.is_empty()).min_by_key(distance)?;
    let near = strsim::damerau_levenshtein(name, best) <= 1 + name.chars().count() / 4;
    let shared = best.starts_with(name) && name.len() >= 3 || name.starts_with(best) && best.len() >= 3;
    (near || shared).then_some(best)
}
