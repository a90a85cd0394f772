//! The two databases behind one SQL text.
//!
//! Store functions take a [`Conn`] and write their statement once; [`on!`](crate::on) types it for each engine.
//! Reads come from the readers' pool, changes from a [`Tx`], and nothing else opens a connection.

use std::{path::Path, str::FromStr, time::Duration};

use crate::on;
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, SqlSafeStr, Sqlite, SqlitePool, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};

/// What the database would not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A conflict with what others do at the same time, or a database that is busy or away. Trying again is safe: nothing
    /// was kept.
    #[error("{0}")]
    TryAgain(#[source] sqlx::Error),
    #[error("{0}")]
    Failed(#[source] sqlx::Error),
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// This process was away while the master key was changed. Nothing was kept.
    #[error(
        "the master key is {0} now, which is not in this machine's master.key: copy the file from another node"
    )]
    MissingKey(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            sqlx::Error::Database(cause) => cause.code().is_some_and(|code| passes(&code)),
            _ => false,
        };
        if passing { Self::TryAgain(error) } else { Self::Failed(error) }
    }
}

/// False if a unique column had that value already. On PostgreSQL nothing more can be done in that transaction.
pub(crate) fn unless_taken(done: Result<(), sqlx::Error>) -> Result<bool, Error> {
    match done {
        Ok(()) => Ok(true),
        Err(sqlx::Error::Database(cause)) if cause.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether an error goes away by itself.
fn passes(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite, whose extended codes hold the plain one in their last byte: BUSY, LOCKED.
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6),
        // PostgreSQL: serialization failure, deadlock, too many connections, lock not had in time, shutting down,
        // connection trouble.
        _ => {
            matches!(code, "40001" | "40P01" | "53300" | "55P03" | "57P01" | "57P02" | "57P03")
                || code.starts_with("08")
        }
    }
}

/// An open database.
#[derive(Clone, Debug)]
pub enum Db {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres(PgPool),
}

/// How many connections read (and, on PostgreSQL, write) at once.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    pub sqlite_readers: u32,
    pub postgres: u32,
    /// For a free connection or the write lock, before somebody is told to try again.
    pub wait: Duration,
}

impl Default for PoolSize {
    fn default() -> Self {
        Self { sqlite_readers: 4, postgres: 10, wait: Duration::from_secs(5) }
    }
}

impl Db {
    /// Opens a server's database by its URL, and brings its tables up to date.
    pub async fn open_postgres(url: &str, size: PoolSize) -> Result<Self, Error> {
        let db = Self::connect_postgres(url, size).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Opens a server's database by its URL, with whatever tables it has: see [`Db::fit`].
    pub async fn connect_postgres(url: &str, size: PoolSize) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("frontdesk")
            .options([("lock_timeout", format!("{}ms", size.wait.as_millis()))]);
        let pool = PgPoolOptions::new().max_connections(size.postgres).acquire_timeout(size.wait);
        Ok(Self::Postgres(pool.connect_with(options).await?))
    }

    /// Opens a SQLite database in a file, which is made if absent, and brings its tables up to date.
    pub async fn open_sqlite(file: &Path, size: PoolSize) -> Result<Self, Error> {
        let db = Self::connect(file, size, true).await?;
        db.migrate().await?;
        Ok(db)
    }

    /// Opens the SQLite database in a file that is there, with whatever tables it has: see [`Db::fit`].
    pub async fn connect_sqlite(file: &Path, size: PoolSize) -> Result<Self, Error> {
        Self::connect(file, size, false).await
    }

