//! Who is on an account, as staff decide it: invited or put on it, allowed more or less, taken off, made the owner.

use crate::{
    accounts::ACCOUNTS,
    races::{at_once, only, send},
    registration::mails_to,
    staff::events,
    users::made as user,
};
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, User, associated, both, client_log_in, found, registered,
    token_of, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    somebody_is_invited_or_on_it_at_once,
    association_by_address_wants_a_proved_one,
    what_names_nobody_is_refused_by_field,
    permissions_hold_on_the_next_request,
    the_owner_is_fixed,
    ownership_moves_to_another_user,
    an_owner_to_be_who_is_removed_meanwhile_owns_nothing,
}

fn users(of: &User) -> String {
    format!("{ACCOUNTS}/{}/users", of.account())
}

async fn give(admin: &Api, of: &User, to: &Value) -> Answer {
    let path = format!("{ACCOUNTS}/{}/owner", of.account());
    admin.json(Method::PUT, &path, &json!({ "user_id": to })).await
}

async fn owner(admin: &Api, of: &User) -> Value {
    admin.get(&format!("{ACCOUNTS}/{}", of.account())).await.expect(200)["owner_id"].clone()
}

async fn somebody_is_invited_or_on_it_at_once(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let joan = user(&ada.api, "joan").await;
    // By default they are asked.
    let ask = json!({ "user_id": joan["id"], "permissions": ["invoices", "tickets"] });
    let asked = ada.api.post(&users(&anne), &ask).await.expect(201);
    let invitation = &asked["invitation"];
    assert_eq!((asked.get("user"), asked.get("link")), (None, None));
    assert_eq!((&invitation["email"], &invitation["state"]), (&joan["email"], &json!("pending")));
    assert_eq!(invitation["permissions"], json!(["invoices", "tickets"]));
    token_of(invitation["link"].as_str().expect("a link"));
    assert_eq!(mails_to(&service, "joan@example.test").await, ["set_password", "account_invitation"]);

    // At once, and no mail goes out.
    let add = json!({ "user_id": joan["id"], "permissions": "all", "send_invite": false });
    let added = ada.api.post(&users(&anne), &add).await.expect(201);
    assert_eq!((added.get("invitation"), added.get("link")), (None, None));
    let view = &added["user"];
    assert_eq!(
        *view,
        json!({
            "id": joan["id"], "email": "joan@example.test", "email_verified": false, "first_name": "Joan",
            "last_name": "Clarke", "disabled": false, "is_owner": false, "everything": true,
            "permissions": view["permissions"], "since": view["since"], "last_login_at": null,
        })
    );
    ada.api.post(&users(&anne), &add).await.problem(409, "on_account_already");
    ada.api.post(&users(&anne), &ask).await.problem(409, "on_account_already");

    // Somebody new gets in by the link of the answer.
    let new = json!({
        "email": "mary@example.test", "first_name": "Mary", "last_name": "Jones", "permissions": [], "send_invite": false,
    });
    let added = ada.api.post(&users(&anne), &new).await.expect(201);
    let set = json!({ "token": token_of(added["link"].as_str().expect("a link")), "password": PASSWORD });
    assert_eq!(mails_to(&service, "mary@example.test").await, [""; 0]);
    service.api().post("/v1/public/password-reset/complete", &set).await.expect(204);
    let mary = client_log_in(&service.api(), "mary@example.test", PASSWORD).await.expect(200);
    assert_eq!(mary["account"]["id"], anne.account());
    // The link was not mailed: it proves nobody's address.
    assert_eq!(mary["user"]["email_verified"], false);

    let listed = ada.api.get(&format!("{}?total=true", users(&anne))).await.expect(200);
    assert_eq!(listed["total"], 3);
    assert_eq!(found(&listed, "email", "anne@example.test").expect("the owner")["is_owner"], true);
    assert_eq!(events(&service, "account.user_added").await.len(), 3);
}

