//! The operations that need no permission: each is called as people would, and what the log has of it stands beside it.

use super::{are_declared, entries};
use crate::openapi::{Operation, document};
use crate::permissions::fixtures::FIXTURES;
use frontdesk_tests::{
    Answer, Api, Authenticator, AuthenticatorApp, Database, Frontdesk, PASSWORD, Person, Smtp, User, both,
    client_log_in, eventually, first_administrator, invite, joined, new_user, open_registration,
    recovery_codes, registration, token_of, unique,
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

    /// A user registers, sees to their login and their accounts, and goes.
    async fn users(&mut self) {
        let guest = self.guest.clone();
        let password = password();
        let anne = registration("anne", &password);
        let written = [
            "account.created by guest",
            "account.user_added by guest",
            "user.created by guest",
            "user.email_verification_sent by guest",
        ];
        self.call(&guest, "register", "", anne.clone(), &written).await;
        self.call(&guest, "register", "", anne, &["user.registered_again by guest"]).await;
        let login = json!({ "login": "anne@example.test", "password": password });
        let session = self.call(&guest, "clientLogIn", "", login, &["session.started by user"]).await;
        let mut anne = User::from_answer(&guest, &session, &password);
        let account = anne.account().to_owned();
        let own =
            ["clientWhoAmI", "clientGetMe", "clientListSessions", "clientListSecurityKeys", "listMyAccounts"];
        self.look(&anne.api, &own).await;

        self.sessions_of(&mut anne).await;
        self.profile_of(&mut anne).await;
        self.second_factors_of(&mut anne).await;
        anne.choose(&account).await;
        self.account_of(&anne).await;
        self.company_of(&mut anne).await;
        anne.choose(&account).await;
        self.admin_as(&anne).await;
        self.forgotten_password_of(&mut anne).await;
        let email = json!({ "email": "byron@example.test" });
        let written = [
            "user.edited by user",
            "user.email_verification_sent by user",
            "user.security_question_cleared by user",
        ];
        self.call(&anne.api, "clientChangeMe", "", email, &written).await;
        self.call(&anne.api, "clientLogOut", "", NONE, &["session.ended by user"]).await;
    }

    async fn sessions_of(&mut self, anne: &mut User) {
        let guest = self.guest.clone();
        let login = |password: &str| json!({ "login": anne.email, "password": password });
        let written = ["session.refused by guest"];
        self.refuse(&guest, "clientLogIn", login("nobody's"), "login_refused", &written).await;
        for end in ["clientEndSession", "clientEndOtherSessions"] {
            self.call(&guest, "clientLogIn", "", login(&anne.password), &["session.started by user"]).await;
            let id = another_session(&anne.api, "/v1/client/sessions").await;
            self.call(&anne.api, end, &id, NONE, &["session.ended by user"]).await;
        }
        let wrong = json!({ "password": "nobody's" });
        let written = ["session.refused by user"];
        self.refuse(&anne.api, "clientConfirmSession", wrong, "confirmation_refused", &written).await;
        let right = json!({ "password": anne.password });
        let written = ["session.confirmed by user"];
        let confirmed = self.call(&anne.api, "clientConfirmSession", "", right, &written).await;
        anne.renewed(&confirmed);
    }

    async fn profile_of(&mut self, anne: &mut User) {
        self.mailed(&anne.email, "/verify-email").await;
        self.service.execute("UPDATE email_verifications SET created_at = created_at - 60000").await;
        let written = ["user.email_verification_sent by user"];
        self.call(&anne.api, "sendEmailVerification", "", json!({}), &written).await;
        let token = json!({ "token": self.mailed(&anne.email, "/verify-email").await });
        self.call(&anne.api, "confirmEmail", "", token, &["user.email_verified by user"]).await;
        let change = json!({ "first_name": "Annabella" });
        self.call(&anne.api, "clientChangeMe", "", change, &["user.edited by user"]).await;
        anne.password = password();
        let new = json!({ "password": anne.password });
        let written = ["user.password_changed by user"];
        let changed = self.call(&anne.api, "clientChangePassword", "", new, &written).await;
        anne.renewed(&changed);

        let question = json!({ "question": "Which was your first school?" });
        let question = self.ada.api.post("/v1/admin/security-questions", &question).await.expect(201);
        self.look(&anne.api, &["listSecurityQuestionsToChoose"]).await;
        let choice = json!({ "question_id": question["id"], "answer": "St Mary's" });
        let (set, dropped) = ("user.security_question_set by user", "user.security_question_cleared by user");
        self.call(&anne.api, "chooseSecurityQuestion", "", choice.clone(), &[set]).await;
        self.call(&anne.api, "dropSecurityQuestion", "", NONE, &[dropped]).await;
        self.call(&anne.api, "chooseSecurityQuestion", "", choice, &[set]).await;
    }

    async fn second_factors_of(&mut self, anne: &mut User) {
        let guest = self.guest.clone();
        let (added, removed) = (["user.second_factor_added by user"], ["user.second_factor_removed by user"]);
        let begun = self.call(&anne.api, "clientBeginTotp", "", json!({}), &[]).await;
        let code = json!({ "code": AuthenticatorApp::scanned(&begun).code() });
        let enrolled = self.call(&anne.api, "clientConfirmTotp", "", code, &added).await;
        anne.renewed(&enrolled);
        let written = ["user.recovery_codes_renewed by user"];
        let codes = self.call(&anne.api, "clientRenewRecoveryCodes", "", json!({}), &written).await;
        let login = json!({ "login": anne.email, "password": anne.password });
        let challenge = self.call(&guest, "clientLogIn", "", login, &["session.challenged by guest"]).await;
        let answer =
            |code: &str| json!({ "challenge": challenge["challenge"], "method": "recovery", "code": code });
        let written = ["session.refused by guest"];
        let wrong = answer("0000-0000-0000");
        self.refuse(&guest, "clientAnswerChallenge", wrong, "code_refused", &written).await;
        let written = ["session.started by user", "user.recovery_code_used by user"];
        self.call(&guest, "clientAnswerChallenge", "", answer(&recovery_codes(&codes)[0]), &written).await;

        let begun = self.call(&anne.api, "clientBeginSecurityKey", "", json!({}), &[]).await;
        let credential = Authenticator::new(ORIGIN).register(&begun["options"]);
        let key = json!({ "name": "Blue", "credential": credential });
        let registered = self.call(&anne.api, "clientConfirmSecurityKey", "", key, &added).await;
        anne.renewed(&registered);
        let (id, name) = (text(&registered["key"]["id"]), json!({ "name": "Green" }));
        let written = ["user.security_key_renamed by user"];
        self.call(&anne.api, "clientRenameSecurityKey", &id, name, &written).await;
        let without_key = self.call(&anne.api, "clientRemoveSecurityKey", &id, NONE, &removed).await;
        anne.renewed(&without_key);
        let without_app = self.call(&anne.api, "clientRemoveTotp", "", NONE, &removed).await;
        anne.renewed(&without_app);
    }

    /// What its owner does on an account.
    async fn account_of(&mut self, anne: &User) {
        let api = anne.api.clone();
        let lists = ["getMyAccount", "listMyAccountUsers", "listMyAccountInvitations", "listMyContacts"];
        self.look(&api, &lists).await;
        let written = ["account.edited by user"];
        self.call(&api, "changeMyAccount", "", json!({ "phone": "42" }), &written).await;

        let contact = json!({ "first_name": "Books", "email": "books@example.test" });
        let written = ["account.contact_created by user"];
        let id = text(&self.call(&api, "createMyContact", "", contact, &written).await["id"]);
        self.call(&api, "getMyContact", &id, NONE, &[]).await;
        let written = ["account.contact_edited by user"];
        self.call(&api, "changeMyContact", &id, json!({ "phone": "43" }), &written).await;
        self.call(&api, "deleteMyContact", &id, NONE, &["account.contact_deleted by user"]).await;

        let body = json!({ "email": "mary@example.test", "permissions": [] });
        let (created, csv) = (["invitation.created by user"], "email,permissions\njoan@example.test,all\n");
        let id = text(&self.call(&api, "inviteToMyAccount", "", body, &created).await["id"]);
        self.call(&api, "inviteManyToMyAccount", "", json!(csv), &created).await;
        let (_, tried, entries) = self.send(&api, "inviteManyToMyAccount", "?dry_run=true", json!(csv)).await;
        assert_eq!((tried.status.as_u16(), entries.len()), (200, 0), "a dry run leaves nothing");
        self.call(&api, "getMyAccountInvitation", &id, NONE, &[]).await;
        let written = ["invitation.resent by user"];
        self.call(&api, "resendMyAccountInvitation", &id, json!({}), &written).await;
        self.call(&api, "cancelMyAccountInvitation", &id, NONE, &["invitation.cancelled by user"]).await;
    }

    /// Somebody comes to an account by registering, to a second one as who they are, and is taken off it.
    async fn company_of(&mut self, anne: &mut User) {
        let guest = self.guest.clone();
        let (_, token) = anne.invites("mary@example.test", &json!([])).await;
        let password = password();
        let accept = json!({ "token": token, "user": new_user("mary", &password) });
        let written = [
            "account.user_added by user",
            "invitation.accepted by user",
            "session.started by user",
            "user.created by guest",
            "user.email_verification_sent by user",
        ];
        let came = self.call(&guest, "acceptInvitation", "", accept, &written).await;
        let mary = User::from_answer(&guest, &came, &password);

        let second = json!({ "name": "Second Ltd" });
        let written = ["account.created by user", "account.user_added by user"];
        let second = self.call(&anne.api, "createAccount", "", second, &written).await;
        let choice = json!({ "account_id": second["id"] });
        let chosen = self.call(&anne.api, "chooseAccount", "", choice, &["account.chosen by user"]).await;
        anne.renewed(&chosen);
        let (_, token) = anne.invites("mary@example.test", &json!([])).await;
        let written = ["account.chosen by user", "account.user_added by user", "invitation.accepted by user"];
        self.call(&mary.api, "acceptInvitation", "", json!({ "token": token }), &written).await;
        let all = json!({ "permissions": "all" });
        let written = ["account.user_changed by user"];
        self.call(&anne.api, "changeMyAccountUser", &mary.id, all, &written).await;
        let written = ["account.user_removed by user"];
        self.call(&anne.api, "removeMyAccountUser", &mary.id, NONE, &written).await;
    }

    async fn admin_as(&mut self, anne: &User) {
        let guest = self.guest.clone();
        let path = format!("/v1/admin/accounts/{}/login-as", anne.account());
        let link = text(&self.ada.api.post(&path, &json!({})).await.expect(200)["link"]);
        let token = json!({ "token": token_of(&link) });
        self.call(&guest, "enterAsUser", "", token, &["session.started by staff_as_user"]).await;
    }

    async fn forgotten_password_of(&mut self, anne: &mut User) {
        let guest = self.guest.clone();
        let ask = json!({ "audience": "user", "login": anne.email });
        let written = ["user.password_reset_requested by guest"];
        self.call(&guest, "askForPasswordReset", "", ask, &written).await;
        let token = self.mailed(&anne.email, "/reset-password").await;
        let password = password();
        let complete = |answer: &str| json!({ "token": token, "password": password, "answer": answer });
        let written = ["user.security_answer_refused by guest"];
        self.refuse(&guest, "completePasswordReset", complete("another"), "answer_refused", &written).await;
        let written = ["user.password_changed by guest"];
        self.call(&guest, "completePasswordReset", "", complete("St Mary's"), &written).await;
        let session = client_log_in(&guest, &anne.email, &password).await.expect(200);
        *anne = User::from_answer(&guest, &session, &password);
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
