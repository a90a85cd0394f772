//! Whoever is not on an account, or may not do something there, gets nowhere with its ids: every operation of the client
//! side that is an account's is tried, as the API's description lists them.

use crate::openapi::Operation;
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Person, User, associated, both, registered, with_clients,
};
use serde_json::{Value, json};

both! {
    every_operation_of_an_account_is_its_users_alone,
    every_operation_of_staff_is_not_for_users,
    ids_of_one_kind_are_none_of_another,
}

/// What an operation's path can name, on the account of `owner`.
struct Things {
    user: String,
    invitation: String,
    contact: String,
}

/// What each operation is sent. A new operation that needs an account needs a line here; the test says so.
fn body(operation: &str) -> Option<Value> {
    Some(match operation {
        "getMyAccount"
        | "listMyAccountUsers"
        | "removeMyAccountUser"
        | "listMyAccountInvitations"
        | "getMyAccountInvitation"
        | "cancelMyAccountInvitation"
        | "listMyContacts"
        | "getMyContact"
        | "deleteMyContact" => Value::Null,
        "changeMyAccount" => json!({ "phone": "666" }),
        "changeMyAccountUser" => json!({ "permissions": "all" }),
        "inviteToMyAccount" => json!({ "email": "evil@example.test", "permissions": "all" }),
        "inviteManyToMyAccount" => Value::Null,
        "resendMyAccountInvitation" => json!({}),
        "createMyContact" => json!({ "first_name": "Eve", "email": "eve@example.test" }),
        "changeMyContact" => json!({ "phone": "666" }),
        _ => return None,
    })
}

fn path(operation: &Operation, things: &Things) -> String {
    operation
        .path()
        .replace("{user_id}", &things.user)
        .replace("{invitation_id}", &things.invitation)
        .replace("{contact_id}", &things.contact)
}

async fn send(operation: &Operation, api: &Api, things: &Things) -> Answer {
    let body = body(operation.id()).unwrap_or_else(|| panic!("no body for {}: add a line", operation.name()));
    let path = path(operation, things);
    assert!(!path.contains('{'), "{path} names something that this test does not know");
    match body {
        Value::Null => {
            let request = api.request(operation.method().clone(), &path);
            let request = match operation.id() {
                "inviteManyToMyAccount" => request
                    .header("content-type", "text/csv")
                    .body("email,permissions\nevil@example.test,all\n"),
                _ => request,
            };
            api.send(request).await
        }
        body => api.json(operation.method().clone(), &path, &body).await,
    }
}

async fn document(service: &Frontdesk) -> Value {
    service.api().get("/openapi.json").await.expect(200)
}

/// Everything that was there, as far as an attack could have changed it.
async fn snapshot(service: &Frontdesk) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT account_id || user_id || permissions FROM account_users ORDER BY account_id, user_id",
        "SELECT id || name || phone || status || owner_id FROM accounts ORDER BY id",
        "SELECT id || expires_at || COALESCE(cancelled_at, 0) || COALESCE(accepted_at, 0) FROM invitations ORDER BY id",
        "SELECT id || email || phone FROM contacts ORDER BY id",
    ] {
        rows.extend(service.column(sql).await);
    }
    rows
}

