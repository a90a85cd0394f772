//! What the service lends to plugins: its mail transport and its own API. Both run on the service's threads, and end
//! when the plugin's call ends.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use frontdesk_core::{roles::Permission, sessions::Authenticated};
use http_body_util::{BodyExt, Limited};
use tokio::{runtime::Handle, task::JoinSet};
use tower::ServiceExt;

use crate::{
    api::guard::InProcess,
    mail::{self, MailErrorKind, Transport},
    plugins::{BoxFuture, Envelope, Failure, MailTransport, ServiceAccess, ServiceReader},
};

/// The operator's mail transport, for mail notifiers.
#[derive(Debug)]
pub(crate) struct LentMail {
    pub(crate) transport: Arc<Transport>,
    pub(crate) threads: Handle,
}

impl MailTransport for LentMail {
    fn submit(&self, envelope: Envelope, message: Vec<u8>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let envelope = mail::Envelope::new(&envelope.sender, &envelope.recipients).map_err(failure)?;
            let transport = Arc::clone(&self.transport);
            on(&self.threads, async move { transport.submit(&envelope, message).await.map_err(failure) })
                .await
        })
    }
}

fn failure(error: mail::MailError) -> Failure {
    match error.kind {
        MailErrorKind::Retry => Failure::retry(error.message, None),
        MailErrorKind::Rejected => Failure::rejected(error.message),
        MailErrorKind::Misconfigured => Failure::misconfigured(error.message, None),
    }
}

/// The service's own API, for widgets. Empty until the router stands, and after it is closed.
#[derive(Debug)]
pub(crate) struct OwnApi {
    router: RwLock<Option<Router>>,
    threads: Handle,
}

/// More than a page of any list.
const MOST_BYTES: usize = 1024 * 1024;

impl OwnApi {
    pub(crate) fn new(threads: Handle) -> Arc<Self> {
        Arc::new(Self { router: RwLock::default(), threads })
    }

    pub(crate) fn set(&self, router: Option<Router>) {
        *self.router.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    async fn ask(router: Router, path: String, eyes: InProcess) -> Result<String, Failure> {
        let request = Request::builder().method(Method::GET).uri(&path).extension(eyes).body(Body::empty());
        let request =
            request.map_err(|_| Failure::rejected(format!("{path:?} is not a path with its query")))?;
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|_| {
            Failure::rejected(format!("GET {path} answers too much; ask for less with ?limit="))
        })?;
        let text = String::from_utf8(body.to_bytes().into());
        let text = text.map_err(|_| Failure::rejected(format!("GET {path} does not answer JSON")))?;
        match status {
            StatusCode::OK => Ok(text),
            status if status.is_server_error() => {
                Err(Failure::retry(format!("GET {path} answered {status}"), None))
            }
            status => Err(Failure::rejected(format!("GET {path} answered {status}: {text}"))),
        }
    }
}

impl ServiceReader for OwnApi {
    fn get(&self, path: String, access: ServiceAccess) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let eyes = match access {
                ServiceAccess::Shared { permission } => {
                    InProcess::Widget(permission.as_deref().and_then(known))
                }
                ServiceAccess::Viewer(viewer) => match viewer.downcast::<Authenticated>() {
                    Ok(session) => InProcess::Viewer(session),
                    Err(_) => return Err(Failure::rejected("the viewer is not a member of staff")),
                },
            };
            let router = self.router.read().unwrap_or_else(PoisonError::into_inner).clone();
            let router = router.ok_or_else(|| Failure::retry("the service is not serving", Some(1)))?;
            on(&self.threads, Self::ask(router, path, eyes)).await
        })
    }
}

pub(crate) fn known(slug: &str) -> Option<Permission> {
    Permission::ALL.iter().copied().find(|permission| permission.slug() == slug)
}

/// Runs `work` on the service's own threads. Dropped, it ends there, too.
async fn on<T: Send + 'static>(
    threads: &Handle,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let mut task = JoinSet::new();
    task.spawn_on(work, threads);
    match task.join_next().await {
        Some(Ok(done)) => done,
        _ => Err(Failure::retry("the service is stopping", None)),
    }
}
