//! `plugin.toml`: what a plugin is, what it may be set to, and what it asks for.
//!
//! The manifest travels inside the component ([`SECTION`]) and is read without running anything. Admins approve
//! what it says, so it is read strictly: an unknown key is a mistake, and each mistake is told with its line.

mod address;
mod field;
mod reader;
mod section;
mod widget;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use toml::de::DeTable;

pub use address::{Address, Credential, SignScheme};
pub use field::{Choice, Field, FieldKind, TextRule};
pub use section::{MAX_MANIFEST_BYTES, SECTION, SectionError, embed, read_section};
pub use widget::{Cache, Widget};

use frontdesk_core::roles::Permission as Known;
use reader::{Source, Table, quoted};

/// The track of the WIT package that this Frontdesk serves.
pub const API_TRACK: &str = "0.1";

/// A whole `plugin.toml`, checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// `[a-z][a-z0-9-]{1,40}`; what an installation knows the plugin by.
    pub id: String,
    pub name: String,
    pub version: String,
    /// Always [`API_TRACK`]: other tracks are refused before anything else is looked at.
    pub api: String,
    /// A PNG file beside `plugin.toml`.
    pub icon: Option<String>,
    pub notifier: Option<Notifier>,
    pub widgets: Vec<Widget>,
    pub settings: Vec<Field>,
    pub rule_settings: Vec<Field>,
    pub http: Vec<Address>,
    pub permissions: Vec<Permission>,
    pub limits: Limits,
}

/// `[notifier]`: the plugin delivers notifications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notifier {
    /// `addresses = "email"`: it is given recipients, may use `mail` and may be chosen as the mailer.
    pub email: bool,
    /// The setting or rule setting whose value says where a delivery goes.
    pub target: Option<String>,
    pub per_target: Option<Rate>,
}

/// `"1/s"`, `"20/m"`, `"100/h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    pub count: u32,
    pub seconds: u32,
}

/// `[[permission]]`: a permission that the plugin adds to the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Permission {
    pub slug: String,
    pub label: String,
    pub group: String,
    pub sentence: String,
}

/// `[limits]`: what one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Time on the processor, in steps of 2 ms.
    pub cpu_ms: u32,
    /// Time from start to answer, waiting included.
    pub wall_ms: u32,
    /// All memories of the call together.
    pub memory_mb: u32,
}

impl Limits {
    /// What `[limits]` may ask for at most.
    pub const MAX: Self = Self { cpu_ms: 10_000, wall_ms: 60_000, memory_mb: 512 };
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpu_ms: 500, wall_ms: 15_000, memory_mb: 64 }
    }
}

/// One mistake and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin.toml:{}: {}", self.line, self.message)
    }
}

/// Every mistake of a manifest, in the order of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestErrors {}

const ROOT_KEYS: [&str; 12] = [
    "id",
    "name",
    "version",
    "api",
    "icon",
    "notifier",
    "widget",
    "setting",
    "rule_setting",
    "http",
    "permission",
    "limits",
];

impl Manifest {
    /// # Errors
    /// Every mistake with its line; if it was written for another track of the interface, only that.
    pub fn parse(text: &str) -> Result<Self, ManifestErrors> {
        let source = Source::new(text);
        let (root, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            for error in &syntax {
                source.error(&error.span().unwrap_or(0..0), error.message());
            }
            return Err(source.into_errors());
        }
        let manifest = read(&source, root.get_ref());
        if source.is_clean() { Ok(manifest) } else { Err(source.into_errors()) }
    }

    /// The widget of that id.
    #[must_use]
    pub fn widget(&self, id: &str) -> Option<&Widget> {
        self.widgets.iter().find(|widget| widget.id == id)
    }
}

fn read<'s>(source: &'s Source, entries: &'s DeTable<'s>) -> Manifest {
    // Another track knows other keys: its manifest must not be judged by this one's.
    let track = Table::open_map(source, "plugin.toml", 0..0, entries);
    let api = if track.has("api") { track.required_text("api") } else { API_TRACK.to_owned() };
    if api != API_TRACK {
        if is_track(&api) {
            let newer = format!("built for {api}, this Frontdesk speaks {API_TRACK}; rebuild or upgrade");
            track.error("api", newer);
        } else {
            track.error("api", format!("api must be a track such as \"{API_TRACK}\""));
        }
        return Manifest::empty();
    }

    let root = Table::open(source, "plugin.toml", 0..0, entries, &ROOT_KEYS);
    let settings = field::read_all(&root, "setting", "[[setting]]");
    let rule_settings = field::read_all(&root, "rule_setting", "[[rule_setting]]");
    field::check_unique(&root, &settings, &rule_settings);
    let fields = address::Fields { settings: &settings, rule_settings: &rule_settings };
    let manifest = Manifest {
        id: read_id(&root, "id"),
        name: read_short(&root, "name"),
        version: read_version(&root),
        api,
        icon: read_icon(&root),
        notifier: read_notifier(&root, &fields),
        widgets: widget::read_all(&root),
        http: address::read_all(&root, &fields),
        permissions: read_permissions(&root),
        limits: read_limits(&root),
        settings,
        rule_settings,
    };
    if !root.has("notifier") && !root.has("widget") {
        root.error("", "declares neither [notifier] nor [[widget]]; say which of them it provides");
    }
    if manifest.notifier.is_none() && !manifest.rule_settings.is_empty() && !root.has("notifier") {
        root.error(
            "rule_setting",
            "[[rule_setting]] belongs to a notifier; add [notifier] or write [[setting]]",
        );
    }
    manifest
}

