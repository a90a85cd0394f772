//! C1: groups of accounts: made, changed and deleted, and the accounts in them.

use crate::staff::events;
use frontdesk_tests::{Api, Database, Frontdesk, User, both, colleague, found, registered, with_clients};
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_group_lives_and_leaves_its_accounts_in_none,
    groups_are_listed_the_newest_first_and_counted,
    names_are_one_groups_without_regard_to_capitals,
    what_makes_no_group_is_refused_by_field,
    groups_want_their_permissions,
}

const GROUPS: &str = "/v1/admin/account-groups";
const NOWHERE: &str = "/v1/admin/account-groups/018f0000-0000-7000-8000-000000000000";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

fn path(group: &Value) -> String {
    format!("{GROUPS}/{}", group["id"].as_str().expect("an id"))
}

async fn made(api: &Api, name: &str) -> Value {
    api.post(GROUPS, &json!({ "name": name })).await.expect(201)
}

/// Puts the user's account into a group, or into none, and answers the group it is in.
async fn put_into(admin: &Api, user: &User, group: &Value) -> Value {
    let account = format!("/v1/admin/accounts/{}", user.account());
    let changed = admin.patch(&account, &json!({ "group_id": group })).await.expect(200);
    assert_eq!(admin.get(&account).await.expect(200)["group"], changed["group"]);
    changed["group"].clone()
}

/// The events about groups.
async fn told(service: &Frontdesk) -> usize {
    service.column("SELECT id FROM events WHERE name LIKE 'system.account_group%'").await.len()
}

async fn a_group_lives_and_leaves_its_accounts_in_none(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let new = json!({ "name": "  Resellers  of\u{a0}Europe ", "colour": "#2457D6" });
    let group = admin.api.post(GROUPS, &new).await.expect(201);
    let mut expected = json!({
        "id": group["id"], "name": "Resellers of Europe", "colour": "#2457d6", "account_count": 0,
        "created_at": group["created_at"],
    });
    assert_eq!(group, expected);
    let is = put_into(&admin.api, &anne, &group["id"]).await;
    assert_eq!(is, json!({ "id": group["id"], "name": "Resellers of Europe" }));
    expected["account_count"] = json!(1);
    assert_eq!(admin.api.get(&path(&group)).await.expect(200), expected);

    let change = json!({ "name": "Resellers", "colour": null });
    let changed = admin.api.patch(&path(&group), &change).await.expect(200);
    expected["name"] = json!("Resellers");
    expected["colour"] = Value::Null;
    assert_eq!(changed, expected);
    assert_eq!(admin.api.get(&path(&group)).await.expect(200), expected);
    // What changes nothing is no event.
    admin.api.patch(&path(&group), &change).await.expect(200);
    admin.api.patch(&path(&group), &json!({})).await.expect(200);
    assert_eq!(
        events(&service, "system.account_group_edited").await,
        [json!({
            "account_group_id": group["id"], "name": "Resellers",
            "changed": [
                { "field": "name", "before": "Resellers of Europe", "after": "Resellers" },
                { "field": "colour", "before": "#2457d6", "after": null },
            ],
        })]
    );

    admin.api.delete(&path(&group)).await.expect(204);
    let account = admin.api.get(&format!("/v1/admin/accounts/{}", anne.account())).await.expect(200);
    assert_eq!((&account["group"], &account["status"]), (&Value::Null, &json!("active")));
    anne.api.get("/v1/client/account").await.expect(200);
    for answer in [
        admin.api.get(&path(&group)).await,
        admin.api.patch(&path(&group), &change).await,
        admin.api.delete(&path(&group)).await,
        admin.api.get(&format!("{GROUPS}/resellers")).await,
    ] {
        answer.problem(404, "not_found");
    }
    let into = json!({ "group_id": group["id"] });
    admin.api.patch(&format!("/v1/admin/accounts/{}", anne.account()), &into).await.invalid("group_id");
    let of = |name: &'static str| events(&service, name);
    assert_eq!(
        of("system.account_group_created").await,
        [json!({ "account_group_id": group["id"], "name": "Resellers of Europe" })]
    );
    assert_eq!(
        of("system.account_group_deleted").await,
        [json!({ "account_group_id": group["id"], "name": "Resellers" })]
    );
    let actors = "SELECT actor_id FROM events WHERE name LIKE 'system.account_group%'";
    assert_eq!(service.column(actors).await, [admin.id.as_str(); 3]);
}

