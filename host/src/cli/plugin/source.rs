//! A plugin's directory: its manifest and what it is written in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::plugins::manifest::{Manifest, ManifestErrors};

/// A directory whose manifest is right and whose language this version builds.
#[derive(Debug)]
pub(super) struct Source {
    /// As the user wrote it.
    pub(super) dir: PathBuf,
    pub(super) manifest: Manifest,
    /// The manifest as it stands in the file, which is what the component will carry.
    pub(super) text: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{}: there is no such directory", .0.display())]
    NoDirectory(PathBuf),
    #[error(
        "{}: there is no plugin.toml, which says what the plugin is; the shortest has id, name, version and \
         [notifier] or [[widget]]",
        .0.display()
    )]
    NoManifest(PathBuf),
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}", Located(path, errors))]
    Manifest { path: PathBuf, errors: ManifestErrors },
    #[error("{}: this version builds Rust plugins; {file} is {language}", dir.display())]
    Language { dir: PathBuf, file: String, language: &'static str },
    #[error("{}: there is a plugin.toml but no Cargo.toml; this version builds Rust plugins", .0.display())]
    NoSource(PathBuf),
}

/// Every mistake with file and line, as editors and terminals like to jump to.
struct Located<'e>(&'e Path, &'e ManifestErrors);

impl std::fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.1.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{}: {}", self.0.display(), error.line, error.message)?;
        }
        Ok(())
    }
}

impl Source {
    pub(super) fn open(dir: &Path) -> Result<Self, SourceError> {
        if !dir.is_dir() {
            return Err(SourceError::NoDirectory(dir.to_owned()));
        }
        let path = beside(dir, "plugin.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SourceError::NoManifest(dir.to_owned()));
            }
            Err(error) => return Err(SourceError::Unreadable { path, error }),
        };
        let manifest = Manifest::parse(&text).map_err(|errors| SourceError::Manifest { path, errors })?;
        check_language(dir)?;
        Ok(Self { dir: dir.to_owned(), manifest, text })
    }
}

/// `plugin.toml` for the current directory, else with the directory before it.
fn beside(dir: &Path, file: &str) -> PathBuf {
    if dir == Path::new(".") { PathBuf::from(file) } else { dir.join(file) }
}

/// The language is known by the files; the first that fits decides.
fn check_language(dir: &Path) -> Result<(), SourceError> {
    if dir.join("Cargo.toml").is_file() {
        return Ok(());
    }
    const OTHERS: [(&str, &str); 6] = [
        ("ts", "TypeScript"),
        ("js", "JavaScript"),
        ("mjs", "JavaScript"),
        ("py", "Python"),
        ("c", "C"),
        ("go", "Go"),
    ];
    let entries =
        fs::read_dir(dir).map_err(|error| SourceError::Unreadable { path: dir.to_owned(), error })?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    for (extension, language) in OTHERS {
        if let Some(file) = files.iter().find(|file| file.extension().is_some_and(|found| found == extension))
        {
            let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(SourceError::Language { dir: dir.to_owned(), file, language });
        }
    }
    Err(SourceError::NoSource(dir.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "id = \"shoutbox\"\nname = \"Shoutbox\"\nversion = \"0.1.0\"\n[notifier]\n";

    fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    fn refusal(files: &[(&str, &str)]) -> String {
        let dir = dir(files);
        let message = Source::open(dir.path()).unwrap_err().to_string();
        message.replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn a_rust_plugin_is_known_by_its_cargo_toml() {
        let dir = dir(&[("plugin.toml", MANIFEST), ("Cargo.toml", "")]);
        let source = Source::open(dir.path()).unwrap();
        assert_eq!(source.manifest.id, "shoutbox");
        assert_eq!(source.text, MANIFEST);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(
            Source::open(Path::new("no/such")).unwrap_err().to_string(),
            "no/such: there is no such directory"
        );
        assert!(refusal(&[]).starts_with("DIR: there is no plugin.toml"));
        assert_eq!(
            refusal(&[("plugin.toml", MANIFEST)]),
            "DIR: there is a plugin.toml but no Cargo.toml; this version builds Rust plugins"
        );
    }

    #[test]
    fn other_languages_are_named() {
        assert_eq!(
            refusal(&[("plugin.toml", MANIFEST), ("plugin.js", "")]),
            "DIR: this version builds Rust plugins; plugin.js is JavaScript"
        );
        assert_eq!(
            refusal(&[("plugin.toml", MANIFEST), ("a.py", ""), ("b.ts", "")]),
            "DIR: this version builds Rust plugins; b.ts is TypeScript"
        );
    }

    #[test]
    fn mistakes_in_the_manifest_are_told_with_file_and_line() {
        let manifest =
            format!("{MANIFEST}\n[[setting]]\nkey = \"loud\"\ntype = \"yesno\"\nFriendlyName = \"Loud\"\n");
        let refusal = refusal(&[("plugin.toml", &manifest), ("Cargo.toml", "")]);
        let lines: Vec<&str> = refusal.lines().collect();
        assert!(lines.len() > 1, "{refusal}");
        assert!(lines.iter().all(|line| line.starts_with("DIR/plugin.toml:")), "{refusal}");
        assert!(refusal.contains("DIR/plugin.toml:8: type \"yesno\" is called \"bool\" here"), "{refusal}");
    }

    #[test]
    fn the_authors_guide_shows_manifests_that_are_right() {
        let guide = include_str!("../../../../plugin-sdk/README.md");
        let manifests: Vec<&str> =
            guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(manifests.len(), 2);
        for manifest in manifests {
            Manifest::parse(manifest).unwrap();
        }
    }

    #[test]
    fn the_current_directory_is_not_named() {
        assert_eq!(beside(Path::new("."), "plugin.toml"), Path::new("plugin.toml"));
        assert_eq!(beside(Path::new("plugins/email"), "plugin.toml"), Path::new("plugins/email/plugin.toml"));
    }
}
