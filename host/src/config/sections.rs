//! The sections of the configuration: one struct each, and beside it how it is read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk_core::network::Network;
use serde::Serialize;

use super::reader::{Reader, Section, toml_text};
use super::{Config, PublicUrl, Secret, WebOrigin};
use crate::mail::{Override, templates::files};

/// `None` when something required could not be understood; the reader knows what.
pub(super) fn read(reader: &mut Reader) -> Option<Config> {
    let mut top = reader.section("");
    let listen = top.parsed("listen", Some("127.0.0.1:8080"), |text| {
        text.parse().map_err(|_| {
            "must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned()
        })
    });
    let data = top.file("data", Some("./data"));
    let database = Database::read(&mut top, data.as_deref());
    let configured_public_url = top.parsed("public_url", None, PublicUrl::parse);
    let cors_origins = WebOrigin::read(&mut top);
    let trusted_proxies =
        top.list("trusted_proxies", |text| text.parse::<Network>().map_err(|error| error.to_string()));
    let plugins = top.file("plugins", None);
    let company_name = top.parsed("company_name", Some("Frontdesk"), line_of_text);
    let mail_templates = mail_templates(&mut top);

    let smtp = Smtp::read(reader.section("smtp"));
    let mailer = Mailer::read(reader);
    let limits = Limits::read(reader.section("limits"));
    let log = Log::read(reader.section("log"));
    let plugin_limits = PluginLimits::read(reader.section("plugin_limits"));
    let database_pool = DatabasePool::read(reader.section("database_pool"));
    Some(Config {
        listen: listen?,
        data: data?,
        database: database?,
        configured_public_url,
        cors_origins,
        trusted_proxies,
        plugins,
        company_name: company_name?,
        mail_templates,
        smtp,
        mailer: mailer?,
        limits,
        log: log?,
        plugin_limits,
        database_pool,
    })
}

/// The texts themselves: what is wrong in them is as wrong as the rest of the configuration.
fn mail_templates(top: &mut Section<'_>) -> Vec<Override> {
    let Some(directory) = top.file("mail_templates", None) else { return Vec::new() };
    files::read(&directory).unwrap_or_else(|mistakes| {
        for mistake in mistakes {
            top.conflict(&["mail_templates"], format!("mail_templates: {mistake}"));
        }
        Vec::new()
    })
}

/// Which database holds everything.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    /// The URL as given; it may hold a password.
    Postgres(Secret),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(url) => write!(f, "Postgres({})", without_password(url.expose())),
        }
    }
}

impl Database {
    fn read(top: &mut Section<'_>, data: Option<&Path>) -> Option<Self> {
        let Some(url) = top.secret("database", |url| toml_text(&without_password(url))) else {
            return data.map(|data| Self::Sqlite(data.join("frontdesk.db")));
        };
        match Self::parse(&url) {
            Ok(database) => Some(database),
            Err(message) => {
                top.conflict(&["database", "database_file"], format!("database {message}"));
                None
            }
        }
    }

    fn parse(url: &Secret) -> Result<Self, String> {
        let text = url.expose();
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("names no file; write sqlite:FILE".to_owned()),
                ":memory:" => Err("in memory would forget everything; write sqlite:FILE".to_owned()),
                path if path.contains('?') => {
                    Err("takes no options for SQLite; write sqlite:FILE".to_owned())
                }
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            };
        }
        // The text is never repeated: it may hold a password.
        match url::Url::parse(text) {
            Ok(parsed) if matches!(parsed.scheme(), "postgres" | "postgresql") => Ok(Self::Postgres(url.clone())),
            Ok(_) | Err(_) => {
                Err("must be sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME (with %XX for signs such as @ and /)"
                    .to_owned())
            }
        }
    }
}

/// What may be shown of a database URL: no password, neither before the host nor among the options.
fn without_password(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let Ok(mut parsed) = url::Url::parse(url) else { return "(hidden)".to_owned() };
    if parsed.password().is_some() && parsed.set_password(Some("hidden")).is_err() {
        return "(hidden)".to_owned();
    }
    let had_query = parsed.query().is_some();
    parsed.set_query(None);
    format!("{parsed}{}", if had_query { "?…" } else { "" })
}

/// An SMTP server that takes the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    pub login: Option<SmtpLogin>,
    /// PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// For connecting and for each command.
    pub timeout: Duration,
    /// Connections kept open at most.
    pub connections: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpLogin {
    pub username: String,
    pub password: Secret,
}

/// How the connection is protected. None of them is ever downgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    None,
    StartTls,
    Tls,
}

impl Smtp {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let host = section.parsed("host", None, |text| {
            let bad = text.is_empty() || text.contains(['/', '@', ' ']) || text.chars().any(char::is_control);
            if bad { Err("must be a host name or an IP address".to_owned()) } else { Ok(text.to_owned()) }
        });
        let port = section.optional_number("port", 1..=65535);
        let tls = section.parsed("tls", Some("starttls"), |text| match text {
            "starttls" => Ok(SmtpTls::StartTls),
            "tls" => Ok(SmtpTls::Tls),
            "none" => Ok(SmtpTls::None),
            _ => Err("must be \"starttls\", \"tls\" or \"none\"".to_owned()),
        });
        let username = section.parsed("username", None, line_of_text);
        let password = section.secret("password", |_| "(hidden)".to_owned());
        let ca_file = section.file("ca_file", None);
        let timeout_s = section.number("timeout_s", 30, 1..=600);
        let connections = section.number("connections", 4, 1..=100);
        let set = section.set_keys();
        let is_set = |key: &str| set.iter().any(|set| set == key);
        if !set.is_empty() && !is_set("host") {
            let keys: Vec<_> = set.iter().map(String::as_str).collect();
            section.conflict(&keys, "smtp.host is missing; without it mail stays in the built-in mailbox");
        }
        if is_set("username") != (is_set("password") || is_set("password_file")) {
            let message = "smtp.username and smtp.password belong together; give both or none";
            section.conflict(&["username", "password", "password_file"], message);
        }
        let tls = tls?;
        let usual_port = match tls {
            SmtpTls::StartTls => 587,
            SmtpTls::Tls => 465,
            SmtpTls::None => 25,
        };
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(usual_port);
        let login = username.zip(password).map(|(username, password)| SmtpLogin { username, password });
        Some(Self {
            host: host?,
            port,
            tls,
            login,
            ca_file,
            timeout: Duration::from_secs(timeout_s),
            connections: u32::try_from(connections).ok()?,
        })
    }
}

