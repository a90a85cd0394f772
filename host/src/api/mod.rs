//! The HTTP surface: one file per feature, each with its routes, its handlers and its types.

mod account_groups;
mod account_invitations;
mod account_profile;
mod account_users;
mod accounts;
pub(crate) mod activity;
mod api_credentials;
mod api_roles;
mod authorize;
mod bans;
mod client_account;
mod client_accounts;
mod client_address;
mod client_me;
mod client_session;
mod contacts;
mod cors;
mod custom_fields;
mod dashboard;
mod departments;
pub(crate) mod download;
mod extract;
pub(crate) mod guard;
mod invitations;
mod mail_templates;
mod me;
mod outermost;
mod page;
mod password_reset;
mod problem;
pub(crate) mod reports;
mod roles;
mod routes;
mod security_keys;
mod security_questions;
mod service;
mod session;
mod sessions;
mod settings;
mod staff;
mod staff_invitations;
mod tokens;
mod users;

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
use frontdesk_core::logins::Audience;

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
        account_groups::routes,
        custom_fields::routes,
        security_questions::routes,
        contacts::routes,
        api_roles::routes,
        api_credentials::routes,
        users::routes,
        accounts::routes,
        account_users::routes,
        account_invitations::routes,
        authorize::routes,
        activity::routes,
        reports::routes,
        bans::routes,
        settings::routes,
        mail_templates::routes,
        dashboard::routes,
        client_session::routes,
        client_me::routes,
        client_accounts::routes,
        client_account::routes,
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
            "Users",
            "Accounts",
            "Users of accounts",
            "Invitations to accounts",
            "Other systems",
            "Account groups",
            "Custom fields",
            "Security questions",
            "Contacts",
            "API access",
            "Activity",
            "Reports",
            "Bans",
            "Settings",
            "Mail templates",
            "Dashboard",
            "Client session",
            "Client profile",
            "Client accounts",
            "Client account",
            "Service",
        ]
        .map(|name| Tag { name: name.into(), ..Tag::default() })
        .into(),
        ..OpenApi::default()
    };
    let components = document.components.get_or_insert_default();
    components.responses.insert("Problem".into(), aide::openapi::ReferenceOr::Item(problem::response()));
    let mut sessions = |name: &str, audience, surface: &str| {
        let session = scheme(&format!("The token of `POST {surface}/session`."));
        let cookie = SecurityScheme::ApiKey {
            location: aide::openapi::ApiKeyLocation::Cookie,
            name: guard::cookie_of(audience).into(),
            description: Some(
                "The cookie of a login with `\"session\": \"cookie\"`; changes need our Origin.".into(),
            ),
            extensions: indexmap::IndexMap::default(),
        };
        for (kind, scheme) in [("session", session), ("cookie", cookie)] {
            let name = format!("{name}{kind}");
            components.security_schemes.insert(name, aide::openapi::ReferenceOr::Item(scheme));
        }
    };
    sessions("", Audience::Staff, "/v1/admin");
    sessions("client_", Audience::User, "/v1/client");
    let bearer = scheme("An API credential as `IDENTIFIER.SECRET`: the `token` of the answer that made it.");
    let basic = SecurityScheme::Http {
        scheme: "basic".into(),
        bearer_format: None,
        description: Some("An API credential: its identifier and its secret.".into()),
        extensions: indexmap::IndexMap::default(),
    };
    components.security_schemes.insert("credential".into(), aide::openapi::ReferenceOr::Item(basic));
    components.security_schemes.insert("credential_bearer".into(), aide::openapi::ReferenceOr::Item(bearer));
    document
}
