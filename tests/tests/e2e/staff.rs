//! Members of staff: made, changed, shut out, let in again, deleted; and what they change of themselves.

use crate::expiry::Inside;
use frontdesk_tests::{
    Answer, Api, Database, FULL_ADMINISTRATOR, Frontdesk, PASSWORD, Person, Smtp, both, colleague,
    first_administrator, invite, joined, log_in, role, roles, token_of, trust_this_machine,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

both! {
    a_member_is_created_with_credentials_and_chooses_their_own_password,
    what_is_wrong_with_a_new_member_is_named_and_nothing_is_kept,
    every_field_is_changed_and_told,
    what_is_wrong_with_a_change_is_named_and_nothing_is_kept,
    another_address_is_told_to_the_one_before,
    a_password_by_a_colleague_is_changed_at_the_next_login,
    another_role_holds_on_the_next_request,
    whoever_is_disabled_is_out_at_once,
    whoever_is_deleted_is_gone_and_their_events_stay,
    notes_are_for_their_owner_and_for_holders_of_the_permission,
    everybody_changes_their_own_profile_and_no_more,
    own_username_and_address_want_a_fresh_password,
    nobody_does_to_themselves_what_is_done_to_colleagues,
    nobody_touches_whoever_may_more,
}

pub(crate) const STAFF: &str = "/v1/admin/staff";
const ME: &str = "/v1/admin/me";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";
/// Chosen by an administrator.
const FIRST_PASSWORD: &str = "marble 58 trumpet canyon";

pub(crate) fn path(id: &str) -> String {
    format!("{STAFF}/{id}")
}

/// What events of that name hold, the oldest first.
pub(crate) async fn events(service: &Frontdesk, name: &str) -> Vec<Value> {
    service.events(name).await
}

async fn all_events(service: &Frontdesk) -> usize {
    service.column("SELECT id FROM events ORDER BY id").await.len()
}

/// Departments called Billing, Hosting and Domains, in that order.
pub(crate) async fn departments(admin: &Api) -> [String; 3] {
    let mut ids = Vec::new();
    for name in ["Billing", "Hosting", "Domains"] {
        let made = admin.post("/v1/admin/departments", &json!({ "name": name })).await.expect(201);
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    ids.try_into().expect("three")
}

/// What makes a member of staff called `username`; `more` adds to it or replaces parts of it.
pub(crate) fn new_member(username: &str, role: &str, more: Value) -> Value {
    let mut body = json!({
        "username": username, "email": format!("{username}@example.test"), "first_name": "Grace",
        "last_name": "Hopper", "role_id": role, "password": FIRST_PASSWORD,
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

/// A change, with what else it changes.
fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().expect("an object").remove(name);
    body
}

async fn set_own_password(api: &Api, password: &str) -> Answer {
    api.json(Method::PUT, "/v1/admin/me/password", &json!({ "password": password })).await
}

fn session(guest: &Api, answer: &Answer) -> Api {
    guest.with_token(answer.expect(200)["token"].as_str().expect("a session"))
}

async fn a_member_is_created_with_credentials_and_chooses_their_own_password(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, hosting, _] = departments(&ada.api).await;
    let helpdesk = role(&ada.api, "Helpdesk", &["staff.view"]).await;
    let body = new_member(
        "Grace1",
        &helpdesk,
        json!({
            "email": "Grace@Example.Test", "language": "pt-BR",
            "departments": [{ "id": hosting, "notify": false }, { "id": billing }],
            "signature": "Yours,\n\tGrace", "notes": "Works from Arlington.", "template": "dark-2.1_b",
            "records_per_page": 200,
        }),
    );
    let created = ada.api.post(STAFF, &body).await;
    assert!(!created.text.contains(FIRST_PASSWORD), "{}", created.text);
    let created = created.expect(201);
    let id = created["id"].as_str().expect("an id").to_owned();
    // Gravatar's: the SHA-256 of grace@example.test.
    let avatar =
        "https://gravatar.com/avatar/2a3d5523b279df4cc0a5993f65c1026c578e0014f0ac648696577434de4af5ab";
    let expected = json!({
        "id": id, "username": "Grace1", "email": "Grace@Example.Test", "first_name": "Grace", "last_name": "Hopper",
        "role": { "id": helpdesk, "name": "Helpdesk" }, "language": "pt-BR", "template": "dark-2.1_b",
        "records_per_page": 200, "avatar_url": avatar, "disabled": false, "last_login_at": null,
        "created_at": created["created_at"],
        "departments": [
            { "id": billing, "name": "Billing", "notify": true }, { "id": hosting, "name": "Hosting", "notify": false },
        ],
        "signature": "Yours,\n\tGrace", "notes": "Works from Arlington.", "must_change_password": true,
        "second_factor": false,
    });
    assert_eq!(created, expected);
    assert_eq!(ada.api.get(&path(&id)).await.expect(200), expected);
    assert_eq!(
        events(&service, "staff.created").await[1],
        json!({ "staff_id": id, "username": "Grace1", "email": "Grace@Example.Test", "role": "Helpdesk" })
    );
    assert_eq!(service.column("SELECT id FROM deliveries").await, [""; 0], "the administrator tells them");

    // In with it, and no further than to another one.
    let guest = service.api();
    let first = log_in(&guest, "gRACE1", FIRST_PASSWORD).await.expect(200);
    assert_eq!(first["pending"], json!(["change_password"]));
    let grace = guest.with_token(first["token"].as_str().expect("a session"));
    for refused in [
        grace.get(STAFF).await,
        grace.get("/v1/admin/sessions").await,
        grace.patch(ME, &json!({ "first_name": "G" })).await,
        grace.post("/v1/admin/me/totp", &json!({})).await,
    ] {
        refused.problem(403, "password_change_required");
    }
    assert_eq!(grace.get(ME).await.expect(200)["staff"]["must_change_password"], true);
    for refused in [FIRST_PASSWORD, "short", "Grace1 Hopper Grace@Example.Test", "passwordpassword"] {
        set_own_password(&grace, refused).await.problem(422, "password_refused");
    }
    let changed = set_own_password(&grace, PASSWORD).await;
    assert_eq!(changed.expect(200)["pending"], json!([]));
    let grace = session(&guest, &changed);
    grace.get(STAFF).await.expect(200);
    let me = grace.get(ME).await.expect(200)["staff"].clone();
    assert_eq!(me["must_change_password"], false);
    assert!(me["last_login_at"].is_string());
    assert_eq!(me["notes"], "Works from Arlington.");
    log_in(&guest, "grace1", FIRST_PASSWORD).await.problem(401, "login_refused");
    assert_eq!(log_in(&guest, "grace@example.TEST", PASSWORD).await.expect(200)["pending"], json!([]));

    // The least there can be.
    let joan = ada.api.post(STAFF, &new_member("joan", FULL_ADMINISTRATOR, json!({}))).await.expect(201);
    let defaults = [&joan["language"], &joan["departments"], &joan["signature"], &joan["notes"]];
    assert_eq!(defaults, [&json!("en"), &json!([]), &json!(""), &json!("")]);
    assert_eq!([&joan["template"], &joan["records_per_page"]], [&Value::Null, &Value::Null]);
    service.keeps_its_secrets().await;
}

async fn what_is_wrong_with_a_new_member_is_named_and_nothing_is_kept(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, ..] = departments(&ada.api).await;
    let (_, powerless) = roles(&ada.api).await;
    let recorded = all_events(&service).await;
    let right = new_member("grace", &powerless, json!({ "departments": [{ "id": billing }] }));
    let post = async |name: &str, value: Value| ada.api.post(STAFF, &with(right.clone(), name, value)).await;

    for (field, values) in [
        (
            "username",
            vec![
                json!("1grace"),
                json!("gr ace"),
                json!(""),
                json!("grâce"),
                json!("g".repeat(65)),
                json!(7),
            ],
        ),
        (
            "email",
            vec![json!("grace"), json!(""), json!("a@b.test\r\nBcc: c@d.test"), json!("a\u{0}@b.test")],
        ),
        (
            "first_name",
            vec![json!(""), json!(" "), json!("x".repeat(101)), json!("a\nb"), json!("a\u{202e}b")],
        ),
        ("last_name", vec![json!(""), json!("a\u{0}")]),
        ("language", vec![json!("english"), json!("en_US"), json!("")]),
        ("role_id", vec![json!(NOBODY), json!("x"), json!(""), json!(3)]),
        ("signature", vec![json!("x".repeat(5_001)), json!("a\u{0}b"), json!("a\rb"), json!(["x"])]),
        ("notes", vec![json!("x".repeat(20_001)), json!("a\u{7}b")]),
        ("template", vec![json!(""), json!("a/b"), json!("../x"), json!("x".repeat(65)), json!("dunkel ü")]),
        (
            "records_per_page",
            vec![json!(9), json!(201), json!(-10), json!(10.5), json!("25"), json!(u64::MAX)],
        ),
    ] {
        for value in values {
            post(field, value).await.invalid(field);
        }
    }
    for (field, to) in [
        ("departments.0.id", json!([{ "id": NOBODY }])),
        ("departments.1.id", json!([{ "id": billing }, { "id": NOBODY, "notify": false }])),
        ("departments.1.id", json!([{ "id": billing }, { "id": billing, "notify": false }])),
        ("departments.0.notify", json!([{ "id": billing, "notify": "yes" }])),
        ("departments.0.name", json!([{ "id": billing, "name": "Billing" }])),
        ("departments", json!(vec![json!({ "id": billing }); 101])),
    ] {
        post("departments", to).await.invalid(field);
    }
    for password in
        ["", "short", "fourteen chars", "passwordpassword", "grace hopper grace", &"x".repeat(257)]
    {
        post("password", json!(password)).await.problem(422, "password_refused");
    }
    for missing in ["username", "email", "first_name", "last_name", "role_id", "password"] {
        ada.api.post(STAFF, &without(right.clone(), missing)).await.invalid(missing);
    }
    // What nobody sets.
    for (field, value) in [
        ("id", json!(NOBODY)),
        ("disabled", json!(false)),
        ("must_change_password", json!(false)),
        ("everything", json!(true)),
        ("permissions", json!(["staff.edit"])),
        ("role", json!({ "id": FULL_ADMINISTRATOR })),
        ("password_hash", json!("$argon2id$")),
        ("created_at", json!("2026-01-01T00:00:00Z")),
    ] {
        post(field, value).await.invalid(field);
    }
    let several =
        json!({ "username": "1", "email": "x", "first_name": "", "template": "/", "records_per_page": 1 });
    let refused = ada.api.post(STAFF, &new_member("grace", &powerless, several)).await;
    for field in ["username", "email", "first_name", "template", "records_per_page"] {
        refused.invalid(field);
    }
    for taken in ["ada", "ADA", "Ada"] {
        post("username", json!(taken)).await.problem(409, "username_taken");
    }
    for taken in ["ada@example.test", "Ada@Example.TEST"] {
        post("email", json!(taken)).await.problem(409, "email_taken");
    }

    assert_eq!(all_events(&service).await, recorded);
    assert_eq!(service.column("SELECT username FROM logins").await, ["ada"]);
    for table in ["department_members", "deliveries"] {
        let rows = service.column(&format!("SELECT 'row' FROM {table}")).await;
        assert_eq!(rows.len(), 0, "{table}");
    }
    // Refused is not taken.
    ada.api.post(STAFF, &right).await.expect(201);
    service.keeps_its_secrets().await;
}

async fn every_field_is_changed_and_told(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, hosting, domains] = departments(&ada.api).await;
    let (_, powerless) = roles(&ada.api).await;
    let more = json!({
        "departments": [{ "id": billing }, { "id": hosting }], "signature": "Grace", "template": "dark",
        "records_per_page": 50, "notes": "Some sekret note",
    });
    let made = ada.api.post(STAFF, &new_member("grace", &powerless, more)).await.expect(201);
    let at = path(made["id"].as_str().expect("an id"));
    let recorded = all_events(&service).await;

    // A change to what is there already is none.
    let same = json!({
        "username": "grace", "email": "grace@example.test", "first_name": "Grace", "last_name": "Hopper",
        "role_id": powerless, "language": "en", "signature": "Grace", "notes": "Some sekret note",
        "template": "dark", "records_per_page": 50, "departments": [{ "id": hosting }, { "id": billing }],
    });
    for change in [json!({}), same] {
        assert_eq!(ada.api.patch(&at, &change).await.expect(200), made);
    }
    assert_eq!(all_events(&service).await, recorded);

    let change = json!({
        "username": "joan", "email": "joan@example.test", "first_name": "Joan", "last_name": "Clarke",
        "role_id": FULL_ADMINISTRATOR, "language": "de", "signature": "Joan\nClarke", "notes": "Another sekret note",
        "template": null, "records_per_page": null,
        "departments": [{ "id": domains, "notify": false }, { "id": billing, "notify": false }],
    });
    let changed = ada.api.patch(&at, &change).await.expect(200);
    for field in
        ["username", "email", "first_name", "last_name", "language", "signature", "notes", "template"]
    {
        assert_eq!(changed[field], change[field], "{field}");
    }
    assert_eq!(changed["records_per_page"], Value::Null);
    assert_eq!(changed["role"]["name"], "Full Administrator");
    let in_them = json!([
        { "id": billing, "name": "Billing", "notify": false }, { "id": domains, "name": "Domains", "notify": false },
    ]);
    assert_eq!(changed["departments"], in_them);
    assert_eq!(ada.api.get(&at).await.expect(200), changed);

    let told = events(&service, "staff.edited").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["staff_id"], &told[0]["username"]), (&made["id"], &json!("joan")));
    let fields = told[0]["changed"].as_array().expect("changes");
    let of = |field: &str| {
        let found =
            fields.iter().find(|one| one["field"] == field).unwrap_or_else(|| panic!("{field}: {told:?}"));
        (found["before"].clone(), found["after"].clone())
    };
    for field in ["username", "email", "first_name", "last_name", "language"] {
        assert_eq!(of(field), (made[field].clone(), change[field].clone()));
    }
    assert_eq!(of("template"), (json!("dark"), Value::Null));
    assert_eq!(of("records_per_page"), (json!(50), Value::Null));
    assert_eq!(of("role"), (json!("No Permissions"), json!("Full Administrator")));
    assert_eq!(of("departments"), (made["departments"].clone(), in_them));
    for field in ["notes", "signature"] {
        assert_eq!(of(field), (json!("[private]"), json!("[private]")), "what is written freely");
    }
    assert_eq!(fields.len(), 11);
    let stored = service.column("SELECT data || COALESCE(personal, '') FROM events").await.join("\n");
    assert!(!stored.contains("sekret"), "{stored}");

    // Found under the new names, and no longer under the old ones.
    for (search, count) in [("joan", 1), ("clarke", 1), ("grace", 0), ("hopper", 0)] {
        let found = ada.api.get(&format!("{STAFF}?search={search}&total=true")).await.expect(200);
        assert_eq!(found["total"], count, "{search}");
    }
    let guest = service.api();
    log_in(&guest, "joan@example.test", FIRST_PASSWORD).await.expect(200);
    log_in(&guest, "grace", FIRST_PASSWORD).await.problem(401, "login_refused");

    // A change of letters alone is one, and is in nobody's way.
    ada.api.patch(&at, &json!({ "username": "JOAN", "email": "Joan@example.test" })).await.expect(200);
    assert_eq!(ada.api.get(&at).await.expect(200)["username"], "JOAN");
    service.keeps_its_secrets().await;
}

