//! Roles: what ships, what is made of them, and that nobody gives what they do not have.

use crate::expiry::Inside;
use crate::staff::{STAFF, events, new_member, path};
use frontdesk_tests::{
    Api, Database, FULL_ADMINISTRATOR, Frontdesk, Invitation, PASSWORD, both, colleague, first_administrator,
    invite, joined, role, roles,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

both! {
    three_roles_ship,
    permissions_are_described,
    a_role_is_made_changed_and_deleted,
    a_role_is_duplicated,
    wrong_roles_are_refused,
    a_role_has_a_name_of_its_own,
    the_full_role_stays_full,
    nobody_changes_their_own_role,
    nobody_makes_or_changes_roles_beyond_their_own_permissions,
    a_change_holds_on_the_next_request_of_every_session,
    a_role_that_somebody_has_stays,
    an_expired_invitation_keeps_its_role,
    members_are_counted_and_listed,
    nobody_invites_beyond_their_own_permissions,
}

const ROLES: &str = "/v1/admin/roles";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

fn at(id: &str) -> String {
    format!("{ROLES}/{id}")
}

fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id: {body}")).to_owned()
}

async fn named(api: &Api, name: &str) -> Value {
    let roles = api.get(&format!("{ROLES}?limit=200")).await.expect(200);
    let found = roles["items"].as_array().expect("a list").iter().find(|role| role["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {roles}")).clone()
}

/// Every slug there is.
async fn slugs(api: &Api) -> Vec<String> {
    let permissions = api.get("/v1/admin/permissions").await.expect(200);
    let items = permissions["items"].as_array().expect("a list");
    items.iter().map(|one| one["slug"].as_str().expect("a slug").to_owned()).collect()
}

async fn three_roles_ship(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let roles = ada.api.get(&format!("{ROLES}?total=true")).await.expect(200);
    let names: BTreeSet<_> =
        roles["items"].as_array().expect("a list").iter().map(|role| role["name"].as_str()).collect();
    assert_eq!(names, [Some("Full Administrator"), Some("Sales"), Some("Support")].into());
    assert_eq!(roles["total"], 3);
    let full = named(&ada.api, "Full Administrator").await;
    assert_eq!(full["id"], FULL_ADMINISTRATOR);
    assert_eq!((&full["everything"], &full["all_reports"]), (&json!(true), &json!(true)));
    assert_eq!(full["permissions"], json!(slugs(&ada.api).await));
    assert_eq!(full["email_classes"], json!(["system", "account", "support"]));
    assert_eq!(full["members"], json!({ "active": 1, "disabled": 0, "pending": 0 }));
    let none = json!({ "active": 0, "disabled": 0, "pending": 0 });
    const SALES: &[&str] = &["users.view", "users.edit", "accounts.view", "accounts.edit", "accounts.users"];
    const SUPPORT: &[&str] = &["users.view", "accounts.view"];
    for (name, report, class, clients) in
        [("Sales", "accounts", "account", SALES), ("Support", "tickets", "support", SUPPORT)]
    {
        let role = named(&ada.api, name).await;
        assert_eq!(
            (&role["everything"], &role["all_reports"], &role["members"]),
            (&json!(false), &json!(false), &none)
        );
        assert_eq!(role["permissions"], json!([&["staff.view", "departments.view"], clients].concat()));
        assert_eq!((&role["reports"], &role["email_classes"]), (&json!([report]), &json!([class])));
        // They are roles like any other.
        ada.api.patch(&at(&id_of(&role)), &json!({ "name": format!("{name} team") })).await.expect(200);
        ada.api.delete(&at(&id_of(&role))).await.expect(204);
    }
    // What was deleted does not come back with the next start.
    let mut service = service;
    service.stop().await;
    service.start().await;
    let api = ada.api.at(service.base());
    assert_eq!(api.get(&format!("{ROLES}?total=true")).await.expect(200)["total"], 1);
}

