//! Around everything: the request's id, its line in the log, its time limit, and the form of its answer.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;

use super::problem::{Code, Problem};
use crate::App;

/// What the log knows a request by. Made here; a client's own would let it write into our log.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) async fn wrap(app: App, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id: Arc<str> = app.new_request_id().into();
    let method = request.method().clone();
    // The route, not the address: what people put into addresses by mistake does not reach the log.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));

    let answer =
        tokio::time::timeout(app.config().limits.request, AssertUnwindSafe(next.run(request)).catch_unwind());
    let mut response = match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Problem::internal(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic"))
                .into_response()
        }
        Err(_) => Problem::with_detail(Code::Overloaded, "The request took too long.").into_response(),
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
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }

    let status = response.status().as_u16();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let code = problem.as_ref().map(|problem| problem.code().name());
    let peer = peer.map(tracing::field::display);
    match problem.as_ref().and_then(Problem::cause) {
        Some(cause) => {
            tracing::error!(target: "access", request_id = %id, %method, route, status, took_us, peer, code, cause);
        }
        None => {
            tracing::info!(target: "access", request_id = %id, %method, route, status, took_us, peer, code)
        }
    }
    response
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
