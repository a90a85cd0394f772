//! C1: what admins ask of accounts beyond the usual: fields, and what accounts have in them.

use crate::staff::events;
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, User, both, client_log_in, colleague, found, registered,
    registration, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_field_lives_and_goes_with_what_is_in_it,
    each_kind_takes_its_own_and_nothing_else,
    what_is_required_is_wanted_of_whoever_registers,
    a_registration_with_wrong_fields_is_refused_alike_for_known_addresses,
    staff_leave_out_what_is_required_and_nobody_empties_it,
    what_is_for_staff_only_users_neither_see_nor_set,
    values_stay_whose_option_is_taken_away,
    an_order_names_every_field_once,
    what_makes_no_field_is_refused_by_field,
    of_eight_with_one_slug_one_is_made_and_100_are_the_most,
    fields_want_their_permissions,
}

const FIELDS: &str = "/v1/admin/custom-fields";
const ORDER: &str = "/v1/admin/custom-fields/order";
const FORM: &str = "/v1/public/registration";
const REGISTER: &str = "/v1/client/register";
const OWN: &str = "/v1/client/account";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

fn path(field: &Value) -> String {
    format!("{FIELDS}/{}", field["id"].as_str().expect("an id"))
}

fn account_of(user: &User) -> String {
    format!("/v1/admin/accounts/{}", user.account())
}

/// Makes a field called as its slug; `more` says what else it is.
async fn made(admin: &Api, slug: &str, kind: &str, more: Value) -> Value {
    let mut body = json!({ "slug": slug, "name": slug, "kind": kind });
    for (field, value) in more.as_object().expect("an object") {
        body[field] = value.clone();
    }
    admin.post(FIELDS, &body).await.expect(201)
}

async fn set(api: &Api, path: &str, values: &Value) -> Answer {
    api.patch(path, &json!({ "custom_fields": values })).await
}

/// What registers somebody with these custom fields.
fn with_fields(name: &str, values: &Value) -> Value {
    let mut body = registration(name, &format!("{PASSWORD} 1"));
    body["account"]["custom_fields"] = values.clone();
    body
}

async fn slugs(admin: &Api) -> Vec<Value> {
    let list = admin.get(&format!("{FIELDS}?limit=200")).await.expect(200);
    list["items"].as_array().expect("a list").iter().map(|field| field["slug"].clone()).collect()
}

/// The events about fields.
async fn told(service: &Frontdesk) -> usize {
    service.column("SELECT id FROM events WHERE name LIKE 'system.custom_field%'").await.len()
}

