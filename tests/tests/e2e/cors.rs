//! Front ends of other origins: those that `cors_origins` lists work with tokens; all others, and all cookies, stay outside.

use crate::openapi::{Operation, document};
use frontdesk_tests::{
    Answer, Api, Challenge, Database, Frontdesk, PASSWORD, Person, both, colleague, first_administrator,
    guess, invite, log_in_as, trust_this_machine,
};
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;

both! {
    a_listed_front_end_logs_in_works_and_logs_out_with_tokens,
    a_page_that_looks_like_a_listed_front_end_is_a_stranger,
    every_problem_can_be_read_by_a_listed_front_end,
    a_listed_front_end_gets_no_cookie_and_spends_nothing_by_asking,
    a_cookie_still_needs_our_own_origin,
}

const CONSOLE: &str = "https://console.example.test";
/// As browsers say it of `Bücher.example:443`.
const BOOKS: &str = "https://xn--bcher-kva.example";
const DEVELOPMENT: &str = "http://localhost:5173";

/// Other front ends, as somebody wrote them down.
const LISTED: &str = "cors_origins = [\"https://Console.example.test:443\", \"https://Bücher.example\", \"http://localhost:5173\", \
                      \"https://console.example.test\"]";

/// Pages that somebody may have who wants to pass for one of them.
const STRANGERS: [&str; 24] = [
    "https://evil.example.test",
    "null",
    "",
    "*",
    "http://console.example.test",
    "wss://console.example.test",
    "https://console.example.test.",
    "https://console.example.test.evil.test",
    "https://console.example.testevil.test",
    "https://evilconsole.example.test",
    "https://evil.test/console.example.test",
    "https://sub.console.example.test",
    "https://example.test",
    "https://console.example.test:443",
    "https://console.example.test:8443",
    "https://console.example.test/",
    "https://console.example.test@evil.test",
    "https://CONSOLE.example.test",
    "HTTPS://console.example.test",
    "https://console.example.test https://evil.example.test",
    "https://evil.example.test, https://console.example.test",
    "http://localhost",
    "http://127.0.0.1:5173",
    "https://localhost:5173",
];

async fn with_front_ends(database: Database) -> (Frontdesk, Person) {
    let mut service = Frontdesk::on(database).with_config(LISTED);
    service.start().await;
    let ada = first_administrator(&service).await;
    (service, ada)
}

/// What a browser sends for a page of `origin` on another site.
fn from_page(api: &Api, origin: &str, method: Method, path: &str) -> RequestBuilder {
    api.request(method, path).header("origin", origin).header("sec-fetch-site", "cross-site")
}

async fn post(api: &Api, origin: &str, path: &str, body: &Value) -> Answer {
    api.send(from_page(api, origin, Method::POST, path).json(body)).await
}

async fn preflight(api: &Api, origin: &str, method: &str, path: &str) -> Answer {
    let ask = from_page(api, origin, Method::OPTIONS, path)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,content-type");
    api.send(ask).await
}

fn list(answer: &Answer, header: &str) -> BTreeSet<String> {
    let text = answer.header(header).unwrap_or_else(|| panic!("no {header}: {answer:?}"));
    text.split(',').map(|part| part.trim().to_ascii_lowercase()).collect()
}

