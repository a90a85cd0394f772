//! An invitation can be changed until it is accepted.

use frontdesk_tests::{Database, Frontdesk, PASSWORD, Smtp, both, first_administrator, invite, roles};
use serde_json::json;

both! {
    a_change_of_role_or_name_keeps_the_link,
    what_the_invitation_fixes_is_refused_from_the_invitee,
    a_change_of_address_kills_the_link,
    a_change_of_nothing_changes_nothing,
    a_waiting_mail_whose_link_died_is_obsolete,
}

/// Names and role are changed under a link that stays as it is, and nobody is mailed.
async fn a_change_of_role_or_name_keeps_the_link(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "first_name": "Grase" })).await;
    smtp.takes(1).await;
    let (_, powerless) = roles(&ada.api).await;

    let change = json!({ "first_name": "Grace", "last_name": "Hopper", "role_id": powerless });
    let changed = ada.api.patch(&invitation.path(), &change).await;
    assert!(!changed.text.contains("#token="), "the link is answered where one is made, and nowhere else");
    let changed = changed.expect(200);
    assert_eq!(changed["id"], invitation.id.as_str());
    assert_eq!(changed["first_name"], "Grace");

    let accept = json!({ "token": invitation.token(), "username": "grace", "password": PASSWORD });
    let guest = service.api();
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = guest.with_token(answer["token"].as_str().expect("a session"));
    let me = grace.get("/v1/admin/session").await.expect(200);
    assert_eq!([&me["staff"]["first_name"], &me["staff"]["last_name"]], ["Grace", "Hopper"]);
    let refused = grace.get("/v1/admin/staff-invitations").await.problem(403, "permission_required");
    assert!(refused["permission"].as_str().is_some_and(|name| name.contains('.')), "{refused}");

    ada.api.patch(&invitation.path(), &change).await.problem(409, "invitation_used");
    ada.api.delete(&invitation.path()).await.problem(409, "invitation_used");
    smtp.takes(1).await;
}

/// What an invitation fixes is not the invitee's to say.
async fn what_the_invitation_fixes_is_refused_from_the_invitee(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let fixed = json!({ "username": "grace", "first_name": "Grace", "last_name": "Hopper" });
    let invitation = invite(&ada.api, "grace@example.test", fixed).await;
    let guest = service.api();
    let looked = guest
        .post("/v1/public/invitations/lookup", &json!({ "token": invitation.token() }))
        .await
        .expect(200);
    assert_eq!(looked["username"], "grace");
    assert_eq!(looked["needs"], json!(["password"]));

    for (field, value) in [("username", "hopper"), ("email", "other@example.test"), ("first_name", "G")] {
        let mut accept = json!({ "token": invitation.token(), "password": PASSWORD });
        accept[field] = json!(value);
        guest.post("/v1/public/invitations/accept", &accept).await.invalid(field);
    }
    let accept = json!({ "token": invitation.token(), "password": PASSWORD });
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    assert_eq!(answer["staff"]["username"], "grace");
}

/// Another address means another person: the old link dies, the new address gets a new one.
async fn a_change_of_address_kills_the_link(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grase@example.test", json!({ "first_name": "Grace" })).await;
    let old = smtp.takes_for("grase@example.test").await;

    ada.api.patch(&invitation.path(), &json!({ "email": "grace@example.test" })).await.expect(200);
    let new = smtp.takes_for("grace@example.test").await;
    assert_ne!(new.token(), old.token());

    let guest = service.api();
    let mut accept = json!({
        "token": old.token(), "username": "grace", "password": PASSWORD, "last_name": "Hopper",
    });
    guest.post("/v1/public/invitations/accept", &accept).await.problem(410, "invitation_replaced");
    accept["token"] = json!(new.token());
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    assert_eq!(answer["staff"]["email"], "grace@example.test");

    // An address of somebody's is refused here as well.
    let other = invite(&ada.api, "joan@example.test", json!({})).await;
    ada.api.patch(&other.path(), &json!({ "email": "GRACE@example.test" })).await.problem(409, "email_taken");
    smtp.takes(3).await;
    service.keeps_its_secrets().await;
}

/// Neither the empty change nor one to what is there already leaves a trace.
async fn a_change_of_nothing_changes_nothing(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace" })).await;
    let before = ada.api.get(&invitation.path()).await.expect(200);
    let rows = async || {
        let deliveries = service.column("SELECT id FROM deliveries").await.len();
        (service.column("SELECT id FROM events ORDER BY id").await, deliveries)
    };
    let recorded = rows().await;
    for change in [
        json!({}),
        json!({ "email": "grace@example.test" }),
        json!({ "first_name": "Grace", "last_name": null, "username": null, "role_id": before["role"]["id"] }),
    ] {
        assert_eq!(ada.api.patch(&invitation.path(), &change).await.expect(200), before, "{change}");
    }
    assert_eq!(rows().await, recorded);
    let lookup = json!({ "token": invitation.token() });
    service.api().post("/v1/public/invitations/lookup", &lookup).await.expect(200);
}

/// An invitation changes while its mail still waits: who no longer has a link gets no mail.
async fn a_waiting_mail_whose_link_died_is_obsolete(database: Database) {
    let mut smtp = Smtp::down();
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let moved = invite(&ada.api, "grase@example.test", json!({})).await;
    let cancelled = invite(&ada.api, "joan@example.test", json!({})).await;
    let used = invite(&ada.api, "mary@example.test", json!({})).await;
    ada.api.patch(&moved.path(), &json!({ "email": "grace@example.test" })).await.expect(200);
    ada.api.delete(&cancelled.path()).await.expect(204);
    let accept = json!({
        "token": used.token(), "username": "mary", "password": PASSWORD, "first_name": "Mary", "last_name": "Keller",
    });
    service.api().post("/v1/public/invitations/accept", &accept).await.expect(200);
    let obsolete = service.column(
        "SELECT recipient_address FROM deliveries WHERE state = 'obsolete' ORDER BY recipient_address",
    );
    assert_eq!(obsolete.await, ["grase@example.test", "joan@example.test", "mary@example.test"]);
    let kept = service
        .column("SELECT id FROM deliveries WHERE state <> 'waiting' AND sealed_token IS NOT NULL")
        .await;
    assert_eq!(kept.len(), 0, "a token that no mail will carry is wiped");

    smtp.resume().await;
    let mails = smtp.takes(1).await;
    assert_eq!(mails[0].to, ["grace@example.test"]);
}
