//! What every test here is made of: the service, its database, a mail server, an HTTP client, people.

mod database;
mod frontdesk;
mod http;
mod people;
mod secrets;
mod smtp;

pub(crate) use database::Database;
pub(crate) use frontdesk::Frontdesk;
pub(crate) use http::{Answer, Api};
pub(crate) use people::{Invitation, PASSWORD, Person, first_administrator, invite, roles, token_of};
pub(crate) use secrets::Secrets;
pub(crate) use smtp::{Smtp, SmtpOptions, Tls, python};

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it lost. Generous: two cores, debug builds, everything at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; the only way a test here waits.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    within(PATIENCE, what, ask).await
}

/// [`eventually`], with another limit.
pub(crate) async fn within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A word no other test has, for names of databases and people.
pub(crate) fn unique() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Where the tests' tools and the binary lie: the `target` directory this test was built in.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    // target/debug/deps/e2e-0123456789abcdef
    test.ancestors().nth(3).expect("cargo puts tests three levels below target").to_owned()
}

/// Makes of each function one test on SQLite and one on PostgreSQL:
///
/// ```ignore
/// both! { somebody_is_invited }
///
/// async fn somebody_is_invited(database: Database) { … }
/// ```
macro_rules! both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::harness::Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = $crate::harness::Database::postgres().await {
                    super::$name(database).await;
                }
            }
        }
    )+};
}
pub(crate) use both;
