//! Around everything: the request's id, its line in the log, its time limit, and the form of its answer.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use frontdesk_core::limits::Refused;
use futures_util::FutureExt as _;

use super::{
    client_address::Proxies,
    cors::Sharing,
    problem::{Code, Problem},
};
use crate::App;

/// What the log knows a request by. Made here; a client's own would let it write into our log.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn wrap(app: App, proxies: Arc<Proxies>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id: Arc<str> = app.new_request_id().into();
    let method = request.method().clone();
    // The route, not the address: what people put into addresses by mistake does not reach the log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let client = peer.map(|peer| proxies.client_address(peer, request.headers(), app.now()));
    if let Some(client) = client {
        request.extensions_mut().insert(client);
    }
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));

    let sharing = Sharing::of(&app, &request);
    // A ban by hand refuses everything, wherever it would have gone.
    let banned = client.and_then(|client| app.bans().refuses(client.address, app.now()));
    let mut response = match (sharing.preflight(), banned) {
        // Does nothing and tells nothing; refused, it would keep the page from reading why the request itself is.
        (Some(preflight), _) => preflight,
        (None, Some(until)) => Problem::from(Refused::Banned { until }).into_response(),
        (None, None) => answer(&app, request, next).await,
    };

    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        let written = problem.write(&id);
        // What a layer in between added stays, like the Allow of a 405.
        for (name, value) in written.headers() {
            response.headers_mut().insert(name, value.clone());
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = written.into_body();
    }
    harden(&mut response);
    sharing.mark(&mut response);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }

    let status = response.status().as_u16();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let code = problem.as_ref().map(|problem| problem.code().name());
    let client = client.map(|client| tracing::field::display(client.address));
    match problem.as_ref().and_then(Problem::cause) {
        Some(cause) => {
            tracing::error!(target: "access", request_id = %id, %method, route, status, took_us, client, code, cause);
        }
        None => {
            tracing::info!(target: "access", request_id = %id, %method, route, status, took_us, client, code)
        }
    }
    response
}

/// In time, and without an end to the connection if something panics.
async fn answer(app: &App, request: Request, next: Next) -> Response {
    let answer =
        tokio::time::timeout(app.config().limits.request, AssertUnwindSafe(next.run(request)).catch_unwind());
    match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Problem::internal(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic"))
                .into_response()
        }
        Err(_) => Problem::with_detail(Code::Overloaded, "The request took too long.").into_response(),
    }
}

/// OWASP REST Security Cheat Sheet, security headers. Pages bring policies of their own.
fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
