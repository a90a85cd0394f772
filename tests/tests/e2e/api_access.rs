//! Programs: what they authenticate with, what they may, and what they never do.

use crate::expiry::Inside;
use crate::openapi::{Operation, document};
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Person, Smtp, both, colleague, eventually, first_administrator, joined,
    within,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

both! {
    a_program_calls_by_basic_and_by_bearer,
    what_is_wrong_is_refused_alike,
    api_roles_are_made_changed_and_deleted,
    credentials_need_a_role_an_owner_and_access,
    a_program_may_what_its_owner_may_at_that_moment,
    a_program_works_from_its_networks,
    the_first_of_several_reasons_is_given,
    a_rate_holds_and_an_expiry_ends,
    one_of_several_rotations_wins_and_the_old_secret_overlaps,
    credentials_end_with_their_owner,
    the_owner_is_told,
    what_a_program_does_stands_under_its_owner_and_itself,
    a_program_does_not_widen_itself,
    nobody_gives_programs_more_than_they_have,
    programs_call_what_their_roles_list_and_nothing_else,
    the_last_use_is_written_down,
}

const ROLES: &str = "/v1/admin/api-roles";
const CREDENTIALS: &str = "/v1/admin/api-credentials";

/// A credential as the answer that made it had it.
#[derive(Debug, Clone)]
struct Credential {
    id: String,
    identifier: String,
    secret: String,
    body: Value,
}

impl Credential {
    fn from(body: Value) -> Self {
        let text =
            |field: &str| body[field].as_str().unwrap_or_else(|| panic!("no {field}: {body}")).to_owned();
        let (identifier, secret) = (text("identifier"), text("secret"));
        assert_eq!(text("token"), format!("{identifier}.{secret}"));
        Self { id: text("id"), identifier, secret, body }
    }

    fn path(&self) -> String {
        format!("{CREDENTIALS}/{}", self.id)
    }

    fn bearer(&self, api: &Api) -> Api {
        api.with_token(&format!("{}.{}", self.identifier, self.secret))
    }

    fn basic(&self, api: &Api) -> Api {
        api.with_basic(&self.identifier, &self.secret)
    }
}

async fn api_role(admin: &Api, name: &str, operations: &[&str]) -> String {
    let body = json!({ "name": name, "operations": operations });
    let role = admin.post(ROLES, &body).await.expect(201);
    role["id"].as_str().expect("an id").to_owned()
}

async fn credential(admin: &Api, api_roles: &[&str], more: Value) -> Credential {
    let mut body = json!({ "api_role_ids": api_roles });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    Credential::from(admin.post(CREDENTIALS, &body).await.expect(201))
}

/// A program of the first administrator's that may call these.
async fn program(service: &Frontdesk, admin: &Api, operations: &[&str]) -> (Credential, Api) {
    let role = api_role(admin, &operations.join(" ").chars().take(90).collect::<String>(), operations).await;
    let made = credential(admin, &[&role], json!({})).await;
    let api = made.bearer(&service.api());
    (made, api)
}

async fn a_program_calls_by_basic_and_by_bearer(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (made, bearer) = program(&service, &ada.api, &["listStaff", "getSettings"]).await;
    assert!(made.identifier.starts_with("fdk_") && made.identifier.len() == 20, "{}", made.identifier);
    assert_eq!(made.body["staff"], json!({ "id": ada.id, "username": "ada" }));
    let shown = ada.api.get(&made.path()).await.expect(200);
    assert!(shown.get("secret").is_none() && shown.get("token").is_none(), "shown once");
    let guest = service.api();
    for api in [bearer, made.basic(&guest)] {
        assert_eq!(api.get("/v1/admin/staff").await.expect(200)["items"][0]["username"], "ada");
        // Asked for no password, and never able to call what is somebody's own.
        api.get("/v1/admin/session").await.problem(403, "operation_not_allowed");
        let other = api.get("/v1/admin/bans").await.problem(403, "operation_not_allowed");
        assert!(other["detail"].as_str().is_some_and(|text| text.contains("listBans")), "{other}");
    }
    // By any spelling of the scheme.
    let lower = guest.request(Method::GET, "/v1/admin/staff");
    let lower = lower.header("authorization", format!("bearer {}.{}", made.identifier, made.secret));
    guest.send(lower).await.expect(200);
    // An Origin is nothing to programs.
    let page =
        made.bearer(&guest).request(Method::GET, "/v1/admin/staff").header("origin", "https://evil.example");
    guest.send(page).await.expect(200);
    service.keeps_its_secrets().await;
}

