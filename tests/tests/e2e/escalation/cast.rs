//! Those around somebody who climbs: above, beside and below, each with a role, a second factor, an invitation that waits,
//! and API credentials.

use super::rights::{Character, Rights};
use crate::openapi::{Operation, document};
use frontdesk_tests::{
    Database, FULL_ADMINISTRATOR, Frontdesk, Person, first_administrator, invite, joined, unique,
};
use reqwest::Method;
use serde_json::{Value, json};

/// The service, and who looks at it from outside.
pub(super) struct World {
    pub(super) service: Frontdesk,
    pub(super) ada: Person,
    pub(super) operations: Vec<Operation>,
    /// Those of the full role.
    pub(super) everything: Rights,
    /// What any operation needs.
    pub(super) needed: Rights,
}

impl World {
    pub(super) async fn on(database: Database) -> Self {
        let service = Frontdesk::running(database).await;
        let ada = first_administrator(&service).await;
        let operations = Operation::all(&document(&ada.api).await);
        let everything = role_rights(&ada, FULL_ADMINISTRATOR).await;
        let programs = operations.iter().filter(|operation| operation.is_for_programs());
        let needed = Rights::of(programs.filter_map(Operation::permission));
        Self { service, ada, operations, everything, needed }
    }

    pub(super) fn operation(&self, id: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.id() == id);
        found.unwrap_or_else(|| panic!("the document has no operation {id}"))
    }

    /// All that somebody with these rights may let programs call.
    pub(super) fn operations_within(&self, rights: &Rights) -> Vec<&str> {
        let may = |one: &&Operation| {
            one.is_for_programs() && one.permission().is_some_and(|needed| rights.has(needed))
        };
        self.operations.iter().filter(may).map(Operation::id).collect()
    }

    /// What an owner must be permitted so that programs may call these.
    pub(super) fn needed_by(&self, operations: &[&str]) -> Rights {
        Rights::of(operations.iter().filter_map(|id| self.operation(id).permission()))
    }

    /// What a program of somebody with these rights may give: what its operations need, and what none needs, like
    /// reports.
    pub(super) fn rights_of_program(&self, owner: &Rights, operations: &[&str]) -> Rights {
        let listed = self.needed_by(operations);
        let may = |word: &&str| owner.has(word) && (listed.has(word) || !self.needed.has(word));
        Rights::of(self.everything.words().filter(may))
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        self.ada.api.post(path, &body).await.expect(201)
    }

    async fn make_role(&self, rights: &Rights) -> String {
        let mut body = rights.body();
        body["name"] = json!(word());
        id_of(&self.make("/v1/admin/roles", body).await)
    }

    async fn make_department(&self, member: &str) -> String {
        let id = id_of(&self.make("/v1/admin/departments", json!({ "name": word() })).await);
        let members = json!({ "members": [{ "id": member }] });
        self.ada
            .api
            .json(Method::PUT, &format!("/v1/admin/departments/{id}/members"), &members)
            .await
            .expect(200);
        id
    }

    async fn make_api_role(&self, operations: &[&str]) -> ApiRole {
        let body = json!({ "name": word(), "operations": operations });
        let id = id_of(&self.make("/v1/admin/api-roles", body).await);
        ApiRole {
            id,
            operations: operations.iter().map(|id| (*id).to_owned()).collect(),
            needs: self.needed_by(operations),
        }
    }

    async fn make_credential(&self, owner: &Person, role: &ApiRole) -> (Credential, String) {
        let body = json!({ "staff_id": owner.id, "api_role_ids": [role.id] });
        let made = self.make("/v1/admin/api-credentials", body).await;
        (
            Credential { id: id_of(&made), api_role: role.clone() },
            made["token"].as_str().expect("a secret").to_owned(),
        )
    }

    async fn member(&self, role: &str) -> Person {
        let mut person = joined(&self.ada, &self.service, &word(), json!({ "role_id": role })).await;
        person.enrol_app().await;
        person
    }
}

/// What a role permits, as a full administrator sees it.
pub(super) async fn role_rights(admin: &Person, role: &str) -> Rights {
    Rights::of_role(&admin.api.get(&format!("/v1/admin/roles/{role}")).await.expect(200))
}

#[derive(Debug, Clone)]
pub(super) struct ApiRole {
    pub(super) id: String,
    pub(super) operations: Vec<String>,
    pub(super) needs: Rights,
}

#[derive(Debug)]
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) api_role: ApiRole,
}

/// A role, and who has it.
#[derive(Debug)]
pub(super) struct Rank {
    /// As seen by the member who climbs.
    pub(super) name: &'static str,
    pub(super) role: String,
    pub(super) rights: Rights,
    pub(super) colleague: Person,
    /// Waits to be accepted.
    pub(super) invitation: String,
    pub(super) credentials: Vec<Credential>,
}