async fn permissions_are_described(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let permissions = ada.api.get("/v1/admin/permissions").await.expect(200);
    let mut seen = BTreeSet::new();
    let mut groups = Vec::new();
    for one in permissions["items"].as_array().expect("a list") {
        let text = |field: &str| {
            one[field].as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{one}"))
        };
        assert_eq!(one.as_object().map(|fields| fields.len()), Some(4), "{one}");
        assert!(
            text("slug").split_once('.').is_some_and(|(area, what)| !area.is_empty() && !what.is_empty()),
            "{one}"
        );
        assert!(text("sentence").ends_with('.') && !text("label").ends_with('.'), "{one}");
        assert!(seen.insert(text("slug").to_owned()), "twice: {one}");
        groups.push(text("group").to_owned());
    }
    groups.dedup();
    assert_eq!(
        groups.iter().collect::<BTreeSet<_>>().len(),
        groups.len(),
        "a group stands together: {groups:?}"
    );
    // Whatever an operation asks for can be given.
    let document = crate::openapi::document(&ada.api).await;
    for operation in crate::openapi::Operation::all(&document) {
        if let Some(permission) = operation.permission() {
            assert!(seen.contains(permission), "{} asks for {permission}", operation.name());
        }
    }
    let (_, powerless) = roles(&ada.api).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": powerless })).await;
    for list in ["/v1/admin/permissions", ROLES, &at(&powerless), &format!("{}/members", at(&powerless))] {
        let refused = grace.api.get(list).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "roles.view");
    }
}

