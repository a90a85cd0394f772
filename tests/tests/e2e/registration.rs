//! C4 and C16: registering, and what keeps it from telling who is registered or from being overdone.

use crate::staff::events;
use frontdesk_tests::{
    Database, Frontdesk, PASSWORD, Smtp, both, client_log_in, first_administrator, open_registration,
    registered, registration, with_clients,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_stranger_registers_and_owns_an_account,
    a_user_makes_a_further_account_and_owns_it,
    registering_answers_alike_whether_or_not_the_address_is_known,
    of_eight_who_register_one_address_at_once_one_is_a_user,
    registration_can_be_turned_off,
    an_address_registers_so_often_an_hour_and_no_more,
    addresses_of_blocked_domains_are_not_taken,
    what_makes_no_registration_is_refused_by_field,
}

const REGISTER: &str = "/v1/client/register";

/// Which mails wait or went to an address, in the order they were written; those of one moment by name.
pub(crate) async fn mails_to(service: &Frontdesk, address: &str) -> Vec<String> {
    let sql = format!(
        "SELECT mail FROM deliveries WHERE recipient_address = '{address}' ORDER BY created_at, mail"
    );
    service.column(&sql).await
}

async fn a_stranger_registers_and_owns_an_account(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let guest = service.api();
    let password = format!("{PASSWORD} 1");
    let body = json!({
        "email": "anne@example.test", "password": password, "first_name": "Anne", "last_name": "Byron", "language": "de",
        "account": {
            "kind": "company", "name": "Analytical Engines", "phone": "+44 20 7946 0000", "tax_id": "GB123", "currency": "gbp",
            "address": { "line1": "12 St James's Square", "city": "London", "postcode": "SW1Y 4JH", "country": "gb" },
        },
    });
    let answer = guest.post(REGISTER, &body).await.expect(202);
    assert_eq!(answer["email"], "anne@example.test");
    assert_eq!(answer.get("token"), None, "it would tell that the address was new");

    let session = client_log_in(&guest, "Anne@Example.test", &password).await.expect(200);
    assert_eq!((&session["pending"], &session["user"]["email_verified"]), (&json!([]), &json!(false)));
    assert_eq!(session["account"]["name"], "Analytical Engines");
    assert_eq!(session["account"]["is_owner"], true);
    assert_eq!(session["account"]["permissions"].as_array().map(Vec::len), Some(13));
    let api = guest.with_token(session["token"].as_str().expect("a token"));
    let account = api.get("/v1/client/account").await.expect(200);
    assert_eq!(account["address"]["country"], "GB");
    assert_eq!((&account["currency"], &account["first_name"]), (&json!("GBP"), &json!("Anne")));
    assert_eq!((&account["email"], &account["status"]), (&json!("anne@example.test"), &json!("active")));

    // The mails that go out, and no other.
    smtp.takes(2).await;
    assert_eq!(mails_to(&service, "anne@example.test").await, ["email_verification", "welcome"]);
    let of = |name: &'static str| events(&service, name);
    assert_eq!(of("user.created").await[0]["how"], "registration");
    assert_eq!(of("account.created").await[0]["name"], "Analytical Engines");
    assert_eq!(of("account.user_added").await[0]["permissions"], json!(["all"]));
    let actors = service.column("SELECT actor_kind FROM events WHERE name = 'account.created'").await;
    assert_eq!(actors, ["guest"]);
    service.keeps_its_secrets().await;
}

async fn a_user_makes_a_further_account_and_owns_it(database: Database) {
    let (service, admin) = with_clients(database).await;
    let mut anne = registered(&service, "anne").await;
    let first = anne.account().to_owned();
    let body = json!({ "name": "Second Ltd", "kind": "company" });
    let second = anne.api.post("/v1/client/accounts", &body).await.expect(201);
    assert_eq!((&second["is_owner"], &second["name"]), (&json!(true), &json!("Second Ltd")));
    // Nothing switches by itself.
    let session = anne.api.get("/v1/client/session").await.expect(200);
    assert_eq!(session["account"]["id"], first);
    anne.choose(second["id"].as_str().expect("an id")).await;
    let own = anne.api.get("/v1/client/accounts").await.expect(200);
    assert_eq!(own["items"].as_array().map(Vec::len), Some(2));

    admin.api.patch("/v1/admin/settings", &json!({ "registration": false })).await.expect(200);
    anne.api.post("/v1/client/accounts", &body).await.problem(403, "turned_off");
}

async fn registering_answers_alike_whether_or_not_the_address_is_known(database: Database) {
    let (service, _) = with_clients(database).await;
    let guest = service.api();
    let anne = registered(&service, "anne").await;
    let known = guest.post(REGISTER, &registration("anne", &format!("{PASSWORD} 2"))).await;
    let new = guest.post(REGISTER, &registration("mary", &format!("{PASSWORD} 2"))).await;
    assert_eq!(known.status, new.status);
    assert_eq!(known.text.replace("anne", "mary"), new.text);
    let names = |answer: &frontdesk_tests::Answer| -> Vec<String> {
        answer.headers.keys().map(ToString::to_string).collect()
    };
    assert_eq!(names(&known), names(&new));

    // The known one is told, once an hour, and keeps their password.
    guest.post(REGISTER, &registration("ANNE", &format!("{PASSWORD} 3"))).await.expect(202);
    let mails = mails_to(&service, "anne@example.test").await;
    assert_eq!(mails, ["email_verification", "welcome", "already_registered"]);
    assert_eq!(events(&service, "user.registered_again").await.len(), 2);
    anne.log_in(&service).await.expect(200);
    client_log_in(&guest, "anne@example.test", &format!("{PASSWORD} 2")).await.problem(401, "login_refused");
    assert_eq!(service.column("SELECT id FROM users").await.len(), 2);
    assert_eq!(service.column("SELECT id FROM accounts").await.len(), 2);
}

