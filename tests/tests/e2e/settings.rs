//! What administrators set while the service runs, and what it does at once.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Person, Smtp, both, colleague, first_administrator, invite, log_in_as,
    within,
};
use serde_json::{Value, json};
use std::time::Duration;

both! {
    settings_are_read_changed_and_told,
    wrong_settings_change_nothing,
    settings_want_their_permissions_and_a_fresh_password,
    whoever_would_shut_themselves_out_is_refused,
    staff_log_in_from_the_listed_networks_only,
    the_command_line_lets_staff_in_again,
    sessions_live_as_long_as_is_set,
}

const SETTINGS: &str = "/v1/admin/settings";

/// What a running service needs at the most to hear what others changed; it looks every second.
const NOTICED: Duration = Duration::from_secs(10);

async fn behind_a_proxy(database: Database) -> (Frontdesk, Person) {
    let mut service = Frontdesk::on(database).with_config("trusted_proxies = [\"127.0.0.1\"]");
    service.start().await;
    let ada = first_administrator(&service).await;
    (service, ada)
}

fn session(guest: &Api, answer: &Answer) -> Api {
    guest.with_token(answer.expect(200)["token"].as_str().expect("a session"))
}

const TOLD: &str = "SELECT data FROM events WHERE name = 'system.settings_changed' ORDER BY at, id";

async fn settings_are_read_changed_and_told(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut settings = ada.api.get(SETTINGS).await.expect(200);
    let defaults = json!({
        "company_name": "",
        "company_logo": "",
        "mail_footer": "",
        "languages": ["en", "de"],
        "registration": true,
        "client_user_management": true,
        "registrations_per_hour": 10,
        "invitations_per_day": 50,
        "invitations_pending": 100,
        "invitation_resend_seconds": 60,
        "blocked_email_domains": [],
        "records_per_page": 25,
        "second_factor_required": "none",
        "second_factor_methods": { "staff": ["totp", "security-key"], "users": ["totp", "security-key"] },
        "staff_password_reset": true,
        "password_min_users": 8,
        "ban_after": 3,
        "ban_minutes": 15,
        "staff_networks": [],
        "session_staff_idle_minutes": 60,
        "session_staff_hours": 12,
        "activity_keep_days": 0,
        "session_user_idle_hours": 24,
        "session_user_days": 30,
    });
    assert_eq!(settings, defaults);

    // Nothing changed is nothing told.
    assert_eq!(ada.api.patch(SETTINGS, &json!({})).await.expect(200), defaults);
    assert_eq!(ada.api.patch(SETTINGS, &json!({ "ban_after": 3 })).await.expect(200), defaults);
    assert_eq!(service.column(TOLD).await, [""; 0]);

    let changed = json!({ "ban_after": 5, "staff_networks": ["127.0.0.1/8", "2001:DB8::/32"] });
    settings["ban_after"] = json!(5);
    settings["staff_networks"] = json!(["127.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(ada.api.patch(SETTINGS, &changed).await.expect(200), settings);
    assert_eq!(ada.api.get(SETTINGS).await.expect(200), settings);
    let told = service.column(TOLD).await;
    let told: Vec<Value> = told.iter().map(|data| serde_json::from_str(data).expect("JSON")).collect();
    let expected = json!([
        { "key": "ban_after", "before": 3, "after": 5 },
        { "key": "staff_networks", "before": [], "after": ["127.0.0.0/8", "2001:db8::/32"] },
    ]);
    assert_eq!(told.iter().map(|event| &event["changed"]).collect::<Vec<_>>(), [&expected]);
    assert_eq!(
        service.column("SELECT actor_kind FROM events WHERE name = 'system.settings_changed'").await,
        ["staff"]
    );

    // Off is off at once.
    ada.api.patch(SETTINGS, &json!({ "staff_password_reset": false })).await.expect(200);
    let ask = json!({ "audience": "staff", "login": "ada" });
    service.api().post("/v1/public/password-reset", &ask).await.problem(403, "turned_off");
}

async fn wrong_settings_change_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let before = ada.api.get(SETTINGS).await.expect(200);
    for (key, values) in [
        ("password_min_users", vec![json!(7), json!(65), json!(-1), json!(300)]),
        ("ban_after", vec![json!(101), json!(-1), json!("3"), json!(2.5), json!(5_000_000_000_u64)]),
        ("ban_minutes", vec![json!(0), json!(10_081)]),
        ("session_staff_idle_minutes", vec![json!(4), json!(1441), json!(0)]),
        ("session_staff_hours", vec![json!(0), json!(721)]),
        ("session_user_idle_hours", vec![json!(0), json!(721)]),
        ("activity_keep_days", vec![json!(-1), json!(36_501)]),
        ("session_user_days", vec![json!(0), json!(366)]),
        ("second_factor_required", vec![json!("everybody"), json!(true), json!("")]),
        (
            "second_factor_methods",
            vec![json!([]), json!({ "staff": ["sms"], "users": [] }), json!({ "staff": [] })],
        ),
        ("staff_password_reset", vec![json!("no"), json!(0)]),
        (
            "staff_networks",
            vec![json!("127.0.0.1"), json!(["nowhere"]), json!(["127.0.0.0/33"]), json!([127])],
        ),
    ] {
        for value in values {
            // Together with one that is right: all of them or none.
            let mut change = json!({ key: value });
            let right = if key == "ban_after" { "ban_minutes" } else { "ban_after" };
            change[right] = json!(9);
            let problem = ada.api.patch(SETTINGS, &change).await.problem(422, "invalid");
            let fields = problem["errors"].as_array().expect("errors").iter().map(|error| &error["field"]);
            let fields: Vec<_> = fields.filter_map(Value::as_str).collect();
            assert!(
                fields.iter().all(|field| field.starts_with(key)) && fields.len() == 1,
                "{change}: {problem}"
            );
        }
    }
    for key in ["lock", "id", "key", "value", "changed_at", "secret", "Ban_After", "ban_after "] {
        let change = json!({ "ban_minutes": 9, key: 9 });
        let problem = ada.api.patch(SETTINGS, &change).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["code"], "unknown", "{problem}");
    }
    // Required of somebody who can have none.
    let nothing = json!({
        "second_factor_required": "staff", "second_factor_methods": { "staff": [], "users": ["totp"] },
    });
    ada.api.patch(SETTINGS, &nothing).await.invalid("second_factor_methods");
    for body in [json!([]), json!("x"), json!(null), json!(3)] {
        ada.api.patch(SETTINGS, &body).await.problem(422, "invalid");
    }

    assert_eq!(ada.api.get(SETTINGS).await.expect(200), before);
    assert_eq!(service.column(TOLD).await, [""; 0]);
    assert_eq!(service.column("SELECT key FROM settings WHERE key <> 'lock'").await, [""; 0]);
}