async fn a_role_is_made_changed_and_deleted(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let empty = ada.api.post(ROLES, &json!({ "name": "  Empty  " })).await.expect(201);
    let expected = json!({
        "id": empty["id"], "name": "Empty", "everything": false, "permissions": [], "all_reports": false, "reports": [],
        "email_classes": [], "second_factor_required": false,
        "members": { "active": 0, "disabled": 0, "pending": 0 }, "created_at": empty["created_at"],
    });
    assert_eq!(empty, expected);
    let body = json!({
        "name": "Helpdesk", "permissions": ["staff.edit", "staff.view", "staff.view"], "reports": ["logins", "tickets", "logins"],
        "email_classes": ["support", "system", "support"], "second_factor_required": true,
    });
    let made = ada.api.post(ROLES, &body).await.expect(201);
    assert_eq!(made["permissions"], json!(["staff.view", "staff.edit"]));
    let reports = |role: &Value| {
        let reports = role["reports"].as_array().expect("reports").iter();
        reports.filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(reports(&made), ["logins", "tickets"].map(str::to_owned).into());
    assert_eq!(made["email_classes"], json!(["system", "support"]));
    assert_eq!((&made["second_factor_required"], &made["all_reports"]), (&json!(true), &json!(false)));
    let (id, here) = (id_of(&made), at(&id_of(&made)));
    assert_eq!(ada.api.get(&here).await.expect(200), made);
    assert_eq!(
        events(&service, "role.created").await[1],
        json!({
            "role_id": id, "name": "Helpdesk", "permissions": ["staff.view", "staff.edit", "report:logins", "report:tickets"],
            "duplicate_of": null,
        })
    );

    // What is left out stays, and what stays is not told.
    for nothing in
        [json!({}), json!({ "name": "Helpdesk", "permissions": ["staff.edit", "staff.view"] }), body.clone()]
    {
        assert_eq!(ada.api.patch(&here, &nothing).await.expect(200), made);
    }
    assert_eq!(events(&service, "role.edited").await.len(), 0);
    let renamed = ada.api.patch(&here, &json!({ "name": "HELPDESK" })).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["permissions"]), (&json!("HELPDESK"), &made["permissions"]));
    assert_eq!(reports(&renamed), reports(&made));

    // Permissions and reports are set apart from each other.
    let changed = ada.api.patch(&here, &json!({ "permissions": ["bans.view"] })).await.expect(200);
    assert_eq!((&changed["permissions"], reports(&changed)), (&json!(["bans.view"]), reports(&made)));
    let all = ada.api.patch(&here, &json!({ "all_reports": true })).await.expect(200);
    assert_eq!((&all["permissions"], &all["all_reports"]), (&json!(["bans.view"]), &json!(true)));
    assert!(reports(&all).len() >= 6, "{all}");
    let one = ada.api.patch(&here, &json!({ "all_reports": false, "reports": ["logins"] })).await.expect(200);
    assert_eq!((&one["all_reports"], &one["reports"]), (&json!(false), &json!(["logins"])));
    ada.api.patch(&here, &json!({ "all_reports": true })).await.expect(200);
    let none = ada.api.patch(&here, &json!({ "all_reports": false })).await.expect(200);
    assert_eq!(
        (&none["all_reports"], &none["reports"], &none["permissions"]),
        (&json!(false), &json!([]), &json!(["bans.view"]))
    );
    let last = json!({ "email_classes": ["account"], "second_factor_required": false, "permissions": [] });
    let last = ada.api.patch(&here, &last).await.expect(200);
    assert_eq!(ada.api.get(&here).await.expect(200), last);
    let told = events(&service, "role.edited").await;
    assert_eq!(told[0]["changed"], json!([{ "field": "name", "before": "Helpdesk", "after": "HELPDESK" }]));
    assert_eq!(told[2]["changed"][0]["field"], "permissions");
    assert!(
        told[2]["changed"][0]["after"].as_array().is_some_and(|words| words.contains(&json!("report:*"))),
        "{told:?}"
    );
    assert_eq!(
        told.last().expect("the last")["changed"],
        json!([
            { "field": "permissions", "before": ["bans.view"], "after": [] },
            { "field": "email_classes", "before": ["system", "support"], "after": ["account"] },
            { "field": "second_factor_required", "before": true, "after": false },
        ])
    );

    ada.api.delete(&here).await.expect(204);
    assert_eq!(events(&service, "role.deleted").await, [json!({ "role_id": id, "name": "HELPDESK" })]);
    ada.api.get(&here).await.problem(404, "not_found");
    ada.api.patch(&here, &json!({ "name": "X" })).await.problem(404, "not_found");
    ada.api.delete(&here).await.problem(404, "not_found");
    ada.api.post(&format!("{here}/duplicate"), &json!({ "name": "X" })).await.problem(404, "not_found");
    ada.api.get(&format!("{here}/members")).await.problem(404, "not_found");
    ada.api.post(ROLES, &json!({ "name": "helpdesk" })).await.expect(201);
}

