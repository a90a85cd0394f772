//! C15: an admin comes in as a user.

use crate::{registration::mails_to, staff::events};
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Person, User, associated, both, joined, registered, role,
    token_of, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    an_admin_sees_what_the_user_sees,
    what_is_the_users_alone_is_refused,
    the_session_ends_with_the_admins,
    a_link_is_good_once_and_for_a_minute,
    every_entry_names_both,
    it_wants_its_permission_and_a_person,
}

const ENTER: &str = "/v1/public/login-as";

async fn link(admin: &Api, owner: &User, body: Value) -> Answer {
    admin.post(&format!("/v1/admin/accounts/{}/login-as", owner.account()), &body).await
}

async fn enter(service: &Frontdesk, link: &Value) -> Answer {
    let token = token_of(link["link"].as_str().expect("a link"));
    service.api().post(ENTER, &json!({ "token": token })).await
}

/// The admin as the user, in a session of its own.
async fn as_user(service: &Frontdesk, admin: &Person, owner: &User, user: &User) -> User {
    let link = link(&admin.api, owner, json!({ "user_id": user.id })).await.expect(200);
    User::from_answer(&service.api(), &enter(service, &link).await.expect(200), "")
}

async fn an_admin_sees_what_the_user_sees(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["profile"])).await;
    // Without a name, the owner.
    let made = link(&admin.api, &owner, json!({})).await.expect(200);
    let came = enter(&service, &made).await.expect(200);
    assert_eq!(came["user"]["id"], owner.id);
    assert_eq!(came["account"]["id"], owner.account());

    let as_mary = as_user(&service, &admin, &owner, &mary).await;
    let session = as_mary.api.get("/v1/client/session").await.expect(200);
    assert_eq!(
        (&session["user"]["id"], &session["opened_by"]["staff_id"]),
        (&json!(mary.id), &json!(admin.id))
    );
    as_mary.api.get("/v1/client/account").await.expect(200);
    as_mary.api.get("/v1/client/account/users").await.problem(403, "owner_required");
    as_mary.api.patch("/v1/client/account", &json!({ "phone": "1" })).await.expect(200);
    // The user is told, and sees the session.
    assert_eq!(
        mails_to(&service, "mary@example.test").await.last().map(String::as_str),
        Some("logged_in_as")
    );
    let sessions = mary.api.get("/v1/client/sessions").await.expect(200);
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(2));
    assert!(mary.api.get("/v1/client/session").await.expect(200)["opened_by"].is_null());
    service.keeps_its_secrets().await;
}

async fn what_is_the_users_alone_is_refused(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!("all")).await;
    let (invitation, _) = owner.invites("x@example.test", &json!([])).await;
    let (_, other) = registered(&service, "other").await.invites("y@example.test", &json!([])).await;
    let (second, owners) = (anothers(&owner).await, as_user(&service, &admin, &owner, &owner).await);
    let user = format!("/v1/client/account/users/{}", mary.id);
    let invitations = "/v1/client/account/invitations";
    let attempts = [
        (Method::PUT, "/v1/client/me/password".to_owned(), json!({ "password": PASSWORD })),
        (Method::PATCH, "/v1/client/me".into(), json!({ "email": "z@example.test" })),
        (Method::POST, "/v1/client/me/email-verification".into(), json!({})),
        (Method::POST, "/v1/client/me/totp".into(), json!({})),
        (Method::POST, "/v1/client/session/confirm".into(), json!({ "password": owner.password })),
        (Method::POST, "/v1/client/session/account".into(), json!({ "account_id": second })),
        (Method::POST, "/v1/client/accounts".into(), json!({ "name": "Third" })),
        (Method::PATCH, user.clone(), json!({ "permissions": [] })),
        (Method::DELETE, user, Value::Null),
        (Method::POST, invitations.into(), json!({ "email": "z@example.test", "permissions": "all" })),
        (Method::POST, format!("{invitations}/{invitation}/resend"), json!({})),
        (Method::DELETE, format!("{invitations}/{invitation}"), Value::Null),
        (Method::POST, "/v1/public/invitations/accept".into(), json!({ "token": other })),
    ];
    for (method, path, body) in attempts {
        let answer = owners.api.json(method, &path, &body).await;
        assert_eq!(answer.problem(403, "login_as_refused")["status"], 403, "{path}");
    }
    owner.log_in(&service).await.expect(200);
}

