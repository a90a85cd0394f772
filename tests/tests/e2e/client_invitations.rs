//! C2, C3, C5 and C6 from the client side: owners invite, and whoever has the link accepts.

use crate::{registration::mails_to, staff::events};
use frontdesk_tests::{
    AuthenticatorApp, Database, Frontdesk, PASSWORD, Smtp, User, accept_as_new, associated, both,
    client_log_in, found, new_user, registered, registration, token_of, trust_this_machine, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_new_user_accepts_with_whatever_address,
    an_existing_user_logs_in_within_the_same_flow_second_factor_included,
    a_link_is_looked_at_without_being_spent,
    of_sixteen_who_race_with_one_link_one_is_on_the_account,
    resending_kills_the_link_before_and_waits_a_minute,
    a_cancelled_invitation_is_dead,
    only_the_owner_invites_and_says_who_may_what,
    what_no_acceptance_holds_is_refused_by_field,
    all_includes_what_comes_and_a_list_does_not,
    client_user_management_can_be_turned_off,
    invitations_are_so_many_a_day_and_pending,
    many_are_invited_from_a_file,
    users_are_removed_and_stay_users,
    whoever_is_on_the_account_is_not_invited_again,
}

const ACCEPT: &str = "/v1/public/invitations/accept";
const LOOK_UP: &str = "/v1/public/invitations/lookup";
const INVITATIONS: &str = "/v1/client/account/invitations";

async fn a_new_user_accepts_with_whatever_address(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::on(database).with_mail(&smtp);
    service.start().await;
    let admin = frontdesk_tests::first_administrator(&service).await;
    frontdesk_tests::open_registration(&admin.api).await;
    let owner = registered(&service, "owner").await;
    let (id, token) = owner.invites("mary@example.test", &json!(["tickets", "invoices"])).await;
    let mail = smtp.takes_for("mary@example.test").await;
    assert_eq!(mail.token(), token, "the link of the answer is the mail's");
    assert!(mail.text().contains("owner Ltd") && mail.text().contains("Anne Byron"), "{}", mail.text());

    let looked = service.api().post(LOOK_UP, &json!({ "token": token })).await.expect(200);
    assert_eq!((&looked["kind"], &looked["account"]), (&json!("account"), &json!("owner Ltd")));
    assert_eq!(looked["permissions"], json!(["invoices", "tickets"]));
    assert_eq!(looked["needs"], json!(["email", "first_name", "last_name", "password"]));

    // Not the address that was invited: it binds nobody, and nobody's address is verified.
    let mary = accept_as_new(&service.api(), &token, "another").await;
    assert_eq!(mary.account.as_deref(), owner.account.as_deref());
    let me = mary.api.get("/v1/client/me").await.expect(200);
    assert_eq!(
        (&me["user"]["email_verified"], &me["user"]["email"]),
        (&json!(false), &json!("another@example.test"))
    );
    let users = owner.api.get("/v1/client/account/users").await.expect(200);
    let there = found(&users, "id", &mary.id).expect("on the account");
    assert_eq!((&there["permissions"], &there["is_owner"]), (&json!(["invoices", "tickets"]), &json!(false)));
    service.api().post(ACCEPT, &json!({ "token": token })).await.problem(409, "invitation_used");

    let accepted = &events(&service, "invitation.accepted").await[1];
    assert_eq!((&accepted["kind"], &accepted["user_id"]), (&json!("account"), &json!(mary.id)));
    assert_eq!(events(&service, "account.user_added").await[1]["how"], "invitation");
    let invited = owner.api.get(&format!("{INVITATIONS}/{id}")).await.expect(200);
    assert_eq!((&invited["state"], &invited["user_id"]), (&json!("accepted"), &json!(mary.id)));
    service.keeps_its_secrets().await;
}

