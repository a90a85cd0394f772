//! `master.key`: a key to a line in hexadecimal digits, the newest first. One line, but while the key is changed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::keyring::{Key, KeyError};
use crate::ids::{self, Chance};

/// The keys in the file, at least one; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Key>>, KeyError> {
    let mut text = Zeroizing::new(String::new());
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyError::File { path: path.into(), source }),
    }
    let key = |line: &str| Key::from_slice(&Zeroizing::new(HEXLOWER.decode(line.as_bytes()).ok()?));
    let keys: Option<Vec<_>> = text.split_ascii_whitespace().map(key).collect();
    keys.filter(|keys| !keys.is_empty()).map(Some).ok_or_else(|| KeyError::Malformed { path: path.into() })
}

/// Writes the first key, unless another node with the same directory was faster: then its key is the one.
pub(super) fn create(path: &Path, key: &Key, chance: &dyn Chance) -> Result<(), KeyError> {
    write(path, std::slice::from_ref(key), chance, |draft| match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    })
}

/// Puts `keys` in the place of what is there.
pub(super) fn replace(path: &Path, keys: &[Key], chance: &dyn Chance) -> Result<(), KeyError> {
    write(path, keys, chance, |draft| fs::rename(draft, path))
}

/// Whole or not at all: a key that was written by half could never be mended.
fn write(
    path: &Path,
    keys: &[Key],
    chance: &dyn Chance,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), KeyError> {
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * 65));
    for key in keys {
        HEXLOWER.encode_append(key.bytes(), &mut text);
        text.push('\n');
    }
    let draft = path.with_extension(format!("key.{}", HEXLOWER.encode(&ids::bytes::<8>(chance))));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            if let Ok(before) = fs::metadata(path)
                && before.uid() != file.metadata()?.uid()
            {
                // A command that root ran must not keep the service, which runs as somebody else, from its key.
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all())
        })
        .and_then(|()| put(&draft))
        // The name must outlive a power cut, too: the database will soon ask for this key.
        .and_then(|()| File::open(folder(path))?.sync_all());
    _ = fs::remove_file(&draft);
    written.map_err(|source| KeyError::File { path: path.into(), source })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Keeps other processes of the same directory from writing. `None` where the file system knows no locks.
pub(super) async fn lock(path: &Path) -> Option<File> {
    let folder = folder(path).to_path_buf();
    let locked = tokio::task::spawn_blocking(move || {
        let folder = File::open(folder)?;
        folder.lock()?;
        Ok::<_, io::Error>(folder)
    });
    locked.await.ok()?.ok()
}
