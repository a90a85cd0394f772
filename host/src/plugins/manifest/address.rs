//! `[[http]]`: the addresses that a plugin may call, each carrying its credential.

use std::collections::BTreeMap;

use serde::Serialize;

use super::field::{Field, FieldKind};
use super::reader::{Table, nearest, quoted};

/// One address, for the admin to approve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Address {
    /// A prefix that ends in "/", or one setting that is a whole address. May hold `{key}`.
    pub url: String,
    /// Upper case.
    pub methods: Vec<String>,
    /// The admin reads it before approving.
    pub reason: String,
    pub credential: Option<Credential>,
}

/// What the host adds to each request to an address. The texts may hold `{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    Headers(BTreeMap<String, String>),
    /// `user:password`, before base64.
    Basic(String),
    Query(BTreeMap<String, String>),
    Form(BTreeMap<String, String>),
    Json(BTreeMap<String, String>),
    Sign {
        scheme: SignScheme,
        key: String,
    },
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignScheme {
    /// webhook-id, webhook-timestamp and webhook-signature, as standardwebhooks.com has them.
    StandardWebhooks,
}

/// What `{key}` may mean.
pub(super) struct Fields<'f> {
    pub(super) settings: &'f [Field],
    pub(super) rule_settings: &'f [Field],
}

impl Fields<'_> {
    fn find(&self, key: &str) -> Option<&Field> {
        self.settings.iter().chain(self.rule_settings).find(|field| field.key == key)
    }

    pub(super) fn check_known(&self, table: &Table<'_>, at: &str, key: &str) {
        if self.find(key).is_some() {
            return;
        }
        let known = self.settings.iter().chain(self.rule_settings).map(|field| field.key.as_str());
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("declare a [[setting]] with key = \"{}\"", quoted(key)),
        };
        table.error(at, format!("{} names {}, which is no setting; {hint}", quoted(at), quoted(key)));
    }
}

const CREDENTIALS: [&str; 6] = ["headers", "basic", "query", "form", "json", "sign"];
const KNOWN: [&str; 9] = ["url", "methods", "reason", "headers", "basic", "query", "form", "json", "sign"];
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/// They belong to the connection, which is the host's.
const CONNECTION_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const MAX_ADDRESSES: usize = 50;

pub(super) fn read_all(root: &Table<'_>, fields: &Fields<'_>) -> Vec<Address> {
    let tables = root.tables("http", "[[http]]", &KNOWN);
    if tables.len() > MAX_ADDRESSES {
        root.error("http", format!("more than {MAX_ADDRESSES} of [[http]]"));
        return Vec::new();
    }
    let mut addresses: Vec<Address> = Vec::with_capacity(tables.len());
    for table in &tables {
        let address = read(table, fields);
        if addresses.iter().any(|other| other.url == address.url) && !address.url.is_empty() {
            table.error("url", format!("{} is declared twice; list all its methods once", address.url));
        }
        addresses.push(address);
    }
    addresses
}

fn read(table: &Table<'_>, fields: &Fields<'_>) -> Address {
    let url = table.required_text("url");
    check_url(table, fields, &url);
    let methods = table.texts("methods");
    if methods.is_empty() && !table.has("methods") {
        table.error("methods", format!("[[http]] {url} has no methods; write methods = [\"GET\"]"));
    }
    for method in &methods {
        if !METHODS.contains(&method.as_str()) {
            let hint = match METHODS.iter().find(|known| known.eq_ignore_ascii_case(method)) {
                Some(known) => format!("write \"{known}\""),
                None => format!("there are {}", METHODS.join(", ")),
            };
            table.error("methods", format!("method \"{}\" is not known; {hint}", quoted(method)));
        }
    }
    let reason = if table.has("reason") {
        table.required_text("reason")
    } else {
        table.error("reason", format!("[[http]] {url} has no reason; the admin reads it before approving"));
        String::new()
    };
    Address { url, methods, reason, credential: read_credential(table, fields) }
}

fn read_credential(table: &Table<'_>, fields: &Fields<'_>) -> Option<Credential> {
    let given: Vec<&str> = CREDENTIALS.into_iter().filter(|name| table.has(name)).collect();
    let name = *given.first()?;
    if given.len() > 1 {
        table.error(
            given[1],
            format!("an address carries one credential, this one has {}; keep one", given.join(" and ")),
        );
    }
    match name {
        "headers" => {
            let headers = read_map(table, fields, name)?;
            for header in headers.keys() {
                check_header(table, header);
            }
            Some(Credential::Headers(headers))
        }
        "query" => read_map(table, fields, name).map(Credential::Query),
        "form" => read_map(table, fields, name).map(Credential::Form),
        "json" => read_map(table, fields, name).map(Credential::Json),
        "basic" => {
            let basic = table.text(name)?;
            check_template(table, fields, name, &basic);
            if !basic.contains(':') {
                table.error(name, "basic is \"user:password\", such as \"api:{api_key}\"");
            }
            Some(Credential::Basic(basic))
        }
        _ => {
            let sign = table.table(name, "sign", &["scheme", "key"])?;
            let scheme = sign.required_text("scheme");
            if scheme != "standard-webhooks" && !scheme.is_empty() {
                sign.error(
                    "scheme",
                    format!("scheme \"{scheme}\" is not known; only \"standard-webhooks\" is"),
                );
            }
            let key = sign.required_text("key");
            check_template(&sign, fields, "key", &key);
            Some(Credential::Sign { scheme: SignScheme::StandardWebhooks, key })
        }
    }
}