    async fn connect(file: &Path, size: PoolSize, create: bool) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(create)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(size.wait)
            // Nothing that is deleted, tokens least of all, stays readable in free pages.
            .pragma("secure_delete", "ON");
        // A file does not go away like a server, so connections are not asked whether they are still there.
        let pool = || SqlitePoolOptions::new().acquire_timeout(size.wait).test_before_acquire(false);
        // The writer comes first: it makes the file and turns WAL on.
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        let readers = pool()
            .max_connections(size.sqlite_readers)
            .min_connections(1)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self::Sqlite { writer, readers })
    }

    /// How its tables and this version go together. Changes nothing.
    pub async fn fit(&self) -> Result<Fit, Error> {
        let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
        let mut reader = self.read().await?;
        let applied: Vec<(i64, Vec<u8>)> = match on!(reader.conn(), conn => sqlx::query_as(applied).fetch_all(conn).await)
        {
            // No such table: SQLite's plain error, PostgreSQL's undefined_table.
            Err(sqlx::Error::Database(cause)) if matches!(cause.code().as_deref(), Some("1" | "42P01")) => {
                Vec::new()
            }
            applied => applied?,
        };
        let ours: Vec<_> = migrations().map(|ours| (ours.version, ours.checksum.into_owned())).collect();
        Ok(if applied.iter().any(|theirs| !ours.contains(theirs)) {
            Fit::Other
        } else if applied.len() < ours.len() {
            Fit::Older
        } else {
            Fit::Same
        })
    }

    /// Brings the tables up to date. On SQLite only for whoever holds the file's lock.
    pub async fn migrate(&self) -> Result<(), Error> {
        let mut migrator = Migrator::with_migrations(migrations().collect());
        migrator.set_locking(false);
        match self {
            // One process per file: the host holds a lock on the data directory.
            Self::Sqlite { writer, .. } => migrator.run(writer).await?,
            Self::Postgres(pool) => {
                // A row instead of an advisory lock, which the databases that speak PostgreSQL's protocol lack.
                let table = "CREATE TABLE IF NOT EXISTS migration_lock (slot BIGINT PRIMARY KEY)";
                if sqlx::query(table).execute(pool).await.is_err() {
                    // Two nodes at once: "if not exists" still races in the catalogue, and the other one has won.
                    sqlx::query(table).execute(pool).await?;
                }
                let row = "INSERT INTO migration_lock VALUES (1) ON CONFLICT DO NOTHING";
                sqlx::query(row).execute(pool).await?;
                let mut lock = pool.begin().await?;
                // Another node may have much to bring up to date.
                sqlx::query("SET LOCAL lock_timeout = 0").execute(&mut *lock).await?;
                sqlx::query("UPDATE migration_lock SET slot = 1").execute(&mut *lock).await?;
                migrator.run(pool).await?;
                lock.commit().await?;
            }
        }
        Ok(())
    }

    /// A connection to read with.
    pub async fn read(&self) -> Result<Reader, Error> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Reader::Sqlite(readers.acquire().await?),
            Self::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// A transaction to change with. On SQLite it holds the one write lock from here on.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Wipes from SQLite's write-ahead log what was overwritten since. What others still read stays a little longer.
    pub async fn forget(&self) -> Result<(), Error> {
        if let Self::Sqlite { writer, .. } = self {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await?;
        }
        Ok(())
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// How a database's tables and this version go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Same,
    /// Older than this version, or not there at all: [`Db::migrate`] helps.
    Older,
    /// Made by a version that this one does not know.
    Other,
}

fn migrations() -> impl Iterator<Item = Migration> {
    MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    })
}

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "foundation", include_str!("../migrations/0001_foundation.sql")),
    (2, "logins", include_str!("../migrations/0002_logins.sql")),
    (3, "limits", include_str!("../migrations/0003_limits.sql")),
    (4, "second factors", include_str!("../migrations/0004_second_factors.sql")),
    (5, "master keys", include_str!("../migrations/0005_master_keys.sql")),
    (6, "recovery", include_str!("../migrations/0006_recovery.sql")),
    (7, "staff", include_str!("../migrations/0007_staff.sql")),
    (8, "api access", include_str!("../migrations/0008_api_access.sql")),
    (9, "accounts", include_str!("../migrations/0009_accounts.sql")),
    (10, "activity", include_str!("../migrations/0010_activity.sql")),
];

