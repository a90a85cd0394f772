//! `[[setting]]`, `[[rule_setting]]` and `[[widget.preference]]`: the fields of a form.

use serde::Serialize;
use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Table, nearest, quoted};

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// `[a-z][a-z0-9_]*`; the name in the settings document and in `{key}`.
    pub key: String,
    #[serde(flatten)]
    pub kind: FieldKind,
    pub label: String,
    pub help: Option<String>,
    pub required: bool,
    pub default: Option<Value>,
    pub placeholder: Option<String>,
}

/// The type of a field with the keys that only this type has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FieldKind {
    Text(TextRule),
    Textarea(TextRule),
    Email,
    Number {
        min: Option<f64>,
        max: Option<f64>,
    },
    Bool,
    Select {
        options: Vec<Choice>,
    },
    /// Without `path` an origin: `https://api.example`.
    Url {
        path: bool,
        starts_with: Vec<String>,
    },
    Urls {
        path: bool,
        starts_with: Vec<String>,
    },
    /// Write-only; the plugin sees `true`.
    Secret {
        #[serde(flatten)]
        text: TextRule,
        starts_with: Vec<String>,
        /// The form offers a fresh one of this scheme (`whsec`).
        generate: Option<String>,
        /// Hours for which the one before stays valid.
        overlap_h: Option<u32>,
    },
    /// A whole address that is itself the secret.
    SecretUrl {
        starts_with: Vec<String>,
    },
    /// Filled from `options(key, …)`; in rules only.
    Dynamic {
        depends_on: Vec<String>,
        multiple: bool,
    },
}

impl FieldKind {
    /// The plugin never sees the value, only whether there is one.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. } | Self::SecretUrl { .. })
    }
}

/// What a text must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextRule {
    /// A regular expression that the whole value matches.
    pub pattern: Option<String>,
    /// What to tell who misses it.
    pub pattern_hint: Option<String>,
    /// In characters.
    pub max: Option<u32>,
}

/// One option of a `select`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    pub value: String,
    pub label: String,
}

const TYPES: [&str; 11] = [
    "text",
    "textarea",
    "email",
    "number",
    "bool",
    "select",
    "url",
    "urls",
    "secret",
    "secret-url",
    "dynamic",
];

/// What other systems call a type. The first four are told together, since who writes one writes the others.
const TYPE_ALIASES: [(&str, &str); 14] = [
    ("yesno", "bool"),
    ("password", "secret"),
    ("dropdown", "select"),
    ("radio", "select"),
    ("boolean", "bool"),
    ("checkbox", "bool"),
    ("string", "text"),
    ("int", "number"),
    ("integer", "number"),
    ("float", "number"),
    ("token", "secret"),
    ("uri", "url"),
    ("enum", "select"),
    ("multiline", "textarea"),
];

const KNOWN: [&str; 18] = [
    "key",
    "type",
    "label",
    "help",
    "required",
    "default",
    "placeholder",
    "pattern",
    "pattern_hint",
    "max",
    "min",
    "options",
    "path",
    "starts_with",
    "generate",
    "overlap_h",
    "depends_on",
    "multiple",
];

/// The keys that only some types have, and which.
const TYPE_KEYS: [(&str, &[&str]); 11] = [
    ("pattern", &["text", "textarea", "secret"]),
    ("pattern_hint", &["text", "textarea", "secret"]),
    ("max", &["text", "textarea", "secret", "number"]),
    ("min", &["number"]),
    ("options", &["select"]),
    ("path", &["url", "urls"]),
    ("starts_with", &["url", "urls", "secret", "secret-url"]),
    ("generate", &["secret"]),
    ("overlap_h", &["secret"]),
    ("depends_on", &["dynamic"]),
    ("multiple", &["dynamic"]),
];

const MAX_FIELDS: usize = 50;
const MAX_OPTIONS: usize = 200;