async fn a_field_lives_and_goes_with_what_is_in_it(database: Database) {
    let (service, mut admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let new = json!({
        "slug": "plan", "name": " Plan  wanted ", "description": " Of which?\r\nSee the list. ", "kind": "select",
        "options": ["Small", " Large  one "], "required": true,
    });
    let plan = admin.api.post(FIELDS, &new).await.expect(201);
    let mut expected = json!({
        "id": plan["id"], "slug": "plan", "name": "Plan wanted", "description": "Of which?\nSee the list.",
        "kind": "select", "options": ["Small", "Large one"], "required": true, "staff_only": false, "position": 0,
        "created_at": plan["created_at"],
    });
    assert_eq!(plan, expected);
    let note = made(&admin.api, "note", "text", json!({})).await;
    assert_eq!(
        (&note["options"], &note["required"], &note["position"]),
        (&json!([]), &json!(false), &json!(1))
    );
    set(&anne.api, OWN, &json!({ "plan": "Small", "note": "n" })).await.expect(200);

    let change =
        json!({ "name": "Plan", "options": ["Small", "Medium"], "required": false, "staff_only": true });
    let changed = admin.api.patch(&path(&plan), &change).await.expect(200);
    for (field, value) in change.as_object().expect("an object") {
        expected[field] = value.clone();
    }
    assert_eq!(changed, expected);
    assert_eq!(found(&admin.api.get(FIELDS).await.expect(200), "slug", "plan"), Some(&expected));
    admin.api.patch(&path(&plan), &change).await.expect(200);
    admin.api.patch(&path(&plan), &json!({})).await.expect(200);
    assert_eq!(
        events(&service, "system.custom_field_edited").await,
        [json!({
            "custom_field_id": plan["id"], "slug": "plan",
            "changed": [
                { "field": "name", "before": "Plan wanted", "after": "Plan" },
                { "field": "options", "before": ["Small", "Large one"], "after": ["Small", "Medium"] },
                { "field": "required", "before": true, "after": false },
                { "field": "staff_only", "before": false, "after": true },
            ],
        })],
        "what changes nothing is no event"
    );

    // It wants the password again, for it takes what accounts have in it along.
    service.execute(&format!("UPDATE sessions SET confirmed_at = 0 WHERE login_id = '{}'", admin.id)).await;
    admin.api.delete(&path(&plan)).await.problem(403, "confirmation_required");
    let confirm = json!({ "password": admin.password });
    let confirmed = admin.api.post("/v1/admin/session/confirm", &confirm).await.expect(200);
    admin.renewed(&confirmed);
    admin.api.delete(&path(&plan)).await.expect(204);
    let account = admin.api.get(&account_of(&anne)).await.expect(200);
    assert_eq!(account["custom_fields"], json!({ "note": "n" }));
    assert_eq!(service.column("SELECT value FROM custom_field_values").await, ["\"n\""]);
    set(&anne.api, OWN, &json!({ "plan": "Small" })).await.invalid("custom_fields.plan");
    admin.api.patch(&path(&plan), &change).await.problem(404, "not_found");
    admin.api.delete(&path(&plan)).await.problem(404, "not_found");
    // The next one of that slug begins empty, after the others.
    let again = admin.api.post(FIELDS, &new).await.expect(201);
    assert_ne!(again["id"], plan["id"]);
    assert_eq!(slugs(&admin.api).await, ["note", "plan"]);
    let account = anne.api.get(OWN).await.expect(200);
    assert_eq!(account["custom_fields"], json!({ "note": "n" }));
    let of = |name: &'static str| events(&service, name);
    let about_plan = json!({ "custom_field_id": plan["id"], "slug": "plan" });
    assert_eq!(of("system.custom_field_created").await[0], about_plan);
    assert_eq!(of("system.custom_field_deleted").await, [about_plan]);
}

async fn each_kind_takes_its_own_and_nothing_else(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let kinds = ["text", "number", "select", "tick", "date"];
    for kind in kinds {
        let options = if kind == "select" { json!(["Small", "Large"]) } else { json!([]) };
        made(&admin.api, kind, kind, json!({ "options": options })).await;
    }
    let staffs = account_of(&anne);
    let good = json!({
        "text": "  Frontdesk, by mail ", "number": -12.5, "select": "Large", "tick": true, "date": "2024-02-29",
    });
    let mut expected = good.clone();
    expected["text"] = json!("Frontdesk, by mail");
    let answer = set(&anne.api, OWN, &good).await.expect(200);
    assert_eq!(answer["custom_fields"], expected);
    for (api, path) in [(&anne.api, OWN), (&admin.api, staffs.as_str())] {
        assert_eq!(api.get(path).await.expect(200)["custom_fields"], expected);
    }
    let list = admin.api.get("/v1/admin/accounts").await.expect(200);
    assert_eq!(found(&list, "id", anne.account()).expect("listed")["custom_fields"], expected);
    let edited = events(&service, "account.edited").await;
    assert_eq!(edited.len(), 1);
    let mut changed: Vec<_> = edited[0]["changed"].as_array().expect("a list").clone();
    changed.sort_by_key(|one| kinds.iter().position(|kind| one["field"] == format!("custom_fields.{kind}")));
    let first = |kind: &&str| json!({ "field": format!("custom_fields.{kind}"), "before": null, "after": expected[kind], "personal": true });
    assert_eq!(changed, kinds.iter().map(first).collect::<Vec<_>>());
    // The same again is no change.
    set(&anne.api, OWN, &good).await.expect(200);
    set(&admin.api, &staffs, &json!({})).await.expect(200);
    assert_eq!(events(&service, "account.edited").await.len(), 1);

    for (slug, wrong) in [
        ("text", json!(7)),
        ("text", json!("two\nlines")),
        ("text", json!("a\u{0}b")),
        ("text", json!("x".repeat(1001))),
        ("text", json!(["a"])),
        ("number", json!("7")),
        ("number", json!(true)),
        ("select", json!("Medium")),
        ("select", json!("large")),
        ("select", json!("")),
        ("select", json!(0)),
        ("tick", json!("true")),
        ("tick", json!(1)),
        ("date", json!("2023-02-29")),
        ("date", json!("29.02.2024")),
        ("date", json!("2024-2-9")),
        ("date", json!("2024-02-29T00:00:00Z")),
        ("date", json!("")),
        ("date", json!(20240229)),
        ("unheard_of", json!("x")),
        ("TEXT", json!("x")),
    ] {
        let field = format!("custom_fields.{slug}");
        set(&anne.api, OWN, &json!({ slug: wrong })).await.invalid(&field);
        set(&admin.api, &staffs, &json!({ slug: wrong })).await.invalid(&field);
        // On a further account, too.
        let further = json!({ "name": "Second Ltd", "custom_fields": { slug: wrong } });
        anne.api.post("/v1/client/accounts", &further).await.invalid(&field);
    }
    // One wrong one, and nothing is set.
    let half = set(&anne.api, OWN, &json!({ "text": "new", "number": "x", "date": "x" })).await;
    assert!(
        half.invalid("custom_fields.number").is_object() && half.invalid("custom_fields.date").is_object()
    );
    anne.api.patch(OWN, &json!({ "custom_fields": "text" })).await.problem(422, "invalid");
    assert_eq!(anne.api.get(OWN).await.expect(200)["custom_fields"], expected);

    // Emptied: by null, by nothing but spaces, by an open box.
    let empty = json!({ "text": "  ", "number": null, "tick": false });
    let answer = set(&anne.api, OWN, &empty).await.expect(200);
    assert_eq!(answer["custom_fields"], json!({ "select": "Large", "date": "2024-02-29" }));
    set(&admin.api, &staffs, &json!({ "select": null, "date": null })).await.expect(200);
    assert_eq!(anne.api.get(OWN).await.expect(200)["custom_fields"], json!({}));
    assert_eq!(service.column("SELECT value FROM custom_field_values").await, [""; 0]);
    let last = events(&service, "account.edited").await.remove(2);
    let gone = json!({ "field": "custom_fields.select", "before": "Large", "after": null, "personal": true });
    assert!(last["changed"].as_array().expect("a list").contains(&gone), "{last}");
    // A further account, and one that staff make, have their own.
    let further = json!({ "name": "Second Ltd", "custom_fields": { "text": "second" } });
    let second = anne.api.post("/v1/client/accounts", &further).await.expect(201);
    let opened = json!({ "owner_user_id": anne.id, "name": "Third Ltd", "custom_fields": { "number": 3 } });
    let third = admin.api.post("/v1/admin/accounts", &opened).await.expect(201);
    assert_eq!(third["custom_fields"], json!({ "number": 3 }));
    let second = format!("/v1/admin/accounts/{}", second["id"].as_str().expect("an id"));
    assert_eq!(admin.api.get(&second).await.expect(200)["custom_fields"], json!({ "text": "second" }));
}

async fn what_is_required_is_wanted_of_whoever_registers(database: Database) {
    let (service, admin) = with_clients(database).await;
    let guest = service.api();
    made(&admin.api, "heard", "select", json!({ "options": ["Web", "Friend"], "required": true })).await;
    made(&admin.api, "terms", "tick", json!({ "required": true, "description": "I agree." })).await;
    made(&admin.api, "fax", "text", json!({})).await;
    made(&admin.api, "risk", "number", json!({ "staff_only": true, "required": true })).await;
    let form = guest.get(FORM).await.expect(200);
    let field = |slug: &str, kind: &str, description: &str, options: Value, required: bool| {
        json!({
            "slug": slug, "name": slug, "description": description, "kind": kind, "options": options,
            "required": required,
        })
    };
    assert_eq!(
        form["custom_fields"],
        json!([
            field("heard", "select", "", json!(["Web", "Friend"]), true),
            field("terms", "tick", "I agree.", json!([]), true),
            field("fax", "text", "", json!([]), false),
        ])
    );
    assert_eq!(form["open"], true);

    let refused = guest.post(REGISTER, &registration("anne", &format!("{PASSWORD} 1"))).await;
    for slug in ["heard", "terms"] {
        refused.invalid(&format!("account.custom_fields.{slug}"));
    }
    assert_eq!(refused.body()["errors"].as_array().map(Vec::len), Some(2), "{}", refused.text);
    for (slug, values) in [
        ("heard", json!({ "heard": null, "terms": true })),
        ("heard", json!({ "heard": "Radio", "terms": true })),
        // A box that must be ticked is ticked.
        ("terms", json!({ "heard": "Web", "terms": false })),
        ("risk", json!({ "heard": "Web", "terms": true, "risk": 1 })),
        ("shoe", json!({ "heard": "Web", "terms": true, "shoe": 41 })),
    ] {
        let answer = guest.post(REGISTER, &with_fields("anne", &values)).await;
        let refused = answer.invalid(&format!("account.custom_fields.{slug}"));
        assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    }
    assert_eq!(service.column("SELECT id FROM users").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM deliveries").await, [""; 0]);

    let body = with_fields("anne", &json!({ "heard": "Friend", "terms": true, "fax": "" }));
    guest.post(REGISTER, &body).await.expect(202);
    let answer = client_log_in(&guest, "anne@example.test", &format!("{PASSWORD} 1")).await.expect(200);
    let anne = User::from_answer(&guest, &answer, PASSWORD);
    let values = json!({ "heard": "Friend", "terms": true });
    assert_eq!(anne.api.get(OWN).await.expect(200)["custom_fields"], values);
    // Not wanted again of whoever changes something else, nor emptied.
    anne.api.patch(OWN, &json!({ "phone": "1" })).await.expect(200);
    for empty in [json!({ "heard": null }), json!({ "terms": false })] {
        set(&anne.api, OWN, &empty).await.problem(422, "invalid");
    }
    assert_eq!(anne.api.get(OWN).await.expect(200)["custom_fields"], values);
    // A further account is asked as well, under its own names.
    let further = json!({ "name": "Second Ltd" });
    let refused = anne.api.post("/v1/client/accounts", &further).await;
    assert!(
        refused.invalid("custom_fields.heard").is_object()
            && refused.invalid("custom_fields.terms").is_object()
    );
    // Whoever only joins an account is not.
    frontdesk_tests::associated(&service, &anne, "mary", &json!("all")).await;
}

async fn a_registration_with_wrong_fields_is_refused_alike_for_known_addresses(database: Database) {
    let (service, admin) = with_clients(database).await;
    registered(&service, "anne").await;
    let guest = service.api();
    made(&admin.api, "heard", "select", json!({ "options": ["Web"], "required": true })).await;
    made(&admin.api, "risk", "number", json!({ "staff_only": true })).await;
    let count = "SELECT id FROM events WHERE name LIKE 'user.%' OR name LIKE 'account.%' ORDER BY id";
    let (events, mails) = (service.column(count).await, service.column("SELECT id FROM deliveries").await);
    for values in [
        json!({}),
        json!({ "heard": "Radio" }),
        json!({ "heard": null }),
        json!({ "heard": "Web", "risk": 1 }),
        json!({ "heard": "Web", "shoe": 41 }),
    ] {
        let [known, new] = ["anne", "mary"].map(|name| with_fields(name, &values));
        let (known, new) = (guest.post(REGISTER, &known).await, guest.post(REGISTER, &new).await);
        let parts = |answer: &Answer| {
            let mut problem = answer.problem(422, "invalid");
            problem["request_id"] = Value::Null;
            let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            (problem, names)
        };
        assert_eq!(parts(&known), parts(&new));
        let field = parts(&known).0["errors"][0]["field"].as_str().expect("a field").to_owned();
        assert!(field.starts_with("account.custom_fields."), "{field}");
    }
    // Neither is told anything, and nothing is made.
    assert_eq!(service.column(count).await, events);
    assert_eq!(service.column("SELECT id FROM deliveries").await, mails);
    assert_eq!(service.column("SELECT id FROM users").await.len(), 1);
    // What is right is taken alike, too.
    let [known, new] = ["anne", "mary"].map(|name| with_fields(name, &json!({ "heard": "Web" })));
    let (known, new) = (guest.post(REGISTER, &known).await, guest.post(REGISTER, &new).await);
    assert_eq!((known.status.as_u16(), new.status.as_u16()), (202, 202));
    assert_eq!(known.text.replace("anne", "mary"), new.text);
    assert_eq!(
        service.column("SELECT value FROM custom_field_values").await,
        ["\"Web\""],
        "mary's, not anne's"
    );
}

async fn staff_leave_out_what_is_required_and_nobody_empties_it(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    made(&admin.api, "heard", "text", json!({ "required": true })).await;
    let body = json!({ "owner_user_id": anne.id, "name": "Second Ltd" });
    let second = admin.api.post("/v1/admin/accounts", &body).await.expect(201);
    assert_eq!(second["custom_fields"], json!({}));
    // Whoever was there before is not asked, by neither side.
    anne.api.patch(OWN, &json!({ "phone": "1" })).await.expect(200);
    let staffs = account_of(&anne);
    set(&admin.api, &staffs, &json!({ "heard": null })).await.expect(200);
    set(&anne.api, OWN, &json!({ "heard": "" })).await.invalid("custom_fields.heard");
    set(&anne.api, OWN, &json!({ "heard": "Friend" })).await.expect(200);
    for (api, path) in [(&anne.api, OWN), (&admin.api, staffs.as_str())] {
        for empty in [json!(null), json!(" ")] {
            set(api, path, &json!({ "heard": empty })).await.invalid("custom_fields.heard");
        }
        assert_eq!(api.get(path).await.expect(200)["custom_fields"], json!({ "heard": "Friend" }));
    }
}

async fn what_is_for_staff_only_users_neither_see_nor_set(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let risk = made(&admin.api, "risk", "number", json!({ "staff_only": true })).await;
    made(&admin.api, "fax", "text", json!({})).await;
    let staffs = account_of(&anne);
    set(&admin.api, &staffs, &json!({ "risk": 7, "fax": "1" })).await.expect(200);
    assert_eq!(admin.api.get(&staffs).await.expect(200)["custom_fields"], json!({ "risk": 7, "fax": "1" }));

    let seen = anne.api.get(OWN).await.expect(200);
    assert_eq!(seen["custom_fields"], json!({ "fax": "1" }));
    assert_eq!(
        set(&anne.api, OWN, &json!({ "fax": "2" })).await.expect(200)["custom_fields"],
        json!({ "fax": "2" })
    );
    // It is refused as one that there is not.
    let refused = |answer: Answer, slug: &str| -> Value {
        let problem = answer.invalid(&format!("custom_fields.{slug}"));
        json!([problem["errors"][0]["code"], problem["errors"][0]["message"]])
    };
    for value in [json!(7), json!(null), json!("x")] {
        let hidden = refused(set(&anne.api, OWN, &json!({ "risk": value })).await, "risk");
        let unknown = refused(set(&anne.api, OWN, &json!({ "shoe": value })).await, "shoe");
        assert_eq!(hidden, unknown);
    }
    let further = json!({ "name": "Second Ltd", "custom_fields": { "risk": 1 } });
    anne.api.post("/v1/client/accounts", &further).await.invalid("custom_fields.risk");
    let form = service.api().get(FORM).await.expect(200);
    assert_eq!(form["custom_fields"].as_array().map(Vec::len), Some(1));
    assert!(!form.to_string().contains("risk"), "{form}");
    assert_eq!(admin.api.get(&staffs).await.expect(200)["custom_fields"], json!({ "risk": 7, "fax": "2" }));

    // Shown from the moment it is everybody's, and hidden again.
    for hidden in [false, true] {
        admin.api.patch(&path(&risk), &json!({ "staff_only": hidden })).await.expect(200);
        let seen = anne.api.get(OWN).await.expect(200);
        assert_eq!(seen["custom_fields"]["risk"], if hidden { Value::Null } else { json!(7) });
    }
}

async fn values_stay_whose_option_is_taken_away(database: Database) {
    let (service, admin) = with_clients(database).await;
    let (anne, mary) = (registered(&service, "anne").await, registered(&service, "mary").await);
    let options = json!({ "options": ["Small", "Large"] });
    let plan = made(&admin.api, "plan", "select", options).await;
    set(&anne.api, OWN, &json!({ "plan": "Large" })).await.expect(200);
    admin.api.patch(&path(&plan), &json!({ "options": ["Small", "Medium"] })).await.expect(200);
    assert_eq!(anne.api.get(OWN).await.expect(200)["custom_fields"], json!({ "plan": "Large" }));
    // A form that sends everything back as it was is taken.
    let answer = anne.api.patch(OWN, &json!({ "phone": "1", "custom_fields": { "plan": "Large" } })).await;
    assert_eq!(answer.expect(200)["custom_fields"], json!({ "plan": "Large" }));
    set(&mary.api, OWN, &json!({ "plan": "Large" })).await.invalid("custom_fields.plan");
    set(&anne.api, OWN, &json!({ "plan": "Medium" })).await.expect(200);
    set(&anne.api, OWN, &json!({ "plan": "Large" })).await.invalid("custom_fields.plan");
    let last = events(&service, "account.edited").await.pop().expect("a change");
    assert_eq!(
        last["changed"],
        json!([{ "field": "custom_fields.plan", "before": "Large", "after": "Medium", "personal": true }])
    );
}

async fn an_order_names_every_field_once(database: Database) {
    let (service, admin) = with_clients(database).await;
    let mut ids = Vec::new();
    for slug in ["a", "b", "c", "d"] {
        ids.push(made(&admin.api, slug, "text", json!({})).await["id"].clone());
    }
    let [a, b, c, d] = [0, 1, 2, 3].map(|n: usize| ids[n].clone());
    let put = async |ids: Value| admin.api.json(Method::PUT, ORDER, &json!({ "ids": ids })).await;
    put(json!([d, b, a, c])).await.expect(204);
    assert_eq!(slugs(&admin.api).await, ["d", "b", "a", "c"]);
    let form = service.api().get(FORM).await.expect(200);
    assert_eq!([&form["custom_fields"][0]["slug"], &form["custom_fields"][3]["slug"]], ["d", "c"]);
    let edited = events(&service, "system.custom_field_edited").await;
    assert_eq!(edited.len(), 3, "b stays where it is");
    let moved = edited.iter().find(|one| one["slug"] == "d").expect("d moved");
    assert_eq!(moved["changed"], json!([{ "field": "position", "before": 3, "after": 0 }]));
    put(json!([d, b, a, c])).await.expect(204);

    let wrong = put(json!([d, b, d, NOBODY])).await;
    for field in ["ids.2", "ids.3", "ids"] {
        wrong.invalid(field);
    }
    for (field, ids) in [
        ("ids", json!([])),
        ("ids", json!([d, b, a])),
        ("ids", json!(vec![NOBODY; 101])),
        ("ids.0", json!(["d"])),
    ] {
        put(ids).await.invalid(field);
    }
    assert_eq!(slugs(&admin.api).await, ["d", "b", "a", "c"]);
    assert_eq!(events(&service, "system.custom_field_edited").await.len(), 3);

    // In pages, too; and whoever goes leaves a place that nobody misses.
    admin.api.delete(&format!("{FIELDS}/{}", b.as_str().expect("an id"))).await.expect(204);
    made(&admin.api, "e", "text", json!({})).await;
    assert_eq!(slugs(&admin.api).await, ["d", "a", "c", "e"]);
    let first = admin.api.get(&format!("{FIELDS}?limit=3&total=true")).await.expect(200);
    assert_eq!(first["total"], 4);
    let cursor = first["next_cursor"].as_str().expect("more of them");
    let rest = admin.api.get(&format!("{FIELDS}?limit=3&cursor={cursor}")).await.expect(200);
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["items"][0]["slug"]), (Some(1), &json!("e")));
    let list = admin.api.get(FIELDS).await.expect(200);
    let positions: Vec<_> =
        list["items"].as_array().expect("a list").iter().map(|one| one["position"].clone()).collect();
    assert_eq!(positions, [0, 1, 2, 3]);
}