impl Manifest {
    fn empty() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            version: String::new(),
            api: String::new(),
            icon: None,
            notifier: None,
            widgets: Vec::new(),
            settings: Vec::new(),
            rule_settings: Vec::new(),
            http: Vec::new(),
            permissions: Vec::new(),
            limits: Limits::default(),
        }
    }
}

fn is_track(api: &str) -> bool {
    !api.is_empty() && api.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// `[a-z][a-z0-9-]{1,40}`: plugins and widgets.
fn read_id(table: &Table<'_>, key: &str) -> String {
    let id = table.required_text(key);
    let good = (2..=41).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !good && !id.is_empty() {
        table.error(
            key,
            format!(
                "{key} \"{}\" must be 2 to 41 of a-z, 0-9 and \"-\", beginning with a letter",
                quoted(&id)
            ),
        );
    }
    id
}

/// A name in a list or on a button.
fn read_short(table: &Table<'_>, key: &str) -> String {
    let text = table.required_text(key);
    if text.chars().count() > 80 {
        table.error(key, format!("{key} is longer than 80 characters"));
    }
    if text.contains(['\n', '\t']) {
        table.error(key, format!("{key} must be one line"));
    }
    text
}

fn read_version(root: &Table<'_>) -> String {
    let version = root.required_text("version");
    let (numbers, suffix) = version.split_once(['-', '+']).map_or((version.as_str(), "x"), |(n, s)| (n, s));
    let good = numbers.split('.').count() == 3
        && numbers.split('.').all(|n| n.parse::<u32>().is_ok() && n.bytes().all(|b| b.is_ascii_digit()))
        && !suffix.is_empty()
        && suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b));
    if !good && !version.is_empty() {
        root.error(
            "version",
            format!("version \"{}\" must have three numbers, such as \"1.0.0\"", quoted(&version)),
        );
    }
    version
}

fn read_icon(root: &Table<'_>) -> Option<String> {
    let icon = root.text("icon")?;
    let plain = !icon.contains(['/', '\\']) && icon.to_ascii_lowercase().ends_with(".png") && icon.len() > 4;
    if !plain {
        root.error("icon", "icon must be a PNG file beside plugin.toml, such as \"icon.png\"");
    }
    Some(icon)
}

fn read_notifier(root: &Table<'_>, fields: &address::Fields<'_>) -> Option<Notifier> {
    let table = root.table("notifier", "[notifier]", &["addresses", "target", "per_target"])?;
    let email = match table.text("addresses").as_deref() {
        None => false,
        Some("email") => true,
        Some(other) => {
            table.error(
                "addresses",
                format!(
                    "addresses = \"{}\" is not known; only \"email\" is, leave it out otherwise",
                    quoted(other)
                ),
            );
            false
        }
    };
    let target = table.text("target");
    if let Some(target) = &target {
        fields.check_known(&table, "target", target);
    }
    let per_target = table.text("per_target").and_then(|rate| {
        let parsed = parse_rate(&rate);
        if parsed.is_none() {
            let wanted = "a count per second, minute or hour: \"1/s\", \"20/m\", \"100/h\"";
            table.error("per_target", format!("per_target \"{}\" must be {wanted}", quoted(&rate)));
        }
        parsed
    });
    if per_target.is_some() && target.is_none() {
        table.error(
            "per_target",
            "per_target limits deliveries to one target; add target = \"…\", the setting that names it",
        );
    }
    Some(Notifier { email, target, per_target })
}

fn parse_rate(rate: &str) -> Option<Rate> {
    let (count, unit) = rate.split_once('/')?;
    let count = count.trim().parse::<u32>().ok().filter(|count| (1..=10_000).contains(count))?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Rate { count, seconds })
}

fn read_permissions(root: &Table<'_>) -> Vec<Permission> {
    let mut permissions: Vec<Permission> = Vec::new();
    for table in root.tables("permission", "[[permission]]", &["slug", "label", "group", "sentence"]) {
        let slug = table.required_text("slug");
        if !slug.is_empty() && !is_slug(&slug) {
            table.error("slug", format!("slug \"{}\" must be words of a-z, 0-9 and \"-\" joined by dots, such as \"registrar.balance\"", quoted(&slug)));
        }
        if permissions.iter().any(|permission| permission.slug == slug) {
            table.error("slug", format!("permission {} is declared twice", quoted(&slug)));
        }
        if Known::ALL.iter().any(|known| known.slug() == slug) {
            // Declared anew, it would read as something else to whoever approves it.
            let hint = "name it in a [[widget]], or declare one under a word of your own";
            table.error("slug", format!("permission {slug} is Frontdesk's own; {hint}"));
        }
        permissions.push(Permission {
            label: read_short(&table, "label"),
            group: read_short(&table, "group"),
            sentence: table.required_text("sentence"),
            slug,
        });
    }
    permissions
}

/// `staff.view`, `registrar.balance`.
fn is_slug(slug: &str) -> bool {
    slug.len() <= 80
        && slug.contains('.')
        && slug.split('.').all(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        })
}

fn read_limits(root: &Table<'_>) -> Limits {
    let default = Limits::default();
    let Some(table) = root.table("limits", "[limits]", &["cpu_ms", "wall_ms", "memory_mb"]) else {
        return default;
    };
    let read = |key: &str, default: u32, min: u32, max: u32| {
        table
            .integer_in(key, min.into()..=max.into())
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(default)
    };
    Limits {
        cpu_ms: read("cpu_ms", default.cpu_ms, 2, Limits::MAX.cpu_ms),
        wall_ms: read("wall_ms", default.wall_ms, 10, Limits::MAX.wall_ms),
        memory_mb: read("memory_mb", default.memory_mb, 1, Limits::MAX.memory_mb),
    }
}
