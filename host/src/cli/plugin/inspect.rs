//! `frontdesk plugin inspect`: what a built plugin is and asks for, without running it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::describe::{Description, printable};
use crate::plugins::MAX_COMPONENT_BYTES;
use crate::plugins::interface::{self, InterfaceError};
use crate::plugins::manifest::{Manifest, ManifestErrors, SectionError, read_section};

/// Show what a built plugin is and asks for, without running it
///
/// Prints id, version and hash, what the plugin provides, its settings, every address, permission and limit
/// it asks for, and what the component imports and exports. Fails, and says why, when a Frontdesk of this version
/// would refuse it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:
  frontdesk plugin inspect target/plugins/slack.wasm")]
pub(super) struct InspectArgs {
    /// A component that `frontdesk plugin build` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Why a component would not be installed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Section(#[from] SectionError),
    #[error("its manifest is wrong:\n{0}")]
    Manifest(#[from] ManifestErrors),
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    #[error("the component has {0} bytes; {MAX_COMPONENT_BYTES} are allowed")]
    TooLarge(usize),
    #[error("the component is not valid WebAssembly: {0}")]
    Invalid(#[from] wasmparser::BinaryReaderError),
}

pub(super) fn run(args: &InspectArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let file = args.file.display();
    let component = match fs::read(&args.file) {
        Ok(component) => component,
        Err(error) => {
            writeln!(err, "{file}: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let refused = inspect(&component, out)?;
    if let Err(refusal) = refused {
        let lines: Vec<String> = refusal.to_string().lines().map(printable).collect();
        writeln!(err, "{file}: {}", lines.join("\n"))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints whatever can be told, then says whether it would be refused.
fn inspect(component: &[u8], out: &mut impl Write) -> io::Result<Result<(), Refusal>> {
    let manifest = match manifest(component) {
        Ok(manifest) => manifest,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let interface = match interface::inspect(component) {
        Ok(interface) => interface,
        Err(error) => return Ok(Err(error.into())),
    };
    let description = Description { component, manifest: &manifest, interface: &interface };
    write!(out, "{description}")?;
    Ok(check(component, &manifest))
}

fn manifest(component: &[u8]) -> Result<Manifest, Refusal> {
    Ok(Manifest::parse(&read_section(component)?)?)
}

/// Whether a component is what its manifest says and fits this version. Nothing of it runs.
pub(super) fn check(component: &[u8], manifest: &Manifest) -> Result<(), Refusal> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(Refusal::TooLarge(component.len()));
    }
    let interface = interface::inspect(component)?;
    interface.check_imports()?;
    interface.check_exports(manifest)?;
    wasmparser::Validator::new().validate_all(component)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::manifest::embed;

    const MANIFEST: &str = r#"
id = "pager"
name = "Pager"
version = "1.2.3"

[notifier]
target = "room"
per_target = "1/s"

[[setting]]
key = "token"
type = "secret"
label = "Token"
required = true

[[rule_setting]]
key = "room"
type = "dynamic"
label = "Room"

[[http]]
url = "https://pager.example/v1/"
methods = ["GET", "POST"]
reason = "list rooms and page people"
headers = { authorization = "Bearer {token}" }
"#;

    const NOTIFIER: &str = r#"(component
        (import "frontdesk:plugin/log@0.1.0" (instance))
        (instance $empty)
        (export "frontdesk:plugin/notifier@0.1.0" (instance $empty)))"#;

    fn inspected(component: &str, manifest: Option<&str>) -> (String, String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pager.wasm");
        let component = wat::parse_str(component).unwrap();
        let component = manifest.map_or(component.clone(), |manifest| embed(&component, manifest).unwrap());
        fs::write(&file, component).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&InspectArgs { file: file.clone() }, &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&file.display().to_string(), "FILE");
        (text(out), text(err), format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS))
    }

    #[test]
    fn tells_all_that_is_asked_for() {
        let (out, err, success) = inspected(NOTIFIER, Some(MANIFEST));
        assert!(success, "{err}");
        let (hash, rest) = out.split_once("sha256    ").unwrap().1.split_once('\n').unwrap();
        assert_eq!(hash.len(), 64);
        assert_eq!(out.lines().next(), Some("pager 1.2.3  Pager"));
        for line in [
            "provides  notifier; deliveries to one room are limited to 1 in 1 s",
            "settings  token, secret, required: Token",
            "rules     room, dynamic: Room",
            "asks for  GET, POST https://pager.example/v1/ to list rooms and page people, with the header authorization",
            "imports   frontdesk:plugin/log@0.1.0",
            "exports   frontdesk:plugin/notifier@0.1.0",
        ] {
            assert!(rest.lines().any(|found| found == line), "{line}\n{out}");
        }
    }

    #[test]
    fn what_would_be_refused_is_told_and_then_why() {
        let wasi = r#"(component
            (import "wasi:filesystem/preopens@0.2.6" (instance))
            (instance $empty)
            (export "frontdesk:plugin/notifier@0.1.0" (instance $empty)))"#;
        let (out, err, success) = inspected(wasi, Some(MANIFEST));
        assert!(!success);
        assert!(out.contains("imports   wasi:filesystem/preopens@0.2.6"), "{out}");
        assert!(
            err.starts_with("FILE: imports wasi:filesystem/preopens@0.2.6, which plugins do not get"),
            "{err}"
        );

        let (_, err, success) = inspected("(component)", Some(MANIFEST));
        assert!(!success);
        assert!(err.contains("plugin.toml has [notifier], but the component exports no notifier"), "{err}");

        let (out, err, success) = inspected(NOTIFIER, None);
        assert!(!success && out.is_empty());
        assert!(err.starts_with("FILE: the component carries no manifest"), "{err}");
    }

    #[test]
    fn a_file_that_is_not_there_is_said() {
        let mut err = Vec::new();
        let args = InspectArgs { file: "no/such.wasm".into() };
        run(&args, &mut io::sink(), &mut err).unwrap();
        assert!(String::from_utf8(err).unwrap().starts_with("no/such.wasm: "));
    }
}
