//! Which compiler builds guests: the one in use if it has the target, else Debian's with the library's source.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Makes a component of what the compiler hands it; ships with rustup's toolchains, not with Debian's.
pub(super) const LINKER: &str = "wasm-component-ld";

/// Debian's compiler, wherever rustup's stands before it on PATH.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// How to call cargo.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Toolchain {
    /// The compiler in use has the target's library.
    Target,
    /// A compiler without it, but with its source: cargo builds the library, too. The linker is the other
    /// compiler's.
    Source { rustc: PathBuf, linkers: PathBuf },
}

/// What is missing, and where it comes from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ToolchainError {
    #[error("there is no Rust compiler; install it from https://rustup.rs")]
    Compiler,
    #[error(
        "the Rust compiler here cannot build for WebAssembly. Either add the target:\n  \
         rustup target add {TARGET}\n\
         or, where rustup cannot download it, let Debian's compiler build the library from source:\n  \
         apt-get install rustc-web rust-web-src"
    )]
    Target,
    #[error(
        "{LINKER}, which comes with rustup's toolchains, is missing. Either install the compiler from \
         https://rustup.rs, or the linker alone:\n  cargo install {LINKER}"
    )]
    Linker,
}

/// A compiler and where its parts lie.
#[derive(Debug)]
struct Compiler {
    path: PathBuf,
    sysroot: PathBuf,
    host: String,
}

impl Toolchain {
    /// For a build in this directory, which may choose a toolchain of its own.
    pub(super) fn find(dir: &Path) -> Result<Self, ToolchainError> {
        let in_use = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let in_use = Compiler::ask(Path::new(&in_use), dir);
        let debian = Compiler::ask(Path::new(DEBIAN_RUSTC), dir);
        choose(in_use, debian, env::var_os("PATH"))
    }

    /// Sets what cargo needs for it, whatever the user's environment says.
    pub(super) fn prepare(&self, cargo: &mut Command) {
        // Either would replace the flags that make a guest of it.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Self::Source { rustc, linkers } = self {
            cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env("PATH", with_first(linkers));
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
    }

    /// Flags for the compiler beyond those that every guest gets.
    pub(super) fn flags(&self) -> &'static [&'static str] {
        match self {
            Self::Target => &[],
            // Not built with the linker, this compiler has to be told how to talk to it.
            Self::Source { .. } => &["-Clinker-flavor=wasm-ld"],
        }
    }
}

fn choose(
    in_use: Option<Compiler>,
    debian: Option<Compiler>,
    path: Option<OsString>,
) -> Result<Toolchain, ToolchainError> {
    let in_use = in_use.ok_or(ToolchainError::Compiler)?;
    let linkers = in_use.linkers().or_else(|| on_path(path.as_deref()?));
    if in_use.has_target() {
        return linkers.map(|_| Toolchain::Target).ok_or(ToolchainError::Linker);
    }
    match debian.filter(Compiler::has_source) {
        Some(debian) => {
            let linkers = linkers.ok_or(ToolchainError::Linker)?;
            Ok(Toolchain::Source { rustc: debian.path, linkers })
        }
        None => Err(ToolchainError::Target),
    }
}

