//! Logging in and out, and proving once more who one is.

use frontdesk_tests::{
    Api, Database, Frontdesk, PASSWORD, Person, both, first_administrator, joined, trust_this_machine,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_refused_login_tells_nothing,
    each_session_ends_by_itself,
    a_password_given_again_confirms_the_session,
    sessions_are_listed_and_ended_by_their_owner,
    a_new_password_ends_all_other_sessions,
    nobody_who_is_gone_or_shut_out_has_a_session,
    of_16_who_renew_one_session_at_once_one_goes_on,
}

/// Whatever is wrong with a login, the answer is the same.
async fn a_refused_login_tells_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    trust_this_machine(&ada.api).await;
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
    let confirmed = ada.api.post("/v1/admin/session/confirm", &confirm(&ada.password)).await.expect(200);
    let token = confirmed["token"].as_str().expect("a new token");
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
    service.api().with_token(token).get("/v1/admin/session").await.expect(200);
    service.keeps_its_secrets().await;
}

/// Somebody logs in with a program of that name, and maybe from elsewhere.
async fn logged_in_with(service: &Frontdesk, person: &Person, client: &str) -> Api {
    let guest = service.api();
    let login = json!({ "login": person.username, "password": person.password });
    let request = guest.request(Method::POST, "/v1/admin/session").header(header::USER_AGENT, client);
    let session = guest.send(request.json(&login)).await.expect(200);
    guest.with_token(session["token"].as_str().expect("a session"))
}

async fn listed(api: &Api) -> Vec<Value> {
    let listed = api.get("/v1/admin/sessions?total=true").await.expect(200);
    let items = listed["items"].as_array().expect("a list").clone();
    assert_eq!(listed["total"], items.len());
    items
}

/// Where I am logged in is mine to see and to end; where others are, nobody else's.
async fn sessions_are_listed_and_ended_by_their_owner(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let phone = logged_in_with(&service, &ada, "Phone/1.0").await;
    let desk = logged_in_with(&service, &ada, &"Desk".repeat(100)).await;
    let sessions = listed(&desk).await;
    assert_eq!(sessions.len(), 3, "{sessions:#?}");
    for session in &sessions {
        assert_eq!(session["address"], "127.0.0.1");
        for at in ["started_at", "last_seen_at", "expires_at"] {
            assert!(session[at].is_string(), "{session}");
        }
        assert_eq!(session.as_object().map(|fields| fields.len()), Some(7), "{session}");
    }
    let of = |client: &str| {
        let found =
            sessions.iter().find(|one| one["client"].as_str().is_some_and(|name| name.starts_with(client)));
        found.unwrap_or_else(|| panic!("no session with {client}: {sessions:#?}")).clone()
    };
    assert_eq!(of("Desk")["current"], true);
    assert_eq!(of("Desk")["client"].as_str().map(str::len), Some(200));
    assert_eq!(of("Phone")["current"], false);
    assert_eq!(sessions.iter().filter(|one| one["current"] == true).count(), 1);

    // Somebody else's is none of mine, and is not there.
    let path = |session: &Value| format!("/v1/admin/sessions/{}", session["id"].as_str().expect("an id"));
    let graces = listed(&grace.api).await;
    assert_eq!(graces.len(), 1);
    let theirs = ada.api.delete(&path(&graces[0])).await.problem(404, "not_found");
    let nobodys = "/v1/admin/sessions/018f0000-0000-7000-8000-000000000000";
    assert_eq!(theirs["detail"], ada.api.delete(nobodys).await.problem(404, "not_found")["detail"]);
    ada.api.delete("/v1/admin/sessions/x").await.problem(404, "not_found");
    grace.api.get("/v1/admin/session").await.expect(200);

    desk.delete(&path(&of("Phone"))).await.expect(204);
    phone.get("/v1/admin/session").await.problem(401, "login_required");
    desk.delete(&path(&of("Phone"))).await.problem(404, "not_found");
    assert_eq!(listed(&desk).await.len(), 2);

    desk.delete("/v1/admin/sessions").await.expect(204);
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
    let left = listed(&desk).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["current"], true);
    grace.api.get("/v1/admin/session").await.expect(200);
    let ended = "SELECT id FROM events WHERE name = 'session.ended'";
    assert_eq!(service.column(ended).await.len(), 2);
    desk.delete("/v1/admin/sessions").await.expect(204);
    assert_eq!(service.column(ended).await.len(), 2, "nothing happened");
    // The last one ends like any other.
    desk.delete(&path(&left[0])).await.expect(204);
    desk.get("/v1/admin/session").await.problem(401, "login_required");
    service.keeps_its_secrets().await;
}

