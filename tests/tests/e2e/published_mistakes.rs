//! Mistakes that others have made in public with invitations, accounts and registrations, each tried here. What is tried
//! in depth elsewhere (races, every operation) is tried here as it was published.

use crate::registration::mails_to;
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Smtp, User, accept_as_new, associated, both, client_log_in,
    found, new_user, registered, registration, token_of, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    an_invitation_is_not_taken_over_by_registering_its_address_first,
    invitations_of_another_organisation_are_not_managed_by_id,
    invitations_of_closed_accounts_and_disabled_inviters_do_not_work,
    a_mail_scanner_spends_no_link,
    an_expired_link_is_dead_to_the_millisecond,
    resending_does_not_keep_the_old_link_alive,
    one_link_is_not_taken_twice,
    a_stale_session_keeps_nothing_that_was_taken_away,
    user_and_account_are_not_mixed_up_in_one_path,
    registration_does_not_tell_who_is_registered,
}

const ACCEPT: &str = "/v1/public/invitations/accept";
const LOOK_UP: &str = "/v1/public/invitations/lookup";
const INVITATIONS: &str = "/v1/client/account/invitations";

async fn accept(guest: &Api, token: &str, name: &str) -> Answer {
    guest.post(ACCEPT, &json!({ "token": token, "user": new_user(name, PASSWORD) })).await
}

/// A stranger registers with the address that will be invited, and waits for the account to come to them.
async fn an_invitation_is_not_taken_over_by_registering_its_address_first(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let squatter = registered(&service, "victim").await;
    let (_, token) = owner.invites("victim@example.test", &json!("all")).await;
    // Being invited is not being there, however often they log in.
    squatter.log_in(&service).await.expect(200);
    let own = squatter.api.get("/v1/client/accounts").await.expect(200);
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1), "their own account alone: {own}");
    // Nor does staff put them there by the address.
    let path = format!("/v1/admin/accounts/{}/users", owner.account());
    let by_address = json!({ "email": "victim@example.test", "permissions": "all", "send_invite": false });
    admin.api.post(&path, &by_address).await.problem(409, "email_unverified");
    // The link is the invitee's, who takes another address, as long as theirs is squatted.
    accept_as_new(&service.api(), &token, "the-real-one").await;
    let users = owner.api.get("/v1/client/account/users").await.expect(200);
    assert!(found(&users, "id", &squatter.id).is_none());
}

async fn invitations_of_another_organisation_are_not_managed_by_id(database: Database) {
    let (service, admin) = with_clients(database).await;
    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let (owner, other) = (registered(&service, "owner").await, registered(&service, "other").await);
    let (id, token) = owner.invites("mary@example.test", &json!("all")).await;
    let path = format!("{INVITATIONS}/{id}");
    other.api.get(&path).await.problem(404, "invitation_unknown");
    other.api.delete(&path).await.problem(404, "invitation_unknown");
    other.api.post(&format!("{path}/resend"), &json!({})).await.problem(404, "invitation_unknown");
    let listed = other.api.get(INVITATIONS).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    // Nor through another account's path, by whoever may manage both.
    let crossed = format!("/v1/admin/accounts/{}/invitations/{id}", other.account());
    admin.api.delete(&crossed).await.problem(404, "invitation_unknown");
    admin.api.post(&format!("{crossed}/resend"), &json!({})).await.problem(404, "invitation_unknown");
    accept_as_new(&service.api(), &token, "mary").await;
}

async fn invitations_of_closed_accounts_and_disabled_inviters_do_not_work(database: Database) {
    let (service, admin) = with_clients(database).await;
    let guest = service.api();
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!("all")).await;
    let (id, token) = owner.invites("late@example.test", &json!("all")).await;
    let account = format!("/v1/admin/accounts/{}", owner.account());
    let user = format!("/v1/admin/users/{}", owner.id);
    let dead = || async {
        guest.post(LOOK_UP, &json!({ "token": token })).await.problem(410, "invitation_cancelled");
        accept(&guest, &token, "late").await.problem(410, "invitation_cancelled");
        mary.api.post(ACCEPT, &json!({ "token": token })).await
    };

    admin.api.post(&format!("{account}/close"), &json!({})).await.expect(204);
    dead().await.problem(410, "invitation_cancelled");
    admin
        .api
        .post(&format!("{account}/invitations/{id}/resend"), &json!({}))
        .await
        .problem(409, "account_closed");
    admin.api.post(&format!("{account}/reopen"), &json!({})).await.expect(204);
    guest.post(LOOK_UP, &json!({ "token": token })).await.expect(200);

    admin.api.post(&format!("{user}/disable"), &json!({})).await.expect(204);
    dead().await.problem(410, "invitation_cancelled");
    admin.api.post(&format!("{user}/enable"), &json!({})).await.expect(204);
    guest.post(LOOK_UP, &json!({ "token": token })).await.expect(200);

    // Who owns it no more invites no more.
    let give = json!({ "user_id": mary.id });
    admin.api.json(Method::PUT, &format!("{account}/owner"), &give).await.expect(200);
    guest.post(LOOK_UP, &json!({ "token": token })).await.problem(410, "invitation_cancelled");
    assert_eq!(service.column("SELECT id FROM users").await.len(), 2);
}

