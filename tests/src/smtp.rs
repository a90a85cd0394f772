//! The mail server (`tests/smtp.py`, on aiosmtpd) and the mails it took.

use crate::{built, eventually, token_of, unique};
use mail_parser::{Message, MessageParser};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    Starttls,
    Implicit,
}

#[derive(Debug, Clone, Copy)]
pub struct SmtpOptions {
    pub tls: Tls,
    /// Refuses mail without a login.
    pub login: bool,
}

#[derive(Debug)]
pub struct Smtp {
    process: Option<Child>,
    options: SmtpOptions,
    port: u16,
    user: String,
    password: String,
    /// Messages, and the certificate.
    directory: TempDir,
}

/// One message as the server took it.
#[derive(Debug)]
pub struct Mail {
    /// Who the envelope says it is from.
    pub from: String,
    /// Who the envelope says it is for.
    pub to: Vec<String>,
    pub tls: bool,
    /// Who sent it, if the server asked.
    pub login: Option<String>,
    pub raw: Vec<u8>,
}

impl Smtp {
    /// A server that takes everything from everybody.
    pub async fn start() -> Self {
        Self::start_as(SmtpOptions { tls: Tls::None, login: false }).await
    }

    pub async fn start_as(options: SmtpOptions) -> Self {
        let mut server = Self::stopped(options);
        server.resume().await;
        server
    }

    /// A server that is down; nothing listens on its port until [`Self::resume`].
    pub fn down() -> Self {
        let mut server = Self::stopped(SmtpOptions { tls: Tls::None, login: false });
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        server.port = probe.local_addr().expect("a bound socket has an address").port();
        server
    }

    fn stopped(options: SmtpOptions) -> Self {
        let directory =
            tempfile::Builder::new().prefix("frontdesk-smtp-").tempdir().expect("a temporary directory");
        let server = Self {
            process: None,
            options,
            port: 0,
            user: "frontdesk".to_owned(),
            password: format!("smtp-{}", unique()),
            directory,
        };
        std::fs::create_dir(server.messages()).expect("a directory for messages");
        if options.tls != Tls::None {
            let certified =
                rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
                    .expect("a certificate for the mail server");
            std::fs::write(server.file("cert.pem"), certified.cert.pem()).expect("a file");
            std::fs::write(server.file("key.pem"), certified.signing_key.serialize_pem()).expect("a file");
        }
        server
    }

    /// Starts it, on the port it had.
    pub async fn resume(&mut self) {
        self.run(&[]).await;
    }

    /// Starts it on the port it had, so that it keeps each message and never answers that it took it.
    pub async fn resume_without_answering(&mut self) {
        self.run(&["--hold".as_ref()]).await;
    }

    /// Starts it on the port it had, so that it keeps each message and answers when [`Self::open_the_gate`] is called.
    pub async fn resume_behind_a_gate(&mut self) {
        self.run(&["--gate".as_ref(), self.file("gate").as_os_str()]).await;
    }

    /// From now on it answers at once.
    pub fn open_the_gate(&self) {
        std::fs::write(self.file("gate"), "").expect("a file");
    }

