//! What guests may ask of the host, one file per import: its state in a call, its bounds, its linking.

pub mod clock;
pub mod log;
pub mod mail;
pub mod random;
pub mod service;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mail::MailTransport;
use service::ServiceReader;

/// A boxed future, as the traits that the rest of the host implements need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Milliseconds since 1970, UTC.
pub type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;
/// Fills a slice with random bytes fit for keys.
pub type FillRandom = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What the rest of the host lends to plugins.
#[derive(Clone)]
pub struct HostServices {
    pub now_ms: NowMs,
    pub random: FillRandom,
    pub mail: Arc<dyn MailTransport>,
    pub service: Arc<dyn ServiceReader>,
}

impl fmt::Debug for HostServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostServices").finish_non_exhaustive()
    }
}
