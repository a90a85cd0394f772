//! C8: which account a session acts for.

use crate::openapi::all_is_refused_but;
use frontdesk_tests::{Database, PASSWORD, User, associated, both, found, registered, unique, with_clients};
use serde_json::json;

both! {
    with_one_account_the_login_binds_it,
    with_several_one_is_chosen_first,
    with_none_only_the_profile_works,
    a_switch_gives_a_new_token,
    closed_accounts_are_shown_and_cannot_be_chosen,
    what_was_taken_away_is_gone_on_the_next_request,
    a_disabled_user_is_out_at_once,
    sessions_are_listed_and_ended,
    a_temporary_password_is_changed_before_anything_else,
}

const SESSION: &str = "/v1/client/session";

async fn with_one_account_the_login_binds_it(database: Database) {
    let (service, _) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let session = anne.api.get(SESSION).await.expect(200);
    assert_eq!((&session["account"]["id"], &session["pending"]), (&json!(anne.account()), &json!([])));
    anne.api.get("/v1/client/account").await.expect(200);
}

async fn with_several_one_is_chosen_first(database: Database) {
    let (service, _) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let owner = registered(&service, "owner").await;
    let (_, token) = owner.invites("whoever@example.test", &json!(["profile"])).await;
    let mut anne_there = anne.clone();
    anne_there.accepts(&token).await;
    assert_eq!(anne_there.account(), owner.account());

    let again = anne.log_in(&service).await.expect(200);
    assert_eq!((&again["pending"], &again["account"]), (&json!(["choose_account"]), &json!(null)));
    assert_eq!(again["accounts"].as_array().map(Vec::len), Some(2));
    let mut anne = User::from_answer(&service.api(), &again, &anne.password);
    for path in ["/v1/client/account", "/v1/client/account/users", "/v1/client/account/invitations"] {
        anne.api.get(path).await.problem(409, "account_choice_required");
    }
    // What is one's own works meanwhile.
    anne.api.get("/v1/client/me").await.expect(200);
    anne.api.get("/v1/client/accounts").await.expect(200);
    anne.choose(owner.account()).await;
    anne.api.get("/v1/client/account").await.expect(200);
    // Permitted there is what was given there.
    let refused = anne.api.get("/v1/client/account/users").await.problem(403, "owner_required");
    assert_eq!(refused["allowed_permissions"], json!(["profile"]));
}

async fn with_none_only_the_profile_works(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["profile"])).await;
    let removed = owner.api.delete(&format!("/v1/client/account/users/{}", mary.id)).await;
    removed.expect(204);
    let again = mary.log_in(&service).await.expect(200);
    assert_eq!((&again["accounts"], &again["pending"]), (&json!([]), &json!([])));
    let mary = User::from_answer(&service.api(), &again, &mary.password);
    mary.api.get("/v1/client/me").await.expect(200);
    mary.api.patch("/v1/client/me", &json!({ "first_name": "Marian" })).await.expect(200);
    mary.api.get("/v1/client/account").await.problem(409, "account_choice_required");
    let choose = json!({ "account_id": owner.account() });
    mary.api.post("/v1/client/session/account", &choose).await.problem(404, "not_found");
}

async fn a_switch_gives_a_new_token(database: Database) {
    let (service, _) = with_clients(database).await;
    let mut anne = registered(&service, "anne").await;
    let first = anne.account().to_owned();
    let second = anne.api.post("/v1/client/accounts", &json!({ "name": "Second" })).await.expect(201);
    let before = anne.api.clone();
    anne.choose(second["id"].as_str().expect("an id")).await;
    before.get(SESSION).await.problem(401, "login_required");
    anne.choose(&first).await;
    // Of several who switch with one token, one does.
    let mut racers = tokio::task::JoinSet::new();
    for account in [&first, second["id"].as_str().expect("an id")].repeat(4) {
        let (api, body) = (anne.api.clone(), json!({ "account_id": account }));
        racers.spawn(async move { api.post("/v1/client/session/account", &body).await });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "login_required");
    }
}

async fn closed_accounts_are_shown_and_cannot_be_chosen(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let close = format!("/v1/admin/accounts/{}/close", anne.account());
    admin.api.post(&close, &json!({})).await.expect(204);
    // Whoever acts for it acts no more.
    let refused = anne.api.get("/v1/client/account").await.problem(403, "permission_required");
    assert_eq!(refused["allowed_permissions"], json!([]));
    assert_eq!(anne.api.get(SESSION).await.expect(200)["account"], json!(null));
    let own = anne.api.get("/v1/client/accounts").await.expect(200);
    assert_eq!(found(&own, "id", anne.account()).expect("shown")["status"], "closed");
    let choose = json!({ "account_id": anne.account() });
    anne.api.post("/v1/client/session/account", &choose).await.problem(409, "account_closed");
    let again = anne.log_in(&service).await.expect(200);
    assert_eq!((&again["account"], &again["pending"]), (&json!(null), &json!([])));

    let reopen = format!("/v1/admin/accounts/{}/reopen", anne.account());
    admin.api.post(&reopen, &json!({})).await.expect(204);
    anne.api.get("/v1/client/account").await.expect(200);
}

