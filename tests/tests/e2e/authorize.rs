//! Other systems ask whose session a token is, and what a user may do.

use crate::{accounts::ACCOUNTS, users::made as user};
use frontdesk_tests::{
    Api, Database, Person, User, associated, both, colleague, registered, token_of, with_clients,
};
use serde_json::{Value, json};

both! {
    a_token_is_told_by_what_it_may,
    what_is_no_live_session_is_not_active,
    permissions_are_asked_for_one_by_one,
    it_wants_its_permission_and_no_password,
}

async fn introspect(by: &Api, token: &str) -> Value {
    by.post("/v1/admin/introspect", &json!({ "token": token })).await.expect(200)
}

async fn may(by: &Api, user: &str, account: &str, permission: &str) -> Value {
    let body = json!({ "user_id": user, "account_id": account, "permission": permission });
    by.post("/v1/admin/authorize", &body).await.expect(200)
}

async fn a_token_is_told_by_what_it_may(database: Database) {
    let (service, Person { api: ada, .. }) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let mut mary = associated(&service, &anne, "mary", &json!(["tickets", "invoices"])).await;
    let told = introspect(&ada, &mary.token).await;
    assert_eq!(
        told,
        json!({
            "active": true,
            "user": {
                "id": mary.id, "email": "mary@example.test", "email_verified": false, "first_name": "Mary",
                "last_name": "Jones", "language": told["user"]["language"],
            },
            "account_id": anne.account(), "is_owner": false, "allowed_permissions": ["invoices", "tickets"],
            "login_as": false, "pending": [], "expires_at": told["expires_at"],
        })
    );
    let owner = introspect(&ada, &anne.token).await;
    assert_eq!(
        (&owner["is_owner"], owner["allowed_permissions"].as_array().map(Vec::len)),
        (&json!(true), Some(13))
    );

    // A change holds on the next question.
    let of_mary = format!("{ACCOUNTS}/{}/users/{}", anne.account(), mary.id);
    ada.patch(&of_mary, &json!({ "permissions": [] })).await.expect(200);
    assert_eq!(introspect(&ada, &mary.token).await["allowed_permissions"], json!([]));
    ada.delete(&of_mary).await.expect(204);
    let left = introspect(&ada, &mary.token).await;
    assert_eq!((&left["active"], &left["account_id"]), (&json!(true), &Value::Null));
    // An admin who came in as somebody is told apart.
    let path = format!("{ACCOUNTS}/{}/login-as", anne.account());
    let link = ada.post(&path, &json!({})).await.expect(200);
    let token = json!({ "token": token_of(link["link"].as_str().expect("a link")) });
    let as_anne = service.api().post("/v1/public/login-as", &token).await.expect(200);
    let as_anne = User::from_answer(&service.api(), &as_anne, "");
    assert_eq!(introspect(&ada, &as_anne.token).await["login_as"], true);

    // What must be done first is named.
    let password = json!({ "password": "thimble copper 12 meadow" });
    let of_mary = format!("/v1/admin/users/{}", mary.id);
    ada.json(reqwest::Method::PUT, &format!("{of_mary}/temporary-password"), &password).await.expect(204);
    mary.password = "thimble copper 12 meadow".into();
    let back = mary.log_in(&service).await.expect(200);
    let restricted = introspect(&ada, back["token"].as_str().expect("a token")).await;
    assert_eq!((&restricted["active"], &restricted["pending"]), (&json!(true), &json!(["change_password"])));
}

async fn what_is_no_live_session_is_not_active(database: Database) {
    let (service, Person { api: ada, token: staff, .. }) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let dead = json!({ "active": false });
    for token in ["", "x", &"A".repeat(43), &staff] {
        assert_eq!(introspect(&ada, token).await, dead, "{token:?}");
    }
    // Asking is no use of it: the session is idle all the same.
    let over = format!("UPDATE sessions SET last_seen_at = 0 WHERE login_id = '{}'", anne.id);
    let other = anne.log_in(&service).await.expect(200);
    let other = other["token"].as_str().expect("a token");
    assert_eq!(introspect(&ada, other).await["active"], true);
    service.execute(&over).await;
    assert_eq!(introspect(&ada, other).await, dead);

    let back = anne.log_in(&service).await.expect(200);
    let token = back["token"].as_str().expect("a token");
    ada.post(&format!("/v1/admin/users/{}/disable", anne.id), &json!({})).await.expect(204);
    assert_eq!(introspect(&ada, token).await, dead);
    ada.post("/v1/admin/introspect", &json!({ "token": 7 })).await.invalid("token");
}

async fn permissions_are_asked_for_one_by_one(database: Database) {
    let (service, Person { api: ada, .. }) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let mary = associated(&service, &anne, "mary", &json!(["tickets"])).await;
    let allowed = json!({ "allowed": true, "allowed_permissions": ["tickets"] });
    let refused = json!({ "allowed": false, "allowed_permissions": ["tickets"] });
    let nothing = json!({ "allowed": false, "allowed_permissions": [] });
    assert_eq!(may(&ada, &mary.id, anne.account(), "tickets").await, allowed);
    assert_eq!(may(&ada, &mary.id, anne.account(), "invoices").await, refused);
    assert_eq!(may(&ada, &anne.id, anne.account(), "orders").await["allowed"], true);
    // Not on it, no such user, no such account.
    let joan = user(&ada, "joan").await;
    assert_eq!(may(&ada, joan["id"].as_str().expect("an id"), anne.account(), "tickets").await, nothing);
    assert_eq!(may(&ada, anne.account(), &mary.id, "tickets").await, nothing);
    // Disabled; closed.
    let of_mary = format!("/v1/admin/users/{}", mary.id);
    ada.post(&format!("{of_mary}/disable"), &json!({})).await.expect(204);
    assert_eq!(may(&ada, &mary.id, anne.account(), "tickets").await, nothing);
    ada.post(&format!("{of_mary}/enable"), &json!({})).await.expect(204);
    assert_eq!(may(&ada, &mary.id, anne.account(), "tickets").await, allowed);
    ada.post(&format!("{ACCOUNTS}/{}/close", anne.account()), &json!({})).await.expect(204);
    assert_eq!(may(&ada, &mary.id, anne.account(), "tickets").await, nothing);
    let body = json!({ "user_id": mary.id, "account_id": anne.account(), "permission": "reseller" });
    ada.post("/v1/admin/authorize", &body).await.invalid("permission");
}

async fn it_wants_its_permission_and_no_password(database: Database) {
    let (service, Person { api: ada, .. }) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let asker = colleague(&service, &ada, "asker", "accounts.authorize").await;
    let viewer = colleague(&service, &ada, "viewer", "accounts.view users.view").await;
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    assert_eq!(introspect(&asker.api, &anne.token).await["active"], true);
    assert_eq!(may(&asker.api, &anne.id, anne.account(), "orders").await["allowed"], true);
    let refused = viewer.api.post("/v1/admin/introspect", &json!({ "token": anne.token })).await;
    assert_eq!(refused.problem(403, "permission_required")["permission"], "accounts.authorize");
    // A user asks about nobody.
    anne.api
        .post("/v1/admin/introspect", &json!({ "token": anne.token }))
        .await
        .problem(401, "login_required");
}