async fn a_role_is_duplicated(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let body = json!({
        "name": "Helpdesk", "permissions": ["staff.view"], "reports": ["logins"], "email_classes": ["support"],
        "second_factor_required": true,
    });
    let made = ada.api.post(ROLES, &body).await.expect(201);
    let duplicate = format!("{}/duplicate", at(&id_of(&made)));
    let copy = ada.api.post(&duplicate, &json!({ "name": " Second desk " })).await.expect(201);
    assert_eq!(copy["name"], "Second desk");
    for field in
        ["permissions", "reports", "all_reports", "email_classes", "second_factor_required", "everything"]
    {
        assert_eq!(copy[field], made[field], "{field}");
    }
    // From then on they go their own ways.
    ada.api.patch(&at(&id_of(&made)), &json!({ "permissions": [] })).await.expect(200);
    assert_eq!(ada.api.get(&at(&id_of(&copy))).await.expect(200), copy);
    for taken in ["helpdesk", "SECOND DESK", "sales"] {
        ada.api.post(&duplicate, &json!({ "name": taken })).await.problem(409, "name_taken");
    }
    for wrong in
        [json!({}), json!({ "name": "" }), json!({ "name": "x".repeat(101) }), json!({ "name": "a\nb" })]
    {
        ada.api.post(&duplicate, &wrong).await.invalid("name");
    }
    let more = json!({ "name": "X", "permissions": ["staff.edit"] });
    ada.api.post(&duplicate, &more).await.invalid("permissions");

    // Of the full role it has what there is today, and can lose it.
    let full =
        ada.api.post(&format!("{}/duplicate", at(FULL_ADMINISTRATOR)), &json!({ "name": "Nearly" })).await;
    let full = full.expect(201);
    assert_eq!((&full["everything"], &full["all_reports"]), (&json!(false), &json!(true)));
    assert_eq!(full["permissions"], json!(slugs(&ada.api).await));
    let told = events(&service, "role.created").await;
    let after: Vec<_> = told.iter().map(|event| &event["duplicate_of"]).collect();
    assert_eq!(after, [&Value::Null, &json!("Helpdesk"), &json!("Full Administrator")]);
    // Whoever has it is no full administrator, neither to the others nor to the service.
    let nearly = joined(&ada, &service, "nearly", json!({ "role_id": full["id"] })).await;
    nearly
        .api
        .patch(&path(&ada.id), &json!({ "first_name": "X" }))
        .await
        .problem(403, "beyond_own_permissions");
    let up = new_member("mallory", FULL_ADMINISTRATOR, json!({}));
    nearly.api.post(STAFF, &up).await.problem(403, "beyond_own_permissions");
    let again = format!("{}/duplicate", at(FULL_ADMINISTRATOR));
    nearly.api.post(&again, &json!({ "name": "Third" })).await.expect(201);
    ada.api.patch(&at(&id_of(&full)), &json!({ "permissions": [] })).await.expect(200);
    nearly.api.get(STAFF).await.problem(403, "permission_required");
}

async fn wrong_roles_are_refused(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let made = role(&ada.api, "Right", &["staff.view"]).await;
    let before = ada.api.get(&at(&made)).await.expect(200);
    let recorded = service.column("SELECT id FROM events ORDER BY id").await.len();
    for (at_fault, field, value) in [
        ("name", "name", json!("")),
        ("name", "name", json!("  ")),
        ("name", "name", json!("x".repeat(101))),
        ("name", "name", json!("a\nb")),
        ("name", "name", json!("a\u{0}b")),
        ("name", "name", json!(7)),
        ("permissions.0", "permissions", json!(["staff.fly"])),
        ("permissions.1", "permissions", json!(["staff.view", ""])),
        ("permissions.0", "permissions", json!(["report:logins"])),
        ("permissions.0", "permissions", json!(["report:*"])),
        ("permissions.0", "permissions", json!(["STAFF.VIEW"])),
        ("permissions.0", "permissions", json!(["staff.view settings.edit"])),
        ("permissions", "permissions", json!("staff.view")),
        ("reports.0", "reports", json!(["weather"])),
        ("reports.0", "reports", json!(["*"])),
        ("all_reports", "all_reports", json!("yes")),
        ("email_classes.0", "email_classes", json!(["everything"])),
        ("second_factor_required", "second_factor_required", json!("no")),
        ("everything", "everything", json!(true)),
        ("id", "id", json!(FULL_ADMINISTRATOR)),
        ("members", "members", json!({ "active": 0 })),
        ("created_at", "created_at", json!("2026-01-01T00:00:00Z")),
    ] {
        let mut body = json!({ "name": "Wrong" });
        body[field] = value;
        ada.api.post(ROLES, &body).await.invalid(at_fault);
        ada.api.patch(&at(&made), &body).await.invalid(at_fault);
    }
    ada.api.post(ROLES, &json!({ "permissions": [] })).await.invalid("name");
    assert_eq!(ada.api.get(&at(&made)).await.expect(200), before);
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), recorded);
    for id in [NOBODY, "x", "%00"] {
        ada.api.get(&at(id)).await.problem(404, "not_found");
        ada.api.patch(&at(id), &json!({ "name": "X" })).await.problem(404, "not_found");
        ada.api.delete(&at(id)).await.problem(404, "not_found");
        ada.api.get(&format!("{}/members", at(id))).await.problem(404, "not_found");
    }
}