async fn an_existing_user_logs_in_within_the_same_flow_second_factor_included(database: Database) {
    let (service, admin) = with_clients(database).await;
    trust_this_machine(&admin.api).await;
    let owner = registered(&service, "owner").await;
    let mut anne = registered(&service, "anne").await;
    verify(&admin.api, &anne).await;
    let begun = anne.api.post("/v1/client/me/totp", &json!({})).await.expect(200);
    let app = AuthenticatorApp::scanned(&begun);
    let enrolled = anne.api.post("/v1/client/me/totp/confirm", &json!({ "code": app.code() })).await;
    let enrolled = enrolled.expect(200);
    let recovery = frontdesk_tests::recovery_codes(&enrolled).remove(0);
    anne.renewed(&enrolled);

    let (_, token) = owner.invites("anne@example.test", &json!("all")).await;
    let guest = service.api();
    // Half of a login is none.
    let half = client_log_in(&guest, &anne.email, &anne.password).await.expect(200);
    let challenge = half["challenge"].as_str().expect("a challenge");
    let accept = json!({ "token": token });
    guest.with_token(challenge).post(ACCEPT, &accept).await.problem(401, "login_required");
    guest.post(ACCEPT, &accept).await.invalid("user");
    let answer = json!({ "challenge": challenge, "method": "recovery", "code": recovery });
    let session = guest.post("/v1/client/session/second-factor", &answer).await.expect(200);
    let mut again = User::from_answer(&guest, &session, &anne.password);
    let mut body = new_user("anne", PASSWORD);
    body = json!({ "token": token, "user": body });
    again.api.post(ACCEPT, &body).await.invalid("user");
    again.accepts(&token).await;
    assert_eq!(again.account(), owner.account());
    // The session that accepted acts for the new account, the others as before.
    let session = anne.api.get("/v1/client/session").await.expect(200);
    assert_eq!(session["account"]["name"], "anne Ltd");
    // Nobody is on an account twice.
    let (_, second) = owner.invites("someone@example.test", &json!("all")).await;
    again.api.post(ACCEPT, &json!({ "token": second })).await.problem(409, "on_account_already");
    let pending = owner.api.get(&format!("{INVITATIONS}?state=pending")).await.expect(200);
    assert_eq!(pending["items"].as_array().map(Vec::len), Some(1), "it is not spent by that");
}

/// Staff know whose the address is.
async fn verify(admin: &frontdesk_tests::Api, user: &User) {
    let body = json!({ "email_verified": true });
    admin.patch(&format!("/v1/admin/users/{}", user.id), &body).await.expect(200);
}

async fn a_link_is_looked_at_without_being_spent(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (_, token) = owner.invites("mary@example.test", &json!("all")).await;
    // What mail scanners and browsers do with a link: they open it, and run nothing that accepts.
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let opened = service.api().request(method, &format!("/accept?token={token}"));
        service.api().send(opened).await;
    }
    for _ in 0..3 {
        service.api().post(LOOK_UP, &json!({ "token": token })).await.expect(200);
    }
    accept_as_new(&service.api(), &token, "mary").await;
}

async fn of_sixteen_who_race_with_one_link_one_is_on_the_account(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let anne = registered(&service, "anne").await;
    let (_, token) = owner.invites("mary@example.test", &json!("all")).await;
    let mut racers = JoinSet::new();
    for n in 0..16 {
        // Some as themselves, some as somebody new.
        let (api, body) = match n % 4 {
            0 => (anne.api.clone(), json!({ "token": token })),
            _ => {
                let user = new_user(&format!("racer{n}"), &format!("{PASSWORD} {n}"));
                (service.api(), json!({ "token": token, "user": user }))
            }
        };
        racers.spawn(async move { api.post(ACCEPT, &body).await });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let problem = answer.any_problem();
        let code = problem["code"].as_str().expect("a code");
        assert!(["invitation_used", "overloaded", "login_required"].contains(&code), "{problem}");
    }
    let sql = format!("SELECT user_id FROM account_users WHERE account_id = '{}'", owner.account());
    assert_eq!(service.column(&sql).await.len(), 2, "the owner and one more");
    // Nobody is left behind whose invitation was taken by another.
    let users = service.column("SELECT id FROM users").await.len();
    assert!((2..=3).contains(&users), "{users}");
}

