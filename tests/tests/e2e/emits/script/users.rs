//! What users do.

use super::{NONE, ORIGIN, Script, another_session, password, text};
use frontdesk_tests::{
    Authenticator, AuthenticatorApp, User, client_log_in, new_user, recovery_codes, registration, token_of,
};
use serde_json::json;

impl Script {
    /// A user registers, sees to their login and their accounts, and goes.
    pub(super) async fn users(&mut self) {
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
}
