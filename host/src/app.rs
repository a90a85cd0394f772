//! The running service: what every handler and worker shares.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use frontdesk_core::{
    activity::key::{self as log_key, LogKey},
    api_access::Catalogue,
    cx::{Caller, Cx, Service, View},
    db::{self, Db, PoolSize},
    ids::{self, Chance, EventOrder, SystemChance},
    invitations,
    password::Hasher,
    second_factor::security_keys::RelyingParty,
    secret::{KeyError, Keyring, Token, nodes::Node},
    time::{Clock, SystemClock, Timestamp},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};

use crate::{
    api::activity::{EXPORTS, SEARCHES},
    api::reports::AT_ONCE as REPORTS,
    bans::{self, Bans},
    bring_up::{bring_up, check_mailer},
    config::{Config, Database, PublicUrl},
    lending::{LentMail, OwnApi},
    live::{self, Live},
    mail::{Letterhead, MailError, Stamp, Templates, Transport, templates::check::SAMPLE_TOKEN},
    plugins::{CompileLimits, CompilerCommand, EngineError, HostServices, Plugins, Settings},
    programs::Programs,
    seen::Seen,
    standing,
};

/// A handle to the running service; cloning it is cheap.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    public_url: PublicUrl,
    service: Service,
    node: Node,
    hasher: Hasher,
    seen: Seen,
    programs: Programs,
    /// What programs can call: known once the routes are.
    catalogue: OnceLock<Catalogue>,
    live: Live,
    bans: Bans,
    /// What security keys know this service as; None where browsers would not use them.
    relying_party: Option<RelyingParty>,
    plugins: Arc<Plugins>,
    own_api: Arc<OwnApi>,
    templates: Templates,
    /// Whose turn it is to take the log away as a file.
    exports: Arc<Semaphore>,
    /// Whose turn it is to have a report made.
    reports: Semaphore,
    /// Whose turn it is to search it.
    searches: Semaphore,
    stopping: AtomicBool,
    /// Held as long as the service lives; absent where several processes share a database.
    lock: Option<File>,
}

/// What the service takes from the world around it. Tests bring their own.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The address that was bound; links begin with it unless `public_url` is configured.
    pub bound: SocketAddr,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    /// What compiles plugins in a process of its own; this binary unless a test is the process.
    pub compiler: Option<CompilerCommand>,
}

