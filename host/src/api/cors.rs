//! Front ends of other origins: those that `cors_origins` lists may call the API and read its answers (Fetch, section 3.3).
//!
//! Not tower-http's layer: that tells every origin what is allowed, takes every OPTIONS for a preflight, and must stand
//! either outside the log or inside what bans and time limits answer, which pages must be able to read.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::outermost::REQUEST_ID;
use crate::App;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// What answers carry beside the headers that pages may always read.
const ANSWER_HEADERS: [HeaderName; 4] =
    [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, REQUEST_ID];
/// In seconds; no browser believes it for much longer. An origin taken off the list reads nothing all the same, because
/// each answer is marked by itself.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// With whom an answer is shared, as its request says.
#[derive(Debug)]
pub(super) struct Sharing {
    /// Whether pages of other origins have any business there.
    is_api: bool,
    /// The origin that may read the answer, beside our own.
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl Sharing {
    pub(super) fn of(app: &App, request: &Request) -> Self {
        let (path, headers) = (request.uri().path(), request.headers());
        let is_api = path.starts_with("/v1/") || path == "/openapi.json";
        let origin = listed(app, headers).filter(|_| is_api).cloned();
        let asks = *request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Self { is_api, is_preflight: asks && origin.is_some(), origin }
    }

    /// The answer to a listed front end's question what it may send. The same for every route, whether it exists or not:
    /// the request that follows is answered 404 or 405, which the page can read.
    pub(super) fn preflight(&self) -> Option<Response> {
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        self.is_preflight.then(|| (StatusCode::NO_CONTENT, allowed).into_response())
    }

    /// Says in an answer, whatever it is, who may read it. Never `Access-Control-Allow-Credentials`: cookies are for our
    /// own pages, everybody else sends tokens.
    pub(super) fn mark(self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.is_api {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.is_preflight {
            let names = ANSWER_HEADERS.each_ref().map(HeaderName::as_str).join(", ");
            let names = HeaderValue::from_str(&names).expect("names of headers make a header");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
    }
}

/// The origin of the page that makes a request, if it is another one than ours and `cors_origins` lists it. Equal to the
/// byte or not at all: `null`, other schemes, ports, cases, suffixes and dots at the end are somebody else's.
pub(super) fn listed<'h>(app: &App, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    let text = origin.to_str().ok()?;
    (app.config().cors_origins.contains(text) && text != app.public_url().origin()).then_some(origin)
}
