//! Who is kept out by address: after failed logins for a while, by hand from everything.

use frontdesk_tests::{
    Answer, Api, Authenticator, Database, Frontdesk, Person, Smtp, both, colleague, first_administrator,
    guess, invite, log_in_as, within,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

both! {
    three_failures_in_a_row_ban_the_address_from_logging_in,
    how_many_failures_and_for_how_long_are_settings,
    a_good_login_of_ones_own_buys_no_guesses_at_other_names,
    wrong_codes_count_as_wrong_passwords_do,
    ipv6_neighbours_are_counted_and_banned_together,
    a_trusted_address_is_never_banned,
    a_ban_by_hand_refuses_everything,
    the_command_line_bans_and_lifts,
    nobody_bans_their_own_network_or_a_trusted_one,
    bans_want_their_permissions_and_a_fresh_password,
    no_ban_locks_administrators_out_for_good,
}

/// Requests from this machine come through a proxy, which says from where.
const BEHIND_A_PROXY: &str = "trusted_proxies = [\"127.0.0.1\"]";
const BANS: &str = "/v1/admin/bans";
const TRUSTED: &str = "/v1/admin/trusted-addresses";

/// What a running service needs at the most to hear what the command line did; it looks every second.
const NOTICED: Duration = Duration::from_secs(10);

async fn behind_a_proxy(database: Database) -> (Frontdesk, Person) {
    let mut service = Frontdesk::on(database).with_config(BEHIND_A_PROXY);
    service.start().await;
    let ada = first_administrator(&service).await;
    (service, ada)
}

/// The bans that hold, the newest first.
async fn bans(admin: &Api) -> Vec<Value> {
    admin.get(BANS).await.expect(200)["items"].as_array().expect("a list").clone()
}

fn banned(answer: &Answer) -> String {
    answer.problem(403, "address_banned")["detail"].as_str().expect("until when").to_owned()
}

fn refused(answer: &Answer) {
    answer.problem(401, "login_refused");
}

async fn change(admin: &Api, settings: Value) {
    admin.patch("/v1/admin/settings", &settings).await.expect(200);
}

async fn events(service: &Frontdesk, name: &str) -> Vec<Value> {
    service.events(name).await
}

async fn three_failures_in_a_row_ban_the_address_from_logging_in(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let ask = json!({ "audience": "staff", "login": "ada" });
    service.api().post("/v1/public/password-reset", &ask).await.expect(204);
    let link = smtp.takes_for("ada@example.test").await.token();
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let there = service.api().from_address("127.0.0.2");
    let session = log_in_as(&there, &ada).await.expect(200);
    let open = there.with_token(session["token"].as_str().expect("a session"));

    for name in ["ada", "nobody", ""] {
        refused(&guess(&there, name).await);
    }
    let detail = banned(&log_in_as(&there, &ada).await);
    let bans_now = bans(&ada.api).await;
    let [ban] = bans_now.as_slice() else { panic!("{bans_now:?}") };
    assert_eq!(
        [&ban["network"], &ban["kind"], &ban["created_by"]],
        [&json!("127.0.0.2"), &json!("automatic"), &Value::Null]
    );
    assert_eq!(ban["reason"], "3 failed logins of staff in a row");
    let end = ban["expires_at"].as_str().expect("an automatic ban ends");
    assert!(detail.contains(end), "{detail} does not say {end}");
    let minutes = "SELECT CAST((expires_at - created_at) / 60000 AS TEXT) FROM bans";
    assert_eq!(service.column(minutes).await, ["15"]);
    let told = events(&service, "system.address_banned").await;
    assert_eq!(told.len(), 1);
    assert_eq!([&told[0]["network"], &told[0]["kind"]], ["127.0.0.2", "automatic"]);

    // Nor do the other ways in work from there.
    banned(&there.post("/v1/public/password-reset", &ask).await);
    let complete = json!({ "token": link, "password": "meadow thimble 12 copper" });
    banned(&there.post("/v1/public/password-reset/complete", &complete).await);
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": "copper 12 meadow thimble",
        "first_name": "Grace", "last_name": "Hopper",
    });
    banned(&there.post("/v1/public/invitations/accept", &accept).await);
    assert_eq!(service.column("SELECT id FROM reset_requests WHERE address = '127.0.0.2'").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM password_resets").await.len(), 1, "the link is not spent");

    // Open sessions go on, and may still prove who they are.
    open.get("/v1/admin/session").await.expect(200);
    let confirm = |password: &str| json!({ "password": password });
    let wrong = open.post("/v1/admin/session/confirm", &confirm("thimble copper 12 meadow")).await;
    wrong.problem(403, "confirmation_refused");
    let confirmed = open.post("/v1/admin/session/confirm", &confirm(&ada.password)).await.expect(200);
    let open = there.with_token(confirmed["token"].as_str().expect("a new token"));
    open.get(BANS).await.expect(200);
    assert_eq!(open.get("/").await.status, 200);

    // Others are not concerned, and it ends by itself.
    log_in_as(&service.api(), &ada).await.expect(200);
    log_in_as(&service.api().from_address("127.0.0.3"), &ada).await.expect(200);
    service.execute("UPDATE bans SET expires_at = 1").await;
    assert_eq!(bans(&ada.api).await, [] as [Value; 0]);
    log_in_as(&there, &ada).await.expect(200);
    refused(&guess(&there, "nobody").await);
    refused(&guess(&there, "nobody").await);
    log_in_as(&there, &ada).await.expect(200);
    assert_eq!(events(&service, "system.address_banned").await.len(), 1);
    service.keeps_its_secrets().await;
}