async fn what_is_wrong_is_refused_alike(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (made, api) = program(&service, &ada.api, &["listStaff"]).await;
    let (other, _) = program(&service, &ada.api, &["listStaff", "getStaff"]).await;
    let (ended, _) = program(&service, &ada.api, &["getStaff"]).await;
    ada.api.delete(&ended.path()).await.expect(204);
    let guest = service.api();
    let wrong = "A".repeat(43);
    let basic = |value: &str| guest.request(Method::GET, "/v1/admin/staff").header("authorization", value);
    let mut seen: Vec<Answer> = Vec::new();
    for (identifier, secret) in [
        (made.identifier.as_str(), wrong.as_str()),
        (&made.identifier, &other.secret),
        (&made.identifier, ""),
        (&made.identifier, "x"),
        (&made.id, &made.secret),
        ("fdk_aaaaaaaaaaaaaaaa", &made.secret),
        ("", &made.secret),
        ("\0", &made.secret),
        (&made.identifier.to_uppercase(), &made.secret),
        (&"x".repeat(4000), &made.secret),
        (&ended.identifier, &ended.secret),
    ] {
        seen.push(guest.with_basic(identifier, secret).get("/v1/admin/staff").await);
        if !identifier.contains('\0') {
            seen.push(guest.with_token(&format!("{identifier}.{secret}")).get("/v1/admin/staff").await);
        }
    }
    for value in ["Basic", "Basic ", "Basic !!!", "Basic YQ==", "Bearer .", "Bearer a.b.c"] {
        seen.push(guest.send(basic(value)).await);
    }
    service.execute("UPDATE logins SET disabled = TRUE").await;
    seen.push(api.get("/v1/admin/staff").await);
    let about = |answer: &Answer| {
        let mut problem = answer.problem(401, "credential_refused");
        problem.as_object_mut().expect("a document").remove("request_id");
        let scheme = answer.header("www-authenticate").expect("RFC 9110").to_owned();
        (problem, scheme)
    };
    for answer in &seen {
        assert_eq!(about(answer), about(&seen[0]));
    }
    assert!(about(&seen[0]).1.contains("Basic") && about(&seen[0]).1.contains("Bearer"));
    service.keeps_its_secrets().await;
}

async fn api_roles_are_made_changed_and_deleted(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let api = &ada.api;
    let groups = api.get("/v1/admin/api-operations").await.expect(200);
    let groups = groups["items"].as_array().expect("groups").clone();
    let staff = groups.iter().find(|group| group["group"] == "Staff").expect("an area");
    let listed = staff["operations"].as_array().expect("operations");
    assert!(
        listed.contains(
            &json!({ "id": "getStaff", "summary": "One member of staff", "permission": "staff.view" })
        ),
        "{staff}"
    );

    let unknown = json!({ "name": "Reads", "operations": ["getStaff", "listStaf", "session"] });
    let refused = api.post(ROLES, &unknown).await.invalid("operations.1");
    assert!(
        refused["errors"][0]["message"].as_str().is_some_and(|text| text.contains("listStaff")),
        "{refused}"
    );
    assert_eq!(refused["errors"][1]["field"], "operations.2", "what is one's own is none of them");
    api.post(ROLES, &json!({ "name": "A", "operations": vec!["listStaff"; 501] }))
        .await
        .invalid("operations");
    api.post(ROLES, &json!({ "name": " ", "operations": [] })).await.invalid("name");
    api.post(ROLES, &json!({ "name": "A", "description": "a\nb", "operations": [] }))
        .await
        .invalid("description");

    let body = json!({
        "name": "Reads", "description": "Phone book", "operations": ["listStaff", "getStaff", "listStaff"],
    });
    let role = api.post(ROLES, &body).await.expect(201);
    assert_eq!(role["operations"], json!(["getStaff", "listStaff"]));
    api.post(ROLES, &json!({ "name": "READS", "operations": [] })).await.problem(409, "name_taken");
    let path = format!("{ROLES}/{}", role["id"].as_str().expect("an id"));
    assert_eq!(api.get(&path).await.expect(200), role);
    let second = api_role(api, "Other", &[]).await;
    let taken = json!({ "name": "reads" });
    api.patch(&format!("{ROLES}/{second}"), &taken).await.problem(409, "name_taken");
    let changed = api.patch(&path, &json!({ "operations": ["listBans"] })).await.expect(200);
    assert_eq!((&changed["name"], &changed["operations"]), (&json!("Reads"), &json!(["listBans"])));
    let told = service.column("SELECT data FROM events WHERE name = 'api.role_edited'").await;
    assert_eq!(told.len(), 1);
    let told: Value = serde_json::from_str(&told[0]).expect("JSON");
    assert_eq!(
        told["changed"],
        json!([{ "field": "operations", "before": ["getStaff", "listStaff"], "after": ["listBans"] }])
    );
    let page = api.get(&format!("{ROLES}?limit=1&total=true")).await.expect(200);
    assert_eq!((page["total"].as_i64(), page["items"].as_array().map(Vec::len)), (Some(2), Some(1)));
    // Taken from its credentials.
    let id = role["id"].as_str().expect("an id");
    let made = credential(api, &[id, &second], json!({})).await;
    made.bearer(&service.api()).get("/v1/admin/bans").await.expect(200);
    api.delete(&path).await.expect(204);
    made.bearer(&service.api()).get("/v1/admin/bans").await.problem(403, "operation_not_allowed");
    assert_eq!(
        api.get(&made.path()).await.expect(200)["api_roles"],
        json!([{ "id": second, "name": "Other" }])
    );
    api.delete(&path).await.problem(404, "not_found");
    api.patch(&path, &json!({})).await.problem(404, "not_found");
}

