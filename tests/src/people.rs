//! People, and the ways they come in.

use crate::{Answer, Api, AuthenticatorApp, Frontdesk, eventually, unique};
use serde_json::{Value, json};

/// Long enough for staff, on no list, and made of none of anybody's words.
pub const PASSWORD: &str = "quartz lantern 47 orbit";

/// Somebody with a session.
#[derive(Debug)]
pub struct Person {
    pub api: Api,
    pub id: String,
    pub username: String,
    pub password: String,
    pub token: String,
}

/// A pending invitation, as its maker saw it.
#[derive(Debug)]
pub struct Invitation {
    pub id: String,
    pub link: String,
    pub body: Value,
}

impl Invitation {
    pub fn token(&self) -> &str {
        token_of(&self.link)
    }

    pub fn path(&self) -> String {
        format!("/v1/admin/staff-invitations/{}", self.id)
    }

    pub fn from(body: Value) -> Self {
        let text =
            |field: &str| body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned();
        Self { id: text("id"), link: text("link"), body }
    }
}

impl Person {
    /// Who comes in by accepting, with the session that the answer holds.
    pub fn from_acceptance(api: &Api, answer: &Value, username: &str, password: &str) -> Self {
        let token = answer["token"].as_str().unwrap_or_else(|| panic!("no session in {answer}")).to_owned();
        let id = answer["staff"]["id"].as_str().unwrap_or_else(|| panic!("no id in {answer}")).to_owned();
        Self {
            api: api.with_token(&token),
            id,
            username: username.to_owned(),
            password: password.to_owned(),
            token,
        }
    }
}

impl Person {
    /// Goes on with the token of an answer; the one before is dead.
    pub fn renewed(&mut self, answer: &Value) {
        let token = answer["token"].as_str().unwrap_or_else(|| panic!("no new token in {answer}"));
        assert_ne!(token, self.token, "a new token");
        self.api = self.api.with_token(token);
        token.clone_into(&mut self.token);
    }

    /// Logs in anew with the password, as far as that goes.
    pub async fn log_in(&self, service: &Frontdesk) -> Answer {
        log_in(&service.api(), &self.username, &self.password).await
    }

    /// Logs in anew, up to the question for the second factor.
    pub async fn challenged(&self, service: &Frontdesk) -> Challenge {
        Challenge::from(&self.log_in(service).await.expect(200))
    }

    /// Enrols an authenticator app. With the first second factor come ten recovery codes.
    pub async fn enrol_app(&mut self) -> (AuthenticatorApp, Vec<String>) {
        let begun = self.api.post("/v1/admin/me/totp", &json!({})).await.expect(200);
        let app = AuthenticatorApp::scanned(&begun);
        let first = json!({ "code": app.code() });
        let enrolled = self.api.post("/v1/admin/me/totp/confirm", &first).await.expect(200);
        self.renewed(&enrolled);
        (app, recovery_codes(&enrolled))
    }
}

/// The ten codes of an answer, or none.
pub fn recovery_codes(answer: &Value) -> Vec<String> {
    let codes = answer["recovery_codes"].as_array().cloned().unwrap_or_default();
    codes.iter().map(|code| code.as_str().expect("a code is text").to_owned()).collect()
}

/// A login's question for the second factor.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub token: String,
    pub body: Value,
}

impl Challenge {
    pub fn from(body: &Value) -> Self {
        let token = body["challenge"].as_str().unwrap_or_else(|| panic!("no challenge in {body}"));
        assert_eq!(body.get("token"), None, "half of the way is no session");
        Self { token: token.to_owned(), body: body.clone() }
    }

    /// Answers with a code: `totp` or `recovery`.
    pub async fn answer(&self, guest: &Api, method: &str, code: &str) -> Answer {
        let answer = json!({ "challenge": self.token, "method": method, "code": code });
        guest.post("/v1/admin/session/second-factor", &answer).await
    }

