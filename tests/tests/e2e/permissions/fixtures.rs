//! What each operation needs to succeed. A new operation needs one line in [`FIXTURES`]; the tests say so by its name.
//!
//! Nothing here has any permission, so that whoever has the one that the operation needs has enough: nobody touches what
//! goes beyond their own.

use crate::openapi::Operation;
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Person, first_administrator, invite, joined, role, unique,
};
use reqwest::Method;
use serde_json::{Value, json};

/// What the path of an operation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Nothing,
    Colleague,
    DisabledColleague,
    ColleagueWithSecondFactor,
    /// Who is gone, and still stands in the log.
    DeletedColleague,
    Role,
    Invitation,
    ApiRole,
    ApiCredential,
    Ban,
    TrustedAddress,
    Department,
    AccountGroup,
    CustomField,
    SecurityQuestion,
    /// On no account.
    User,
    DisabledUser,
    UserWithSecondFactor,
    UserWithSecurityQuestion,
    Account,
    ClosedAccount,
    /// With the preview of what goes with it.
    AccountToDelete,
    /// Somebody on an account who does not own it.
    AccountUser,
    AccountInvitation,
    Contact,
    MailTemplate,
    ActivityEntry,
    /// None, and a file is wanted.
    NothingAsCsv,
}
use Subject::*;

/// A request that succeeds if the caller may.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) operation: &'static str,
    subject: Subject,
    body: fn(&Facts) -> Value,
    /// Without which it does not succeed either, by the nature of the thing.
    pub(crate) also: &'static [&'static str],
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
    /// Every department, the last one first.
    departments: Vec<String>,
    /// Every custom field, the last one first.
    custom_fields: Vec<String>,
    /// On no account.
    user: &'w str,
    /// On every account that is made here, and owns none.
    member: &'w str,
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
pub(crate) const FIXTURES: &[Fixture] = &[
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
    // Custom fields.
    on("listCustomFields", Nothing),
    on("createCustomField", Nothing)
        .with(|facts| json!({ "slug": facts.word, "name": facts.word, "kind": "text" })),
    on("orderCustomFields", CustomField).with(|facts| json!({ "ids": facts.custom_fields })),
    on("changeCustomField", CustomField).with(|facts| json!({ "name": facts.word })),
    on("deleteCustomField", CustomField),
    // Security questions.
    on("listSecurityQuestions", Nothing),
    on("createSecurityQuestion", Nothing).with(|facts| json!({ "question": facts.word })),
    on("changeSecurityQuestion", SecurityQuestion).with(|facts| json!({ "question": facts.word })),
    on("deleteSecurityQuestion", SecurityQuestion),
    on("clearSecurityQuestion", UserWithSecurityQuestion),
    // Users.
    on("listUsers", Nothing),
    on("createUser", Nothing).with(|facts| user_called(&facts.word)),
    on("getUser", User),
    on("changeUser", User).with(|facts| json!({ "first_name": facts.word })),
    on("deleteUser", User),
    on("resetUserPassword", User),
    on("setTemporaryPassword", User).with(|_| json!({ "password": PASSWORD })),
    on("removeUserSecondFactor", UserWithSecondFactor),
    on("disableUser", User),
    on("enableUser", DisabledUser),
    // Accounts.
    on("listAccounts", Nothing),
    on("openAccount", Nothing).with(|facts| user_called(&facts.word)),
    on("getAccount", Account),
    on("changeAccount", Account).with(|facts| json!({ "name": facts.word })),
    on("closeAccount", Account),
    on("reopenAccount", ClosedAccount),
    on("previewAccountDeletion", Account),
    on("deleteAccount", AccountToDelete),
    // Who is on them.
    on("listAccountUsers", Account),
    on("addAccountUser", Account)
        .with(|facts| json!({ "user_id": facts.user, "permissions": "all", "send_invite": false })),
    on("changeAccountUser", AccountUser).with(|_| json!({ "permissions": ["invoices"] })),
    on("removeAccountUser", AccountUser),
    on("changeAccountOwner", Account).with(|facts| json!({ "user_id": facts.member })),
    on("getAccountPermissions", Nothing),
    on("logInAsUser", Account).with(|_| json!({})),
    on("listAccountInvitations", Account),
    on("inviteToAccount", Account)
        .with(|facts| json!({ "email": format!("{}@example.test", facts.word), "permissions": [] })),
    on("inviteManyToAccount", Account)
        .with(|facts| json!(format!("email,permissions\n{}@example.test,all\n", facts.word))),
    on("getAccountInvitation", AccountInvitation),
    on("cancelAccountInvitation", AccountInvitation),
    on("resendAccountInvitation", AccountInvitation),
    on("listContacts", Account),
    on("createContact", Account)
        .with(|facts| json!({ "first_name": facts.word, "email": format!("{}@example.test", facts.word) })),
    on("getContact", Contact),
    on("changeContact", Contact).with(|facts| json!({ "first_name": facts.word })),
    on("deleteContact", Contact),
    // Other systems.
    on("introspect", Nothing).with(|facts| json!({ "token": facts.word })),
    on("authorize", Nothing)
        .with(|facts| json!({ "user_id": facts.user, "account_id": facts.user, "permission": "invoices" })),
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
    // Mail templates.
    on("listMailTemplates", Nothing),
    on("getMailTemplate", MailTemplate),
    on("setMailTemplate", MailTemplate).with(|facts| texts(&facts.word)),
    on("resetMailTemplate", MailTemplate),
    on("previewMailTemplate", MailTemplate).with(|_| json!({})),
    on("testMailTemplate", MailTemplate),
    // Activity.
    on("listActivity", Nothing),
    on("getActivityEntry", ActivityEntry),
    on("exportActivity", NothingAsCsv),
    on("listActivityHeads", Nothing),
    on("exportPerson", Colleague),
    on("erasePerson", DeletedColleague),
];