async fn credentials_need_a_role_an_owner_and_access(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let api = &ada.api;
    let none = api.post(CREDENTIALS, &json!({})).await.problem(409, "api_role_required");
    assert!(
        none["detail"].as_str().is_some_and(|text| text.starts_with("Create an API role first")),
        "{none}"
    );
    let made_up = json!({ "api_role_ids": ["018f0000-0000-7000-8000-000000000000"] });
    api.post(CREDENTIALS, &made_up).await.problem(409, "api_role_required");
    let role = api_role(api, "Reads", &["listStaff"]).await;
    api.post(CREDENTIALS, &json!({ "api_role_ids": [] })).await.problem(409, "api_role_required");
    api.post(CREDENTIALS, &made_up).await.invalid("api_role_ids.0");

    let with = |field: &str, value: Value| {
        let mut body = json!({ "api_role_ids": [role] });
        body[field] = value;
        body
    };
    api.post(CREDENTIALS, &with("staff_id", made_up["api_role_ids"][0].clone())).await.invalid("staff_id");
    api.post(CREDENTIALS, &with("expires_at", json!("2026-01-01T00:00:00Z"))).await.invalid("expires_at");
    for rate in [0, 100_001] {
        api.post(CREDENTIALS, &with("rate_per_minute", json!(rate))).await.invalid("rate_per_minute");
    }
    let many: Vec<_> = (0..51).map(|n| format!("10.0.{n}.0/24")).collect();
    api.post(CREDENTIALS, &with("networks", json!(many))).await.invalid("networks");
    assert_eq!(api.post(CREDENTIALS, &with("networks", json!(["x"]))).await.status, 422);
    api.post(CREDENTIALS, &with("description", json!("x".repeat(201)))).await.invalid("description");
    let grace = colleague(&service, api, "grace", "staff.view").await;
    api.post(CREDENTIALS, &with("staff_id", json!(grace.id))).await.problem(409, "api_access_required");
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    api.post(CREDENTIALS, &with("staff_id", json!(grace.id))).await.problem(409, "login_disabled");

    let all = json!({
        "description": "Phone book", "networks": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"],
        "expires_at": "2099-01-01T00:00:00Z", "rate_per_minute": 60,
    });
    let made = credential(api, &[&role], all).await;
    assert_eq!(made.body["networks"], json!(["10.0.0.0/8", "2001:db8::/32"]));
    let lifted = json!({ "networks": [], "expires_at": null, "rate_per_minute": null });
    let changed = api.patch(&made.path(), &lifted).await.expect(200);
    assert_eq!([&changed["expires_at"], &changed["rate_per_minute"]], [&Value::Null; 2]);
    assert_eq!([&changed["networks"], &changed["description"]], [&json!([]), &json!("Phone book")]);
    api.patch(&made.path(), &json!({ "api_role_ids": [] })).await.problem(409, "api_role_required");
    api.patch(&made.path(), &json!({ "staff_id": grace.id })).await.invalid("staff_id");
    api.post(&format!("{}/rotate", made.path()), &json!({ "overlap_minutes": 10_081 }))
        .await
        .invalid("overlap_minutes");

    let joan = joined(&ada, &service, "joan", json!({})).await;
    let joans = credential(api, &[&role], json!({ "staff_id": joan.id })).await;
    let filtered = api.get(&format!("{CREDENTIALS}?staff_id={}&total=true", joan.id)).await.expect(200);
    assert_eq!((filtered["total"].as_i64(), &filtered["items"][0]["id"]), (Some(1), &json!(joans.id)));
    let own = api.get(CREDENTIALS).await.expect(200);
    assert_eq!(own["items"].as_array().map(Vec::len), Some(2));
    for n in 1..50 {
        credential(api, &[&role], json!({ "description": format!("{n}") })).await;
    }
    api.post(CREDENTIALS, &with("description", json!("one more"))).await.problem(409, "limit_reached");
    service.keeps_its_secrets().await;
}

