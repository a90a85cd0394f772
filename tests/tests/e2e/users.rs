//! Users, as staff see and help them: made, changed, shut out, deleted; their passwords and second factors.

use crate::{
    races::{at_once, count, only, send},
    registration::mails_to,
    staff::events,
};
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, both, client_log_in, registered, token_of, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    a_user_is_made_with_a_link_or_a_password,
    users_are_searched_and_listed,
    a_change_of_address_is_told_and_proved_anew,
    staff_help_users_back_in,
    a_disabled_user_is_out_at_once,
    whoever_is_on_an_account_stays,
    of_many_who_delete_one_user_one_does,
}

const USERS: &str = "/v1/admin/users";
const NOBODY: &str = "/v1/admin/users/018f0000-0000-7000-8000-000000000000";

fn path(user: &Value) -> String {
    format!("{USERS}/{}", user["id"].as_str().expect("an id"))
}

/// What makes somebody at `name@example.test`.
pub(crate) fn called(name: &str) -> Value {
    json!({ "email": format!("{name}@example.test"), "first_name": "Joan", "last_name": "Clarke" })
}

pub(crate) async fn made(admin: &Api, name: &str) -> Value {
    admin.post(USERS, &called(name)).await.expect(201)
}

/// Chooses a password by a link.
async fn choose(service: &Frontdesk, link: &Value, password: &str) -> Answer {
    let token = token_of(link.as_str().expect("a link"));
    let body = json!({ "token": token, "password": password });
    service.api().post("/v1/public/password-reset/complete", &body).await
}

async fn a_user_is_made_with_a_link_or_a_password(database: Database) {
    let (service, ada) = with_clients(database).await;
    let joan = made(&ada.api, "joan").await;
    let (id, created) = (&joan["id"], &joan["created_at"]);
    let mut expected = called("joan");
    for (field, value) in [
        ("id", id.clone()),
        ("link", joan["link"].clone()),
        ("avatar_url", joan["avatar_url"].clone()),
        ("created_at", created.clone()),
        ("language", json!("en")),
        ("accounts", json!([])),
        ("email_verified", json!(false)),
        ("has_password", json!(false)),
        ("must_change_password", json!(false)),
        ("has_second_factor", json!(false)),
        ("security_question_id", Value::Null),
        ("disabled", json!(false)),
        ("last_login_at", Value::Null),
    ] {
        expected[field] = value;
    }
    assert_eq!(joan, expected);
    assert_eq!(mails_to(&service, "joan@example.test").await, ["set_password"]);
    // The link is shown once.
    assert_eq!(ada.api.get(&path(&joan)).await.expect(200).get("link"), None);
    choose(&service, &joan["link"], PASSWORD).await.expect(204);
    client_log_in(&service.api(), "joan@example.test", PASSWORD).await.expect(200);
    let shown = ada.api.get(&path(&joan)).await.expect(200);
    // Staff saw the link, too: that it was used does not prove whose the address is.
    assert_eq!((&shown["has_password"], &shown["email_verified"]), (&json!(true), &json!(false)));
    assert!(shown["last_login_at"].is_string(), "{shown}");

    // With a password no mail goes out, and it is changed at the first login.
    let mut body = called("mary");
    body["password"] = json!(PASSWORD);
    let mary = ada.api.post(USERS, &body).await.expect(201);
    assert_eq!((mary.get("link"), &mary["must_change_password"]), (None, &json!(true)));
    assert_eq!(mails_to(&service, "mary@example.test").await, [""; 0]);
    let first = client_log_in(&service.api(), "mary@example.test", PASSWORD).await.expect(200);
    assert_eq!(first["pending"], json!(["change_password"]));

    // What is wrong with it makes nobody.
    let told = events(&service, "user.created").await.len();
    ada.api.post(USERS, &called("JOAN")).await.problem(409, "email_taken");
    for (field, value) in [
        ("email", json!("nobody")),
        ("first_name", json!("")),
        ("language", json!("klingon")),
        ("account", json!("x")),
    ] {
        let mut body = called("rosalind");
        body[field] = value;
        ada.api.post(USERS, &body).await.invalid(field);
    }
    let mut weak = called("rosalind");
    weak["password"] = json!("password");
    ada.api.post(USERS, &weak).await.problem(422, "password_refused");
    assert_eq!(events(&service, "user.created").await.len(), told);
    ada.api.get(NOBODY).await.problem(404, "not_found");
}

