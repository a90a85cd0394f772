//! Logging in and out, and proving once more who one is.

use frontdesk_tests::{Database, Frontdesk, PASSWORD, both, first_administrator};
use reqwest::{Method, header};
use serde_json::json;

both! {
    a_refused_login_tells_nothing,
    each_session_ends_by_itself,
    a_password_given_again_confirms_the_session,
}

/// Whatever is wrong with a login, the answer is the same.
async fn a_refused_login_tells_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let mut answers = Vec::new();
    for (login, password) in
        [("ada", "not the password, not at all"), ("nobody", &ada.password), ("", ""), ("ada", "")]
    {
        let refused = guest.post("/v1/admin/session", &json!({ "login": login, "password": password })).await;
        let mut problem = refused.problem(401, "login_refused");
        problem.as_object_mut().expect("an object").remove("request_id");
        answers.push(problem);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

/// Two logins of one person are two sessions; logging out ends one of them, once.
async fn each_session_ends_by_itself(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let login = json!({ "login": "ada", "password": ada.password });
    let guest = service.api();
    let second = guest.post("/v1/admin/session", &login).await.expect(200);
    let second = guest.with_token(second["token"].as_str().expect("a session"));
    let online = ada.api.get("/v1/admin/staff/online").await.expect(200);
    let names: Vec<_> =
        online["items"].as_array().expect("a list").iter().map(|one| &one["username"]).collect();
    assert_eq!(names, ["ada"], "each person once");

    second.delete("/v1/admin/session").await.expect(204);
    second.delete("/v1/admin/session").await.problem(401, "login_required");
    ada.api.get("/v1/admin/session").await.expect(200);

    // The scheme is read as RFC 9110 has it, and nothing else is taken for a token.
    for (value, status) in [
        (format!("bearer {}", ada.token), 200),
        (format!("Bearer  {}", ada.token), 200),
        (format!("Basic {}", ada.token), 401),
        (ada.token.clone(), 401),
        (format!("Bearer {}x", ada.token), 401),
        ("Bearer".to_owned(), 401),
    ] {
        let request = guest.request(Method::GET, "/v1/admin/session").header(header::AUTHORIZATION, &value);
        assert_eq!(guest.send(request).await.status, status);
    }
    let in_the_query = guest.get(&format!("/v1/admin/session?token={}", ada.token)).await;
    in_the_query.problem(401, "login_required");
    service.keeps_its_secrets().await;
}

async fn a_password_given_again_confirms_the_session(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let confirm = |password: &str| json!({ "password": password });
    let refused = ada.api.post("/v1/admin/session/confirm", &confirm(PASSWORD)).await;
    refused.problem(403, "confirmation_refused");
    ada.api.post("/v1/admin/session/confirm", &confirm(&ada.password)).await.expect(204);
    ada.api.get("/v1/admin/session").await.expect(200);
    service.keeps_its_secrets().await;
}