async fn what_makes_no_field_is_refused_by_field(database: Database) {
    let (service, admin) = with_clients(database).await;
    let plan = made(&admin.api, "plan", "select", json!({ "options": ["Small"] })).await;
    let fax = made(&admin.api, "fax", "text", json!({})).await;
    let before = told(&service).await;
    for (field, value) in [
        ("slug", json!("")),
        ("slug", json!("Heard")),
        ("slug", json!("1st")),
        ("slug", json!("_x")),
        ("slug", json!("a-b")),
        ("slug", json!("a.b")),
        ("slug", json!("ä")),
        ("slug", json!(" heard")),
        ("slug", json!("x".repeat(41))),
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("x".repeat(101))),
        ("description", json!("bell\u{7}")),
        ("description", json!("x".repeat(2001))),
        ("kind", json!("file")),
        ("kind", json!("")),
        ("required", json!("yes")),
        ("staff_only", json!(1)),
        ("position", json!(0)),
        ("id", json!(NOBODY)),
        ("options", json!([])),
        ("options", json!((0..101).map(|n| format!("Option {n}")).collect::<Vec<_>>())),
        ("options.1", json!(["Small", " small "])),
        ("options.1", json!(["Small", ""])),
        ("options.0", json!(["a\nb"])),
        ("options.0", json!([7])),
    ] {
        let name = field.split('.').next().expect("a field");
        let mut body = json!({ "slug": "heard", "name": "Heard", "kind": "select", "options": ["Web"] });
        body[name] = value.clone();
        admin.api.post(FIELDS, &body).await.invalid(field);
        // Slug and kind are fixed.
        admin.api.patch(&path(&plan), &json!({ name: value })).await.invalid(field);
    }
    let body = json!({ "slug": "heard", "name": "Heard", "kind": "text", "options": ["Web"] });
    admin.api.post(FIELDS, &body).await.invalid("options");
    admin.api.patch(&path(&fax), &json!({ "options": ["Web"] })).await.invalid("options");
    for missing in ["slug", "name", "kind"] {
        let mut body = json!({ "slug": "heard", "name": "Heard", "kind": "text" });
        body.as_object_mut().expect("an object").remove(missing);
        admin.api.post(FIELDS, &body).await.invalid(missing);
    }
    for (field, value) in [("slug", json!("other")), ("kind", json!("number"))] {
        admin.api.patch(&path(&plan), &json!({ field: value })).await.invalid(field);
    }
    let taken = json!({ "slug": "plan", "name": "Another", "kind": "text" });
    admin.api.post(FIELDS, &taken).await.problem(409, "name_taken");
    assert_eq!(told(&service).await, before);
    assert_eq!(admin.api.get(FIELDS).await.expect(200)["items"], json!([plan, fax]));
}