async fn association_by_address_wants_a_proved_one(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let joan = user(&ada.api, "joan").await;
    let add = json!({ "email": "Joan@example.test", "permissions": [], "send_invite": false });
    ada.api.post(&users(&anne), &add).await.problem(409, "email_unverified");
    let path = format!("/v1/admin/users/{}", joan["id"].as_str().expect("an id"));
    ada.api.patch(&path, &json!({ "email_verified": true })).await.expect(200);
    let added = ada.api.post(&users(&anne), &add).await.expect(201);
    assert_eq!(added["user"]["id"], joan["id"]);
    // Whoever cannot log in is put on nothing.
    let mary = user(&ada.api, "mary").await;
    let of = format!("/v1/admin/users/{}", mary["id"].as_str().expect("an id"));
    ada.api.post(&format!("{of}/disable"), &json!({})).await.expect(204);
    for send_invite in [true, false] {
        let add = json!({ "user_id": mary["id"], "permissions": [], "send_invite": send_invite });
        ada.api.post(&users(&anne), &add).await.problem(409, "login_disabled");
    }
}

async fn what_names_nobody_is_refused_by_field(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    let nobody = "018f0000-0000-7000-8000-000000000000";
    for (field, body) in [
        ("user_id", json!({ "permissions": "all" })),
        ("user_id", json!({ "permissions": "all", "user_id": anne.id, "email": "a@example.test" })),
        ("user_id", json!({ "permissions": "all", "user_id": nobody })),
        ("user_id", json!({ "permissions": "all", "user_id": nobody, "send_invite": false })),
        ("permissions", json!({ "email": "a@example.test" })),
        ("permissions", json!({ "email": "a@example.test", "permissions": "some" })),
        ("permissions.1", json!({ "email": "a@example.test", "permissions": ["orders", "reseller"] })),
        ("permissions", json!({ "email": "a@example.test", "permissions": vec!["orders"; 14] })),
        ("email", json!({ "email": "nobody", "permissions": [] })),
        ("first_name", json!({ "email": "a@example.test", "permissions": [], "first_name": "A" })),
        ("first_name", json!({ "email": "a@example.test", "permissions": [], "send_invite": false })),
        (
            "last_name",
            json!({ "email": "a@example.test", "permissions": [], "send_invite": false, "first_name": "A" }),
        ),
    ] {
        ada.api.post(&users(&anne), &body).await.invalid(field);
    }
    let body = json!({ "email": "a@example.test", "permissions": [] });
    ada.api.post(&format!("{ACCOUNTS}/{nobody}/users"), &body).await.problem(404, "not_found");
    ada.api.get(&format!("{ACCOUNTS}/{nobody}/users")).await.problem(404, "not_found");
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
    let catalogue = ada.api.get("/v1/admin/account-permissions").await.expect(200);
    assert_eq!(catalogue["items"].as_array().map(Vec::len), Some(13));
    assert_eq!(catalogue["items"][0]["slug"], "profile");
}

async fn permissions_hold_on_the_next_request(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let mary = associated(&service, &anne, "mary", &json!(["tickets"])).await;
    let of_mary = format!("{}/{}", users(&anne), mary.id);
    let change = json!({ "phone": "1" });
    mary.api.patch("/v1/client/account", &change).await.problem(403, "permission_required");
    let changed = ada.api.patch(&of_mary, &json!({ "permissions": ["profile"] })).await.expect(200);
    assert_eq!((&changed["permissions"], &changed["everything"]), (&json!(["profile"]), &json!(false)));
    mary.api.patch("/v1/client/account", &change).await.expect(200);
    let told = events(&service, "account.user_changed").await;
    assert_eq!((&told[0]["before"], &told[0]["after"]), (&json!(["tickets"]), &json!(["profile"])));
    ada.api.delete(&of_mary).await.expect(204);
    assert!(mary.api.get("/v1/client/account").await.status.is_client_error());
    assert!(mails_to(&service, "mary@example.test").await.contains(&"access_removed".to_owned()));
    ada.api.delete(&of_mary).await.problem(404, "not_on_account");
    ada.api.patch(&of_mary, &json!({ "permissions": [] })).await.problem(404, "not_on_account");
    // They stay a user.
    mary.api.get("/v1/client/session").await.expect(200);
}

