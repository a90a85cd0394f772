//! Departments: made, changed, put in order, deleted; and who is in them.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Person, both, colleague, first_administrator, joined,
};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    a_department_lives,
    names_and_addresses_are_one_departments,
    an_order_names_every_department_once,
    changes_at_once_leave_a_proper_order,
    members_come_and_go,
    nobody_decides_about_those_who_may_more,
    what_makes_no_department_is_refused_by_field,
    departments_want_their_permissions,
}

const DEPARTMENTS: &str = "/v1/admin/departments";
const ORDER: &str = "/v1/admin/departments/order";
const NOWHERE: &str = "/v1/admin/departments/018f0000-0000-7000-8000-000000000000";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

fn path(department: &Value) -> String {
    format!("{DEPARTMENTS}/{}", department["id"].as_str().expect("an id"))
}

fn members_path(department: &Value) -> String {
    format!("{}/members", path(department))
}

async fn made(api: &Api, name: &str) -> Value {
    api.post(DEPARTMENTS, &json!({ "name": name })).await.expect(201)
}

async fn put(api: &Api, path: &str, body: &Value) -> Answer {
    api.json(Method::PUT, path, body).await
}

/// What is in a list, by one field; asked for in one page and in pages of two.
async fn listed(api: &Api, path: &str, field: &str) -> Vec<Value> {
    let whole = api.get(&format!("{path}?limit=200&total=true")).await.expect(200);
    let of = |page: &Value| -> Vec<Value> {
        let items = page["items"].as_array().expect("a list");
        items.iter().map(|item| item[field].clone()).collect()
    };
    assert_eq!(whole["total"], of(&whole).len());
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=2{cursor}")).await.expect(200);
        paged.extend(of(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, of(&whole), "{path}");
    paged
}

async fn names(api: &Api) -> Vec<Value> {
    listed(api, DEPARTMENTS, "name").await
}

/// What the events of that name say, the latest last.
async fn events(service: &Frontdesk, name: &str) -> Vec<Value> {
    service.events(name).await
}

async fn event_count(service: &Frontdesk) -> usize {
    service.column("SELECT id FROM events ORDER BY id").await.len()
}

async fn a_department_lives(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    assert_eq!(names(&ada.api).await, [""; 0]);
    // Like all that changes nothing about staff it asks for no password again.
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    let new = json!({
        "name": " Billing ", "description": "Invoices.\r\nAnd refunds.", "email": "billing@example.test",
        "clients_only": true,
    });
    let billing = ada.api.post(DEPARTMENTS, &new).await.expect(201);
    let mut expected = json!({
        "id": billing["id"], "name": "Billing", "description": "Invoices.\nAnd refunds.",
        "email": "billing@example.test", "clients_only": true, "hidden": false, "position": 0, "member_count": 0,
        "created_at": billing["created_at"],
    });
    assert_eq!(billing, expected);
    assert_eq!(ada.api.get(&path(&billing)).await.expect(200), expected);
    let sales = made(&ada.api, "Sales").await;
    assert_eq!(
        [&sales["description"], &sales["email"], &sales["position"]],
        [&json!(""), &Value::Null, &json!(1)]
    );

    let change = json!({ "name": "Invoices", "email": null, "hidden": true });
    let changed = ada.api.patch(&path(&billing), &change).await.expect(200);
    for (field, value) in change.as_object().expect("an object") {
        expected[field] = value.clone();
    }
    assert_eq!(changed, expected);
    assert_eq!(ada.api.get(DEPARTMENTS).await.expect(200)["items"][0], expected);
    // What changes nothing is no event.
    ada.api.patch(&path(&billing), &change).await.expect(200);
    ada.api.patch(&path(&billing), &json!({})).await.expect(200);
    let told = events(&service, "system.department_edited").await;
    assert_eq!(
        told,
        [json!({
            "department_id": billing["id"], "name": "Invoices",
            "changed": [
                { "field": "name", "before": "Billing", "after": "Invoices" },
                { "field": "email", "before": "billing@example.test", "after": null },
                { "field": "hidden", "before": false, "after": true },
            ],
        })]
    );

    ada.api.delete(&path(&billing)).await.expect(204);
    for answer in [
        ada.api.get(&path(&billing)).await,
        ada.api.patch(&path(&billing), &change).await,
        ada.api.delete(&path(&billing)).await,
        ada.api.get(&members_path(&billing)).await,
        ada.api.get(&format!("{DEPARTMENTS}/billing")).await,
    ] {
        answer.problem(404, "not_found");
    }
    assert_eq!(ada.api.get(&path(&sales)).await.expect(200)["position"], 0, "the next one moves up");
    let made = events(&service, "system.department_created").await;
    assert_eq!(made[0], json!({ "department_id": billing["id"], "name": "Billing" }));
    let deleted = events(&service, "system.department_deleted").await;
    assert_eq!(deleted, [json!({ "department_id": billing["id"], "name": "Invoices" })]);
    let actor = "SELECT actor_id FROM events WHERE name LIKE 'system.department%'";
    assert_eq!(service.column(actor).await, [ada.id.as_str(); 4]);
}

async fn names_and_addresses_are_one_departments(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let new = json!({ "name": "Billing", "email": "Desk@example.test" });
    let billing = ada.api.post(DEPARTMENTS, &new).await.expect(201);
    let sales = made(&ada.api, "Sales").await;
    let told = event_count(&service).await;

    for body in [json!({ "name": "bILLING" }), json!({ "name": "  Billing" })] {
        ada.api.post(DEPARTMENTS, &body).await.problem(409, "name_taken");
        ada.api.patch(&path(&sales), &body).await.problem(409, "name_taken");
    }
    let email = json!({ "name": "Abuse", "email": "desk@EXAMPLE.test" });
    let refused = ada.api.post(DEPARTMENTS, &email).await.problem(409, "email_taken");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("department")), "{refused}");
    ada.api.patch(&path(&sales), &json!({ "email": "desk@example.test" })).await.problem(409, "email_taken");
    assert_eq!(event_count(&service).await, told);
    assert_eq!(names(&ada.api).await, ["Billing", "Sales"]);

    // Its own are free, a deleted one's too, and staff have theirs apart.
    ada.api
        .patch(&path(&billing), &json!({ "name": "BILLING", "email": "DESK@example.test" }))
        .await
        .expect(200);
    ada.api.delete(&path(&billing)).await.expect(204);
    ada.api.post(DEPARTMENTS, &new).await.expect(201);
    ada.api.patch(&path(&sales), &json!({ "email": "ada@example.test" })).await.expect(200);

    // Of many at once with one name, one is made.
    let attempts = (0..8).map(|_| {
        let api = ada.api.clone();
        tokio::spawn(async move { api.post(DEPARTMENTS, &json!({ "name": "Abuse" })).await })
    });
    let mut wins = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        let answer = attempt.await.expect("an answer");
        if answer.status == 201 {
            wins += 1;
        } else {
            answer.problem(409, "name_taken");
        }
    }
    assert_eq!(wins, 1);
}