async fn settings_want_their_permissions_and_a_fresh_password(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let viewer = colleague(&service, &ada.api, "grace", "settings.view").await;
    let stranger = colleague(&service, &ada.api, "joan", "staff.view bans.manage").await;
    let editor = colleague(&service, &ada.api, "mary", "settings.edit").await;
    let change = json!({ "ban_after": 4 });

    viewer.api.get(SETTINGS).await.expect(200);
    for nosy in [&stranger.api, &editor.api] {
        assert_eq!(
            nosy.get(SETTINGS).await.problem(403, "permission_required")["permission"],
            "settings.view"
        );
    }
    for nosy in [&viewer.api, &stranger.api] {
        let refused = nosy.patch(SETTINGS, &change).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "settings.edit");
    }
    service.api().get(SETTINGS).await.problem(401, "login_required");
    service.api().patch(SETTINGS, &change).await.problem(401, "login_required");
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    editor.api.patch(SETTINGS, &change).await.problem(403, "confirmation_required");
    ada.api.patch(SETTINGS, &change).await.problem(403, "confirmation_required");
    assert_eq!(service.column(TOLD).await, [""; 0]);

    let right = json!({ "password": editor.password });
    let confirmed = editor.api.post("/v1/admin/session/confirm", &right).await;
    session(&service.api(), &confirmed).patch(SETTINGS, &change).await.expect(200);
}