async fn what_was_taken_away_is_gone_on_the_next_request(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["profile", "contacts"])).await;
    let path = format!("/v1/client/account/users/{}", mary.id);
    mary.api.get("/v1/client/account").await.expect(200);
    owner.api.patch(&path, &json!({ "permissions": ["contacts"] })).await.expect(200);
    let refused = mary.api.get("/v1/client/account").await.problem(403, "permission_required");
    assert_eq!(
        (&refused["permission"], &refused["allowed_permissions"]),
        (&json!("profile"), &json!(["contacts"]))
    );
    owner.api.patch(&path, &json!({ "permissions": "all" })).await.expect(200);
    mary.api.get("/v1/client/account").await.expect(200);
    owner.api.delete(&path).await.expect(204);
    let refused = mary.api.get("/v1/client/account").await.problem(403, "permission_required");
    assert_eq!(refused["allowed_permissions"], json!([]));
    mary.api.get("/v1/client/me").await.expect(200);
}

async fn a_disabled_user_is_out_at_once(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let path = format!("/v1/admin/users/{}", anne.id);
    admin.api.post(&format!("{path}/disable"), &json!({})).await.expect(204);
    anne.api.get(SESSION).await.problem(401, "login_required");
    anne.log_in(&service).await.problem(401, "login_refused");
    admin.api.post(&format!("{path}/enable"), &json!({})).await.expect(204);
    anne.api.get(SESSION).await.problem(401, "login_required");
    anne.log_in(&service).await.expect(200);
}

async fn sessions_are_listed_and_ended(database: Database) {
    let (service, _) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let other = User::from_answer(&service.api(), &anne.log_in(&service).await.expect(200), &anne.password);
    let mary = registered(&service, "mary").await;
    let listed = anne.api.get("/v1/client/sessions").await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2);
    let others = items.iter().find(|item| item["current"] == false).expect("the other one")["id"].clone();
    let path = format!("/v1/client/sessions/{}", others.as_str().expect("an id"));
    mary.api.delete(&path).await.problem(404, "not_found");
    anne.api.delete(&path).await.expect(204);
    other.api.get(SESSION).await.problem(401, "login_required");
    // A password of one's own ends the others, and gives a new token.
    let third = User::from_answer(&service.api(), &anne.log_in(&service).await.expect(200), &anne.password);
    let body = json!({ "password": format!("{PASSWORD} {}", unique()) });
    let mut anne = anne;
    let renewed = anne.api.json(reqwest::Method::PUT, "/v1/client/me/password", &body).await.expect(200);
    anne.api.get(SESSION).await.problem(401, "login_required");
    anne.renewed(&renewed);
    anne.api.get(SESSION).await.expect(200);
    third.api.get(SESSION).await.problem(401, "login_required");
    anne.api.delete(SESSION).await.expect(204);
    anne.api.get(SESSION).await.problem(401, "login_required");
}

async fn a_temporary_password_is_changed_before_anything_else(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let temporary = format!("{PASSWORD} {}", unique());
    let path = format!("/v1/admin/users/{}/temporary-password", anne.id);
    let set = json!({ "password": temporary });
    admin.api.json(reqwest::Method::PUT, &path, &set).await.expect(204);
    anne.api.get(SESSION).await.problem(401, "login_required");
    anne.log_in(&service).await.problem(401, "login_refused");

    let guest = service.api();
    let half = frontdesk_tests::client_log_in(&guest, &anne.email, &temporary).await.expect(200);
    assert_eq!(half["pending"], json!(["change_password"]));
    let mut anne = User::from_answer(&guest, &half, &temporary);
    let open = all_is_refused_but(&anne.api, "client", "change_password", "password_change_required").await;
    let expected = [
        "DELETE /v1/client/session",
        "GET /v1/client/me",
        "GET /v1/client/session",
        "POST /v1/client/me/email-verification",
        "POST /v1/client/me/email-verification/confirm",
        "POST /v1/client/session/confirm",
        "PUT /v1/client/me/password",
    ];
    assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let own = json!({ "password": format!("{PASSWORD} {}", unique()) });
    let renewed = anne.api.json(reqwest::Method::PUT, "/v1/client/me/password", &own).await.expect(200);
    anne.renewed(&renewed);
    anne.api.get("/v1/client/account").await.expect(200);
}
