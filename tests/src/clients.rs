//! Users and the accounts they act for, as the tests know them.

use crate::{Answer, Api, Frontdesk, PASSWORD, Person, token_of, unique};
use serde_json::{Value, json};

/// A user with a session.
#[derive(Debug, Clone)]
pub struct User {
    pub api: Api,
    pub id: String,
    pub email: String,
    pub password: String,
    pub token: String,
    /// The account that the session acts for.
    pub account: Option<String>,
}

impl User {
    /// Whom an answer logs in.
    pub fn from_answer(guest: &Api, answer: &Value, password: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("in {answer}")).to_owned();
        let token = text(&answer["token"]);
        Self {
            api: guest.with_token(&token),
            id: text(&answer["user"]["id"]),
            email: text(&answer["user"]["email"]),
            password: password.to_owned(),
            account: answer["account"]["id"].as_str().map(str::to_owned),
            token,
        }
    }

    /// Goes on with the token of an answer; the one before is dead.
    pub fn renewed(&mut self, answer: &Value) {
        let token = answer["token"].as_str().unwrap_or_else(|| panic!("no new token in {answer}"));
        assert_ne!(token, self.token, "a new token");
        self.api = self.api.with_token(token);
        token.clone_into(&mut self.token);
        self.account = answer["account"]["id"].as_str().map(str::to_owned);
    }

    pub fn account(&self) -> &str {
        self.account.as_deref().expect("a session that acts for an account")
    }

    /// Logs in anew with the password.
    pub async fn log_in(&self, service: &Frontdesk) -> Answer {
        client_log_in(&service.api(), &self.email, &self.password).await
    }

    /// Acts for another account from now on.
    pub async fn choose(&mut self, account: &str) {
        let chosen = self.api.post("/v1/client/session/account", &json!({ "account_id": account })).await;
        self.renewed(&chosen.expect(200));
        assert_eq!(self.account(), account);
    }

    /// Invites somebody to the account; gives the id and the token of the link.
    pub async fn invites(&self, email: &str, permissions: &Value) -> (String, String) {
        let body = json!({ "email": email, "permissions": permissions });
        let made = self.api.post("/v1/client/account/invitations", &body).await.expect(201);
        let text =
            |field: &str| made[field].as_str().unwrap_or_else(|| panic!("no {field} in {made}")).to_owned();
        (text("id"), token_of(&text("link")).to_owned())
    }

    /// Accepts an invitation as who they are; the session acts for that account from now on.
    pub async fn accepts(&mut self, token: &str) -> Value {
        let answer =
            self.api.post("/v1/public/invitations/accept", &json!({ "token": token })).await.expect(200);
        self.renewed(&answer);
        answer
    }
}

pub async fn client_log_in(guest: &Api, email: &str, password: &str) -> Answer {
    guest.post("/v1/client/session", &json!({ "login": email, "password": password })).await
}

/// What registers somebody at `name@example.test`, with an account of that name.
pub fn registration(name: &str, password: &str) -> Value {
    json!({
        "email": format!("{name}@example.test"), "password": password, "first_name": "Anne", "last_name": "Byron",
        "account": { "name": format!("{name} Ltd") },
    })
}

/// Lets this machine register as often as it likes: tests are many, and come from one address.
pub async fn open_registration(admin: &Api) {
    admin.patch("/v1/admin/settings", &json!({ "registrations_per_hour": 10_000 })).await.expect(200);
}

/// Registers `name@example.test`, who owns the account `name Ltd` and acts for it.
pub async fn registered(service: &Frontdesk, name: &str) -> User {
    let (guest, password) = (service.api(), format!("{PASSWORD} {}", unique()));
    guest.post("/v1/client/register", &registration(name, &password)).await.expect(202);
    let answer = client_log_in(&guest, &format!("{name}@example.test"), &password).await.expect(200);
    User::from_answer(&guest, &answer, &password)
}

/// What registers somebody who accepts an invitation to an account.
pub fn new_user(name: &str, password: &str) -> Value {
    json!({
        "email": format!("{name}@example.test"), "password": password, "first_name": "Mary", "last_name": "Jones",
    })
}

/// Comes in by an invitation to an account, as a new user at `name@example.test`.
pub async fn accept_as_new(guest: &Api, token: &str, name: &str) -> User {
    let password = format!("{PASSWORD} {}", unique());
    let body = json!({ "token": token, "user": new_user(name, &password) });
    let answer = guest.post("/v1/public/invitations/accept", &body).await.expect(200);
    User::from_answer(guest, &answer, &password)
}

/// A new user at `name@example.test` who may do this on the owner's account, and acts for it.
pub async fn associated(service: &Frontdesk, owner: &User, name: &str, permissions: &Value) -> User {
    let (_, token) = owner.invites(&format!("{name}@example.test"), permissions).await;
    accept_as_new(&service.api(), &token, name).await
}

/// The service with an administrator and registration as open as tests need it.
pub async fn with_clients(database: crate::Database) -> (Frontdesk, Person) {
    let service = Frontdesk::running(database).await;
    let admin = crate::first_administrator(&service).await;
    open_registration(&admin.api).await;
    (service, admin)
}

/// The id at the end of an answer's list item that `field` finds.
pub fn found<'v>(list: &'v Value, field: &str, wanted: &str) -> Option<&'v Value> {
    list["items"].as_array().expect("a list").iter().find(|item| item[field] == wanted)
}
