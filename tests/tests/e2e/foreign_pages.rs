//! Pages of other sites, in the browser of somebody who may log in here: they get nothing done, and burn nobody's attempts.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Invitation, Person, Smtp, both, first_administrator, guess, invite,
    log_in_as,
};
use reqwest::{Method, header};
use serde_json::{Value, json};

both! {
    a_foreign_page_burns_nobodys_attempts,
    pages_of_this_service_and_programs_are_let_through,
}

/// How a browser shows that another site's page made it ask.
const FOREIGN: [(&str, &str); 8] = [
    ("origin", "https://evil.example.test"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1"),
    ("origin", "http://localhost"),
    ("origin", ""),
    ("sec-fetch-site", "cross-site"),
    ("referer-and-origin", "https://evil.example.test"),
    ("own-origin-but-cross-site", ""),
];

/// Everything that can be asked without a session and changes something, with a body that would count.
fn attempts(ada: &Person, invitation: &Invitation) -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/admin/session", json!({ "login": "ada", "password": "thimble copper 12 meadow" })),
        ("/v1/admin/session", json!({ "login": "ada", "password": ada.password, "session": "cookie" })),
        ("/v1/admin/session/second-factor", json!({ "challenge": "x", "method": "totp", "code": "000000" })),
        ("/v1/public/password-reset", json!({ "audience": "staff", "login": "ada" })),
        (
            "/v1/public/password-reset/complete",
            json!({ "token": "x", "password": "copper 12 meadow thimble" }),
        ),
        (
            "/v1/public/invitations/accept",
            json!({
                "token": invitation.token(), "username": "grace", "password": "copper 12 meadow thimble",
                "first_name": "Grace", "last_name": "Hopper",
            }),
        ),
        ("/v1/public/invitations/lookup", json!({ "token": invitation.token() })),
    ]
}

fn post(api: &Api, path: &str) -> reqwest::RequestBuilder {
    api.request(Method::POST, path)
}

/// Nothing that a refusal came with tells a page anything, or sets anything.
fn is_bare(answer: &Answer) {
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

/// Regression: a foreign page burning somebody's attempts.
async fn a_foreign_page_burns_nobodys_attempts(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(1).await;
    let victim = service.api().from_address("127.0.0.2");
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();

    for (path, body) in attempts(&ada, &invitation) {
        for (name, value) in FOREIGN {
            let request = post(&victim, path).json(&body);
            let request = match name {
                "referer-and-origin" => request.header("origin", value).header("referer", service.base()),
                "own-origin-but-cross-site" => {
                    request.header("origin", service.base()).header("sec-fetch-site", "cross-site")
                }
                _ => request.header(name, value),
            };
            let answer = victim.send(request).await;
            answer.problem(403, "origin_refused");
            is_bare(&answer);
        }
        // What a page may send without asking first (Fetch, section 4.9.1), and old browsers send without an Origin.
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
        {
            let request = post(&victim, path).header(header::CONTENT_TYPE, media_type).body(body.to_string());
            let answer = victim.send(request).await;
            answer.problem(415, "unsupported_media_type");
            is_bare(&answer);
            let request = post(&victim, path)
                .header(header::CONTENT_TYPE, media_type)
                .header("origin", "https://evil.example.test")
                .body(body.to_string());
            victim.send(request).await.problem(403, "origin_refused");
        }
        let ask = victim.request(Method::OPTIONS, path).header("origin", "https://evil.example.test");
        is_bare(&victim.send(ask.header("access-control-request-method", "POST")).await);
    }

    for table in ["address_failures", "name_delays", "bans", "reset_requests", "password_resets"] {
        assert_eq!(service.column(&format!("SELECT 'a row' FROM {table}")).await, [""; 0], "{table}");
    }
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
    smtp.takes(1).await;
    victim.post("/v1/public/invitations/lookup", &json!({ "token": invitation.token() })).await.expect(200);
    // As many real ones as ever are needed for a ban.
    for name in ["ada", "ada", "nobody"] {
        guess(&victim, name).await.problem(401, "login_refused");
    }
    log_in_as(&victim, &ada).await.problem(403, "address_banned");
}

/// The other way round: what is refused above is refused for where it comes from.
async fn pages_of_this_service_and_programs_are_let_through(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let body = json!({ "login": "ada", "password": ada.password });
    let own = service.base().to_owned();
    for headers in [
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
        vec![("origin", own.as_str())],
        vec![("sec-fetch-site", "none")],
        vec![],
    ] {
        let mut request = post(&guest, "/v1/admin/session").json(&body);
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = guest.send(request).await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text);
    }
}
