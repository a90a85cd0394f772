//! C12: people of an account who do not log in, as staff and as users keep them.

use crate::staff::events;
use frontdesk_tests::{
    Api, Database, Frontdesk, User, associated, both, colleague, found, registered, with_clients,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    staff_and_users_keep_the_same_contacts,
    a_contact_gets_the_mails_it_is_set_to,
    a_contact_has_a_name_and_what_is_wrong_is_refused_by_field,
    another_accounts_contact_is_not_there,
    an_account_has_200_contacts_at_most,
    contacts_want_their_permission_on_both_sides,
    contacts_go_with_their_account,
}

const OWN: &str = "/v1/client/account/contacts";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

fn of(user: &User) -> String {
    format!("/v1/admin/accounts/{}/contacts", user.account())
}

fn one(list: &str, contact: &Value) -> String {
    format!("{list}/{}", contact["id"].as_str().expect("an id"))
}

async fn made(api: &Api, list: &str, name: &str) -> Value {
    api.post(list, &json!({ "first_name": name, "email": format!("{name}@example.test") })).await.expect(201)
}

/// The events about contacts.
async fn told(service: &Frontdesk) -> usize {
    service.column("SELECT id FROM events WHERE name LIKE 'account.contact%'").await.len()
}

async fn staff_and_users_keep_the_same_contacts(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let staffs = of(&anne);
    assert_eq!(anne.api.get(OWN).await.expect(200)["items"], json!([]));
    let new = json!({
        "first_name": " Mary ", "last_name": "Jones", "company_name": "Jones  & Sons", "email": " Books@Example.test",
        "phone": "+44 20 7946 0000", "emails": ["invoice"],
    });
    let mary = anne.api.post(OWN, &new).await.expect(201);
    let mut expected = json!({
        "id": mary["id"], "first_name": "Mary", "last_name": "Jones", "company_name": "Jones & Sons",
        "email": "Books@Example.test", "phone": "+44 20 7946 0000", "emails": ["invoice"],
        "created_at": mary["created_at"],
    });
    assert_eq!(mary, expected);
    for (api, list) in [(&admin.api, staffs.as_str()), (&anne.api, OWN)] {
        assert_eq!(api.get(&one(list, &mary)).await.expect(200), expected);
        assert_eq!(api.get(list).await.expect(200)["items"], json!([expected]));
    }

    let change = json!({ "last_name": "", "phone": "", "email": "mary@example.test" });
    let changed = admin.api.patch(&one(&staffs, &mary), &change).await.expect(200);
    for (field, value) in change.as_object().expect("an object") {
        expected[field] = value.clone();
    }
    assert_eq!(changed, expected);
    assert_eq!(anne.api.get(&one(OWN, &mary)).await.expect(200), expected);
    // What changes nothing is no event.
    anne.api.patch(&one(OWN, &mary), &change).await.expect(200);
    anne.api.patch(&one(OWN, &mary), &json!({})).await.expect(200);
    assert_eq!(
        events(&service, "account.contact_edited").await,
        [json!({
            "account_id": anne.account(), "contact_id": mary["id"],
            "changed": [
                { "field": "last_name", "before": "Jones", "after": "", "personal": true },
                { "field": "email", "before": "Books@Example.test", "after": "mary@example.test", "personal": true },
                { "field": "phone", "before": "+44 20 7946 0000", "after": "", "personal": true },
            ],
        })]
    );

    // One address may be several people's, and a user's too.
    let other = json!({ "company_name": "Anne Ltd", "email": "anne@example.test" });
    let second = admin.api.post(&staffs, &other).await.expect(201);
    let third = admin.api.post(&staffs, &other).await.expect(201);
    assert_eq!((&second["first_name"], &second["emails"]), (&json!(""), &json!([])));
    let first = anne.api.get(&format!("{OWN}?limit=2&total=true")).await.expect(200);
    assert_eq!((&first["items"], &first["total"]), (&json!([third, second]), &json!(3)));
    let cursor = first["next_cursor"].as_str().expect("more of them");
    let rest = anne.api.get(&format!("{OWN}?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((&rest["items"], &rest["next_cursor"]), (&json!([expected]), &Value::Null));

    anne.api.delete(&one(OWN, &second)).await.expect(204);
    admin.api.delete(&one(&staffs, &mary)).await.expect(204);
    for contact in [&mary, &second] {
        for (api, list) in [(&admin.api, staffs.as_str()), (&anne.api, OWN)] {
            api.get(&one(list, contact)).await.problem(404, "not_found");
            api.patch(&one(list, contact), &change).await.problem(404, "not_found");
            api.delete(&one(list, contact)).await.problem(404, "not_found");
        }
    }
    assert_eq!(anne.api.get(OWN).await.expect(200)["items"], json!([third]));
    let made = &events(&service, "account.contact_created").await[0];
    let of_mary =
        |email: &str| json!({ "account_id": anne.account(), "contact_id": mary["id"], "email": email });
    assert_eq!(*made, of_mary("Books@Example.test"));
    let gone = &events(&service, "account.contact_deleted").await[1];
    assert_eq!(*gone, of_mary("mary@example.test"));
    let actors = "SELECT actor_id FROM events WHERE name LIKE 'account.contact%' ORDER BY at, id";
    let (staff, user) = (admin.id.as_str(), anne.id.as_str());
    assert_eq!(service.column(actors).await, [user, staff, staff, staff, user, staff]);
    // A contact is no login, and gets no mail by being added.
    service
        .api()
        .post("/v1/client/session", &json!({ "login": "mary@example.test", "password": "x" }))
        .await
        .problem(401, "login_refused");
    let mails =
        "SELECT id FROM deliveries WHERE recipient_address LIKE '%mary%' OR recipient_address LIKE 'Books%'";
    assert_eq!(service.column(mails).await, [""; 0]);
}

async fn a_contact_gets_the_mails_it_is_set_to(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let every = ["general", "invoice", "support", "product", "domain", "affiliate"];
    let backwards: Vec<_> = every.iter().rev().chain(["support"].iter()).collect();
    let new = json!({ "first_name": "Mary", "email": "mary@example.test", "emails": backwards });
    let mary = anne.api.post(OWN, &new).await.expect(201);
    assert_eq!(mary["emails"], json!(every), "each once, in their order");
    let path = one(&of(&anne), &mary);
    for emails in [json!(["affiliate", "general"]), json!([]), json!(["product"])] {
        let changed = admin.api.patch(&path, &json!({ "emails": emails })).await.expect(200);
        let mut set: Vec<_> = changed["emails"].as_array().expect("a list").clone();
        set.sort_by_key(ToString::to_string);
        assert_eq!(json!(set), emails);
        assert_eq!(admin.api.get(&path).await.expect(200)["emails"], changed["emails"]);
    }
    let told = events(&service, "account.contact_edited").await;
    let change =
        |before: Value, after: Value| json!([{ "field": "emails", "before": before, "after": after }]);
    assert_eq!(
        told.iter().map(|one| one["changed"].clone()).collect::<Vec<_>>(),
        [
            change(json!(every), json!(["general", "affiliate"])),
            change(json!(["general", "affiliate"]), json!([])),
            change(json!([]), json!(["product"])),
        ]
    );
    for wrong in [json!(["newsletter"]), json!(["general", "Invoice"]), json!("all"), json!([1]), json!([""])]
    {
        let field = wrong.as_array().map_or("emails".into(), |list| format!("emails.{}", list.len() - 1));
        let mut body = new.clone();
        body["emails"] = wrong.clone();
        anne.api.post(OWN, &body).await.invalid(&field);
        admin.api.patch(&path, &json!({ "emails": wrong })).await.invalid(&field);
    }
    assert_eq!(admin.api.get(&path).await.expect(200)["emails"], json!(["product"]));
}

async fn a_contact_has_a_name_and_what_is_wrong_is_refused_by_field(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let staffs = of(&anne);
    let mary = made(&anne.api, OWN, "mary").await;
    let before = told(&service).await;
    for (field, value) in [
        ("first_name", json!("a\nb")),
        ("first_name", json!("x".repeat(101))),
        ("last_name", json!("a\u{0}")),
        ("last_name", json!("a\u{202e}b")),
        ("company_name", json!("x".repeat(101))),
        ("company_name", json!("a\u{200b}b")),
        ("email", json!("")),
        ("email", json!("mary")),
        ("email", json!("Mary <mary@example.test>")),
        ("email", json!("mary@example.test\r\nBcc: eve@example.test")),
        ("phone", json!("1\n2")),
        ("phone", json!("1".repeat(201))),
        ("phone", json!(112)),
        ("account_id", json!(NOBODY)),
        ("id", json!(NOBODY)),
        ("password", json!("quartz lantern")),
    ] {
        let mut body = json!({ "first_name": "Mary", "email": "mary@example.test" });
        body[field] = value.clone();
        for (api, list) in [(&admin.api, staffs.as_str()), (&anne.api, OWN)] {
            api.post(list, &body).await.invalid(field);
            api.patch(&one(list, &mary), &json!({ field: value })).await.invalid(field);
        }
    }
    anne.api.post(OWN, &json!({ "first_name": "Mary" })).await.invalid("email");
    let nameless = json!({ "email": "mary@example.test", "last_name": "  " });
    anne.api.post(OWN, &nameless).await.invalid("first_name");
    let last = json!({ "first_name": " " });
    admin.api.patch(&one(&staffs, &mary), &last).await.invalid("first_name");
    // Everything that is wrong is said at once.
    let wrong = anne.api.post(OWN, &json!({ "email": "x", "phone": "\u{7}" })).await;
    for field in ["first_name", "email", "phone"] {
        wrong.invalid(field);
    }
    assert_eq!(told(&service).await, before);
    assert_eq!(anne.api.get(&one(OWN, &mary)).await.expect(200), mary);
    // Any one of the three names does.
    let change = json!({ "first_name": "", "company_name": "Jones Ltd" });
    anne.api.patch(&one(OWN, &mary), &change).await.expect(200);
}

async fn another_accounts_contact_is_not_there(database: Database) {
    let (service, admin) = with_clients(database).await;
    let (mut anne, eve) = (registered(&service, "anne").await, registered(&service, "eve").await);
    let mary = made(&anne.api, OWN, "mary").await;
    let before = told(&service).await;
    let change = json!({ "email": "eve@example.test" });
    let (elsewhere, nowhere) = (of(&eve), format!("/v1/admin/accounts/{NOBODY}/contacts"));
    for (api, list) in [(&eve.api, OWN), (&admin.api, elsewhere.as_str()), (&admin.api, nowhere.as_str())] {
        // As one that never was.
        let unknown = api.get(&format!("{list}/{NOBODY}")).await.problem(404, "not_found");
        let seen = api.get(&one(list, &mary)).await.problem(404, "not_found");
        assert_eq!(seen["detail"], unknown["detail"]);
        api.patch(&one(list, &mary), &change).await.problem(404, "not_found");
        api.delete(&one(list, &mary)).await.problem(404, "not_found");
    }
    eve.api.get(&format!("{OWN}/mary")).await.problem(404, "not_found");
    admin.api.get(&nowhere).await.problem(404, "not_found");
    let new = json!({ "first_name": "Mary", "email": "mary@example.test" });
    admin.api.post(&nowhere, &new).await.problem(404, "not_found");
    assert_eq!(eve.api.get(OWN).await.expect(200)["items"], json!([]));

    // Nor on another account of the same user.
    let first = anne.account().to_owned();
    let second = anne.api.post("/v1/client/accounts", &json!({ "name": "Second Ltd" })).await.expect(201);
    anne.choose(second["id"].as_str().expect("an id")).await;
    anne.api.get(&one(OWN, &mary)).await.problem(404, "not_found");
    anne.choose(&first).await;
    assert_eq!(anne.api.get(&one(OWN, &mary)).await.expect(200), mary);
    assert_eq!(told(&service).await, before);
}

async fn an_account_has_200_contacts_at_most(database: Database) {
    let (service, admin) = with_clients(database).await;
    let (anne, eve) = (registered(&service, "anne").await, registered(&service, "eve").await);
    let rows: Vec<_> = (0..197)
        .map(|n| {
            let (id, account) = (format!("018f0000-0000-7000-8000-{n:012}"), anne.account());
            format!("('{id}', '{account}', 'N', '', '', 'n@example.test', 'n@example.test', '', '', 0)")
        })
        .collect();
    service
        .execute(&format!(
            "INSERT INTO contacts (id, account_id, first_name, last_name, company_name, email, email_folded, phone, \
             emails, created_at) VALUES {}",
            rows.join(", ")
        ))
        .await;
    // Of many at once, from both sides, those that fit come in.
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let (api, list) =
            if n % 2 == 0 { (admin.api.clone(), of(&anne)) } else { (anne.api.clone(), OWN.into()) };
        let body = json!({ "first_name": "Mary", "email": "mary@example.test" });
        racers.spawn(async move { api.post(&list, &body).await });
    }
    let mut last = Value::Null;
    let mut taken = 0;
    for answer in racers.join_all().await {
        if answer.status == 201 {
            taken += 1;
            last = answer.body();
        } else {
            let refused = answer.problem(409, "limit_reached");
            assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("200")), "{refused}");
        }
    }
    assert_eq!(taken, 3);
    assert_eq!(anne.api.get(&format!("{OWN}?limit=1&total=true")).await.expect(200)["total"], 200);
    assert_eq!(told(&service).await, 3);
    // Changing goes on, so does another account, and what is deleted makes room.
    anne.api.patch(&one(OWN, &last), &json!({ "phone": "1" })).await.expect(200);
    made(&eve.api, OWN, "mary").await;
    anne.api.delete(&one(OWN, &last)).await.expect(204);
    made(&anne.api, OWN, "mary").await;
    let body = json!({ "first_name": "Mary", "email": "mary@example.test" });
    anne.api.post(OWN, &body).await.problem(409, "limit_reached");
}