async fn users_are_searched_and_listed(database: Database) {
    let (service, ada) = with_clients(database).await;
    let owner = registered(&service, "anne").await;
    let joan = made(&ada.api, "joan").await;
    ada.api.post(&format!("{}/disable", path(&joan)), &json!({})).await.expect(204);
    let listed = async |query: &str| -> Vec<String> {
        let page = ada.api.get(&format!("{USERS}?{query}")).await.expect(200);
        let items = page["items"].as_array().expect("a list").iter();
        items.map(|user| user["email"].as_str().expect("an address").to_owned()).collect()
    };
    let (anne, joan) = ("anne@example.test", "joan@example.test");
    assert_eq!(listed("").await, [joan, anne], "the newest first; staff are no users");
    assert_eq!(listed("state=active").await, [anne]);
    assert_eq!(listed("state=disabled").await, [joan]);
    assert_eq!(listed(&format!("account={}", owner.account())).await, [anne]);
    assert_eq!(listed("search=CLARKE+joan").await, [joan]);
    assert_eq!(listed("search=clarke+anne").await, [""; 0]);
    let of_anne = ada.api.get(&format!("{USERS}/{}", owner.id)).await.expect(200);
    let account = &of_anne["accounts"][0];
    assert_eq!(
        *account,
        json!({
            "id": owner.account(), "name": "anne Ltd", "status": "active", "is_owner": true, "everything": true,
            "permissions": account["permissions"], "since": account["since"],
        })
    );
    assert_eq!(account["permissions"].as_array().map(Vec::len), Some(13));
    ada.api.get(&format!("{USERS}?state=gone")).await.invalid("state");
}

async fn a_change_of_address_is_told_and_proved_anew(database: Database) {
    let (service, ada) = with_clients(database).await;
    let joan = made(&ada.api, "joan").await;
    ada.api.patch(&path(&joan), &json!({ "email_verified": true })).await.expect(200);
    let change = json!({ "email": "clarke@example.test", "first_name": "Jo" });
    let changed = ada.api.patch(&path(&joan), &change).await.expect(200);
    assert_eq!(
        (&changed["email"], &changed["first_name"], &changed["email_verified"]),
        (&json!("clarke@example.test"), &json!("Jo"), &json!(false))
    );
    assert_eq!(mails_to(&service, "joan@example.test").await, ["set_password", "email_changed"]);
    assert_eq!(mails_to(&service, "clarke@example.test").await, ["set_password"]);
    // The link that went to the old address is dead.
    choose(&service, &joan["link"], PASSWORD).await.problem(410, "reset_link_dead");
    made(&ada.api, "mary").await;
    ada.api.patch(&path(&joan), &json!({ "email": "Mary@example.test" })).await.problem(409, "email_taken");
    let told = events(&service, "user.edited").await.len();
    ada.api.patch(&path(&joan), &change).await.expect(200);
    assert_eq!(events(&service, "user.edited").await.len(), told, "the same again is no change");
    ada.api.patch(NOBODY, &json!({})).await.problem(404, "not_found");
}

async fn staff_help_users_back_in(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of = format!("{USERS}/{}", anne.id);
    let joan = made(&ada.api, "joan").await;
    // Who has a password gets a link to reset it, who has none yet one to choose it.
    ada.api.post(&format!("{of}/reset-password"), &json!({})).await.expect(204);
    ada.api.post(&format!("{}/reset-password", path(&joan)), &json!({})).await.expect(204);
    assert!(mails_to(&service, "anne@example.test").await.contains(&"password_reset".to_owned()));
    assert_eq!(mails_to(&service, "joan@example.test").await, ["set_password", "set_password"]);

    let temporary = json!({ "password": "thimble copper 12 meadow" });
    let put = |path: String, body: Value| send(ada.api.clone(), Method::PUT, path, body);
    let weak = json!({ "password": "anne@example.test" });
    put(format!("{of}/temporary-password"), weak).await.problem(422, "password_refused");
    anne.api.get("/v1/client/session").await.expect(200);
    put(format!("{of}/temporary-password"), temporary).await.expect(204);
    anne.api.get("/v1/client/session").await.problem(401, "login_required");
    anne.log_in(&service).await.problem(401, "login_refused");
    let back = client_log_in(&service.api(), "anne@example.test", "thimble copper 12 meadow").await;
    assert_eq!(back.expect(200)["pending"], json!(["change_password"]));

    ada.api.post(&format!("{of}/remove-second-factor"), &json!({})).await.problem(404, "not_found");
    let enrolled = format!(
        "INSERT INTO security_keys (id, login_id, name, credential_id, credential, created_at)
         VALUES ('{0}', '{0}', 'Key', '{0}', 'none', 0)",
        anne.id
    );
    service.execute(&enrolled).await;
    assert_eq!(ada.api.get(&of).await.expect(200)["has_second_factor"], true);
    ada.api.post(&format!("{of}/remove-second-factor"), &json!({})).await.expect(204);
    assert_eq!(ada.api.get(&of).await.expect(200)["has_second_factor"], false);
    assert!(mails_to(&service, "anne@example.test").await.contains(&"second_factor_removed".to_owned()));
    // Staff are helped elsewhere.
    let staff = format!("{USERS}/{}", ada.id);
    ada.api.post(&format!("{staff}/reset-password"), &json!({})).await.problem(404, "not_found");
    put(format!("{staff}/temporary-password"), json!({ "password": PASSWORD }))
        .await
        .problem(404, "not_found");
}

