//! From where a request comes: from its peer, unless that is a proxy that is trusted to say more.

use frontdesk_tests::{Api, Database, Frontdesk, Person, Smtp, both, first_administrator, guess, log_in_as};
use reqwest::Method;
use serde_json::json;

both! {
    by_default_nobody_is_believed_about_where_they_come_from,
    behind_a_proxy_that_nobody_configured_nobody_is_banned,
    behind_a_trusted_proxy_each_client_is_counted_alone,
    where_there_is_no_proxy_the_peer_is_banned_whatever_it_says,
    no_link_is_built_from_the_host_header,
}

async fn with_config(database: Database, config: &str) -> (Frontdesk, Person) {
    let mut service = Frontdesk::on(database).with_config(config);
    service.start().await;
    let ada = first_administrator(&service).await;
    (service, ada)
}

/// From where a session was started, as its owner sees it.
async fn came_from(guest: &Api, person: &Person) -> String {
    let session = log_in_as(guest, person).await.expect(200);
    let api = guest.with_token(session["token"].as_str().expect("a session"));
    let listed = api.get("/v1/admin/sessions").await.expect(200);
    let mut sessions = listed["items"].as_array().expect("a list").iter();
    let own = sessions.find(|session| session["current"] == true).expect("the one that asks");
    own["address"].as_str().expect("an address").to_owned()
}

/// Regression: `X-Forwarded-For` believed from anyone.
async fn by_default_nobody_is_believed_about_where_they_come_from(database: Database) {
    let (service, ada) = with_config(database, "").await;
    let there = service.api().from_address("127.0.0.5");
    assert_eq!(came_from(&there, &ada).await, "127.0.0.5");
    for spoofed in ["203.0.113.9", "127.0.0.1", "203.0.113.9, 127.0.0.5", "2001:db8::1", "garbage"] {
        assert_eq!(came_from(&there.forwarded_for(spoofed), &ada).await, "127.0.0.5", "{spoofed}");
    }
    let addresses = "SELECT DISTINCT address FROM events WHERE address IS NOT NULL ORDER BY address";
    assert_eq!(service.column(addresses).await, ["127.0.0.1", "127.0.0.5"]);

    // Nor may a header get somebody round a ban, or into one.
    ada.api.post("/v1/admin/bans", &json!({ "network": "127.0.0.5" })).await.expect(201);
    ada.api.post("/v1/admin/bans", &json!({ "network": "203.0.113.9" })).await.expect(201);
    there.forwarded_for("203.0.113.1").get("/healthz").await.problem(403, "address_banned");
    service.api().forwarded_for("203.0.113.9").get("/healthz").await.expect(200);
}

