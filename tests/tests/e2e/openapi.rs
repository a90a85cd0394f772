//! The OpenAPI document tells the truth: what it says is required is refused without, on every operation there is.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, first_administrator, invite, open_registration, registered,
    roles,
};
use reqwest::{Method, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// All that may be called without a login. Whoever adds a line here has thought about it.
const PUBLIC: [&str; 15] = [
    "GET /healthz",
    "GET /readyz",
    "GET /v1/public/account-permissions",
    "GET /v1/public/registration",
    "POST /v1/admin/session",
    "POST /v1/admin/session/second-factor",
    "POST /v1/client/register",
    "POST /v1/client/session",
    "POST /v1/client/session/second-factor",
    "POST /v1/public/invitations/accept",
    "POST /v1/public/invitations/lookup",
    "POST /v1/public/login-as",
    "POST /v1/public/password-reset",
    "POST /v1/public/password-reset/complete",
    "POST /v1/public/password-reset/lookup",
];

#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    path: String,
    about: Value,
}

impl Operation {
    pub(crate) fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().expect("paths");
        let mut operations = Vec::new();
        for (path, item) in paths {
            for (method, about) in item.as_object().expect("a path item") {
                if let Ok(method) = method.to_uppercase().parse::<Method>()
                    && about["responses"].is_object()
                {
                    operations.push(Self { method, path: path.clone(), about: about.clone() });
                }
            }
        }
        assert!(operations.len() > 15, "the document lists what the service does: {}", operations.len());
        operations
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn audience(&self) -> &str {
        self.about["x-frontdesk"]["audience"]
            .as_str()
            .unwrap_or_else(|| panic!("{} has no audience", self.name()))
    }

    pub(crate) fn id(&self) -> &str {
        self.about["operationId"].as_str().unwrap_or_else(|| panic!("{} has no operationId", self.name()))
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it answers a list page by page.
    pub(crate) fn is_paged(&self, document: &Value) -> bool {
        let parameters = self.about["parameters"].as_array().into_iter().flatten();
        self.method == Method::GET
            && parameters.map(|one| resolve(document, one)).any(|one| one["name"] == "cursor")
    }

    /// Whether it asks for the password again.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.about["x-frontdesk"]["confirmation"]
            .as_bool()
            .unwrap_or_else(|| panic!("{} does not say", self.name()))
    }

    /// The names of the events it may write.
    pub(crate) fn emits(&self) -> BTreeSet<&str> {
        let emits = self.about["x-frontdesk"]["emits"].as_array();
        let emits = emits.unwrap_or_else(|| panic!("{} does not say", self.name()));
        emits.iter().map(|name| name.as_str().expect("a name")).collect()
    }

