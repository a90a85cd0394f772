//! D2: one entry of each kind of author, as the log shows it.

use frontdesk_tests::{Answer, Api, Database, User, both, guess, registered, token_of, with_clients};
use serde_json::{Value, json};

both! { an_entry_says_who_did_what_where_and_from_where }

/// What the log shows of one entry, as far as it is about who and where.
fn attribution(entry: &Value) -> Value {
    let fields = ["event", "actor", "account", "subject", "address", "request_id"];
    fields.iter().map(|field| ((*field).to_owned(), entry[*field].clone())).collect()
}

/// The one entry that fits.
async fn entry(reader: &Api, filter: &str) -> Value {
    let found = reader.get(&format!("/v1/admin/activity?{filter}")).await.expect(200);
    let [entry] = &found["items"].as_array().expect("a list")[..] else { panic!("{filter}: {found}") };
    let id = entry["id"].as_str().expect("an id");
    let alone = reader.get(&format!("/v1/admin/activity/{id}")).await.expect(200);
    assert_eq!(attribution(&alone), attribution(entry), "the same alone and in a list");
    attribution(entry)
}

fn request_id(answer: &Answer) -> &str {
    answer.header("x-request-id").expect("every answer has one")
}

/// The one entry of a request, which came from this machine.
async fn of(reader: &Api, answer: &Answer) -> Value {
    assert!(answer.status.is_success() || answer.status == 401, "{} {}", answer.status, answer.text);
    let mut entry = entry(reader, &format!("request_id={}", request_id(answer))).await;
    let entry_fields = entry.as_object_mut().expect("an object");
    assert_eq!(entry_fields.remove("request_id"), Some(json!(request_id(answer))));
    assert_eq!(entry_fields.remove("address"), Some(json!("127.0.0.1")));
    entry
}

fn nobody(kind: &str) -> Value {
    json!({ "kind": kind, "id": null, "name": null, "api_credential_id": null, "as_user": null })
}

/// An author with an id and a name, and what else they have.
fn author(kind: &str, who: &Value, more: Value) -> Value {
    let mut author = nobody(kind);
    for fields in [who, &more] {
        for (field, value) in fields.as_object().expect("an object") {
            author[field] = value.clone();
        }
    }
    author
}

async fn an_entry_says_who_did_what_where_and_from_where(database: Database) {
    let (service, admin) = with_clients(database).await;
    let ada = json!({ "id": admin.id, "name": "Ada Lovelace" });
    let staff = author("staff", &ada, json!({}));
    let user = registered(&service, "anne").await;
    let anne = json!({ "id": user.id, "name": "Anne Byron" });
    let account = json!({ "id": user.account(), "name": "anne Ltd" });
    let at_account = format!("/v1/admin/accounts/{}", user.account());

    // Frontdesk itself: the first link.
    let by_itself = entry(&admin.api, "actor_kind=system&event=invitation.created").await;
    let first = json!({ "id": "00000000-0000-7000-8000-000000000001", "name": null });
    assert_eq!(
        by_itself,
        json!({
            "event": "invitation.created", "actor": nobody("system"), "account": null, "subject": first,
            "address": null, "request_id": null,
        })
    );

    // The command line.
    let banned = service.run(&["ban", "add", "192.0.2.7"]).await;
    assert!(banned.status.success(), "{banned:?}");
    let bans = admin.api.get("/v1/admin/bans").await.expect(200);
    let ban = json!({ "id": bans["items"][0]["id"], "name": null });
    assert_eq!(
        entry(&admin.api, "actor_kind=command_line").await,
        json!({
            "event": "system.address_banned", "actor": nobody("command_line"), "account": null, "subject": ban,
            "address": null, "request_id": null,
        })
    );

    // A guest, who tried somebody's name.
    let refused = guess(&service.api(), "ada").await;
    assert_eq!(
        of(&admin.api, &refused).await,
        json!({ "event": "session.refused", "actor": nobody("guest"), "account": null, "subject": ada })
    );

    // A member of staff, and one on an account.
    let role = admin.api.post("/v1/admin/roles", &json!({ "name": "Night shift" })).await;
    let made = json!({ "id": role.expect(201)["id"], "name": null });
    assert_eq!(
        of(&admin.api, &role).await,
        json!({ "event": "role.created", "actor": staff, "account": null, "subject": made })
    );
    let edited = |author: &Value| json!({ "event": "account.edited", "actor": author, "account": account, "subject": account });
    let changed = admin.api.patch(&at_account, &json!({ "phone": "1" })).await;
    assert_eq!(of(&admin.api, &changed).await, edited(&staff));

    // A user, and one on an account.
    let by_user = author("user", &anne, json!({}));
    let changed = user.api.patch("/v1/client/me", &json!({ "language": "de" })).await;
    assert_eq!(
        of(&admin.api, &changed).await,
        json!({ "event": "user.edited", "actor": by_user, "account": null, "subject": anne })
    );
    let changed = user.api.patch("/v1/client/account", &json!({ "phone": "2" })).await;
    assert_eq!(of(&admin.api, &changed).await, edited(&by_user));

    // A member of staff as a user.
    let link = admin.api.post(&format!("{at_account}/login-as"), &json!({})).await.expect(200);
    let token = token_of(link["link"].as_str().expect("a link"));
    let came = service.api().post("/v1/public/login-as", &json!({ "token": token })).await;
    let as_user = author("staff_as_user", &ada, json!({ "as_user": anne }));
    assert_eq!(
        of(&admin.api, &came).await,
        json!({ "event": "session.started", "actor": as_user, "account": null, "subject": anne })
    );
    let there = User::from_answer(&service.api(), &came.expect(200), "");
    let changed = there.api.patch("/v1/client/account", &json!({ "phone": "3" })).await;
    assert_eq!(of(&admin.api, &changed).await, edited(&as_user));

    // A program, for its owner.
    let listed = json!({ "name": "Provisioning", "operations": ["changeAccount"] });
    let api_role = admin.api.post("/v1/admin/api-roles", &listed).await.expect(201);
    let credential = json!({ "api_role_ids": [api_role["id"]] });
    let credential = admin.api.post("/v1/admin/api-credentials", &credential).await.expect(201);
    let program = service.api().with_token(credential["token"].as_str().expect("shown once"));
    let changed = program.patch(&at_account, &json!({ "phone": "4" })).await;
    let by_program = author("program", &ada, json!({ "api_credential_id": credential["id"] }));
    assert_eq!(of(&admin.api, &changed).await, edited(&by_program));

    // Whoever looks for an author finds what each of them did, and what was done as them.
    for (whom, kinds) in
        [(&admin.id, &["program", "staff", "staff_as_user"][..]), (&user.id, &["staff_as_user", "user"])]
    {
        let found = admin.api.get(&format!("/v1/admin/activity?limit=200&actor={whom}")).await.expect(200);
        let items = found["items"].as_array().expect("a list");
        let found: std::collections::BTreeSet<_> =
            items.iter().filter_map(|entry| entry["actor"]["kind"].as_str()).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), kinds);
        let logins = items.iter().filter(|entry| entry["event"] == "session.started").count();
        assert!(logins >= 1, "logins are among it");
    }
}