pub(super) fn read_all(parent: &Table<'_>, key: &str, name: &'static str) -> Vec<Field> {
    let tables = parent.tables(key, name, &KNOWN);
    if tables.len() > MAX_FIELDS {
        parent.error(key, format!("more than {MAX_FIELDS} of {name}"));
        return Vec::new();
    }
    let fields: Vec<Field> = tables.iter().map(read).collect();
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.key == field.key) && !field.key.is_empty() {
            tables[index].error("key", format!("key {} is declared twice", quoted(&field.key)));
        }
        if let FieldKind::Dynamic { depends_on, .. } = &field.kind {
            for other in depends_on {
                if !fields.iter().any(|field| field.key == *other) {
                    tables[index].error(
                        "depends_on",
                        format!("depends_on names {}, which is no {name}", quoted(other)),
                    );
                }
            }
        }
    }
    fields
}

/// `{key}` means a setting or a rule setting, so it must not mean both.
pub(super) fn check_unique(root: &Table<'_>, settings: &[Field], rule_settings: &[Field]) {
    for field in rule_settings {
        if settings.iter().any(|setting| setting.key == field.key) {
            root.error(
                "rule_setting",
                format!("key {} is both a [[setting]] and a [[rule_setting]]; rename one", field.key),
            );
        }
    }
}

fn read(table: &Table<'_>) -> Field {
    let key = table.required_text("key");
    let good = key.len() <= 40
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !good && !key.is_empty() {
        table.error(
            "key",
            format!(
                "key \"{}\" must be up to 40 of a-z, 0-9 and \"_\", beginning with a letter",
                quoted(&key)
            ),
        );
    }
    let type_name = table.required_text("type");
    let kind = read_kind(table, &key, &type_name);
    let default = read_default(table, &kind);
    Field {
        key,
        kind,
        label: super::read_short(table, "label"),
        help: table.text("help"),
        required: table.flag("required").unwrap_or(false),
        default,
        placeholder: table.text("placeholder"),
    }
}

fn read_kind(table: &Table<'_>, key: &str, type_name: &str) -> FieldKind {
    let text = || TextRule {
        pattern: table.text("pattern"),
        pattern_hint: table.text("pattern_hint"),
        max: table.integer_in("max", 1..=65_536).and_then(|max| u32::try_from(max).ok()),
    };
    if TYPES.contains(&type_name) {
        for (only, types) in TYPE_KEYS {
            if table.has(only) && !types.contains(&type_name) {
                table.error(
                    only,
                    format!("{only} belongs to {}; {} is {type_name}", types.join(", "), quoted(key)),
                );
            }
        }
    }
    match type_name {
        "text" => FieldKind::Text(text()),
        "textarea" => FieldKind::Textarea(text()),
        "email" => FieldKind::Email,
        "number" => {
            let (min, max) = (table.number("min"), table.number("max"));
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                table.error("min", "min is greater than max");
            }
            FieldKind::Number { min, max }
        }
        "bool" => FieldKind::Bool,
        "select" => FieldKind::Select { options: read_options(table) },
        "url" => FieldKind::Url {
            path: table.flag("path").unwrap_or(false),
            starts_with: table.texts("starts_with"),
        },
        "urls" => FieldKind::Urls {
            path: table.flag("path").unwrap_or(false),
            starts_with: table.texts("starts_with"),
        },
        "secret" => read_secret(table, text()),
        "secret-url" => FieldKind::SecretUrl { starts_with: table.texts("starts_with") },
        "dynamic" => {
            if table.name != "[[rule_setting]]" {
                let message = match table.name {
                    "[[setting]]" => {
                        format!(
                            "dynamic fields need saved settings to ask with; move {key} to [[rule_setting]]"
                        )
                    }
                    name => format!("dynamic fields belong to [[rule_setting]], not to {name}"),
                };
                table.error("type", message);
            }
            FieldKind::Dynamic {
                depends_on: table.texts("depends_on"),
                multiple: table.flag("multiple").unwrap_or(false),
            }
        }
        other => {
            if !other.is_empty() {
                table.error("type", unknown_type(other));
            }
            FieldKind::Text(TextRule::default())
        }
    }
}