    /// Answers with what a security key said.
    pub async fn answer_with_key(&self, guest: &Api, credential: &Value) -> Answer {
        let answer = json!({ "challenge": self.token, "method": "security-key", "credential": credential });
        guest.post("/v1/admin/session/second-factor", &answer).await
    }
}

pub async fn log_in(guest: &Api, login: &str, password: &str) -> Answer {
    guest.post("/v1/admin/session", &json!({ "login": login, "password": password })).await
}

/// Brings in a colleague called `username`, at `username@example.test`; `more` as for [`invite`].
pub async fn joined(admin: &Person, service: &Frontdesk, username: &str, more: Value) -> Person {
    let invitation = invite(&admin.api, &format!("{username}@example.test"), more).await;
    let password = format!("{PASSWORD} {}", unique());
    let accept = json!({
        "token": invitation.token(), "username": username, "password": password,
        "first_name": "Grace", "last_name": "Hopper",
    });
    // Accepting ends an invitation's mail that still waits: whoever counts mails would count one more or one less.
    let waits = format!(
        "SELECT id FROM deliveries WHERE recipient_address = '{username}@example.test' AND state = 'waiting' \
             AND (attempts = 0 OR held_by IS NOT NULL)"
    );
    eventually("the invitation's mail", || async { service.column(&waits).await.is_empty().then_some(()) })
        .await;
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await;
    Person::from_acceptance(&guest, &answer.expect(200), username, &password)
}

/// Failed logins from this machine ban it no more, for tests that fail often and are about something else.
pub async fn trust_this_machine(admin: &Api) {
    admin.post("/v1/admin/trusted-addresses", &json!({ "network": "127.0.0.0/8" })).await.expect(201);
}

/// The one-time token at the end of a link.
pub fn token_of(link: &str) -> &str {
    let (_, token) = link.split_once("#token=").unwrap_or_else(|| panic!("no token at the end of a link"));
    assert!(token.len() >= 43, "a token of 256 random bits has at least 43 characters");
    token
}

/// Follows the link that the service printed.
pub async fn first_administrator(service: &Frontdesk) -> Person {
    let link = service.first_administrator_link().expect("without staff, every start prints a link");
    accept_as_first(&service.api(), link).await
}

/// Comes in by a first administrator's link.
pub async fn accept_as_first(guest: &Api, link: &str) -> Person {
    let password = format!("{PASSWORD} {}", unique());
    let accept = json!({
        "token": token_of(link), "username": "ada", "password": password,
        "email": "ada@example.test", "first_name": "Ada", "last_name": "Lovelace",
    });
    let answer = guest.post("/v1/public/invitations/accept", &accept).await;
    Person::from_acceptance(guest, &answer.expect(200), "ada", &password)
}

/// The role that has every permission.
pub const FULL_ADMINISTRATOR: &str = "00000000-0000-7000-8000-000000000001";

/// The ids of two roles: the one with every permission, and one with none, made if it is not there.
pub async fn roles(admin: &Api) -> (String, String) {
    const NAME: &str = "No Permissions";
    let roles = admin.get("/v1/admin/roles?limit=200").await.expect(200);
    let items = roles["items"].as_array().expect("a list of roles");
    let none = match items.iter().find(|role| role["name"] == NAME) {
        Some(role) => role.clone(),
        None => admin.post("/v1/admin/roles", &json!({ "name": NAME })).await.expect(201),
    };
    (FULL_ADMINISTRATOR.into(), none["id"].as_str().expect("an id").to_owned())
}

/// Makes a role that permits exactly this.
pub async fn role(admin: &Api, name: &str, permissions: &[&str]) -> String {
    let role = json!({ "name": name, "permissions": permissions });
    let made = admin.post("/v1/admin/roles", &role).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

/// Invites a colleague as a full administrator; `more` adds to the body or replaces parts of it.
pub async fn invite(admin: &Api, email: &str, more: Value) -> Invitation {
    let mut body = json!({ "email": email, "role_id": FULL_ADMINISTRATOR });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    Invitation::from(admin.post("/v1/admin/staff-invitations", &body).await.expect(201))
}