async fn a_mail_scanner_spends_no_link(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let admin = frontdesk_tests::first_administrator(&service).await;
    frontdesk_tests::open_registration(&admin.api).await;
    let owner = registered(&service, "owner").await;
    owner.invites("mary@example.test", &json!("all")).await;
    let mail = smtp.takes_for("mary@example.test").await;
    let link = mail.link();
    let (address, _) = link.split_once('#').expect("the token is in the fragment");
    let path = address.trim_start_matches(service.base());
    for method in [Method::GET, Method::HEAD] {
        for purpose in ["prefetch", "preview"] {
            let request = service.api().request(method.clone(), path).header("sec-purpose", purpose);
            assert_eq!(service.api().send(request).await.status, 200);
        }
    }
    // Even one that runs scripts only looks.
    service.api().post(LOOK_UP, &json!({ "token": mail.token() })).await.expect(200);
    accept_as_new(&service.api(), &mail.token(), "mary").await;
}

async fn an_expired_link_is_dead_to_the_millisecond(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (id, token) = owner.invites("mary@example.test", &json!("all")).await;
    let lives = "SELECT CAST(expires_at - created_at AS TEXT) FROM invitations WHERE kind = 'account'";
    assert_eq!(service.column(lives).await, [(7_i64 * 24 * 60 * 60 * 1000).to_string()]);
    service
        .execute("UPDATE invitations SET expires_at = expires_at - 604800000 WHERE kind = 'account'")
        .await;
    service.api().post(LOOK_UP, &json!({ "token": token })).await.problem(410, "invitation_expired");
    accept(&service.api(), &token, "mary").await.problem(410, "invitation_expired");
    owner.api.post(ACCEPT, &json!({ "token": token })).await.problem(410, "invitation_expired");
    // It stays listed, and can be sent anew.
    let listed = owner.api.get(&format!("{INVITATIONS}?state=expired")).await.expect(200);
    assert_eq!(found(&listed, "id", &id).expect("listed")["state"], "expired");
    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let again = owner.api.post(&format!("{INVITATIONS}/{id}/resend"), &json!({})).await.expect(200);
    accept(&service.api(), &token, "mary").await.problem(410, "invitation_replaced");
    accept_as_new(&service.api(), token_of(again["link"].as_str().expect("a link")), "mary").await;
}

async fn resending_does_not_keep_the_old_link_alive(database: Database) {
    let (service, admin) = with_clients(database).await;
    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let owner = registered(&service, "owner").await;
    let (id, first) = owner.invites("mary@example.test", &json!("all")).await;
    // Several at once leave one link that works.
    let mut racers = JoinSet::new();
    for _ in 0..6 {
        let (api, path) = (owner.api.clone(), format!("{INVITATIONS}/{id}/resend"));
        racers.spawn(async move { api.post(&path, &json!({})).await });
    }
    let mut tokens = vec![first];
    for answer in racers.join_all().await {
        let link = answer.expect(200)["link"].as_str().expect("a link").to_owned();
        tokens.push(token_of(&link).to_owned());
    }
    let mut alive = 0;
    for token in &tokens {
        let looked = service.api().post(LOOK_UP, &json!({ "token": token })).await;
        if looked.status == 200 {
            alive += 1;
        } else {
            looked.problem(410, "invitation_replaced");
        }
    }
    assert_eq!(alive, 1);
}