async fn groups_are_listed_the_newest_first_and_counted(database: Database) {
    let (service, admin) = with_clients(database).await;
    let none = admin.api.get(&format!("{GROUPS}?total=true")).await.expect(200);
    assert_eq!((&none["items"], &none["total"]), (&json!([]), &json!(0)));
    let mut groups = Vec::new();
    for name in ["Resellers", "Partners", "Schools"] {
        groups.push(made(&admin.api, name).await);
    }
    let (anne, mary) = (registered(&service, "anne").await, registered(&service, "mary").await);
    put_into(&admin.api, &anne, &groups[0]["id"]).await;
    put_into(&admin.api, &mary, &groups[0]["id"]).await;

    let counts = async || -> Vec<Value> {
        let list = admin.api.get(GROUPS).await.expect(200);
        let items = list["items"].as_array().expect("a list");
        items.iter().map(|group| json!([group["name"], group["account_count"]])).collect()
    };
    assert_eq!(counts().await, [json!(["Schools", 0]), json!(["Partners", 0]), json!(["Resellers", 2])]);
    put_into(&admin.api, &mary, &groups[1]["id"]).await;
    assert_eq!(counts().await, [json!(["Schools", 0]), json!(["Partners", 1]), json!(["Resellers", 1])]);
    let accounts = async |group: &Value| {
        let id = group["id"].as_str().expect("an id");
        admin.api.get(&format!("/v1/admin/accounts?group={id}")).await.expect(200)
    };
    let partners = accounts(&groups[1]).await;
    assert_eq!(partners["items"].as_array().map(Vec::len), Some(1));
    assert!(found(&partners, "id", mary.account()).is_some(), "{partners}");
    assert_eq!(accounts(&groups[2]).await["items"], json!([]));
    // Out of every group again.
    assert_eq!(put_into(&admin.api, &mary, &Value::Null).await, Value::Null);
    assert_eq!(counts().await[1], json!(["Partners", 0]));

    let first = admin.api.get(&format!("{GROUPS}?limit=2&total=true")).await.expect(200);
    assert_eq!((&first["items"][1]["name"], &first["total"]), (&json!("Partners"), &json!(3)));
    let cursor = first["next_cursor"].as_str().expect("more of them");
    let rest = admin.api.get(&format!("{GROUPS}?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    assert_eq!((&rest["items"][0]["name"], &rest["next_cursor"]), (&json!("Resellers"), &Value::Null));
}

async fn names_are_one_groups_without_regard_to_capitals(database: Database) {
    let (service, admin) = with_clients(database).await;
    let resellers = made(&admin.api, "Resellers").await;
    let partners = made(&admin.api, "Éclair Partners").await;
    let before = told(&service).await;
    for name in ["Resellers", "rESELLERS", "  resellers ", "ÉCLAIR  partners", "e\u{301}clair partners"] {
        admin.api.post(GROUPS, &json!({ "name": name })).await.problem(409, "name_taken");
    }
    admin.api.patch(&path(&partners), &json!({ "name": "RESELLERS" })).await.problem(409, "name_taken");
    assert_eq!(admin.api.get(&path(&partners)).await.expect(200), partners);
    assert_eq!(told(&service).await, before);
    // One's own in other capitals, and a deleted one's, are free.
    let own = admin.api.patch(&path(&partners), &json!({ "name": "ÉCLAIR PARTNERS" })).await.expect(200);
    assert_eq!(own["name"], "ÉCLAIR PARTNERS");
    admin.api.delete(&path(&resellers)).await.expect(204);
    made(&admin.api, "RESELLERS").await;

    // Of many at once with one name, one is made.
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let api = admin.api.clone();
        let name = if n % 2 == 0 { "Schools" } else { "SCHOOLS" };
        racers.spawn(async move { api.post(GROUPS, &json!({ "name": name })).await });
    }
    let mut wins = 0;
    for answer in racers.join_all().await {
        if answer.status == 201 {
            wins += 1;
        } else {
            answer.problem(409, "name_taken");
        }
    }
    assert_eq!(wins, 1);
}

async fn what_makes_no_group_is_refused_by_field(database: Database) {
    let (service, admin) = with_clients(database).await;
    let group = made(&admin.api, "Resellers").await;
    assert_eq!(group["colour"], Value::Null);
    let before = told(&service).await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!(" \u{3000} ")),
        ("name", json!("a\nb")),
        ("name", json!("a\u{0}b")),
        ("name", json!("a\u{202e}b")),
        ("name", json!("a\u{200b}b")),
        ("name", json!("x".repeat(101))),
        ("name", json!(7)),
        ("colour", json!("")),
        ("colour", json!("2457d6")),
        ("colour", json!("#2457d")),
        ("colour", json!("#2457d6f")),
        ("colour", json!("#2457dg")),
        ("colour", json!("#2４7d")),
        ("colour", json!("##2457d")),
        ("colour", json!(" #2457d6")),
        ("colour", json!("blue")),
        ("colour", json!("#fff;}</style>")),
        ("colour", json!(0x2457d6)),
        ("account_count", json!(9)),
        ("id", json!(NOBODY)),
    ] {
        let mut body = json!({ "name": "Partners" });
        body[field] = value.clone();
        admin.api.post(GROUPS, &body).await.invalid(field);
        admin.api.patch(&path(&group), &json!({ field: value })).await.invalid(field);
    }
    admin.api.post(GROUPS, &json!({ "colour": "#2457d6" })).await.invalid("name");
    let both = admin.api.post(GROUPS, &json!({ "name": "", "colour": "red" })).await;
    assert!(both.invalid("name").is_object() && both.invalid("colour").is_object());
    admin.api.get(&format!("{GROUPS}?cursor=x")).await.invalid("cursor");
    admin.api.get(&format!("{GROUPS}?search=x")).await.invalid("search");
    assert_eq!(told(&service).await, before);
    let list = admin.api.get(GROUPS).await.expect(200);
    assert_eq!(list["items"], json!([group]));
    let longest = json!({ "name": "ä".repeat(100), "colour": "#ABCDEF" });
    assert_eq!(admin.api.post(GROUPS, &longest).await.expect(201)["colour"], "#abcdef");
}