async fn a_role_has_a_name_of_its_own(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let one = role(&ada.api, "Ärzte", &["staff.view"]).await;
    let other = role(&ada.api, "Helpdesk", &["staff.view"]).await;
    for taken in ["Ärzte", "ÄRZTE", " ärzte ", "sales", "FULL ADMINISTRATOR"] {
        let body = json!({ "name": taken, "permissions": [] });
        ada.api.post(ROLES, &body).await.problem(409, "name_taken");
        ada.api.patch(&at(&other), &body).await.problem(409, "name_taken");
    }
    let kept = ada.api.get(&at(&other)).await.expect(200);
    assert_eq!((&kept["name"], &kept["permissions"]), (&json!("Helpdesk"), &json!(["staff.view"])));
    // Its own in other letters, and one that is free again.
    ada.api.patch(&at(&one), &json!({ "name": "ÄRZTE" })).await.expect(200);
    ada.api.patch(&at(&one), &json!({ "name": "Praxis" })).await.expect(200);
    ada.api.patch(&at(&other), &json!({ "name": "ärzte" })).await.expect(200);
}

/// It can be called otherwise, and nothing of what it permits goes.
async fn the_full_role_stays_full(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let full = at(FULL_ADMINISTRATOR);
    let before = ada.api.get(&full).await.expect(200);
    let mut fewer = slugs(&ada.api).await;
    fewer.pop();
    for change in [
        json!({ "permissions": [] }),
        json!({ "permissions": fewer }),
        json!({ "all_reports": false }),
        json!({ "all_reports": false, "reports": ["logins"] }),
        json!({ "name": "Renamed", "permissions": ["staff.view"] }),
    ] {
        ada.api.patch(&full, &change).await.problem(409, "full_role");
    }
    ada.api.delete(&full).await.problem(409, "full_role");
    assert_eq!(ada.api.get(&full).await.expect(200), before);
    // All that it has is what it has.
    let same = json!({ "permissions": slugs(&ada.api).await, "all_reports": true, "reports": [] });
    assert_eq!(ada.api.patch(&full, &same).await.expect(200), before);
    let change = json!({ "name": "Owner", "email_classes": [] });
    let changed = ada.api.patch(&full, &change).await.expect(200);
    assert_eq!((&changed["name"], &changed["everything"]), (&json!("Owner"), &json!(true)));
    assert_eq!((&changed["permissions"], &changed["all_reports"]), (&before["permissions"], &json!(true)));
    // Neither for whoever has each of its permissions.
    let nearly = ada.api.post(&format!("{full}/duplicate"), &json!({ "name": "Nearly" })).await.expect(201);
    let grace = joined(&ada, &service, "grace", json!({ "role_id": nearly["id"] })).await;
    grace.api.patch(&full, &json!({ "name": "Mine" })).await.problem(403, "beyond_own_permissions");
    grace.api.delete(&full).await.problem(409, "full_role");
    ada.api.patch(&full, &json!({ "second_factor_required": true })).await.expect(200);
    ada.api.patch(&full, &json!({ "second_factor_required": false })).await.expect(200);
}

