//! Nobody ends with more than they began with, whatever they try: by their own role, a colleague's password, a new role,
//! an invitation, an API role, a credential, a duplicate, the removal of a second factor, or an accomplice.
//!
//! Roles as shipped and roles drawn by chance try everything in [`attempts`], as people and as programs. What may succeed
//! follows from sets of permissions that the test keeps itself; what they can do in the end is counted from outside.

mod attempts;
mod cast;
mod rights;

use crate::snapshot::{Snapshot, events, settle};
use attempts::{Attempt, attempts, favours};
use cast::{Cast, Rank, World, id_of, role_rights, word};
use frontdesk_tests::{Answer, Api, Database, PASSWORD, log_in, log_in_as, token_of, unique};
use rights::{Character, Rights, drawn};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Another one draws other roles.
const SEED: u64 = 20_260_101;
const DRAWN: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shipped_roles_stay_what_they_are() {
    let world = World::on(Database::sqlite()).await;
    for name in ["Sales", "Support"] {
        climb_in_person(&world, &shipped(&world, name).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_in_drawn_roles_come_to_no_more() {
    let world = World::on(Database::sqlite()).await;
    let mut worked = BTreeSet::new();
    for character in drawn(SEED, DRAWN, &world.everything, &world.needed) {
        worked.extend(climb_in_person(&world, &character).await);
    }
    // Else nothing would be shown by what is refused.
    assert_eq!(worked, tried(&world).await, "each is allowed to somebody within their own permissions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_drawn_roles_come_to_no_more() {
    let world = World::on(Database::sqlite()).await;
    let mut worked = BTreeSet::new();
    for character in drawn(SEED, DRAWN, &world.everything, &world.needed) {
        worked.extend(climb_by_program(&world, &character).await);
    }
    assert_eq!(worked, tried(&world).await, "each is allowed to some program within its own permissions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_too() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::on(database).await;
    // The first one has everything but one permission.
    for character in drawn(SEED, 1, &world.everything, &world.needed) {
        climb_in_person(&world, &character).await;
        climb_by_program(&world, &character).await;
    }
}

async fn shipped(world: &World, name: &str) -> Character {
    let roles = world.ada.api.get("/v1/admin/roles?limit=200").await.expect(200);
    let roles = roles["items"].as_array().expect("a list");
    let role = roles.iter().find(|role| role["name"] == name).unwrap_or_else(|| panic!("{name} is shipped"));
    Character { name: name.to_owned(), rights: Rights::of_role(role), role: Some(id_of(role)) }
}

/// Every operation that is tried.
async fn tried(world: &World) -> BTreeSet<&'static str> {
    let everything =
        Character { name: "somebody".to_owned(), rights: Rights::of(["api.access"]), role: None };
    let cast = Cast::gather(world, &everything).await;
    attempts(world, &cast).iter().map(|attempt| attempt.operation).collect()
}

async fn climb_in_person(world: &World, character: &Character) -> BTreeSet<&'static str> {
    let cast = Cast::gather(world, character).await;
    let (api, rights) = (cast.me.api.clone(), character.rights.clone());
    Climb::begun(world, &character.name, cast, api, rights, false).run().await
}

async fn climb_by_program(world: &World, character: &Character) -> BTreeSet<&'static str> {
    if !character.rights.has("api.access") {
        return BTreeSet::new();
    }
    let cast = Cast::gather(world, character).await;
    let (secret, rights) = cast.program(world).await;
    let api = world.service.api().with_token(&secret);
    Climb::begun(world, &format!("a program of {}", character.name), cast, api, rights, true).run().await
}

/// One climber's way up.
struct Climb<'w> {
    world: &'w World,
    /// For whoever reads that it failed.
    name: String,
    cast: Cast,
    api: Api,
    /// What they begin with.
    rights: Rights,
    is_program: bool,
    /// Whom they could act as by now.
    reach: Vec<Reach>,
    /// Of invitations, to be accepted in the end.
    links: Vec<String>,
    /// How many there are, as far as the climber knows.
    events: String,
}

/// Somebody whose password, session or secret the climber has.
struct Reach {
    id: String,
    kind: Kind,
}

enum Kind {
    /// With a session, if the second factor did not keep them out.
    Person(Option<Api>),
    Program,
}

/// What should come of an attempt.
#[derive(Debug, PartialEq)]
enum Outcome {
    Works,
    /// With this code, and the permission that it names.
    Refused(&'static str, Option<String>),
}

impl<'w> Climb<'w> {
    fn begun(world: &'w World, name: &str, cast: Cast, api: Api, rights: Rights, is_program: bool) -> Self {
        let name = format!("{name} ({rights:?})");
        let (reach, links, events) = (Vec::new(), Vec::new(), String::new());
        Self { world, name, cast, api, rights, is_program, reach, links, events }
    }

    /// Answers which operations worked.
    async fn run(mut self) -> BTreeSet<&'static str> {
        let (climbs, honest): (Vec<_>, Vec<_>) =
            attempts(self.world, &self.cast).into_iter().partition(|one| one.is_a_climb(&self.rights));
        let above = self.above().await;
        let before = self.snapshot().await;
        self.events = events(&self.world.service).await;
        for attempt in &climbs {
            let outcome = self.attempt(attempt).await;
            assert_ne!(outcome, Outcome::Works, "{}: {attempt}", self.name);
        }
        self.snapshot().await.is_still(&before, &self.name);

        let mut worked = BTreeSet::new();
        for attempt in &honest {
            if self.attempt(attempt).await == Outcome::Works {
                worked.insert(attempt.operation);
            }
        }
        self.accept_invitations().await;
        self.ask_accomplices().await;
        self.count_what_is_in_reach().await;
        for (now, before) in self.above().await.iter().zip(&above) {
            assert_eq!(now, before, "{}: those above are as they were", self.name);
        }
        self.those_above_keep_their_passwords().await;
        worked
    }

    async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.world.service, &self.world.ada.api, &self.world.operations).await
    }

    /// Tries it once. It comes out as it should, and what was refused has left no trace.
    async fn attempt(&mut self, attempt: &Attempt) -> Outcome {
        let expected = self.expected(attempt);
        let answer =
            self.world.operation(attempt.operation).send(&self.api, &attempt.id, &attempt.body).await;
        if expected == Outcome::Works {
            assert!(answer.status.is_success(), "{}: {attempt}: {}", self.name, answer.text);
            self.take_up(attempt, &answer).await;
            self.count_people().await;
            self.events = events(&self.world.service).await;
        } else {
            assert_eq!(came_of(&answer), expected, "{}: {attempt}: {}", self.name, answer.text);
            assert_eq!(events(&self.world.service).await, self.events, "{}: {attempt}", self.name);
        }
        expected
    }

    fn expected(&self, attempt: &Attempt) -> Outcome {
        let needed = self.world.operation(attempt.operation).permission().expect("each needs one");
        let lacks = |permission: &str| Outcome::Refused("permission_required", Some(permission.to_owned()));
        if !self.rights.has(needed) {
            // A program's API roles list nothing that its owner may not.
            return if self.is_program {
                Outcome::Refused("operation_not_allowed", None)
            } else {
                lacks(needed)
            };
        }
        if let Some(also) = attempt.also.filter(|also| !self.rights.has(also)) {
            return lacks(also);
        }
        let refused = |code| Outcome::Refused(code, None);
        if let Some(code) = attempt.never {
            return refused(code);
        }
        if attempt.is_a_climb(&self.rights) {
            return refused("beyond_own_permissions");
        }
        attempt.otherwise.map_or(Outcome::Works, refused)
    }

    /// Keeps whatever the climber could act with from now on.
    async fn take_up(&mut self, attempt: &Attempt, answer: &Answer) {
        let body = if answer.text.is_empty() { Value::Null } else { answer.body() };
        self.links.extend(body["link"].as_str().map(str::to_owned));
        if body["secret"].is_string() {
            self.reach.push(Reach { id: id_of(&body), kind: Kind::Program });
        }
        if let Some((username, password)) = &attempt.login {
            let guest = self.world.service.api();
            let session = log_in(&guest, username, password).await.expect(200);
            let session = session["token"].as_str().map(|token| guest.with_token(token));
            self.reach.push(Reach { id: id_of(&body), kind: Kind::Person(session) });
        }
    }

    /// By the database: everybody in reach and the climber are within what they began with.
    async fn count_people(&self) {
        let sql =
            "SELECT s.id || ' ' || CASE WHEN r.everything THEN 'everything ' ELSE '' END || r.permissions
                   FROM staff s JOIN roles r ON r.id = s.role_id";
        for row in self.world.service.column(sql).await {
            let (id, words) = row.split_once(' ').expect("an id, and words");
            let rights = || Rights::of_row(words, &self.world.everything);
            if id == self.cast.me.id {
                assert_eq!(rights(), self.cast.my_rights, "{}", self.name);
            } else if self.reach.iter().any(|one| one.id == id) {
                assert!(self.rights.cover(&rights()), "{}: in reach is {:?}", self.name, rights());
            }
        }
    }

    /// By the API, as everybody in reach sees themselves and as a full administrator sees them.
    async fn count_what_is_in_reach(&self) {
        let me = Reach { id: self.cast.me.id.clone(), kind: Kind::Person(Some(self.cast.me.api.clone())) };
        assert_eq!(self.rights_of(&me).await, Some(self.cast.my_rights.clone()), "{}", self.name);
        for one in &self.reach {
            if let Some(rights) = self.rights_of(one).await {
                assert!(self.rights.cover(&rights), "{}: in reach is {rights:?}", self.name);
            }
        }
    }

    /// None if they are gone.
    async fn rights_of(&self, one: &Reach) -> Option<Rights> {
        match &one.kind {
            Kind::Person(session) => self.rights_of_person(&one.id, session.as_ref()).await,
            Kind::Program => self.rights_of_program(&one.id).await,
        }
    }

    async fn rights_of_person(&self, id: &str, session: Option<&Api>) -> Option<Rights> {
        let ada = &self.world.ada;
        let found = ada.api.get(&format!("/v1/admin/staff/{id}")).await;
        if found.status == 404 {
            return None;
        }
        let rights = role_rights(ada, &id_of(&found.expect(200)["role"])).await;
        if let Some(session) = session {
            let answer = session.get("/v1/admin/session").await;
            if answer.status == 200 {
                let seen = answer.body()["permissions"].clone();
                let seen: BTreeSet<_> =
                    seen.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
                assert_eq!(seen, rights.permissions().into_iter().collect(), "{}: their session", self.name);
            }
        }
        Some(rights)
    }

    /// Its owner's, as far as a program has them.
    async fn rights_of_program(&self, id: &str) -> Option<Rights> {
        let ada = &self.world.ada;
        let found = ada.api.get(&format!("/v1/admin/api-credentials/{id}")).await;
        if found.status == 404 {
            return None;
        }
        let found = found.expect(200);
        let mut operations = Vec::new();
        for role in found["api_roles"].as_array().expect("a list") {
            let role = ada.api.get(&format!("/v1/admin/api-roles/{}", id_of(role))).await.expect(200);
            let listed = role["operations"].as_array().expect("a list").clone();
            operations.extend(listed.iter().map(|id| id.as_str().expect("an id").to_owned()));
        }
        let operations: Vec<_> = operations.iter().map(String::as_str).collect();
        let owner = self.rights_of_person(&id_of(&found["staff"]), None).await?;
        Some(self.world.rights_of_program(&owner, &operations))
    }

    /// Whoever was invited comes in: they are the climber's.
    async fn accept_invitations(&mut self) {
        let guest = self.world.service.api();
        for link in std::mem::take(&mut self.links) {
            let token = token_of(&link);
            let looked = guest.post("/v1/public/invitations/lookup", &json!({ "token": token })).await;
            if looked.status != 200 {
                // Another link took its place, or it was cancelled.
                assert!([409, 410].contains(&looked.status.as_u16()), "{}: {}", self.name, looked.text);
                continue;
            }
            let mut accept = json!({ "token": token, "password": format!("{PASSWORD} {}", unique()) });
            for field in looked.expect(200)["needs"].as_array().expect("a list") {
                let field = field.as_str().expect("a name");
                if field != "password" {
                    accept[field] = json!(word());
                }
            }
            let accepted = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
            let session = accepted["token"].as_str().map(|token| guest.with_token(token));
            self.reach.push(Reach { id: id_of(&accepted["staff"]), kind: Kind::Person(session) });
        }
        self.count_people().await;
        self.events = events(&self.world.service).await;
    }

    /// Those who came in try to raise whoever brought them.
    async fn ask_accomplices(&mut self) {
        let sessions = self.reach.iter().filter_map(|one| match &one.kind {
            Kind::Person(Some(session)) => Some((one.id.clone(), session.clone())),
            _ => None,
        });
        let (me, rights, is_program) = (self.api.clone(), self.rights.clone(), self.is_program);
        for (id, session) in sessions.collect::<Vec<_>>() {
            let who = session.get("/v1/admin/session").await;
            if who.status != 200 || who.body()["pending"] != json!([]) {
                continue;
            }
            let role = id_of(&who.body()["staff"]["role"]);
            (self.api, self.is_program) = (session, false);
            self.rights = self.rights_of_person(&id, None).await.expect("they are there");
            for favour in favours(self.world, &self.cast, &role) {
                let outcome = self.attempt(&favour).await;
                assert_ne!(outcome, Outcome::Works, "{}: an accomplice's {favour}", self.name);
            }
        }
        (self.api, self.rights, self.is_program) = (me, rights, is_program);
    }

    fn ranks_above(&self) -> impl Iterator<Item = &Rank> {
        self.cast.ranks.iter().filter(|rank| !self.cast.my_rights.cover(&rank.rights))
    }

    /// Everything about those who may what the climber may not, as a full administrator sees it.
    async fn above(&self) -> Vec<Value> {
        let mut paths = Vec::new();
        for rank in self.ranks_above() {
            paths.push(format!("/v1/admin/staff/{}", rank.colleague.id));
            paths.push(format!("/v1/admin/roles/{}", rank.role));
            paths.push(format!("/v1/admin/staff-invitations/{}", rank.invitation));
            paths.extend(rank.credentials.iter().map(|one| format!("/v1/admin/api-credentials/{}", one.id)));
        }
        let mut seen = Vec::new();
        for path in paths {
            let mut body = self.world.ada.api.get(&path).await.expect(200);
            settle(&mut body);
            seen.push(body);
        }
        seen
    }

    async fn those_above_keep_their_passwords(&self) {
        for rank in self.ranks_above() {
            let answer = log_in_as(&self.world.service.api(), &rank.colleague).await.expect(200);
            assert!(answer["challenge"].is_string(), "{}: {}'s second factor is gone", self.name, rank.name);
        }
    }
}

/// The code of a refusal, and the permission that it names.
fn came_of(answer: &Answer) -> Outcome {
    if answer.status.is_success() {
        return Outcome::Works;
    }
    let problem = answer.any_problem();
    let known = [
        "api_access_required",
        "beyond_own_permissions",
        "full_role",
        "operation_not_allowed",
        "own_login",
        "own_role",
        "permission_required",
        "role_in_use",
    ];
    let code = known.into_iter().find(|code| problem["code"] == *code);
    let permission = problem["permission"].as_str().map(str::to_owned);
    Outcome::Refused(code.unwrap_or("an answer that is none of them"), permission)
}
