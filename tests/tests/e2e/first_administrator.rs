//! The first administrator comes in by a link that the first start prints, and by that link alone.

use frontdesk_tests::{
    Database, FULL_ADMINISTRATOR, Frontdesk, PASSWORD, Smtp, both, first_administrator, token_of,
};
use serde_json::json;

both! {
    every_start_without_staff_prints_a_new_link,
    the_first_link_is_nobodys_invitation,
    the_first_link_is_dead_once_somebody_else_came_in,
}

/// Every start prints a new link while there is nobody; the one before is dead.
async fn every_start_without_staff_prints_a_new_link(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::start_with_mail(database, &smtp).await;
    let first = service.first_administrator_link().expect("a link").to_owned();
    service.stop().await;
    service.start().await;
    let second = service.first_administrator_link().expect("another link").to_owned();
    assert_ne!(token_of(&first), token_of(&second));

    let guest = service.api();
    guest
        .post("/v1/public/invitations/lookup", &json!({ "token": token_of(&first) }))
        .await
        .problem(410, "invitation_replaced");
    let looked =
        guest.post("/v1/public/invitations/lookup", &json!({ "token": token_of(&second) })).await.expect(200);
    assert_eq!(looked["kind"], "staff");

    // Once somebody is there, no start prints one, and the link is spent.
    first_administrator(&service).await;
    service.kill().await;
    service.start().await;
    assert_eq!(service.first_administrator_link(), None);
    let guest = service.api();
    let accept = json!({
        "token": token_of(&second), "username": "eve", "password": PASSWORD,
        "email": "eve@example.test", "first_name": "Eve", "last_name": "Else",
    });
    guest.post("/v1/public/invitations/accept", &accept).await.problem(409, "invitation_used");
    assert_eq!(service.column("SELECT username FROM logins").await, ["ada"]);
    assert_eq!(smtp.mails().len(), 0, "nobody is mailed about this link");
    service.keeps_its_secrets().await;
}

/// It is not among the invitations that people make.
async fn the_first_link_is_nobodys_invitation(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    for list in ["", "?state=accepted", "?state=pending", "?state=expired", "?state=cancelled"] {
        let listed = ada.api.get(&format!("/v1/admin/staff-invitations{list}")).await.expect(200);
        assert_eq!(listed["items"], json!([]), "{list}");
    }
    // Its row has an id that everybody can know.
    let first = "/v1/admin/staff-invitations/00000000-0000-7000-8000-000000000001";
    let row = "SELECT id FROM invitations WHERE id = '00000000-0000-7000-8000-000000000001'";
    assert_eq!(service.column(row).await.len(), 1);
    ada.api.get(first).await.problem(404, "invitation_unknown");
    let change = json!({ "email": "eve@example.test" });
    ada.api.patch(first, &change).await.problem(404, "invitation_unknown");
    ada.api.post(&format!("{first}/resend"), &json!({})).await.problem(404, "invitation_unknown");
    ada.api.delete(first).await.problem(404, "invitation_unknown");
    let staff = ada.api.get("/v1/admin/staff").await.expect(200);
    assert_eq!(staff["items"].as_array().map(Vec::len), Some(1));
}

/// It stands in a log: whoever came in by another way need not know of it.
async fn the_first_link_is_dead_once_somebody_else_came_in(database: Database) {
    let service = Frontdesk::running(database).await;
    let printed = service.first_administrator_link().expect("a link").to_owned();
    let invited = service.run(&["staff", "invite", "boss@example.test"]).await;
    let link = invited.stdout.trim();
    service.secrets.keep_link(link);
    let guest = service.api();
    let accept = |link: &str, username: &str| {
        json!({
            "token": token_of(link), "username": username, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace",
        })
    };
    let boss = guest.post("/v1/public/invitations/accept", &accept(link, "boss")).await.expect(200);
    let api = guest.with_token(boss["token"].as_str().expect("a session"));

    let lookup = json!({ "token": token_of(&printed) });
    guest.post("/v1/public/invitations/lookup", &lookup).await.problem(410, "invitation_cancelled");
    let mut second = accept(&printed, "eve");
    second["email"] = json!("eve@example.test");
    guest.post("/v1/public/invitations/accept", &second).await.problem(410, "invitation_cancelled");
    assert_eq!(service.column("SELECT username FROM logins").await, ["boss"]);
    let full = format!("/v1/admin/roles/{FULL_ADMINISTRATOR}");
    let members = json!({ "active": 1, "disabled": 0, "pending": 0 });
    assert_eq!(api.get(&full).await.expect(200)["members"], members, "nobody waits to come in by it");
    service.keeps_its_secrets().await;
}

/// Two nodes on one database agree on one link, the one printed last, and on who is logged in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_are_one_service() {
    let Some(database) = Database::postgres().await else { return };
    let one = Frontdesk::running(database).await;
    let mut other = one.node();
    other.start().await;
    let earlier = one.first_administrator_link().expect("a link");
    let lookup = json!({ "token": token_of(earlier) });
    other.api().post("/v1/public/invitations/lookup", &lookup).await.problem(410, "invitation_replaced");
    let ada = first_administrator(&other).await;
    let at_one = ada.api.at(one.base());
    at_one.get("/v1/admin/session").await.expect(200);
    at_one.delete("/v1/admin/session").await.expect(204);
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
}
