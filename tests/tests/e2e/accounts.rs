//! Accounts, as staff keep them: made for whom, changed, closed, deleted after a look at what goes with them.

use crate::{
    races::{at_once, count, only, send},
    registration::mails_to,
    staff::events,
    users::made as user,
};
use frontdesk_tests::{Api, Database, Person, both, registered, token_of, with_clients};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    an_account_is_made_with_its_owner,
    an_account_is_made_for_an_existing_user,
    accounts_are_changed_and_found,
    what_makes_no_account_is_refused_by_field,
    a_closed_account_rests,
    what_goes_with_an_account_is_seen_before,
    of_many_who_delete_one_account_one_does,
}

pub(crate) const ACCOUNTS: &str = "/v1/admin/accounts";
const NOWHERE: &str = "/v1/admin/accounts/018f0000-0000-7000-8000-000000000000";

pub(crate) fn path(account: &Value) -> String {
    format!("{ACCOUNTS}/{}", account["id"].as_str().expect("an id"))
}

fn new() -> Value {
    json!({
        "kind": "company", "name": "Analytical Engines", "first_name": "Ada", "last_name": "Byron",
        "email": "byron@example.test", "phone": "+44 20", "tax_id": "GB123", "currency": "gbp", "notes": "Pays late.",
        "address": { "line1": "12 St James's Square", "city": "London", "postcode": "SW1Y 4JH", "country": "gb" },
    })
}

/// An account of somebody at `name@example.test`.
pub(crate) async fn made(admin: &Api, name: &str) -> Value {
    let body = json!({ "first_name": "Joan", "last_name": name, "email": format!("{name}@example.test") });
    admin.post(ACCOUNTS, &body).await.expect(201)
}

async fn custom_field(admin: &Api) {
    let field = json!({ "slug": "vat_checked", "name": "VAT checked", "kind": "tick", "staff_only": true });
    admin.post("/v1/admin/custom-fields", &field).await.expect(201);
}

async fn an_account_is_made_with_its_owner(database: Database) {
    let (service, ada) = with_clients(database).await;
    custom_field(&ada.api).await;
    let group = ada.api.post("/v1/admin/account-groups", &json!({ "name": "Resellers" })).await.expect(201);
    let mut body = new();
    body["group_id"] = group["id"].clone();
    body["custom_fields"] = json!({ "vat_checked": true });
    let account = ada.api.post(ACCOUNTS, &body).await.expect(201);
    assert_eq!(
        account,
        json!({
            "id": account["id"], "owner_id": account["owner_id"], "created_at": account["created_at"],
            "link": account["link"], "status": "active", "group": { "id": group["id"], "name": "Resellers" },
            "custom_fields": { "vat_checked": true }, "notes": "Pays late.",
            "kind": "company", "name": "Analytical Engines", "first_name": "Ada", "last_name": "Byron",
            "email": "byron@example.test", "phone": "+44 20", "tax_id": "GB123", "currency": "GBP",
            "address": {
                "line1": "12 St James's Square", "line2": "", "city": "London", "region": "", "postcode": "SW1Y 4JH",
                "country": "GB",
            },
        })
    );
    assert_eq!(mails_to(&service, "byron@example.test").await, ["set_password"]);
    token_of(account["link"].as_str().expect("a link"));
    let shown = ada.api.get(&path(&account)).await.expect(200);
    assert_eq!((shown.get("link"), &shown["notes"]), (None, &json!("Pays late.")));
    let listed = ada.api.get(ACCOUNTS).await.expect(200)["items"][0].clone();
    assert_eq!(listed.get("notes"), None, "{listed}");
    assert_eq!(listed["custom_fields"], json!({ "vat_checked": true }));
    let owner =
        ada.api.get(&format!("/v1/admin/users/{}", account["owner_id"].as_str().expect("an id"))).await;
    let owner = owner.expect(200);
    assert_eq!(
        (&owner["email"], &owner["accounts"][0]["is_owner"]),
        (&json!("byron@example.test"), &json!(true))
    );
    // A second one with that address would be another user's.
    let taken = ada.api.post(ACCOUNTS, &new()).await.problem(409, "email_taken");
    assert!(taken["detail"].as_str().is_some_and(|text| text.contains("owner_user_id")), "{taken}");
    assert_eq!(events(&service, "account.created").await.len(), 1);
}