async fn what_is_wrong_with_a_change_is_named_and_nothing_is_kept(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, ..] = departments(&ada.api).await;
    let (_, powerless) = roles(&ada.api).await;
    ada.api.post(STAFF, &new_member("joan", &powerless, json!({}))).await.expect(201);
    let made = ada.api.post(STAFF, &new_member("grace", &powerless, json!({}))).await.expect(201);
    let at = path(made["id"].as_str().expect("an id"));
    let recorded = all_events(&service).await;
    // Beside what is right: all of it or none.
    let patch = async |field: &str, value: Value| {
        let right = json!({ "first_name": "Kept", "departments": [{ "id": billing }] });
        ada.api.patch(&at, &with(right, field, value)).await
    };
    for (field, value) in [
        ("username", json!("1")),
        ("username", json!("")),
        ("email", json!("x")),
        ("last_name", json!("")),
        ("role_id", json!(NOBODY)),
        ("role_id", json!("x")),
        ("language", json!("xxxx")),
        ("signature", json!("x".repeat(5_001))),
        ("notes", json!("x".repeat(20_001))),
        ("template", json!("a b")),
        ("records_per_page", json!(9)),
        ("records_per_page", json!(201)),
        ("id", json!(NOBODY)),
        ("disabled", json!(true)),
        ("must_change_password", json!(false)),
        ("permissions", json!(["staff.edit"])),
        ("created_at", json!("2026-01-01T00:00:00Z")),
        ("second_factor", json!(true)),
    ] {
        patch(field, value).await.invalid(field);
    }
    patch("departments", json!([{ "id": NOBODY }])).await.invalid("departments.0.id");
    patch("username", json!("JOAN")).await.problem(409, "username_taken");
    patch("email", json!("JOAN@example.test")).await.problem(409, "email_taken");
    for password in ["short", "passwordpassword", "grace hopper grace"] {
        patch("password", json!(password)).await.problem(422, "password_refused");
    }
    for id in [NOBODY, "x", "%00", "online%2F"] {
        ada.api.get(&path(id)).await.problem(404, "not_found");
        ada.api.patch(&path(id), &json!({ "first_name": "X" })).await.problem(404, "not_found");
        let with_password = json!({ "password": PASSWORD });
        ada.api.patch(&path(id), &with_password).await.problem(404, "not_found");
        ada.api.delete(&path(id)).await.problem(404, "not_found");
        for what in ["disable", "enable"] {
            ada.api.post(&format!("{}/{what}", path(id)), &json!({})).await.problem(404, "not_found");
        }
    }
    assert_eq!(ada.api.get(&at).await.expect(200), made);
    assert_eq!(all_events(&service).await, recorded);
    // The longest there may be, in characters and not in bytes.
    let longest = json!({
        "signature": "ü".repeat(5_000), "notes": "ü".repeat(20_000), "first_name": "ü".repeat(100),
        "template": "t".repeat(64), "records_per_page": 10,
    });
    let changed = ada.api.patch(&at, &longest).await.expect(200);
    for (field, value) in longest.as_object().expect("an object") {
        assert_eq!(&changed[field], value, "{field}");
    }
    service.keeps_its_secrets().await;
}

