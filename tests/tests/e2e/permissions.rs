//! Every operation that needs a permission asks for exactly that one, of people and of programs.
//!
//! The operations are the document's, and so is what each needs; how to make a valid request of each stands in
//! [`fixtures::FIXTURES`]. An operation that is missing there fails here by its name.

pub(crate) mod fixtures;

use crate::openapi::{Operation, document};
use crate::snapshot::{Snapshot, events};
use fixtures::{FIXTURES, Fixture, Ready, World, id_of};
use frontdesk_tests::{Api, Database, Frontdesk, Person, joined, role};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// No operation needs these: the first is asked for beside any other one, the second decides about fields.
const NO_OPERATION_NEEDS: [&str; 2] = ["api.access", "staff.notes"];

/// Bound to the session of whoever calls.
const FOR_PEOPLE: [&str; 1] = ["logInAsUser"];

/// Whether the whole walk is wanted, or what depends on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Whole,
    Successes,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_need_exactly_the_permission_of_an_operation() {
    walk_as_a_person(&World::on(Database::sqlite()).await, Walk::Whole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_need_exactly_the_permission_of_their_operation() {
    walk_as_a_program(&World::on(Database::sqlite()).await, Walk::Whole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_too() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::on(database).await;
    walk_as_a_person(&world, Walk::Successes).await;
    walk_as_a_program(&world, Walk::Successes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_with_a_permission_is_walked_through() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let document = document(&service.api()).await;
    let operations = Operation::all(&document);
    let described: BTreeSet<_> =
        operations.iter().filter(|one| one.permission().is_some()).map(Operation::id).collect();
    let walked: BTreeSet<_> = FIXTURES.iter().map(|fixture| fixture.operation).collect();
    let missing: Vec<_> = described.difference(&walked).collect();
    let gone: Vec<_> = walked.difference(&described).collect();
    assert!(missing.is_empty(), "permissions/fixtures.rs wants a line for each of {missing:?}");
    assert!(gone.is_empty(), "the document has no such operations: {gone:?}");
    assert_eq!(walked.len(), FIXTURES.len(), "each stands there once");
    for operation in operations.iter().filter(|one| one.permission().is_some()) {
        assert_eq!(operation.audience(), "staff", "{}", operation.name());
        let for_people = FOR_PEOPLE.contains(&operation.id());
        assert_eq!(operation.is_for_programs(), !for_people, "{}", operation.name());
    }
}

/// Nobody can be given a permission that does nothing, and no operation asks for one that nobody can be given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_is_what_operations_need() {
    let world = World::on(Database::sqlite()).await;
    let document = document(&world.ada.api).await;
    let operations = Operation::all(&document);
    let needed: BTreeSet<_> = operations.iter().filter_map(Operation::permission).collect();
    let catalogue = catalogue(&world.ada.api).await;
    let mut expected: BTreeSet<_> = catalogue.iter().map(String::as_str).collect();
    for slug in NO_OPERATION_NEEDS {
        assert!(expected.remove(slug), "{slug} is in the catalogue, and no operation needs it");
    }
    assert_eq!(needed, expected);
}

/// Every permission there is.
async fn catalogue(admin: &Api) -> Vec<String> {
    let listed = admin.get("/v1/admin/permissions").await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    items.iter().map(|item| item["slug"].as_str().expect("a slug").to_owned()).collect()
}

/// The operations of the document that need a permission, each with its fixture.
fn fixed(operations: &[Operation]) -> impl Iterator<Item = (&Operation, &'static Fixture, &str)> {
    operations.iter().filter_map(|operation| {
        let permission = operation.permission()?;
        let fixture = FIXTURES.iter().find(|fixture| fixture.operation == operation.id());
        Some((operation, fixture.unwrap_or_else(|| panic!("no fixture for {}", operation.id())), permission))
    })
}

/// Whoever calls, and the role that decides what they may.
#[derive(Debug)]
struct Caller {
    person: Person,
    role: String,
    catalogue: Vec<String>,
}

impl Caller {
    async fn join(world: &World, username: &str) -> Self {
        let role = role(&world.ada.api, &format!("Role of {username}"), &[]).await;
        let person = joined(&world.ada, &world.service, username, json!({ "role_id": role })).await;
        Self { person, role, catalogue: catalogue(&world.ada.api).await }
    }

    async fn may(&self, world: &World, permissions: &[&str]) {
        world.permit(&self.role, permissions).await;
    }

    async fn may_all_but(&self, world: &World, permission: &str) {
        let others: Vec<_> =
            self.catalogue.iter().map(String::as_str).filter(|one| *one != permission).collect();
        assert_eq!(others.len() + 1, self.catalogue.len(), "{permission} is in the catalogue");
        self.may(world, &others).await;
    }

    /// The last time they gave their password was long ago.
    async fn forget_the_password(&self, world: &World) {
        let sql = format!("UPDATE sessions SET confirmed_at = 0 WHERE login_id = '{}'", self.person.id);
        world.service.execute(&sql).await;
    }

    async fn give_the_password(&mut self) {
        let password = json!({ "password": self.person.password });
        let confirmed = self.person.api.post("/v1/admin/session/confirm", &password).await.expect(200);
        self.person.renewed(&confirmed);
    }
}

async fn walk_as_a_person(world: &World, walk: Walk) {
    let mut caller = Caller::join(world, "grace").await;
    let document = document(&world.ada.api).await;
    let operations = Operation::all(&document);
    for (operation, fixture, permission) in fixed(&operations) {
        let request = world.ready(operation, fixture).await;
        if walk == Walk::Whole {
            refused(world, &world.service.api(), &request, 401, "login_required").await;
            caller.may_all_but(world, permission).await;
            let why = refused(world, &caller.person.api, &request, 403, "permission_required").await;
            assert_eq!(why["permission"], permission, "{}", operation.name());
            caller.may(world, &[permission]).await;
            for also in fixture.also {
                let wanting = request.sent_by(&caller.person.api).await;
                assert!(wanting.status.is_client_error(), "{} works without {also}", operation.name());
            }
        }

        caller.may(world, &[&[permission], fixture.also].concat()).await;
        caller.forget_the_password(world).await;
        if operation.is_confirmed() {
            let before = Snapshot::take(&world.service, &world.ada.api, &operations).await;
            refused(world, &caller.person.api, &request, 403, "confirmation_required").await;
            let after = Snapshot::take(&world.service, &world.ada.api, &operations).await;
            after.is_still(&before, &operation.name());
            caller.give_the_password().await;
        }
        let done = request.sent_by(&caller.person.api).await;
        assert!(done.status.is_success(), "{}: {} {}", operation.name(), done.status, done.text);
    }
}

/// Refused for this reason, and nothing happened.
async fn refused(world: &World, api: &Api, request: &Ready<'_>, status: u16, code: &str) -> Value {
    let before = events(&world.service).await;
    let problem = request.sent_by(api).await.problem(status, code);
    assert_eq!(events(&world.service).await, before, "{request:?} was refused, and something happened");
    problem
}

/// Programs are never asked for a password, and what they may ends with what their owner may.
async fn walk_as_a_program(world: &World, walk: Walk) {
    let caller = Caller::join(world, "joan").await;
    let program = Program::of(world, &caller).await;
    let document = document(&world.ada.api).await;
    let operations = Operation::all(&document);
    for (operation, fixture, permission) in fixed(&operations).filter(|(one, ..)| one.is_for_programs()) {
        let request = world.ready(operation, fixture).await;
        program.may_call(world, operation.id()).await;
        if walk == Walk::Whole {
            for missing in [permission, "api.access"] {
                caller.may_all_but(world, missing).await;
                let why = refused(world, &program.api, &request, 403, "permission_required").await;
                assert_eq!(why["permission"], missing, "{}", operation.name());
            }
        }

        caller.may(world, &["api.access", permission]).await;
        let done = request.sent_by(&program.api).await;
        assert!(done.status.is_success(), "{}: {} {}", operation.name(), done.status, done.text);

        caller.may(world, &["api.access"]).await;
        let why = refused(world, &program.api, &request, 403, "permission_required").await;
        assert_eq!(why["permission"], permission, "{}", operation.name());
    }
}

/// A program that acts for the caller.
#[derive(Debug)]
struct Program {
    api: Api,
    api_role: String,
}

impl Program {
    async fn of(world: &World, caller: &Caller) -> Self {
        let admin = &world.ada.api;
        let listed = json!({ "name": "A program", "operations": [] });
        let api_role = id_of(&admin.post("/v1/admin/api-roles", &listed).await.expect(201));
        caller.may(world, &["api.access"]).await;
        let body = json!({ "staff_id": caller.person.id, "api_role_ids": [api_role] });
        let made = admin.post("/v1/admin/api-credentials", &body).await.expect(201);
        let api = world.service.api().with_token(text(&made, "token"));
        Self { api, api_role }
    }

    /// And nothing else.
    async fn may_call(&self, world: &World, operation: &str) {
        let path = format!("/v1/admin/api-roles/{}", self.api_role);
        world.ada.api.patch(&path, &json!({ "operations": [operation] })).await.expect(200);
    }
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}"))
}
