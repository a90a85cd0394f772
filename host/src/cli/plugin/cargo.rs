//! Asking cargo: where a plugin's workspace is, and to build what is in it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::toolchain::{LINKER, TARGET, Toolchain, ToolchainError};

mod hint;

/// A workspace as far as building its plugins needs it.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(super) root: PathBuf,
    pub(super) target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    /// What cargo knows it by, on the command line and in its messages.
    pub(super) id: String,
    pub(super) name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// What a build made of a package.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) component: PathBuf,
    /// Since the build began.
    pub(super) after: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CargoError {
    #[error("cargo cannot be run ({0}); install Rust from https://rustup.rs")]
    NoCargo(io::Error),
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error("{}: {message}", dir.display())]
    Metadata { dir: PathBuf, message: String },
    #[error("{}: Cargo.toml is a workspace without a package; name the plugin's own directory", .0.display())]
    NoPackage(PathBuf),
    #[error(
        "{}: a plugin is a library of type cdylib; add to Cargo.toml:\n  [lib]\n  crate-type = [\"cdylib\"]",
        .0.display()
    )]
    NotACdylib(PathBuf),
    #[error("cargo's messages could not be read: {0}")]
    Read(io::Error),
    #[error("not built: cargo's messages say why")]
    Failed,
    #[error("not built: {0}")]
    Hint(String),
    #[error("cargo built {0} without making a component of it")]
    NoComponent(String),
}