async fn of_eight_with_one_slug_one_is_made_and_100_are_the_most(database: Database) {
    let (service, admin) = with_clients(database).await;
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let api = admin.api.clone();
        let body = json!({ "slug": "heard", "name": format!("Heard {n}"), "kind": "text" });
        racers.spawn(async move { api.post(FIELDS, &body).await });
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

    let rows: Vec<_> = (1..98)
        .map(|n| {
            let id = format!("018f0000-0000-7000-8000-{n:012}");
            format!("('{id}', 'field_{n}', 'Field', '', 'text', '[]', FALSE, FALSE, {n}, 0)")
        })
        .collect();
    service
        .execute(&format!(
            "INSERT INTO custom_fields (id, slug, name, description, kind, options, required, staff_only, position, \
             created_at) VALUES {}",
            rows.join(", ")
        ))
        .await;
    let mut racers = JoinSet::new();
    for n in 0..6 {
        let api = admin.api.clone();
        let body = json!({ "slug": format!("late_{n}"), "name": "Late", "kind": "text" });
        racers.spawn(async move { api.post(FIELDS, &body).await });
    }
    let mut taken = 0;
    for answer in racers.join_all().await {
        if answer.status == 201 {
            taken += 1;
        } else {
            answer.problem(409, "limit_reached");
        }
    }
    assert_eq!(taken, 2);
    assert_eq!(slugs(&admin.api).await.len(), 100);
}

