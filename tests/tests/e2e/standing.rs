//! A request is let in before its body comes, which may take its time: whoever may no longer by then changes nothing.

use frontdesk_tests::{
    Database, FULL_ADMINISTRATOR, Frontdesk, Invitation, Person, both, first_administrator, invite, joined,
    role,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

both! {
    whoever_is_shut_out_meanwhile_changes_nothing,
    whoever_lost_the_permission_meanwhile_changes_nothing,
    a_program_that_ended_meanwhile_changes_nothing,
    an_invitation_needs_somebody_who_answers_for_it,
    programs_of_superiors_are_left_alone,
}

/// A request whose body waits for its last byte.
struct Held {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// Sends all but the end of it, and waits until the service asks for more: it has let the request in.
async fn hold(service: &Frontdesk, method: &str, path: &str, authorization: &str, body: &Value) -> Held {
    let body = body.to_string().into_bytes();
    let to = service.base().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&to).await.expect("it listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: {authorization}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    // The handler asks for the body, which is after the look at who calls.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.expect("it answers");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    Held { stream, rest: body }
}

impl Held {
    /// Sends the rest; answers status and code.
    async fn finish(mut self) -> (u16, String) {
        self.stream.write_all(&self.rest).await.expect("it reads");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.expect("it answers");
        let status = answer[9..12].parse().expect("a status");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

fn bearer(person: &Person) -> String {
    format!("Bearer {}", person.token)
}

async fn whoever_is_shut_out_meanwhile_changes_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let by = bearer(&grace);
    let mut held = Vec::new();
    for (method, path, body) in [
        ("PATCH", "/v1/admin/me", json!({ "email": "elsewhere@example.test" })),
        ("PATCH", "/v1/admin/settings", json!({ "ban_after": 99 })),
        ("POST", "/v1/admin/bans", json!({ "network": "203.0.113.0/24", "reason": "revenge" })),
        ("POST", "/v1/admin/departments", json!({ "name": "Mine" })),
        ("POST", "/v1/admin/roles", json!({ "name": "Mine" })),
        ("POST", "/v1/admin/api-roles", json!({ "name": "Mine", "operations": [] })),
    ] {
        held.push((path, hold(&service, method, path, &by, &body).await));
    }
    ada.api.post(&format!("/v1/admin/staff/{}/disable", grace.id), &json!({})).await.expect(204);
    let before = service.column("SELECT id FROM events ORDER BY id").await;
    for (path, held) in held {
        assert_eq!(held.finish().await, (401, "login_required".into()), "{path}");
    }
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await, before);
    assert_eq!(ada.api.get("/v1/admin/settings").await.expect(200)["ban_after"], 3);
}

async fn whoever_lost_the_permission_meanwhile_changes_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let desk = role(&ada.api, "Desk", &["bans.manage", "staff.edit", "staff.notes"]).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": desk })).await;
    let joan = joined(&ada, &service, "joan", json!({ "role_id": role(&ada.api, "None", &[]).await })).await;
    let by = bearer(&grace);
    let ban = json!({ "network": "203.0.113.0/24", "reason": "spam" });
    let ban = hold(&service, "POST", "/v1/admin/bans", &by, &ban).await;
    let path = format!("/v1/admin/staff/{}", joan.id);
    let notes = hold(&service, "PATCH", &path, &by, &json!({ "notes": "late" })).await;
    let less = json!({ "permissions": ["staff.edit"] });
    ada.api.patch(&format!("/v1/admin/roles/{desk}"), &less).await.expect(200);
    assert_eq!(ban.finish().await, (403, "permission_required".into()));
    assert_eq!(notes.finish().await, (403, "permission_required".into()));
    assert_eq!(ada.api.get(&path).await.expect(200)["notes"], "");
}

async fn a_program_that_ended_meanwhile_changes_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let both = json!({ "name": "Both", "operations": ["changeSettings", "createRole"] });
    let api_role = ada.api.post("/v1/admin/api-roles", &both).await.expect(201)["id"].clone();
    let made = json!({ "api_role_ids": [api_role] });
    let made = ada.api.post("/v1/admin/api-credentials", &made).await.expect(201);
    let by = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let role = hold(&service, "POST", "/v1/admin/roles", &by, &json!({ "name": "Late" })).await;
    let settings = hold(&service, "PATCH", "/v1/admin/settings", &by, &json!({ "ban_after": 9 })).await;
    let path = format!("/v1/admin/api-roles/{}", api_role.as_str().expect("an id"));
    ada.api.patch(&path, &json!({ "operations": ["changeSettings"] })).await.expect(200);
    assert_eq!(role.finish().await, (403, "operation_not_allowed".into()));
    let path = format!("/v1/admin/api-credentials/{}", made["id"].as_str().expect("an id"));
    ada.api.delete(&path).await.expect(204);
    assert_eq!(settings.finish().await, (401, "credential_refused".into()));
}

