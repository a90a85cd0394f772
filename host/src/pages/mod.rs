//! The few pages that the service shows itself: what the links in mails open (accepting an invitation, verifying an address,
//! setting a forgotten password), where an administrator comes in as a user, the API reference, and a front door. Everything
//! they load is inside the binary; nothing is inline, so that their content security policies can forbid it.

mod assets;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;

use assets::Asset;

/// The pages and what they load. They know no state and need no login.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for (path, html, policy) in PAGES {
        let html = Bytes::from(whole(html));
        router = router.route(path, get(move || async move { page(html, policy) }));
    }
    for asset in assets::all() {
        router =
            router.route(asset.path, get(move |headers: HeaderMap| async move { serve(asset, &headers) }));
    }
    router
}

/// For pages of our own making: their script and style sheet, their API, and nothing else. They read tokens
/// and passwords.
const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// The same without trusted types, which Swagger UI does not know.
const REFERENCE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                         img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const PAGES: [(&str, &str, &str); 6] = [
    ("/", include_str!("files/index.html"), STRICT),
    ("/accept", include_str!("files/accept.html"), STRICT),
    ("/verify-email", include_str!("files/verify-email.html"), STRICT),
    ("/login-as", include_str!("files/login-as.html"), STRICT),
    ("/reset-password", include_str!("files/reset-password.html"), STRICT),
    ("/docs", include_str!("files/docs.html"), REFERENCE),
];

/// What several pages hold, where a comment names it.
const PARTS: [(&str, &str); 2] = [
    ("<!-- login-form.html -->", include_str!("files/login-form.html")),
    ("<!-- second-factor.html -->", include_str!("files/second-factor.html")),
];

fn whole(html: &str) -> String {
    PARTS.iter().fold(html.to_owned(), |html, (comment, part)| html.replace(comment, part))
}

fn page(html: Bytes, policy: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    answer(StatusCode::OK, html.into(), headers)
}

fn serve(asset: &'static Asset, request: &HeaderMap) -> Response {
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|known| known.split(',').any(|tag| same_tag(tag, &asset.etag)));
    let (status, body) = match fresh {
        true => (StatusCode::NOT_MODIFIED, Body::empty()),
        false => (StatusCode::OK, asset.text.into()),
    };
    // Kept, but asked about each time, so that an upgrade shows at once.
    let headers = [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, "no-cache")];
    let mut response = answer(status, body, headers);
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// RFC 9110 section 13.1.2: weak comparison, since proxies that compress make tags weak.
fn same_tag(given: &str, own: &str) -> bool {
    let given = given.trim();
    given == "*" || given.strip_prefix("W/").unwrap_or(given) == own
}

fn answer<const N: usize>(
    status: StatusCode,
    body: Body,
    headers: [(HeaderName, &'static str); N],
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let common = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in headers.into_iter().chain(common) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