async fn a_disabled_user_is_out_at_once(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of = format!("{USERS}/{}", anne.id);
    for _ in 0..2 {
        ada.api.post(&format!("{of}/disable"), &json!({})).await.expect(204);
    }
    assert_eq!(events(&service, "user.disabled").await.len(), 1);
    anne.api.get("/v1/client/session").await.problem(401, "login_required");
    anne.log_in(&service).await.problem(401, "login_refused");
    ada.api.post(&format!("{of}/reset-password"), &json!({})).await.problem(409, "login_disabled");
    ada.api.post(&format!("{of}/enable"), &json!({})).await.expect(204);
    anne.log_in(&service).await.expect(200);
}

async fn whoever_is_on_an_account_stays(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of = format!("{USERS}/{}", anne.id);
    ada.api.delete(&of).await.problem(409, "user_has_accounts");
    let account = format!("/v1/admin/accounts/{}", anne.account());
    ada.api.post(&format!("{account}/close"), &json!({})).await.expect(204);
    ada.api.delete(&of).await.problem(409, "user_has_accounts");
    let seen = ada.api.get(&format!("{account}/deletion")).await.expect(200);
    let preview = seen["preview"].as_str().expect("a preview");
    ada.api.delete(&format!("{account}?preview={preview}")).await.expect(204);
    anne.api.get("/v1/client/session").await.expect(200);
    ada.api.delete(&of).await.expect(204);
    anne.api.get("/v1/client/session").await.problem(401, "login_required");
    ada.api.delete(&of).await.problem(404, "not_found");
    // The address is free again.
    made(&ada.api, "anne").await;
}

async fn of_many_who_delete_one_user_one_does(database: Database) {
    let (service, ada) = with_clients(database).await;
    let joan = made(&ada.api, "joan").await;
    let delete = |_| send(ada.api.clone(), Method::DELETE, path(&joan), json!({}));
    let answers = at_once((0..6).map(delete).collect()).await;
    only(&answers, &["204 done", "404 not_found"]);
    assert_eq!(count(&answers, "204 done"), 1);
    assert_eq!(events(&service, "user.deleted").await.len(), 1);

    // Who is put on an account while they are deleted is on it, or gone.
    let owner = registered(&service, "anne").await;
    let users = format!("/v1/admin/accounts/{}/users", owner.account());
    for round in 0..5 {
        let user = made(&ada.api, &format!("racer{round}")).await;
        let add = json!({ "user_id": user["id"], "permissions": "all", "send_invite": false });
        let answers = at_once(vec![
            send(ada.api.clone(), Method::POST, users.clone(), add),
            send(ada.api.clone(), Method::DELETE, path(&user), json!({})),
        ])
        .await;
        match (answers[0].status.as_u16(), answers[1].status.as_u16()) {
            (201, 409) => drop(answers[1].problem(409, "user_has_accounts")),
            (422, 204) => drop(answers[0].invalid("user_id")),
            other => panic!("{other:?}: {answers:#?}"),
        }
    }
    let orphans =
        "SELECT m.user_id FROM account_users m LEFT JOIN logins l ON l.id = m.user_id WHERE l.id IS NULL";
    assert_eq!(service.column(orphans).await, [""; 0]);
}
