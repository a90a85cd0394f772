//! The whole way of an invitation, told once from beginning to end.

use frontdesk_tests::{
    Database, Frontdesk, PASSWORD, Person, Smtp, both, first_administrator, invite, token_of,
};
use serde_json::json;

both! {
    from_the_first_link_to_two_people_online,
}

/// From the link that a first start prints to two people on one dashboard.
async fn from_the_first_link_to_two_people_online(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let guest = service.api();

    // The first administrator looks, and comes in.
    let link = service.first_administrator_link().expect("the first start prints a link").to_owned();
    assert!(link.starts_with(service.base()), "{link}");
    let looked =
        guest.post("/v1/public/invitations/lookup", &json!({ "token": token_of(&link) })).await.expect(200);
    assert_eq!(looked["kind"], "staff");
    assert_eq!(looked["email"], json!(null));
    let mut needs: Vec<_> =
        looked["needs"].as_array().expect("a list").iter().filter_map(|need| need.as_str()).collect();
    needs.sort_unstable();
    assert_eq!(needs, ["email", "first_name", "last_name", "password", "username"]);
    let ada = first_administrator(&service).await;

    // Who am I; out; in again, by username and by email.
    let me = ada.api.get("/v1/admin/session").await.expect(200);
    assert_eq!(me["staff"]["id"], ada.id.as_str());
    assert_eq!(me["staff"]["username"], "ada");
    assert_eq!(me["staff"]["email"], "ada@example.test");
    assert_eq!(me["pending"], json!([]));
    assert_eq!(ada.api.delete("/v1/admin/session").await.expect(204), json!(null));
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
    for login in ["ada", "ADA", "Ada@Example.Test"] {
        let session = guest
            .post("/v1/admin/session", &json!({ "login": login, "password": ada.password }))
            .await
            .expect(200);
        let api = guest.with_token(session["token"].as_str().expect("a session"));
        assert_eq!(api.get("/v1/admin/session").await.expect(200)["staff"]["username"], "ada");
    }
    let ada = login(&service, &ada).await;

    // She invites a colleague, and the link is in the answer, once.
    let invitation = invite(&ada.api, "grace@example.test", json!({ "first_name": "Grace" })).await;
    assert_eq!(invitation.body["email"], "grace@example.test");
    let listed = ada.api.get("/v1/admin/staff-invitations").await;
    assert!(!listed.text.contains(invitation.token()), "a list never repeats a link");
    assert_eq!(listed.expect(200)["items"][0]["id"], invitation.id.as_str());

    // The mail brings the same link.
    let mail = smtp.takes_for("grace@example.test").await;
    assert_eq!(mail.token(), invitation.token());
    assert_eq!(mail.link(), invitation.link);
    assert!(mail.html().contains(invitation.token()), "the HTML part carries the link as well");

    // Following it spends nothing.
    let page =
        reqwest::get(mail.link().split('#').next().expect("a link has a beginning")).await.expect("a page");
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().expect("ASCII").starts_with("text/html"));
    for _ in 0..3 {
        let looked =
            guest.post("/v1/public/invitations/lookup", &json!({ "token": mail.token() })).await.expect(200);
        assert_eq!(looked["email"], "grace@example.test");
    }

    // Accepting does, and logs in.
    let accept = json!({
        "token": mail.token(), "username": "grace", "password": PASSWORD, "last_name": "Hopper",
    });
    let answer = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let grace = Person::from_acceptance(&guest, &answer, "grace", PASSWORD);
    assert_eq!(grace.api.get("/v1/admin/session").await.expect(200)["staff"]["first_name"], "Grace");
    guest.post("/v1/public/invitations/accept", &accept).await.problem(409, "invitation_used");

    // Both are listed.
    let staff = ada.api.get("/v1/admin/staff?total=true").await.expect(200);
    let mut names: Vec<_> =
        staff["items"].as_array().expect("a list").iter().map(|one| one["username"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["ada", "grace"]);
    assert_eq!(staff["total"], 2);

    // And the widget, a sandboxed plugin, shows both to both.
    for person in [&ada, &grace] {
        let dashboard = person.api.get("/v1/admin/dashboard").await.expect(200);
        let widgets = dashboard["widgets"].as_array().expect("a list of widgets");
        let online =
            widgets.iter().find(|one| one["id"] == "staff-online").expect("it ships with the product");
        let blocks = online["view"]["blocks"].as_array().unwrap_or_else(|| panic!("no view: {online}"));
        let people =
            blocks.iter().find(|one| one["type"] == "people").unwrap_or_else(|| panic!("nobody: {online}"));
        let mut shown: Vec<_> =
            people["items"].as_array().expect("people").iter().map(|one| one["name"].to_string()).collect();
        shown.sort();
        assert_eq!(shown, [r#""Ada Lovelace""#, r#""Grace Hopper""#], "{online}");
    }

    // One mail was sent in all of this, and no secret stayed behind.
    smtp.takes(1).await;
    service.keeps_its_secrets().await;
}

async fn login(service: &Frontdesk, person: &Person) -> Person {
    let guest = service.api();
    let login = json!({ "login": person.username, "password": person.password });
    let session = guest.post("/v1/admin/session", &login).await.expect(200);
    Person::from_acceptance(&guest, &session, &person.username, &person.password)
}