async fn resending_kills_the_link_before_and_waits_a_minute(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (id, first) = owner.invites("mary@example.test", &json!("all")).await;
    let resend = format!("{INVITATIONS}/{id}/resend");
    let refused = owner.api.post(&resend, &json!({})).await;
    refused.problem(429, "too_many_attempts");
    let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    service.api().post(LOOK_UP, &json!({ "token": first })).await.expect(200);

    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let again = owner.api.post(&resend, &json!({})).await.expect(200);
    let second = token_of(again["link"].as_str().expect("a link")).to_owned();
    let body = json!({ "token": first, "user": new_user("mary", PASSWORD) });
    service.api().post(ACCEPT, &body).await.problem(410, "invitation_replaced");
    accept_as_new(&service.api(), &second, "mary").await;
    owner.api.post(&resend, &json!({})).await.problem(409, "invitation_used");
}

async fn a_cancelled_invitation_is_dead(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (id, token) = owner.invites("mary@example.test", &json!("all")).await;
    owner.api.delete(&format!("{INVITATIONS}/{id}")).await.expect(204);
    let body = json!({ "token": token, "user": new_user("mary", PASSWORD) });
    service.api().post(ACCEPT, &body).await.problem(410, "invitation_cancelled");
    owner.api.delete(&format!("{INVITATIONS}/{id}")).await.problem(410, "invitation_cancelled");
    assert_eq!(service.column("SELECT id FROM users").await.len(), 1);
}

async fn only_the_owner_invites_and_says_who_may_what(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!("all")).await;
    // Every permission is not ownership.
    let refused = mary.api.post(INVITATIONS, &json!({ "email": "x@example.test", "permissions": [] })).await;
    assert_eq!(
        refused.problem(403, "owner_required")["allowed_permissions"].as_array().map(Vec::len),
        Some(13)
    );
    mary.api.get("/v1/client/account/users").await.problem(403, "owner_required");
    for user in [&mary.id, &owner.id] {
        let path = format!("/v1/client/account/users/{user}");
        mary.api.patch(&path, &json!({ "permissions": "all" })).await.problem(403, "owner_required");
        mary.api.delete(&path).await.problem(403, "owner_required");
    }
    // The owner has every permission, cannot edit their own, and cannot be removed.
    let own = format!("/v1/client/account/users/{}", owner.id);
    owner.api.patch(&own, &json!({ "permissions": ["profile"] })).await.problem(409, "owner_fixed");
    owner.api.delete(&own).await.problem(409, "owner_fixed");
    let path = format!("/v1/client/account/users/{}", mary.id);
    owner.api.patch(&path, &json!({ "permissions": ["everything"] })).await.invalid("permissions.0");
    for made_up in [json!("some"), json!(1), json!({}), json!(["profile", "root"])] {
        let body = json!({ "email": "x@example.test", "permissions": made_up });
        assert_eq!(owner.api.post(INVITATIONS, &body).await.status, 422, "{made_up}");
    }
}

