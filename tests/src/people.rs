//! People, and the ways they come in.

use crate::{Api, Frontdesk, unique};
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

/// The ids of the two roles that are shipped: the one with every permission, and the one with none.
pub async fn roles(admin: &Api) -> (String, String) {
    let roles = admin.get("/v1/admin/roles").await.expect(200);
    let items = roles["items"].as_array().expect("a list of roles").clone();
    let id = |role: Option<&Value>| {
        role.and_then(|role| role["id"].as_str()).expect("both roles are shipped").to_owned()
    };
    let count = |role: &Value| role["permissions"].as_array().map_or(0, Vec::len);
    (id(items.iter().max_by_key(|role| count(role))), id(items.iter().find(|role| count(role) == 0)))
}

/// Invites a colleague as a full administrator; `more` adds to the body or replaces parts of it.
pub async fn invite(admin: &Api, email: &str, more: Value) -> Invitation {
    let (full, _) = roles(admin).await;
    let mut body = json!({ "email": email, "role_id": full });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    Invitation::from(admin.post("/v1/admin/staff-invitations", &body).await.expect(201))
}