async fn groups_want_their_permissions(database: Database) {
    let (service, admin) = with_clients(database).await;
    let viewer = colleague(&service, &admin.api, "grace", "accounts.view accounts.edit").await;
    let keeper = colleague(&service, &admin.api, "mary", "accounts.setup").await;
    let anne = registered(&service, "anne").await;
    let group = made(&admin.api, "Resellers").await;
    let before = told(&service).await;
    for seen in [GROUPS, &path(&group)] {
        viewer.api.get(seen).await.expect(200);
        let refused = keeper.api.get(seen).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "accounts.view");
        service.api().get(seen).await.problem(401, "login_required");
        anne.api.get(seen).await.problem(401, "login_required");
    }
    let (new, change) = (json!({ "name": "Partners" }), json!({ "name": "Partners" }));
    for answer in [
        viewer.api.post(GROUPS, &new).await,
        viewer.api.patch(&path(&group), &change).await,
        viewer.api.delete(&path(&group)).await,
        viewer.api.delete(NOWHERE).await,
    ] {
        assert_eq!(answer.problem(403, "permission_required")["permission"], "accounts.setup");
    }
    assert_eq!(told(&service).await, before);
    let made = keeper.api.post(GROUPS, &new).await.expect(201);
    keeper.api.patch(&path(&made), &json!({ "colour": "#000000" })).await.expect(200);
    keeper.api.delete(&path(&made)).await.expect(204);
    keeper.api.delete(NOWHERE).await.problem(404, "not_found");
}