async fn a_program_may_what_its_owner_may_at_that_moment(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "api.access api.edit staff.view bans.view").await;
    let role = api_role(&ada.api, "Reads", &["listStaff", "listBans", "getSettings"]).await;
    let made = credential(&ada.api, &[&role], json!({ "staff_id": grace.id })).await;
    let api = made.basic(&service.api());
    api.get("/v1/admin/staff").await.expect(200);
    api.get("/v1/admin/bans").await.expect(200);
    let beyond = api.get("/v1/admin/settings").await.problem(403, "permission_required");
    assert_eq!(beyond["permission"], "settings.view");
    let permit = async |permissions: &str| {
        let sql = format!("UPDATE roles SET permissions = '{permissions}' WHERE name = 'Role of grace'");
        service.execute(&sql).await;
    };
    permit("api.access staff.view settings.view").await;
    api.get("/v1/admin/settings").await.expect(200);
    let gone = api.get("/v1/admin/bans").await.problem(403, "permission_required");
    assert_eq!(gone["permission"], "bans.view");
    permit("staff.view").await;
    let gone = api.get("/v1/admin/staff").await.problem(403, "permission_required");
    assert_eq!(gone["permission"], "api.access");
    permit("api.access staff.view").await;
    api.get("/v1/admin/staff").await.expect(200);
    // The API role changes for the next request, too.
    ada.api.patch(&format!("{ROLES}/{role}"), &json!({ "operations": [] })).await.expect(200);
    api.get("/v1/admin/staff").await.problem(403, "operation_not_allowed");
    // Her password changes, and her sessions end: it goes on.
    ada.api.patch(&format!("{ROLES}/{role}"), &json!({ "operations": ["listStaff"] })).await.expect(200);
    let new = json!({ "password": "copper meadow 81 thimble" });
    grace.api.json(Method::PUT, "/v1/admin/me/password", &new).await.expect(200);
    api.get("/v1/admin/staff").await.expect(200);
}

async fn a_program_works_from_its_networks(database: Database) {
    let mut service = Frontdesk::on(database).with_config("trusted_proxies = [\"127.0.0.9\"]");
    service.start().await;
    let ada = first_administrator(&service).await;
    let role = api_role(&ada.api, "Reads", &["listStaff"]).await;
    let made = credential(&ada.api, &[&role], json!({ "networks": ["127.0.0.2/31", "10.0.0.0/8"] })).await;
    let api = made.bearer(&service.api());
    api.get("/v1/admin/staff").await.problem(403, "address_not_allowed");
    api.from_address("127.0.0.2").get("/v1/admin/staff").await.expect(200);
    api.from_address("127.0.0.4").get("/v1/admin/staff").await.problem(403, "address_not_allowed");
    // Only a trusted proxy says for whom it calls.
    api.forwarded_for("10.1.2.3").get("/v1/admin/staff").await.problem(403, "address_not_allowed");
    let proxy = api.from_address("127.0.0.9");
    proxy.forwarded_for("10.1.2.3").get("/v1/admin/staff").await.expect(200);
    proxy.forwarded_for("192.0.2.1").get("/v1/admin/staff").await.problem(403, "address_not_allowed");
    proxy
        .forwarded_for("10.1.2.3, 192.0.2.1")
        .get("/v1/admin/staff")
        .await
        .problem(403, "address_not_allowed");
    // A wrong secret is no reason to say from where the right one works.
    let wrong = service.api().with_basic(&made.identifier, &"A".repeat(43));
    wrong.get("/v1/admin/staff").await.problem(401, "credential_refused");
    // A ban by hand refuses programs as everybody.
    ada.api.post("/v1/admin/bans", &json!({ "network": "127.0.0.2" })).await.expect(201);
    api.from_address("127.0.0.2").get("/v1/admin/staff").await.problem(403, "address_banned");
}