async fn one_link_is_not_taken_twice(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (anne, mary) = (registered(&service, "anne").await, registered(&service, "mary").await);
    let (_, token) = owner.invites("either@example.test", &json!("all")).await;
    let mut racers = JoinSet::new();
    for user in [&anne, &mary] {
        let (api, body) = (user.api.clone(), json!({ "token": token }));
        racers.spawn(async move { api.post(ACCEPT, &body).await });
    }
    let answers = racers.join_all().await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{answers:?}");
    let users = owner.api.get("/v1/client/account/users").await.expect(200);
    assert_eq!(users["items"].as_array().map(Vec::len), Some(2));
}

async fn a_stale_session_keeps_nothing_that_was_taken_away(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!("all")).await;
    let account = format!("/v1/admin/accounts/{}", owner.account());
    let own = |user: &User| {
        let api = user.api.clone();
        async move { api.get(INVITATIONS).await }
    };
    own(&owner).await.expect(200);
    // Ownership, in the session of whoever had it.
    let give = json!({ "user_id": mary.id });
    admin.api.json(Method::PUT, &format!("{account}/owner"), &give).await.expect(200);
    own(&owner).await.problem(403, "owner_required");
    own(&mary).await.expect(200);
    // What other systems are told is the same.
    let asked = json!({ "user_id": owner.id, "account_id": owner.account(), "permission": "orders" });
    let told = admin.api.post("/v1/admin/authorize", &asked).await.expect(200);
    assert_eq!(told["allowed"], true, "the former owner stays with all permissions");
    admin.api.delete(&format!("{account}/users/{}", owner.id)).await.expect(204);
    let told = admin.api.post("/v1/admin/authorize", &asked).await.expect(200);
    assert_eq!((&told["allowed"], &told["allowed_permissions"]), (&json!(false), &json!([])));
    assert_eq!(owner.api.get("/v1/client/account").await.status, 403);
    let told = admin.api.post("/v1/admin/introspect", &json!({ "token": owner.token })).await.expect(200);
    assert_eq!((&told["active"], &told["account_id"]), (&json!(true), &Value::Null));
    // A disabled user's session is none.
    admin.api.post(&format!("/v1/admin/users/{}/disable", owner.id), &json!({})).await.expect(204);
    let told = admin.api.post("/v1/admin/introspect", &json!({ "token": owner.token })).await.expect(200);
    assert_eq!(told, json!({ "active": false }));
}

async fn user_and_account_are_not_mixed_up_in_one_path(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["tickets"])).await;
    let permissions = json!({ "permissions": "all" });
    for (first, second) in [(&mary.id, owner.account()), (&mary.id, &owner.id), (&owner.id, &mary.id)] {
        let path = format!("/v1/admin/accounts/{first}/users/{second}");
        assert_eq!(admin.api.patch(&path, &permissions).await.status, 404, "{path}");
        assert_eq!(admin.api.delete(&path).await.status, 404, "{path}");
    }
    let right = format!("/v1/admin/accounts/{}/users/{}", owner.account(), mary.id);
    admin.api.patch(&right, &permissions).await.expect(200);
}

async fn registration_does_not_tell_who_is_registered(database: Database) {
    let (service, _) = with_clients(database).await;
    registered(&service, "anne").await;
    let guest = service.api();
    let mut answers = Vec::new();
    for name in ["anne", "nobody"] {
        let answer = guest.post("/v1/client/register", &registration(name, PASSWORD)).await;
        answers.push((answer.status, answer.text.replace(name, "NAME")));
        // What is wrong with a registration is wrong with it for both.
        let mut wrong = registration(name, PASSWORD);
        wrong["account"]["custom_fields"] = json!({ "made_up": 1 });
        let answer = guest.post("/v1/client/register", &wrong).await;
        answer.invalid("account.custom_fields.made_up");
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(
        mails_to(&service, "anne@example.test").await.last().map(String::as_str),
        Some("already_registered")
    );
    // A login that does not exist is refused like a wrong password, and so is a reset of one.
    let unknown =
        client_log_in(&guest, "stranger@example.test", PASSWORD).await.problem(401, "login_refused");
    let wrong =
        client_log_in(&guest, "anne@example.test", "wrong password").await.problem(401, "login_refused");
    assert_eq!((&unknown["title"], &unknown["detail"]), (&wrong["title"], &wrong["detail"]));
    for login in ["anne@example.test", "stranger@example.test"] {
        let ask = json!({ "audience": "user", "login": login });
        guest.post("/v1/public/password-reset", &ask).await.expect(204);
    }
}
