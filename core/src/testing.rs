//! A clock that tests turn by hand, chance that can be foretold, and databases that go away.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::{
    activity::key::LogKey,
    cx::Service,
    db::{Db, PoolSize},
    ids::{Chance, EventOrder},
    secret::Keyring,
    time::{Clock, Timestamp},
};
#[cfg(test)]
use crate::{
    activity::search::{Entry, Filter, Scan},
    cx::{Caller, Reads as _},
    ids::{LoginId, RoleId, StaffId},
    logins::{self, Login},
    password::PasswordHash,
    roles::{self, FULL_ADMINISTRATOR},
    staff::{self, Details, NewStaff},
    users::{self, CreatedBy, NewUser},
};

/// A clock that stands still until it is turned.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at 2026-01-01T00:00:00Z.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_767_225_600_000)))
    }

    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).expect("a test's span"), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A stream of bytes that is the same for the same seed.
#[derive(Debug)]
pub struct SeededChance {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededChance {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, drawn: AtomicU64::new(0) })
    }
}

impl Chance for SeededChance {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::digest([self.seed.to_le_bytes(), number.to_le_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// A service on an empty database of its own, at a time of its own.
#[derive(Debug)]
pub struct TestService {
    pub service: Service,
    pub clock: Arc<ManualClock>,
    cleanup: Cleanup,
}

#[derive(Debug)]
enum Cleanup {
    Directory(PathBuf),
    Schema { url: String, name: String },
    Nothing,
}

/// The databases that tests run on: SQLite always, PostgreSQL where `FRONTDESK_TEST_POSTGRES` names one.
pub async fn services() -> Vec<TestService> {
    let mut services = vec![TestService::sqlite().await];
    match std::env::var("FRONTDESK_TEST_POSTGRES") {
        Ok(url) if url != "skip" => services.push(TestService::postgres(&url).await),
        _ => eprintln!("SKIPPED on PostgreSQL: FRONTDESK_TEST_POSTGRES names none"),
    }
    services
}

impl TestService {
    pub async fn sqlite() -> Self {
        let directory = std::env::temp_dir().join(format!("frontdesk-{}", unique()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let db = Db::open_sqlite(&directory.join("frontdesk.db"), PoolSize::default()).await;
        Self::on(db.expect("the database opens"), Cleanup::Directory(directory)).await
    }

    /// In a schema of its own, dropped in the end.
    pub async fn postgres(url: &str) -> Self {
        let name = format!("frontdesk_{}", unique().replace('-', "_"));
        execute(url, format!("CREATE SCHEMA {name}")).await;
        let separator = if url.contains('?') { '&' } else { '?' };
        let inside = format!("{url}{separator}options=-csearch_path%3D{name}");
        let db = Db::open_postgres(&inside, PoolSize::default()).await;
        Self::on(db.expect("the database opens"), Cleanup::Schema { url: url.into(), name }).await
    }

    /// On a database that is somebody else's to take away.
    pub async fn on_database(db: Db) -> Self {
        Self::on(db, Cleanup::Nothing).await
    }

    async fn on(db: Db, cleanup: Cleanup) -> Self {
        let (clock, chance) = (ManualClock::new(), SeededChance::new(1));
        let keys = Keyring::from_bytes([7; 32]);
        let log_key = LogKey::open(&db, &keys, clock.now(), &*chance).await.expect("the log begins");
        let service = Service {
            db,
            clock: clock.clone(),
            chance,
            keys,
            log_key,
            event_order: EventOrder::default(),
            outbox_bell: Arc::new(Notify::new()),
        };
        Self { service, clock, cleanup }
    }

    /// Closes the database and takes it away.
    pub async fn finish(self) {
        self.service.db.close().await;
        match self.cleanup {
            Cleanup::Directory(path) => drop(std::fs::remove_dir_all(path)),
            Cleanup::Nothing => {}
            Cleanup::Schema { url, name } => execute(&url, format!("DROP SCHEMA {name} CASCADE")).await,
        }
    }
}

async fn execute(url: &str, sql: String) {
    use sqlx::Connection;
    let mut conn = sqlx::PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.expect("the statement runs");
    conn.close().await.expect("the connection closes");
}

/// Different for every call in every process.
#[expect(clippy::disallowed_methods, reason = "names of temporary things must differ between runs")]
pub(crate) fn unique() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    format!("{}-{}", std::process::id(), data_encoding::HEXLOWER.encode(&bytes))
}

/// What the core's own tests need to be there first.
#[cfg(test)]
impl TestService {
    /// A full administrator of that name.
    pub(crate) async fn member(&self, username: &str) -> StaffId {
        let mut cx = self.service.begin(Caller::system()).await.expect("the database answers");
        let role = roles::find(&mut cx, FULL_ADMINISTRATOR).await.expect("the database answers");
        let new = NewStaff {
            username: username.into(),
            email: format!("{username}@example.com"),
            first_name: "Some".into(),
            last_name: "Body".into(),
            language: "en".into(),
            details: Details::default(),
            must_change_password: false,
        };
        let role = role.expect("the role is shipped");
        let id = staff::bring_in(&mut cx, new, &role, PasswordHash::for_tests()).await.expect("a free name");
        cx.commit().await.expect("the database answers");
        id
    }

    /// A role that permits nothing.
    pub(crate) async fn powerless_role(&self, id: RoleId) {
        let mut cx = self.service.begin(Caller::system()).await.expect("the database answers");
        let sql = "INSERT INTO roles (id, name, name_folded, everything, permissions, created_at)
            VALUES ($1, 'No Permissions', 'no permissions', FALSE, '', 0)";
        crate::on!(cx.db(), conn => sqlx::query(sql).bind(id).execute(conn).await.map(|_| ()))
            .expect("a free name");
        cx.commit().await.expect("the database answers");
    }

    /// What the events of that name say, or all of them, the oldest first.
    pub(crate) async fn told(&self, name: Option<&str>) -> Vec<Entry> {
        let mut view = self.service.read().await.expect("the database answers");
        let filter = Filter { events: name.map(str::to_owned).into_iter().collect(), ..Filter::default() };
        let told = Scan::new(filter, None).next(&mut view).await.expect("the database answers");
        told.into_iter().flatten().rev().collect()
    }

    pub(crate) async fn disable(&self, id: impl Into<LoginId>) {
        let mut cx = self.service.begin(Caller::system()).await.expect("the database answers");
        logins::set_disabled(&mut cx, id.into(), true).await.expect("the database answers");
        cx.commit().await.expect("the database answers");
    }

    pub(crate) async fn login(&self, id: impl Into<LoginId>) -> Login {
        let mut view = self.service.read().await.expect("the database answers");
        logins::find(&mut view, id.into()).await.expect("the database answers").expect("the login is there")
    }

    /// A user of that name, whose address nobody has verified.
    pub(crate) async fn user(&self, name: &str) -> Login {
        let mut cx = self.service.begin(Caller::system()).await.expect("the database answers");
        let new = NewUser {
            email: format!("{name}@example.com"),
            first_name: "Some".into(),
            last_name: "Body".into(),
            language: None,
        };
        let (hash, how) = (PasswordHash::for_tests(), CreatedBy::Registration);
        let id = users::create(&mut cx, new, Some(hash), how, "en").await.expect("a free name").id;
        cx.commit().await.expect("the database answers");
        self.login(id).await
    }
}