/// What makes a user, alone or with an account.
fn user_called(word: &str) -> Value {
    json!({ "first_name": word, "last_name": "Keller", "email": format!("{word}@example.test") })
}

/// A service with a full administrator and what callers can be let loose on.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) service: Frontdesk,
    pub(crate) ada: Person,
    /// Permits nothing.
    empty_role: String,
    /// Lists nothing.
    empty_api_role: String,
    /// Whose credentials are worked on, and the role that lets there be some.
    owner: Person,
    owner_role: String,
    /// Who is on every account that is made here, and owns none.
    member: String,
}

/// An operation's request, whoever sends it.
#[derive(Debug)]
pub(crate) struct Ready<'o> {
    operation: &'o Operation,
    id: String,
    body: Value,
}

impl Ready<'_> {
    pub(crate) async fn sent_by(&self, api: &Api) -> Answer {
        self.operation.send(api, &self.id, &self.body).await
    }
}

impl World {
    pub(crate) async fn on(database: Database) -> Self {
        let service = Frontdesk::running(database).await;
        let ada = first_administrator(&service).await;
        let empty_role = role(&ada.api, "Empty", &[]).await;
        let nothing = json!({ "name": "Empty", "operations": [] });
        let empty_api_role = id_of(&ada.api.post("/v1/admin/api-roles", &nothing).await.expect(201));
        let owner_role = role(&ada.api, "Owners of credentials", &[]).await;
        let owner = joined(&ada, &service, "owner", json!({ "role_id": owner_role })).await;
        let member = id_of(&ada.api.post("/v1/admin/users", &user_called(&word())).await.expect(201));
        let at_once = json!({ "invitation_resend_seconds": 0 });
        ada.api.patch("/v1/admin/settings", &at_once).await.expect(200);
        Self { service, ada, empty_role, empty_api_role, owner, owner_role, member }
    }

    /// Lets everybody with this role do exactly this.
    pub(crate) async fn permit(&self, role: &str, permissions: &[&str]) {
        let change = json!({ "permissions": permissions });
        self.ada.api.patch(&format!("/v1/admin/roles/{role}"), &change).await.expect(200);
    }