/// Whoever changes the password may have done so because others know it.
async fn a_new_password_ends_all_other_sessions(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let phone = logged_in_with(&service, &ada, "Phone/1.0").await;
    let before = ada.api.clone();
    let change = json!({ "password": PASSWORD });
    let changed = ada.api.json(Method::PUT, "/v1/admin/me/password", &change).await.expect(200);
    ada.renewed(&changed);
    before.get("/v1/admin/session").await.problem(401, "login_required");
    phone.get("/v1/admin/session").await.problem(401, "login_required");
    assert_eq!(listed(&ada.api).await.len(), 1);
    ada.log_in(&service).await.problem(401, "login_refused");
    PASSWORD.clone_into(&mut ada.password);
    ada.log_in(&service).await.expect(200);
    grace.api.get("/v1/admin/session").await.expect(200);
    service.keeps_its_secrets().await;
}

/// The next request finds out.
async fn nobody_who_is_gone_or_shut_out_has_a_session(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let eve = joined(&ada, &service, "eve", json!({})).await;
    let mut joan = joined(&ada, &service, "joan", json!({})).await;
    joan.enrol_app().await;
    let half = joan.challenged(&service).await;
    let people = [&grace, &eve, &joan];
    for person in people {
        person.api.get("/v1/admin/staff").await.expect(200);
    }
    service.execute("UPDATE logins SET disabled = TRUE WHERE username IN ('grace', 'joan')").await;
    service.execute("DELETE FROM logins WHERE username = 'eve'").await;
    for person in people {
        person.api.get("/v1/admin/session").await.problem(401, "login_required");
        person.api.get("/v1/admin/staff").await.problem(401, "login_required");
        let confirm = json!({ "password": person.password });
        person.api.post("/v1/admin/session/confirm", &confirm).await.problem(401, "login_required");
    }
    let guest = service.api();
    half.answer(&guest, "recovery", "0000-0000-0000").await.problem(401, "challenge_over");
    let refused = grace.log_in(&service).await.problem(401, "login_refused");
    let unknown = eve.log_in(&service).await.problem(401, "login_refused");
    assert_eq!(refused["detail"], unknown["detail"]);
    let online = ada.api.get("/v1/admin/staff/online").await.expect(200);
    let names: Vec<_> =
        online["items"].as_array().expect("a list").iter().map(|one| &one["username"]).collect();
    assert_eq!(names, ["ada"]);
    service.keeps_its_secrets().await;
}

/// One session, one new token: whoever stole the old one and comes at the same moment gets nothing beside it.
async fn of_16_who_renew_one_session_at_once_one_goes_on(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (api, confirm) = (ada.api.clone(), json!({ "password": ada.password }));
        racers.spawn(async move { api.post("/v1/admin/session/confirm", &confirm).await });
    }
    let mut tokens = Vec::new();
    for answer in racers.join_all().await {
        if answer.status == 200 {
            tokens.push(answer.body()["token"].as_str().expect("a new token").to_owned());
        } else {
            answer.problem(401, "login_required");
        }
    }
    assert_eq!(tokens.len(), 1);
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
    let renewed = service.api().with_token(&tokens[0]);
    assert_eq!(listed(&renewed).await.len(), 1);
    let confirmed = "SELECT id FROM events WHERE name = 'session.confirmed'";
    assert_eq!(service.column(confirmed).await.len(), 1);
    service.keeps_its_secrets().await;
}
