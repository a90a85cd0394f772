//! Everything by which somebody could come to more, and all the same things done within their own permissions.
//!
//! Each attempt says whom and what it touches; from that alone, and not by asking the service, follows whether it may
//! succeed.

use super::cast::{ApiRole, Cast, Credential, Rank, World, word};
use super::rights::Rights;
use frontdesk_tests::{PASSWORD, unique};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// Something to try once.
pub(super) struct Attempt {
    pub(super) what: String,
    pub(super) operation: &'static str,
    /// What the path names.
    pub(super) id: String,
    pub(super) body: Value,
    /// A permission that it needs beside the operation's.
    pub(super) also: Option<&'static str>,
    /// What it gives, takes or works on.
    pub(super) touches: Vec<Rights>,
    /// Why it is refused to everybody, before that is looked at.
    pub(super) never: Option<&'static str>,
    /// Why it is refused to whoever covers all of that.
    pub(super) otherwise: Option<&'static str>,
    /// A login whose password is known after it worked.
    pub(super) login: Option<(String, String)>,
}

fn attempt(what: impl Into<String>, operation: &'static str, id: &str, body: Value) -> Attempt {
    Attempt {
        what: what.into(),
        operation,
        id: id.to_owned(),
        body,
        also: None,
        touches: Vec::new(),
        never: None,
        otherwise: None,
        login: None,
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, operation, id, body, .. } = self;
        write!(f, "{what}: {operation} {id} {body}")
    }
}

impl Attempt {
    fn touching(mut self, rights: &Rights) -> Self {
        self.touches.push(rights.clone());
        self
    }

    fn needing(self, permission: &'static str) -> Self {
        Self { also: Some(permission), ..self }
    }

    fn never(self, code: &'static str) -> Self {
        Self { never: Some(code), ..self }
    }

    fn otherwise(self, code: &'static str) -> Self {
        Self { otherwise: Some(code), ..self }
    }

    fn knowing(self, username: &str, password: &str) -> Self {
        Self { login: Some((username.to_owned(), password.to_owned())), ..self }
    }

    /// Whether it would lead beyond these rights, whoever permits the operation.
    pub(super) fn is_a_climb(&self, rights: &Rights) -> bool {
        self.never.is_some() || !self.touches.iter().all(|touched| rights.cover(touched))
    }
}

/// In an order in which what is done to somebody can be done after what stands before it.
pub(super) fn attempts(world: &World, cast: &Cast) -> Vec<Attempt> {
    let mut all = new_roles(world, cast);
    all.extend(cast.ranks.iter().flat_map(|rank| on_role(world, cast, rank)));
    all.extend(on_spare_role(world, cast));
    all.extend(cast.ranks.iter().flat_map(|rank| on_invitation(cast, rank)));
    all.extend(on_departments(cast));
    all.extend(on_api_roles(world, cast));
    all.extend(new_credentials(cast));
    all.extend(on_credentials(cast));
    all.extend(on_myself(cast));
    all.extend(cast.ranks.iter().map(create_staff));
    all.extend(cast.ranks.iter().flat_map(|rank| on_colleague(cast, rank)));
    all
}

/// What an accomplice could do for whoever brought them in; `role` is the accomplice's.
pub(super) fn favours(world: &World, cast: &Cast, role: &str) -> Vec<Attempt> {
    let mut all = Vec::new();
    for rank in cast.ranks.iter().filter(|rank| !cast.my_rights.cover(&rank.rights)) {
        let raise = json!({ "role_id": rank.role });
        let raise = attempt(format!("raise them to {}", rank.name), "changeStaff", &cast.me.id, raise);
        all.push(raise.touching(&cast.my_rights).touching(&rank.rights));
    }
    let more = cast.my_rights.with(&cast.lacking);
    let raise = attempt("raise their role", "changeRole", &cast.my_role, more.body()).touching(&more);
    all.push(if role == cast.my_role { raise.never("own_role") } else { raise });
    let more = world.everything.as_of_today();
    let raise = attempt("raise their role to all", "changeRole", &cast.my_role, more.body()).touching(&more);
    all.push(if role == cast.my_role { raise.never("own_role") } else { raise });
    for api_role in &cast.api_roles {
        let body = json!({ "staff_id": cast.me.id, "api_role_ids": [api_role.id] });
        let program = attempt("give them a program", "createApiCredential", "", body);
        // One that whoever brought them in could make as well is no favour.
        let program = program.touching(&cast.my_rights).touching(&api_role.needs);
        all.extend(
            Some(program)
                .filter(|program| program.is_a_climb(&cast.my_rights) && cast.my_rights.has("api.access")),
        );
    }
    all
}