async fn an_order_names_every_department_once(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut departments = Vec::new();
    for name in ["A", "B", "C", "D", "E"] {
        departments.push(made(&ada.api, name).await);
    }
    assert_eq!(names(&ada.api).await, ["A", "B", "C", "D", "E"], "new ones come last");
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|n: usize| departments[n]["id"].clone());
    put(&ada.api, ORDER, &json!({ "ids": [e, b, a, d, c] })).await.expect(204);
    assert_eq!(names(&ada.api).await, ["E", "B", "A", "D", "C"]);
    let told = events(&service, "system.department_edited").await;
    assert_eq!(told.len(), 3, "B and D stay where they are");
    let moved = told.iter().find(|one| one["department_id"] == e).expect("E moved");
    assert_eq!(moved["changed"], json!([{ "field": "position", "before": 4, "after": 0 }]));
    put(&ada.api, ORDER, &json!({ "ids": [e, b, a, d, c] })).await.expect(204);

    let wrong = put(&ada.api, ORDER, &json!({ "ids": [e, b, a, e, NOBODY] })).await;
    assert!(wrong.invalid("ids.3").is_object() && wrong.invalid("ids.4").is_object());
    let missing = wrong.invalid("ids")["errors"].as_array().expect("errors").clone();
    let messages: Vec<_> = missing.iter().filter(|error| error["field"] == "ids").collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["message"], format!("D ({}) is missing.", d.as_str().expect("an id")));
    put(&ada.api, ORDER, &json!({ "ids": [] })).await.invalid("ids");
    put(&ada.api, ORDER, &json!({ "ids": vec![NOBODY; 501] })).await.invalid("ids");
    put(&ada.api, ORDER, &json!({ "ids": ["first"] })).await.invalid("ids.0");
    put(&ada.api, ORDER, &json!({})).await.invalid("ids");
    assert_eq!(names(&ada.api).await, ["E", "B", "A", "D", "C"]);
    assert_eq!(events(&service, "system.department_edited").await.len(), 3);

    ada.api.delete(&path(&departments[1])).await.expect(204);
    made(&ada.api, "F").await;
    assert_eq!(names(&ada.api).await, ["E", "A", "D", "C", "F"]);
    assert_eq!(listed(&ada.api, DEPARTMENTS, "position").await, [0, 1, 2, 3, 4]);
}

