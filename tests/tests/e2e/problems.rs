//! What is refused, how it is refused, and that it is refused at all: input that no database holds, and documents that
//! keep to their own description.

use data_encoding::BASE64URL_NOPAD;
use frontdesk_tests::{
    Answer, Database, Frontdesk, PASSWORD, both, first_administrator, invite, roles, trust_this_machine,
};
use reqwest::{Method, header};
use serde_json::{Value, json};

both! {
    text_that_no_database_holds_is_refused,
    a_query_is_refused_by_the_name_of_its_parameter,
}

const LISTS: [&str; 4] =
    ["/v1/admin/staff-invitations", "/v1/admin/staff", "/v1/admin/staff/online", "/v1/admin/roles"];

/// NUL is text to JSON and none to PostgreSQL; and whatever a cursor holds, it was not us who wrote it there.
async fn text_that_no_database_holds_is_refused(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    trust_this_machine(&ada.api).await;
    for login in ["a\0b", "\0", "ada\0", "ada@example.test\0"] {
        let login = json!({ "login": login, "password": ada.password });
        guest.post("/v1/admin/session", &login).await.problem(401, "login_refused");
    }
    let password = json!({ "login": "ada", "password": "\0" });
    guest.post("/v1/admin/session", &password).await.problem(401, "login_refused");
    let lookup = json!({ "token": "\0".repeat(43) });
    guest.post("/v1/public/invitations/lookup", &lookup).await.problem(404, "invitation_unknown");
    ada.api.get("/v1/admin/staff/%00").await.problem(404, "not_found");

    let (role, _) = roles(&ada.api).await;
    for field in ["email", "username", "first_name", "last_name", "language", "role_id"] {
        let mut body = json!({ "email": "grace@example.test", "role_id": role });
        body[field] = json!("a\0b");
        ada.api.post("/v1/admin/staff-invitations", &body).await.invalid(field);
    }
    let invitation = invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace" })).await;
    for (field, value) in [("username", "gr\0ace"), ("last_name", "Hopper\0")] {
        let mut accept = json!({
            "token": invitation.token(), "username": "grace", "password": PASSWORD, "last_name": "Hopper",
        });
        accept[field] = json!(value);
        guest.post("/v1/public/invitations/accept", &accept).await.invalid(field);
    }

    let id = "00000000-0000-7000-8000-000000000001";
    for forged in
        ["5.a\0b", "5.", ".", "", "99999999999999999999.a", &format!("5.{id}\0"), &format!("x.{id}")]
    {
        let cursor = BASE64URL_NOPAD.encode(forged.as_bytes());
        for list in LISTS {
            ada.api.get(&format!("{list}?cursor={cursor}")).await.invalid("cursor");
        }
    }
    for instant in [i64::MIN, -1, 0, i64::MAX] {
        let cursor = BASE64URL_NOPAD.encode(format!("{instant}.{id}").as_bytes());
        for list in LISTS {
            ada.api.get(&format!("{list}?cursor={cursor}")).await.expect(200);
        }
    }
}

/// The field at fault is named, what was sent is not repeated.
async fn a_query_is_refused_by_the_name_of_its_parameter(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    for list in LISTS {
        for (query, field) in [
            ("limit=carrier-pigeon", "limit"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-9223372036854775809", "limit"),
            ("limit=", "limit"),
            ("limit=1&limit=2", "limit"),
            ("total=carrier-pigeon", "total"),
            ("cursor=carrier-pigeon", "cursor"),
            ("total=true&surprise=carrier-pigeon", "surprise"),
        ] {
            let refused = ada.api.get(&format!("{list}?{query}")).await;
            refused.invalid(field);
            assert!(!refused.text.contains("pigeon"), "{list}?{query}: {}", refused.text);
        }
    }
    for list in &LISTS[..2] {
        for query in [
            "state=carrier-pigeon",
            "limit=1&state=x,%20expected%20pigeon",
            "state=x:%20pigeon",
            "state=",
            "state=PENDING",
        ] {
            let refused = ada.api.get(&format!("{list}?{query}")).await;
            refused.invalid("state");
            assert!(!refused.text.contains("pigeon"), "{list}?{query}: {}", refused.text);
        }
    }
    let login = json!({ "login": "ada", "password": ada.password, "session": "carrier-pigeon" });
    let refused = service.api().post("/v1/admin/session", &login).await;
    let message = refused.invalid("session")["errors"][0]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("token") && message.contains("cookie"), "what there is: {message}");
    assert!(!refused.text.contains("pigeon"), "{}", refused.text);
}

