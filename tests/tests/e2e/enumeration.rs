//! Who has a login here is nobody's business: for names that exist and names that do not, answers are equal to the byte.
//! That they also take equally long is measured by the benches.

use frontdesk_tests::{
    Answer, Database, Frontdesk, PASSWORD, Smtp, both, colleague, eventually, first_administrator, invite,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

both! {
    logins_answer_the_same_for_every_name,
    asking_for_a_new_password_answers_the_same_for_every_name,
    links_that_are_not_good_answer_the_same_whyever,
}

/// All of an answer but what differs from one request to the next: its id, and the time.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Seen {
    fn of(answer: &Answer) -> Self {
        let mut headers = BTreeMap::new();
        for (name, value) in &answer.headers {
            let value = value.to_str().expect("our headers are ASCII");
            let value = if ["date", "x-request-id"].contains(&name.as_str()) { "" } else { value };
            assert_eq!(headers.insert(name.to_string(), value.to_owned()), None, "{name} twice");
        }
        let mut body = if answer.text.is_empty() { Value::Null } else { answer.body() };
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        Self { status: answer.status.as_u16(), headers, body }
    }
}

fn all_alike(seen: &[(String, Seen)]) {
    for (what, one) in seen {
        assert_eq!(one, &seen[0].1, "{what} differs from {}", seen[0].0);
    }
}

async fn behind_a_proxy(database: Database, smtp: &Smtp) -> Frontdesk {
    let mut service =
        Frontdesk::on(database).with_config("trusted_proxies = [\"127.0.0.1\"]").with_mail(smtp);
    service.start().await;
    service
}

/// Names that exist and may log in, that exist and may not, and that do not exist.
const NAMES: [&str; 10] = [
    "ada",
    "ada@example.test",
    "grace",
    "grace@example.test",
    "invited@example.test",
    "nobody",
    "nobody@example.test",
    "no name at all \u{1f511}",
    "",
    "ada\0",
];

async fn logins_answer_the_same_for_every_name(database: Database) {
    let smtp = Smtp::start().await;
    let service = behind_a_proxy(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "").await;
    invite(&ada.api, "invited@example.test", json!({})).await;
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    let long = "x".repeat(4000);
    let mut seen = Vec::new();
    // The first three free guesses, and the delay after them.
    for round in 0..4 {
        for (n, name) in NAMES.into_iter().chain([long.as_str()]).enumerate() {
            let guest = service.api().forwarded_for(&format!("10.0.{round}.{n}"));
            let password = if round == 0 { grace.password.as_str() } else { "thimble copper 12 meadow" };
            let answer =
                guest.post("/v1/admin/session", &json!({ "login": name, "password": password })).await;
            seen.push((format!("{name:.20}"), Seen::of(&answer)));
        }
        if round == 2 {
            // The whole of each delay is to come.
            service.execute("UPDATE name_delays SET last_failed_at = last_failed_at + 3600000").await;
        }
        assert_eq!(seen[0].1.status, if round < 3 { 401 } else { 429 });
        all_alike(&seen);
        seen.clear();
    }
}

async fn asking_for_a_new_password_answers_the_same_for_every_name(database: Database) {
    let smtp = Smtp::start().await;
    let service = behind_a_proxy(database, &smtp).await;
    let ada = first_administrator(&service).await;
    colleague(&service, &ada.api, "grace", "").await;
    invite(&ada.api, "invited@example.test", json!({})).await;
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    smtp.takes(2).await;
    let long = format!("{}@example.test", "x".repeat(4000));
    let mut seen = Vec::new();
    for audience in ["staff", "user"] {
        for (n, name) in NAMES.into_iter().chain([long.as_str()]).enumerate() {
            let guest = service.api().forwarded_for(&format!("10.0.1.{n}"));
            let ask = json!({ "audience": audience, "login": name });
            let answer = guest.post("/v1/public/password-reset", &ask).await;
            seen.push((format!("{audience} {name:.20}"), Seen::of(&answer)));
        }
    }
    assert_eq!((seen[0].1.status, &seen[0].1.body), (204, &Value::Null));
    all_alike(&seen);

    // One mail, to the one who may have it, though her name was given twice; and nothing of the rest is left.
    let mail = smtp.takes_for("ada@example.test").await;
    eventually("all requests looked up", || async {
        let waiting = service.column("SELECT id FROM reset_requests WHERE name IS NOT NULL").await;
        waiting.is_empty().then_some(())
    })
    .await;
    smtp.takes(3).await;
    let asked = "SELECT id FROM events WHERE name LIKE '%password_reset_requested'";
    assert_eq!(service.column(asked).await.len(), 1);
    let complete = json!({ "token": mail.token(), "password": "meadow thimble 12 copper" });
    service.api().post("/v1/public/password-reset/complete", &complete).await.expect(204);
}

async fn links_that_are_not_good_answer_the_same_whyever(database: Database) {
    let smtp = Smtp::start().await;
    let service = behind_a_proxy(database, &smtp).await;
    first_administrator(&service).await;
    let guest = service.api();
    let unknown = "A".repeat(43);
    let mut seen = Vec::new();
    for token in [unknown.as_str(), "", "x", "ada", "\0", &"B".repeat(43), &"x".repeat(4000), &"A".repeat(42)]
    {
        let answer = guest.post("/v1/public/invitations/lookup", &json!({ "token": token })).await;
        seen.push((format!("{token:.20}"), Seen::of(&answer)));
    }
    assert_eq!((seen[0].1.status, seen[0].1.body["code"].as_str()), (404, Some("invitation_unknown")));
    all_alike(&seen);

    let ask = json!({ "audience": "staff", "login": "ada" });
    let links = [(); 3].map(|()| "UPDATE password_resets SET created_at = created_at - 120000");
    let mut tokens = Vec::new();
    for (n, long_ago) in links.into_iter().enumerate() {
        service.api().forwarded_for("192.0.2.1").post("/v1/public/password-reset", &ask).await.expect(204);
        let mails = smtp.takes(n + 1).await;
        tokens.push(mails[n].token());
        service.execute(long_ago).await;
    }
    let complete = async |token: &str| {
        let body = json!({ "token": token, "password": format!("{PASSWORD} meadow") });
        guest.post("/v1/public/password-reset/complete", &body).await
    };
    let mut seen = Vec::new();
    let mut see = |what: &str, answer: &Answer| seen.push((what.to_owned(), Seen::of(answer)));
    see("unknown", &complete(&unknown).await);
    see("malformed", &complete("x").await);
    service.execute("UPDATE logins SET disabled = TRUE").await;
    see("of somebody disabled", &complete(&tokens[2]).await);
    service.execute("UPDATE logins SET disabled = FALSE").await;
    let ends = service.column("SELECT CAST(expires_at AS TEXT) FROM password_resets").await;
    service.execute("UPDATE password_resets SET expires_at = 1").await;
    see("expired", &complete(&tokens[2]).await);
    service.execute(&format!("UPDATE password_resets SET expires_at = {}", ends[0])).await;
    complete(&tokens[2]).await.expect(204);
    see("used", &complete(&tokens[2]).await);
    see("of whom another one was used", &complete(&tokens[0]).await);
    assert_eq!((seen[0].1.status, seen[0].1.body["code"].as_str()), (410, Some("reset_link_dead")));
    all_alike(&seen);
}