fn read_map(table: &Table<'_>, fields: &Fields<'_>, name: &'static str) -> Option<BTreeMap<String, String>> {
    let map = table.map(name, name)?;
    let mut texts = BTreeMap::new();
    for key in map.keys() {
        let key = key.get_ref();
        if let Some(text) = map.text(key) {
            check_template(&map, fields, key, &text);
            texts.insert(key.to_string(), text);
        }
    }
    if texts.is_empty() {
        table.error(name, format!("{name} is empty; leave it out"));
    }
    Some(texts)
}

fn check_header(table: &Table<'_>, header: &str) {
    let good = !header.is_empty()
        && header.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if !good {
        let lower = quoted(&header.to_ascii_lowercase());
        let header = quoted(header);
        table.error("headers", format!("header \"{header}\" must be in lower case: \"{lower}\""));
    } else if CONNECTION_HEADERS.contains(&header) {
        table.error("headers", format!("header {header} belongs to the connection; the host sets it"));
    }
}

/// Every `{key}` names a setting, every brace is closed.
fn check_template(table: &Table<'_>, fields: &Fields<'_>, at: &str, text: &str) {
    match placeholders(text) {
        Ok(keys) => keys.into_iter().for_each(|key| fields.check_known(table, at, key)),
        Err(()) => {
            table.error(at, format!("{at} has a brace without its counterpart; {{key}} stands for a setting"))
        }
    }
    if text.chars().any(char::is_control) {
        table.error(at, format!("{at} holds a line break"));
    }
}

fn placeholders(text: &str) -> Result<Vec<&str>, ()> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let inner = rest[at..].strip_prefix('{').ok_or(())?;
        let end = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}')).ok_or(())?;
        keys.push(&inner[..end]);
        rest = &inner[end + 1..];
    }
    Ok(keys)
}

fn check_url(table: &Table<'_>, fields: &Fields<'_>, url: &str) {
    if url.is_empty() {
        return;
    }
    check_template(table, fields, "url", url);
    if let Some(bad) = url.chars().find(|c| "?#@\\".contains(*c) || c.is_whitespace()) {
        table.error("url", format!("{url} holds \"{bad}\"; an address is scheme, host and path"));
        return;
    }
    let rest = if let Some(after) = url.strip_prefix('{') {
        let Some((key, rest)) = after.split_once('}') else { return };
        let Some(field) = fields.find(key) else { return };
        match &field.kind {
            // One setting that is the whole address.
            FieldKind::SecretUrl { .. } | FieldKind::Url { path: true, .. } if rest.is_empty() => return,
            FieldKind::Url { .. } | FieldKind::SecretUrl { .. } => {}
            FieldKind::Select { options } if options.iter().all(|option| is_origin(&option.value)) => {}
            FieldKind::Select { .. } => {
                table.error(
                    "url",
                    format!("the options of {key} must be origins such as \"https://api.example.com\""),
                );
            }
            _ => {
                table.error("url", format!("{url} begins with {key}, which must be of type \"url\""));
                return;
            }
        }
        rest
    } else {
        let Some(after) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
            table.error("url", format!("{url} must begin with https:// or with a setting of type \"url\""));
            return;
        };
        let (host, rest) = after.split_at(after.find('/').unwrap_or(after.len()));
        check_host(table, url, host);
        rest
    };
    if url.split('/').any(|segment| segment == "." || segment == "..") {
        table.error("url", format!("{url} holds a dot segment"));
    } else if rest.is_empty() {
        // Without the slash the host name itself could go on.
        table.error("url", format!("{url} has no \"/\" at its end; write {url}/"));
    } else if !url.ends_with('/') {
        table.error(
            "url",
            format!("{url} has no \"/\" at its end and would also allow {url}docs; write {url}/"),
        );
    }
}

/// A setting may be part of the host ("{team}.example.com"), but the end that decides who owns it is fixed.
fn check_host(table: &Table<'_>, url: &str, host: &str) {
    let fixed = host.rsplit_once('}').map_or(host, |(_, fixed)| fixed);
    let good = if host.contains('{') {
        fixed.starts_with('.') && fixed[1..].contains('.')
    } else {
        !host.is_empty()
    };
    if !good {
        table
            .error("url", format!("{url} leaves the host open; use a setting of type \"url\" for all of it"));
    } else if !fixed.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
        table.error(
            "url",
            format!("{url} has a host that is no name (write international names in punycode)"),
        );
    }
}

fn is_origin(text: &str) -> bool {
    text.strip_prefix("https://")
        .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '\\']))
}