async fn whoever_would_shut_themselves_out_is_refused(database: Database) {
    let (service, ada) = behind_a_proxy(database).await;
    for (address, networks) in [
        ("192.0.2.7", json!(["198.51.100.0/24"])),
        ("192.0.2.7", json!(["192.0.2.8", "2001:db8::/32"])),
        ("192.0.2.7", json!(["::/0"])),
        ("2001:db8::7", json!(["2001:db8:1::/48", "0.0.0.0/0"])),
    ] {
        let here = ada.api.forwarded_for(address);
        let refused = here.patch(SETTINGS, &json!({ "staff_networks": networks, "ban_after": 9 })).await;
        let problem = refused.invalid("staff_networks");
        assert_eq!(problem["errors"][0]["code"], "shuts_you_out");
        let message = problem["errors"][0]["message"].as_str().expect("the reason");
        assert!(message.contains(address), "{message}");
    }
    assert_eq!(service.column(TOLD).await, [""; 0]);
    let here = ada.api.forwarded_for("192.0.2.7");
    here.patch(SETTINGS, &json!({ "staff_networks": ["192.0.2.0/24"] })).await.expect(200);
    // From elsewhere, with an open session: what is not about networks can be changed, and the list be taken away.
    let there = ada.api.forwarded_for("198.51.100.1");
    there.patch(SETTINGS, &json!({ "ban_after": 9 })).await.expect(200);
    there.patch(SETTINGS, &json!({ "staff_networks": ["192.0.2.0/25"] })).await.invalid("staff_networks");
    there.patch(SETTINGS, &json!({ "staff_networks": [] })).await.expect(200);
}

async fn staff_log_in_from_the_listed_networks_only(database: Database) {
    let smtp = Smtp::start().await;
    let mut service =
        Frontdesk::on(database).with_config("trusted_proxies = [\"127.0.0.1\"]").with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let [office, road] = ["192.0.2.7", "198.51.100.1"].map(|address| service.api().forwarded_for(address));
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let ask = json!({ "audience": "staff", "login": "ada" });
    office.post("/v1/public/password-reset", &ask).await.expect(204);
    let link = smtp.takes_for("ada@example.test").await.token();
    let open = session(&road, &log_in_as(&road, &ada).await);
    let list = json!({ "staff_networks": ["192.0.2.0/24", "2001:db8::/32"] });
    ada.api.forwarded_for("192.0.2.7").patch(SETTINGS, &list).await.expect(200);
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();

    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": "copper 12 meadow thimble",
        "first_name": "Grace", "last_name": "Hopper",
    });
    let new_password = "meadow thimble 12 copper";
    let complete = json!({ "token": link, "password": new_password });
    let wrong = json!({ "login": "ada", "password": "thimble copper 12 meadow" });
    // Without an X-Forwarded-For nobody knows from where it comes: not from there.
    for outside in [&road, &service.api(), &service.api().forwarded_for("2001:db9::1")] {
        for answer in [
            log_in_as(outside, &ada).await,
            outside.post("/v1/admin/session", &wrong).await,
            outside.post("/v1/public/invitations/accept", &accept).await,
            outside.post("/v1/public/password-reset/complete", &complete).await,
        ] {
            answer.problem(403, "address_not_allowed");
        }
    }
    // Nothing was counted, spent, or told by that; and open sessions go on.
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
    assert_eq!(service.column("SELECT key FROM name_delays").await, [""; 0]);
    open.get("/v1/admin/session").await.expect(200);
    let confirmed = open.post("/v1/admin/session/confirm", &json!({ "password": ada.password })).await;
    session(&road, &confirmed).get("/v1/admin/staff").await.expect(200);

    log_in_as(&office, &ada).await.expect(200);
    log_in_as(&service.api().forwarded_for("2001:db8::1"), &ada).await.expect(200);
    office.post("/v1/public/invitations/accept", &accept).await.expect(200);
    office.post("/v1/public/password-reset/complete", &complete).await.expect(204);
    let ada = Person { password: new_password.to_owned(), ..ada };
    log_in_as(&office, &ada).await.expect(200);
    log_in_as(&road, &ada).await.problem(403, "address_not_allowed");
}

