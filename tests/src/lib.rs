//! What the end-to-end tests and the benchmarks are made of: the service as a process, its database, a mail server, an
//! HTTP client, people.

mod authenticator;
mod callers;
mod clients;
mod database;
mod frontdesk;
mod http;
mod people;
mod secrets;
mod smtp;
mod totp;

pub use authenticator::Authenticator;
pub use callers::{colleague, guess, log_in_as};
pub use clients::{
    User, accept_as_new, associated, client_log_in, found, new_user, open_registration, registered,
    registration, with_clients,
};
pub use database::Database;
pub use frontdesk::{Frontdesk, binary};
pub use http::{Answer, Api};
pub use people::{
    Challenge, FULL_ADMINISTRATOR, Invitation, PASSWORD, Person, accept_as_first, first_administrator,
    invite, joined, log_in, recovery_codes, role, roles, token_of, trust_this_machine,
};
pub use secrets::Secrets;
pub use smtp::{Mail, Smtp, SmtpOptions, Tls, python};
pub use totp::AuthenticatorApp;

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it lost. Generous: two cores, debug builds, everything at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; the only way a test here waits.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    within(PATIENCE, what, ask).await
}

/// [`eventually`], with another limit.
pub async fn within<T, F: Future<Output = Option<T>>>(
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
pub fn unique() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The directory that holds the binary of this test's profile: `target/debug`.
pub fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    // target/debug/deps/e2e-0123456789abcdef
    test.ancestors().nth(2).expect("cargo puts tests two levels below the profile's directory").to_owned()
}

/// Makes of each function one test on SQLite and one on PostgreSQL:
///
/// ```text
/// both! { somebody_is_invited }
///
/// async fn somebody_is_invited(database: Database) { … }
/// ```
#[macro_export]
macro_rules! both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(database) = $crate::Database::postgres().await {
                    super::$name(database).await;
                }
            }
        }
    )+};
}