/// Whoever had the old mailbox hears of it there, and gets in no more by a link that waits in it.
async fn another_address_is_told_to_the_one_before(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    smtp.takes(1).await;
    let at = path(&grace.id);
    ada.api.post(&format!("{at}/reset-password"), &json!({})).await.expect(204);
    let link = smtp.takes(2).await.remove(1).link();
    service.secrets.keep_link(&link);

    ada.api.patch(&at, &json!({ "email": "hopper@example.test", "first_name": "G." })).await.expect(200);
    let mail = smtp.takes(3).await.remove(2);
    assert_eq!(mail.to, ["grace@example.test"]);
    assert_eq!(mail.header("Subject"), "Your email address at Frontdesk was changed");
    let text = mail.text();
    assert!(text.contains("An administrator gave your login"), "{text}");
    assert!(!text.contains("hopper@example.test"), "the old mailbox learns of no new address: {text}");
    let complete = json!({ "token": token_of(&link), "password": PASSWORD });
    let guest = service.api();
    let dead = guest.post("/v1/public/password-reset/complete", &complete).await;
    assert!(dead.status == 410 || dead.status == 404, "{dead:?}");
    grace.log_in(&service).await.expect(200);
    log_in(&guest, "hopper@example.test", &grace.password).await.expect(200);
    log_in(&guest, "grace@example.test", &grace.password).await.problem(401, "login_refused");

    // By themselves they are told in other words; and of what stays the same nobody is told.
    grace.api.patch(ME, &json!({ "email": "commodore@example.test" })).await.expect(200);
    let mail = smtp.takes(4).await.remove(3);
    assert_eq!(mail.to, ["hopper@example.test"]);
    assert!(mail.text().contains("Your login at Frontdesk has another email address"), "{}", mail.text());
    grace.api.patch(ME, &json!({ "email": "commodore@example.test", "last_name": "H." })).await.expect(200);
    ada.api.patch(&at, &json!({ "email": "ada@example.test" })).await.problem(409, "email_taken");
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 4);
    smtp.takes(4).await;
    service.keeps_its_secrets().await;
}

