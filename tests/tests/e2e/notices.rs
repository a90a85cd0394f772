//! What people are told about their own login: each thing once, to its owner alone, and nothing that opens anything.

use frontdesk_tests::{
    Api, Authenticator, Database, Frontdesk, Mail, PASSWORD, Person, Smtp, both, first_administrator, joined,
    log_in, recovery_codes, token_of, trust_this_machine,
};
use reqwest::{Method, header};
use serde_json::{Value, json};

both! {
    owners_are_told_what_happens_to_their_login,
    nobody_is_told_what_did_not_happen,
}

const ORIGIN: &str = "https://desk.example.com";
const GRACE: &str = "grace@example.test";

/// Behind a proxy of its own, which says where people come from.
async fn running(database: Database, smtp: &Smtp) -> Frontdesk {
    let mut service = Frontdesk::on(database)
        .with_config(&format!("public_url = \"{ORIGIN}\"\ntrusted_proxies = [\"127.0.0.0/8\"]"))
        .with_mail(smtp);
    service.start().await;
    service
}

async fn from(guest: &Api, address: &str, path: &str, body: &Value) -> Value {
    let request = guest.request(Method::POST, path).header("x-forwarded-for", address);
    let request =
        request.header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0");
    guest.send(request.json(body)).await.expect(200)
}

/// The next mail: a notice to Grace that holds `words`, no link, and nothing secret.
async fn grace_is_told(
    service: &Frontdesk,
    smtp: &Smtp,
    so_far: &mut usize,
    subject: &str,
    words: &[&str],
) -> Mail {
    *so_far += 1;
    let mail = smtp.takes(*so_far).await.remove(*so_far - 1);
    assert_eq!(mail.to, [GRACE]);
    assert_eq!(mail.header("Subject"), subject);
    let (text, html) = (mail.text().replace("\r\n", "\n"), mail.html());
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    for part in [&text, &html] {
        assert!(!part.contains("token=") && !part.contains(ORIGIN) && !part.contains("href"), "{part}");
        service.secrets.are_not_in("a notice", part.as_bytes());
    }
    service.secrets.are_not_in("a notice", &mail.raw);
    assert!(text.contains("It holds no\nlink on purpose."), "{text}");
    mail
}

async fn owners_are_told_what_happens_to_their_login(database: Database) {
    let smtp = Smtp::start().await;
    let service = running(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let mut grace = joined(&ada, &service, "grace", json!({})).await;
    let guest = service.api();
    smtp.takes(1).await;
    let mut count = 1;
    let mut told = async |subject: &str, words: &[&str]| {
        grace_is_told(&service, &smtp, &mut count, subject, words).await
    };

    // From an address she had never come from; and then she has.
    let login = json!({ "login": "grace", "password": grace.password });
    for _ in 0..2 {
        from(&guest, "198.51.100.7", "/v1/admin/session", &login).await;
    }
    told(
        "Your login at Frontdesk was used from a new address",
        &["Hello Grace Hopper", "From: 198.51.100.7", "Firefox", "end your other sessions"],
    )
    .await;

    let (_, codes) = grace.enrol_app().await;
    told("A second factor was added to your login at Frontdesk", &["An authenticator app was added"]).await;

    let challenge = Value::from(grace.challenged(&service).await.token);
    let recover = json!({ "challenge": challenge, "method": "recovery", "code": codes[0] });
    let session = from(&guest, "198.51.100.7", "/v1/admin/session/second-factor", &recover).await;
    assert!(session["token"].is_string());
    told(
        "A recovery code of your login at Frontdesk was used",
        &["A recovery code was used", "9 are left", "From: 198.51.100.7"],
    )
    .await;

    let renewed = grace.api.post("/v1/admin/me/recovery-codes", &json!({})).await.expect(200);
    assert_eq!(recovery_codes(&renewed).len(), 10);
    told("New recovery codes for your login at Frontdesk", &["no longer work"]).await;

    let keys = "/v1/admin/me/security-keys";
    let asked = grace.api.post(keys, &json!({})).await.expect(200);
    let credential = Authenticator::new(ORIGIN).register(&asked["options"]);
    let confirm = json!({ "name": "blue one", "credential": credential });
    let added = grace.api.post(&format!("{keys}/confirm"), &confirm).await.expect(200);
    grace.renewed(&added);
    told(
        "A second factor was added to your login at Frontdesk",
        &["The security key \"blue one\" was added"],
    )
    .await;
    let id = added["key"]["id"].as_str().expect("an id");
    let removed = grace.api.delete(&format!("{keys}/{id}")).await.expect(200);
    grace.renewed(&removed);
    told(
        "A second factor was removed from your login at Frontdesk",
        &["The security key \"blue one\" was removed"],
    )
    .await;

    let change = json!({ "password": PASSWORD });
    let changed = grace.api.json(Method::PUT, "/v1/admin/me/password", &change).await.expect(200);
    grace.renewed(&changed);
    told("Your password at Frontdesk was changed", &["If this was you, there is nothing to do."]).await;

    // What others do is told, and not where they are.
    let help = format!("/v1/admin/staff/{}/remove-second-factor", grace.id);
    ada.api.post(&help, &json!({})).await.expect(204);
    let mail = told(
        "A second factor was removed from your login at Frontdesk",
        &["An administrator removed every second factor", "ask us at once"],
    )
    .await;
    assert!(!mail.text().contains("From: "), "{}", mail.text());
    let link = service.run(&["staff", "reset-password", "grace"]).await.stdout.trim().to_owned();
    service.secrets.keep_link(&link);
    count += 1;
    assert_eq!(smtp.takes(count).await[count - 1].link(), link);
    let reset = json!({ "token": token_of(&link), "password": format!("{PASSWORD} anew") });
    guest.post("/v1/public/password-reset/complete", &reset).await.expect(204);
    let mut told = async |subject: &str, words: &[&str]| {
        grace_is_told(&service, &smtp, &mut count, subject, words).await
    };
    told("Your password at Frontdesk was changed", &["was changed with a reset link"]).await;

    nothing_else_is_on_its_way(&service, &smtp, 11).await;
    let ada_alone = smtp.mails().iter().filter(|mail| mail.to != [GRACE]).count();
    assert_eq!(ada_alone, 0);
}

/// Every mail there ever was has arrived, once; and what is written down of it all is no secret.
async fn nothing_else_is_on_its_way(service: &Frontdesk, smtp: &Smtp, count: usize) {
    let mut deliveries: Vec<_> = smtp.takes(count).await.iter().map(Mail::delivery).collect();
    deliveries.sort();
    deliveries.dedup();
    assert_eq!(deliveries.len(), count, "each once");
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), count);
    let events = service.column("SELECT data || COALESCE(personal, '') FROM events").await;
    assert!(events.len() > 5, "{events:?}");
    service.secrets.are_not_in("the events", events.join("\n").as_bytes());
    service.keeps_its_secrets().await;
}

