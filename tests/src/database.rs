//! Each test has a database of its own, and looks into it where it must.

use crate::unique;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use std::path::Path;

const HOW: &str = "run `make test`, which finds or starts one; or name one in FRONTDESK_TEST_POSTGRES=postgres://…; or test \
                   without, which is said aloud: FRONTDESK_TEST_POSTGRES=skip";

#[derive(Debug)]
pub enum Database {
    /// `frontdesk.db` in the data directory.
    Sqlite,
    /// A database made for this test and dropped with it.
    Postgres { server: reqwest::Url, name: String },
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite
    }

    /// `None` where the caller of the tests asked to leave PostgreSQL out.
    pub async fn postgres() -> Option<Self> {
        let server = match std::env::var("FRONTDESK_TEST_POSTGRES") {
            Ok(url) if url == "skip" => {
                eprintln!("SKIPPED on PostgreSQL, because FRONTDESK_TEST_POSTGRES=skip");
                return None;
            }
            Ok(url) if !url.is_empty() => url,
            _ => local_server().await,
        };
        let name = format!("frontdesk_test_{}", unique());
        let mut connection = PgConnection::connect(&server)
            .await
            .unwrap_or_else(|error| panic!("no PostgreSQL at {server} ({error}); {HOW}"));
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
            .await
            .expect("the tests' PostgreSQL user may create databases");
        Some(Self::Postgres { server: server.parse().expect("a database URL is a URL"), name })
    }

    /// What `--database` wants to hear, if it must be told at all.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres { server, name } => {
                let mut url = server.clone();
                url.set_path(name);
                Some(url.into())
            }
        }
    }

    /// The first column of every row, as text.
    pub async fn column(&self, data: &Path, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.url() {
            Some(url) => {
                let mut connection = PgConnection::connect(&url).await.expect("the test's database answers");
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a query of the test's");
                rows.iter().map(|row| row.get(0)).collect()
            }
            None => {
                let mut connection = open(data).await;
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a query of the test's");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Changes something.
    pub async fn execute(&self, data: &Path, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.url() {
            Some(url) => {
                let mut connection = PgConnection::connect(&url).await.expect("the test's database answers");
                connection.execute(sql).await.expect("a statement of the test's");
            }
            None => drop(open(data).await.execute(sql).await.expect("a statement of the test's")),
        }
    }

    /// Everything that is stored, byte for byte: SQLite's files, or every row of every PostgreSQL table.
    pub async fn dump(&self, data: &Path) -> Vec<u8> {
        if self.url().is_none() {
            let mut bytes = Vec::new();
            for file in ["frontdesk.db", "frontdesk.db-wal"] {
                bytes.extend(std::fs::read(data.join(file)).unwrap_or_default());
            }
            assert!(!bytes.is_empty(), "SQLite keeps frontdesk.db in the data directory");
            return bytes;
        }
        let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
        let mut rows = Vec::new();
        for table in self.column(data, tables).await {
            rows.extend(self.column(data, &format!(r#"SELECT row::text FROM "{table}" AS row"#)).await);
        }
        assert!(!rows.is_empty(), "PostgreSQL holds the service's tables");
        rows.join("\n").into_bytes()
    }
}

/// By its name and not by a URL, which would give signs such as ? and % a meaning.
async fn open(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join("frontdesk.db"));
    SqliteConnection::connect_with(&options).await.expect("the test's database opens")
}

/// The server that most machines with PostgreSQL have.
async fn local_server() -> String {
    for user in ["postgres", "root"] {
        let url = format!("postgres://{user}@127.0.0.1:5432/postgres");
        if PgConnection::connect(&url).await.is_ok() {
            return url;
        }
    }
    panic!("no PostgreSQL on 127.0.0.1:5432; {HOW}");
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name } = self else { return };
        let (server, drop) = (server.to_string(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // A thread with a runtime of its own: the test's own runtime cannot be waited for here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(sqlx::Error::Io)?;
            runtime
                .block_on(async { PgConnection::connect(&server).await?.execute(AssertSqlSafe(drop)).await })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test's database {name} stays behind: {error}");
        }
    }
}