async fn a_password_by_a_colleague_is_changed_at_the_next_login(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    smtp.takes(1).await;
    let guest = service.api();
    let second = session(&guest, &grace.log_in(&service).await);
    let credential = credential(&grace.api, &["listStaff"]).await;
    let program = guest.with_token(&credential);
    let at = path(&grace.id);

    for password in ["short", "passwordpassword", "hopper grace hopper", &"x".repeat(257)] {
        ada.api.patch(&at, &json!({ "password": password })).await.problem(422, "password_refused");
    }
    // Nor one made of what they are called by the same request.
    let renamed = json!({ "last_name": "Wqzkxbvtrmpldhc", "password": "wqzkxbvtrmpldhc4" });
    let refused = ada.api.patch(&at, &renamed).await.problem(422, "password_refused");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("a name")), "{refused}");
    second.get(STAFF).await.expect(200);

    // Whether it is the one they have, nobody learns.
    let same = ada.api.patch(&at, &json!({ "password": grace.password })).await;
    let other = ada.api.patch(&at, &json!({ "password": FIRST_PASSWORD })).await;
    assert_eq!(same.expect(200), other.expect(200));
    for api in [&grace.api, &second] {
        api.get("/v1/admin/session").await.problem(401, "login_required");
    }
    program.get(STAFF).await.expect(200);
    // Beside the invitation and the news of the credential.
    for mail in &smtp.takes(4).await[2..] {
        assert_eq!(mail.to, ["grace@example.test"]);
        assert_eq!(mail.header("Subject"), "Your password at Frontdesk was changed");
        assert!(mail.text().to_lowercase().contains("administrator"), "{}", mail.text());
    }
    let how = events(&service, "staff.password_changed").await;
    assert_eq!(how.iter().map(|event| &event["how"]).collect::<Vec<_>>(), ["colleague", "colleague"]);
    assert_eq!(events(&service, "staff.edited").await, [json!(null); 0], "no detail was edited");

    grace.log_in(&service).await.problem(401, "login_refused");
    let first = log_in(&guest, "grace", FIRST_PASSWORD).await;
    assert_eq!(first.expect(200)["pending"], json!(["change_password"]));
    let api = session(&guest, &first);
    api.get(STAFF).await.problem(403, "password_change_required");
    set_own_password(&api, FIRST_PASSWORD).await.problem(422, "password_refused");
    let changed = set_own_password(&api, PASSWORD).await;
    session(&guest, &changed).get(STAFF).await.expect(200);
    service.keeps_its_secrets().await;
}

