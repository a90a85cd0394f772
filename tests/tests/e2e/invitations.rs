//! A link works once, for one, until it is used, replaced, cancelled or too old; and says which.

use frontdesk_tests::{
    Api, Database, Frontdesk, Invitation, PASSWORD, Smtp, both, first_administrator, invite,
};
use serde_json::json;
use std::collections::BTreeMap;
use tokio::task::JoinSet;

both! {
    of_32_simultaneous_accepts_one_wins,
    a_resent_invitation_has_a_new_link_only,
    a_cancelled_invitation_is_over,
    an_unknown_link_is_unknown,
    an_address_belongs_to_one_person,
    what_became_taken_meanwhile_is_refused_on_accepting,
    pending_invitations_are_listed_page_by_page,
}

/// Thirty-two people hold the same link and use it at the same moment.
async fn of_32_simultaneous_accepts_one_wins(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(1).await;

    let guest = service.api();
    let mut attempts = JoinSet::new();
    for n in 0..32 {
        let accept = json!({
            "token": invitation.token(), "username": format!("grace{n}"), "password": format!("{PASSWORD} {n}"),
            "first_name": "Grace", "last_name": "Hopper",
        });
        let guest = guest.clone();
        attempts.spawn(async move { guest.post("/v1/public/invitations/accept", &accept).await });
    }
    let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in attempts.join_all().await {
        *outcomes.entry(answer.status.as_u16()).or_default() += 1;
        if answer.status != 200 {
            answer.problem(409, "invitation_used");
        }
    }
    assert_eq!(outcomes, BTreeMap::from([(200, 1), (409, 31)]));

    // One member of staff came of it, with one session; nobody was told twice.
    assert_eq!(ada.api.get("/v1/admin/staff?total=true").await.expect(200)["total"], 2);
    assert_eq!(service.column("SELECT username FROM logins WHERE username <> 'ada'").await.len(), 1);
    assert_eq!(service.column("SELECT id FROM sessions").await.len(), 2);
    assert_eq!(service.column("SELECT id FROM events WHERE name = 'invitation.accepted'").await.len(), 2);
    smtp.takes(1).await;
}

/// Resending makes a new link and kills the old one; the address gets the new one.
async fn a_resent_invitation_has_a_new_link_only(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let first = invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(1).await;

    let resend = ada.api.post(&format!("{}/resend", first.path()), &json!({})).await;
    let second = Invitation::from(resend.expect(200));
    assert_eq!(second.id, first.id);
    assert_ne!(second.token(), first.token());
    let mails = smtp.takes(2).await;
    assert_eq!([mails[0].token(), mails[1].token()], [first.token(), second.token()]);
    assert_ne!(mails[0].delivery(), mails[1].delivery());

    let guest = service.api();
    refused(&guest, first.token(), 410, "invitation_replaced").await;
    guest.post("/v1/public/invitations/accept", &acceptance(second.token())).await.expect(200);
    // Now that it is spent, that is what both have to hear.
    guest
        .post("/v1/public/invitations/accept", &acceptance(second.token()))
        .await
        .problem(409, "invitation_used");
    ada.api.post(&format!("{}/resend", first.path()), &json!({})).await.problem(409, "invitation_used");
    smtp.takes(2).await;
    service.keeps_its_secrets().await;
}

/// Cancelling kills the link, and there is nothing left to resend, edit or cancel.
async fn a_cancelled_invitation_is_over(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(1).await;

    ada.api.delete(&invitation.path()).await.expect(204);
    let guest = service.api();
    refused(&guest, invitation.token(), 410, "invitation_cancelled").await;
    ada.api
        .post(&format!("{}/resend", invitation.path()), &json!({}))
        .await
        .problem(410, "invitation_cancelled");
    ada.api
        .patch(&invitation.path(), &json!({ "first_name": "Grace" }))
        .await
        .problem(410, "invitation_cancelled");
    ada.api.delete(&invitation.path()).await.problem(410, "invitation_cancelled");
    let listed = ada.api.get("/v1/admin/staff-invitations").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    // The address is free for another invitation.
    let again = invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(2).await;
    guest.post("/v1/public/invitations/accept", &acceptance(again.token())).await.expect(200);
    smtp.takes(2).await;
}

