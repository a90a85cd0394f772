//! `frontdesk plugin build`: from a directory to one file that can be installed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::Size;
use super::cargo::{CargoError, Package, Workspace};
use super::inspect::{self, Refusal};
use super::source::{Source, SourceError};
use crate::plugins::manifest::{SectionError, embed};

/// Compile plugins into components that carry their manifest
///
/// A plugin is a directory with a plugin.toml, which says what the plugin is, and its source: a Cargo.toml for
/// Rust. The manifest is checked first; then cargo builds the component, whose imports and exports must be those
/// that the manifest allows; then the manifest goes into the component, and the one file is all there is to
/// install.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  frontdesk plugin build                                    the plugin in this directory
  frontdesk plugin build plugins/* --out target/plugins     several, with one call of cargo
  frontdesk plugin inspect target/plugins/slack.wasm        what the result asks for

Rust needs its target for WebAssembly:
  rustup target add wasm32-unknown-unknown
Where rustup cannot download it, Debian's packages rustc-web and rust-web-src do; the target's
library is then built from source, once. RUSTFLAGS is not used for plugins.")]
pub(super) struct BuildArgs {
    /// Directories of plugins
    #[arg(value_name = "DIR", default_value = ".")]
    dirs: Vec<PathBuf>,
    /// Where to put ID.wasm; else into plugins/ in cargo's target directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compile fast and keep names, for backtraces: larger and slower
    #[arg(long)]
    debug: bool,
}

#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error("{} and {} both have the id {id}; give one another", .0.display(), .1.display(), id = .2)]
    SameId(PathBuf, PathBuf, String),
    #[error("{id}: {refusal}")]
    Refused { id: String, refusal: Refusal },
    #[error("{id}: {error}")]
    Embed { id: String, error: SectionError },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

pub(super) fn run(args: &BuildArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let sources = match open(&args.dirs) {
        Ok(sources) => sources,
        Err(errors) => {
            errors.iter().try_for_each(|error| writeln!(err, "{error}"))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match build(&sources, args, err) {
        Ok(results) => {
            for result in results {
                result.print(args.out.is_none(), out)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Opens all, or tells every mistake in any of them.
fn open(dirs: &[PathBuf]) -> Result<Vec<Source>, Vec<BuildError>> {
    let mut sources: Vec<Source> = Vec::new();
    let mut errors = Vec::new();
    for dir in dirs {
        match Source::open(dir) {
            Err(error) => errors.push(error.into()),
            Ok(source) => {
                let same = sources.iter().find(|other| other.manifest.id == source.manifest.id);
                if let Some(other) = same {
                    errors.push(BuildError::SameId(
                        other.dir.clone(),
                        dir.clone(),
                        source.manifest.id.clone(),
                    ));
                }
                sources.push(source);
            }
        }
    }
    if errors.is_empty() { Ok(sources) } else { Err(errors) }
}

fn build(sources: &[Source], args: &BuildArgs, err: &mut impl Write) -> Result<Vec<Finished>, BuildError> {
    let mut workspaces: Vec<Workspace> = Vec::new();
    let mut members: Vec<(usize, Package)> = Vec::with_capacity(sources.len());
    for source in sources {
        members.push(locate(&source.dir, &mut workspaces)?);
    }
    let mut built = BTreeMap::new();
    for (index, workspace) in workspaces.iter().enumerate() {
        let packages: Vec<&Package> =
            members.iter().filter(|(of, _)| *of == index).map(|(_, package)| package).collect();
        built.extend(workspace.build(&packages, args.debug, err)?);
    }

    let mut finished = Vec::with_capacity(sources.len());
    for (source, (index, package)) in sources.iter().zip(&members) {
        let built = built.get(&package.id).ok_or_else(|| CargoError::NoComponent(package.name.clone()))?;
        let component = fs::read(&built.component)
            .map_err(|error| BuildError::File { path: built.component.clone(), error })?;
        let out = args.out.clone().unwrap_or_else(|| workspaces[*index].target_directory.join("plugins"));
        finished.push(finish(source, &component, built.after, &out)?);
    }
    Ok(finished)
}

/// The package of a directory and which of the workspaces it is in; asks cargo only for a workspace not seen yet.
fn locate(dir: &Path, workspaces: &mut Vec<Workspace>) -> Result<(usize, Package), CargoError> {
    let known = workspaces
        .iter()
        .enumerate()
        .find_map(|(index, workspace)| Some((index, workspace.package(dir)?.clone())));
    let (index, package) = match known {
        Some(known) => known,
        None => {
            let workspace = Workspace::of(dir)?;
            let package =
                workspace.package(dir).ok_or_else(|| CargoError::NoPackage(dir.to_owned()))?.clone();
            workspaces.push(workspace);
            (workspaces.len() - 1, package)
        }
    };
    if !package.is_cdylib() {
        return Err(CargoError::NotACdylib(dir.to_owned()));
    }
    Ok((index, package))
}

/// A plugin's file, as it now stands.
#[derive(Debug)]
struct Finished {
    id: String,
    version: String,
    path: PathBuf,
    size: usize,
    after: Duration,
}

fn finish(source: &Source, component: &[u8], after: Duration, out: &Path) -> Result<Finished, BuildError> {
    let id = source.manifest.id.clone();
    inspect::check(component, &source.manifest)
        .map_err(|refusal| BuildError::Refused { id: id.clone(), refusal })?;
    let whole =
        embed(component, &source.text).map_err(|error| BuildError::Embed { id: id.clone(), error })?;
    let path = out.join(format!("{id}.wasm"));
    write_if_changed(&path, &whole).map_err(|error| BuildError::File { path: path.clone(), error })?;
    Ok(Finished { id, version: source.manifest.version.clone(), path, size: whole.len(), after })
}

/// Leaves an unchanged file untouched, so that nothing that watches it stirs. Another one appears whole: a
/// running host may be reading the directory.
fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let partial = path.with_extension("wasm.part");
    fs::write(&partial, content)?;
    fs::rename(&partial, path)
}

impl Finished {
    fn print(&self, with_path: bool, out: &mut impl Write) -> io::Result<()> {
        let Self { id, version, path, size, after } = self;
        writeln!(out, "built    {id} {version}  {}  in {:.1} s", Size(*size), after.as_secs_f64())?;
        if with_path {
            writeln!(out, "         {}", path.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_keeps_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plugins/email.wasm");
        write_if_changed(&path, b"one").unwrap();
        let long_ago = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::options().write(true).open(&path).unwrap().set_times(long_ago).unwrap();

        write_if_changed(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), std::time::UNIX_EPOCH);

        write_if_changed(&path, b"two").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), std::time::UNIX_EPOCH);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn two_plugins_do_not_share_an_id() {
        let manifest = "id = \"slack\"\nname = \"Slack\"\nversion = \"1.0.0\"\n[notifier]\n";
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&one, &two] {
            fs::write(dir.path().join("plugin.toml"), manifest).unwrap();
            fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        }
        let errors = open(&[one.path().to_owned(), two.path().to_owned()]).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().ends_with("both have the id slack; give one another"));
    }

    #[test]
    fn every_mistake_in_every_directory_is_told() {
        let mut err = Vec::new();
        let args = BuildArgs { dirs: vec!["no/a".into(), "no/b".into()], out: None, debug: false };
        let code = run(&args, &mut io::sink(), &mut err).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(
            String::from_utf8(err).unwrap(),
            "no/a: there is no such directory\nno/b: there is no such directory\n"
        );
    }
}