fn new_roles(world: &World, cast: &Cast) -> Vec<Attempt> {
    let mine = &cast.my_rights;
    let mut wanted = vec![mine.clone(), mine.with(&cast.lacking), Rights::of([cast.lacking.as_str()])];
    wanted.extend([
        mine.with_all_reports(&world.everything),
        world.everything.as_of_today(),
        Rights::default(),
    ]);
    let create = wanted.into_iter().map(|rights| {
        let mut body = rights.body();
        body["name"] = json!(word());
        attempt(format!("make a role with {rights:?}"), "createRole", "", body).touching(&rights)
    });
    let mut all: Vec<_> = create.collect();
    for rank in &cast.ranks {
        let copy = attempt(
            format!("duplicate {}", rank.name),
            "duplicateRole",
            &rank.role,
            json!({ "name": word() }),
        );
        all.push(copy.touching(&rank.rights.as_of_today()));
    }
    all
}

fn on_role(world: &World, cast: &Cast, rank: &Rank) -> Vec<Attempt> {
    let on = |what: &str, operation, body| {
        let one = attempt(format!("{what} the role {}", rank.name), operation, &rank.role, body)
            .touching(&rank.rights);
        if rank.role == cast.my_role { one.never("own_role") } else { one }
    };
    let change = |what, rights: &Rights| on(what, "changeRole", rights.body()).touching(rights);
    let mut all = vec![
        change("raise", &rank.rights.with(&cast.lacking)),
        change("raise to all", &world.everything.as_of_today()),
        on("open all reports to", "changeRole", json!({ "all_reports": true }))
            .touching(&rank.rights.with_all_reports(&world.everything)),
    ];
    let delete = on("delete", "deleteRole", Value::Null);
    if rank.name == "everything" {
        all.extend([
            on("empty", "changeRole", json!({ "permissions": [] })),
            on("rename", "changeRole", json!({ "name": word() })),
            delete.never("full_role"),
        ]);
    } else {
        all.extend([on("rename", "changeRole", json!({ "name": word() })), delete.otherwise("role_in_use")]);
    }
    all
}

/// A role that nobody has, and that permits nothing.
fn on_spare_role(world: &World, cast: &Cast) -> Vec<Attempt> {
    let on = |operation, body| attempt("work on a role that nobody has", operation, &cast.spare_role, body);
    let raise = |rights: &Rights| on("changeRole", rights.body()).touching(rights);
    vec![
        raise(&cast.my_rights.with(&cast.lacking)),
        raise(&world.everything.as_of_today()),
        on("changeRole", json!({ "second_factor_required": true })),
        raise(&cast.my_rights),
        on("deleteRole", Value::Null),
    ]
}

fn create_staff(rank: &Rank) -> Attempt {
    let (username, password) = (word(), format!("{PASSWORD} {}", unique()));
    let body = json!({
        "username": username, "email": format!("{username}@example.test"), "password": password,
        "first_name": "Mary", "last_name": "Keller", "role_id": rank.role,
    });
    let what = format!("create somebody with {}", rank.name);
    attempt(what, "createStaff", "", body).touching(&rank.rights).knowing(&username, &password)
}