async fn every_operation_of_an_account_is_its_users_alone(database: Database) {
    let (service, admin) = with_clients(database).await;
    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let (owner, other) = (registered(&service, "owner").await, registered(&service, "other").await);
    let mary = associated(&service, &owner, "mary", &json!(["tickets"])).await;
    let removed = removed_user(&service, &owner).await;
    let (invitation, _) = owner.invites("late@example.test", &json!([])).await;
    let contact = json!({ "first_name": "Books", "email": "books@example.test" });
    let contact = owner.api.post("/v1/client/account/contacts", &contact).await.expect(201);
    let contact = contact["id"].as_str().expect("an id").to_owned();
    let things = Things { user: mary.id.clone(), invitation, contact };

    let document = document(&service).await;
    let operations = Operation::all(&document);
    let operations: Vec<_> = operations.iter().filter(|operation| operation.account().is_some()).collect();
    assert!(operations.len() >= 14, "{}", operations.len());
    let before = snapshot(&service).await;
    for operation in &operations {
        // Somebody on the account without the permission, and without owning it.
        let lacks = send(operation, &mary.api, &things).await;
        let problem = lacks.any_problem();
        assert_eq!(lacks.status, 403, "{}: {problem}", operation.name());
        assert_eq!(problem["allowed_permissions"], json!(["tickets"]), "{}", operation.name());
        // Somebody who was on it: their session still names the account.
        let gone = send(operation, &removed.api, &things).await;
        assert_eq!(gone.status, 403, "{}: {}", operation.name(), gone.text);
        assert_eq!(gone.body()["allowed_permissions"], json!([]), "{}", operation.name());
        // The owner of another account, where they may everything.
        if operation.path().contains('{') {
            let foreign = send(operation, &other.api, &things).await;
            assert_eq!(foreign.status, 404, "{}: {}", operation.name(), foreign.text);
        }
        assert_eq!(send(operation, &service.api(), &things).await.status, 401, "{}", operation.name());
        assert_eq!(send(operation, &admin.api, &things).await.status, 401, "{}", operation.name());
        assert_eq!(snapshot(&service).await, before, "{}", operation.name());
    }
    // And each of them works for whoever may.
    for operation in operations.iter().filter(|operation| operation.method() != "DELETE") {
        let own = send(operation, &owner.api, &things).await;
        assert!(own.status.is_success(), "{}: {} {}", operation.name(), own.status, own.text);
    }
}

/// Somebody who was taken off the account, with a session from before.
async fn removed_user(service: &Frontdesk, owner: &User) -> User {
    let user = associated(service, owner, "removed", &json!("all")).await;
    owner.api.delete(&format!("/v1/client/account/users/{}", user.id)).await.expect(204);
    user
}

async fn every_operation_of_staff_is_not_for_users(database: Database) {
    let (service, _) = with_clients(database).await;
    let owner = registered(&service, "owner").await;
    let document = document(&service).await;
    for operation in Operation::all(&document).iter().filter(|operation| operation.audience() == "staff") {
        let answer = operation.send(&owner.api, owner.account(), &Value::Null).await;
        assert_eq!(answer.status, 401, "{}", operation.name());
    }
}

/// An account's id where a user's is wanted, a user's where an account's is, and so on: nothing is found.
async fn ids_of_one_kind_are_none_of_another(database: Database) {
    let (service, admin) = with_clients(database).await;
    let (owner, other) = (registered(&service, "owner").await, registered(&service, "other").await);
    let (invitation, _) = owner.invites("late@example.test", &json!([])).await;
    let Person { api, id: staff, .. } = &admin;
    let (account, user) = (owner.account(), owner.id.as_str());
    for (method, path) in [
        ("GET", format!("/v1/admin/users/{account}")),
        ("GET", format!("/v1/admin/users/{staff}")),
        ("POST", format!("/v1/admin/users/{staff}/disable")),
        ("DELETE", format!("/v1/admin/users/{staff}")),
        ("GET", format!("/v1/admin/staff/{user}")),
        ("POST", format!("/v1/admin/staff/{user}/disable")),
        ("GET", format!("/v1/admin/accounts/{user}")),
        ("GET", format!("/v1/admin/accounts/{user}/users")),
        ("DELETE", format!("/v1/admin/accounts/{user}/users/{account}")),
        ("DELETE", format!("/v1/admin/accounts/{account}/users/{account}")),
        ("DELETE", format!("/v1/admin/accounts/{account}/users/{}", other.id)),
        ("GET", format!("/v1/admin/accounts/{}/invitations/{invitation}", other.account())),
        ("POST", format!("/v1/admin/accounts/{}/invitations/{invitation}/resend", other.account())),
        ("DELETE", format!("/v1/admin/accounts/{}/invitations/{invitation}", other.account())),
        ("GET", format!("/v1/admin/staff-invitations/{invitation}")),
        ("POST", format!("/v1/admin/staff-invitations/{invitation}/resend")),
        ("DELETE", format!("/v1/admin/staff-invitations/{invitation}")),
    ] {
        let answer = api.send(api.request(method.parse().expect("a method"), &path)).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    // An invitation of staff is none to an account.
    let staffs = frontdesk_tests::invite(api, "grace@example.test", json!({})).await;
    api.get(&format!("/v1/admin/accounts/{account}/invitations/{}", staffs.id))
        .await
        .problem(404, "invitation_unknown");
}