async fn the_first_of_several_reasons_is_given(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "api.access").await;
    let role = api_role(&ada.api, "Reads", &["listStaff"]).await;
    let more = json!({ "staff_id": grace.id, "networks": ["127.0.0.2"], "rate_per_minute": 1 });
    let made = credential(&ada.api, &[&role], more).await;
    let api = made.bearer(&service.api()).from_address("127.0.0.2");
    service.execute("UPDATE roles SET permissions = '' WHERE name = 'Role of grace'").await;
    let lacks = api.get("/v1/admin/bans").await.problem(403, "permission_required");
    assert_eq!(lacks["permission"], "api.access");
    let fast = api.get("/v1/admin/bans").await;
    fast.problem(429, "too_many_attempts");
    let wait: u32 = fast.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    api.from_address("127.0.0.3").get("/v1/admin/bans").await.problem(403, "address_not_allowed");
    ada.api.patch(&made.path(), &json!({ "rate_per_minute": null })).await.expect(200);
    service.execute("UPDATE roles SET permissions = 'api.access' WHERE name = 'Role of grace'").await;
    api.get("/v1/admin/bans").await.problem(403, "operation_not_allowed");
    let lacks = api.get("/v1/admin/staff").await.problem(403, "permission_required");
    assert_eq!(lacks["permission"], "staff.view");
}

/// To the millisecond, with a clock that the test turns.
async fn a_rate_holds_and_an_expiry_ends(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    let role = api_role(&ada.api, "Reads", &["listStaff"]).await;
    let more = json!({ "rate_per_minute": 3, "expires_at": "2026-01-01T00:05:00Z" });
    let made = credential(&ada.api, &[&role], more).await;
    let api = made.basic(&service.guest);
    let other = credential(&ada.api, &[&role], json!({})).await.basic(&service.guest);
    for _ in 0..3 {
        api.get("/v1/admin/staff").await.expect(200);
    }
    let refused = api.get("/v1/admin/staff").await;
    refused.problem(429, "too_many_attempts");
    assert_eq!(refused.header("retry-after"), Some("20"));
    other.get("/v1/admin/staff").await.expect(200);
    service.clock.advance(Duration::from_millis(19_999));
    api.get("/v1/admin/staff").await.problem(429, "too_many_attempts");
    service.clock.advance(Duration::from_millis(1));
    api.get("/v1/admin/staff").await.expect(200);
    api.get("/v1/admin/staff").await.problem(429, "too_many_attempts");

    service.clock.advance(Duration::from_millis(280_000 - 1));
    api.get("/v1/admin/staff").await.expect(200);
    service.clock.advance(Duration::from_millis(1));
    api.get("/v1/admin/staff").await.problem(401, "credential_refused");
    other.get("/v1/admin/staff").await.expect(200);
    // Longer again, it works again.
    let longer = json!({ "expires_at": "2026-01-01T01:00:00Z" });
    ada.api.patch(&made.path(), &longer).await.expect(200);
    api.get("/v1/admin/staff").await.expect(200);

    // The overlap of a rotation ends to the millisecond as well.
    let rotated = ada.api.post(&format!("{}/rotate", made.path()), &json!({ "overlap_minutes": 1 })).await;
    let rotated = Credential::from(rotated.expect(200));
    assert_eq!(rotated.body["previous_until"], "2026-01-01T00:06:00.000Z");
    ada.api.patch(&made.path(), &json!({ "rate_per_minute": null })).await.expect(200);
    service.clock.advance(Duration::from_millis(59_999));
    api.get("/v1/admin/staff").await.expect(200);
    service.clock.advance(Duration::from_millis(1));
    api.get("/v1/admin/staff").await.problem(401, "credential_refused");
    rotated.basic(&service.guest).get("/v1/admin/staff").await.expect(200);
    assert_eq!(ada.api.get(&made.path()).await.expect(200)["previous_until"], Value::Null);
}

async fn one_of_several_rotations_wins_and_the_old_secret_overlaps(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (made, api) = program(&service, &ada.api, &["listStaff"]).await;
    let path = format!("{}/rotate", made.path());
    let at_once = (0..8).map(|_| {
        let (api, path) = (ada.api.clone(), path.clone());
        tokio::spawn(async move { api.post(&path, &json!({ "overlap_minutes": 10 })).await })
    });
    let (mut won, mut lost) = (Vec::new(), 0);
    for answer in at_once.collect::<Vec<_>>() {
        let answer = answer.await.expect("it answers");
        if answer.status == 200 {
            won.push(Credential::from(answer.body()));
        } else {
            answer.problem(409, "rotated_meanwhile");
            lost += 1;
        }
    }
    assert_eq!((won.len(), lost), (1, 7));
    let new = won[0].bearer(&service.api());
    api.get("/v1/admin/staff").await.expect(200);
    new.get("/v1/admin/staff").await.expect(200);
    let until = won[0].body["previous_until"].as_str().expect("an instant");
    let refused =
        ada.api.post(&path, &json!({ "overlap_minutes": 1 })).await.problem(409, "rotated_meanwhile");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains(until)), "{refused}");

    let last = Credential::from(ada.api.post(&path, &json!({})).await.expect(200));
    for dead in [api, new] {
        dead.get("/v1/admin/staff").await.problem(401, "credential_refused");
    }
    last.bearer(&service.api()).get("/v1/admin/staff").await.expect(200);
    assert_eq!(service.column("SELECT id FROM events WHERE name = 'api.credential_rotated'").await.len(), 2);
    service.keeps_its_secrets().await;
}

