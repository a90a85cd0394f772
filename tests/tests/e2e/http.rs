//! HTTP itself: whatever is wrong with a request, the answer is a problem document, and nothing leaks into it.

use frontdesk_tests::{Answer, Database, Frontdesk, PASSWORD, first_administrator};
use reqwest::{Method, header};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_request_is_a_problem_document() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let api = service.api();
    let login = || api.request(Method::POST, "/v1/admin/session");
    let json_body = |body: &'static str| login().header(header::CONTENT_TYPE, "application/json").body(body);

    for path in [
        "/nowhere",
        "/v1/nowhere",
        "/v1/admin/session/",
        "/v1/admin/staff/../../etc/passwd",
        "/%00",
        "/v1/%ff",
    ] {
        api.get(path).await.problem(404, "not_found");
    }
    let refused = api.json(Method::PUT, "/v1/admin/session", &json!({})).await;
    refused.problem(405, "method_not_allowed");
    let mut allowed: Vec<_> =
        refused.header("allow").expect("what is allowed").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "POST"]);

    for body in ["", "{", r#"{"login": "a", "password": "x"} {}"#, "\u{feff}{}", r#"{"login": "a"#] {
        api.send(json_body(body)).await.problem(400, "malformed");
    }
    // Well-formed, but not what was asked for.
    api.send(json_body("[]")).await.problem(422, "invalid");
    api.send(json_body(r#"["nobody", "an array is no object"]"#)).await.problem(422, "invalid");
    api.send(json_body(r#"{"login": "a", "login": "b", "password": "x"}"#)).await.invalid("login");
    api.send(json_body(r#"{"login": 1, "password": "x"}"#)).await.invalid("login");
    api.send(json_body(r#"{"login": "a"}"#)).await.invalid("password");
    api.send(json_body(r#"{"login": "a", "password": "x", "extra": 1}"#)).await.invalid("extra");
    let deep: &'static str = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)).leak();
    api.send(json_body(deep)).await.any_problem();

    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")]
    {
        let request = login().body("{}");
        let request = match kind {
            Some(kind) => request.header(header::CONTENT_TYPE, kind),
            None => request,
        };
        api.send(request).await.problem(415, "unsupported_media_type");
    }
    let request = login().header(header::CONTENT_TYPE, "application/json; charset=utf-8").body("{}");
    api.send(request).await.problem(422, "invalid");
    let large = format!(r#"{{"login": "{}", "password": "x"}}"#, "a".repeat(1 << 20));
    let request = login().header(header::CONTENT_TYPE, "application/json").body(large);
    api.send(request).await.problem(413, "too_large");
}

/// Every answer carries what browsers need to hear, and none says what the service is made of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_safe_in_a_browser() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let api = service.api();
    let answers: Vec<Answer> = vec![
        ada.api.get("/v1/admin/session").await,
        api.get("/v1/admin/session").await,
        api.get("/nowhere").await,
        api.get("/docs").await,
        api.get("/openapi.json").await,
        api.get("/healthz").await,
    ];
    for answer in &answers {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
        assert_eq!(answer.header("server"), None, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    }
    for private in &answers[..2] {
        assert_eq!(private.header("cache-control"), Some("no-store"), "{private:?}");
    }
}

/// The pages that ship in the binary load nothing from elsewhere and may not be framed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_self_contained() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let api = service.api();
    let link = service.first_administrator_link().expect("a link").to_owned();
    let accept = link.trim_start_matches(service.base()).split('#').next().expect("a path").to_owned();
    for path in ["/docs", accept.as_str(), "/reset-password"] {
        let page = api.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.content_type().starts_with("text/html"), "{path}");
        let policy = page.header("content-security-policy").expect("a content security policy").to_owned();
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{path}: {policy}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{path}");
        for asset in assets(&page.text) {
            // An icon that is nothing, so that browsers do not ask for one.
            if asset == "data:," {
                continue;
            }
            let address = reqwest::Url::parse(&format!("{}{path}", service.base())).expect("an address");
            let address = address.join(&asset).expect("an address");
            let inside = address.as_str().strip_prefix(service.base());
            let loaded = api.get(inside.unwrap_or_else(|| panic!("{path} loads {asset}"))).await;
            assert_eq!(loaded.status, 200, "{asset}");
            assert!(!loaded.content_type().starts_with("text/html"), "{asset}");
        }
    }
}

/// What a page loads: every src, and every href of a stylesheet or icon.
fn assets(html: &str) -> Vec<String> {
    let tags =
        html.split('<').filter(|tag| ["script", "link", "img"].iter().any(|name| tag.starts_with(name)));
    let found: Vec<_> = tags
        .flat_map(|tag| {
            ["src=\"", "href=\""].iter().filter_map(|start| tag.split_once(start)).collect::<Vec<_>>()
        })
        .filter_map(|(_, rest)| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    assert!(!found.is_empty(), "a page without script or style: {html}");
    found
}

/// One line for each request, with its id, and nothing in it that was secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_one_line_in_the_log() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let api = service.api();
    let refused = api
        .post("/v1/admin/session", &json!({ "login": "secretly@example.test", "password": PASSWORD }))
        .await;
    let id = refused.any_problem()["request_id"].as_str().expect("an id").to_owned();
    assert_eq!(refused.header("x-request-id"), Some(id.as_str()));
    let line = service.log_line("the request's line", |line| line.contains(&id)).await;
    for part in ["POST", "/v1/admin/session", "401"] {
        assert!(line.contains(part), "{line}");
    }
    // Somebody types a token where it does not belong: query strings are not logged.
    let stray = api.get("/v1/admin/session?token=stray-token-in-a-query-string").await;
    let id = stray.any_problem()["request_id"].as_str().expect("an id").to_owned();
    service.log_line("the request's line", |line| line.contains(&id)).await;
    let logs = service.logs();
    assert_eq!(logs.lines().filter(|line| line.contains(&id)).count(), 1);
    for secret in ["stray-token", "secretly@example.test", PASSWORD] {
        assert!(!logs.contains(secret), "{logs}");
    }
}

/// Regression: links built from the Host header.
/// Whatever a proxy or a caller says about where the service is, links come from its own configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_come_from_public_url_alone() {
    let mut service =
        Frontdesk::on(Database::sqlite()).with_config("public_url = \"https://desk.example.test\"");
    service.start().await;
    let printed = service.first_administrator_link().expect("a link").to_owned();
    assert!(printed.starts_with("https://desk.example.test/"), "{printed}");
    let ada = first_administrator(&service).await;
    let (role, _) = frontdesk_tests::roles(&ada.api).await;
    let request = ada
        .api
        .request(Method::POST, "/v1/admin/staff-invitations")
        .header("x-forwarded-host", "evil.example.test")
        .header("x-forwarded-proto", "gopher")
        .header("forwarded", "host=evil.example.test")
        .header(header::HOST, "evil.example.test")
        .json(&json!({ "email": "grace@example.test", "role_id": role }));
    let made = ada.api.send(request).await.expect(201);
    let link = made["link"].as_str().expect("a link");
    assert!(link.starts_with("https://desk.example.test/"), "{link}");
}