/// Nobody learns anything from a link that never was.
async fn an_unknown_link_is_unknown(database: Database) {
    let service = Frontdesk::running(database).await;
    let guest = service.api();
    for token in ["", "x", &"A".repeat(43), "🔑", &"a".repeat(10_000)] {
        refused(&guest, token, 404, "invitation_unknown").await;
    }
    // A session is no invitation, and an invitation no session.
    let ada = first_administrator(&service).await;
    guest
        .post("/v1/public/invitations/lookup", &json!({ "token": ada.token }))
        .await
        .problem(404, "invitation_unknown");
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    guest.with_token(invitation.token()).get("/v1/admin/session").await.problem(401, "login_required");
}

/// An address can be invited once, and not at all once it belongs to somebody.
async fn an_address_belongs_to_one_person(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (role, _) = frontdesk_tests::roles(&ada.api).await;
    for taken in ["ada@example.test", "Ada@Example.TEST"] {
        let body = json!({ "email": taken, "role_id": role });
        ada.api.post("/v1/admin/staff-invitations", &body).await.problem(409, "email_taken");
    }
    for wrong in [
        "",
        "grace",
        "grace@",
        "@example.test",
        "a b@example.test",
        "grace@example.test\r\nBcc: x@example.test",
    ] {
        let body = json!({ "email": wrong, "role_id": role });
        ada.api.post("/v1/admin/staff-invitations", &body).await.invalid("email");
    }
    let nowhere = json!({ "email": "grace@example.test", "role_id": "00000000-0000-7000-8000-0000000000ff" });
    ada.api.post("/v1/admin/staff-invitations", &nowhere).await.invalid("role_id");
    assert_eq!(ada.api.get("/v1/admin/staff-invitations").await.expect(200)["items"], json!([]));
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 0, "nothing refused is ever sent");
}

/// Two people are invited to the same free address and name; whoever accepts second is told why not.
async fn what_became_taken_meanwhile_is_refused_on_accepting(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let one = invite(&ada.api, "grace@example.test", json!({})).await;
    let other = invite(&ada.api, "joan@example.test", json!({})).await;
    let guest = service.api();
    guest.post("/v1/public/invitations/accept", &acceptance(one.token())).await.expect(200);
    guest
        .post("/v1/public/invitations/accept", &acceptance(other.token()))
        .await
        .problem(409, "username_taken");
    // Refused is not spent.
    let mut accept = acceptance(other.token());
    accept["username"] = json!("joan");
    guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
}

/// A list is paged, newest first, and every page leads on to the next.
async fn pending_invitations_are_listed_page_by_page(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(invite(&ada.api, &format!("invited{n}@example.test"), json!({})).await.id);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            ada.api.get(&format!("/v1/admin/staff-invitations?limit=2&total=true{cursor}")).await.expect(200);
        assert_eq!(page["total"], 5);
        let items = page["items"].as_array().expect("a list");
        assert!((1..=2).contains(&items.len()));
        seen.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, made);
    for wrong in ["limit=0", "limit=201", "limit=x", "cursor=x", "surprise=1"] {
        let refused = ada.api.get(&format!("/v1/admin/staff-invitations?{wrong}")).await;
        refused.invalid(wrong.split('=').next().expect("a name"));
    }
}

/// Looking and accepting are refused alike.
async fn refused(guest: &Api, token: &str, status: u16, code: &str) {
    guest.post("/v1/public/invitations/lookup", &json!({ "token": token })).await.problem(status, code);
    guest.post("/v1/public/invitations/accept", &acceptance(token)).await.problem(status, code);
}

fn acceptance(token: &str) -> serde_json::Value {
    json!({ "token": token, "username": "grace", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper" })
}