/// A page of this origin may read it, and none sends cookies along.
fn is_shared_with(answer: &Answer, origin: &str) {
    let allowed: Vec<_> = answer.headers.get_all("access-control-allow-origin").iter().collect();
    assert_eq!(allowed, [origin], "{answer:?}");
    assert!(list(answer, "vary").contains("origin"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
}

/// [`is_shared_with`], and all that it says.
fn is_whole_to(answer: &Answer, origin: &str) {
    is_shared_with(answer, origin);
    let exposed = list(answer, "access-control-expose-headers");
    // What pages may always read (Fetch, section 2.2.3), what they need not, and what they get told otherwise.
    let others = [
        "cache-control",
        "content-length",
        "content-type",
        "content-security-policy",
        "date",
        "referrer-policy",
        "vary",
        "x-content-type-options",
        "x-frame-options",
    ];
    for name in answer.headers.keys().map(header::HeaderName::as_str) {
        let readable =
            exposed.contains(name) || others.contains(&name) || name.starts_with("access-control-");
        assert!(readable, "{name} is kept from the page: {answer:?}");
    }
}

fn is_shared_with_nobody(answer: &Answer) {
    let shared: Vec<_> =
        answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
    assert!(shared.is_empty(), "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None);
}

/// Every operation there is, the description, and what does not exist: method and path.
async fn everything(api: &Api) -> Vec<(String, String)> {
    let mut all: Vec<_> = Operation::all(&document(api).await)
        .iter()
        .map(|operation| {
            let name = operation.name();
            let (method, path) = name.split_once(' ').expect("a method and a path");
            let part = |part| {
                if str::starts_with(part, '{') { "018f0000-0000-7000-8000-000000000000" } else { part }
            };
            (method.to_owned(), path.split('/').map(part).collect::<Vec<_>>().join("/"))
        })
        .filter(|(_, path)| path != "/healthz" && path != "/readyz")
        .collect();
    for (method, path) in
        [("GET", "/openapi.json"), ("POST", "/v1/nothing"), ("DELETE", "/v1/admin/session/confirm")]
    {
        all.push((method.to_owned(), path.to_owned()));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_may_be_asked_for_from_a_listed_origin_and_from_no_other() {
    let (service, _ada) = with_front_ends(Database::sqlite()).await;
    let guest = service.api();
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    for (method, path) in everything(&guest).await {
        for origin in [CONSOLE, BOOKS, DEVELOPMENT] {
            let answer = preflight(&guest, origin, &method, &path).await;
            answer.expect(204);
            is_shared_with(&answer, origin);
            let methods = list(&answer, "access-control-allow-methods");
            assert!(methods.contains(&method.to_ascii_lowercase()), "{method} {path}: {methods:?}");
            assert_eq!(methods, ["delete", "get", "patch", "post", "put"].map(str::to_owned).into());
            let headers = list(&answer, "access-control-allow-headers");
            assert_eq!(headers, ["authorization", "content-type"].map(str::to_owned).into());
            let seconds: u32 =
                answer.header("access-control-max-age").and_then(|age| age.parse().ok()).expect("seconds");
            assert!((60..=7200).contains(&seconds), "{seconds}");
        }
        for origin in ["https://evil.example.test", "null", service.base()] {
            let answer = preflight(&guest, origin, &method, &path).await;
            is_shared_with_nobody(&answer);
            assert!(list(&answer, "vary").contains("origin"), "{method} {path}: {answer:?}");
        }
    }
    for origin in STRANGERS {
        is_shared_with_nobody(&preflight(&guest, origin, "POST", "/v1/admin/session").await);
    }
    // What is for people and probes is no business of other pages.
    for path in ["/", "/accept", "/docs", "/healthz", "/readyz", "/nothing", "/v1"] {
        is_shared_with_nobody(&preflight(&guest, CONSOLE, "GET", path).await);
        is_shared_with_nobody(&guest.send(from_page(&guest, CONSOLE, Method::GET, path)).await);
    }
    // An OPTIONS that asks for nothing is none.
    let plain = guest.send(from_page(&guest, CONSOLE, Method::OPTIONS, "/v1/admin/session")).await;
    plain.problem(405, "method_not_allowed");
    is_whole_to(&plain, CONSOLE);
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
}

async fn a_listed_front_end_logs_in_works_and_logs_out_with_tokens(database: Database) {
    let (service, ada) = with_front_ends(database).await;
    let guest = service.api();
    let described = guest.send(from_page(&guest, CONSOLE, Method::GET, "/openapi.json")).await;
    described.expect(200);
    is_whole_to(&described, CONSOLE);
    for origin in [CONSOLE, BOOKS, DEVELOPMENT] {
        let login = json!({ "login": "ada", "password": ada.password, "session": "token" });
        let answer = post(&guest, origin, "/v1/admin/session", &login).await;
        let token = answer.expect(200)["token"].as_str().expect("a token").to_owned();
        assert_eq!(answer.header("set-cookie"), None);
        is_whole_to(&answer, origin);

        let console = guest.with_token(&token);
        let me = console.send(from_page(&console, origin, Method::GET, "/v1/admin/session")).await;
        assert_eq!(me.expect(200)["staff"]["username"], "ada");
        is_whole_to(&me, origin);
        let ban = post(&console, origin, "/v1/admin/bans", &json!({ "network": "192.0.2.7" })).await;
        let path = format!("/v1/admin/bans/{}", ban.expect(201)["id"].as_str().expect("an id"));
        is_whole_to(&ban, origin);
        let lifted = console.send(from_page(&console, origin, Method::DELETE, &path)).await;
        lifted.expect(204);
        is_whole_to(&lifted, origin);
        let again = console.send(from_page(&console, origin, Method::DELETE, &path)).await;
        again.problem(404, "not_found");
        is_whole_to(&again, origin);
        let out = console.send(from_page(&console, origin, Method::DELETE, "/v1/admin/session")).await;
        out.expect(204);
        assert_eq!(out.header("set-cookie"), None);
        let over = console.send(from_page(&console, origin, Method::GET, "/v1/admin/session")).await;
        over.problem(401, "login_required");
        is_whole_to(&over, origin);
    }

    // Who lists nobody shares nothing.
    let mut service = service;
    service.stop().await;
    service.reconfigure("");
    service.start().await;
    let guest = service.api();
    let login = json!({ "login": "ada", "password": ada.password });
    let refused = post(&guest, CONSOLE, "/v1/admin/session", &login).await;
    refused.problem(403, "origin_refused");
    is_shared_with_nobody(&refused);
    is_shared_with_nobody(&preflight(&guest, CONSOLE, "POST", "/v1/admin/session").await);
}

async fn a_page_that_looks_like_a_listed_front_end_is_a_stranger(database: Database) {
    let (service, ada) = with_front_ends(database).await;
    let guest = service.api();
    let login = json!({ "login": "ada", "password": ada.password });
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    for origin in STRANGERS {
        for site in ["cross-site", "same-site", "none"] {
            let request = guest.request(Method::POST, "/v1/admin/session").json(&login);
            let refused = guest.send(request.header("origin", origin).header("sec-fetch-site", site)).await;
            let problem = refused.problem(403, "origin_refused");
            assert!(
                problem["detail"].as_str().is_some_and(|detail| detail.contains("cors_origins")),
                "{problem}"
            );
            is_shared_with_nobody(&refused);
            assert!(list(&refused, "vary").contains("origin"), "{refused:?}");
        }
        let me = ada.api.send(from_page(&ada.api, origin, Method::GET, "/v1/admin/session")).await;
        me.expect(200);
        is_shared_with_nobody(&me);
    }
    for [one, other] in
        [[CONSOLE, "https://evil.example.test"], ["https://evil.example.test", CONSOLE], [CONSOLE; 2]]
    {
        let request =
            from_page(&guest, one, Method::POST, "/v1/admin/session").header("origin", other).json(&login);
        let refused = guest.send(request).await;
        refused.problem(403, "origin_refused");
        is_shared_with_nobody(&refused);
    }
    // The site alone, without an origin, is as foreign as before.
    let request =
        guest.request(Method::POST, "/v1/admin/session").header("sec-fetch-site", "cross-site").json(&login);
    guest.send(request).await.problem(403, "origin_refused");
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
}

async fn every_problem_can_be_read_by_a_listed_front_end(database: Database) {
    let mut service = Frontdesk::on(database)
        .with_config("trusted_proxies = [\"127.0.0.1\"]")
        .with_config(LISTED)
        .with_config("[limits]\nbody_kib = 32");
    service.start().await;
    let ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let grace = colleague(&service, &ada.api, "grace", "").await;
    let page = |api: &Api, method, path: &str| from_page(api, CONSOLE, method, path);
    let session = "/v1/admin/session";
    let json_of = |length: usize| format!("\"{}\"", "x".repeat(length));
    let as_json =
        |request: RequestBuilder, body: String| request.header("content-type", "application/json").body(body);
    for (status, code, api, request) in [
        (400, "malformed", &guest, as_json(page(&guest, Method::POST, session), "{{{".to_owned())),
        (401, "login_required", &guest, page(&guest, Method::GET, session)),
        (403, "permission_required", &grace.api, page(&grace.api, Method::GET, "/v1/admin/bans")),
        (404, "not_found", &guest, page(&guest, Method::GET, "/v1/nothing")),
        (405, "method_not_allowed", &guest, page(&guest, Method::PATCH, session)),
        (413, "too_large", &guest, as_json(page(&guest, Method::POST, session), json_of(20_000))),
        (
            413,
            "too_large",
            &ada.api,
            as_json(page(&ada.api, Method::POST, "/v1/admin/bans"), json_of(40_000)),
        ),
        (415, "unsupported_media_type", &guest, page(&guest, Method::POST, session).body("{}")),
        (422, "invalid", &guest, page(&guest, Method::POST, session).json(&json!({ "login": "ada" }))),
    ] {
        let answer = api.send(request).await;
        answer.problem(status, code);
        is_whole_to(&answer, CONSOLE);
    }
    let exposed = |answer: &Answer, name: &str| {
        assert!(answer.header(name).is_some(), "{answer:?}");
        assert!(list(answer, "access-control-expose-headers").contains(name), "{answer:?}");
    };
    exposed(&guest.send(page(&guest, Method::GET, session)).await, "www-authenticate");
    exposed(&guest.send(page(&guest, Method::PATCH, session)).await, "allow");

    for _ in 0..3 {
        guess(&guest, "target").await.problem(401, "login_refused");
    }
    service.execute("UPDATE name_delays SET last_failed_at = last_failed_at + 3600000").await;
    let target = json!({ "login": "target", "password": "thimble copper 12 meadow" });
    let slowed = post(&guest, CONSOLE, session, &target).await;
    slowed.problem(429, "too_many_attempts");
    is_whole_to(&slowed, CONSOLE);
    exposed(&slowed, "retry-after");

    // A ban is answered before anything else, and still in words that the page can read.
    ada.api.post("/v1/admin/bans", &json!({ "network": "198.51.100.7" })).await.expect(201);
    let inside = guest.forwarded_for("198.51.100.7");
    let asked = preflight(&inside, CONSOLE, "POST", session).await;
    asked.expect(204);
    is_shared_with(&asked, CONSOLE);
    let banned = post(&inside, CONSOLE, session, &target).await;
    banned.problem(403, "address_banned");
    is_whole_to(&banned, CONSOLE);
    preflight(&inside, "https://evil.example.test", "POST", session).await.problem(403, "address_banned");

    // Without its tables the service can do nothing; what it may be asked it says all the same.
    service.execute("ALTER TABLE sessions RENAME TO lost").await;
    let asked = preflight(&guest, CONSOLE, "DELETE", session).await;
    asked.expect(204);
    is_shared_with(&asked, CONSOLE);
    let broken = ada.api.send(page(&ada.api, Method::GET, session)).await;
    broken.problem(500, "internal");
    is_whole_to(&broken, CONSOLE);
}

/// A cookie would log the visitor in to our own pages, by a page that is not ours.
async fn a_listed_front_end_gets_no_cookie_and_spends_nothing_by_asking(database: Database) {
    let (service, mut ada) = with_front_ends(database).await;
    let guest = service.api();
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let (_, codes) = ada.enrol_app().await;
    let challenge = Challenge::from(&log_in_as(&guest, &ada).await.expect(200));
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    let sessions = service.column("SELECT id FROM sessions").await.len();
    let accept = |session: &str| {
        json!({
            "token": invitation.token(), "username": "grace", "password": PASSWORD, "first_name": "Grace",
            "last_name": "Hopper", "session": session,
        })
    };
    let answer = |session: &str| json!({ "challenge": challenge.token, "method": "recovery", "code": codes[0], "session": session });
    let log_in = |password: &str| json!({ "login": "ada", "password": password, "session": "cookie" });
    for (path, body) in [
        ("/v1/admin/session", log_in(&ada.password)),
        ("/v1/admin/session", log_in("thimble copper 12 meadow")),
        ("/v1/admin/session/second-factor", answer("cookie")),
        ("/v1/public/invitations/accept", accept("cookie")),
    ] {
        let refused = post(&guest, CONSOLE, path, &body).await;
        let problem = refused.problem(403, "origin_refused");
        let detail = problem["detail"].as_str().expect("what to do");
        assert!(
            detail.contains(service.base()) && detail.contains("\"session\": \"token\""),
            "{path}: {detail}"
        );
        assert_eq!(refused.header("set-cookie"), None, "{path}");
        is_whole_to(&refused, CONSOLE);
    }
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
    assert_eq!(service.column("SELECT id FROM sessions").await.len(), sessions);
    for table in ["address_failures", "name_delays"] {
        assert_eq!(service.column(&format!("SELECT 'a row' FROM {table}")).await, [""; 0], "{table}");
    }
    // All of it is still good, for a token.
    for (path, body) in [
        ("/v1/admin/session/second-factor", answer("token")),
        ("/v1/public/invitations/accept", accept("token")),
    ] {
        let answer = post(&guest, CONSOLE, path, &body).await;
        assert!(answer.expect(200)["token"].is_string(), "{path}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
    }
}

/// Somebody lists our own address as well: it stays what it is, and no other becomes it.
async fn a_cookie_still_needs_our_own_origin(database: Database) {
    const OWN: &str = "https://desk.example.test";
    let mut service = Frontdesk::on(database)
        .with_config(&format!("public_url = \"{OWN}\"\ncors_origins = [\"{OWN}\", \"{CONSOLE}\"]"));
    service.start().await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let login = json!({ "login": "ada", "password": ada.password, "session": "cookie" });
    let own = |method: Method, path: &str| {
        guest.request(method, path).header("origin", OWN).header("sec-fetch-site", "same-origin")
    };
    let answer = guest.send(own(Method::POST, "/v1/admin/session").json(&login)).await;
    answer.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), None, "our own pages need none");
    let set = answer.header("set-cookie").expect("a cookie");
    let cookie = set.split(';').next().expect("its value").to_owned();
    service.secrets.keep(cookie.split_once('=').expect("a value").1);
    // A contradiction, as before.
    post(&guest, OWN, "/v1/admin/session", &login).await.problem(403, "origin_refused");
    post(&guest, CONSOLE, "/v1/admin/session", &login).await.problem(403, "origin_refused");

    let ban = json!({ "network": "192.0.2.7" });
    let bans = "/v1/admin/bans";
    for origin in [CONSOLE, "https://evil.example.test", "null"] {
        let request = from_page(&guest, origin, Method::POST, bans).header("cookie", &cookie).json(&ban);
        guest.send(request).await.problem(403, "origin_refused");
        // Read by whoever runs the browser, and by no page: without Allow-Credentials none is shown an answer to a cookie.
        let read = from_page(&guest, origin, Method::GET, bans).header("cookie", &cookie);
        let read = guest.send(read).await;
        assert_eq!(read.expect(200)["items"], json!([]));
        assert_eq!(read.header("access-control-allow-credentials"), None);
    }
    guest.send(own(Method::POST, bans).header("cookie", &cookie).json(&ban)).await.expect(201);
    let out = own(Method::DELETE, "/v1/admin/session").header("cookie", &cookie);
    guest.send(out).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_cors_origins_is_explained_before_anything_starts() {
    let mut service =
        Frontdesk::on(Database::sqlite()).with_config("cors_origins = [\"https://*.example.test\"]");
    let outcome = service.try_start().await.expect_err("it must not start");
    assert_eq!(outcome.status.code(), Some(2), "{outcome:#?}");
    let checked = service.run(&["config", "check"]).await;
    for said in [&outcome.stderr, &format!("{}{}", checked.stdout, checked.stderr)] {
        assert!(
            said.contains("frontdesk.toml:1: cors_origins has a mistake: \"https://*.example.test\""),
            "{said}"
        );
    }
}