async fn how_many_failures_and_for_how_long_are_settings(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let from = |last: u8| service.api().forwarded_for(&format!("192.0.2.{last}"));
    change(&ada.api, json!({ "ban_after": 0 })).await;
    for n in 0..6 {
        refused(&guess(&from(1), &format!("nobody{n}")).await);
    }
    assert_eq!(service.column("SELECT id FROM bans").await, [""; 0]);
    log_in_as(&from(1), &ada).await.expect(200);

    change(&ada.api, json!({ "ban_after": 5, "ban_minutes": 60 })).await;
    for n in 0..5 {
        refused(&guess(&from(2), &format!("nobody{n}")).await);
    }
    banned(&log_in_as(&from(2), &ada).await);
    assert_eq!(bans(&ada.api).await[0]["reason"], "5 failed logins of staff in a row");
    let minutes = "SELECT CAST((expires_at - created_at) / 60000 AS TEXT) FROM bans";
    assert_eq!(service.column(minutes).await, ["60"]);

    change(&ada.api, json!({ "ban_after": 1, "ban_minutes": 1 })).await;
    refused(&guess(&from(3), "nobody").await);
    banned(&log_in_as(&from(3), &ada).await);
}

async fn a_good_login_of_ones_own_buys_no_guesses_at_other_names(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let honest = service.api().forwarded_for("192.0.2.1");
    for _ in 0..3 {
        refused(&guess(&honest, "ada").await);
        refused(&guess(&honest, "ada@example.test").await);
        log_in_as(&honest, &ada).await.expect(200);
    }
    assert_eq!(service.column("SELECT id FROM bans").await, [""; 0]);

    let insider = service.api().forwarded_for("192.0.2.2");
    for n in 0..3 {
        log_in_as(&insider, &ada).await.expect(200);
        refused(&guess(&insider, &format!("colleague{n}")).await);
    }
    banned(&log_in_as(&insider, &ada).await);
}