async fn credentials_end_with_their_owner(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let role = api_role(&ada.api, "Reads", &["listStaff"]).await;
    let made = credential(&grace.api, &[&role], json!({})).await;
    let api = made.bearer(&service.api());
    api.get("/v1/admin/staff").await.expect(200);
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    api.get("/v1/admin/staff").await.problem(401, "credential_refused");
    ada.api.post(&format!("{}/rotate", made.path()), &json!({})).await.problem(409, "login_disabled");
    // Let in again behind the service's back, it works; deleted, it is gone for good.
    service.execute("UPDATE logins SET disabled = FALSE WHERE username = 'grace'").await;
    api.get("/v1/admin/staff").await.expect(200);
    grace.api.delete(&made.path()).await.expect(204);
    api.get("/v1/admin/staff").await.problem(401, "credential_refused");
    ada.api.get(&made.path()).await.problem(404, "not_found");
    grace.api.delete(&made.path()).await.problem(404, "not_found");
}

async fn the_owner_is_told(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "api.access staff.view").await;
    smtp.takes(1).await;
    let role = api_role(&ada.api, "Reads", &["listStaff"]).await;
    credential(&ada.api, &[&role], json!({})).await;
    assert_eq!(smtp.takes(2).await[1].to, ["ada@example.test"]);
    let hers = credential(&ada.api, &[&role], json!({ "staff_id": grace.id })).await;
    assert_eq!(smtp.takes(3).await[2].to, ["grace@example.test"]);
    ada.api.post(&format!("{}/rotate", hers.path()), &json!({})).await.expect(200);
    assert_eq!(smtp.takes(4).await[3].to, ["grace@example.test"]);
    ada.api.patch(&hers.path(), &json!({ "description": "Hers" })).await.expect(200);
    let kinds = service
        .column("SELECT data FROM deliveries WHERE mail = 'api_credential_created' ORDER BY created_at, id")
        .await;
    let by: Vec<_> = kinds
        .iter()
        .map(|content| {
            serde_json::from_str::<Value>(content).expect("JSON")["by"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(by, ["self", "colleague", "colleague"].map(|by| Some(by.to_owned())));
    service.keeps_its_secrets().await;
}

async fn what_a_program_does_stands_under_its_owner_and_itself(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let operations =
        ["addBan", "listBans", "changeSettings", "inviteStaff", "listRoles", "removeStaffSecondFactor"];
    let (made, api) = program(&service, &ada.api, &operations).await;
    let ban = api.post("/v1/admin/bans", &json!({ "network": "192.0.2.1" })).await.expect(201);
    assert_eq!(ban["created_by"], ada.id.as_str());
    api.patch("/v1/admin/settings", &json!({ "ban_after": 5 })).await.expect(200);
    let names = "SELECT name FROM events WHERE actor_kind = 'program' AND address = '127.0.0.1' AND request_id IS NOT NULL";
    let mut names = service.column(names).await;
    names.sort_unstable();
    assert_eq!(names, ["system.address_banned", "system.settings_changed"]);
    let who = service
        .column(
            "SELECT DISTINCT actor_id || ' ' || actor_credential_id FROM events WHERE actor_kind = 'program'",
        )
        .await;
    assert_eq!(who, [format!("{} {}", ada.id, made.id)]);
    // It gives no more than it has: what its operations need, not what its owner may.
    let roles = api.get("/v1/admin/roles").await.expect(200);
    let role = |name: &str| {
        let items = roles["items"].as_array().expect("a list");
        items.iter().find(|role| role["name"] == name).map(|role| role["id"].clone()).expect("it is shipped")
    };
    let invite = |role: Value| json!({ "email": "new@example.test", "role_id": role });
    let full = api.post("/v1/admin/staff-invitations", &invite(role("Full Administrator"))).await;
    full.problem(403, "beyond_own_permissions");
    api.post("/v1/admin/staff-invitations", &invite(role("Sales")))
        .await
        .problem(403, "beyond_own_permissions");
    // Nor does it lay hands on the login of whom it acts for.
    let own = format!("/v1/admin/staff/{}/remove-second-factor", ada.id);
    api.post(&own, &json!({})).await.problem(409, "own_login");
}

async fn a_program_does_not_widen_itself(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let mut operations = Vec::new();
    for operation in Operation::all(&document(&ada.api).await) {
        if operation.path().contains("/api-") {
            operations.push(operation.id().to_owned());
        }
    }
    assert_eq!(operations.len(), 12, "{operations:?}");
    let operations: Vec<_> = operations.iter().map(String::as_str).collect();
    let role = api_role(&ada.api, "Manages", &operations).await;
    // The same permission as one of its own operations, and a colleague's equal.
    let wider = api_role(&ada.api, "Wider", &["getSettings"]).await;
    let all =
        json!({ "networks": ["127.0.0.0/8"], "rate_per_minute": 1000, "expires_at": "2099-01-01T00:00:00Z" });
    let made = credential(&ada.api, &[&role], all.clone()).await;
    let free = credential(&ada.api, &[&wider], json!({})).await;
    let graces = credential(&grace.api, &[&role], all.clone()).await;
    let api = made.basic(&service.api());
    let no = "beyond_own_permissions";

    let more = json!({ "name": "More", "operations": ["getSettings"] });
    api.post(ROLES, &more).await.problem(403, no);
    let mut own: Vec<_> = operations.clone();
    own.push("listStaff");
    let own_role = format!("{ROLES}/{role}");
    api.patch(&own_role, &json!({ "operations": own })).await.problem(403, no);
    let other_role = format!("{ROLES}/{wider}");
    api.patch(&other_role, &json!({ "operations": operations })).await.problem(403, no);
    api.patch(&other_role, &json!({ "name": "Mine" })).await.problem(403, no);
    api.delete(&other_role).await.problem(403, no);

    let with = |more: Value| {
        let mut body = all.clone();
        body["api_role_ids"] = json!([role]);
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    for wider in [
        json!({ "api_role_ids": [wider] }),
        json!({ "api_role_ids": [role, wider] }),
        json!({ "networks": [] }),
        json!({ "networks": ["0.0.0.0/0"] }),
        json!({ "rate_per_minute": null }),
        json!({ "rate_per_minute": 1001 }),
        json!({ "expires_at": null }),
        json!({ "expires_at": "2099-01-01T00:00:00.001Z" }),
    ] {
        api.post(CREDENTIALS, &with(wider.clone())).await.problem(403, no);
        api.patch(&made.path(), &wider).await.problem(403, no);
    }
    // For grace, who may more than the program, or by what is hers; and by what is less limited.
    api.post(CREDENTIALS, &with(json!({ "staff_id": grace.id }))).await.problem(403, no);
    for path in [graces.path(), free.path()] {
        api.patch(&path, &json!({ "description": "mine" })).await.problem(403, no);
        api.patch(&path, &json!({ "api_role_ids": [role] })).await.problem(403, no);
        api.post(&format!("{path}/rotate"), &json!({})).await.problem(403, no);
    }
    api.delete(&graces.path()).await.problem(403, no);

    // What it may: the same or less.
    let less = json!({ "name": "Less", "operations": ["listApiRoles"] });
    api.post(ROLES, &less).await.expect(201);
    let child = Credential::from(api.post(CREDENTIALS, &with(json!({}))).await.expect(201));
    child.bearer(&service.api()).get(ROLES).await.expect(200);
    api.patch(&made.path(), &json!({ "rate_per_minute": 999 })).await.expect(200);
    let rotated =
        Credential::from(api.post(&format!("{}/rotate", made.path()), &json!({})).await.expect(200));
    api.get(ROLES).await.problem(401, "credential_refused");
    rotated.basic(&service.api()).get(ROLES).await.expect(200);
    service.keeps_its_secrets().await;
}

async fn nobody_gives_programs_more_than_they_have(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "api.access api.view api.edit staff.view").await;
    let bans = api_role(&ada.api, "Bans", &["addBan"]).await;
    let reads = api_role(&ada.api, "Reads", &["listStaff"]).await;
    let no = "beyond_own_permissions";
    grace.api.post(ROLES, &json!({ "name": "More", "operations": ["addBan"] })).await.problem(403, no);
    grace.api.patch(&format!("{ROLES}/{reads}"), &json!({ "operations": ["addBan"] })).await.problem(403, no);
    grace.api.patch(&format!("{ROLES}/{bans}"), &json!({ "operations": [] })).await.problem(403, no);
    grace.api.delete(&format!("{ROLES}/{bans}")).await.problem(403, no);
    let body = |role: &str, owner: &Person| json!({ "api_role_ids": [role], "staff_id": owner.id });
    grace.api.post(CREDENTIALS, &body(&bans, &grace)).await.problem(403, no);
    grace.api.post(CREDENTIALS, &body(&reads, &ada)).await.problem(403, no);
    let adas = credential(&ada.api, &[&reads], json!({})).await;
    grace.api.patch(&adas.path(), &json!({ "description": "mine" })).await.problem(403, no);
    grace.api.post(&format!("{}/rotate", adas.path()), &json!({})).await.problem(403, no);
    grace.api.delete(&adas.path()).await.problem(403, no);
    let hers = credential(&grace.api, &[&reads], json!({})).await;
    grace.api.patch(&hers.path(), &json!({ "api_role_ids": [reads, bans] })).await.problem(403, no);
    hers.bearer(&service.api()).get("/v1/admin/staff").await.expect(200);
    // Without the permission to edit, none of it.
    let joan = colleague(&service, &ada.api, "joan", "api.access api.view").await;
    joan.api.get(CREDENTIALS).await.expect(200);
    joan.api.post(CREDENTIALS, &body(&reads, &joan)).await.problem(403, "permission_required");
}

/// Over everything that the document lists.
async fn programs_call_what_their_roles_list_and_nothing_else(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let document = document(&ada.api).await;
    let all = Operation::all(&document);
    let mut listed: Vec<_> = all.iter().filter(|one| one.is_for_programs()).map(Operation::id).collect();
    listed.sort_unstable();
    let groups = ada.api.get("/v1/admin/api-operations").await.expect(200);
    let mut served = Vec::new();
    for group in groups["items"].as_array().expect("groups") {
        for operation in group["operations"].as_array().expect("operations") {
            served.push(operation["id"].as_str().expect("an id").to_owned());
        }
    }
    served.sort_unstable();
    assert_eq!(served, listed);
    assert!(listed.len() >= 15, "{listed:?}");

    let (_, everything) = program(&service, &ada.api, &listed).await;
    for operation in &all {
        let name = operation.name();
        let security = operation.security();
        assert_eq!(
            security.contains("credential") && security.contains("credential_bearer"),
            operation.is_for_programs(),
            "{name}"
        );
        match (operation.audience(), operation.is_for_programs()) {
            ("staff", true) => {
                // It gets as far as what is wrong with the request: nothing there wants a session.
                for request in operation.nonsense(&everything) {
                    let answer = everything.send(request).await;
                    assert!(![401, 403].contains(&answer.status.as_u16()), "{name}: {}", answer.text);
                }
            }
            ("staff", false) => {
                for request in operation.nonsense(&everything) {
                    everything.send(request).await.problem(403, "operation_not_allowed");
                }
            }
            (_, for_programs) => assert!(!for_programs, "{name} is for everybody"),
        }
    }
    for (n, operation) in all.iter().filter(|one| one.is_for_programs()).enumerate() {
        let but: Vec<_> = listed.iter().copied().filter(|id| *id != operation.id()).collect();
        let role = api_role(&ada.api, &format!("All but {n}"), &but).await;
        let made = credential(&ada.api, &[&role], json!({})).await;
        let api = made.basic(&service.api());
        for request in operation.nonsense(&api) {
            let refused = api.send(request).await.problem(403, "operation_not_allowed");
            assert!(
                refused["detail"].as_str().is_some_and(|text| text.contains(operation.id())),
                "{refused}"
            );
        }
        ada.api.delete(&made.path()).await.expect(204);
    }
}

async fn the_last_use_is_written_down(database: Database) {
    let mut service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (made, api) = program(&service, &ada.api, &["listStaff"]).await;
    assert_eq!(made.body["last_used_at"], Value::Null);
    api.from_address("127.0.0.7").get("/v1/admin/staff").await.expect(200);
    let written = "SELECT CAST(last_used_at AS TEXT) FROM api_credentials WHERE last_used_from = '127.0.0.7'";
    assert_eq!(service.column(written).await.len(), 0, "reads do not write");
    assert!(service.stop().await.success());
    assert_eq!(service.column(written).await.len(), 1);
    service.start().await;
    let api = ada.api.at(service.base());
    let shown = within(Duration::from_secs(60), "its last use", || async {
        let shown = api.get(&made.path()).await.expect(200);
        (!shown["last_used_at"].is_null()).then_some(shown)
    });
    assert_eq!(shown.await["last_used_from"], "127.0.0.7");
    eventually("it works after a restart", || async {
        (made.bearer(&service.api()).get("/v1/admin/staff").await.status == 200).then_some(())
    })
    .await;
}
