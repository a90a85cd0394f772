//! What a component asks for and offers, by name, and whether that is ours. Read without compiling anything.
//!
//! A component that imports anything else is refused here, before linking, with a sentence its author can act on.

use wasmparser::{Encoding, Parser, Payload};

use super::manifest::{API_TRACK, Manifest};

/// The names at the outermost level of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Why a component does not fit this host, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    #[error("the component is malformed: {0}")]
    Malformed(String),
    #[error("{0}")]
    Refused(String),
}

/// Ours have a dozen; a hostile component has millions, each of them a name to keep.
const MAX_NAMES: usize = 1_000;

const PACKAGE: &str = "frontdesk:plugin/";

/// `types` carries no functions; it is imported by whoever imports or exports something that uses it.
const PROVIDED: [&str; 8] = ["types", "log", "clock", "random", "mail", "service", "notifier", "widget"];
/// In the WIT package, so guests can be built against them, but not served by this version.
const NOT_YET: [&str; 2] = ["http", "store"];

/// The imports and exports of a component.
///
/// # Errors
/// If the bytes are not a component.
pub fn inspect(component: &[u8]) -> Result<Interface, InterfaceError> {
    let mut interface = Interface::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(InterfaceError::Malformed("it is a module, not a component".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    push(&mut interface.imports, import.map_err(malformed)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    push(&mut interface.exports, export.map_err(malformed)?.name.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(interface)
}

fn push(names: &mut Vec<String>, name: &str) -> Result<(), InterfaceError> {
    if names.len() == MAX_NAMES {
        return Err(InterfaceError::Malformed(format!("more than {MAX_NAMES} imports or exports")));
    }
    names.push(name.to_owned());
    Ok(())
}

fn malformed(error: wasmparser::BinaryReaderError) -> InterfaceError {
    InterfaceError::Malformed(error.to_string())
}

impl Interface {
    /// # Errors
    /// The first import that this host does not provide, and what removes it.
    pub fn check_imports(&self) -> Result<(), InterfaceError> {
        self.imports.iter().try_for_each(|import| check_import(import).map_err(InterfaceError::Refused))
    }

    /// # Errors
    /// If the manifest's tables and the exports differ, in either direction.
    pub fn check_exports(&self, manifest: &Manifest) -> Result<(), InterfaceError> {
        for (_, version) in self.exports.iter().filter_map(|export| parse_ours(export)) {
            check_track(version).map_err(InterfaceError::Refused)?;
        }
        let refuse = |message: &str| Err(InterfaceError::Refused(message.to_owned()));
        match (manifest.notifier.is_some(), self.exports_interface("notifier")) {
            (true, false) => {
                return refuse(
                    "plugin.toml has [notifier], but the component exports no notifier; export it (Rust: frontdesk_plugin_sdk::notifier!(…)), or remove [notifier]",
                );
            }
            (false, true) => {
                return refuse(
                    "the component exports a notifier, but plugin.toml has no [notifier]; add it, or remove the export",
                );
            }
            _ => {}
        }
        match (!manifest.widgets.is_empty(), self.exports_interface("widget")) {
            (true, false) => refuse(
                "plugin.toml has [[widget]], but the component exports no widget; export it (Rust: frontdesk_plugin_sdk::widget!(…)), or remove [[widget]]",
            ),
            (false, true) => refuse(
                "the component exports a widget, but plugin.toml has no [[widget]]; add one with id and title, or remove the export",
            ),
            _ => Ok(()),
        }
    }

    fn exports_interface(&self, name: &str) -> bool {
        self.exports.iter().any(|export| parse_ours(export).is_some_and(|(interface, _)| interface == name))
    }
}

/// The track of a version: 0.1 of 0.1.3.
fn check_track(version: Option<&str>) -> Result<(), String> {
    let version = version.unwrap_or_default();
    let track = version.rsplit_once('.').map_or(version, |(track, _)| track);
    if track == API_TRACK {
        return Ok(());
    }
    Err(format!("built for {}, this Frontdesk speaks {API_TRACK}; rebuild or upgrade", shown(track)))
}

/// A name out of a component, for a sentence: it may be anything.
fn shown(name: &str) -> String {
    name.chars().take(120).flat_map(char::escape_debug).collect()
}

/// Interface and version of a name of our package: `frontdesk:plugin/log@0.1.0`.
fn parse_ours(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').map_or((rest, None), |(interface, version)| (interface, Some(version))))
}

fn check_import(import: &str) -> Result<(), String> {
    if let Some((interface, version)) = parse_ours(import) {
        check_track(version)?;
        if NOT_YET.contains(&interface) {
            return Err(format!(
                "imports {PACKAGE}{interface}, which this version of Frontdesk does not provide yet"
            ));
        }
        if PROVIDED.contains(&interface) {
            return Ok(());
        }
        let interface = shown(interface);
        return Err(format!(
            "imports {PACKAGE}{interface}, which this version of Frontdesk does not know; upgrade"
        ));
    }
    Err(format!("imports {}, which plugins do not get: {}", shown(import), remedy(import)))
}

/// What brings an import in, and the flag or crate that removes it.
fn remedy(import: &str) -> &'static str {
    /// (part of the name, remedy), the first that fits.
    const REMEDIES: [(&str, &str); 11] = [
        ("wasi:cli/environment", "there is no environment; declare a [[setting]] and read it from settings"),
        ("wasi:filesystem", "there is no file system; keep what must last in store, embed what is fixed"),
        ("wasi:sockets", "there are no sockets; declare [[http]] and call it through http"),
        ("wasi:http", "declare [[http]] and call it through frontdesk:plugin/http"),
        (
            "wasi:clocks",
            "take the time from clock (Rust: frontdesk::now(); std's SystemTime and Instant cannot work)",
        ),
        (
            "wasi:random",
            "take randomness from random (Rust: the SDK's getrandom backend; not wasm32-wasip2's)",
        ),
        ("wasi_snapshot_preview1", WASI),
        ("wasi:", WASI),
        (
            "wbindgen",
            "it comes from wasm-bindgen; switch off the crate feature that wants a browser (getrandom \"wasm_js\", chrono \"wasmbind\", uuid \"js\")",
        ),
        ("env", "a C symbol is missing at link time; link the library that defines it or remove its caller"),
        ("", "only frontdesk:plugin/… exists in the sandbox; remove what imports it"),
    ];
    const WASI: &str = "there is no WASI; Rust: build for wasm32-unknown-unknown instead of wasm32-wasip1 or -wasip2; \
                        JavaScript: componentize-qjs --stub-wasi; Python: componentize-py --stub-wasi";
    REMEDIES.iter().find(|(part, _)| import.contains(part)).map_or(WASI, |(_, remedy)| remedy)
}