/// Also part of the regression "guesses refilled by new challenges": a new challenge is no new address.
async fn wrong_codes_count_as_wrong_passwords_do(database: Database) {
    let mut service =
        Frontdesk::on(database).with_config(BEHIND_A_PROXY).with_config("public_url = \"http://localhost\"");
    service.start().await;
    let ada = first_administrator(&service).await;
    service.execute("UPDATE logins SET email_verified = TRUE").await;
    let mut key = Authenticator::new("http://localhost");
    let keys = "/v1/admin/me/security-keys";
    let begun = ada.api.post(keys, &json!({})).await.expect(200);
    let confirm = json!({ "name": "blue", "credential": key.register(&begun["options"]) });
    let added = ada.api.post(&format!("{keys}/confirm"), &confirm).await.expect(200);
    let ada = Person { api: ada.api.with_token(added["token"].as_str().expect("a new token")), ..ada };

    let there = service.api().forwarded_for("192.0.2.1");
    let mut open = String::new();
    for _ in 0..3 {
        let challenged = log_in_as(&there, &ada).await.expect(200);
        open = challenged["challenge"].as_str().expect("a challenge").to_owned();
        let wrong = json!({ "challenge": open, "method": "totp", "code": "000000" });
        there.post("/v1/admin/session/second-factor", &wrong).await.problem(401, "code_refused");
    }
    banned(&log_in_as(&there, &ada).await);
    let right = added["recovery_codes"][0].as_str().expect("ten codes");
    let right = json!({ "challenge": open, "method": "recovery", "code": right });
    banned(&there.post("/v1/admin/session/second-factor", &right).await);
    assert_eq!(bans(&ada.api).await[0]["network"], "192.0.2.1");
    // The code was not spent by that.
    assert_eq!(ada.api.get("/v1/admin/me").await.expect(200)["second_factor"]["recovery_codes_left"], 10);
}

/// Regression: IPv6 neighbours evading the limit.
async fn ipv6_neighbours_are_counted_and_banned_together(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let from = |address: &str| service.api().forwarded_for(address);
    for (n, address) in
        ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "[2001:db8:0:1::3]:4711"].iter().enumerate()
    {
        refused(&guess(&from(address), &format!("nobody{n}")).await);
    }
    banned(&log_in_as(&from("2001:db8:0:1:aaaa:bbbb:cccc:dddd"), &ada).await);
    log_in_as(&from("2001:db8:0:2::1"), &ada).await.expect(200);
    log_in_as(&from("2001:db8::1"), &ada).await.expect(200);
    assert_eq!(bans(&ada.api).await[0]["network"], "2001:db8:0:1::/64");

    // An IPv4 address in the dress of IPv6 is that address, not everybody's /64.
    for (n, address) in ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"].iter().enumerate() {
        refused(&guess(&from(address), &format!("else{n}")).await);
    }
    banned(&log_in_as(&from("192.0.2.1"), &ada).await);
    log_in_as(&from("::ffff:192.0.2.2"), &ada).await.expect(200);
}

async fn a_trusted_address_is_never_banned(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let office = service.api().forwarded_for("192.0.2.7");
    // Banned already when the trust comes.
    for n in 0..3 {
        refused(&guess(&office, &format!("before{n}")).await);
    }
    banned(&log_in_as(&office, &ada).await);
    let trust = json!({ "network": "192.0.2.9/24", "note": "The office" });
    let trusted = ada.api.post(TRUSTED, &trust).await.expect(201);
    assert_eq!([&trusted["network"], &trusted["note"]], ["192.0.2.0/24", "The office"]);
    log_in_as(&office, &ada).await.expect(200);
    assert_eq!(events(&service, "system.trusted_address_failed").await, [] as [Value; 0]);

    for n in 0..5 {
        refused(&guess(&office, &format!("nobody{n}")).await);
    }
    refused(&guess(&office, "ada").await);
    log_in_as(&office, &ada).await.expect(200);
    let told = events(&service, "system.trusted_address_failed").await;
    assert_eq!(told.len(), 6, "one for each failure");
    assert!(told.iter().all(|event| event["address"] == "192.0.2.7" && event["step"] == "password"));
    assert_eq!(told.iter().filter(|event| event["login_id"].is_null()).count(), 5);
    assert_eq!(events(&service, "system.address_banned").await.len(), 1);

    let listed = ada.api.get(TRUSTED).await.expect(200);
    assert_eq!(listed["items"], json!([trusted]));
    let path = format!("{TRUSTED}/{}", trusted["id"].as_str().expect("an id"));
    ada.api.delete(&path).await.expect(204);
    ada.api.delete(&path).await.problem(404, "not_found");
    // The ban from before holds again.
    banned(&log_in_as(&office, &ada).await);
}