/// An API credential of the caller's own that may call these, as a bearer token.
async fn credential(api: &Api, operations: &[&str]) -> String {
    let api_role = json!({ "name": operations.join(" "), "operations": operations });
    let api_role = api.post("/v1/admin/api-roles", &api_role).await.expect(201);
    let wanted = json!({ "api_role_ids": [api_role["id"]] });
    let made = api.post("/v1/admin/api-credentials", &wanted).await.expect(201);
    made["token"].as_str().expect("shown once").to_owned()
}

async fn another_role_holds_on_the_next_request(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let viewer = role(&ada.api, "Viewer", &["staff.view"]).await;
    let (full, powerless) = roles(&ada.api).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": powerless })).await;
    let second = session(&service.api(), &grace.log_in(&service).await);
    for (role, staff, settings) in [(&viewer, 200, 403), (&full, 200, 200), (&powerless, 403, 403)] {
        ada.api.patch(&path(&grace.id), &json!({ "role_id": role })).await.expect(200);
        for api in [&grace.api, &second] {
            assert_eq!(api.get(STAFF).await.status, staff);
            assert_eq!(api.get("/v1/admin/settings").await.status, settings);
        }
    }
    let told = events(&service, "staff.edited").await;
    let role = |n: usize| told[n]["changed"].clone();
    assert_eq!(role(0), json!([{ "field": "role", "before": "No Permissions", "after": "Viewer" }]));
    assert_eq!(
        role(2),
        json!([{ "field": "role", "before": "Full Administrator", "after": "No Permissions" }])
    );
}

async fn online(api: &Api) -> Vec<String> {
    let online = api.get("/v1/admin/staff/online").await.expect(200);
    let items = online["items"].as_array().expect("a list");
    items.iter().filter_map(|one| one["username"].as_str()).map(str::to_owned).collect()
}

async fn whoever_is_disabled_is_out_at_once(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let guest = service.api();
    let second = session(&guest, &grace.log_in(&service).await);
    let program = guest.with_token(&credential(&grace.api, &["listStaff"]).await);
    program.get(STAFF).await.expect(200);
    let (at, none) = (path(&grace.id), json!({}));
    ada.api.post(&format!("{at}/reset-password"), &none).await.expect(204);
    // After the invitation and the news of the credential.
    let link = smtp.takes(3).await.remove(2).link();
    service.secrets.keep_link(&link);
    assert_eq!(online(&ada.api).await.len(), 2);
    let disable = format!("{at}/disable");
    ada.api.post(&disable, &none).await.expect(204);

    for api in [&grace.api, &second] {
        api.get("/v1/admin/session").await.problem(401, "login_required");
        api.get(STAFF).await.problem(401, "login_required");
        api.patch(ME, &json!({ "first_name": "X" })).await.problem(401, "login_required");
    }
    program.get(STAFF).await.problem(401, "credential_refused");
    let refused = grace.log_in(&service).await.problem(401, "login_refused");
    let unknown = log_in(&guest, "nobody", &grace.password).await.problem(401, "login_refused");
    assert_eq!(refused["detail"], unknown["detail"]);
    let complete = json!({ "token": token_of(&link), "password": PASSWORD });
    let dead = guest.post("/v1/public/password-reset/complete", &complete).await;
    assert!(dead.status.is_client_error(), "{dead:?}");
    assert_eq!(online(&ada.api).await, ["ada"]);
    let shown = ada.api.get(&at).await.expect(200);
    assert_eq!(shown["disabled"], true);
    let listed = ada.api.get(&format!("{STAFF}?state=disabled")).await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    ada.api.post(&format!("{at}/reset-password"), &none).await.problem(409, "login_disabled");
    // They can be changed while they are out, and stay out.
    ada.api.patch(&at, &json!({ "first_name": "G.", "password": FIRST_PASSWORD })).await.expect(200);
    log_in(&guest, "grace", FIRST_PASSWORD).await.problem(401, "login_refused");
    // Twice is once.
    ada.api.post(&disable, &none).await.expect(204);
    assert_eq!(
        events(&service, "staff.disabled").await,
        [json!({ "staff_id": grace.id, "username": "grace" })]
    );

    let enable = format!("{at}/enable");
    ada.api.post(&enable, &none).await.expect(204);
    ada.api.post(&enable, &none).await.expect(204);
    assert_eq!(events(&service, "staff.enabled").await.len(), 1);
    for api in [&grace.api, &second] {
        api.get("/v1/admin/session").await.problem(401, "login_required");
    }
    program.get(STAFF).await.problem(401, "credential_refused");
    assert!(guest.post("/v1/public/password-reset/complete", &complete).await.status.is_client_error());
    log_in(&guest, "grace", FIRST_PASSWORD).await.expect(200);
    assert_eq!(ada.api.get(&at).await.expect(200)["disabled"], false);
    service.keeps_its_secrets().await;
}