async fn an_invitation_needs_somebody_who_answers_for_it(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let looks = async |one: &Invitation| {
        guest.post("/v1/public/invitations/lookup", &json!({ "token": one.token() })).await
    };
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let back_door = invite(&grace.api, "eve@example.test", json!({})).await;
    let harmless = invite(&grace.api, "joan@example.test", json!({})).await;
    looks(&back_door).await.expect(200);

    // Shut out, and let in again.
    let path = format!("/v1/admin/staff/{}", grace.id);
    ada.api.post(&format!("{path}/disable"), &json!({})).await.expect(204);
    looks(&back_door).await.problem(410, "invitation_cancelled");
    let accept = json!({
        "token": back_door.token(), "username": "eve", "password": "quartz lantern 47 orbit",
        "first_name": "Eve", "last_name": "Adams",
    });
    let accept_path = "/v1/public/invitations/accept";
    guest.post(accept_path, &accept).await.problem(410, "invitation_cancelled");
    ada.api.post(&format!("{path}/enable"), &json!({})).await.expect(204);
    looks(&back_door).await.expect(200);
    // Demoted below what she gave.
    let less = role(&ada.api, "Inviting", &["staff.invite"]).await;
    ada.api.patch(&path, &json!({ "role_id": less })).await.expect(200);
    looks(&back_door).await.problem(410, "invitation_cancelled");
    // Whoever sends it anew answers for it.
    let anew = ada.api.post(&format!("{}/resend", harmless.path()), &json!({})).await.expect(200);
    let anew = Invitation::from(anew);
    looks(&anew).await.expect(200);
    // Gone: hers end, the other stays.
    ada.api.delete(&path).await.expect(204);
    assert_eq!(ada.api.get(&back_door.path()).await.expect(200)["state"], "cancelled");
    guest.post(accept_path, &accept).await.problem(410, "invitation_cancelled");
    looks(&anew).await.expect(200);
    assert_eq!(anew.body["role"]["id"], FULL_ADMINISTRATOR);
}

async fn programs_of_superiors_are_left_alone(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let reads = json!({ "name": "Reads", "operations": ["listStaff"] });
    let api_role = ada.api.post("/v1/admin/api-roles", &reads).await.expect(201)["id"].clone();
    let path = format!("/v1/admin/api-roles/{}", api_role.as_str().expect("an id"));
    let desk = role(&ada.api, "Desk", &["staff.view", "api.access", "api.view", "api.edit"]).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": desk })).await;
    // While nobody above her uses it, it is hers to change.
    grace.api.patch(&path, &json!({ "operations": ["getStaff", "listStaff"] })).await.expect(200);
    ada.api.post("/v1/admin/api-credentials", &json!({ "api_role_ids": [api_role] })).await.expect(201);
    grace.api.patch(&path, &json!({ "operations": [] })).await.problem(403, "beyond_own_permissions");
    grace.api.delete(&path).await.problem(403, "beyond_own_permissions");
    grace.api.patch(&path, &json!({ "description": "for the phone book" })).await.expect(200);
    assert_eq!(ada.api.get(&path).await.expect(200)["operations"], json!(["getStaff", "listStaff"]));
}