async fn a_ban_by_hand_refuses_everything(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let inside = service.api().forwarded_for("198.51.100.7").with_token(&ada.token);
    let beside = service.api().forwarded_for("198.51.101.7").with_token(&ada.token);
    inside.get("/v1/admin/session").await.expect(200);
    let ban = json!({ "network": "198.51.100.99/24", "reason": " scans us " });
    let made = ada.api.post(BANS, &ban).await.expect(201);
    assert_eq!([&made["network"], &made["kind"]], ["198.51.100.0/24", "manual"]);
    assert_eq!([&made["reason"], &made["created_by"]], [&json!("scans us"), &json!(ada.id)]);
    assert_eq!(made["expires_at"], Value::Null);

    for path in
        ["/", "/accept", "/docs", "/openapi.json", "/healthz", "/readyz", "/v1/admin/session", "/nothing"]
    {
        let detail = banned(&inside.get(path).await);
        assert!(!detail.contains("Until"), "{path}: {detail}");
    }
    banned(&log_in_as(&inside, &ada).await);
    banned(&inside.post("/v1/public/invitations/lookup", &json!({ "token": "x" })).await);
    banned(&inside.send(inside.request(Method::OPTIONS, "/v1/admin/session")).await);
    beside.get("/v1/admin/session").await.expect(200);
    assert_eq!(beside.get("/").await.status, 200);
    assert_eq!(bans(&ada.api).await, std::slice::from_ref(&made));

    // Banned again, it has the new reason and the new end.
    let until =
        json!({ "network": "198.51.100.0/24", "reason": "still", "expires_at": "2099-01-01T00:00:00Z" });
    let again = ada.api.post(BANS, &until).await.expect(201);
    assert_eq!([&again["reason"], &again["expires_at"]], ["still", "2099-01-01T00:00:00.000Z"]);
    assert!(banned(&inside.get("/").await).contains("Until 2099-01-01T00:00:00.000Z"));
    assert_eq!(bans(&ada.api).await.len(), 1);
    let over = json!({ "network": "198.51.100.0/24", "expires_at": "2001-01-01T00:00:00Z" });
    ada.api.post(BANS, &over).await.invalid("expires_at");

    let path = format!("{BANS}/{}", again["id"].as_str().expect("an id"));
    ada.api.delete(&path).await.expect(204);
    inside.get("/v1/admin/session").await.expect(200);
    ada.api.delete(&path).await.problem(404, "not_found");
    assert_eq!(events(&service, "system.address_banned").await.len(), 2);
    assert_eq!(events(&service, "system.ban_lifted").await.len(), 1);

    // Whoever bans one address of IPv6 means its neighbours, too.
    ada.api.post(BANS, &json!({ "network": "2001:db8::7" })).await.expect(201);
    banned(&service.api().forwarded_for("2001:db8::ffff:1").get("/").await);
    service.api().forwarded_for("2001:db8:0:1::7").get("/healthz").await.expect(200);
    // A trusted address inside a banned network stays free.
    ada.api.post(BANS, &json!({ "network": "203.0.113.0/24" })).await.expect(201);
    ada.api.post(TRUSTED, &json!({ "network": "203.0.113.5" })).await.expect(201);
    service.api().forwarded_for("203.0.113.5").get("/healthz").await.expect(200);
    banned(&service.api().forwarded_for("203.0.113.6").get("/healthz").await);
}