impl Surroundings {
    pub fn at(bound: SocketAddr) -> Self {
        Self { bound, clock: Arc::new(SystemClock), chance: Arc::new(SystemChance), compiler: None }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}: {source}", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error(
        "another frontdesk has {} open (it holds {}); stop it first, or give this one its own --data",
        database.display(), lock.display()
    )]
    InUse { database: PathBuf, lock: PathBuf },
    #[error("the database: {0}")]
    Db(#[from] db::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    LogKey(#[from] log_key::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("[smtp]: {0}")]
    Smtp(#[source] MailError),
    #[error("a mail template: {0}")]
    Template(#[from] minijinja::Error),
}

/// Opens everything that `config` names: the data directory, the database, the master key.
pub async fn build(config: Config, around: Surroundings) -> Result<App, BuildError> {
    make_private(&config.data)?;
    let pool = pool_size(&config);
    let (db, lock) = match &config.database {
        Database::Sqlite(path) => {
            // SQLite gives its other files the mode of this one.
            private_file(path).map_err(|source| BuildError::Data { path: path.clone(), source })?;
            let lock = lock_patiently(path).await?;
            (Db::open_sqlite(path, pool).await?, Some(lock))
        }
        Database::Postgres(url) => (Db::open_postgres(url.expose(), pool).await?, None),
    };
    let node = standing::announce(&config, &db, &around, lock.is_some()).await?;
    let keys = Keyring::open(&key_file(&config), &db, &*around.chance).await?;
    let log_key = LogKey::open(&db, &keys, around.clock.now(), &*around.chance).await?;
    let service = Service {
        db,
        clock: around.clock,
        chance: around.chance,
        keys,
        log_key,
        event_order: EventOrder::default(),
        outbox_bell: Arc::new(Notify::new()),
    };
    let own_api = OwnApi::new(Handle::current());
    let compiler = around.compiler.map_or_else(CompilerCommand::this_binary, Ok);
    let compiler = compiler.map_err(|source| BuildError::Data { path: config.data.clone(), source })?;
    let plugins = Plugins::new(settings(&config, &service, compiler), lend(&config, &service, &own_api)?)?;
    bring_up(&plugins, config.plugins.as_deref()).await;
    check_mailer(&plugins, &config.mailer.plugin);

    let public_url = config.public_url(around.bound);
    let relying_party = public_url.relying_party(&config.company_name);
    let known = frontdesk_core::settings::load(&mut service.read().await?).await?;
    let live = Live::new(known, relying_party.is_none());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let app = App(Arc::new(Inner {
        hasher: Hasher::new(cores, Arc::clone(&service.chance)),
        seen: Seen::default(),
        programs: Programs::default(),
        catalogue: OnceLock::new(),
        live,
        bans: Bans::default(),
        relying_party,
        public_url,
        plugins,
        own_api,
        templates: Templates::new(config.mail_templates.clone())?,
        exports: Arc::new(Semaphore::new(EXPORTS)),
        searches: Semaphore::new(SEARCHES),
        reports: Semaphore::new(REPORTS),
        stopping: AtomicBool::new(false),
        config,
        service,
        node,
        lock,
    }));
    // Before the first request.
    live::refresh(&app).await?;
    bans::refresh(&app).await?;
    Ok(app)
}

pub(crate) fn pool_size(config: &Config) -> PoolSize {
    PoolSize {
        sqlite_readers: config.database_pool.readers,
        postgres: config.database_pool.connections,
        wait: config.database_pool.wait,
    }
}

/// Where the master key lies.
pub(crate) fn key_file(config: &Config) -> PathBuf {
    config.data.join("master.key")
}

fn settings(config: &Config, service: &Service, compiler: CompilerCommand) -> Settings {
    let limits = &config.plugin_limits;
    Settings {
        cache_dir: config.data.join("code-cache"),
        cache_key: service.keys.derive("code cache"),
        compiler,
        compile: CompileLimits {
            cpu_s: u32::try_from(limits.compile_cpu.as_secs()).unwrap_or(u32::MAX),
            memory_mb: u32::try_from(limits.compile_memory / (1024 * 1024)).unwrap_or(u32::MAX),
            wall: limits.compile_wall,
        },
    }
}

fn lend(config: &Config, service: &Service, own_api: &Arc<OwnApi>) -> Result<HostServices, BuildError> {
    let (clock, chance) = (Arc::clone(&service.clock), Arc::clone(&service.chance));
    let transport = match &config.smtp {
        Some(smtp) => Transport::smtp(smtp).map_err(BuildError::Smtp)?,
        None => {
            let (clock, chance) = (Arc::clone(&clock), Arc::clone(&chance));
            let stamp = move || Stamp { now_ms: clock.now().as_millis(), unique: ids::bytes(&*chance) };
            let path = config.mailbox_dir();
            Transport::mailbox(path.clone(), Arc::new(stamp))
                .map_err(|source| BuildError::Data { path, source })?
        }
    };
    Ok(HostServices {
        now_ms: Arc::new(move || u64::try_from(clock.now().as_millis()).unwrap_or(0)),
        random: Arc::new(move |bytes| chance.fill(bytes)),
        mail: Arc::new(LentMail { transport: Arc::new(transport), threads: Handle::current() }),
        service: Arc::clone(own_api) as Arc<_>,
    })
}

fn make_private(data: &Path) -> Result<(), BuildError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data).and_then(|()| fs::metadata(data));
    let found = made.map_err(|source| BuildError::Data { path: data.into(), source })?;
    if found.permissions().mode() & 0o077 != 0 {
        // Perhaps it is somebody's on purpose. What lies in it is private in any case.
        tracing::warn!(data = %data.display(), "others may look into the data directory; chmod 700 closes it");
    }
    Ok(())
}

/// Opens a file that only its owner may read, and makes it if it is not there.
fn private_file(path: &Path) -> io::Result<File> {
    File::options().create(true).write(true).truncate(false).mode(0o600).open(path)
}

/// How long a start waits for a command that is bringing the tables up to date.
const LOCKED_BRIEFLY: Duration = Duration::from_secs(1);

async fn lock_patiently(database: &Path) -> Result<File, BuildError> {
    let mut waited = Duration::ZERO;
    loop {
        match lock(database) {
            Err(BuildError::InUse { .. }) if waited < LOCKED_BRIEFLY => {
                const AGAIN: Duration = Duration::from_millis(50);
                tokio::time::sleep(AGAIN).await;
                waited += AGAIN;
            }
            done => return done,
        }
    }
}