async fn changes_at_once_leave_a_proper_order(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut ids = Vec::new();
    for name in ["A", "B", "C"] {
        ids.push(made(&ada.api, name).await["id"].clone());
    }
    let reversed: Vec<_> = ids.iter().rev().collect();
    let orders = [json!({ "ids": reversed }), json!({ "ids": [ids[1], ids[0], ids[2]] })];
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (api, order) = (ada.api.clone(), orders[n % 2].clone());
        racers.spawn(async move {
            if n < 8 {
                // Once there is another one, it names too few.
                let answer = put(&api, ORDER, &order).await;
                if answer.status != 204 {
                    answer.invalid("ids");
                }
            } else {
                made(&api, &format!("New {n}")).await;
            }
        });
    }
    racers.join_all().await;
    assert_eq!(listed(&ada.api, DEPARTMENTS, "position").await, [0, 1, 2, 3, 4, 5, 6]);
    let mut three: Vec<_> = names(&ada.api).await.drain(..3).collect();
    three.sort_by_key(ToString::to_string);
    assert_eq!(three, ["A", "B", "C"], "new ones come last");
}

async fn members_come_and_go(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (grace, joan) = (
        colleague(&service, &ada.api, "grace", "staff.view").await,
        colleague(&service, &ada.api, "joan", "staff.view").await,
    );
    let billing = made(&ada.api, "Billing").await;
    let members = members_path(&billing);
    let body =
        json!({ "members": [{ "id": grace.id }, { "id": joan.id, "notify": false }, { "id": ada.id }] });
    let answer = put(&ada.api, &members, &body).await.expect(200);
    assert_eq!([&answer["id"], &answer["member_count"]], [&billing["id"], &json!(3)]);
    service.execute(&format!("UPDATE logins SET disabled = TRUE WHERE id = '{}'", joan.id)).await;
    let shown = ada.api.get(&members).await.expect(200);
    let joans = shown["items"].as_array().expect("a list").iter().find(|one| one["username"] == "joan");
    let joans = joans.expect("joan is in it");
    assert!(joans["avatar_url"].as_str().is_some_and(|url| url.starts_with("https://")), "{joans}");
    assert_eq!(
        *joans,
        json!({
            "id": joan.id, "username": "joan", "first_name": "Grace", "last_name": "Hopper",
            "avatar_url": joans["avatar_url"], "notify": false, "disabled": true,
        })
    );
    assert_eq!(listed(&ada.api, &members, "username").await, ["joan", "grace", "ada"]);

    let body = json!({ "members": [{ "id": joan.id, "notify": true }, { "id": ada.id }] });
    put(&ada.api, &members, &body).await.expect(200);
    put(&ada.api, &members, &body).await.expect(200);
    let told = events(&service, "system.department_edited").await;
    assert_eq!(told.len(), 2, "the same list again is no change");
    let one =
        |who: &Person, notify: bool| json!({ "id": who.id, "username": who.username, "notify": notify });
    let in_order = |mut list: Vec<Value>| {
        list.sort_by_key(|one| one["id"].to_string());
        list
    };
    assert_eq!(
        told[1]["changed"],
        json!([{
            "field": "members",
            "before": in_order(vec![one(&grace, true), one(&joan, false), one(&ada, true)]),
            "after": in_order(vec![one(&joan, true), one(&ada, true)]),
        }])
    );

    // Wrong lists change nothing, and the entry at fault is named.
    let sent = async |list: Value| put(&ada.api, &members, &json!({ "members": list })).await;
    sent(json!([{ "id": grace.id }, { "id": NOBODY }])).await.invalid("members.1.id");
    sent(json!([{ "id": grace.id }, { "id": grace.id, "notify": false }])).await.invalid("members.1.id");
    sent(json!([{ "id": grace.id, "role": "boss" }])).await.invalid("members.0.role");
    sent(json!([{ "notify": true }])).await.invalid("members.0.id");
    sent(json!(vec![json!({ "id": NOBODY }); 501])).await.invalid("members");
    put(&ada.api, &format!("{NOWHERE}/members"), &json!({ "members": [] })).await.problem(404, "not_found");
    assert_eq!(listed(&ada.api, &members, "username").await, ["joan", "ada"]);
    assert_eq!(events(&service, "system.department_edited").await.len(), 2);

    // A department that goes leaves nobody behind.
    ada.api.delete(&path(&billing)).await.expect(204);
    assert_eq!(service.column("SELECT staff_id FROM department_members").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM staff").await.len(), 3);
}

async fn nobody_decides_about_those_who_may_more(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let permissions = "departments.view departments.edit";
    let mary = colleague(&service, &ada.api, "mary", permissions).await;
    let mia = colleague(&service, &ada.api, "mia", permissions).await;
    let boss = joined(&ada, &service, "boss", json!({})).await;
    let billing = made(&mary.api, "Billing").await;
    let members = members_path(&billing);
    let list = |entries: &[(&Person, bool)]| -> Value {
        let entries = entries.iter().map(|(who, notify)| json!({ "id": who.id, "notify": notify }));
        json!({ "members": entries.collect::<Vec<_>>() })
    };

    put(&mary.api, &members, &list(&[(&mia, true)])).await.expect(200);
    let told = event_count(&service).await;
    let up = put(&mary.api, &members, &list(&[(&mia, true), (&boss, true)])).await;
    up.problem(403, "beyond_own_permissions");
    let own = put(&mary.api, &members, &list(&[(&mia, true), (&mary, true)])).await.problem(409, "own_login");
    assert!(own["detail"].as_str().is_some_and(|detail| detail.contains("department")), "{own}");
    assert_eq!(event_count(&service).await, told);
    assert_eq!(listed(&mary.api, &members, "username").await, ["mia"]);

    // A full administrator puts in anybody, themselves too.
    put(&ada.api, &members, &list(&[(&mia, true), (&mary, true), (&boss, true), (&ada, true)]))
        .await
        .expect(200);
    let told = event_count(&service).await;
    for refused in [
        list(&[(&mia, true), (&mary, true), (&boss, true)]),
        list(&[(&mia, true), (&mary, true), (&boss, false), (&ada, true)]),
        list(&[]),
    ] {
        put(&mary.api, &members, &refused).await.problem(403, "beyond_own_permissions");
    }
    // Nor by taking the whole department away.
    mary.api.delete(&path(&billing)).await.problem(403, "beyond_own_permissions");
    assert_eq!(event_count(&service).await, told);

    // One's own flag and leaving are free; whoever stays as they are is no matter.
    put(&mary.api, &members, &list(&[(&mia, true), (&mary, false), (&boss, true), (&ada, true)]))
        .await
        .expect(200);
    put(&mary.api, &members, &list(&[(&boss, true), (&ada, true)])).await.expect(200);
    assert_eq!(listed(&mary.api, &members, "username").await, ["boss", "ada"]);
    mary.api.patch(&path(&billing), &json!({ "description": "Invoices" })).await.expect(200);
    put(&ada.api, &members, &list(&[(&mia, true)])).await.expect(200);
    mary.api.delete(&path(&billing)).await.expect(204);
}

async fn what_makes_no_department_is_refused_by_field(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let sales = made(&ada.api, "Sales").await;
    let told = event_count(&service).await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("  ")),
        ("name", json!("a\nb")),
        ("name", json!("a\u{0}b")),
        ("name", json!("a\u{202e}b")),
        ("name", json!("x".repeat(101))),
        ("name", json!(7)),
        ("description", json!("bell\u{7}")),
        ("description", json!("a\u{0}")),
        ("description", json!("x".repeat(2001))),
        ("email", json!("desk")),
        ("email", json!("Desk <desk@example.test>")),
        ("email", json!("desk@example.test\r\nBcc: eve@example.test")),
        ("clients_only", json!("yes")),
        ("hidden", json!(1)),
        ("position", json!(0)),
        ("id", json!(NOBODY)),
        ("member_count", json!(9)),
    ] {
        let mut body = json!({ "name": "Billing" });
        body[field] = value.clone();
        ada.api.post(DEPARTMENTS, &body).await.invalid(field);
        ada.api.patch(&path(&sales), &json!({ field: value })).await.invalid(field);
    }
    ada.api.post(DEPARTMENTS, &json!({ "email": "desk@example.test" })).await.invalid("name");
    let all = json!({ "name": "", "description": "\u{7}", "email": "x" });
    let answer = ada.api.post(DEPARTMENTS, &all).await;
    for field in ["name", "description", "email"] {
        answer.invalid(field);
    }
    ada.api.get(&format!("{DEPARTMENTS}?cursor=x")).await.invalid("cursor");
    ada.api.get(&format!("{DEPARTMENTS}?state=x")).await.invalid("state");
    assert_eq!(event_count(&service).await, told);
    assert_eq!(names(&ada.api).await, ["Sales"]);
    assert_eq!(ada.api.get(&path(&sales)).await.expect(200), sales);
}