async fn fields_want_their_permissions(database: Database) {
    let (service, admin) = with_clients(database).await;
    let viewer = colleague(&service, &admin.api, "grace", "accounts.view accounts.edit").await;
    let keeper = colleague(&service, &admin.api, "mary", "accounts.setup").await;
    let anne = registered(&service, "anne").await;
    let field = made(&admin.api, "heard", "text", json!({})).await;
    let before = told(&service).await;
    viewer.api.get(FIELDS).await.expect(200);
    let refused = keeper.api.get(FIELDS).await.problem(403, "permission_required");
    assert_eq!(refused["permission"], "accounts.view");
    service.api().get(FIELDS).await.problem(401, "login_required");
    anne.api.get(FIELDS).await.problem(401, "login_required");
    let new = json!({ "slug": "fax", "name": "Fax", "kind": "text" });
    let order = json!({ "ids": [field["id"]] });
    for answer in [
        viewer.api.post(FIELDS, &new).await,
        viewer.api.patch(&path(&field), &json!({ "required": true })).await,
        viewer.api.json(Method::PUT, ORDER, &order).await,
        viewer.api.delete(&path(&field)).await,
    ] {
        assert_eq!(answer.problem(403, "permission_required")["permission"], "accounts.setup");
    }
    // What is in them, whoever keeps accounts sets; whoever only sees them, not.
    set(&viewer.api, &account_of(&anne), &json!({ "heard": "Friend" })).await.expect(200);
    set(&keeper.api, &account_of(&anne), &json!({ "heard": "Web" }))
        .await
        .problem(403, "permission_required");
    assert_eq!(told(&service).await, before);
    keeper.api.json(Method::PUT, ORDER, &order).await.expect(204);
    keeper.api.patch(&path(&field), &json!({ "required": true })).await.expect(200);
    keeper.api.delete(&path(&field)).await.expect(204);
    keeper.api.post(FIELDS, &new).await.expect(201);
}