/// Real answers, each against the schema that the API's description gives for its status.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problem_documents_are_as_described() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let (_, powerless) = roles(&ada.api).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "role_id": powerless })).await;
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper",
    });
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = guest.with_token(answer["token"].as_str().expect("a session"));
    let login = || guest.request(Method::POST, "/v1/admin/session");
    let json_body = |body: String| login().header(header::CONTENT_TYPE, "application/json").body(body);
    let unknown = "/v1/admin/staff-invitations/018f0000-0000-7000-8000-000000000000";
    let answers: Vec<(u16, Answer)> = vec![
        (400, guest.send(json_body("{".into())).await),
        (401, guest.get("/v1/admin/session").await),
        (401, guest.post("/v1/admin/session", &json!({ "login": "a", "password": "b" })).await),
        (403, grace.get("/v1/admin/staff").await),
        (404, guest.get("/nowhere").await),
        (404, ada.api.get(unknown).await),
        (405, guest.patch("/v1/admin/session", &json!({})).await),
        (409, guest.post("/v1/public/invitations/accept", &accept).await),
        // Too large for whoever is not known, and small enough to be sent before the answer comes.
        (413, guest.send(json_body(format!("\"{}\"", "a".repeat(20 * 1024)))).await),
        (415, guest.send(login().body("{}")).await),
        (422, guest.post("/v1/admin/session", &json!({ "login": 1 })).await),
        (
            422,
            ada.api.post("/v1/admin/staff-invitations", &json!({ "email": "", "role_id": powerless })).await,
        ),
    ];
    let document = guest.get("/openapi.json").await.expect(200);
    let described =
        &document["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"];
    assert!(described["required"].as_array().is_some_and(|required| required.len() >= 4), "{described}");
    for (status, answer) in answers {
        assert_eq!(answer.status, status);
        let problem = answer.any_problem();
        let misfits = misfits(&document, described, &problem, "problem");
        assert!(misfits.is_empty(), "{misfits:?} in {problem}");
        assert_eq!(problem["permission"].is_string(), problem["code"] == "permission_required", "{problem}");
        assert_eq!(problem["errors"].is_array(), problem["code"] == "invalid", "{problem}");
    }
}

/// Where `value` is not what `schema` says; members that it does not name are misfits, too.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return misfits(document, target.expect("references lead somewhere"), value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let expected = &schema["type"];
    let fits = expected == kind || expected.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    let mut found = Vec::new();
    if !fits {
        found.push(format!("{at} is {kind}, not {expected}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => found.extend(misfits(document, schema, inner, &format!("{at}.{name}"))),
            None => found.push(format!("{at}.{name} is not described")),
        }
    }
    for inner in value.as_array().into_iter().flatten() {
        found.extend(misfits(document, &schema["items"], inner, &format!("{at}[]")));
    }
    found
}

#[test]
fn the_search_for_misfits_finds_them() {
    let schema = json!({
        "type": "object", "required": ["a"],
        "properties": { "a": { "type": ["string", "null"] }, "b": { "type": "array", "items": { "type": "integer" } } },
    });
    let count = |value: Value| misfits(&Value::Null, &schema, &value, "value").len();
    assert_eq!(count(json!({ "a": null, "b": [1, 2] })), 0);
    assert_eq!(count(json!({ "a": 1 })), 1);
    assert_eq!(count(json!({ "b": ["1", 2] })), 2);
    assert_eq!(count(json!({ "a": "", "c": "" })), 1);
    assert_eq!(count(json!([])), 2);
}
