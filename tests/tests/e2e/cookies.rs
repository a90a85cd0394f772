//! Sessions for browsers: a cookie that scripts cannot read and other sites cannot use.

use frontdesk_tests::{Api, Database, Frontdesk, PASSWORD, first_administrator, invite};
use reqwest::{Method, header};
use serde_json::{Value, json};

const COOKIE: &str = "__Host-frontdesk-admin";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_with_a_cookie_and_never_sees_the_token() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let login = json!({ "login": "ada", "password": ada.password, "session": "cookie" });
    let answer = guest.post("/v1/admin/session", &login).await;
    let body = answer.expect(200);
    assert!(body.get("token").is_none_or(Value::is_null), "the token stays out of the body");
    assert_eq!(body["staff"]["username"], "ada");
    let set = answer.header(header::SET_COOKIE.as_str()).expect("a cookie").to_owned();
    let mut parts = set.split("; ");
    let (name, token) = parts.next().and_then(|pair| pair.split_once('=')).expect("a name and a value");
    assert_eq!(name, COOKIE);
    service.secrets.keep(token);
    let attributes: Vec<_> = parts.collect();
    for wanted in ["HttpOnly", "Secure", "Path=/"] {
        assert!(attributes.contains(&wanted), "{attributes:?}");
    }
    assert!(attributes.iter().any(|one| ["SameSite=Lax", "SameSite=Strict"].contains(one)), "{attributes:?}");
    assert!(!attributes.iter().any(|one| one.starts_with("Domain")), "__Host- forbids it: {attributes:?}");

    let me = guest.send(by_cookie(&guest, Method::GET, "/v1/admin/session", token)).await.expect(200);
    assert_eq!(me["staff"]["username"], "ada");
    // The cookie is no bearer token of another audience's, nor another cookie's value.
    let other = guest
        .request(Method::GET, "/v1/admin/session")
        .header(header::COOKIE, format!("__Host-frontdesk-client={token}"));
    guest.send(other).await.problem(401, "login_required");

    // While the session lives, and again when it is over.
    service.keeps_its_secrets().await;
    let out =
        by_cookie(&guest, Method::DELETE, "/v1/admin/session", token).header(header::ORIGIN, service.base());
    let out = guest.send(out).await;
    out.expect(204);
    let cleared = out.header(header::SET_COOKIE.as_str()).expect("the cookie is taken back").to_owned();
    assert!(cleared.starts_with(&format!("{COOKIE}=;")) && cleared.contains("Max-Age=0"), "{cleared}");
    guest
        .send(by_cookie(&guest, Method::GET, "/v1/admin/session", token))
        .await
        .problem(401, "login_required");
    service.keeps_its_secrets().await;
}

/// Another site can make a browser send the cookie, but not our Origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_cookie_needs_our_origin() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let login = json!({ "login": "ada", "password": ada.password, "session": "cookie" });
    let token = cookie(&guest, "/v1/admin/session", &login).await;
    let (role, _) = frontdesk_tests::roles(&ada.api).await;
    let invite = |origin: Option<&str>| {
        let body = json!({ "email": "grace@example.test", "role_id": role });
        let request = by_cookie(&guest, Method::POST, "/v1/admin/staff-invitations", &token).json(&body);
        match origin {
            Some(origin) => request.header(header::ORIGIN, origin),
            None => request,
        }
    };
    let evil = service.base().replace("http://", "https://");
    for origin in
        [None, Some("null"), Some("https://evil.example.test"), Some(evil.as_str()), Some("http://127.0.0.1")]
    {
        guest.send(invite(origin)).await.problem(403, "origin_refused");
    }
    assert_eq!(ada.api.get("/v1/admin/staff-invitations").await.expect(200)["items"], json!([]));
    guest.send(invite(Some(service.base()))).await.expect(201);
}

/// Accepting an invitation logs in the same way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_accepts_an_invitation_with_a_cookie() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let invitation =
        invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace", "last_name": "Hopper" })).await;
    let guest = service.api();
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": PASSWORD, "session": "cookie",
    });
    let token = cookie(&guest, "/v1/public/invitations/accept", &accept).await;
    let me = guest.send(by_cookie(&guest, Method::GET, "/v1/admin/session", &token)).await.expect(200);
    assert_eq!(me["staff"]["username"], "grace");
}

/// What the answer's cookie holds; its body must not.
async fn cookie(guest: &Api, path: &str, body: &Value) -> String {
    let answer = guest.post(path, body).await;
    let set = answer.header(header::SET_COOKIE.as_str()).unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    let value =
        set.strip_prefix(&format!("{COOKIE}=")).and_then(|rest| rest.split(';').next()).expect("our cookie");
    assert!(!answer.text.contains(value), "the token stays out of the body");
    assert_eq!(answer.status, 200);
    value.to_owned()
}

fn by_cookie(api: &Api, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
    api.request(method, path).header(header::COOKIE, format!("theme=dark; {COOKIE}={token}"))
}