async fn nobody_changes_their_own_role(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let eve = colleague(&service, &ada.api, "eve", "roles.view roles.edit staff.view").await;
    let own = named(&ada.api, "Role of eve").await;
    let here = at(&id_of(&own));
    for change in [
        json!({}),
        json!({ "name": "Mine" }),
        json!({ "permissions": ["roles.view", "roles.edit"] }),
        json!({ "permissions": slugs(&ada.api).await }),
        json!({ "email_classes": ["system"] }),
        json!({ "second_factor_required": true }),
    ] {
        eve.api.patch(&here, &change).await.problem(409, "own_role");
    }
    eve.api.delete(&here).await.problem(409, "own_role");
    assert_eq!(ada.api.get(&here).await.expect(200), own);
    // One like it is another one.
    let copy = eve.api.post(&format!("{here}/duplicate"), &json!({ "name": "Like mine" })).await.expect(201);
    eve.api.patch(&at(&id_of(&copy)), &json!({ "permissions": ["roles.view"] })).await.expect(200);
    eve.api.delete(&at(&id_of(&copy))).await.expect(204);
}

async fn nobody_makes_or_changes_roles_beyond_their_own_permissions(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let eve = colleague(&service, &ada.api, "eve", "roles.view roles.edit staff.view report:logins").await;
    let more = role(&ada.api, "More", &["staff.view", "settings.view"]).await;
    let reads = json!({ "name": "Reads", "reports": ["tickets"] });
    let reads = id_of(&ada.api.post(ROLES, &reads).await.expect(201));
    let less = role(&ada.api, "Less", &["staff.view"]).await;
    let recorded = service.column("SELECT id FROM events ORDER BY id").await.len();
    for beyond in [
        json!({ "permissions": ["settings.view"] }),
        json!({ "permissions": ["staff.view", "staff.edit"] }),
        json!({ "reports": ["tickets"] }),
        json!({ "all_reports": true }),
        json!({ "permissions": slugs(&ada.api).await }),
    ] {
        let mut body = beyond.clone();
        body["name"] = json!("Mine");
        eve.api.post(ROLES, &body).await.problem(403, "beyond_own_permissions");
        eve.api.patch(&at(&less), &beyond).await.problem(403, "beyond_own_permissions");
    }
    for role in [&more, &reads, &FULL_ADMINISTRATOR.to_owned()] {
        // Taking is as far beyond as giving.
        for change in [json!({ "permissions": [], "reports": [] }), json!({ "name": "Mine" }), json!({})] {
            eve.api.patch(&at(role), &change).await.problem(403, "beyond_own_permissions");
        }
        let copy = json!({ "name": "Mine" });
        eve.api.post(&format!("{}/duplicate", at(role)), &copy).await.problem(403, "beyond_own_permissions");
    }
    for role in [&more, &reads] {
        eve.api.delete(&at(role)).await.problem(403, "beyond_own_permissions");
    }
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), recorded);
    let within =
        json!({ "name": "Within", "permissions": ["staff.view", "roles.view"], "reports": ["logins"] });
    let within = eve.api.post(ROLES, &within).await.expect(201);
    eve.api.patch(&at(&id_of(&within)), &json!({ "permissions": [] })).await.expect(200);
    eve.api.delete(&at(&id_of(&within))).await.expect(204);
}

async fn a_change_holds_on_the_next_request_of_every_session(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let helpdesk = role(&ada.api, "Helpdesk", &[]).await;
    let mut sessions = Vec::new();
    for name in ["grace", "joan"] {
        let person = joined(&ada, &service, name, json!({ "role_id": helpdesk })).await;
        let answer = person.log_in(&service).await.expect(200);
        let token = answer["token"].as_str().expect("a session").to_owned();
        sessions.extend([person.api, service.api().with_token(&token)]);
    }
    for (permissions, staff, bans) in [
        (json!(["staff.view"]), 200, 403),
        (json!(["bans.view"]), 403, 200),
        (json!(["bans.view", "staff.view"]), 200, 200),
        (json!([]), 403, 403),
    ] {
        ada.api.patch(&at(&helpdesk), &json!({ "permissions": permissions })).await.expect(200);
        for api in &sessions {
            assert_eq!(api.get(STAFF).await.status, staff, "{permissions}");
            assert_eq!(api.get("/v1/admin/bans").await.status, bans, "{permissions}");
        }
    }
}

