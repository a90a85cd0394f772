//! The HTTP surface: one file per feature, each with its routes, its handlers and its types.

mod api_credentials;
mod api_roles;
mod bans;
mod client_address;
mod cors;
mod dashboard;
mod departments;
mod extract;
pub(crate) mod guard;
mod invitations;
mod mail_templates;
mod me;
mod outermost;
mod page;
mod password_reset;
mod problem;
mod roles;
mod routes;
mod security_keys;
mod service;
mod session;
mod sessions;
mod settings;
mod staff;
mod staff_invitations;
mod tokens;

use std::sync::Arc;

use aide::openapi::{Info, License, OpenApi, SecurityScheme, Server, Tag};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;

pub use problem::{Code, Problem};

use self::{client_address::Proxies, routes::Routes};
use crate::{App, pages};

/// The whole surface: the API, its description, and the pages.
pub fn router(app: App) -> Router {
    let routes = [
        service::routes,
        session::routes,
        sessions::routes,
        me::routes,
        security_keys::routes,
        password_reset::routes,
        staff::routes,
        staff_invitations::routes,
        invitations::routes,
        roles::routes,
        departments::routes,
        api_roles::routes,
        api_credentials::routes,
        bans::routes,
        settings::routes,
        mail_templates::routes,
        dashboard::routes,
    ]
    .into_iter()
    .fold(Routes::new(app.clone()), |routes, add| add(routes));

    let mut document = description(&app);
    let router = routes.into_router(&app).finish_api(&mut document);
    let document = serde_json::to_vec(&document).expect("the API's description is plain data");
    let body_limit = app.config().limits.body;
    let outer = app.clone();
    let proxies = Arc::new(Proxies::new(app.config().trusted_proxies.clone()));
    let router = router
        .route("/openapi.json", get(|| openapi(Bytes::from(document))))
        .merge(pages::routes())
        .fallback(|| async {
            Problem::with_detail(Code::NotFound, "GET /openapi.json lists every route; /docs shows them.")
        })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(from_fn(move |request: Request, next: Next| {
            outermost::wrap(outer.clone(), Arc::clone(&proxies), request, next)
        }))
        .with_state(app.clone());
    app.serve_widgets(router.clone());
    router
}

async fn openapi(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

fn description(app: &App) -> OpenApi {
    let scheme = |description: &str| SecurityScheme::Http {
        scheme: "bearer".into(),
        bearer_format: None,
        description: Some(description.into()),
        extensions: indexmap::IndexMap::default(),
    };
    let mut document = OpenApi {
        info: Info {
            title: "Frontdesk".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: Some(include_str!("description.md").into()),
            license: Some(License {
                name: "Apache-2.0 OR MIT".into(),
                identifier: Some("Apache-2.0 OR MIT".into()),
                url: None,
                extensions: indexmap::IndexMap::default(),
            }),
            ..Info::default()
        },
        servers: vec![Server { url: app.public_url().as_str().into(), ..Server::default() }],
        tags: [
            "Session",
            "Own profile",
            "Recovery",
            "Staff",
            "Staff invitations",
            "Invitations",
            "Roles",
            "Departments",
            "API access",
            "Bans",
            "Settings",
            "Mail templates",
            "Dashboard",
            "Service",
        ]
        .map(|name| Tag { name: name.into(), ..Tag::default() })
        .into(),
        ..OpenApi::default()
    };
    let components = document.components.get_or_insert_default();
    components.responses.insert("Problem".into(), aide::openapi::ReferenceOr::Item(problem::response()));
    let session = scheme("The token of `POST /v1/admin/session`.");
    let cookie = SecurityScheme::ApiKey {
        location: aide::openapi::ApiKeyLocation::Cookie,
        name: guard::STAFF_COOKIE.into(),
        description: Some(
            "The cookie of a login with `\"session\": \"cookie\"`; changes need our Origin.".into(),
        ),
        extensions: indexmap::IndexMap::default(),
    };
    let bearer = scheme("An API credential as `IDENTIFIER.SECRET`: the `token` of the answer that made it.");
    let basic = SecurityScheme::Http {
        scheme: "basic".into(),
        bearer_format: None,
        description: Some("An API credential: its identifier and its secret.".into()),
        extensions: indexmap::IndexMap::default(),
    };
    components.security_schemes.insert("credential".into(), aide::openapi::ReferenceOr::Item(basic));
    components.security_schemes.insert("credential_bearer".into(), aide::openapi::ReferenceOr::Item(bearer));
    components.security_schemes.insert("session".into(), aide::openapi::ReferenceOr::Item(session));
    components.security_schemes.insert("cookie".into(), aide::openapi::ReferenceOr::Item(cookie));
    document
}
