//! How commands open the database: beside a running service as well as when none runs.
//!
//! ```text
//! fn run(args: &BanArgs) -> ExitCode {
//!     database::run(&args.database, async |opened: &Opened| {
//!         let mut cx = opened.service.begin(Caller::command_line()).await?;
//!         …
//!         cx.commit().await?;
//!         Ok(ExitCode::SUCCESS)
//!     })
//! }
//! ```

use std::{error::Error, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use frontdesk_core::{
    activity::{
        key::{self as log_key, LogKey},
        seal,
    },
    cx::Service,
    db::{self, Db, Fit},
    ids::{EventOrder, SystemChance},
    secret::{KeyError, Keyring},
    time::{Clock, SystemClock},
};
use tokio::sync::Notify;

use crate::{
    BuildError, activity, app,
    config::{Config, Database, Overrides, Problems, environment},
};

/// Where the data lies: what commands that need it have in common, ready to be flattened into them.
#[derive(Debug, Default, Clone, Args)]
pub struct DatabaseArgs {
    /// Configuration file (TOML), the one that the service has
    #[arg(long, global = true, value_name = "FILE", env = "FRONTDESK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Data directory [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database, as sqlite:FILE or postgres://… [default: frontdesk.db in the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
}

/// An opened database, and the configuration that names it.
#[derive(Debug)]
pub struct Opened {
    pub config: Config,
    pub service: Service,
}

/// Why a command cannot have the database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Config(Problems),
    #[error(
        "there is no database at {}; name the service's data directory with --data or its configuration with --config \
         (`frontdesk serve` makes a new one)",
        .0.display()
    )]
    Absent(PathBuf),
    #[error(
        "a running frontdesk of an older version holds {}; use that version's commands, or restart the service with \
         this version, which brings the tables up to date",
        .0.display()
    )]
    OlderAndRunning(PathBuf),
    #[error(
        "the tables are not of this version of frontdesk, but older or not there; start `frontdesk serve` of this \
         version once, which brings them up to date"
    )]
    Older,
    #[error("the tables were made by a newer version of frontdesk; use that version's commands")]
    Newer,
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the database: {0}")]
    Db(#[from] db::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    LogKey(#[from] log_key::Error),
}

/// Commands read one thing after the other.
const CONNECTIONS: u32 = 2;

/// Opens the database that `args` name, whether a service runs on it or not.
///
/// The lock of a SQLite file is only taken to bring older tables up to date, and given back at once: a service can be
/// started and stopped while the command works. Tables on PostgreSQL are left alone, because nobody knows which nodes
/// of an older version use them.
///
/// # Errors
///
/// When there is no database, when its tables do not fit, or when the master key is not at hand.
pub async fn open(args: &DatabaseArgs) -> Result<Opened, OpenError> {
    let overrides =
        Overrides { data: args.data.clone(), database: args.database.clone(), ..Overrides::default() };
    let config =
        Config::load(args.config.as_deref(), environment(), &overrides).map_err(OpenError::Config)?;
    let mut pool = app::pool_size(&config);
    (pool.sqlite_readers, pool.postgres) = (CONNECTIONS, CONNECTIONS);
    let db = match &config.database {
        Database::Sqlite(path) if !path.exists() => return Err(OpenError::Absent(path.clone())),
        Database::Sqlite(path) => {
            let db = Db::connect_sqlite(path, pool).await?;
            if db.fit().await? == Fit::Older {
                let _lock = app::lock(path).map_err(|error| match error {
                    BuildError::InUse { database, .. } => OpenError::OlderAndRunning(database),
                    error => error.into(),
                })?;
                db.migrate().await?;
            }
            db
        }
        Database::Postgres(url) => Db::connect_postgres(url.expose(), pool).await?,
    };
    match db.fit().await? {
        Fit::Same => {}
        Fit::Older => return Err(OpenError::Older),
        Fit::Other => return Err(OpenError::Newer),
    }
    let chance = Arc::new(SystemChance);
    let keys = Keyring::open(&app::key_file(&config), &db, &*chance).await?;
    let clock = Arc::new(SystemClock);
    // Nobody listens to this bell; the service looks for what others left once a second.
    let log_key = LogKey::open(&db, &keys, clock.now(), &*chance).await?;
    let (event_order, outbox_bell) = (EventOrder::default(), Arc::new(Notify::new()));
    let service = Service { db, clock, chance, keys, log_key, event_order, outbox_bell };
    Ok(Opened { config, service })
}

/// Opens the database, has `work` done, and closes it. What went wrong goes to stderr.
pub fn run(
    args: &DatabaseArgs,
    work: impl AsyncFnOnce(&Opened) -> Result<ExitCode, Box<dyn Error>>,
) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("frontdesk: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let opened = match open(args).await {
            Ok(opened) => opened,
            Err(OpenError::Config(problems)) => {
                eprintln!("{problems}");
                return ExitCode::from(2);
            }
            Err(error) => {
                eprintln!("frontdesk: {error}");
                return ExitCode::FAILURE;
            }
        };
        let done = work(&opened).await;
        // What the command did is in the chain, whether a service runs or not.
        let seen = activity::seen(&activity::seen_file(&opened.config)).ok().flatten();
        if let Err(error) = seal::seal(&opened.service, seen.as_ref()).await {
            tracing::debug!(%error, "what was written is sealed when the service runs");
        }
        opened.service.db.close().await;
        done.unwrap_or_else(|error| {
            eprintln!("frontdesk: {error}");
            ExitCode::FAILURE
        })
    })
}
