//! Connections: bounded in number, in how long their headers may take, and in how long they outlive the service.

mod patience;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::ServiceExt;

use self::patience::Patience;

/// Open at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 4096;
/// Left free for the database, plugins and files when the process may open few files.
const OTHER_FILES: u64 = 128;
/// To begin, and then to the end of the headers: whoever is slower is not a client (CWE-400).
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long an HTTP/2 connection may be silent before it is asked whether it is there, and how long it may take to say so.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// After the operating system gave no connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopped`, then finishes the requests that run.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<()>) {
    let room = Arc::new(Semaphore::new(room()));
    let graceful = GracefulShutdown::new();
    let protocol = Arc::new(protocol());
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, peer)) => attend(&protocol, &graceful, stream, peer, router.clone(), place),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

fn room() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(most.saturating_sub(OTHER_FILES).max(16)).unwrap_or(CONNECTIONS).min(CONNECTIONS)
}

fn protocol() -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(20);
    protocol
}

fn attend(
    protocol: &Arc<auto::Builder<TokioExecutor>>,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: OwnedSemaphorePermit,
) {
    // Answers are written whole; waiting for more to send only delays them.
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move { answer.await.map_err(|never: Infallible| never) }
    });
    let protocol = Arc::clone(protocol);
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        let _place = place;
        let connection =
            protocol.serve_connection(TokioIo::new(Patience::new(stream, HEADERS_WITHIN)), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, error, "a connection ended early");
        }
    });
}

/// The client went away before it was accepted, which is nobody's trouble.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