async fn the_command_line_lets_staff_in_again(database: Database) {
    let mut service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let elsewhere = service.api().from_address("127.0.0.2");
    assert_eq!(service.run(&["staff", "networks"]).await.stdout, "Staff log in from everywhere.\n");
    let list = json!({ "staff_networks": ["127.0.0.1", "2001:db8::/32"], "ban_after": 7 });
    ada.api.patch(SETTINGS, &list).await.expect(200);
    log_in_as(&elsewhere, &ada).await.problem(403, "address_not_allowed");
    assert_eq!(service.run(&["staff", "networks"]).await.stdout, "127.0.0.1\n2001:db8::/32\n");

    let cleared = service.run(&["staff", "networks", "--clear"]).await;
    assert_eq!(
        (cleared.status.code(), cleared.stdout.as_str()),
        (Some(0), "Staff log in from everywhere.\n")
    );
    within(NOTICED, "the service to notice", async || {
        (log_in_as(&elsewhere, &ada).await.status == 200).then_some(())
    })
    .await;
    let settings = ada.api.get(SETTINGS).await.expect(200);
    assert_eq!([&settings["staff_networks"], &settings["ban_after"]], [&json!([]), &json!(7)]);
    let actors = "SELECT actor_kind FROM events WHERE name = 'system.settings_changed' ORDER BY at, id";
    assert_eq!(service.column(actors).await, ["staff", "command_line"]);

    // The same while nothing runs; once more changes nothing.
    ada.api.patch(SETTINGS, &list).await.expect(200);
    service.stop().await;
    for _ in 0..2 {
        assert!(service.run(&["staff", "networks", "--clear"]).await.status.success());
    }
    assert_eq!(service.column(actors).await, ["staff", "command_line", "staff", "command_line"]);
    service.start().await;
    log_in_as(&elsewhere.at(service.base()), &ada).await.expect(200);
}

async fn sessions_live_as_long_as_is_set(database: Database) {
    let mut service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let limits = json!({ "session_staff_idle_minutes": 5, "session_staff_hours": 1 });
    ada.api.patch(SETTINGS, &limits).await.expect(200);
    let [idle, busy, old] = [(); 3].map(|()| service.api());
    let mut sessions = Vec::new();
    for guest in [idle, busy, old] {
        sessions.push(session(&guest, &log_in_as(&guest, &ada).await));
    }
    let hours =
        "SELECT CAST((expires_at - created_at) / 3600000 AS TEXT) FROM sessions ORDER BY created_at, id";
    assert_eq!(service.column(hours).await, ["12", "1", "1", "1"], "each as it was when it began");

    // What was used last is written down when the service stops; meanwhile time passes.
    let mut ids = Vec::new();
    for session in &sessions {
        let listed = session.get("/v1/admin/sessions").await.expect(200);
        let items = listed["items"].as_array().expect("a list");
        let own = items.iter().find(|one| one["current"] == true).expect("the one that asks");
        ids.push(own["id"].as_str().expect("an id").to_owned());
    }
    service.stop().await;
    let later = |id: &str, minutes: u32, column: &str| {
        format!("UPDATE sessions SET {column} = {column} - {minutes} * 60000 WHERE id = '{id}'")
    };
    service.execute(&later(&ids[0], 6, "last_seen_at")).await;
    service.execute(&later(&ids[1], 4, "last_seen_at")).await;
    service.execute(&later(&ids[2], 61, "expires_at")).await;
    service.start().await;
    let at = |session: &Api| session.at(service.base());
    at(&sessions[0]).get("/v1/admin/session").await.problem(401, "login_required");
    at(&sessions[1]).get("/v1/admin/session").await.expect(200);
    at(&sessions[2]).get("/v1/admin/session").await.problem(401, "login_required");
    let listed = at(&sessions[1]).get("/v1/admin/sessions?total=true").await.expect(200);
    assert_eq!(listed["total"], 2, "what is over is not listed: {listed}");
}

/// Two processes on one database: what is set at one holds at the other a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_hold_at_every_node() {
    let Some(database) = Database::postgres().await else { return };
    let mut one = Frontdesk::on(database);
    one.start().await;
    let mut two = one.node();
    two.start().await;
    // The link that was printed last is the one that works.
    let ada = first_administrator(&two).await;
    let elsewhere = two.api().from_address("127.0.0.2");
    log_in_as(&elsewhere, &ada).await.expect(200);
    let at_one = ada.api.at(one.base());
    at_one.patch(SETTINGS, &json!({ "staff_networks": ["127.0.0.1"] })).await.expect(200);
    within(NOTICED, "the other node to notice", async || {
        let answer = log_in_as(&elsewhere, &ada).await;
        (answer.status == 403).then(|| answer.problem(403, "address_not_allowed"))
    })
    .await;
    assert_eq!(ada.api.get(SETTINGS).await.expect(200)["staff_networks"], json!(["127.0.0.1"]));

    // And a ban made at one refuses at the other.
    elsewhere.get("/healthz").await.expect(200);
    at_one.post("/v1/admin/bans", &json!({ "network": "127.0.0.2" })).await.expect(201);
    within(NOTICED, "the other node to notice", async || {
        (elsewhere.get("/healthz").await.status == 403).then_some(())
    })
    .await;
}
