//! Whoever knocks: with a wrong password, with the right one, with few permissions.

use crate::{Answer, Api, Frontdesk, PASSWORD, Person, invite, unique};
use serde_json::json;

/// Nobody's password.
const WRONG: &str = "thimble copper 12 meadow";

/// Tries a password that is nobody's.
pub async fn guess(from: &Api, login: &str) -> Answer {
    from.post("/v1/admin/session", &json!({ "login": login, "password": WRONG })).await
}

/// Logs in with the right password.
pub async fn log_in_as(from: &Api, person: &Person) -> Answer {
    let body = json!({ "login": person.username, "password": person.password });
    from.post("/v1/admin/session", &body).await
}

/// A colleague whose role permits this and nothing else: slugs, separated by spaces.
pub async fn colleague(service: &Frontdesk, admin: &Api, username: &str, permissions: &str) -> Person {
    let role = format!("00000000-0000-7000-8000-{:.12}", unique());
    service
        .execute(&format!(
            "INSERT INTO roles (id, name, name_folded, everything, permissions, created_at)
             VALUES ('{role}', 'Role of {username}', 'role of {username}', FALSE, '{permissions}', 0)"
        ))
        .await;
    let email = format!("{username}@example.test");
    let invitation = invite(admin, &email, json!({ "role_id": role })).await;
    let password = format!("{PASSWORD} {}", unique());
    let accept = json!({
        "token": invitation.token(), "username": username, "password": password,
        "first_name": "Grace", "last_name": "Hopper",
    });
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await;
    Person::from_acceptance(&guest, &answer.expect(200), username, &password)
}