async fn an_account_is_made_for_an_existing_user(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let body = json!({ "owner_user_id": anne.id, "name": "Second" });
    let account = ada.api.post(ACCOUNTS, &body).await.expect(201);
    assert_eq!((account.get("link"), &account["owner_id"]), (None, &json!(anne.id)));
    assert_eq!((&account["email"], &account["kind"]), (&json!("anne@example.test"), &json!("person")));
    let own = anne.api.get("/v1/client/accounts").await.expect(200);
    assert_eq!(own["items"].as_array().map(Vec::len), Some(2));
    let unknown = json!({ "owner_user_id": "018f0000-0000-7000-8000-000000000000" });
    ada.api.post(ACCOUNTS, &unknown).await.invalid("owner_user_id");
    // A colleague is no user.
    ada.api.post(ACCOUNTS, &json!({ "owner_user_id": ada.id })).await.invalid("owner_user_id");
    ada.api.post(&format!("/v1/admin/users/{}/disable", anne.id), &json!({})).await.expect(204);
    ada.api.post(ACCOUNTS, &body).await.problem(409, "login_disabled");
}

async fn accounts_are_changed_and_found(database: Database) {
    let (service, ada) = with_clients(database).await;
    custom_field(&ada.api).await;
    let group = ada.api.post("/v1/admin/account-groups", &json!({ "name": "Resellers" })).await.expect(201);
    let (engines, other) = (ada.api.post(ACCOUNTS, &new()).await.expect(201), made(&ada.api, "clarke").await);
    let change = json!({
        "address": { "city": "Turin", "country": "it" }, "group_id": group["id"], "status": "inactive", "notes": "Paid.",
        "custom_fields": { "vat_checked": true },
    });
    let changed = ada.api.patch(&path(&engines), &change).await.expect(200);
    assert_eq!(changed["address"]["city"], "Turin");
    assert_eq!(changed["address"]["postcode"], "SW1Y 4JH", "what is left out stays");
    assert_eq!((&changed["status"], &changed["group"]["name"]), (&json!("inactive"), &json!("Resellers")));
    let told = events(&service, "account.edited").await;
    let fields: Vec<_> =
        told[0]["changed"].as_array().expect("changes").iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["city", "country", "group_id", "notes", "status", "custom_fields.vat_checked"]);
    assert!(!told[0].to_string().contains("Paid."), "notes are for staff only");
    ada.api.patch(&path(&engines), &change).await.expect(200);
    assert_eq!(events(&service, "account.edited").await.len(), 1, "the same again is no change");

    let found = async |query: &str| -> Vec<Value> {
        let page = ada.api.get(&format!("{ACCOUNTS}?{query}")).await.expect(200);
        page["items"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect()
    };
    let [first, second] = [&engines, &other].map(|account| account["id"].clone());
    assert_eq!(found("").await, [second.clone(), first.clone()]);
    assert_eq!(found("status=inactive").await, std::slice::from_ref(&first));
    assert_eq!(
        found(&format!("group={}", group["id"].as_str().expect("an id"))).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(found(&format!("user={}", other["owner_id"].as_str().expect("an id"))).await, [second]);
    assert_eq!(found("search=gb123+ENGINES").await, [first]);
    ada.api.get(&format!("{ACCOUNTS}?status=lost")).await.invalid("status");

    let cleared = json!({ "group_id": null, "custom_fields": { "vat_checked": null }, "status": "active" });
    let cleared = ada.api.patch(&path(&engines), &cleared).await.expect(200);
    assert_eq!((&cleared["group"], &cleared["custom_fields"]), (&Value::Null, &json!({})));
    ada.api.patch(NOWHERE, &json!({})).await.problem(404, "not_found");
}

async fn what_makes_no_account_is_refused_by_field(database: Database) {
    let (service, ada) = with_clients(database).await;
    let account = made(&ada.api, "clarke").await;
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    for (field, at, value) in [
        ("name", "name", json!(" ")),
        ("email", "email", json!("nobody")),
        ("first_name", "first_name", json!("a\nb")),
        ("address", "address.country", json!({ "country": "Germany" })),
        ("address", "address.planet", json!({ "planet": "Mars" })),
        ("currency", "currency", json!("€")),
        ("kind", "kind", json!("state")),
        ("group_id", "group_id", json!("018f0000-0000-7000-8000-000000000000")),
        ("notes", "notes", json!("bell\u{7}")),
        ("custom_fields", "custom_fields.nothing", json!({ "nothing": 1 })),
        ("surprise", "surprise", json!(true)),
    ] {
        let mut body = new();
        body[field] = value.clone();
        ada.api.post(ACCOUNTS, &body).await.invalid(at);
        ada.api.patch(&path(&account), &json!({ field: value })).await.invalid(at);
    }
    let nameless = ada.api.post(ACCOUNTS, &json!({ "name": "Nobody's" })).await;
    for field in ["email", "first_name", "last_name"] {
        nameless.invalid(field);
    }
    ada.api.patch(&path(&account), &json!({ "status": "closed" })).await.invalid("status");
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
}

async fn a_closed_account_rests(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of = format!("{ACCOUNTS}/{}", anne.account());
    for _ in 0..2 {
        ada.api.post(&format!("{of}/close"), &json!({})).await.expect(204);
    }
    assert_eq!(events(&service, "account.closed").await.len(), 1);
    assert_eq!(ada.api.get(&of).await.expect(200)["status"], "closed");
    ada.api.patch(&of, &json!({ "status": "active" })).await.problem(409, "account_closed");
    ada.api.patch(&of, &json!({ "notes": "Closed on request." })).await.expect(200);
    let invite = json!({ "email": "late@example.test", "permissions": "all" });
    ada.api.post(&format!("{of}/users"), &invite).await.problem(409, "account_closed");
    let add =
        json!({ "user_id": user(&ada.api, "joan").await["id"], "permissions": [], "send_invite": false });
    ada.api.post(&format!("{of}/users"), &add).await.problem(409, "account_closed");
    ada.api.post(&format!("{of}/reopen"), &json!({})).await.expect(204);
    ada.api.post(&format!("{of}/users"), &add).await.expect(201);
}

async fn what_goes_with_an_account_is_seen_before(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of = format!("{ACCOUNTS}/{}", anne.account());
    let preview = async || ada.api.get(&format!("{of}/deletion")).await.expect(200);
    let before = preview().await;
    assert_eq!(
        before,
        json!({
            "preview": before["preview"], "name": "anne Ltd", "users": [anne.id], "users_without_account": [anne.id],
            "contacts": 0, "open_invitations": 0,
        })
    );
    let body = json!({ "email": "late@example.test", "permissions": "all" });
    let invited = ada.api.post(&format!("{of}/invitations"), &body).await.expect(201);
    let delete = async |preview: &Value| {
        ada.api.delete(&format!("{of}?preview={}", preview["preview"].as_str().expect("a preview"))).await
    };
    delete(&before).await.problem(409, "preview_outdated");
    ada.api.delete(&of).await.invalid("preview");
    let now = preview().await;
    assert_eq!(now["open_invitations"], 1);
    delete(&now).await.expect(204);
    ada.api.get(&of).await.problem(404, "not_found");
    let lookup = json!({ "token": token_of(invited["link"].as_str().expect("a link")) });
    service.api().post("/v1/public/invitations/lookup", &lookup).await.problem(404, "invitation_unknown");
    // Whoever was on it stays a user, on no account.
    let left = ada.api.get(&format!("/v1/admin/users/{}", anne.id)).await.expect(200);
    assert_eq!(left["accounts"], json!([]));
    assert_eq!(events(&service, "account.deleted").await[0]["users"], json!([anne.id]));
}

async fn of_many_who_delete_one_account_one_does(database: Database) {
    let (service, ada) = with_clients(database).await;
    let Person { api, .. } = &ada;
    let account = made(api, "clarke").await;
    let seen = api.get(&format!("{}/deletion", path(&account))).await.expect(200);
    let delete = format!("{}?preview={}", path(&account), seen["preview"].as_str().expect("a preview"));
    let calls = (0..6).map(|_| send(api.clone(), Method::DELETE, delete.clone(), json!({})));
    let answers = at_once(calls.collect()).await;
    only(&answers, &["204 done", "404 not_found"]);
    assert_eq!(count(&answers, "204 done"), 1);
    assert_eq!(events(&service, "account.deleted").await.len(), 1);
}