async fn of_eight_who_register_one_address_at_once_one_is_a_user(database: Database) {
    let (service, _) = with_clients(database).await;
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let guest = service.api();
        let body = registration("anne", &format!("{PASSWORD} {n}"));
        racers.spawn(async move { guest.post(REGISTER, &body).await });
    }
    for answer in racers.join_all().await {
        answer.expect(202);
    }
    assert_eq!(service.column("SELECT id FROM users").await.len(), 1);
    assert_eq!(service.column("SELECT id FROM accounts").await.len(), 1);
    assert_eq!(service.column("SELECT user_id FROM account_users").await.len(), 1);
}

async fn registration_can_be_turned_off(database: Database) {
    let (service, admin) = with_clients(database).await;
    admin.api.patch("/v1/admin/settings", &json!({ "registration": false })).await.expect(200);
    service.api().post(REGISTER, &registration("anne", PASSWORD)).await.problem(403, "turned_off");
    assert!(service.column("SELECT id FROM users").await.is_empty());
}

async fn an_address_registers_so_often_an_hour_and_no_more(database: Database) {
    let service = Frontdesk::running(database).await;
    let admin = first_administrator(&service).await;
    admin.api.patch("/v1/admin/settings", &json!({ "registrations_per_hour": 3 })).await.expect(200);
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let guest = service.api();
        let body = registration(&format!("user{n}"), &format!("{PASSWORD} {n}"));
        racers.spawn(async move { guest.post(REGISTER, &body).await });
    }
    let mut taken = 0;
    for answer in racers.join_all().await {
        if answer.status == 202 {
            taken += 1;
        } else {
            answer.problem(429, "too_many_attempts");
            let wait: u64 = answer.header("retry-after").expect("a time").parse().expect("seconds");
            assert!((3500..=3600).contains(&wait), "{wait}");
        }
    }
    assert_eq!(taken, 3);
    assert_eq!(service.column("SELECT id FROM users").await.len(), 3);
    // From elsewhere it goes on; what was refused has not counted there.
    let elsewhere = service.api().from_address("127.0.0.2");
    elsewhere.post(REGISTER, &registration("else", &format!("{PASSWORD} x"))).await.expect(202);
}

async fn addresses_of_blocked_domains_are_not_taken(database: Database) {
    let (service, admin) = with_clients(database).await;
    let blocked =
        json!({ "blocked_email_domains": ["@Throwaway.test", "throwaway.test", "spam.example.test"] });
    let settings = admin.api.patch("/v1/admin/settings", &blocked).await.expect(200);
    assert_eq!(settings["blocked_email_domains"], json!(["throwaway.test", "spam.example.test"]));
    let mut body = registration("anne", &format!("{PASSWORD} 1"));
    for email in
        ["a@throwaway.test", "a@THROWAWAY.test", "a@deep.below.throwaway.test", "a@spam.example.test"]
    {
        body["email"] = email.into();
        service.api().post(REGISTER, &body).await.invalid("email");
    }
    for email in ["a@notthrowaway.test", "a@example.test"] {
        body["email"] = email.into();
        service.api().post(REGISTER, &body).await.expect(202);
    }
    // Nor by changing the address afterwards.
    let anne = registered(&service, "anne").await;
    anne.api.patch("/v1/client/me", &json!({ "email": "anne@throwaway.test" })).await.invalid("email");
    open_registration(&admin.api).await;
}

async fn what_makes_no_registration_is_refused_by_field(database: Database) {
    let (service, _) = with_clients(database).await;
    let guest = service.api();
    let with = |field: &str, value: Value| {
        let mut body = registration("anne", &format!("{PASSWORD} 1"));
        body[field] = value;
        body
    };
    guest.post(REGISTER, &with("email", "nobody".into())).await.invalid("email");
    guest.post(REGISTER, &with("first_name", " ".into())).await.invalid("first_name");
    guest.post(REGISTER, &with("account", json!({ "currency": "Euro" }))).await.invalid("account.currency");
    guest
        .post(REGISTER, &with("account", json!({ "address": { "country": "Malta" } })))
        .await
        .invalid("account.address.country");
    // Nobody makes themselves more than a registration makes them.
    for field in ["email_verified", "id", "disabled"] {
        guest.post(REGISTER, &with(field, true.into())).await.invalid(field);
    }
    for field in ["status", "notes", "group_id", "owner_user_id"] {
        let body = with("account", json!({ field: "active" }));
        guest.post(REGISTER, &body).await.invalid(&format!("account.{field}"));
    }
    guest.post(REGISTER, &with("password", "short".into())).await.problem(422, "password_refused");
    guest.post(REGISTER, &with("password", "anne byron anne".into())).await.problem(422, "password_refused");
    assert!(service.column("SELECT id FROM users").await.is_empty());
}