impl Workspace {
    pub(super) fn of(dir: &Path) -> Result<Self, CargoError> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(dir)
            .output()
            .map_err(CargoError::NoCargo)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(CargoError::Metadata { dir: dir.to_owned(), message });
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| CargoError::Metadata { dir: dir.to_owned(), message: error.to_string() })
    }

    /// The package of a directory, if it belongs to this workspace.
    pub(super) fn package(&self, dir: &Path) -> Option<&Package> {
        let manifest = dir.join("Cargo.toml").canonicalize().ok()?;
        self.packages
            .iter()
            .find(|package| package.manifest_path.canonicalize().is_ok_and(|path| path == manifest))
    }

    /// Builds these packages, all at once. What cargo has to say goes to `err`.
    pub(super) fn build(
        &self,
        packages: &[&Package],
        debug: bool,
        err: &mut impl Write,
    ) -> Result<BTreeMap<String, Built>, CargoError> {
        let begun = Instant::now();
        let toolchain = Toolchain::find(&self.root)?;
        let mut child = self
            .command(&toolchain, packages, debug)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(CargoError::NoCargo)?;

        let mut built = BTreeMap::new();
        let mut errors = String::new();
        let stdout = child.stdout.take().map(BufReader::new);
        for line in stdout.into_iter().flat_map(BufRead::lines) {
            match serde_json::from_str(&line.map_err(CargoError::Read)?) {
                Ok(Message::Artifact { package_id, filenames }) => {
                    let component =
                        filenames.into_iter().find(|file| file.extension() == Some("wasm".as_ref()));
                    if let Some(component) = component {
                        built.insert(package_id, Built { component, after: begun.elapsed() });
                    }
                }
                Ok(Message::Diagnostic { message }) => {
                    let rendered = message.rendered.unwrap_or_default();
                    err.write_all(rendered.as_bytes()).map_err(CargoError::Read)?;
                    if message.level == "error" {
                        errors.push_str(&rendered);
                    }
                }
                Ok(Message::Other) | Err(_) => {}
            }
        }
        let status = child.wait().map_err(CargoError::Read)?;
        if status.success() {
            return Ok(built);
        }
        match hint::find(&errors) {
            Some(hint) => Err(CargoError::Hint(hint.sentence(|brought| self.tree(brought)))),
            None => Err(CargoError::Failed),
        }
    }

    fn command(&self, toolchain: &Toolchain, packages: &[&Package], debug: bool) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.root).args(["build", "--lib", "--target", TARGET]);
        for package in packages {
            cargo.args(["--package", &package.id]);
        }
        cargo.args(["--profile", if debug { "dev" } else { "guest" }]);
        cargo.arg(if io::stderr().is_terminal() {
            "--message-format=json-diagnostic-rendered-ansi"
        } else {
            "--message-format=json"
        });
        // A plugin needs no .cargo/config.toml of its own: here is all that makes a guest of a library.
        config(&mut cargo, &format!("target.{TARGET}.linker"), LINKER);
        config(&mut cargo, &format!("target.{TARGET}.rustflags"), self.flags(toolchain));
        if !debug && !self.defines_guest_profile() {
            for setting in GUEST_PROFILE {
                cargo.args(["--config", setting]);
            }
        }
        toolchain.prepare(&mut cargo);
        cargo
    }

    fn flags(&self, toolchain: &Toolchain) -> Vec<String> {
        let mut flags = vec!["--cfg".to_owned(), "getrandom_backend=\"custom\"".to_owned()];
        flags.extend(toolchain.flags().iter().map(|&flag| flag.to_owned()));
        // A panic says where it happened, in the sources of crates, too. Their place on the author's machine
        // is nobody's business, and would make each machine's component another one. The last that fits wins.
        let home = env::home_dir().filter(|home| home.is_absolute() && home.components().count() > 1);
        let cargo_home =
            env::var_os("CARGO_HOME").map(PathBuf::from).or(home.as_ref().map(|home| home.join(".cargo")));
        let places = [(home, "~"), (cargo_home, "cargo"), (Some(self.root.clone()), ".")];
        for (place, name) in places {
            if let Some(place) = place.as_deref().and_then(Path::to_str) {
                flags.push(format!("--remap-path-prefix={place}={name}"));
            }
        }
        flags
    }

    /// Whether the author chose how guests are compiled.
    fn defines_guest_profile(&self) -> bool {
        fs::read_to_string(self.root.join("Cargo.toml"))
            .ok()
            .and_then(|text| toml::from_str::<toml::Table>(&text).ok())
            .and_then(|manifest| manifest.get("profile")?.get("guest").cloned())
            .is_some()
    }

    /// Which crates bring another one in, as `cargo tree` draws it.
    fn tree(&self, brought: &str) -> Option<String> {
        let output = cargo()
            .current_dir(&self.root)
            .args([
                "tree",
                "--workspace",
                "--offline",
                "--edges",
                "normal",
                "--target",
                TARGET,
                "--invert",
                brought,
            ])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Package {
    /// Whether a component can come of it.
    pub(super) fn is_cdylib(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }
}

/// The same as `[profile.guest]` in this project's own workspace.
const GUEST_PROFILE: [&str; 7] = [
    "profile.guest.inherits=\"release\"",
    "profile.guest.opt-level=\"s\"",
    "profile.guest.lto=\"fat\"",
    "profile.guest.codegen-units=1",
    "profile.guest.panic=\"abort\"",
    "profile.guest.strip=true",
    "profile.guest.debug=false",
];

fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.stdin(Stdio::null());
    // Relative, it is meant from where the command was given.
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty())
        && let Ok(dir) = std::path::absolute(dir)
    {
        cargo.env("CARGO_TARGET_DIR", dir);
    }
    cargo
}

/// `--config key=value`. What JSON writes of texts and lists of texts, TOML reads.
fn config(cargo: &mut Command, key: &str, value: impl serde::Serialize) {
    let value = serde_json::to_string(&value).expect("texts can be written as JSON");
    cargo.arg("--config").arg(OsString::from(format!("{key}={value}")));
}

#[derive(Debug, Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact { package_id: String, filenames: Vec<PathBuf> },
    #[serde(rename = "compiler-message")]
    Diagnostic { message: Diagnostic },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

#[cfg(test)]
mod tests;