async fn the_command_line_bans_and_lifts(database: Database) {
    let mut service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let there = service.api().from_address("127.0.0.3");
    let noticed = async |there: &Api, status: u16| {
        within(NOTICED, "the service to notice", async || {
            (there.get("/healthz").await.status == status).then_some(())
        })
        .await;
    };
    there.get("/healthz").await.expect(200);
    assert_eq!(service.run(&["ban", "list"]).await.stdout, "No address is banned.\n");

    let add = ["ban", "add", "127.0.0.3", "--reason", "scanner", "--minutes", "30"];
    let added = service.run(&add).await;
    assert!(added.status.success(), "{added:?}");
    noticed(&there, 403).await;
    let listed = service.run(&["ban", "list"]).await;
    assert_eq!(listed.stdout, added.stdout);
    let [ban] = &bans(&ada.api).await[..] else { panic!("one ban") };
    for part in ["network", "kind", "expires_at", "id", "reason"] {
        let part = ban[part].as_str().expect("text");
        assert!(listed.stdout.contains(part), "{part} is not in {}", listed.stdout);
    }
    assert_eq!(ban["created_by"], Value::Null);

    let lifted = service.run(&["ban", "lift", "127.0.0.3"]).await;
    assert_eq!(lifted.stdout, "Lifted 1.\n");
    noticed(&there, 200).await;
    let again = service.run(&["ban", "lift", "127.0.0.3"]).await;
    assert_eq!((again.status.code(), again.stdout.as_str()), (Some(1), ""));
    assert!(again.stderr.contains("nothing bans exactly 127.0.0.3"), "{again:?}");
    let actors = "SELECT actor_kind FROM events WHERE name IN ('system.address_banned', 'system.ban_lifted')";
    assert_eq!(service.column(actors).await, ["command_line"; 2]);

    // The same while nothing runs, and for automatic bans, by their id.
    for name in ["ada", "nobody", "nobody"] {
        refused(&guess(&there, name).await);
    }
    let id = bans(&ada.api).await[0]["id"].as_str().expect("an id").to_owned();
    service.stop().await;
    assert!(service.run(&["ban", "list"]).await.stdout.contains("127.0.0.3  automatic  until 2"));
    assert_eq!(service.run(&["ban", "lift", &id]).await.stdout, "Lifted 1.\n");
    assert!(
        service.run(&["ban", "add", "127.0.0.4"]).await.stdout.contains("127.0.0.4  manual  until lifted")
    );
    service.start().await;
    log_in_as(&there.at(service.base()), &ada).await.expect(200);
    banned(&service.api().from_address("127.0.0.4").get("/healthz").await);

    for (what, why) in [("neighbour", "neither an IP address nor"), ("10.0.0.0/33", "no valid length")] {
        let wrong = service.run(&["ban", "add", what]).await;
        assert_eq!((wrong.status.code(), wrong.stdout.as_str()), (Some(1), ""));
        assert!(wrong.stderr.contains(why), "{wrong:?}");
    }
}

