//! What people may call themselves, and what passwords they may choose.

use frontdesk_tests::{Database, Frontdesk, PASSWORD, both, first_administrator, invite};
use serde_json::json;

both! {
    usernames_are_letters_and_digits_and_begin_with_a_letter,
    all_that_is_wrong_is_said_at_once,
    short_passwords_are_refused,
}

async fn usernames_are_letters_and_digits_and_begin_with_a_letter(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let invitation =
        invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace", "last_name": "Hopper" })).await;
    let accept =
        |username: &str| json!({ "token": invitation.token(), "username": username, "password": PASSWORD });
    let guest = service.api();
    let too_long = "g".repeat(65);
    for wrong in [
        "",
        "1grace",
        "gr ace",
        "grace@example.test",
        "grâce",
        "gr-ace",
        "gr_ace",
        "grace\u{0}",
        " grace",
        &too_long,
    ] {
        guest.post("/v1/public/invitations/accept", &accept(wrong)).await.invalid("username");
    }
    for taken in ["ada", "Ada", "ADA"] {
        guest.post("/v1/public/invitations/accept", &accept(taken)).await.problem(409, "username_taken");
    }
    let (role, _) = frontdesk_tests::roles(&ada.api).await;
    let preset = json!({ "email": "joan@example.test", "role_id": role, "username": "aDa" });
    ada.api.post("/v1/admin/staff-invitations", &preset).await.problem(409, "username_taken");
    let preset = json!({ "email": "joan@example.test", "role_id": role, "username": "jo an" });
    ada.api.post("/v1/admin/staff-invitations", &preset).await.invalid("username");

    let longest = format!("G{}9", "r".repeat(62));
    let answer = guest.post("/v1/public/invitations/accept", &accept(&longest)).await.expect(200);
    assert_eq!(answer["staff"]["username"], longest);
}

/// Every field that is missing or wrong is named, all at once; nothing is spent.
async fn all_that_is_wrong_is_said_at_once(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let guest = service.api();
    let accept = json!({ "token": invitation.token(), "username": "1", "password": PASSWORD, "first_name": "", "last_name": "x".repeat(101) });
    let refused = guest.post("/v1/public/invitations/accept", &accept).await;
    for field in ["username", "first_name", "last_name"] {
        refused.invalid(field);
    }
    let accept = json!({ "token": invitation.token(), "password": PASSWORD });
    let refused = guest.post("/v1/public/invitations/accept", &accept).await;
    for field in ["username", "first_name", "last_name"] {
        refused.invalid(field);
    }
}

/// Staff choose at least fifteen characters, of any kind, and are told.
async fn short_passwords_are_refused(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let invitation =
        invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace", "last_name": "Hopper" })).await;
    let guest = service.api();
    let accept =
        |password: &str| json!({ "token": invitation.token(), "username": "grace", "password": password });
    for refused in ["", "short", "fourteen chars", &"é".repeat(14), &"x".repeat(257)] {
        guest.post("/v1/public/invitations/accept", &accept(refused)).await.problem(422, "password_refused");
    }
    let decomposed = "Cafe\u{301} au lait, s'il vous plai\u{302}t";
    let composed = "Café au lait, s'il vous plaît";
    guest.post("/v1/public/invitations/accept", &accept(decomposed)).await.expect(200);
    guest.post("/v1/admin/session", &json!({ "login": "grace", "password": composed })).await.expect(200);
}