/// A connection of the readers' pool.
#[derive(Debug)]
pub enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres(conn) => Conn::Postgres(conn),
        }
    }
}

/// An open transaction. Dropped without [`Tx::commit`], it never was.
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(tx) => Conn::Sqlite(tx),
            Self::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    pub async fn commit(self) -> Result<(), Error> {
        let done = match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        };
        done.map_err(|error| match error {
            // Whether it was kept, nobody knows: it is not to be sent again blindly.
            sqlx::Error::Io(_) => Error::Failed(error),
            error => error.into(),
        })
    }
}

/// Either engine's connection, borrowed for one statement.
#[derive(Debug)]
pub enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn<'_> {
    /// The same connection, for one of several statements.
    pub fn again(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres(conn) => Conn::Postgres(conn),
        }
    }
}

/// Types one statement for both engines: `on!(db, conn => sqlx::query(SQL).bind(x).execute(conn).await)`.
#[macro_export]
macro_rules! on {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Conn::Sqlite($conn) => $body,
            $crate::db::Conn::Postgres($conn) => $body,
        }
    };
}

/// A value for a statement that is put together at run time.
#[derive(Clone, Debug)]
pub enum Arg {
    Text(String),
    Int(i64),
    Bool(bool),
    Bytes(Vec<u8>),
}

/// SQL with optional parts. Everything that comes from outside is bound, never pasted.
#[derive(Clone, Debug)]
pub struct Sql {
    text: String,
    args: Vec<Arg>,
}

impl Sql {
    pub fn new(text: &'static str) -> Self {
        Self { text: text.into(), args: Vec::new() }
    }

    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds `$n` for `arg`.
    pub fn bind(&mut self, arg: Arg) -> &mut Self {
        self.args.push(arg);
        self.text.push_str(&format!("${}", self.args.len()));
        self
    }

    /// How many rows the statement gives, `most` at the most.
    pub fn counted(mut self, most: i64) -> Self {
        self.text.insert_str(0, "SELECT COUNT(*) FROM (");
        self.push(" LIMIT ").bind(Arg::Int(most)).push(") AS counted");
        self
    }

    pub async fn execute(self, db: Conn<'_>) -> Result<(), Error> {
        Ok(on!(db, conn => {
            let mut query = sqlx::query(AssertSqlSafe(self.text));
            for arg in self.args {
                query = match arg {
                    Arg::Text(text) => query.bind(text),
                    Arg::Int(int) => query.bind(int),
                    Arg::Bool(bool) => query.bind(bool),
                    Arg::Bytes(bytes) => query.bind(bytes),
                };
            }
            query.execute(conn).await.map(|_| ())
        })?)
    }

    /// How the engine would go about it, line by line.
    #[cfg(any(test, feature = "testing"))]
    pub async fn plan(mut self, db: Conn<'_>) -> Result<Vec<String>, Error> {
        match db {
            Conn::Sqlite(_) => {
                self.text.insert_str(0, "EXPLAIN QUERY PLAN ");
                let steps: Vec<(i64, i64, i64, String)> = self.fetch_all(db).await?;
                Ok(steps.into_iter().map(|(.., step)| step).collect())
            }
            Conn::Postgres(_) => {
                self.text.insert_str(0, "EXPLAIN ");
                let steps: Vec<(String,)> = self.fetch_all(db).await?;
                Ok(steps.into_iter().map(|(step,)| step).collect())
            }
        }
    }

    pub async fn fetch_all<T>(self, db: Conn<'_>) -> Result<Vec<T>, Error>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
            + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
            + Send
            + Unpin,
    {
        Ok(on!(db, conn => {
            let mut query = sqlx::query_as(AssertSqlSafe(self.text));
            for arg in self.args {
                query = match arg {
                    Arg::Text(text) => query.bind(text),
                    Arg::Int(int) => query.bind(int),
                    Arg::Bool(bool) => query.bind(bool),
                    Arg::Bytes(bytes) => query.bind(bytes),
                };
            }
            query.fetch_all(conn).await
        })?)
    }
}
