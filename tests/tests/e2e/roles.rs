//! Nobody gives what they do not have.

use frontdesk_tests::{
    Database, Frontdesk, Invitation, PASSWORD, both, first_administrator, invite, role, roles,
};
use serde_json::json;

both! {
    nobody_invites_beyond_their_own_permissions,
}

async fn nobody_invites_beyond_their_own_permissions(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let helpdesk = &role(&ada.api, "Helpdesk", &["staff.invite", "roles.view", "staff.view"]).await;
    let (full, powerless) = roles(&ada.api).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "role_id": helpdesk })).await;
    let boss = invite(&ada.api, "boss@example.test", json!({ "first_name": "Joan" })).await;
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper",
    });
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = guest.with_token(answer["token"].as_str().expect("a session"));
    let events = service.column("SELECT id FROM events").await.len();

    let invitations = "/v1/admin/staff-invitations";
    let up = json!({ "email": "friend@example.test", "role_id": full });
    grace.post(invitations, &up).await.problem(403, "beyond_own_permissions");
    for change in [
        json!({ "first_name": "Eve" }),
        json!({ "email": "eve@example.test" }),
        json!({ "role_id": helpdesk }),
        json!({}),
    ] {
        grace.patch(&boss.path(), &change).await.problem(403, "beyond_own_permissions");
    }
    let resend = format!("{}/resend", boss.path());
    grace.post(&resend, &json!({})).await.problem(403, "beyond_own_permissions");
    grace.delete(&boss.path()).await.problem(403, "beyond_own_permissions");

    // Nothing came of any of it.
    assert_eq!(service.column("SELECT id FROM events").await.len(), events);
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 2);
    let looked =
        guest.post("/v1/public/invitations/lookup", &json!({ "token": boss.token() })).await.expect(200);
    assert_eq!([&looked["first_name"], &looked["email"]], ["Joan", "boss@example.test"]);
    let seen = grace.get(&boss.path()).await;
    assert!(!seen.text.contains("token="), "whoever sees an invitation does not see its link");
    assert_eq!(seen.expect(200)["state"], "pending");

    // Into their own role, or one below it, they may; and from there not up.
    for role in [helpdesk, &powerless] {
        let email = format!("{role}@example.test");
        let made = grace.post(invitations, &json!({ "email": email, "role_id": role })).await;
        let made = Invitation::from(made.expect(201));
        let up = grace.patch(&made.path(), &json!({ "role_id": full })).await;
        up.problem(403, "beyond_own_permissions");
        grace.patch(&made.path(), &json!({ "role_id": powerless })).await.expect(200);
        grace.post(&format!("{}/resend", made.path()), &json!({})).await.expect(200);
        grace.delete(&made.path()).await.expect(204);
    }
}