async fn nobody_bans_their_own_network_or_a_trusted_one(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let trust = json!({ "network": "198.51.100.7" });
    ada.api.post(TRUSTED, &trust).await.expect(201);
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    let codes = |answer: &Answer| {
        let problem = answer.invalid("network");
        let errors = problem["errors"].as_array().expect("errors").iter();
        errors.map(|error| error["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
    };
    for (address, networks) in [
        ("192.0.2.5", ["192.0.2.5", "192.0.2.0/24", "0.0.0.0/0", "::ffff:192.0.2.5"]),
        ("2001:db8::1", ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8::/32", "::/0"]),
    ] {
        let here = ada.api.forwarded_for(address);
        for network in networks {
            let codes = codes(&here.post(BANS, &json!({ "network": network })).await);
            assert_eq!(codes[0], "bans_you", "{network}: {codes:?}");
        }
    }
    let here = ada.api.forwarded_for("192.0.2.5");
    for network in ["198.51.100.7", "198.51.100.0/24", "198.0.0.0/8"] {
        assert_eq!(codes(&here.post(BANS, &json!({ "network": network })).await), ["trusted"], "{network}");
    }
    for network in ["", "neighbour", "192.0.2.0/33", "localhost"] {
        assert_eq!(codes(&here.post(BANS, &json!({ "network": network })).await), ["malformed"], "{network}");
    }
    here.post(BANS, &json!({ "network": "203.0.113.1", "reason": "a\nb" })).await.invalid("reason");
    here.post(BANS, &json!({ "network": "203.0.113.1", "reason": "x".repeat(201) })).await.invalid("reason");
    for more in ["kind", "id", "created_by"] {
        let body = json!({ "network": "203.0.113.1", more: "automatic" });
        here.post(BANS, &body).await.problem(422, "invalid");
    }
    let refused = service.run(&["ban", "add", "198.51.100.0/24"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("trusted"), "{refused:?}");

    assert_eq!(service.column("SELECT id FROM bans").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
}

async fn bans_want_their_permissions_and_a_fresh_password(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let viewer = colleague(&service, &ada.api, "grace", "bans.view").await;
    let stranger = colleague(&service, &ada.api, "joan", "staff.view settings.edit").await;
    let manager = colleague(&service, &ada.api, "mary", "bans.manage").await;
    let ban = json!({ "network": "203.0.113.1" });
    let made = ada.api.post(BANS, &ban).await.expect(201);
    let trusted = ada.api.post(TRUSTED, &json!({ "network": "203.0.113.99" })).await.expect(201);
    let of = |path: &str, made: &Value| format!("{path}/{}", made["id"].as_str().expect("an id"));
    let (ban_path, trusted_path) = (of(BANS, &made), of(TRUSTED, &trusted));
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();

    for path in [BANS, TRUSTED] {
        viewer.api.get(path).await.expect(200);
        for nosy in [&stranger, &manager] {
            assert_eq!(
                nosy.api.get(path).await.problem(403, "permission_required")["permission"],
                "bans.view"
            );
        }
        service.api().get(path).await.problem(401, "login_required");
    }
    let body = json!({ "network": "203.0.113.2" });
    for nosy in [&viewer.api, &stranger.api] {
        for answer in [
            nosy.post(BANS, &body).await,
            nosy.post(TRUSTED, &body).await,
            nosy.delete(&ban_path).await,
            nosy.delete(&trusted_path).await,
        ] {
            assert_eq!(answer.problem(403, "permission_required")["permission"], "bans.manage");
        }
    }
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    for answer in [
        manager.api.post(BANS, &body).await,
        manager.api.post(TRUSTED, &body).await,
        manager.api.delete(&ban_path).await,
        manager.api.delete(&trusted_path).await,
    ] {
        answer.problem(403, "confirmation_required");
    }
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);

    let right = json!({ "password": manager.password });
    let confirmed = manager.api.post("/v1/admin/session/confirm", &right).await.expect(200);
    let manager = manager.api.with_token(confirmed["token"].as_str().expect("a new token"));
    manager.delete(&ban_path).await.expect(204);
    manager.delete(&trusted_path).await.expect(204);
    manager.post(BANS, &body).await.expect(201);
}

/// Regression: a ban that locks administrators out for good.
async fn no_ban_locks_administrators_out_for_good(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    let home = service.api().forwarded_for("192.0.2.1");
    let session = log_in_as(&home, &ada).await.expect(200);
    let open = home.with_token(session["token"].as_str().expect("a session"));
    let shut_out = async || {
        for n in 0..3 {
            refused(&guess(&home, &format!("typo{n}")).await);
        }
        banned(&log_in_as(&home, &ada).await)
    };

    // An open session lifts it, although it comes from there itself.
    shut_out().await;
    let id = bans(&open).await[0]["id"].as_str().expect("an id").to_owned();
    open.delete(&format!("{BANS}/{id}")).await.expect(204);
    log_in_as(&home, &ada).await.expect(200);

    // It ends by itself, and whoever keeps knocking makes it no longer.
    let until = shut_out().await;
    for _ in 0..4 {
        assert_eq!(banned(&guess(&home, "typo9").await), until);
    }
    service.execute("UPDATE bans SET expires_at = 1").await;
    log_in_as(&home, &ada).await.expect(200);

    // The longest one there is ends after a week.
    open.patch("/v1/admin/settings", &json!({ "ban_minutes": 10_081 })).await.invalid("ban_minutes");

    // The command line needs nobody's login.
    shut_out().await;
    let lifted = service.run(&["ban", "lift", "192.0.2.1"]).await;
    assert_eq!(lifted.stdout, "Lifted 1.\n");
    log_in_as(&home, &ada).await.expect(200);

    // A ban by hand, made from elsewhere, that hits the only administrator.
    ada.api.post(BANS, &json!({ "network": "192.0.2.0/24" })).await.expect(201);
    banned(&open.get(BANS).await);
    assert_eq!(service.run(&["ban", "lift", "192.0.2.0/24"]).await.stdout, "Lifted 1.\n");
    within(NOTICED, "the service to notice", async || (open.get(BANS).await.status == 200).then_some(()))
        .await;
    log_in_as(&home, &ada).await.expect(200);
}
