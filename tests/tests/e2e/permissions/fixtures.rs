//! What each operation needs to succeed. A new operation needs one line in [`FIXTURES`]; the tests say so by its name.
//!
//! Nothing here has any permission, so that whoever has the one that the operation needs has enough: nobody touches what
//! goes beyond their own.

use crate::openapi::Operation;
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Person, first_administrator, invite, joined, role, unique,
};
use serde_json::{Value, json};

/// What the path of an operation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Nothing,
    Colleague,
    DisabledColleague,
    ColleagueWithSecondFactor,
    Role,
    Invitation,
    ApiRole,
    ApiCredential,
    Ban,
    TrustedAddress,
    Department,
    AccountGroup,
}
use Subject::*;

/// A request that succeeds if the caller may.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) operation: &'static str,
    subject: Subject,
    body: fn(&Facts) -> Value,
    /// Without which it does not succeed either, by the nature of the thing.
    pub(super) also: &'static [&'static str],
}

/// What a body may be made of.
#[derive(Debug)]
struct Facts<'w> {
    /// One that nobody has used yet; a name, a username.
    word: String,
    empty_role: &'w str,
    empty_api_role: &'w str,
    /// In no department.
    colleague: &'w str,
    /// Every department, the first one first.
    departments: Vec<String>,
}

const fn on(operation: &'static str, subject: Subject) -> Fixture {
    Fixture { operation, subject, body: |_| Value::Null, also: &[] }
}

impl Fixture {
    const fn with(self, body: fn(&Facts) -> Value) -> Self {
        Self { body, ..self }
    }

    const fn needs_also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

/// Every operation that needs a permission, in the order of the documentation.
pub(super) const FIXTURES: &[Fixture] = &[
    // Staff.
    on("listStaff", Nothing),
    on("listStaffOnline", Nothing),
    on("getStaff", Colleague),
    on("createStaff", Nothing).with(|facts| {
        json!({
            "username": facts.word, "email": format!("{}@example.test", facts.word), "password": PASSWORD,
            "first_name": "Mary", "last_name": "Keller", "role_id": facts.empty_role,
        })
    }),
    on("changeStaff", Colleague).with(|facts| json!({ "first_name": facts.word })),
    on("deleteStaff", Colleague),
    on("disableStaff", Colleague),
    on("enableStaff", DisabledColleague),
    on("resetStaffPassword", Colleague),
    on("removeStaffSecondFactor", ColleagueWithSecondFactor),
    // Staff invitations.
    on("listStaffInvitations", Nothing),
    on("inviteStaff", Nothing).with(
        |facts| json!({ "email": format!("{}@example.test", facts.word), "role_id": facts.empty_role }),
    ),
    on("getStaffInvitation", Invitation),
    on("changeStaffInvitation", Invitation).with(|facts| json!({ "username": facts.word })),
    on("cancelStaffInvitation", Invitation),
    on("resendStaffInvitation", Invitation),
    // Roles.
    on("listRoles", Nothing),
    on("createRole", Nothing).with(|facts| json!({ "name": facts.word })),
    on("getRole", Role),
    on("changeRole", Role).with(|facts| json!({ "name": facts.word })),
    on("deleteRole", Role),
    on("duplicateRole", Role).with(|facts| json!({ "name": facts.word })),
    on("listRoleMembers", Role),
    on("listPermissions", Nothing),
    // Departments.
    on("listDepartments", Nothing),
    on("createDepartment", Nothing).with(|facts| json!({ "name": facts.word })),
    on("orderDepartments", Department).with(|facts| json!({ "ids": facts.departments })),
    on("getDepartment", Department),
    on("changeDepartment", Department).with(|facts| json!({ "name": facts.word })),
    on("deleteDepartment", Department),
    on("listDepartmentMembers", Department),
    on("setDepartmentMembers", Department).with(|facts| json!({ "members": [{ "id": facts.colleague }] })),
    // Account groups.
    on("listAccountGroups", Nothing),
    on("createAccountGroup", Nothing).with(|facts| json!({ "name": facts.word })),
    on("getAccountGroup", AccountGroup),
    on("changeAccountGroup", AccountGroup).with(|facts| json!({ "name": facts.word })),
    on("deleteAccountGroup", AccountGroup),
    // API access.
    on("listApiOperations", Nothing),
    on("listApiRoles", Nothing),
    on("createApiRole", Nothing).with(|facts| json!({ "name": facts.word, "operations": [] })),
    on("getApiRole", ApiRole),
    on("changeApiRole", ApiRole).with(|facts| json!({ "name": facts.word })),
    on("deleteApiRole", ApiRole),
    on("listApiCredentials", Nothing),
    // For the caller, who must have access to have a credential.
    on("createApiCredential", Nothing)
        .with(|facts| json!({ "api_role_ids": [facts.empty_api_role] }))
        .needs_also(&["api.access"]),
    on("getApiCredential", ApiCredential),
    on("changeApiCredential", ApiCredential).with(|facts| json!({ "description": facts.word })),
    on("deleteApiCredential", ApiCredential),
    on("rotateApiCredential", ApiCredential).with(|_| json!({ "overlap_minutes": 10 })),
    // Bans.
    on("listBans", Nothing),
    on("addBan", Nothing).with(|_| json!({ "network": "192.0.2.1" })),
    on("liftBan", Ban),
    on("listTrustedAddresses", Nothing),
    on("trustAddress", Nothing).with(|_| json!({ "network": "198.51.100.1" })),
    on("distrustAddress", TrustedAddress),
    // Settings.
    on("getSettings", Nothing),
    on("changeSettings", Nothing).with(|_| json!({ "ban_after": 7 })),
];

/// A service with a full administrator and what callers can be let loose on.
#[derive(Debug)]
pub(super) struct World {
    pub(super) service: Frontdesk,
    pub(super) ada: Person,
    /// Permits nothing.
    empty_role: String,
    /// Lists nothing.
    empty_api_role: String,
    /// Whose credentials are worked on, and the role that lets there be some.
    owner: Person,
    owner_role: String,
}

/// An operation's request, whoever sends it.
#[derive(Debug)]
pub(super) struct Ready<'o> {
    operation: &'o Operation,
    id: String,
    body: Value,
}