    async fn run(&mut self, more: &[&OsStr]) {
        assert!(self.process.is_none(), "it runs already");
        let mut command = Command::new(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/smtp.py"));
        command.arg("--messages").arg(self.messages()).arg("--port").arg(self.port.to_string());
        command.args([
            "--tls",
            match self.options.tls {
                Tls::None => "none",
                Tls::Starttls => "starttls",
                Tls::Implicit => "implicit",
            },
        ]);
        command.arg("--cert").arg(self.file("cert.pem")).arg("--key").arg(self.file("key.pem"));
        if self.options.login {
            command.arg("--login").arg(format!("{}:{}", self.user, self.password));
        }
        command.args(more);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs the mail server");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).await.expect("the mail server prints its port");
        self.port = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the mail server did not start; its error stands above"));
        self.process = Some(process);
    }

    /// Stops it at once; connections break.
    pub async fn stop(&mut self) {
        self.process.take().expect("the mail server runs").kill().await.expect("it can be killed");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn password(&self) -> &str {
        &self.password
    }

    /// The lines that make Frontdesk send through this server.
    pub fn config(&self) -> String {
        let (host, tls) = match self.options.tls {
            Tls::None => ("127.0.0.1", "none"),
            Tls::Starttls => ("localhost", "starttls"),
            Tls::Implicit => ("localhost", "tls"),
        };
        let mut config = format!("[smtp]\nhost = \"{host}\"\nport = {}\ntls = \"{tls}\"\n", self.port);
        if self.options.login {
            config += &format!("username = \"{}\"\npassword = \"{}\"\n", self.user, self.password);
        }
        config
    }

    /// Who signed its certificate: itself.
    pub fn authority(&self) -> Option<PathBuf> {
        (self.options.tls != Tls::None).then(|| self.file("cert.pem"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn messages(&self) -> PathBuf {
        self.file("messages")
    }

    /// What it has taken so far, in that order.
    pub fn mails(&self) -> Vec<Mail> {
        let entries = std::fs::read_dir(self.messages()).expect("its directory is there");
        let mut envelopes: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
        envelopes.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        envelopes.sort();
        envelopes.iter().map(|path| Mail::read(path)).collect()
    }

    /// Whether it has taken `count` messages, at no cost to speak of.
    pub fn has_taken(&self, count: usize) -> bool {
        self.messages().join(format!("{count:06}.json")).exists()
    }

    /// Waits until it has taken `count` messages, and answers them: not one more.
    pub async fn takes(&self, count: usize) -> Vec<Mail> {
        let mails = eventually(&format!("{count} mails"), || {
            let mails = self.mails();
            async move { (mails.len() >= count).then_some(mails) }
        })
        .await;
        let to: Vec<_> = mails.iter().map(|mail| &mail.to).collect();
        assert_eq!(mails.len(), count, "mails to {to:?}");
        mails
    }

    /// Waits for the one message to `address`.
    pub async fn takes_for(&self, address: &str) -> Mail {
        let mut mails = eventually(&format!("a mail to {address}"), || {
            let mut mails = self.mails();
            mails.retain(|mail| mail.to == [address]);
            async move { (!mails.is_empty()).then_some(mails) }
        })
        .await;
        assert_eq!(mails.len(), 1, "mails to {address}");
        mails.remove(0)
    }
}

impl Mail {
    fn read(envelope: &Path) -> Self {
        let text = std::fs::read_to_string(envelope).expect("an envelope can be read");
        let about: Value = serde_json::from_str(&text).expect("tests/smtp.py writes JSON");
        let to = about["to"].as_array().expect("a list of recipients");
        Self {
            from: about["from"].as_str().unwrap_or("").to_owned(),
            to: to.iter().map(|address| address.as_str().unwrap_or("").to_owned()).collect(),
            tls: about["tls"] == true,
            login: about["login"].as_str().map(str::to_owned),
            raw: std::fs::read(envelope.with_extension("eml")).expect("a message can be read"),
        }
    }

    pub fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).expect("a message that a mail program can read")
    }

    /// A header as it stands there, unfolded.
    pub fn header(&self, name: &str) -> String {
        let message = self.parsed();
        let raw = message.header_raw(name.to_owned()).unwrap_or_else(|| panic!("no header {name}"));
        raw.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn text(&self) -> String {
        self.parsed().body_text(0).expect("a text part").into_owned()
    }

    pub fn html(&self) -> String {
        self.parsed().body_html(0).expect("an HTML part").into_owned()
    }

    /// The delivery that brought it: the same for every attempt.
    pub fn delivery(&self) -> String {
        self.header("X-Frontdesk-Delivery")
    }

    /// The link in the text, whole.
    pub fn link(&self) -> String {
        let text = self.text();
        let link = text.split_whitespace().find(|word| word.contains("#token="));
        link.unwrap_or_else(|| panic!("no link in {text:?}")).to_owned()
    }

    pub fn token(&self) -> String {
        token_of(&self.link()).to_owned()
    }
}

pub fn python() -> PathBuf {
    let python = match std::env::var_os("FRONTDESK_TEST_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => built().with_file_name("test-tools").join("venv").join("bin").join("python"),
    };
    assert!(
        python.is_file(),
        "{} is missing: `make test` installs it, or `sh tests/services.sh true`",
        python.display()
    );
    python
}