impl Compiler {
    fn ask(rustc: &Path, dir: &Path) -> Option<Self> {
        let print = |arguments: &[&str]| {
            let output =
                Command::new(rustc).args(arguments).current_dir(dir).stdin(Stdio::null()).output().ok()?;
            output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
        };
        let sysroot = PathBuf::from(print(&["--print", "sysroot"])?.trim_end());
        let host = print(&["-vV"])?.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
        Some(Self { path: rustc.to_owned(), sysroot, host })
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    /// The directory alone says nothing: rustup leaves it behind, and compilers print it unseen.
    fn has_target(&self) -> bool {
        fs::read_dir(self.rustlib().join(TARGET).join("lib")).is_ok_and(|files| {
            files.filter_map(Result::ok).any(|file| {
                let name = file.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libstd-") && name.ends_with(".rlib")
            })
        })
    }

    /// Where cargo's build-std looks.
    fn has_source(&self) -> bool {
        self.rustlib().join("src/rust/library/std/Cargo.toml").is_file()
    }

    /// The directory with the component linker and the linker it calls.
    fn linkers(&self) -> Option<PathBuf> {
        let bin = self.rustlib().join(&self.host).join("bin");
        (bin.join(LINKER).is_file() && bin.join("rust-lld").is_file()).then_some(bin)
    }
}

fn on_path(path: &std::ffi::OsStr) -> Option<PathBuf> {
    env::split_paths(path).find(|dir| dir.join(LINKER).is_file())
}

fn with_first(dir: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(dir.to_owned()).chain(env::split_paths(&path));
    // A directory with a separator in its name cannot stand on PATH: then what is there must do.
    env::join_paths(dirs).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compiler's tree with these files in it.
    fn compiler(files: &[&str]) -> (tempfile::TempDir, Compiler) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join("lib/rustlib").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let compiler = Compiler {
            path: dir.path().join("bin/rustc"),
            sysroot: dir.path().to_owned(),
            host: "x86_64-unknown-linux-gnu".to_owned(),
        };
        (dir, compiler)
    }

    const STD: &str = "wasm32-unknown-unknown/lib/libstd-0123.rlib";
    const LEFT_BEHIND: &str = "wasm32-unknown-unknown/lib/README";
    const COMPONENT_LD: &str = "x86_64-unknown-linux-gnu/bin/wasm-component-ld";
    const LLD: &str = "x86_64-unknown-linux-gnu/bin/rust-lld";
    const SOURCE: &str = "src/rust/library/std/Cargo.toml";

    #[test]
    fn the_compiler_in_use_is_taken_if_it_has_the_target() {
        let (_a, rustup) = compiler(&[STD, COMPONENT_LD, LLD]);
        let (_b, debian) = compiler(&[SOURCE]);
        assert_eq!(choose(Some(rustup), Some(debian), None), Ok(Toolchain::Target));
    }

    #[test]
    fn else_debians_with_the_others_linker() {
        let (dir, rustup) = compiler(&[LEFT_BEHIND, COMPONENT_LD, LLD]);
        let (_b, debian) = compiler(&[SOURCE]);
        let rustc = debian.path.clone();
        let linkers = dir.path().join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
        let chosen = choose(Some(rustup), Some(debian), None);
        assert_eq!(chosen, Ok(Toolchain::Source { rustc, linkers }));
    }

    #[test]
    fn a_linker_on_path_will_do() {
        let (_a, in_use) = compiler(&[STD]);
        let bin = tempfile::tempdir().unwrap();
        fs::write(bin.path().join(LINKER), "").unwrap();
        let path = env::join_paths([Path::new("/nonexistent"), bin.path()]).unwrap();
        assert_eq!(choose(Some(in_use), None, Some(path)), Ok(Toolchain::Target));
    }

    #[test]
    fn what_is_missing_is_told_with_both_ways_to_get_it() {
        assert_eq!(choose(None, None, None), Err(ToolchainError::Compiler));

        let (_a, rustup) = compiler(&[COMPONENT_LD, LLD]);
        let (_b, without_source) = compiler(&[]);
        let error = choose(Some(rustup), Some(without_source), None).unwrap_err();
        assert_eq!(error, ToolchainError::Target);
        let message = error.to_string();
        assert!(message.contains("rustup target add wasm32-unknown-unknown"), "{message}");
        assert!(message.contains("apt-get install rustc-web rust-web-src"), "{message}");

        let (_c, debian) = compiler(&[STD]);
        assert_eq!(choose(Some(debian), None, None), Err(ToolchainError::Linker));
    }

    #[test]
    fn flags_from_outside_do_not_reach_the_build() {
        let mut cargo = Command::new("cargo");
        Toolchain::Target.prepare(&mut cargo);
        let removed: Vec<_> =
            cargo.get_envs().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect();
        assert!(
            removed.contains(&"RUSTFLAGS".as_ref()) && removed.contains(&"CARGO_ENCODED_RUSTFLAGS".as_ref())
        );
    }
}