async fn the_owner_is_fixed(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let of_anne = format!("{}/{}", users(&anne), anne.id);
    ada.api.patch(&of_anne, &json!({ "permissions": [] })).await.problem(409, "owner_fixed");
    ada.api.delete(&of_anne).await.problem(409, "owner_fixed");
    let stranger = registered(&service, "stranger").await;
    give(&ada.api, &anne, &json!(stranger.id)).await.problem(404, "not_on_account");
    give(&ada.api, &anne, &json!(ada.id)).await.problem(404, "not_on_account");
    assert_eq!(owner(&ada.api, &anne).await, anne.id);
}

async fn ownership_moves_to_another_user(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let mary = associated(&service, &anne, "mary", &json!(["tickets"])).await;
    anne.api.get("/v1/client/account/users").await.expect(200);
    let given = give(&ada.api, &anne, &json!(mary.id)).await.expect(200);
    assert_eq!(given["owner_id"], mary.id);
    let listed = ada.api.get(&users(&anne)).await.expect(200);
    for (who, is_owner) in [(&anne, false), (&mary, true)] {
        let view = found(&listed, "id", &who.id).expect("on it");
        assert_eq!((&view["is_owner"], &view["everything"]), (&json!(is_owner), &json!(true)), "{view}");
    }
    anne.api.get("/v1/client/account/users").await.problem(403, "owner_required");
    mary.api.get("/v1/client/account/users").await.expect(200);
    assert!(mails_to(&service, "mary@example.test").await.contains(&"now_owner".to_owned()));
    // Again is no change; a disabled user owns nothing new.
    give(&ada.api, &anne, &json!(mary.id)).await.expect(200);
    assert_eq!(events(&service, "account.owner_changed").await.len(), 1);
    ada.api.post(&format!("/v1/admin/users/{}/disable", anne.id), &json!({})).await.expect(204);
    give(&ada.api, &anne, &json!(anne.id)).await.problem(409, "login_disabled");
}

/// The owner is always on the account, with every permission.
async fn owners_are_on_their_accounts(service: &Frontdesk) {
    let lost = "SELECT a.id FROM accounts a LEFT JOIN account_users m ON m.account_id = a.id AND m.user_id = a.owner_id
         WHERE m.user_id IS NULL OR NOT m.everything";
    assert_eq!(service.column(lost).await, [""; 0]);
}

async fn an_owner_to_be_who_is_removed_meanwhile_owns_nothing(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    for round in 0..6 {
        let next = user(&ada.api, &format!("next{round}")).await;
        let add = json!({ "user_id": next["id"], "permissions": [], "send_invite": false });
        ada.api.post(&users(&anne), &add).await.expect(201);
        let before = owner(&ada.api, &anne).await;
        let of_next = format!("{}/{}", users(&anne), next["id"].as_str().expect("an id"));
        let to = format!("{ACCOUNTS}/{}/owner", anne.account());
        let answers = at_once(vec![
            send(ada.api.clone(), Method::PUT, to, json!({ "user_id": next["id"] })),
            send(ada.api.clone(), Method::DELETE, of_next.clone(), json!({})),
            send(ada.api.clone(), Method::PATCH, of_next, json!({ "permissions": ["orders"] })),
        ])
        .await;
        only(&answers, &["200 done", "204 done", "404 not_on_account", "409 owner_fixed"]);
        let given = answers[0].status == 200;
        assert_ne!(given, answers[1].status == 204, "one of the two: {answers:#?}");
        assert_eq!(owner(&ada.api, &anne).await, if given { next["id"].clone() } else { before });
        owners_are_on_their_accounts(&service).await;
    }
}