async fn whoever_is_deleted_is_gone_and_their_events_stay(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, ..] = departments(&ada.api).await;
    let (_, powerless) = roles(&ada.api).await;
    let mut grace = joined(&ada, &service, "grace", json!({ "departments": [{ "id": billing }] })).await;
    grace.enrol_app().await;
    let program = service.api().with_token(&credential(&grace.api, &["listStaff"]).await);
    let theirs = invite(&grace.api, "joan@example.test", json!({ "role_id": powerless })).await;
    grace.api.patch(ME, &json!({ "signature": "G. H." })).await.expect(200);
    let by_grace = format!("SELECT id FROM events WHERE actor_id = '{}'", grace.id);
    let recorded = service.column(&by_grace).await.len();
    assert!(recorded >= 3, "{recorded}");
    let at = path(&grace.id);

    ada.api.delete(&at).await.expect(204);
    grace.api.get(STAFF).await.problem(401, "login_required");
    program.get(STAFF).await.problem(401, "credential_refused");
    grace.log_in(&service).await.problem(401, "login_refused");
    ada.api.get(&at).await.problem(404, "not_found");
    ada.api.delete(&at).await.problem(404, "not_found");
    ada.api.post(&format!("{at}/enable"), &json!({})).await.problem(404, "not_found");
    let listed = ada.api.get(&format!("{STAFF}?search=grace&total=true")).await.expect(200);
    assert_eq!((&listed["total"], &listed["items"]), (&json!(0), &json!([])));
    assert_eq!(online(&ada.api).await, ["ada"]);
    for table in ["department_members", "totp", "api_credentials"] {
        let left = service.column(&format!("SELECT 'row' FROM {table}")).await;
        assert_eq!(left.len(), 0, "{table}");
    }
    assert_eq!(
        events(&service, "staff.deleted").await,
        [json!({
            "staff_id": grace.id, "username": "grace", "email": "grace@example.test", "role": "Full Administrator",
        })]
    );
    assert_eq!(service.column(&by_grace).await.len(), recorded, "what they did stays on record");
    // Nobody answers for whom they invited.
    let invitation = ada.api.get(&theirs.path()).await.expect(200);
    assert_eq!((&invitation["state"], &invitation["invited_by"]), (&json!("cancelled"), &Value::Null));
    let lookup = json!({ "token": theirs.token() });
    let looked = service.api().post("/v1/public/invitations/lookup", &lookup).await;
    looked.problem(410, "invitation_cancelled");
    let accepted = ada.api.get("/v1/admin/staff-invitations?state=accepted").await.expect(200);
    assert_eq!(accepted["items"][0]["staff_id"], Value::Null);

    // Username and address are free again, and whoever gets them is somebody else.
    let again = ada.api.post(STAFF, &new_member("GRACE", &powerless, json!({}))).await.expect(201);
    assert_ne!(again["id"], grace.id.as_str());
    assert_eq!((&again["second_factor"], &again["departments"]), (&json!(false), &json!([])));
    grace.log_in(&service).await.problem(401, "login_refused");
    grace.api.get("/v1/admin/session").await.problem(401, "login_required");
    service.keeps_its_secrets().await;
}

