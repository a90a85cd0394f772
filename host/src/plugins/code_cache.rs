//! Compiled code on disk, authenticated.
//!
//! Deserialising compiled code is running it: whoever could change a file here would own the service. So each file
//! carries an HMAC-SHA256 under a key that never lies beside it, over the file's name and its bytes, and the name
//! stands for the component and for everything that decides how it is compiled.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// Names the form of the files; a new form starts with a new name, so old files are never read as it.
const FORM: &[u8] = b"frontdesk code cache 1\0";
const TAG_BYTES: usize = 32;
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A directory of compiled components.
pub(super) struct CodeCache {
    dir: PathBuf,
    key: [u8; 32],
    compatibility: [u8; 32],
    temporaries: AtomicU64,
}

impl CodeCache {
    /// Creates the directory, for its owner alone, and takes what a process that was killed left half written.
    pub(super) fn open(dir: PathBuf, key: [u8; 32], compatibility: [u8; 32]) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        if let Err(error) = close(&dir) {
            // What others put there is not authentic, and not run.
            tracing::warn!(dir = %dir.display(), %error, "the directory of compiled code is open to others");
        }
        for entry in fs::read_dir(&dir)?.flatten() {
            if is_temporary(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { dir, key, compatibility, temporaries: AtomicU64::new(0) })
    }

    fn name(&self, component: &[u8; 32]) -> String {
        let mut name = Sha256::new();
        name.update(FORM);
        name.update(self.compatibility);
        name.update(component);
        HEXLOWER.encode(&name.finalize())
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(FORM);
        mac.update(name.as_bytes());
        mac.update(code);
        mac
    }

    /// The code of the component with this SHA-256, if it is here and nobody has touched it.
    pub(super) fn load(&self, component: &[u8; 32]) -> Option<Vec<u8>> {
        let name = self.name(component);
        let path = self.dir.join(&name);
        let file = match read_bounded(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "compiled code cannot be read: compiling again");
                return None;
            }
        };
        let authentic = file
            .split_at_checked(TAG_BYTES)
            .is_some_and(|(tag, code)| self.mac(&name, code).verify_slice(tag).is_ok());
        if !authentic {
            tracing::warn!(
                file = %path.display(),
                "compiled code is not as this service wrote it (changed, cut short, or of another master key): compiling again"
            );
            return None;
        }
        let mut code = file;
        code.drain(..TAG_BYTES);
        Some(code)
    }

    /// Keeps code for the next start. A failure costs time then, and is logged, nothing more.
    pub(super) fn store(&self, component: &[u8; 32], code: &[u8]) {
        let name = self.name(component);
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!(".{name}.{}.{number}", std::process::id()));
        let written =
            self.write(&temporary, &name, code).and_then(|()| fs::rename(&temporary, self.dir.join(&name)));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            tracing::warn!(dir = %self.dir.display(), %error, "compiled code cannot be kept");
        }
    }

    fn write(&self, path: &Path, name: &str, code: &[u8]) -> std::io::Result<()> {
        // A file of a process that died with our number is in the way of nobody.
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&self.mac(name, code).finalize().into_bytes())?;
        file.write_all(code)
    }
}

/// Whoever it was opened for, from now on it is its owner's alone.
fn close(dir: &Path) -> std::io::Result<()> {
    let mut permissions = fs::metadata(dir)?.permissions();
    if permissions.mode() & 0o777 != 0o700 {
        permissions.set_mode(0o700);
        fs::set_permissions(dir, permissions)?;
    }
    Ok(())
}