/// Regression: everyone banned through an unconfigured proxy.
async fn behind_a_proxy_that_nobody_configured_nobody_is_banned(database: Database) {
    let (service, ada) = with_config(database, "").await;
    for n in 0..8 {
        let client = service.api().forwarded_for(&format!("203.0.113.{n}"));
        guess(&client, &format!("nobody{n}")).await.problem(401, "login_refused");
    }
    for (name, value) in [("forwarded", "for=203.0.113.1"), ("x-real-ip", "203.0.113.1")] {
        for n in 0..4 {
            let body = json!({ "login": format!("{name}{n}"), "password": "thimble copper 12 meadow" });
            let guest = service.api();
            let request = guest.request(Method::POST, "/v1/admin/session").header(name, value).json(&body);
            guest.send(request).await.problem(401, "login_refused");
        }
    }
    assert_eq!(service.column("SELECT id FROM bans").await, [""; 0]);
    assert_eq!(service.column("SELECT network FROM address_failures").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM events WHERE name = 'system.address_banned'").await, [""; 0]);
    log_in_as(&service.api().forwarded_for("203.0.113.1"), &ada).await.expect(200);
    log_in_as(&service.api(), &ada).await.expect(200);

    // Nor does one caller use up what everybody may ask for.
    let ask = json!({ "audience": "staff", "login": "nobody" });
    for _ in 0..25 {
        let attacker = service.api().forwarded_for("203.0.113.66");
        attacker.post("/v1/public/password-reset", &ask).await.expect(204);
    }

    // The log says so, once an hour and not with each request.
    let is_reminder = |line: &str| line.contains(" WARN ") && line.contains("trusted_proxies");
    let line = service.log_line("a warning about the proxy", is_reminder).await;
    assert!(line.contains("peer=127.0.0.1") && line.contains("neither counted nor banned"), "{line}");
    assert_eq!(service.logs().lines().filter(|line| is_reminder(line)).count(), 1);

    // The delay by name holds all the same: it hits one name and nobody else.
    for n in 0..3 {
        guess(&service.api().forwarded_for(&format!("203.0.113.{n}")), "target")
            .await
            .problem(401, "login_refused");
    }
    service.execute("UPDATE name_delays SET last_failed_at = last_failed_at + 3600000").await;
    let slowed = guess(&service.api().forwarded_for("203.0.113.200"), "target").await;
    slowed.problem(429, "too_many_attempts");
    log_in_as(&service.api().forwarded_for("203.0.113.1"), &ada).await.expect(200);
}

async fn behind_a_trusted_proxy_each_client_is_counted_alone(database: Database) {
    let (service, ada) = with_config(database, "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]").await;
    let behind = |addresses: &str| service.api().forwarded_for(addresses);
    assert_eq!(came_from(&behind("192.0.2.7"), &ada).await, "192.0.2.7");
    assert_eq!(came_from(&behind("203.0.113.1, 192.0.2.7"), &ada).await, "192.0.2.7");
    assert_eq!(came_from(&behind("203.0.113.1, 192.0.2.7, 10.1.2.3"), &ada).await, "192.0.2.7");
    assert_eq!(came_from(&behind("127.0.0.1, 2001:db8::7"), &ada).await, "2001:db8::7");

    // What the client itself wrote stands on the left, and changes nothing.
    for n in 0..3 {
        let client = behind(&format!("198.51.100.{n}, 10.0.0.{n}, 192.0.2.1"));
        guess(&client, &format!("nobody{n}")).await.problem(401, "login_refused");
    }
    for claimed in ["192.0.2.1", "192.0.2.2, 192.0.2.1", "10.0.0.1, 192.0.2.1, 10.0.0.2"] {
        log_in_as(&behind(claimed), &ada).await.problem(403, "address_banned");
    }
    assert_eq!(service.column("SELECT network FROM bans").await, ["192.0.2.1"]);
    for free in ["192.0.2.2", "192.0.2.1, 192.0.2.2", "198.51.100.1"] {
        log_in_as(&behind(free), &ada).await.expect(200);
    }

    // Who is no proxy is not believed: neither that they are somebody else, nor somebody free.
    let elsewhere = service.api().from_address("127.0.0.2");
    assert_eq!(came_from(&elsewhere.forwarded_for("192.0.2.1"), &ada).await, "127.0.0.2");
    for n in 0..3 {
        let spoofed = elsewhere.forwarded_for(&format!("198.51.100.{n}"));
        guess(&spoofed, &format!("else{n}")).await.problem(401, "login_refused");
    }
    log_in_as(&elsewhere.forwarded_for("192.0.2.2"), &ada).await.problem(403, "address_banned");
    let networks = service.column("SELECT network FROM bans ORDER BY network").await;
    assert_eq!(networks, ["127.0.0.2", "192.0.2.1"]);

    // A trusted proxy that does not say is not banned with everybody behind it.
    for (n, said) in ["", "unknown", "192.0.2.9, unknown", "10.0.0.1"].iter().enumerate() {
        guess(&behind(said), &format!("silent{n}")).await.problem(401, "login_refused");
    }
    log_in_as(&service.api(), &ada).await.expect(200);
    assert_eq!(service.column("SELECT id FROM bans").await.len(), 2);
}

async fn where_there_is_no_proxy_the_peer_is_banned_whatever_it_says(database: Database) {
    let (service, ada) = with_config(database, "trusted_proxies = []").await;
    for n in 0..3 {
        let client = service.api().forwarded_for(&format!("203.0.113.{n}"));
        guess(&client, &format!("nobody{n}")).await.problem(401, "login_refused");
    }
    log_in_as(&service.api().forwarded_for("203.0.113.9"), &ada).await.problem(403, "address_banned");
    log_in_as(&service.api(), &ada).await.problem(403, "address_banned");
    assert_eq!(service.column("SELECT network FROM bans").await, ["127.0.0.1"]);
    assert!(!service.logs().contains(" WARN "), "{}", service.logs());
    log_in_as(&service.api().from_address("127.0.0.2"), &ada).await.expect(200);
}

/// Regression: links built from the Host header. Those that a stranger can have mailed to somebody else; what else makes
/// links is in `http.rs`.
async fn no_link_is_built_from_the_host_header(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let _ada = first_administrator(&service).await;
    let body = json!({ "audience": "staff", "login": "ada" });
    let guest = service.api();
    let mut request = guest.request(Method::POST, "/v1/public/password-reset").json(&body);
    for (name, value) in [
        ("host", "evil.example.test"),
        ("x-forwarded-host", "evil.example.test"),
        ("x-forwarded-proto", "gopher"),
        ("forwarded", "host=evil.example.test;proto=gopher"),
        ("x-original-host", "evil.example.test"),
    ] {
        request = request.header(name, value);
    }
    guest.send(request).await.expect(204);
    let mail = smtp.takes_for("ada@example.test").await;
    let link = mail.link();
    assert!(
        link.starts_with(&format!("{}/", service.base())),
        "a link to another place than {}",
        service.base()
    );
    for part in [mail.text(), mail.html(), String::from_utf8_lossy(&mail.raw).into_owned()] {
        assert!(
            !part.contains("evil.example") && !part.contains("gopher"),
            "the caller wrote into somebody's mail"
        );
    }
}