async fn nobody_is_told_what_did_not_happen(database: Database) {
    let smtp = Smtp::start().await;
    let service = running(database, &smtp).await;
    let ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let mut grace = joined(&ada, &service, "grace", json!({})).await;
    let (app, _) = grace.enrol_app().await;
    smtp.takes(2).await;
    let guest = service.api();
    // Logins that fail, or stop half of the way, from wherever.
    log_in(&guest, "grace", "not the password, not at all").await.problem(401, "login_refused");
    let login = json!({ "login": "grace", "password": grace.password });
    from(&guest, "203.0.113.9", "/v1/admin/session", &login).await;
    let challenge = grace.challenged(&service).await;
    challenge.answer(&guest, "totp", &app.wrong_code()).await.problem(401, "code_refused");
    challenge.answer(&guest, "recovery", "0000-0000-0000").await.problem(401, "code_refused");
    // Changes that are refused or never finished.
    let weak = json!({ "password": "hopper grace" });
    grace.api.json(Method::PUT, "/v1/admin/me/password", &weak).await.problem(422, "password_refused");
    grace.api.post("/v1/admin/me/totp", &json!({})).await.expect(200);
    grace.api.post("/v1/admin/me/totp/confirm", &json!({ "code": app.wrong_code() })).await.invalid("code");
    grace.api.post("/v1/admin/me/security-keys", &json!({})).await.expect(200);
    grace.api.delete(&format!("/v1/admin/me/security-keys/{}", grace.id)).await.problem(404, "not_found");
    ada.api.delete("/v1/admin/me/totp").await.problem(404, "not_found");
    // What is nobody else's business: coming and going as always.
    confirmed(&mut grace).await;
    service.execute("UPDATE totp SET last_step = 0").await;
    challenge.answer(&guest, "totp", &app.code()).await.expect(200);
    grace.api.delete("/v1/admin/sessions").await.expect(204);
    grace.api.delete("/v1/admin/session").await.expect(204);
    nothing_else_is_on_its_way(&service, &smtp, 2).await;
}

async fn confirmed(person: &mut Person) {
    let confirm = json!({ "password": person.password });
    let confirmed = person.api.post("/v1/admin/session/confirm", &confirm).await.expect(200);
    person.renewed(&confirmed);
}