async fn departments_want_their_permissions(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let viewer = colleague(&service, &ada.api, "grace", "departments.view").await;
    let stranger = colleague(&service, &ada.api, "joan", "staff.view staff.edit").await;
    let editor = colleague(&service, &ada.api, "mary", "departments.edit").await;
    let billing = made(&ada.api, "Billing").await;
    let (path, members) = (path(&billing), members_path(&billing));
    let told = event_count(&service).await;

    for seen in [DEPARTMENTS, &path, &members] {
        viewer.api.get(seen).await.expect(200);
        for nosy in [&stranger, &editor] {
            let refused = nosy.api.get(seen).await.problem(403, "permission_required");
            assert_eq!(refused["permission"], "departments.view");
        }
        service.api().get(seen).await.problem(401, "login_required");
    }
    let nobody = json!({ "members": [] });
    for nosy in [&viewer.api, &stranger.api] {
        for answer in [
            nosy.post(DEPARTMENTS, &json!({ "name": "Sales" })).await,
            nosy.patch(&path, &json!({ "hidden": true })).await,
            nosy.delete(&path).await,
            put(nosy, ORDER, &json!({ "ids": [billing["id"]] })).await,
            put(nosy, &members, &nobody).await,
        ] {
            let refused = answer.problem(403, "permission_required");
            assert_eq!(refused["permission"], "departments.edit");
        }
    }
    // Only what decides what colleagues see asks for the password again.
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    put(&editor.api, &members, &nobody).await.problem(403, "confirmation_required");
    assert_eq!(event_count(&service).await, told);
    editor.api.patch(&path, &json!({ "hidden": true })).await.expect(200);
    put(&editor.api, ORDER, &json!({ "ids": [billing["id"]] })).await.expect(204);
    editor.api.delete(&path).await.expect(204);
}