/// `.name.process.number`, as [`CodeCache::store`] calls them.
fn is_temporary(file: &str) -> bool {
    let parts: Vec<&str> = file.split('.').collect();
    let digits = |text: &str, most| text.len() <= most && text.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(parts[..], ["", name, process, number] if name.len() == 64 && digits(name, 64) && digits(process, 20) && digits(number, 20))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    // A pipe in its place would otherwise hold up the start until somebody writes to it.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).map_err(std::io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::TempDir;

    fn only_file(dir: &Path) -> PathBuf {
        let mut files =
            fs::read_dir(dir).expect("it is a directory").map(|entry| entry.expect("it reads").path());
        let file = files.next().expect("there is a file");
        assert_eq!(files.next(), None);
        file
    }

    #[test]
    fn what_is_kept_comes_back_and_belongs_to_its_owner() {
        let dir = TempDir::new();
        let cache = CodeCache::open(dir.path().join("code"), [1; 32], [2; 32]).expect("it opens");
        assert_eq!(cache.load(&[3; 32]), None);
        cache.store(&[3; 32], b"code");
        assert_eq!(cache.load(&[3; 32]).as_deref(), Some(b"code".as_slice()));
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&dir.path().join("code")), 0o700);
        assert_eq!(mode(&only_file(&dir.path().join("code"))), 0o600);
    }

    #[test]
    fn what_was_touched_is_not_returned() {
        let dir = TempDir::new();
        let cache = CodeCache::open(dir.path().to_path_buf(), [1; 32], [2; 32]).expect("it opens");
        cache.store(&[3; 32], b"code");
        let file = only_file(dir.path());
        let good = fs::read(&file).expect("it reads");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).expect("it writes");
            assert_eq!(cache.load(&[3; 32]), None, "byte {at}");
            fs::write(&file, &good[..at]).expect("it writes");
            assert_eq!(cache.load(&[3; 32]), None, "cut at {at}");
        }
        fs::write(&file, &good).expect("it writes");
        assert!(cache.load(&[3; 32]).is_some());

        // Authentic code under the name of another component is as bad as foreign code.
        let other = CodeCache::open(dir.path().to_path_buf(), [1; 32], [2; 32]).expect("it opens");
        fs::rename(&file, dir.path().join(other.name(&[4; 32]))).expect("it renames");
        assert_eq!(other.load(&[4; 32]), None);
    }

    #[test]
    fn a_pipe_or_a_link_in_the_place_of_code_is_not_waited_for() {
        let dir = TempDir::new();
        let cache = CodeCache::open(dir.path().to_path_buf(), [1; 32], [2; 32]).expect("it opens");
        cache.store(&[3; 32], b"code");
        let file = only_file(dir.path());
        let elsewhere = TempDir::new();
        fs::rename(&file, elsewhere.path().join("code")).expect("it renames");

        std::os::unix::fs::symlink(elsewhere.path().join("code"), &file).expect("it links");
        assert_eq!(cache.load(&[3; 32]), None);
        fs::remove_file(&file).expect("it is there");
        let (here, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(here, &file, rustix::fs::FileType::Fifo, mode, 0).expect("it is made");
        assert_eq!(cache.load(&[3; 32]), None);
        cache.store(&[3; 32], b"code");
        assert_eq!(cache.load(&[3; 32]).as_deref(), Some(b"code".as_slice()), "it is replaced");
    }

    #[test]
    fn opening_closes_the_directory_and_clears_what_was_left() {
        let dir = TempDir::new();
        let open = || CodeCache::open(dir.path().to_path_buf(), [1; 32], [2; 32]).expect("it opens");
        open().store(&[3; 32], b"code");
        let file = only_file(dir.path());
        let name = file.file_name().expect("it has one").to_str().expect("it is hex").to_owned();
        fs::write(dir.path().join(format!(".{name}.123.0")), "half").expect("it writes");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let cache = open();
        assert_eq!(only_file(dir.path()), file);
        assert_eq!(cache.load(&[3; 32]).as_deref(), Some(b"code".as_slice()));
        assert_eq!(fs::metadata(dir.path()).expect("it is there").permissions().mode() & 0o777, 0o700);
        for other in [".keep", "..", &name, ".a.1.2", &format!(".{name}.x.0"), &format!(".{name}.1")] {
            assert!(!is_temporary(other), "{other}");
        }
    }

    #[test]
    fn another_key_or_engine_finds_nothing_of_use() {
        let dir = TempDir::new();
        let open = |key, engine| CodeCache::open(dir.path().to_path_buf(), key, engine).expect("it opens");
        open([1; 32], [2; 32]).store(&[3; 32], b"code");
        assert_eq!(open([9; 32], [2; 32]).load(&[3; 32]), None);
        assert_eq!(open([1; 32], [9; 32]).load(&[3; 32]), None);
        assert!(open([1; 32], [2; 32]).load(&[3; 32]).is_some());
    }
}
