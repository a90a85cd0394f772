//! The built-in mailbox: every message a file, so that a first run needs no mail server.
//!
//! `<time>-<unique>.eml` sorts by time. The envelope stands in front of the message's own headers as
//! `X-Envelope-From` and one `X-Envelope-To` per recipient, so that a file is still a plain message.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::{Envelope, MailError};

/// What makes a message's name: from the service's clock and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub now_ms: i64,
    /// Random, so that names can be neither guessed nor clash.
    pub unique: [u8; 8],
}

impl Stamp {
    /// `20261121T234001.500Z-0123456789abcdef`.
    fn name(self) -> String {
        let at = Timestamp::from_millisecond(self.now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{}-{}", at.strftime("%Y%m%dT%H%M%S%.3fZ"), HEXLOWER.encode(&self.unique))
    }
}

#[derive(Clone)]
pub struct Mailbox {
    dir: PathBuf,
    stamp: Arc<dyn Fn() -> Stamp + Send + Sync>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Mailbox {
    /// Opens the directory and creates it when missing, for its owner only.
    pub fn create(dir: PathBuf, stamp: Arc<dyn Fn() -> Stamp + Send + Sync>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir, stamp })
    }

    pub(super) async fn keep(&self, envelope: &Envelope, message: Vec<u8>) -> Result<String, MailError> {
        let id = (self.stamp)().name();
        let mut bytes = envelope_headers(envelope).into_bytes();
        bytes.extend_from_slice(&message);
        let (dir, name) = (self.dir.clone(), id.clone());
        let written = tokio::task::spawn_blocking(move || write(&dir, &name, &bytes)).await;
        match written {
            Ok(Ok(())) => Ok(id),
            Ok(Err(error)) => Err(MailError::retry(format!(
                "the mailbox {} cannot be written: {error}",
                self.dir.display()
            ))),
            Err(_) => Err(MailError::retry("writing to the mailbox was interrupted")),
        }
    }
}

fn envelope_headers(envelope: &Envelope) -> String {
    let mut headers = format!("X-Envelope-From: <{}>\r\n", envelope.sender().unwrap_or(""));
    for recipient in envelope.recipients() {
        headers.push_str(&format!("X-Envelope-To: <{recipient}>\r\n"));
    }
    headers
}

/// A message is there whole or not at all, also after a power cut.
fn write(dir: &Path, id: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{id}.tmp"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let moved = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, dir.join(format!("{id}.eml"))))
        .and_then(|()| File::open(dir)?.sync_all());
    if moved.is_err() {
        // Best effort: whatever failed is reported, and a leftover is not listed.
        let _ = fs::remove_file(&temporary);
    }
    moved
}

/// The ids of all messages, oldest first. A directory that does not exist holds none.
pub fn ids(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".eml"))
            && !id.starts_with('.')
        {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

/// The bytes of one message. `id` must come from [`ids`].
pub fn read(dir: &Path, id: &str) -> io::Result<Vec<u8>> {
    fs::read(dir.join(format!("{id}.eml")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::mail::Transport;

    struct TempDir(PathBuf);

    impl TempDir {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("frontdesk-mailbox-{}-{name}", std::process::id())))
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn stamps(start: i64) -> Arc<dyn Fn() -> Stamp + Send + Sync> {
        let now = AtomicI64::new(start);
        Arc::new(move || Stamp { now_ms: now.fetch_add(1, Ordering::SeqCst), unique: [0xab; 8] })
    }

    #[tokio::test]
    async fn keeps_messages_in_order_for_their_owner_only() {
        let root = TempDir::new("keep");
        let dir = root.0.join("mailbox");
        let transport = Transport::mailbox(dir.clone(), stamps(1_795_000_000_999)).unwrap();
        let envelope =
            Envelope::new("desk@a.test", &["ada@b.test".to_owned(), "bob@b.test".to_owned()]).unwrap();
        let first = transport.submit(&envelope, b"Subject: one\n\nBody\n".to_vec()).await.unwrap();
        let second = transport.submit(&envelope, b"Subject: two\r\n\r\nBody\r\n".to_vec()).await.unwrap();
        assert_eq!(first, "20261118T110640.999Z-abababababababab");
        assert_eq!(ids(&dir).unwrap(), [first.clone(), second]);
        assert_eq!(
            String::from_utf8(read(&dir, &first).unwrap()).unwrap(),
            "X-Envelope-From: <desk@a.test>\r\nX-Envelope-To: <ada@b.test>\r\nX-Envelope-To: <bob@b.test>\r\n\
             Subject: one\r\n\r\nBody\r\n"
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root.0), mode(&dir)), (0o700, 0o700));
        assert_eq!(mode(&dir.join(format!("{first}.eml"))), 0o600);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "no temporary file is left");
    }

    #[tokio::test]
    async fn says_when_it_cannot_write() {
        let root = TempDir::new("full");
        let transport = Transport::mailbox(root.0.clone(), stamps(0)).unwrap();
        fs::remove_dir_all(&root.0).unwrap();
        let envelope = Envelope::new("", &["ada@b.test".to_owned()]).unwrap();
        let error = transport.submit(&envelope, Vec::new()).await.unwrap_err();
        assert_eq!(error.kind, crate::mail::MailErrorKind::Retry);
        assert!(error.message.contains("cannot be written"), "{error}");
    }

    #[test]
    fn lists_nothing_where_nothing_is() {
        assert_eq!(ids(Path::new("/nowhere/mailbox")).unwrap(), Vec::<String>::new());
    }
}