async fn notes_are_for_their_owner_and_for_holders_of_the_permission(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let without_notes = "staff.view staff.edit staff.create roles.view staff.disable";
    let eve = colleague(&service, &ada.api, "eve", without_notes).await;
    let joan = colleague(&service, &ada.api, "joan", "staff.view staff.edit staff.notes").await;
    let (_, powerless) = roles(&ada.api).await;
    let body = new_member("grace", &powerless, json!({ "notes": "sekret" }));
    let made = ada.api.post(STAFF, &body).await.expect(201);
    let at = path(made["id"].as_str().expect("an id"));
    let guest = service.api();
    let first = session(&guest, &log_in(&guest, "grace", FIRST_PASSWORD).await);
    let grace = session(&guest, &set_own_password(&first, PASSWORD).await);

    let silent = |answer: Answer| {
        assert!(!answer.text.contains("sekret") && !answer.text.contains("notes"), "{}", answer.text);
        answer
    };
    silent(eve.api.get(&at).await).expect(200);
    silent(eve.api.get(STAFF).await).expect(200);
    silent(eve.api.get(&format!("{STAFF}?search=sekret")).await).expect(200);
    silent(eve.api.patch(&at, &json!({ "signature": "Grace" })).await).expect(200);
    for api in [&ada.api, &joan.api] {
        silent(api.get(STAFF).await).expect(200);
        assert_eq!(api.get(&at).await.expect(200)["notes"], "sekret");
    }
    assert_eq!(grace.get(ME).await.expect(200)["staff"]["notes"], "sekret");
    silent(grace.get("/v1/admin/session").await).expect(200);
    let roles = format!("/v1/admin/roles/{powerless}/members");
    silent(ada.api.get(&roles).await).expect(200);

    // Nobody writes what they may not read, not even nothing and not beside something else.
    let recorded = all_events(&service).await;
    for change in
        [json!({ "notes": "" }), json!({ "notes": "x" }), json!({ "notes": "sekret", "signature": "E" })]
    {
        let refused = eve.api.patch(&at, &change).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "staff.notes");
        let refused = eve.api.patch(&path(NOBODY), &change).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "staff.notes");
    }
    let body = new_member("mallory", &powerless, json!({ "notes": "x" }));
    let refused = eve.api.post(STAFF, &body).await.problem(403, "permission_required");
    assert_eq!(refused["permission"], "staff.notes");
    assert_eq!(all_events(&service).await, recorded);
    let shown = eve.api.post(STAFF, &without(body, "notes")).await.expect(201);
    assert_eq!(shown.get("notes"), None);

    assert_eq!(joan.api.patch(&at, &json!({ "notes": "more" })).await.expect(200)["notes"], "more");
    assert_eq!(grace.patch(ME, &json!({ "notes": "mine" })).await.expect(200)["staff"]["notes"], "mine");
    assert_eq!(ada.api.get(&at).await.expect(200)["notes"], "mine");
    // One's own, also for whoever lacks the permission, wherever one looks.
    let own = eve.api.patch(ME, &json!({ "notes": "eves" })).await.expect(200);
    assert_eq!(own["staff"]["notes"], "eves");
    assert_eq!(eve.api.get(&path(&eve.id)).await.expect(200)["notes"], "eves");
    let private = json!([{ "field": "notes", "before": "[private]", "after": "[private]" }]);
    let told = events(&service, "staff.edited").await;
    assert_eq!(told.iter().filter(|event| event["changed"] == private).count(), 3, "{told:?}");
}

async fn everybody_changes_their_own_profile_and_no_more(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, hosting, domains] = departments(&ada.api).await;
    let (full, powerless) = roles(&ada.api).await;
    let more = json!({ "role_id": powerless, "departments": [{ "id": billing }, { "id": hosting }] });
    let grace = joined(&ada, &service, "grace", more).await;
    let before = grace.api.get(ME).await.expect(200);
    let recorded = all_events(&service).await;

    for (field, value) in [
        ("role_id", json!(full)),
        ("role", json!({ "id": full })),
        ("password", json!(PASSWORD)),
        ("disabled", json!(false)),
        ("permissions", json!(["staff.edit"])),
        ("must_change_password", json!(false)),
        ("id", json!(ada.id)),
        ("second_factor", json!({ "required": false })),
        ("username", json!("1")),
        ("email", json!("x")),
        ("first_name", json!("")),
        ("language", json!("x")),
        ("signature", json!("x".repeat(5_001))),
        ("notes", json!("x".repeat(20_001))),
        ("template", json!("")),
        ("records_per_page", json!(9)),
        ("records_per_page", json!(201)),
    ] {
        let change = json!({ "last_name": "Kept", field: value });
        grace.api.patch(ME, &change).await.invalid(field);
    }
    // In and out of departments others put them.
    for to in [json!([{ "id": domains }]), json!([{ "id": billing, "notify": false }, { "id": domains }])] {
        let at = format!("departments.{}.id", to.as_array().map_or(0, |to| to.len() - 1));
        grace.api.patch(ME, &json!({ "departments": to })).await.invalid(&at);
    }
    grace.api.patch(ME, &json!({ "username": "ADA" })).await.problem(409, "username_taken");
    grace.api.patch(ME, &json!({ "email": "ADA@example.test" })).await.problem(409, "email_taken");
    assert_eq!(grace.api.get(ME).await.expect(200), before);
    assert_eq!(grace.api.patch(ME, &json!({})).await.expect(200), before);
    assert_eq!(
        grace.api.patch(ME, &json!({ "departments": [] })).await.expect(200),
        before,
        "none is left by it"
    );
    assert_eq!(all_events(&service).await, recorded);

    let change = json!({
        "username": "commodore", "email": "commodore@example.test", "first_name": "G.", "last_name": "H.",
        "language": "de", "signature": "G. H.", "notes": "mine", "template": "light", "records_per_page": 11,
        "departments": [{ "id": hosting, "notify": false }],
    });
    let after = grace.api.patch(ME, &change).await.expect(200);
    for field in
        ["username", "email", "first_name", "last_name", "language", "signature", "notes", "template"]
    {
        assert_eq!(after["staff"][field], change[field], "{field}");
    }
    assert_eq!(after["staff"]["records_per_page"], 11);
    assert_eq!(after["staff"]["role"]["id"], powerless.as_str());
    assert_eq!(
        after["staff"]["departments"],
        json!([{ "id": billing, "name": "Billing", "notify": true }, { "id": hosting, "name": "Hosting", "notify": false }])
    );
    assert_eq!(grace.api.get(ME).await.expect(200), after);
    let told = events(&service, "staff.edited").await;
    assert_eq!((told.len(), told[0]["changed"].as_array().map(Vec::len)), (1, Some(10)), "{told:?}");
    let by = service.column("SELECT actor_id FROM events WHERE name = 'staff.edited'").await;
    assert_eq!(by, [grace.id.as_str()]);
    log_in(&service.api(), "commodore", &grace.password).await.expect(200);
    service.keeps_its_secrets().await;
}