/// One process per SQLite file. The kernel lets go of the lock when the process ends, however it ends.
pub(crate) fn lock(database: &Path) -> Result<File, BuildError> {
    let failed = |source| BuildError::Data { path: database.into(), source };
    // By its real name: a link to the same file is the same database.
    let mut path = database.canonicalize().map_err(failed)?.into_os_string();
    path.push(".lock");
    let path = PathBuf::from(path);
    let failed = |source| BuildError::Data { path: path.clone(), source };
    let file = private_file(&path).map_err(failed)?;
    let owner = fs::metadata(database).map_err(failed)?;
    if file.metadata().map_err(failed)?.uid() != owner.uid() {
        // A command that root ran must not keep the service, which runs as somebody else, from its own file.
        fchown(&file, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BuildError::InUse { database: database.into(), lock: path }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

impl App {
    /// A look at the data.
    pub async fn read(&self) -> Result<View, db::Error> {
        self.0.service.read().await
    }

    /// A unit of work.
    pub async fn begin(&self, caller: Caller) -> Result<Cx, db::Error> {
        self.0.service.begin(caller).await
    }

    pub fn now(&self) -> Timestamp {
        self.0.service.clock.now()
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The only source of links and of the allowed origin.
    pub fn public_url(&self) -> &PublicUrl {
        &self.0.public_url
    }

    pub fn invitation_link(&self, token: &Token) -> String {
        self.0.public_url.link_with_token("/accept", &token.reveal())
    }

    pub(crate) fn password_reset_link(&self, token: &Token) -> String {
        self.0.public_url.link_with_token("/reset-password", &token.reveal())
    }

    pub(crate) fn email_verification_link(&self, token: &Token) -> String {
        self.0.public_url.link_with_token("/verify-email", &token.reveal())
    }

    pub(crate) fn login_as_link(&self, token: &Token) -> String {
        self.0.public_url.link_with_token("/login-as", &token.reveal())
    }

    /// What the company is called.
    pub(crate) fn company(&self) -> String {
        let settings = self.settings();
        match settings.company_name.as_str() {
            "" => self.0.config.company_name.clone(),
            name => name.to_owned(),
        }
    }

    /// A link for the first administrator, while there is none. The one before dies.
    pub async fn first_administrator(&self) -> Result<Option<String>, invitations::Error> {
        let mut cx = self.begin(Caller::system()).await?;
        let token = invitations::first_administrator(&mut cx).await?;
        cx.commit().await?;
        Ok(token.map(|token| self.invitation_link(&token)))
    }

    /// From here on the service takes no more requests and readiness fails.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Closes the database. Nothing works afterwards.
    pub async fn close(&self) {
        // The router holds the service and the service the router.
        self.0.own_api.set(None);
        self.0.service.db.close().await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Whether no other process can have this database open.
    pub(crate) fn is_alone(&self) -> bool {
        self.0.lock.is_some()
    }

    pub(crate) fn outbox_bell(&self) -> &Notify {
        &self.0.service.outbox_bell
    }

    pub(crate) fn chance(&self) -> &dyn Chance {
        &*self.0.service.chance
    }

    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.0.plugins
    }

    pub(crate) fn templates(&self) -> &Templates {
        &self.0.templates
    }

    /// The settings document of the mailer plugin, as the company is called now.
    pub(crate) fn mailer_settings(&self) -> serde_json::Value {
        let settings = self.0.config.mailer_settings(&self.company(), &self.0.public_url);
        serde_json::to_value(settings).unwrap_or_default()
    }

    /// What stands at the head and at the foot of a mail.
    pub(crate) fn letterhead(&self) -> Letterhead {
        let settings = self.settings();
        Letterhead {
            company: self.company(),
            logo: settings.company_logo.clone(),
            footer: settings.mail_footer.clone(),
        }
    }

    /// What stands in a mail in the place of a link: it leads nowhere.
    pub(crate) fn sample_link(&self) -> String {
        self.0.public_url.link_with_token("/accept", SAMPLE_TOKEN)
    }

    /// Where widgets' own requests go from now on.
    pub(crate) fn serve_widgets(&self, router: Router) {
        self.0.own_api.set(Some(router));
    }

    pub(crate) fn service(&self) -> &Service {
        &self.0.service
    }

    /// What other processes know this one by.
    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    /// Whom this node knows to be banned by hand.
    pub(crate) fn bans(&self) -> &Bans {
        &self.0.bans
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// The settings as this node knows them.
    pub(crate) fn settings(&self) -> Arc<frontdesk_core::settings::Settings> {
        self.0.live.settings()
    }

    pub(crate) fn exports(&self) -> &Arc<Semaphore> {
        &self.0.exports
    }

    pub(crate) fn reports(&self) -> &Semaphore {
        &self.0.reports
    }

    pub(crate) fn searches(&self) -> &Semaphore {
        &self.0.searches
    }

    pub(crate) fn relying_party(&self) -> Option<&RelyingParty> {
        self.0.relying_party.as_ref()
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.0.seen
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.0.programs
    }

    /// What programs can call, said once by the routes.
    pub(crate) fn set_catalogue(&self, catalogue: Catalogue) {
        // The routes are the same every time.
        _ = self.0.catalogue.set(catalogue);
    }

    /// What programs can call; nothing before there are routes.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        static NOTHING: LazyLock<Catalogue> = LazyLock::new(Catalogue::default);
        self.0.catalogue.get().unwrap_or(&NOTHING)
    }

    pub(crate) fn new_request_id(&self) -> String {
        ids::uuid(self.now(), &*self.0.service.chance).to_string()
    }
}