fn unknown_type(written: &str) -> String {
    let plain = written.to_lowercase();
    if let Some((alias, name)) = TYPE_ALIASES.iter().find(|(alias, _)| *alias == plain) {
        let others = match *alias {
            "yesno" => " (password is secret, dropdown and radio are select)",
            "password" => " (yesno is bool, dropdown and radio are select)",
            "dropdown" | "radio" => " (yesno is bool, password is secret)",
            _ => "",
        };
        return format!("type \"{written}\" is called \"{name}\" here{others}");
    }
    match nearest(written, TYPES.iter().copied()) {
        Some(name) => format!("unknown type \"{written}\"; did you mean \"{name}\"?"),
        None => format!("unknown type \"{written}\"; there are {}", TYPES.join(", ")),
    }
}

fn read_secret(table: &Table<'_>, text: TextRule) -> FieldKind {
    let generate = table.text("generate");
    if let Some(scheme) = &generate
        && scheme != "whsec"
    {
        table.error("generate", format!("generate = \"{scheme}\" is not known; only \"whsec\" is"));
    }
    let overlap_h = table.integer_in("overlap_h", 1..=24 * 90).and_then(|hours| u32::try_from(hours).ok());
    if table.name == "[[widget.preference]]" {
        table.error("type", "a preference is no place for a secret; use [[setting]]");
    }
    FieldKind::Secret { text, starts_with: table.texts("starts_with"), generate, overlap_h }
}

fn read_options(table: &Table<'_>) -> Vec<Choice> {
    let mut options: Vec<Choice> = Vec::new();
    let Some(value) = table.get("options") else {
        table.error("options", "a select has options = [{ value = \"…\", label = \"…\" }, …]");
        return options;
    };
    // A plain list of strings is what most write first, and it is plain enough.
    if let DeValue::Array(items) = value.get_ref()
        && items.iter().all(|item| item.get_ref().is_str())
    {
        options
            .extend(table.texts("options").into_iter().map(|value| Choice { label: value.clone(), value }));
    } else {
        for option in table.tables("options", "options", &["value", "label"]) {
            let value = option.required_text("value");
            let label = option.text("label").unwrap_or_else(|| value.clone());
            options.push(Choice { value, label });
        }
    }
    if options.is_empty() || options.len() > MAX_OPTIONS {
        table.error("options", format!("a select has 1 to {MAX_OPTIONS} options"));
        return Vec::new();
    }
    for (index, option) in options.iter().enumerate() {
        if options[..index].iter().any(|other| other.value == option.value) {
            table.error("options", format!("option \"{}\" is listed twice", quoted(&option.value)));
        }
    }
    options
}

fn read_default(table: &Table<'_>, kind: &FieldKind) -> Option<Value> {
    if !table.has("default") {
        return None;
    }
    match kind {
        FieldKind::Bool => table.flag("default").map(Value::from),
        FieldKind::Number { min, max } => {
            let number = table.number("default")?;
            if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                table.error("default", "default lies outside min and max");
            }
            // Whole numbers stay whole: 50, not 50.0.
            match table.get("default").map(toml::Spanned::get_ref) {
                Some(DeValue::Integer(_)) => table.integer("default").map(Value::from),
                _ => Some(Value::from(number)),
            }
        }
        FieldKind::Select { options } => {
            let value = table.text("default")?;
            if !options.iter().any(|option| option.value == value) {
                table.error("default", format!("default \"{}\" is not among the options", quoted(&value)));
            }
            Some(Value::from(value))
        }
        FieldKind::Urls { .. } => Some(Value::from(table.texts("default"))),
        FieldKind::Secret { .. } | FieldKind::SecretUrl { .. } => {
            table.error("default", "a secret has no default: everybody who has the component could read it");
            None
        }
        FieldKind::Dynamic { .. } => {
            table.error("default", "a dynamic field has no default: its options are not known yet");
            None
        }
        FieldKind::Text(_) | FieldKind::Textarea(_) | FieldKind::Email | FieldKind::Url { .. } => {
            table.text("default").map(Value::from)
        }
    }
}