async fn what_no_acceptance_holds_is_refused_by_field(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let (_, token) = owner.invites("mary@example.test", &json!(["tickets"])).await;
    let guest = service.api();
    let body = |user: Value| json!({ "token": token, "user": user });
    guest.post(ACCEPT, &json!({ "token": token })).await.invalid("user");
    guest
        .post(ACCEPT, &json!({ "token": token, "username": "mary", "password": PASSWORD }))
        .await
        .invalid("username");
    let mut user = new_user("mary", PASSWORD);
    user["email"] = "nobody".into();
    guest.post(ACCEPT, &body(user)).await.invalid("user.email");
    for (field, value) in
        [("permissions", json!("all")), ("email_verified", json!(true)), ("account_id", json!(""))]
    {
        let mut user = new_user("mary", PASSWORD);
        user[field] = value;
        guest.post(ACCEPT, &body(user)).await.invalid(&format!("user.{field}"));
    }
    guest.post(ACCEPT, &body(new_user("mary", "mary jones mary"))).await.problem(422, "password_refused");
    // Whoever has a login accepts with that.
    guest.post(ACCEPT, &body(new_user("owner", PASSWORD))).await.problem(409, "email_taken");
    assert_eq!(service.column("SELECT id FROM users").await.len(), 1);
    accept_as_new(&guest, &token, "mary").await;
}

async fn all_includes_what_comes_and_a_list_does_not(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let all = associated(&service, &owner, "all", &json!("all")).await;
    let each: Vec<_> = service.api().get("/v1/public/account-permissions").await.expect(200)["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|permission| permission["slug"].clone())
        .collect();
    assert_eq!(each.len(), 13);
    let each = associated(&service, &owner, "each", &json!(each)).await;
    let users = owner.api.get("/v1/client/account/users").await.expect(200);
    let of = |user: &User| found(&users, "id", &user.id).expect("on the account").clone();
    assert_eq!(of(&all)["permissions"], of(&each)["permissions"]);
    assert_eq!((&of(&all)["everything"], &of(&each)["everything"]), (&json!(true), &json!(false)));
}

async fn client_user_management_can_be_turned_off(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["profile"])).await;
    let (id, token) = owner.invites("late@example.test", &json!(["profile"])).await;
    admin.api.patch("/v1/admin/settings", &json!({ "client_user_management": false })).await.expect(200);

    let invite = json!({ "email": "x@example.test", "permissions": [] });
    owner.api.post(INVITATIONS, &invite).await.problem(403, "turned_off");
    owner.api.post(&format!("{INVITATIONS}/{id}/resend"), &json!({})).await.problem(403, "turned_off");
    let path = format!("/v1/client/account/users/{}", mary.id);
    owner.api.patch(&path, &json!({ "permissions": "all" })).await.problem(403, "turned_off");
    owner.api.delete(&path).await.problem(403, "turned_off");
    let file = owner.api.request(Method::POST, &format!("{INVITATIONS}/bulk"));
    let file = file.header("content-type", "text/csv").body("email,permissions\nx@example.test,all\n");
    owner.api.send(file).await.problem(403, "turned_off");
    // Pending ones stay valid, and staff go on as before.
    accept_as_new(&service.api(), &token, "late").await;
    let staffs = format!("/v1/admin/accounts/{}/invitations", owner.account());
    admin.api.post(&staffs, &invite).await.expect(201);
}

async fn invitations_are_so_many_a_day_and_pending(database: Database) {
    let (service, admin) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let limits = json!({ "invitations_per_day": 4, "invitations_pending": 3 });
    admin.api.patch("/v1/admin/settings", &limits).await.expect(200);
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let (api, body) =
            (owner.api.clone(), json!({ "email": format!("r{n}@example.test"), "permissions": [] }));
        racers.spawn(async move { api.post(INVITATIONS, &body).await });
    }
    let answers = racers.join_all().await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 3);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "limit_reached");
    }
    let one = made[0].body()["id"].as_str().expect("an id").to_owned();
    owner.api.delete(&format!("{INVITATIONS}/{one}")).await.expect(204);
    owner.invites("fourth@example.test", &json!([])).await;
    let pending = owner.api.get(&format!("{INVITATIONS}?state=pending")).await.expect(200);
    let one = pending["items"][0]["id"].as_str().expect("an id").to_owned();
    owner.api.delete(&format!("{INVITATIONS}/{one}")).await.expect(204);
    let fifth =
        owner.api.post(INVITATIONS, &json!({ "email": "fifth@example.test", "permissions": [] })).await;
    fifth.problem(429, "too_many_attempts");
    assert!(fifth.header("retry-after").is_some());
    // Another account's are its own.
    registered(&service, "anne").await.invites("x@example.test", &json!([])).await;
}

