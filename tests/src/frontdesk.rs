//! The real binary as a child process: started, watched, stopped, killed, started again on the same data.

use crate::{Api, Database, PATIENCE, Secrets, Smtp, built, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

/// What a start of the service came to when it would not run.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// One installation: a data directory, a database, a configuration; and the process, while it runs.
#[derive(Debug)]
pub struct Frontdesk {
    // Declared in the order in which they must go: first the process, then what it uses.
    running: Option<Running>,
    database: Arc<Database>,
    directory: TempDir,
    /// What the data directory is called.
    data: &'static str,
    config: String,
    environment: Vec<(&'static str, String)>,
    /// What every process of this installation printed.
    output: Output,
    pub secrets: Secrets,
}

#[derive(Debug)]
struct Running {
    child: Child,
    base: String,
    first_administrator: Option<String>,
}

/// What processes printed so far.
#[derive(Debug, Default, Clone)]
struct Output {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Frontdesk {
    /// An installation that has never run.
    pub fn on(database: Database) -> Self {
        Self {
            running: None,
            database: Arc::new(database),
            directory: tempfile::Builder::new()
                .prefix("frontdesk-")
                .tempdir()
                .expect("a temporary directory"),
            data: "data",
            config: String::new(),
            environment: Vec::new(),
            output: Output::default(),
            secrets: Secrets::default(),
        }
    }

    /// Another node of the same installation: the same database and master key, a data directory of its own.
    pub fn node(&self) -> Self {
        let mut node = Self::on(Database::sqlite());
        node.database = Arc::clone(&self.database);
        node.config.clone_from(&self.config);
        node.environment.clone_from(&self.environment);
        node.secrets = self.secrets.clone();
        copy(&self.data(), &node.data());
        node
    }

    /// One that runs, with the built-in mailbox.
    pub async fn running(database: Database) -> Self {
        let mut service = Self::on(database);
        service.start().await;
        service
    }

    /// One that runs and sends its mail through `smtp`.
    pub async fn start_with_mail(database: Database, smtp: &Smtp) -> Self {
        let mut service = Self::on(database).with_mail(smtp);
        service.start().await;
        service
    }

    /// Adds lines to the configuration file.
    pub fn with_config(mut self, toml: &str) -> Self {
        writeln!(self.config, "{toml}").expect("writing to a string");
        self
    }

    pub fn with_environment(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Calls the data directory `name`.
    pub fn with_data(mut self, name: &'static str) -> Self {
        self.data = name;
        self
    }

    /// Replaces the configuration file, for the next start.
    pub fn reconfigure(&mut self, toml: &str) {
        toml.clone_into(&mut self.config);
    }

    pub fn with_mail(self, smtp: &Smtp) -> Self {
        let service = self.with_config(&smtp.config());
        match smtp.authority() {
            Some(file) => service.with_config(&format!("ca_file = \"{}\"", file.display())),
            None => service,
        }
    }

    /// None: SQLite, in the data directory.
    pub fn database_url(&self) -> Option<String> {
        self.database.url()
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join(self.data)
    }

    /// The directory that the configuration and the data lie in, and nothing else.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it listens.
    pub async fn start(&mut self) {
        self.adopt_code_cache().await;
        self.start_cold().await;
    }

    /// [`Self::start`], without the compiled plugins of an earlier test.
    pub async fn start_cold(&mut self) {
        if let Err(outcome) = self.try_start().await {
            panic!("the service did not start: {outcome:#?}");
        }
    }

    /// Starts it, or says why it would not run.
    pub async fn try_start(&mut self) -> Result<(), Outcome> {
        assert!(self.running.is_none(), "it runs already");
        let mut serve = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = serve.spawn().expect("the binary runs");
        let started = Output::default();
        started.follow(&mut child, &self.output);
        let deadline = std::time::Instant::now() + PATIENCE;
        let base = loop {
            if let Some(base) = started.line("listening on ") {
                break base;
            }
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                started.settle().await;
                return Err(started.outcome(status));
            }
            assert!(std::time::Instant::now() < deadline, "not listening after {PATIENCE:?}: {started:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        };
        self.running = Some(Running { child, base, first_administrator: None });
        self.api().get("/readyz").await.expect(200);
        let running = self.running.as_mut().expect("just set");
        running.first_administrator = started.line("first administrator: ");
        if let Some(link) = &running.first_administrator {
            self.secrets.keep_link(link);
        }
        Ok(())
    }

    /// Runs another command of the binary on this installation, to its end.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().await.expect("the binary runs");
        Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let config = self.directory.path().join("frontdesk.toml");
        std::fs::write(&config, &self.config).expect("a configuration file");
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(config).arg("--data").arg(self.data());
        if let Some(url) = self.database.url() {
            command.arg("--database").arg(url);
        }
        // The caller's own settings are nothing to the tests.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FRONTDESK_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn process(&self) -> &Running {
        self.running.as_ref().expect("the service runs")
    }

    /// Where it listens: `http://127.0.0.1:41235`.
    pub fn base(&self) -> &str {
        &self.process().base
    }

    /// A client without a login.
    pub fn api(&self) -> Api {
        Api::new(self.base(), &self.secrets)
    }

    /// The link that this start printed, if it printed one.
    pub fn first_administrator_link(&self) -> Option<&str> {
        self.process().first_administrator.as_deref()
    }

    pub fn pid(&self) -> u32 {
        self.process().child.id().expect("it runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Ends it as `kill -9` does: at once, with nothing tidied up.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("the service runs");
        running.child.kill().await.expect("the process can be killed");
    }

    /// Asks it to stop and waits for it.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.stopped().await
    }

    /// Waits until it has stopped by itself.
    pub async fn stopped(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the service runs");
        let stopped = tokio::time::timeout(PATIENCE, running.child.wait()).await;
        stopped.expect("it stops when asked to").expect("a child can be waited for")
    }

    /// Everything that its processes logged so far.
    pub fn logs(&self) -> String {
        text(&self.output.stderr)
    }

    /// Waits for a log line that `wanted` accepts.
    pub async fn log_line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        within(PATIENCE, what, || {
            let line = self.logs().lines().find(|line| wanted(line)).map(str::to_owned);
            async { line }
        })
        .await
    }

    /// Rows of the database, their first column as text.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        self.database.column(&self.data(), sql).await
    }

    /// What the events of that name say, the oldest first, with what stands beside the chain in its place.
    pub async fn events(&self, name: &str) -> Vec<Value> {
        let sql =
            "SELECT data || '\n' || COALESCE(personal, '{}') FROM events WHERE name = 'NAME' ORDER BY id";
        let rows = self.column(&sql.replace("NAME", name)).await;
        let whole = |row: &String| {
            let (data, personal) = row.split_once('\n').expect("two lines");
            let mut data: Value = serde_json::from_str(data).expect("events are JSON");
            let personal: Map<String, Value> = serde_json::from_str(personal).expect("an object");
            for (place, value) in personal {
                *data.pointer_mut(&place).expect("a place for it") = value;
            }
            data
        };
        rows.iter().map(whole).collect()
    }

    /// Changes the database behind the service's back.
    pub async fn execute(&self, sql: &str) {
        self.database.execute(&self.data(), sql).await;
    }

    /// Nothing that this installation stored or logged holds a secret that the test has seen.
    pub async fn keeps_its_secrets(&self) {
        let mut places = vec![("the database", self.database.dump(&self.data()).await)];
        places.push(("the logs", self.logs().into_bytes()));
        for (name, bytes) in places {
            self.secrets.are_not_in(name, &bytes);
        }
    }

    /// Compiling the plugins takes longer than most tests: it is done once for each build of the binary, and every
    /// installation gets a copy of the compiled code, with the key that authenticates it.
    pub async fn adopt_code_cache(&self) {
        static COMPILED: OnceCell<PathBuf> = OnceCell::const_new();
        let data = self.data();
        if !data.exists() {
            copy(COMPILED.get_or_init(|| Box::pin(compile())).await, &data);
        }
    }
}

/// A data directory in which the plugins are compiled.
async fn compile() -> PathBuf {
    let build = std::fs::metadata(binary()).and_then(|about| about.modified()).expect("a file has a time");
    let build = build.duration_since(UNIX_EPOCH).expect("built after 1970").as_nanos();
    let tools = built().with_file_name("test-tools");
    let compiled = tools.join(format!("compiled-{build}"));
    if compiled.exists() {
        return compiled;
    }
    let mut first = Frontdesk::on(Database::sqlite());
    first.start_cold().await;
    first.stop().await;
    std::fs::create_dir_all(&tools).expect("a directory for the tests' tools");
    for entry in std::fs::read_dir(&tools).expect("just made").flatten() {
        if entry.file_name().to_string_lossy().starts_with("compiled-") {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
    let partial = tempfile::tempdir_in(&tools).expect("a temporary directory");
    copy(&first.data(), &partial.path().join("data"));
    // In one step; where another test process was faster, its copy serves as well.
    std::fs::rename(partial.path().join("data"), &compiled).ok();
    compiled
}

impl Output {
    /// Reads what the child prints, into here and into `all`.
    fn follow(&self, child: &mut Child, all: &Self) {
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        tokio::spawn(gather(stdout, [self.stdout.clone(), all.stdout.clone()]));
        tokio::spawn(gather(stderr, [self.stderr.clone(), all.stderr.clone()]));
    }

    /// What follows `start` in a line of stdout, once the line is complete.
    fn line(&self, start: &str) -> Option<String> {
        let stdout = text(&self.stdout);
        let complete = &stdout[..stdout.rfind('\n')?];
        complete.lines().find_map(|line| line.strip_prefix(start)).map(|rest| rest.trim().to_owned())
    }

    /// Waits until both readers have seen the end of what a dead child printed.
    async fn settle(&self) {
        within(PATIENCE, "the end of the output", || {
            let ended = Arc::strong_count(&self.stdout) == 1 && Arc::strong_count(&self.stderr) == 1;
            async move { ended.then_some(()) }
        })
        .await;
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        Outcome { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }
}

fn text(printed: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&printed.lock().expect("no reader panics")).into_owned()
}

async fn gather(mut stream: impl AsyncRead + Unpin, into: [Arc<Mutex<Vec<u8>>>; 2]) {
    let mut chunk = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut chunk).await {
        for printed in &into {
            printed.lock().expect("no reader panics").extend_from_slice(&chunk);
        }
        chunk.clear();
    }
}

/// The binary under test: of the profile that the tests were built in.
pub fn binary() -> PathBuf {
    let binary = match std::env::var_os("FRONTDESK_BIN") {
        Some(path) => PathBuf::from(path),
        None => built().join("frontdesk"),
    };
    assert!(
        binary.is_file(),
        "{} is missing: run `make build`, or name one in FRONTDESK_BIN",
        binary.display()
    );
    binary
}

/// The master key and the compiled code, nothing else.
fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    let private = |path: &Path| std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path);
    private(&to.join("code-cache")).expect("a data directory");
    let mut files = vec![PathBuf::from("master.key")];
    for entry in std::fs::read_dir(from.join("code-cache")).expect("a started service has a code cache") {
        files.push(Path::new("code-cache").join(entry.expect("a directory entry").file_name()));
    }
    for file in files {
        std::fs::copy(from.join(&file), to.join(&file))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
