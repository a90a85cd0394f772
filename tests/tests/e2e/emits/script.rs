//! The operations that need no permission: each is called as people would, and what the log has of it stands beside it.
//! After them, what others write where more is wanted of them than a fixture does.

mod users;

use super::{are_declared, entries};
use crate::openapi::{Operation, document};
use crate::permissions::fixtures::FIXTURES;
use frontdesk_tests::{
    Answer, Api, Authenticator, AuthenticatorApp, Database, Frontdesk, PASSWORD, Person, Smtp, both,
    eventually, first_administrator, invite, joined, open_registration, recovery_codes, unique,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

both! { the_rest_writes_what_it_declares }

/// For security keys: browsers write it into every answer, so it need not be where the tests connect to.
const ORIGIN: &str = "https://desk.example.com";

const NONE: Value = Value::Null;

struct Script {
    service: Frontdesk,
    smtp: Smtp,
    ada: Person,
    guest: Api,
    document: Value,
    called: BTreeSet<String>,
    /// Tokens of mails that were read.
    read: BTreeSet<String>,
}

async fn the_rest_writes_what_it_declares(database: Database) {
    let mut script = Script::on(database).await;
    script.look_around().await;
    script.staff().await;
    script.users().await;
    script.guesses().await;
    script.in_other_ways().await;
    script.has_called_all();
}

impl Script {
    async fn on(database: Database) -> Self {
        let smtp = Smtp::start().await;
        let config = format!("public_url = \"{ORIGIN}\"");
        let mut service = Frontdesk::on(database).with_config(&config).with_mail(&smtp);
        service.start().await;
        let ada = first_administrator(&service).await;
        open_registration(&ada.api).await;
        let often = json!({ "invitation_resend_seconds": 0, "ban_after": 0 });
        ada.api.patch("/v1/admin/settings", &often).await.expect(200);
        let (guest, document) = (service.api(), document(&service.api()).await);
        let (called, read) = (BTreeSet::new(), BTreeSet::new());
        Self { service, smtp, ada, guest, document, called, read }
    }

    fn has_called_all(&self) {
        let with_fixture = |operation: &Operation| FIXTURES.iter().any(|one| one.operation == operation.id());
        let all = Operation::all(&self.document);
        let wanted = all.iter().filter(|one| !with_fixture(one)).map(Operation::id);
        let missing: Vec<_> = wanted.filter(|one| !self.called.contains(*one)).collect();
        assert!(missing.is_empty(), "emits/script.rs is to call {missing:?}");
    }

    async fn send(
        &self,
        api: &Api,
        operation: &str,
        id: &str,
        body: Value,
    ) -> (Operation, Answer, Vec<String>) {
        let mut operations = Operation::all(&self.document).into_iter();
        let operation = operations.find(|one| one.id() == operation).expect("it is described");
        let answer = operation.send(api, id, &body).await;
        // Who is meant is looked up afterwards.
        let entries = match operation.id() {
            "askForPasswordReset" => {
                eventually("what was asked for", || async {
                    Some(entries(&self.ada.api, &answer).await).filter(|entries| !entries.is_empty())
                })
                .await
            }
            _ => entries(&self.ada.api, &answer).await,
        };
        are_declared(&operation, &entries);
        (operation, answer, entries)
    }

    /// Calls an operation that succeeds and leaves exactly this in the log.
    async fn call(&mut self, api: &Api, operation: &str, id: &str, body: Value, written: &[&str]) -> Value {
        let (described, answer, entries) = self.send(api, operation, id, body).await;
        assert!(answer.status.is_success(), "{operation}: {} {}", answer.status, answer.text);
        assert_eq!(entries, written, "{operation}");
        assert_eq!(written.is_empty(), described.emits().is_empty(), "{operation}");
        self.called.insert(operation.to_owned());
        serde_json::from_str(&answer.text).unwrap_or(Value::Null)
    }

    /// The same for one that refuses with this code.
    async fn refuse(&self, api: &Api, operation: &str, body: Value, code: &str, written: &[&str]) {
        let (_, answer, entries) = self.send(api, operation, "", body).await;
        assert_eq!(answer.any_problem()["code"], code, "{operation}");
        assert_eq!(entries, written, "{operation}");
    }

    /// Calls operations that read.
    async fn look(&mut self, api: &Api, operations: &[&str]) {
        for operation in operations {
            self.call(api, operation, "", NONE, &[]).await;
        }
    }

    /// The token of a mail to an address that was not read yet, and leads there.
    async fn mailed(&mut self, to: &str, page: &str) -> String {
        let leads = format!("{page}#token=");
        let token = eventually("a mail", || async {
            let mails = self.smtp.mails().into_iter();
            let tokens = mails.filter(|mail| mail.to == [to] && mail.text().contains(&leads));
            tokens.map(|mail| mail.token()).find(|token| !self.read.contains(token))
        })
        .await;
        self.read.insert(token.clone());
        token
    }

    async fn look_around(&mut self) {
        let (guest, ada) = (self.guest.clone(), self.ada.api.clone());
        self.call(&ada, "listReports", "", NONE, &[]).await;
        self.call(&ada, "getReport", "logins", NONE, &[]).await;
        self.look(&guest, &["health", "readiness", "getRegistrationForm", "listAccountPermissions"]).await;
        self.look(&ada, &["listEventTypes", "showDashboard"]).await;
    }

    /// A member of staff comes, sees to their login, and goes.
    async fn staff(&mut self) {
        let guest = self.guest.clone();
        let invitation = invite(&self.ada.api, "grace@example.test", json!({})).await;
        let token = json!({ "token": invitation.token() });
        self.call(&guest, "lookUpInvitation", "", token, &[]).await;
        let password = password();
        let accept = json!({
            "token": invitation.token(), "username": "grace", "password": password,
            "first_name": "Grace", "last_name": "Hopper",
        });
        let written = ["invitation.accepted by staff", "session.started by staff", "staff.created by guest"];
        let came = self.call(&guest, "acceptInvitation", "", accept, &written).await;
        let mut grace = Person::from_acceptance(&guest, &came, "grace", &password);
        let own = ["whoAmI", "getMe", "listSessions", "listSecurityKeys"];
        self.look(&grace.api, &own).await;

        let login = |password: &str| json!({ "login": "grace", "password": password });
        self.refuse(&guest, "logIn", login("nobody's"), "login_refused", &["session.refused by guest"]).await;
        for end in ["endSession", "endOtherSessions"] {
            self.call(&guest, "logIn", "", login(&password), &["session.started by staff"]).await;
            let id = another_session(&grace.api, "/v1/admin/sessions").await;
            self.call(&grace.api, end, &id, NONE, &["session.ended by staff"]).await;
        }
        let wrong = json!({ "password": "nobody's" });
        let written = ["session.refused by staff"];
        self.refuse(&grace.api, "confirmSession", wrong, "confirmation_refused", &written).await;
        let right = json!({ "password": password });
        let written = ["session.confirmed by staff"];
        grace.renewed(&self.call(&grace.api, "confirmSession", "", right, &written).await);

        let change = json!({ "records_per_page": 50 });
        self.call(&grace.api, "changeMe", "", change, &["staff.edited by staff"]).await;
        let password = self::password();
        let new = json!({ "password": password });
        let written = ["staff.password_changed by staff"];
        grace.renewed(&self.call(&grace.api, "changePassword", "", new, &written).await);

        let begun = self.call(&grace.api, "beginTotp", "", json!({}), &[]).await;
        let code = json!({ "code": AuthenticatorApp::scanned(&begun).code() });
        let added =
            self.call(&grace.api, "confirmTotp", "", code, &["staff.second_factor_added by staff"]).await;
        grace.renewed(&added);
        let written = ["staff.recovery_codes_renewed by staff"];
        let codes = self.call(&grace.api, "renewRecoveryCodes", "", json!({}), &written).await;
        let challenge =
            self.call(&guest, "logIn", "", login(&password), &["session.challenged by guest"]).await;
        let answer =
            |code: &str| json!({ "challenge": challenge["challenge"], "method": "recovery", "code": code });
        let wrong = answer("0000-0000-0000");
        self.refuse(&guest, "answerChallenge", wrong, "code_refused", &["session.refused by guest"]).await;
        let written = ["session.started by staff", "staff.recovery_code_used by staff"];
        self.call(&guest, "answerChallenge", "", answer(&recovery_codes(&codes)[0]), &written).await;

        let begun = self.call(&grace.api, "beginSecurityKey", "", json!({}), &[]).await;
        let credential = Authenticator::new(ORIGIN).register(&begun["options"]);
        let key = json!({ "name": "Blue", "credential": credential });
        let written = ["staff.second_factor_added by staff"];
        let added = self.call(&grace.api, "confirmSecurityKey", "", key, &written).await;
        grace.renewed(&added);
        let (id, name) = (text(&added["key"]["id"]), json!({ "name": "Green" }));
        let written = ["staff.security_key_renamed by staff"];
        self.call(&grace.api, "renameSecurityKey", &id, name, &written).await;
        let written = ["staff.second_factor_removed by staff"];
        grace.renewed(&self.call(&grace.api, "removeSecurityKey", &id, NONE, &written).await);
        grace.renewed(&self.call(&grace.api, "removeTotp", "", NONE, &written).await);

        let ask = json!({ "audience": "staff", "login": "grace" });
        let written = ["staff.password_reset_requested by guest"];
        self.call(&guest, "askForPasswordReset", "", ask, &written).await;
        let token = self.mailed("grace@example.test", "/reset-password").await;
        self.call(&guest, "lookUpPasswordReset", "", json!({ "token": token }), &[]).await;
        let password = self::password();
        let complete = json!({ "token": token, "password": password });
        let written = ["staff.password_changed by guest"];
        self.call(&guest, "completePasswordReset", "", complete, &written).await;
        let session = self.call(&guest, "logIn", "", login(&password), &["session.started by staff"]).await;
        let grace = guest.with_token(&text(&session["token"]));
        self.call(&grace, "logOut", "", NONE, &["session.ended by staff"]).await;
    }

    /// What a wrong password of staff leads to beside the refusal.
    async fn guesses(&self) {
        let login = json!({ "login": "ada", "password": "nobody's" });
        let admin = &self.ada.api;
        admin.post("/v1/admin/trusted-addresses", &json!({ "network": "127.0.0.3" })).await.expect(201);
        let written = ["session.refused by guest", "system.trusted_address_failed by guest"];
        let trusted = self.guest.from_address("127.0.0.3");
        self.refuse(&trusted, "logIn", login.clone(), "login_refused", &written).await;
        admin.patch("/v1/admin/settings", &json!({ "ban_after": 1 })).await.expect(200);
        let written = ["session.refused by guest", "system.address_banned by guest"];
        let other = self.guest.from_address("127.0.0.2");
        self.refuse(&other, "logIn", login, "login_refused", &written).await;
    }

    /// What operations with a fixture write where more is wanted of them.
    async fn in_other_ways(&mut self) {
        let ada = self.ada.api.clone();
        let joan = joined(&self.ada, &self.service, "joan", json!({})).await;
        let api_role = json!({ "name": "Nothing", "operations": [] });
        let api_role = joan.api.post("/v1/admin/api-roles", &api_role).await.expect(201);
        let credential = json!({ "api_role_ids": [api_role["id"]] });
        joan.api.post("/v1/admin/api-credentials", &credential).await.expect(201);
        invite(&joan.api, "kim@example.test", json!({})).await;
        let change = json!({ "first_name": "Joan", "password": password() });
        let written = ["staff.edited by staff", "staff.password_changed by staff"];
        self.call(&ada, "changeStaff", &joan.id, change, &written).await;
        let written = ["api.credential_deleted by staff", "staff.disabled by staff"];
        self.call(&ada, "disableStaff", &joan.id, json!({}), &written).await;
        let written = ["invitation.cancelled by staff", "staff.deleted by staff"];
        self.call(&ada, "deleteStaff", &joan.id, NONE, &written).await;

        let user = |name: &str| json!({ "email": format!("{name}@example.test"), "first_name": "Max", "last_name": "Born" });
        let mut max = user("max");
        max["password"] = json!(password());
        let max = text(&self.call(&ada, "createUser", "", max, &["user.created by staff"]).await["id"]);
        let written = ["user.edited by staff", "user.email_verification_sent by staff"];
        self.call(&ada, "changeUser", &max, json!({ "email": "born@example.test" }), &written).await;
        let written = ["user.edited by staff", "user.email_verified by staff"];
        self.call(&ada, "changeUser", &max, json!({ "email_verified": true }), &written).await;
        let written = ["account.created by staff", "account.user_added by staff"];
        let account = self.call(&ada, "openAccount", "", json!({ "owner_user_id": max }), &written).await;
        let account = text(&account["id"]);
        let invited = json!({ "email": "lise@example.test", "permissions": [] });
        self.call(&ada, "addAccountUser", &account, invited, &["invitation.created by staff"]).await;
        let mut lise = user("meitner");
        lise["permissions"] = json!([]);
        lise["send_invite"] = json!(false);
        let written = [
            "account.user_added by staff",
            "user.created by staff",
            "user.password_reset_requested by staff",
        ];
        let lise = text(&self.call(&ada, "addAccountUser", &account, lise, &written).await["user"]["id"]);

        // A link that was mailed proves whose the address is: a factor that somebody else left goes.
        let written = ["user.password_reset_requested by staff"];
        self.call(&ada, "resetUserPassword", &lise, json!({}), &written).await;
        let factor = format!(
            "INSERT INTO security_keys (id, login_id, name, credential_id, credential, created_at)
             VALUES ('{lise}', '{lise}', 'Key', '{lise}', 'none', 0)"
        );
        self.service.execute(&factor).await;
        let token = self.mailed("meitner@example.test", "/reset-password").await;
        let complete = json!({ "token": token, "password": password() });
        let written = [
            "user.email_verified by guest",
            "user.password_changed by guest",
            "user.second_factor_removed by guest",
        ];
        let guest = self.guest.clone();
        self.call(&guest, "completePasswordReset", "", complete, &written).await;
    }
}

/// A session of the caller's beside the one that asks.
async fn another_session(api: &Api, path: &str) -> String {
    let listed = api.get(path).await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    text(&items.iter().find(|one| one["current"] == false).expect("another one")["id"])
}

fn password() -> String {
    format!("{PASSWORD} {}", unique())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