fn on_myself(cast: &Cast) -> Vec<Attempt> {
    let on = |operation, body| attempt("work on myself", operation, &cast.me.id, body).never("own_login");
    let mut all: Vec<_> =
        cast.ranks.iter().map(|rank| on("changeStaff", json!({ "role_id": rank.role }))).collect();
    all.extend([
        on("changeStaff", json!({ "first_name": "Mary" })),
        on("changeStaff", highest_department(cast)),
        on("changeStaff", json!({ "password": format!("{PASSWORD} {}", unique()) })),
    ]);
    let others =
        ["disableStaff", "enableStaff", "resetStaffPassword", "removeStaffSecondFactor", "deleteStaff"];
    all.extend(others.map(|operation| on(operation, Value::Null)));
    all
}

/// To be where a full administrator is.
fn highest_department(cast: &Cast) -> Value {
    let (id, _) = &cast.departments[0];
    json!({ "departments": [{ "id": id }] })
}

fn on_colleague(cast: &Cast, rank: &Rank) -> Vec<Attempt> {
    let id = &rank.colleague.id;
    let on = |operation, body: Value| {
        let what = format!("work on the one with {}", rank.name);
        attempt(what, operation, id, body).touching(&rank.rights)
    };
    let change = |body| on("changeStaff", body);
    let mut all = vec![change(json!({ "first_name": "Mary" })), change(highest_department(cast))];
    all.push(change(json!({ "notes": "Mine" })).needing("staff.notes"));
    for other in &cast.ranks {
        all.push(change(json!({ "role_id": other.role })).touching(&other.rights));
    }
    let (username, password) = (word(), format!("{PASSWORD} {}", unique()));
    all.extend([
        on("removeStaffSecondFactor", Value::Null),
        change(json!({ "password": password })).knowing(&rank.colleague.username, &password),
        on("resetStaffPassword", Value::Null),
        change(json!({ "email": format!("{username}@example.test") })),
        change(json!({ "username": username })),
        on("disableStaff", Value::Null),
        on("enableStaff", Value::Null),
    ]);
    // Whoever is gone is with nobody any more: the others stay, to be looked at in the end.
    if rank.name == "nothing" || !cast.my_rights.cover(&rank.rights) {
        all.push(on("deleteStaff", Value::Null));
    }
    all
}

fn on_invitation(cast: &Cast, rank: &Rank) -> Vec<Attempt> {
    let on = |operation, body| {
        let what = format!("work on the invitation to {}", rank.name);
        attempt(what, operation, &rank.invitation, body).touching(&rank.rights)
    };
    let address = || format!("{}@example.test", word());
    let invite = json!({ "email": address(), "role_id": rank.role });
    let mut all = vec![
        attempt(format!("invite somebody to {}", rank.name), "inviteStaff", "", invite)
            .touching(&rank.rights),
    ];
    all.push(on("changeStaffInvitation", json!({ "first_name": "Mary" })));
    for other in &cast.ranks {
        all.push(on("changeStaffInvitation", json!({ "role_id": other.role })).touching(&other.rights));
    }
    all.extend([
        on("changeStaffInvitation", json!({ "email": address() })),
        on("resendStaffInvitation", Value::Null),
    ]);
    if rank.name == "nothing" || !cast.my_rights.cover(&rank.rights) {
        all.push(on("cancelStaffInvitation", Value::Null));
    }
    all
}

fn on_departments(cast: &Cast) -> Vec<Attempt> {
    let mut all = vec![attempt("make a department", "createDepartment", "", json!({ "name": word() }))];
    // Its name is no matter of who is in it. The other one's stays: those above are looked at in the end.
    let (lower, _) = &cast.departments[1];
    all.push(attempt("rename a department", "changeDepartment", lower, json!({ "name": word() })));
    for (department, name) in &cast.departments {
        let inside = cast.rank(name);
        let put = |what: &str, ids: &[&str]| {
            let members: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
            let what = format!("{what} a department with {name}");
            attempt(what, "setDepartmentMembers", department, json!({ "members": members }))
        };
        let member = inside.colleague.id.as_str();
        all.push(put("go into", &[member, &cast.me.id]).never("own_login"));
        for rank in cast.ranks.iter().filter(|rank| rank.colleague.id != member) {
            all.push(put("put somebody into", &[member, &rank.colleague.id]).touching(&rank.rights));
        }
        all.push(put("empty", &[]).touching(&inside.rights));
        let delete =
            attempt(format!("delete a department with {name}"), "deleteDepartment", department, Value::Null);
        all.push(delete.touching(&inside.rights));
    }
    all
}