    /// A request of the operation that succeeds once, if the caller may.
    pub(crate) async fn ready<'o>(&self, operation: &'o Operation, fixture: &Fixture) -> Ready<'o> {
        let id = self.make(fixture.subject).await;
        let user = self.made("/v1/admin/users", user_called(&word())).await;
        let facts = Facts {
            word: word(),
            empty_role: &self.empty_role,
            empty_api_role: &self.empty_api_role,
            colleague: &self.owner.id,
            departments: reversed(self.listed("/v1/admin/departments").await),
            custom_fields: reversed(self.listed("/v1/admin/custom-fields").await),
            user: &user,
            member: &self.member,
        };
        let body = (fixture.body)(&facts);
        Ready { operation, id, body }
    }

    /// A new one, by its id.
    async fn make(&self, subject: Subject) -> String {
        match subject {
            Nothing => String::new(),
            NothingAsCsv => "?format=csv".to_owned(),
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
            DeletedColleague => {
                let id = self.colleague().await.id;
                self.ada.api.delete(&format!("/v1/admin/staff/{id}")).await.expect(204);
                id
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
            MailTemplate => {
                let id = "welcome/en";
                let path = format!("/v1/admin/mail-templates/{id}");
                self.ada.api.json(Method::PUT, &path, &texts("Hello")).await.expect(200);
                id.to_owned()
            }
            ActivityEntry => self.listed("/v1/admin/activity").await.remove(0),
            Department => self.made("/v1/admin/departments", json!({ "name": word() })).await,
            AccountGroup => self.made("/v1/admin/account-groups", json!({ "name": word() })).await,
            CustomField => {
                let field = json!({ "slug": word(), "name": word(), "kind": "text" });
                self.made("/v1/admin/custom-fields", field).await
            }
            SecurityQuestion => {
                self.made("/v1/admin/security-questions", json!({ "question": word() })).await
            }
            User => self.made("/v1/admin/users", user_called(&word())).await,
            DisabledUser => {
                let id = self.made("/v1/admin/users", user_called(&word())).await;
                self.ada.api.post(&format!("/v1/admin/users/{id}/disable"), &json!({})).await.expect(204);
                id
            }
            UserWithSecondFactor => self.user_with_second_factor().await,
            UserWithSecurityQuestion => self.user_with_question().await,
            Account => self.account().await,
            ClosedAccount => {
                let id = self.account().await;
                self.ada.api.post(&format!("/v1/admin/accounts/{id}/close"), &json!({})).await.expect(204);
                id
            }
            AccountToDelete => {
                let id = self.account().await;
                let path = format!("/v1/admin/accounts/{id}/deletion");
                let seen = self.ada.api.get(&path).await.expect(200)["preview"].clone();
                format!("{id}?preview={}", seen.as_str().expect("a preview"))
            }
            AccountUser => format!("{}/{}", self.account().await, self.member),
            AccountInvitation => {
                let account = self.account().await;
                let body = json!({ "email": format!("{}@example.test", word()), "permissions": [] });
                let path = format!("/v1/admin/accounts/{account}/invitations");
                format!("{account}/{}", self.made(&path, body).await)
            }
            Contact => {
                let account = self.account().await;
                let body = json!({ "first_name": "Joan", "email": format!("{}@example.test", word()) });
                let path = format!("/v1/admin/accounts/{account}/contacts");
                format!("{account}/{}", self.made(&path, body).await)
            }
        }
    }

    async fn made(&self, path: &str, body: Value) -> String {
        id_of(&self.ada.api.post(path, &body).await.expect(201))
    }

    /// The ids of a list, in its order.
    async fn listed(&self, path: &str) -> Vec<String> {
        let listed = self.ada.api.get(&format!("{path}?limit=200")).await.expect(200);
        listed["items"].as_array().expect("a list").iter().map(id_of).collect()
    }

    async fn colleague(&self) -> Person {
        joined(&self.ada, &self.service, &word(), json!({ "role_id": self.empty_role })).await
    }

    /// With an owner of its own, and the one member.
    async fn account(&self) -> String {
        let id = self.made("/v1/admin/accounts", user_called(&word())).await;
        let member = json!({ "user_id": self.member, "permissions": [], "send_invite": false });
        self.ada.api.post(&format!("/v1/admin/accounts/{id}/users"), &member).await.expect(201);
        id
    }

    async fn user_with_second_factor(&self) -> String {
        let id = self.made("/v1/admin/users", user_called(&word())).await;
        let sql = format!(
            "INSERT INTO security_keys (id, login_id, name, credential_id, credential, created_at)
             VALUES ('{id}', '{id}', 'Key', '{id}', 'none', 0)"
        );
        self.service.execute(&sql).await;
        id
    }

    async fn user_with_question(&self) -> String {
        let id = self.made("/v1/admin/users", user_called(&word())).await;
        let question = self.made("/v1/admin/security-questions", json!({ "question": word() })).await;
        let sql =
            format!("UPDATE users SET question_id = '{question}', answer_hash = 'none' WHERE id = '{id}'");
        self.service.execute(&sql).await;
        id
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

/// Another order, where there are several.
fn reversed(mut ids: Vec<String>) -> Vec<String> {
    ids.reverse();
    ids
}

fn texts(word: &str) -> Value {
    json!({ "subject": word, "text": word, "html": word })
}

/// Nobody's yet; as names and usernames are.
pub(crate) fn word() -> String {
    format!("w{}", unique())
}

pub(crate) fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {body}")).to_owned()
}