/// Whoever climbs, and those around.
pub(super) struct Cast {
    pub(super) me: Person,
    pub(super) my_role: String,
    pub(super) my_rights: Rights,
    pub(super) my_credentials: Vec<Credential>,
    /// From the highest down.
    pub(super) ranks: Vec<Rank>,
    /// A permission that I lack and that operations need.
    pub(super) lacking: String,
    /// An operation that needs it, one that I may call, none.
    pub(super) api_roles: Vec<ApiRole>,
    /// That nobody has.
    pub(super) spare_role: String,
    /// Lists nothing, and only a credential of mine has it, if I may have any.
    pub(super) my_api_role: String,
    /// One with a full administrator in it, and one with somebody who may nothing.
    pub(super) departments: Vec<(String, &'static str)>,
}

impl Cast {
    pub(super) async fn gather(world: &World, character: &Character) -> Self {
        let rights = &character.rights;
        let my_role = match &character.role {
            Some(role) => role.clone(),
            None => world.make_role(rights).await,
        };
        let lacking =
            world.needed.words().find(|word| !rights.has(word)).expect("something to climb for").to_owned();
        let api_roles = api_roles(world, rights, &lacking).await;
        let me = world.member(&my_role).await;
        let my_credentials = credentials(world, &me, rights, &api_roles).await;
        let my_api_role = world.make_api_role(&[]).await;
        credentials(world, &me, rights, std::slice::from_ref(&my_api_role)).await;
        let mut ranks = Vec::new();
        for (name, rights) in around(world, rights, &lacking) {
            let role = match name {
                "everything" => FULL_ADMINISTRATOR.to_owned(),
                "my own" => my_role.clone(),
                _ => world.make_role(&rights).await,
            };
            ranks.push(rank(world, name, role, rights, &api_roles).await);
        }
        let mut departments = Vec::new();
        for rank in ranks.iter().filter(|rank| ["everything", "nothing"].contains(&rank.name)) {
            departments.push((world.make_department(&rank.colleague.id).await, rank.name));
        }
        Self {
            me,
            my_role,
            my_rights: rights.clone(),
            my_credentials,
            ranks,
            lacking,
            api_roles,
            spare_role: world.make_role(&Rights::default()).await,
            my_api_role: my_api_role.id,
            departments,
        }
    }

    pub(super) fn rank(&self, name: &str) -> &Rank {
        self.ranks.iter().find(|rank| rank.name == name).unwrap_or_else(|| panic!("no rank {name}"))
    }

    /// A program of mine that lists whatever I may list, and what it may.
    pub(super) async fn program(&self, world: &World) -> (String, Rights) {
        let operations = world.operations_within(&self.my_rights);
        let role = world.make_api_role(&operations).await;
        let (_, secret) = world.make_credential(&self.me, &role).await;
        (secret, world.rights_of_program(&self.my_rights, &operations))
    }
}

/// The ranks around somebody with these rights, from the highest down.
fn around(world: &World, rights: &Rights, lacking: &str) -> Vec<(&'static str, Rights)> {
    let mut ranks = vec![
        ("everything", world.everything.clone()),
        ("one permission more", rights.with(lacking)),
        ("another permission", Rights::of([lacking])),
    ];
    if let Some(report) =
        world.everything.words().find(|word| word.starts_with("report:") && !rights.has(word))
    {
        let more = if report == "report:*" {
            rights.with_all_reports(&world.everything)
        } else {
            rights.with(report)
        };
        ranks.push(("one report more", more));
    }
    ranks.push(("my own", rights.clone()));
    ranks.push(("equal", rights.clone()));
    ranks.extend(rights.words().next().map(|word| ("one permission less", rights.without(word))));
    ranks.push(("nothing", Rights::default()));
    ranks
}

async fn api_roles(world: &World, rights: &Rights, lacking: &str) -> Vec<ApiRole> {
    let within = world.operations_within(rights);
    let beyond = world.operations_within(&Rights::of([lacking]));
    let mut roles = vec![world.make_api_role(&beyond[..1]).await, world.make_api_role(&[]).await];
    if let Some(first) = within.first() {
        roles.push(world.make_api_role(&[first]).await);
    }
    roles
}

/// One with each API role, for whoever may have any.
async fn credentials(world: &World, owner: &Person, rights: &Rights, roles: &[ApiRole]) -> Vec<Credential> {
    let mut credentials = Vec::new();
    if rights.has("api.access") {
        for role in roles {
            credentials.push(world.make_credential(owner, role).await.0);
        }
    }
    credentials
}

async fn rank(world: &World, name: &'static str, role: String, rights: Rights, roles: &[ApiRole]) -> Rank {
    let colleague = world.member(&role).await;
    let address = format!("{}@example.test", word());
    let invitation = invite(&world.ada.api, &address, json!({ "role_id": role })).await.id;
    let credentials = credentials(world, &colleague, &rights, roles).await;
    Rank { name, role, rights, colleague, invitation, credentials }
}

/// Nobody's yet; as names and usernames are.
pub(super) fn word() -> String {
    format!("w{}", unique())
}

pub(super) fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}