fn on_api_roles(world: &World, cast: &Cast) -> Vec<Attempt> {
    let beyond = world.operations_within(&Rights::of([cast.lacking.as_str()]));
    let within = world.operations_within(&cast.my_rights);
    let everything = world.operations_within(&world.everything);
    let mut all = Vec::new();
    for operations in [&beyond, &within, &everything] {
        let body = json!({ "name": word(), "operations": operations });
        all.push(
            attempt("make an API role", "createApiRole", "", body).touching(&world.needed_by(operations)),
        );
    }
    for role in &cast.api_roles {
        let on = |operation, body| {
            attempt("work on an API role of everybody's", operation, &role.id, body).touching(&role.needs)
        };
        all.push(on("changeApiRole", json!({ "description": word() })));
        let had: Vec<&str> = role.operations.iter().map(String::as_str).collect();
        for operations in [&beyond, &within, &everything, &Vec::new()] {
            // It changes what programs of full administrators may, unless it changes nothing.
            if !same(operations, &had) {
                let change = on("changeApiRole", json!({ "operations": operations }));
                all.push(change.touching(&world.needed_by(operations)).touching(&world.everything));
            }
        }
        all.push(on("deleteApiRole", Value::Null).touching(&world.everything));
    }
    let on = |operation, body| attempt("work on an API role of mine", operation, &cast.my_api_role, body);
    for operations in [&beyond, &everything, &within] {
        let change = on("changeApiRole", json!({ "operations": operations }));
        all.push(change.touching(&world.needed_by(operations)));
    }
    all.push(on("deleteApiRole", Value::Null));
    all
}

fn same(some: &[&str], others: &[&str]) -> bool {
    some.iter().collect::<BTreeSet<_>>() == others.iter().collect()
}

fn new_credentials(cast: &Cast) -> Vec<Attempt> {
    let mut all = Vec::new();
    for role in &cast.api_roles {
        let for_whom = |owner: &str| json!({ "staff_id": owner, "api_role_ids": [role.id] });
        let of = |owner: &str| attempt("make a credential", "createApiCredential", "", for_whom(owner));
        // Whether the owner has access comes before what the program may.
        let with_access = |one: Attempt, owner: &Rights| {
            if owner.has("api.access") {
                one.touching(&role.needs)
            } else {
                one.otherwise("api_access_required")
            }
        };
        all.push(with_access(of(&cast.me.id), &cast.my_rights));
        for rank in &cast.ranks {
            all.push(with_access(of(&rank.colleague.id).touching(&rank.rights), &rank.rights));
        }
    }
    all
}

fn on_credentials(cast: &Cast) -> Vec<Attempt> {
    let mut all = Vec::new();
    for credential in &cast.my_credentials {
        all.extend(on_credential(cast, credential, &Rights::default()));
    }
    for rank in &cast.ranks {
        all.extend(
            rank.credentials.iter().flat_map(|credential| on_credential(cast, credential, &rank.rights)),
        );
    }
    all
}

fn on_credential(cast: &Cast, credential: &Credential, owner: &Rights) -> Vec<Attempt> {
    let on =
        |operation, body| attempt("work on a credential", operation, &credential.id, body).touching(owner);
    let had = &credential.api_role;
    let others = cast.api_roles.iter().filter(|role| role.id != had.id);
    let mut all: Vec<_> = others
        .flat_map(|role: &ApiRole| {
            let change = |ids: Value| {
                let one = on("changeApiCredential", json!({ "api_role_ids": ids }));
                one.touching(&had.needs).touching(&role.needs)
            };
            [change(json!([role.id, had.id])), change(json!([role.id]))]
        })
        .collect();
    all.push(on("rotateApiCredential", json!({})).touching(&had.needs));
    if owner == &Rights::default() || !cast.my_rights.cover(owner) {
        all.push(on("deleteApiCredential", Value::Null));
    }
    all
}