async fn a_role_that_somebody_has_stays(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let helpdesk = role(&ada.api, "Helpdesk", &["staff.view"]).await;
    let here = at(&helpdesk);
    let in_use = async |counts: [&str; 3]| {
        let refused = ada.api.delete(&here).await.problem(409, "role_in_use");
        let detail = refused["detail"].as_str().expect("a detail");
        for count in counts {
            assert!(detail.contains(count), "{count}: {detail}");
        }
    };
    // Pending.
    let cancelled = invite(&ada.api, "joan@example.test", json!({ "role_id": helpdesk })).await;
    in_use(["0 active", "0 disabled", "1 invited"]).await;
    ada.api.delete(&cancelled.path()).await.expect(204);
    // Active, disabled.
    let grace = joined(&ada, &service, "grace", json!({ "role_id": helpdesk })).await;
    in_use(["1 active", "0 disabled", "0 invited"]).await;
    ada.api.post(&format!("{}/disable", path(&grace.id)), &json!({})).await.expect(204);
    in_use(["0 active", "1 disabled", "0 invited"]).await;
    // Whoever comes in by an invitation that was turned to another role in time is not in it.
    let turned = invite(&ada.api, "rita@example.test", json!({ "role_id": helpdesk })).await;
    in_use(["0 active", "1 disabled", "1 invited"]).await;
    ada.api.patch(&turned.path(), &json!({ "role_id": powerless })).await.expect(200);
    ada.api.patch(&path(&grace.id), &json!({ "role_id": powerless })).await.expect(200);

    ada.api.delete(&here).await.expect(204);
    for (state, whose) in [("cancelled", "joan@example.test"), ("accepted", "grace@example.test")] {
        let listed = ada.api.get(&format!("/v1/admin/staff-invitations?state={state}")).await.expect(200);
        let one =
            listed["items"].as_array().expect("a list").iter().find(|one| one["email"] == whose).cloned();
        let one = one.unwrap_or_else(|| panic!("no {whose}: {listed}"));
        assert_eq!(one["role"], Value::Null, "{state}");
        let read = ada.api.get(&format!("/v1/admin/staff-invitations/{}", id_of(&one))).await.expect(200);
        assert_eq!(read, one);
        let resend = format!("/v1/admin/staff-invitations/{}/resend", id_of(&one));
        let refused = ada.api.post(&resend, &json!({})).await;
        assert!(refused.status == 409 || refused.status == 410, "{}", refused.text);
    }
    assert_eq!(ada.api.get(&path(&grace.id)).await.expect(200)["role"]["id"], powerless.as_str());
}

async fn an_expired_invitation_keeps_its_role(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    let helpdesk = role(&ada.api, "Helpdesk", &["staff.view"]).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "role_id": helpdesk })).await;
    service.clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    let login = json!({ "login": "ada", "password": ada.password });
    let session = service.guest.post("/v1/admin/session", &login).await.expect(200);
    let api = service.guest.with_token(session["token"].as_str().expect("a session"));
    let refused = api.delete(&at(&helpdesk)).await.problem(409, "role_in_use");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("1 invited")), "{refused}");
    assert_eq!(api.get(&at(&helpdesk)).await.expect(200)["members"]["pending"], 1);
    api.post(&format!("{}/resend", invitation.path()), &json!({})).await.expect(200);
    api.delete(&invitation.path()).await.expect(204);
    api.delete(&at(&helpdesk)).await.expect(204);
}