async fn contacts_want_their_permission_on_both_sides(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let keeper = associated(&service, &anne, "keeper", &json!(["contacts"])).await;
    let stranger = associated(&service, &anne, "stranger", &json!(["profile", "tickets"])).await;
    let contact = made(&keeper.api, OWN, "mary").await;
    assert!(found(&keeper.api.get(OWN).await.expect(200), "first_name", "mary").is_some());
    let path = one(OWN, &contact);
    let body = json!({ "first_name": "Eve", "email": "eve@example.test" });
    let before = told(&service).await;
    let all = async |api: &Api, list: &str| {
        let path = one(list, &contact);
        [
            api.get(list).await,
            api.get(&path).await,
            api.post(list, &body).await,
            api.patch(&path, &body).await,
            api.delete(&path).await,
        ]
    };
    for answer in all(&stranger.api, OWN).await {
        let refused = answer.problem(403, "permission_required");
        assert_eq!(refused["permission"], "contacts");
        assert_eq!(refused["allowed_permissions"], json!(["profile", "tickets"]));
    }
    for answer in all(&service.api(), OWN).await {
        answer.problem(401, "login_required");
    }
    keeper.api.patch(&path, &json!({ "phone": "1" })).await.expect(200);
    // Whoever may keep them, may nothing else.
    let refused = keeper.api.get("/v1/client/account").await.problem(403, "permission_required");
    assert_eq!(refused["permission"], "profile");

    let staffs = of(&anne);
    let viewer = colleague(&service, &admin.api, "grace", "accounts.view").await;
    let editor = colleague(&service, &admin.api, "mia", "accounts.edit").await;
    for (n, answer) in all(&viewer.api, &staffs).await.into_iter().enumerate() {
        if n < 2 {
            answer.expect(200);
        } else {
            assert_eq!(answer.problem(403, "permission_required")["permission"], "accounts.edit");
        }
    }
    editor.api.get(&staffs).await.problem(403, "permission_required");
    editor.api.patch(&one(&staffs, &contact), &json!({ "phone": "2" })).await.expect(200);
    assert_eq!(told(&service).await, before + 2);
}

async fn contacts_go_with_their_account(database: Database) {
    let (service, admin) = with_clients(database).await;
    let (anne, eve) = (registered(&service, "anne").await, registered(&service, "eve").await);
    made(&anne.api, OWN, "mary").await;
    let kept = made(&eve.api, OWN, "mary").await;
    let account = format!("/v1/admin/accounts/{}", anne.account());
    // A closed one keeps them, for staff.
    admin.api.post(&format!("{account}/close"), &json!({})).await.expect(204);
    assert!(!anne.api.get(OWN).await.status.is_success());
    assert_eq!(admin.api.get(&of(&anne)).await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    let preview = admin.api.get(&format!("{account}/deletion")).await.expect(200);
    assert_eq!(preview["contacts"], 1);
    let preview = preview["preview"].as_str().expect("a preview's name");
    admin.api.delete(&format!("{account}?preview={preview}")).await.expect(204);
    admin.api.get(&of(&anne)).await.problem(404, "not_found");
    let left = service.column("SELECT id FROM contacts").await;
    assert_eq!(left, [kept["id"].as_str().expect("an id")]);
}