/// A further account of the owner's.
async fn anothers(owner: &User) -> String {
    let made = owner.api.post("/v1/client/accounts", &json!({ "name": "Second" })).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn the_session_ends_with_the_admins(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let works = |user: &User| {
        let api = user.api.clone();
        async move { api.get("/v1/client/session").await.status == 200 }
    };
    // By logging out.
    let grace = joined(&admin, &service, "grace", json!({})).await;
    let first = as_user(&service, &grace, &owner, &owner).await;
    assert!(works(&first).await);
    grace.api.delete("/v1/admin/session").await.expect(204);
    assert!(!works(&first).await);
    // By idleness, before anybody clears it away.
    let joan = joined(&admin, &service, "joan", json!({})).await;
    let second = as_user(&service, &joan, &owner, &owner).await;
    assert!(works(&second).await);
    let idle = format!("UPDATE sessions SET expires_at = created_at WHERE login_id = '{}'", joan.id);
    service.execute(&idle).await;
    assert!(!works(&second).await);
    // By losing the permission, and by being disabled.
    let may = role(&admin.api, "Helpers", &["accounts.view", "accounts.login_as"]).await;
    let may_not = role(&admin.api, "Viewers", &["accounts.view"]).await;
    let mina = joined(&admin, &service, "mina", json!({ "role_id": may })).await;
    let third = as_user(&service, &mina, &owner, &owner).await;
    let path = format!("/v1/admin/staff/{}", mina.id);
    admin.api.patch(&path, &json!({ "role_id": may_not })).await.expect(200);
    assert!(!works(&third).await);
    admin.api.patch(&path, &json!({ "role_id": may })).await.expect(200);
    assert!(works(&third).await);
    // What was opened is not opened for good: a link that waits dies with its maker's session, too.
    let waiting = link(&mina.api, &owner, json!({})).await.expect(200);
    admin.api.post(&format!("{path}/disable"), &json!({})).await.expect(204);
    assert!(!works(&third).await);
    enter(&service, &waiting).await.problem(410, "link_dead");
    // The user's own sessions go on.
    assert!(works(&owner).await);
}

async fn a_link_is_good_once_and_for_a_minute(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let made = link(&admin.api, &owner, json!({})).await.expect(200);
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (api, token) = (service.api(), token_of(made["link"].as_str().expect("a link")).to_owned());
        racers.spawn(async move { api.post(ENTER, &json!({ "token": token })).await });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(410, "link_dead");
    }
    let late = link(&admin.api, &owner, json!({})).await.expect(200);
    service.execute("UPDATE login_as_links SET expires_at = expires_at - 60000").await;
    enter(&service, &late).await.problem(410, "link_dead");
    // Nor does it lead to an account that was closed meanwhile, or as a user who was removed.
    let closed = link(&admin.api, &owner, json!({})).await.expect(200);
    let path = format!("/v1/admin/accounts/{}", owner.account());
    admin.api.post(&format!("{path}/close"), &json!({})).await.expect(204);
    enter(&service, &closed).await.problem(410, "link_dead");
    link(&admin.api, &owner, json!({})).await.problem(409, "account_closed");
    admin.api.post(&format!("{path}/reopen"), &json!({})).await.expect(204);
    let stranger = registered(&service, "stranger").await;
    link(&admin.api, &owner, json!({ "user_id": stranger.id })).await.problem(404, "not_on_account");
}

async fn every_entry_names_both(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let came = as_user(&service, &admin, &owner, &owner).await;
    came.api.patch("/v1/client/account", &json!({ "phone": "42" })).await.expect(200);
    let entries = service
        .column(
            "SELECT name || ' ' || actor_kind || ' ' || actor_id || ' ' || as_user_id || ' ' || account_id FROM events
             WHERE name = 'account.edited'",
        )
        .await;
    let expected = format!("account.edited staff_as_user {} {} {}", admin.id, owner.id, owner.account());
    assert_eq!(entries, [expected]);
    let opened = service
        .column("SELECT actor_kind || ' ' || account_id FROM events WHERE name = 'account.login_as_opened'");
    assert_eq!(opened.await, [format!("staff {}", owner.account())]);
    let started = events(&service, "session.started").await;
    assert_eq!(started.last().expect("an event")["method"], "login-as");
}

async fn it_wants_its_permission_and_a_person(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let viewer = role(&admin.api, "Viewers", &["accounts.view", "accounts.users"]).await;
    let grace = joined(&admin, &service, "grace", json!({ "role_id": viewer })).await;
    link(&grace.api, &owner, json!({})).await.problem(403, "permission_required");
    let operations = admin.api.get("/v1/admin/api-operations").await;
    assert!(!operations.text.contains("loginAs"), "programs have no session to end with");
}