impl Ready<'_> {
    pub(super) async fn sent_by(&self, api: &Api) -> Answer {
        self.operation.send(api, &self.id, &self.body).await
    }
}

impl World {
    pub(super) async fn on(database: Database) -> Self {
        let service = Frontdesk::running(database).await;
        let ada = first_administrator(&service).await;
        let empty_role = role(&ada.api, "Empty", &[]).await;
        let nothing = json!({ "name": "Empty", "operations": [] });
        let empty_api_role = id_of(&ada.api.post("/v1/admin/api-roles", &nothing).await.expect(201));
        let owner_role = role(&ada.api, "Owners of credentials", &[]).await;
        let owner = joined(&ada, &service, "owner", json!({ "role_id": owner_role })).await;
        Self { service, ada, empty_role, empty_api_role, owner, owner_role }
    }

    /// Lets everybody with this role do exactly this.
    pub(super) async fn permit(&self, role: &str, permissions: &[&str]) {
        let change = json!({ "permissions": permissions });
        self.ada.api.patch(&format!("/v1/admin/roles/{role}"), &change).await.expect(200);
    }

    /// A request of the operation that succeeds once, if the caller may.
    pub(super) async fn ready<'o>(&self, operation: &'o Operation, fixture: &Fixture) -> Ready<'o> {
        let id = self.make(fixture.subject).await;
        let facts = Facts {
            word: word(),
            empty_role: &self.empty_role,
            empty_api_role: &self.empty_api_role,
            colleague: &self.owner.id,
            departments: self.departments().await,
        };
        let body = (fixture.body)(&facts);
        Ready { operation, id, body }
    }

    /// A new one, by its id.
    async fn make(&self, subject: Subject) -> String {
        match subject {
            Nothing => String::new(),
            Colleague => self.colleague().await.id,
            DisabledColleague => {
                let id = self.colleague().await.id;
                self.ada.api.post(&format!("/v1/admin/staff/{id}/disable"), &json!({})).await.expect(204);
                id
            }
            ColleagueWithSecondFactor => {
                let mut colleague = self.colleague().await;
                colleague.enrol_app().await;
                colleague.id
            }
            Role => role(&self.ada.api, &word(), &[]).await,
            Invitation => {
                let address = format!("{}@example.test", word());
                invite(&self.ada.api, &address, json!({ "role_id": self.empty_role })).await.id
            }
            ApiRole => self.made("/v1/admin/api-roles", json!({ "name": word(), "operations": [] })).await,
            ApiCredential => self.credential_of_somebody_who_lost_access().await,
            Ban => self.made("/v1/admin/bans", json!({ "network": "203.0.113.1" })).await,
            TrustedAddress => {
                self.made("/v1/admin/trusted-addresses", json!({ "network": "203.0.113.2" })).await
            }
            Department => self.made("/v1/admin/departments", json!({ "name": word() })).await,
            AccountGroup => self.made("/v1/admin/account-groups", json!({ "name": word() })).await,
        }
    }

    async fn made(&self, path: &str, body: Value) -> String {
        id_of(&self.ada.api.post(path, &body).await.expect(201))
    }

    async fn departments(&self) -> Vec<String> {
        let listed = self.ada.api.get("/v1/admin/departments?limit=200").await.expect(200);
        listed["items"].as_array().expect("a list").iter().map(id_of).collect()
    }

    async fn colleague(&self) -> Person {
        joined(&self.ada, &self.service, &word(), json!({ "role_id": self.empty_role })).await
    }

    /// Owners must have access when a credential is made; afterwards nobody needs more than theirs to work on it.
    async fn credential_of_somebody_who_lost_access(&self) -> String {
        self.permit(&self.owner_role, &["api.access"]).await;
        let body = json!({ "staff_id": self.owner.id, "api_role_ids": [self.empty_api_role] });
        let id = self.made("/v1/admin/api-credentials", body).await;
        self.permit(&self.owner_role, &[]).await;
        id
    }
}

/// Nobody's yet; as names and usernames are.
pub(super) fn word() -> String {
    format!("w{}", unique())
}

pub(super) fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}
