//! A plugin in words, for the terminal of whoever decides about it.

use std::fmt::{self, Display, Formatter};

use sha2::{Digest, Sha256};

use super::Size;
use crate::plugins::interface::Interface;
use crate::plugins::manifest::{
    Address, Cache, Credential, Field, FieldKind, Limits, Manifest, Notifier, Permission, Widget,
};

/// One line per fact, each below the other, what belongs together under one word.
#[derive(Debug)]
pub(super) struct Description<'p> {
    pub(super) component: &'p [u8],
    pub(super) manifest: &'p Manifest,
    pub(super) interface: &'p Interface,
}

impl Display for Description<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Manifest { id, name, version, api, notifier, widgets, settings, rule_settings, .. } =
            self.manifest;
        writeln!(f, "{}", printable(&format!("{id} {version}  {name}")))?;
        section(f, "api", [api])?;
        section(f, "sha256", [data_encoding::HEXLOWER.encode(&Sha256::digest(self.component))])?;
        section(f, "size", [Size(self.component.len())])?;
        let notifiers = notifier.iter().map(notifier_line);
        section(f, "provides", notifiers.chain(widgets.iter().map(widget_line)))?;
        section(f, "settings", settings.iter().map(field_line))?;
        section(f, "rules", rule_settings.iter().map(field_line))?;
        let preferences = widgets.iter().flat_map(|widget| &widget.preferences);
        section(f, "viewers", preferences.map(field_line))?;
        section(f, "asks for", self.requests())?;
        section(f, "limits", [limits_line(&self.manifest.limits)])?;
        section(f, "imports", &self.interface.imports)?;
        section(f, "exports", &self.interface.exports)
    }
}

impl Description<'_> {
    /// All that an admin approves.
    fn requests(&self) -> Vec<String> {
        let manifest = self.manifest;
        let mut requests: Vec<String> = manifest.http.iter().map(address_line).collect();
        if manifest.notifier.as_ref().is_some_and(|notifier| notifier.email) {
            requests.push("mail to the addresses of its deliveries".to_owned());
        }
        for widget in &manifest.widgets {
            requests.extend(
                widget.reads.iter().map(|path| format!("GET {path} of the service, for {}", widget.id)),
            );
        }
        for Permission { slug, sentence, .. } in &manifest.permissions {
            requests.push(format!("a new permission {slug}: {sentence}"));
        }
        if requests.is_empty() {
            requests.push("nothing".to_owned());
        }
        requests
    }
}

fn section<T: Display>(f: &mut Formatter<'_>, word: &str, lines: impl IntoIterator<Item = T>) -> fmt::Result {
    let mut word = word;
    for line in lines {
        writeln!(f, "{word:<9} {}", printable(&line.to_string()))?;
        word = "";
    }
    Ok(())
}

/// A manifest's texts are a stranger's: none may begin a line, move the cursor, colour what comes after, or turn
/// the direction of writing.
pub(super) fn printable(text: &str) -> String {
    let drives = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if drives(c) { '\u{fffd}' } else { c }).collect()
}

fn notifier_line(notifier: &Notifier) -> String {
    let mut line = "notifier".to_owned();
    if notifier.email {
        line += " to email addresses; may be chosen as the mailer";
    }
    if let (Some(target), Some(rate)) = (&notifier.target, notifier.per_target) {
        line += &format!("; deliveries to one {target} are limited to {} in {} s", rate.count, rate.seconds);
    }
    line
}

fn widget_line(widget: &Widget) -> String {
    let Widget { id, title, columns, cache, cache_s, permission, actions, .. } = widget;
    let mut line = format!("widget {id} \"{title}\", {columns} wide");
    line += &match cache {
        Cache::Shared => format!(", kept {cache_s} s for everybody"),
        Cache::Viewer => format!(", kept {cache_s} s for each viewer"),
        Cache::None => ", drawn each time".to_owned(),
    };
    if let Some(permission) = permission {
        line += &format!(", for those with {permission}");
    }
    if !actions.is_empty() {
        line += &format!("; acts on {}", actions.join(", "));
    }
    line
}

fn field_line(field: &Field) -> String {
    let kind = match &field.kind {
        FieldKind::Text(_) => "text",
        FieldKind::Textarea(_) => "textarea",
        FieldKind::Email => "email",
        FieldKind::Number { .. } => "number",
        FieldKind::Bool => "bool",
        FieldKind::Select { .. } => "select",
        FieldKind::Url { .. } => "url",
        FieldKind::Urls { .. } => "urls",
        FieldKind::Secret { .. } => "secret",
        FieldKind::SecretUrl { .. } => "secret-url",
        FieldKind::Dynamic { .. } => "dynamic",
    };
    let required = if field.required { ", required" } else { "" };
    format!("{}, {kind}{required}: {}", field.key, field.label)
}

fn address_line(address: &Address) -> String {
    let Address { url, methods, reason, credential } = address;
    let line = format!("{} {url} to {reason}", methods.join(", "));
    let names = |names: Vec<&str>| names.join(", ");
    match credential {
        None => line,
        Some(Credential::Headers(headers)) => {
            format!("{line}, with the header {}", names(headers.keys().map(String::as_str).collect()))
        }
        Some(Credential::Basic(_)) => format!("{line}, with a login"),
        Some(Credential::Query(query)) => {
            format!("{line}, with {} in the query", names(query.keys().map(String::as_str).collect()))
        }
        Some(Credential::Form(fields)) => {
            format!("{line}, with {} in the form", names(fields.keys().map(String::as_str).collect()))
        }
        Some(Credential::Json(fields)) => {
            format!("{line}, with {} in the body", names(fields.keys().map(String::as_str).collect()))
        }
        Some(Credential::Sign { key, .. }) => format!("{line}, signed with {key}"),
    }
}

fn limits_line(limits: &Limits) -> String {
    let Limits { cpu_ms, wall_ms, memory_mb } = limits;
    format!("a call: {cpu_ms} ms CPU, {wall_ms} ms in all, {memory_mb} MB memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_drive_the_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\rc\u{9b}d\ne\u{202e}f"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f"
        );
    }
}