/// Which plugin composes the system's own mail (invitations, resets) and sees its links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailer {
    pub plugin: String,
    sender_name: Option<String>,
    sender_address: Option<String>,
    reply_to: Option<String>,
}

/// The settings document the mailer is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailerSettings {
    pub sender_name: String,
    pub sender_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

impl Mailer {
    fn read(reader: &mut Reader) -> Option<Self> {
        let plugin = reader.section("mailer").parsed("plugin", Some("email"), |text| {
            let fits = text.starts_with(|c: char| c.is_ascii_lowercase())
                && (2..=41).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if fits {
                Ok(text.to_owned())
            } else {
                Err("must be the id of a plugin, such as \"email\"".to_owned())
            }
        });
        let mut section = reader.section("mailer.settings");
        let sender_name = section.parsed("sender_name", None, line_of_text);
        let sender_address = section.parsed("sender_address", None, mail_address);
        let reply_to = section.parsed("reply_to", None, mail_address);
        Some(Self { plugin: plugin?, sender_name, sender_address, reply_to })
    }

    pub(super) fn settings(&self, company_name: &str, public_url: &PublicUrl) -> MailerSettings {
        let default_address = || {
            let domain = public_url.domain().unwrap_or("localhost").trim_end_matches('.');
            let address = format!("frontdesk@{domain}");
            // A host name that no mail address can hold must not stop every mail.
            mail_address(&address).unwrap_or_else(|_| "frontdesk@localhost".to_owned())
        };
        MailerSettings {
            sender_name: self.sender_name.clone().unwrap_or_else(|| company_name.to_owned()),
            sender_address: self.sender_address.clone().unwrap_or_else(default_address),
            reply_to: self.reply_to.clone(),
        }
    }
}

/// What one HTTP request may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Request body, in bytes.
    pub body: usize,
    /// From the first byte of a request to the last of its answer.
    pub request: Duration,
    /// For requests and deliveries in flight when the service is told to stop.
    pub shutdown: Duration,
}

impl Limits {
    fn read(mut section: Section<'_>) -> Self {
        let body_kib = section.number("body_kib", 1024, 1..=65_536);
        Self {
            body: usize::try_from(body_kib * 1024).unwrap_or(usize::MAX),
            request: Duration::from_secs(section.number("request_s", 30, 1..=600)),
            shutdown: Duration::from_secs(section.number("shutdown_s", 20, 1..=600)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A level, or `target=level` directives separated by commas, as tracing's `EnvFilter` reads them.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Log {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let format = section.parsed("format", Some("text"), |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\"".to_owned()),
        });
        let level =
            section.parsed("level", Some("info"), |text| {
                match tracing_subscriber::EnvFilter::try_new(text) {
                    Ok(_) if is_level_list(text) => Ok(text.to_owned()),
                    Ok(_) | Err(_) => Err("must be error, warn, info, debug, trace or off, or such as \
                                       \"info,frontdesk::delivery=debug\""
                        .to_owned()),
                }
            });
        Some(Self { format: format?, level: level? })
    }
}

/// `EnvFilter` takes any bare word for a target to be traced in full; here it is a misspelt level.
fn is_level_list(text: &str) -> bool {
    let level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let part = |part: &str| match part.rsplit_once('=') {
        Some((target, word)) => !target.is_empty() && level(word),
        None => level(part),
    };
    text.split(',').all(|text| part(text.trim()))
}

/// What compiling and running plugins may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// CPU time of the child that compiles one component.
    pub compile_cpu: Duration,
    pub compile_wall: Duration,
    /// Memory of that child, in bytes.
    pub compile_memory: u64,
}

impl PluginLimits {
    fn read(mut section: Section<'_>) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            compile_cpu: Duration::from_secs(section.number("compile_cpu_s", 60, 1..=3600)),
            compile_wall: Duration::from_secs(section.number("compile_wall_s", 120, 1..=3600)),
            compile_memory: section.number("compile_memory_mib", 2048, 256..=65_536) * MIB,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabasePool {
    /// Connections that read, beside the one that writes (SQLite).
    pub readers: u32,
    /// Connections for everything (PostgreSQL).
    pub connections: u32,
    /// For a free connection or a lock, before a request is told to try again.
    pub wait: Duration,
}

impl DatabasePool {
    fn read(mut section: Section<'_>) -> Self {
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            readers: count(section.number("readers", 4, 1..=64)),
            connections: count(section.number("connections", 10, 2..=500)),
            wait: Duration::from_secs(section.number("wait_s", 5, 1..=60)),
        }
    }
}

/// One line that may stand in a mail header.
fn line_of_text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        text if text.chars().any(char::is_control) => Err("must be a single line".to_owned()),
        text if text.chars().count() > 100 => Err("must have at most 100 characters".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn mail_address(text: &str) -> Result<String, String> {
    match text.trim().parse::<lettre::Address>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err("must be a mail address alone, such as frontdesk@example.com".to_owned()),
    }
}