async fn members_are_counted_and_listed(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let helpdesk = role(&ada.api, "Helpdesk", &["staff.view"]).await;
    let other = role(&ada.api, "Other", &["staff.view"]).await;
    let mut made = Vec::new();
    for n in 0..5 {
        let member = new_member(&format!("grace{n}"), &helpdesk, json!({ "notes": "sekret" }));
        let member = id_of(&ada.api.post(STAFF, &member).await.expect(201));
        if n < 2 {
            ada.api.post(&format!("{}/disable", path(&member)), &json!({})).await.expect(204);
        }
        made.push(member);
    }
    for n in 0..2 {
        let invitation =
            invite(&ada.api, &format!("joan{n}@example.test"), json!({ "role_id": helpdesk })).await;
        made.push(invitation.id);
    }
    let gone = invite(&ada.api, "gone@example.test", json!({ "role_id": helpdesk })).await;
    ada.api.delete(&gone.path()).await.expect(204);
    made.reverse();

    let counts = json!({ "active": 3, "disabled": 2, "pending": 2 });
    let none = json!({ "active": 0, "disabled": 0, "pending": 0 });
    assert_eq!(ada.api.get(&at(&helpdesk)).await.expect(200)["members"], counts);
    assert_eq!(named(&ada.api, "Helpdesk").await["members"], counts);
    assert_eq!(named(&ada.api, "Other").await["members"], none);
    assert_eq!(
        ada.api.patch(&at(&helpdesk), &json!({ "name": "Desk" })).await.expect(200)["members"],
        counts
    );
    let members = ada.api.get(&format!("{}/members?total=true", at(&helpdesk))).await;
    assert!(!members.text.contains("sekret"), "{}", members.text);
    let members = members.expect(200);
    let listed: Vec<_> = members["items"].as_array().expect("a list").iter().map(id_of).collect();
    assert_eq!((listed, &members["total"]), (made, &json!(7)));
    assert_eq!(ada.api.get(&format!("{}/members", at(&other))).await.expect(200)["items"], json!([]));
}

async fn nobody_invites_beyond_their_own_permissions(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let helpdesk = &role(&ada.api, "Helpdesk", &["staff.invite", "roles.view", "staff.view"]).await;
    let (full, powerless) = roles(&ada.api).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "role_id": helpdesk })).await;
    let boss = invite(&ada.api, "boss@example.test", json!({ "first_name": "Joan" })).await;
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper",
    });
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = guest.with_token(answer["token"].as_str().expect("a session"));
    let events = service.column("SELECT id FROM events ORDER BY id").await.len();

    let invitations = "/v1/admin/staff-invitations";
    let up = json!({ "email": "friend@example.test", "role_id": full });
    grace.post(invitations, &up).await.problem(403, "beyond_own_permissions");
    for change in [
        json!({ "first_name": "Eve" }),
        json!({ "email": "eve@example.test" }),
        json!({ "role_id": helpdesk }),
        json!({}),
    ] {
        grace.patch(&boss.path(), &change).await.problem(403, "beyond_own_permissions");
    }
    let resend = format!("{}/resend", boss.path());
    grace.post(&resend, &json!({})).await.problem(403, "beyond_own_permissions");
    grace.delete(&boss.path()).await.problem(403, "beyond_own_permissions");

    // Nothing came of any of it.
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), events);
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 2);
    let looked =
        guest.post("/v1/public/invitations/lookup", &json!({ "token": boss.token() })).await.expect(200);
    assert_eq!([&looked["first_name"], &looked["email"]], ["Joan", "boss@example.test"]);
    let seen = grace.get(&boss.path()).await;
    assert!(!seen.text.contains("token="), "whoever sees an invitation does not see its link");
    assert_eq!(seen.expect(200)["state"], "pending");

    // Into their own role, or one below it, they may; and from there not up.
    for role in [helpdesk, &powerless] {
        let email = format!("{role}@example.test");
        let made = grace.post(invitations, &json!({ "email": email, "role_id": role })).await;
        let made = Invitation::from(made.expect(201));
        let up = grace.patch(&made.path(), &json!({ "role_id": full })).await;
        up.problem(403, "beyond_own_permissions");
        grace.patch(&made.path(), &json!({ "role_id": powerless })).await.expect(200);
        grace.post(&format!("{}/resend", made.path()), &json!({})).await.expect(200);
        grace.delete(&made.path()).await.expect(204);
    }
}