    /// The path, with `id` where it names something; where it names several, theirs are `ID/ID`, else all are the one. Where
    /// it names nothing, `id` may be a query.
    pub(crate) fn path_of(&self, id: &str) -> String {
        if !self.path.contains('{') {
            return format!("{}{}", self.path, if id.starts_with('?') { id } else { "" });
        }
        let (mut ids, mut last) = (id.split('/'), id);
        let parts = self.path.split('/').map(|part| {
            if !part.starts_with('{') {
                return part;
            }
            last = ids.next().unwrap_or(last);
            last
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Whether API roles can list it.
    pub(crate) fn is_for_programs(&self) -> bool {
        self.about["x-frontdesk"]["api"].as_bool().unwrap_or_else(|| panic!("{} does not say", self.name()))
    }

    /// The schemes by which it can be called.
    pub(crate) fn security(&self) -> BTreeSet<&str> {
        let schemes = self.about["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        schemes.flat_map(|one| one.keys().map(String::as_str)).collect()
    }

    /// What a user needs on an account to call it: a permission's slug, or `owner`.
    pub(crate) fn account(&self) -> Option<&str> {
        self.about["x-frontdesk"]["account"].as_str()
    }

    pub(crate) fn permission(&self) -> Option<&str> {
        self.about["x-frontdesk"]["permission"].as_str()
    }

    /// Whether it works while `pending` is still to be done.
    fn is_open_despite(&self, pending: &str) -> bool {
        let despite = self.about["x-frontdesk"]["despite"].as_array();
        despite.unwrap_or_else(|| panic!("{}", self.name())).iter().any(|one| one == pending)
    }

    /// Calls it about `id`, if its path names anything, with a body unless that is null; text is sent as CSV.
    pub(crate) async fn send(&self, api: &Api, id: &str, body: &Value) -> Answer {
        let (method, path) = (self.method.clone(), self.path_of(id));
        match body {
            Value::Null => api.send(api.request(method, &path)).await,
            Value::String(csv) => {
                let request = api.request(method, &path).header(header::CONTENT_TYPE, "text/csv");
                api.send(request.body(csv.clone())).await
            }
            body => api.json(method, &path, body).await,
        }
    }

    /// With something that looks right in each placeholder.
    fn call(&self, api: &Api) -> reqwest::RequestBuilder {
        api.request(self.method.clone(), &self.path_of("018f0000-0000-7000-8000-000000000000"))
    }

    /// Bodies that no handler could make sense of.
    pub(crate) fn nonsense(&self, api: &Api) -> [reqwest::RequestBuilder; 3] {
        let garbage = || self.call(api).body("{{{ not JSON");
        [
            self.call(api),
            garbage().header(header::CONTENT_TYPE, "application/json"),
            garbage().header(header::CONTENT_TYPE, "text/plain"),
        ]
    }
}

pub(crate) async fn document(api: &Api) -> Value {
    let answer = api.get("/openapi.json").await;
    assert_eq!(answer.content_type(), "application/json");
    answer.expect(200)
}

/// In this session of that audience `pending` is still to be done: every operation answers `403 code`, whatever it is sent,
/// but those that the document excepts. Answers which these are.
pub(crate) async fn all_is_refused_but(
    api: &Api,
    audience: &str,
    pending: &str,
    code: &str,
) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for operation in Operation::all(&document(api).await) {
        if operation.audience() != audience {
            continue;
        }
        for request in operation.nonsense(api) {
            if operation.is_open_despite(pending) {
                open.insert(operation.name());
            } else {
                api.send(request).await.problem(403, code);
            }
        }
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_public_answers_without_a_login() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let guest = service.api();
    let mut public = BTreeSet::new();
    for operation in Operation::all(&document(&guest).await) {
        match operation.audience() {
            "public" => {
                assert_eq!(operation.permission(), None, "{}", operation.name());
                public.insert(operation.name());
                continue;
            }
            "staff" => assert!(operation.path.starts_with("/v1/admin/"), "{}", operation.name()),
            "client" => assert!(operation.path.starts_with("/v1/client/"), "{}", operation.name()),
            other => panic!("{} is for {other}", operation.name()),
        }
        let stranger = guest.with_token(&"A".repeat(43));
        let requests = operation.nonsense(&guest).into_iter().chain(operation.nonsense(&stranger));
        for request in requests {
            let refused = guest.send(request).await;
            refused.problem(401, "login_required");
            assert!(
                refused.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")),
                "RFC 9110"
            );
        }
    }
    assert_eq!(public, PUBLIC.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_permission_is_asked_for_before_the_body_is_looked_at() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "role_id": powerless })).await;
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper",
    });
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = guest.with_token(answer["token"].as_str().expect("a session"));

    let mut permissions = BTreeSet::new();
    for operation in Operation::all(&document(&guest).await) {
        let Some(permission) = operation.permission() else { continue };
        for request in operation.nonsense(&grace) {
            let refused = grace.send(request).await.problem(403, "permission_required");
            assert_eq!(refused["permission"], permission, "{}", operation.name());
        }
        permissions.insert(permission.to_owned());
    }
    assert!(permissions.len() >= 3, "{permissions:?}");
    grace.get("/v1/admin/session").await.expect(200);
}

/// The document keeps its word about unknown fields, in the schema and in deed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_takes_fields_that_nobody_knows() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    open_registration(&ada.api).await;
    let anne = registered(&service, "anne").await;
    let document = document(&ada.api).await;
    let mut bodies = 0;
    for operation in Operation::all(&document) {
        let body = &operation.about["requestBody"];
        if body.is_null() {
            continue;
        }
        let api = if operation.audience() == "client" { &anne.api } else { &ada.api };
        bodies += 1;
        let content = resolve(&document, body)["content"].as_object().expect("content").clone();
        if content.contains_key("text/csv") {
            let refused = api.send(operation.call(api).json(&json!({}))).await;
            refused.problem(415, "unsupported_media_type");
            continue;
        }
        assert_eq!(content.keys().collect::<Vec<_>>(), ["application/json"], "{}", operation.name());
        let mut open = Vec::new();
        open_objects(
            &document,
            &content["application/json"]["schema"],
            "body",
            &mut BTreeSet::new(),
            &mut open,
        );
        assert!(open.is_empty(), "{}: unknown fields are let through at {open:?}", operation.name());

        let refused = api.send(operation.call(api).json(&json!({ "surprise": true }))).await;
        assert!(refused.invalid("surprise").is_object(), "{}", operation.name());
    }
    assert!(bodies >= 5, "{bodies}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_described() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let document = document(&service.api()).await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut ids = BTreeSet::new();
    for operation in Operation::all(&document) {
        let (name, about) = (operation.name(), &operation.about);
        let id = about["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no operationId"));
        assert!(ids.insert(id.to_owned()), "{name}: two operations are called {id}");
        assert!(about["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        assert!(about["tags"].as_array().is_some_and(|tags| !tags.is_empty()), "{name} has no tag");
        assert!(about["x-frontdesk"]["confirmation"].is_boolean(), "{name}");
        let responses = about["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
        let failures =
            about["x-frontdesk"]["problems"].as_array().unwrap_or_else(|| panic!("{name} has no problems"));
        let says = |code: &str| failures.iter().any(|one| one == code);
        // Accepting an invitation can be done with a login or without.
        if id != "acceptInvitation" {
            assert_eq!(says("login_required"), operation.audience() != "public", "{name}");
        }
        let needs_one = operation.account().is_some_and(|needed| needed != "owner");
        // Programs need one to be there at all.
        let needs_one = needs_one || operation.permission().is_some() || operation.is_for_programs();
        assert_eq!(says("permission_required"), needs_one, "{name}");
        assert_eq!(says("owner_required"), operation.account() == Some("owner"), "{name}");
        assert_eq!(says("account_choice_required"), operation.account().is_some(), "{name}");
        assert!(
            !failures.is_empty() && !responses.contains_key("default"),
            "{name} does not list its failures"
        );
        assert!(responses.contains_key("500") && responses.contains_key("503"), "{name}");
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
            let content = resolve(&document, response)["content"].clone();
            assert!(content["application/problem+json"]["schema"].is_object(), "{name} {status}: {content}");
        }
        let placeholders = operation.path.split('/').filter(|part| part.starts_with('{')).count();
        let parameters = about["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|one| resolve(&document, one)["in"] == "path").count();
        assert_eq!(in_path, placeholders, "{name}: parameters in the path");
    }
}

/// Names of schemas are part of what generated clients are made of: none is an accident of the order of routes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_have_names_of_their_own() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let document = document(&service.api()).await;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for name in schemas.keys() {
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "two types are called {name}");
    }
}