async fn many_are_invited_from_a_file(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    owner.invites("waiting@example.test", &json!([])).await;
    let file = "email,permissions,language\n\
                one@example.test,invoices tickets,de\n\
                two@example.test,all,\n\
                nobody,all,\n\
                three@example.test,root,\n\
                ONE@example.test,all,\n\
                waiting@example.test,all,\n\
                owner@example.test,all,\n";
    let bulk = |dry: &str, text: &'static str| {
        let request = owner.api.request(Method::POST, &format!("{INVITATIONS}/bulk{dry}"));
        owner.api.send(request.header("content-type", "text/csv").body(text))
    };
    let dry = bulk("?dry_run=true", file).await.expect(200);
    assert_eq!((&dry["dry_run"], &dry["invited"], &dry["refused"]), (&json!(true), &json!(2), &json!(5)));
    assert!(dry["lines"].as_array().expect("lines").iter().all(|line| line.get("link").is_none()));
    assert_eq!(service.column("SELECT id FROM invitations WHERE kind = 'account'").await.len(), 1);
    assert!(mails_to(&service, "one@example.test").await.is_empty());

    let done = bulk("", file).await.expect(200);
    let of = |line: usize| &done["lines"][line];
    let codes: Vec<_> = (0..7).map(|n| of(n)["code"].as_str().unwrap_or("invited").to_owned()).collect();
    let expected = ["invited", "invited", "invalid", "invalid", "invalid", "invalid", "on_account_already"];
    assert_eq!(codes, expected);
    assert_eq!(of(4)["line"], 6);
    let token = token_of(of(0)["link"].as_str().expect("a link"));
    let one = accept_as_new(&service.api(), token, "one").await;
    let users = owner.api.get("/v1/client/account/users").await.expect(200);
    assert_eq!(found(&users, "id", &one.id).expect("there")["permissions"], json!(["invoices", "tickets"]));
    assert_eq!(mails_to(&service, "two@example.test").await, ["account_invitation"]);

    bulk("", "email\nx@example.test\n").await.problem(422, "invalid");
    let json_body = owner.api.post(&format!("{INVITATIONS}/bulk"), &json!({})).await;
    json_body.problem(415, "unsupported_media_type");
    let large: &'static str =
        Box::leak(format!("email,permissions\n{}", "x".repeat(300 * 1024)).into_boxed_str());
    bulk("", large).await.problem(413, "too_large");
}

async fn users_are_removed_and_stay_users(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!("all")).await;
    let path = format!("/v1/client/account/users/{}", mary.id);
    owner.api.delete(&path).await.expect(204);
    owner.api.delete(&path).await.problem(404, "not_on_account");
    mary.log_in(&service).await.expect(200);
    let mails = mails_to(&service, "mary@example.test").await;
    assert_eq!(mails.last().map(String::as_str), Some("access_removed"));
    assert_eq!(events(&service, "account.user_removed").await[0]["user_id"], mary.id);
    // They can be invited again.
    let (_, token) = owner.invites("mary@example.test", &json!(["tickets"])).await;
    let mut mary = mary;
    mary.accepts(&token).await;
    assert_eq!(mary.account(), owner.account());
}

async fn whoever_is_on_the_account_is_not_invited_again(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    associated(&service, &owner, "mary", &json!("all")).await;
    for email in ["mary@example.test", "OWNER@example.test"] {
        let body = json!({ "email": email, "permissions": [] });
        owner.api.post(INVITATIONS, &body).await.problem(409, "on_account_already");
    }
    // An address somewhere else is nobody's business.
    service.api().post("/v1/client/register", &registration("elsewhere", PASSWORD)).await.expect(202);
    owner.invites("elsewhere@example.test", &json!([])).await;
}