async fn own_username_and_address_want_a_fresh_password(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    service.clock.advance(Duration::from_secs(10 * 60));
    for change in
        [json!({ "username": "lovelace" }), json!({ "email": "l@example.test", "signature": "A. L." })]
    {
        ada.api.patch(ME, &change).await.problem(403, "confirmation_required");
    }
    // What is not how one logs in is anybody's with the session.
    let all_else = json!({
        "first_name": "A.", "last_name": "L.", "language": "de", "signature": "A. L.", "notes": "mine",
        "template": "dark", "records_per_page": 30, "departments": [],
    });
    let me = ada.api.patch(ME, &all_else).await.expect(200);
    assert_eq!((&me["staff"]["signature"], &me["staff"]["username"]), (&json!("A. L."), &json!("ada")));
    // What is done to others is not.
    let body = new_member("grace", FULL_ADMINISTRATOR, json!({}));
    ada.api.post(STAFF, &body).await.problem(403, "confirmation_required");
    ada.api.patch(&path(NOBODY), &json!({})).await.problem(403, "confirmation_required");
    ada.api.delete(&path(NOBODY)).await.problem(403, "confirmation_required");
    for what in ["disable", "enable"] {
        let at = format!("{}/{what}", path(NOBODY));
        ada.api.post(&at, &json!({})).await.problem(403, "confirmation_required");
    }
    let confirm = json!({ "password": ada.password });
    let confirmed = ada.api.post("/v1/admin/session/confirm", &confirm).await;
    let api = session(&service.guest, &confirmed);
    let change = json!({ "username": "lovelace", "email": "l@example.test" });
    assert_eq!(api.patch(ME, &change).await.expect(200)["staff"]["username"], "lovelace");
}

async fn nobody_does_to_themselves_what_is_done_to_colleagues(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let (_, powerless) = roles(&ada.api).await;
    let recorded = all_events(&service).await;
    // Alike whether they are the last one or not.
    for round in 0..2 {
        let (at, none) = (path(&ada.id), json!({}));
        for what in ["disable", "enable"] {
            ada.api.post(&format!("{at}/{what}"), &none).await.problem(409, "own_login");
        }
        ada.api.delete(&at).await.problem(409, "own_login");
        for change in
            [json!({ "role_id": powerless }), json!({ "password": PASSWORD }), json!({ "notes": "x" }), none]
        {
            ada.api.patch(&at, &change).await.problem(409, "own_login");
        }
        if round == 0 {
            assert_eq!(all_events(&service).await, recorded + round);
            ada.api.delete(&path(&grace.id)).await.expect(204);
        }
    }
    ada.api.get("/v1/admin/session").await.expect(200);
}

/// Nobody gives or takes what they do not have.
async fn nobody_touches_whoever_may_more(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let may =
        "staff.view staff.create staff.edit staff.disable staff.delete staff.notes roles.view roles.edit";
    let eve = colleague(&service, &ada.api, "eve", may).await;
    let below = role(&ada.api, "Below", &["staff.view"]).await;
    let beside = role(&ada.api, "Beside", &["settings.view"]).await;
    let reports = json!({ "name": "Reports", "reports": ["logins"] });
    let reports = ada.api.post("/v1/admin/roles", &reports).await.expect(201);
    let reports = reports["id"].as_str().expect("an id").to_owned();
    let joan = joined(&ada, &service, "joan", json!({ "role_id": beside })).await;
    let rita = joined(&ada, &service, "rita", json!({ "role_id": reports })).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": below })).await;
    let recorded = all_events(&service).await;
    let none = json!({});
    for person in [&ada, &joan, &rita] {
        let at = path(&person.id);
        for change in [
            none.clone(),
            json!({ "first_name": "X" }),
            json!({ "password": PASSWORD }),
            json!({ "role_id": below }),
        ] {
            eve.api.patch(&at, &change).await.problem(403, "beyond_own_permissions");
        }
        for what in ["disable", "enable"] {
            eve.api.post(&format!("{at}/{what}"), &none).await.problem(403, "beyond_own_permissions");
        }
        eve.api.delete(&at).await.problem(403, "beyond_own_permissions");
    }
    for role in [&FULL_ADMINISTRATOR.to_owned(), &beside, &reports] {
        eve.api
            .patch(&path(&grace.id), &json!({ "role_id": role }))
            .await
            .problem(403, "beyond_own_permissions");
        eve.api
            .post(STAFF, &new_member("mallory", role, json!({})))
            .await
            .problem(403, "beyond_own_permissions");
    }
    assert_eq!(all_events(&service).await, recorded);
    for person in [&ada, &joan, &rita, &grace] {
        person.api.get("/v1/admin/session").await.expect(200);
    }
    // Somebody's role came to permit more: from then on they are out of reach.
    let more = json!({ "permissions": ["staff.view", "settings.view"] });
    ada.api.patch(&format!("/v1/admin/roles/{below}"), &more).await.expect(200);
    eve.api.delete(&path(&grace.id)).await.problem(403, "beyond_own_permissions");
    ada.api.patch(&format!("/v1/admin/roles/{below}"), &json!({ "permissions": [] })).await.expect(200);
    eve.api.patch(&path(&grace.id), &json!({ "first_name": "G." })).await.expect(200);
    eve.api.post(&format!("{}/disable", path(&grace.id)), &none).await.expect(204);
    eve.api.delete(&path(&grace.id)).await.expect(204);
    assert_eq!(
        person_names(&ada).await,
        ["eve", "rita", "joan", "ada"].map(str::to_owned).into_iter().collect()
    );
}

async fn person_names(ada: &Person) -> std::collections::BTreeSet<String> {
    let listed = ada.api.get(STAFF).await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    items.iter().filter_map(|one| one["username"].as_str()).map(str::to_owned).collect()
}