/// The public validator for OpenAPI 3.1 has nothing to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_validator_accepts_the_document() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let document = document(&service.api()).await;
    let mut validator = Command::new(frontdesk_tests::python())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs the validator");
    let mut stdin = validator.stdin.take().expect("piped");
    stdin.write_all(document.to_string().as_bytes()).expect("it reads");
    drop(stdin);
    let outcome = validator.wait_with_output().expect("it ends");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references stay inside the document");
            resolve(
                document,
                document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")),
            )
        }
        None => value,
    }
}

/// Collects the places in a schema where an object takes any field.
fn open_objects(
    document: &Value,
    schema: &Value,
    at: &str,
    seen: &mut BTreeSet<String>,
    open: &mut Vec<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        if seen.insert(reference.to_owned()) {
            open_objects(document, resolve(document, schema), &format!("{at} ({reference})"), seen, open);
        }
        return;
    }
    let Some(schema) = schema.as_object() else {
        if *schema == json!(true) {
            open.push(at.to_owned());
        }
        return;
    };
    let is_object = schema.get("type").is_some_and(|kind| {
        kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("object")))
    });
    let closed = |name: &str| schema.get(name).is_some_and(|rule| !rule.is_null() && *rule != json!(true));
    if (is_object || schema.contains_key("properties"))
        && !closed("additionalProperties")
        && !closed("unevaluatedProperties")
    {
        open.push(at.to_owned());
    }
    nested(schema, &mut |name, inner| open_objects(document, inner, &format!("{at}.{name}"), seen, open));
}

/// Calls `visit` with every schema that stands directly inside `schema`.
fn nested(schema: &Map<String, Value>, visit: &mut dyn FnMut(&str, &Value)) {
    for keyword in ["properties", "patternProperties"] {
        for (name, inner) in schema.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            visit(name, inner);
        }
    }
    for keyword in ["allOf", "anyOf", "oneOf", "prefixItems"] {
        for inner in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            visit(keyword, inner);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
            visit(keyword, inner);
        }
    }
}

#[test]
fn the_search_for_open_objects_finds_them() {
    let document = json!({ "components": { "schemas": {
        "Closed": { "type": "object", "properties": {}, "additionalProperties": false },
        "Open": { "type": ["object", "null"], "properties": { "a": { "$ref": "#/components/schemas/Open" } } },
    } } });
    let find = |schema: Value| {
        let mut open = Vec::new();
        open_objects(&document, &schema, "body", &mut BTreeSet::new(), &mut open);
        open.len()
    };
    assert_eq!(find(json!({ "$ref": "#/components/schemas/Closed" })), 0);
    assert_eq!(find(json!({ "$ref": "#/components/schemas/Open" })), 1);
    assert_eq!(find(json!({ "type": "array", "items": { "type": "object" } })), 1);
    assert_eq!(find(json!({ "anyOf": [{ "$ref": "#/components/schemas/Closed" }, { "type": "null" }] })), 0);
    assert_eq!(find(json!({ "type": "object", "additionalProperties": { "type": "string" } })), 0);
    assert_eq!(find(json!(true)), 1);
}
