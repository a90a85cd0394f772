//! Where settings come from: the file, the environment and the command line, flattened to `section.key`
//! and layered, each value remembering its place so that a mistake can be pointed at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// What every settings variable begins with. Sections and keys are joined by two underscores:
/// `FRONTDESK_SMTP__HOST` is `host` in `[smtp]`.
pub(super) const PREFIX: &str = "FRONTDESK_";

/// Variables with our prefix that are no settings: `FRONTDESK_CONFIG` names the file itself.
const OTHER_VARIABLES: [&str; 1] = ["FRONTDESK_CONFIG"];

/// Where a value was found. The order is the order of precedence, weakest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    File { name: String, line: usize },
    Variable(String),
    Flag(&'static str),
}

impl Origin {
    /// Whether two values come from the same layer, so that neither overrides the other.
    pub(super) fn same_layer(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value before anybody asked for it with a type.
pub(super) enum Raw {
    /// Quoted text in the file.
    Text(String),
    /// Text from the environment or the command line, which may stand for a number.
    Words(String),
    Integer(i128),
    /// A list of quoted texts in the file.
    List(Vec<String>),
    /// A TOML type that no setting has, by its name.
    Other(&'static str),
}

impl Raw {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Words(_) => "text",
            Self::Integer(_) => "a number",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) raw: Raw,
}

/// All that was set, by `section.key`; later layers replace earlier ones.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) entries: BTreeMap<String, Entry>,
}

impl Sources {
    /// Adds a TOML file. When its syntax is broken, every syntax error is reported and nothing is added.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Vec<Problem>> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![Problem::new(name.clone(), 0, format!("cannot be read: {error}"))])?;
        let (table, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            self.add_table(&name, &text, "", table.get_ref());
            return Ok(());
        }
        let problem = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            Problem::new(name.clone(), line, format!("not valid TOML: {}", error.message()))
        };
        Err(errors.into_iter().map(problem).collect())
    }

    fn add_table(&mut self, name: &str, text: &str, section: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let path = join(section, key.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                self.add_table(name, text, &path, inner);
                continue;
            }
            let origin = Origin::File { name: name.to_owned(), line: line_of(text, key.span().start) };
            self.entries.insert(path, Entry { origin, raw: raw(value) });
        }
    }

    /// Adds every `FRONTDESK_…` variable. Empty ones count as not set, as compose files write them.
    pub(super) fn add_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if value.is_empty() || OTHER_VARIABLES.contains(&name.as_str()) || is_service_link(rest) {
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            self.entries.insert(path, Entry { origin: Origin::Variable(name), raw: Raw::Words(value) });
        }
    }

    pub(super) fn add_flag(&mut self, flag: &'static str, path: &str, value: Option<String>) {
        if let Some(value) = value {
            self.entries
                .insert(path.to_owned(), Entry { origin: Origin::Flag(flag), raw: Raw::Words(value) });
        }
    }
}

/// Kubernetes describes a Service called "frontdesk" to every pod beside it in variables that share our
/// prefix (`FRONTDESK_PORT=tcp://10.0.0.1:80`, `FRONTDESK_SERVICE_HOST`); they are not meant for us.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(Cow::clone(text).into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other("a number far too large"),
        },
        DeValue::Array(items) => {
            let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            items
                .iter()
                .map(text)
                .collect::<Option<_>>()
                .map_or(Raw::Other("a list of something else"), Raw::List)
        }
        other => Raw::Other(other.type_str()),
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
