//! Invitations to accounts, as staff send them: one by one, from a file, again, and not at all.

use crate::{
    accounts::ACCOUNTS,
    races::{at_once, count, only, send},
    registration::mails_to,
    staff::events,
};
use frontdesk_tests::{
    Answer, Api, Database, User, accept_as_new, associated, both, registered, token_of, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    an_invitation_is_sent_seen_and_cancelled,
    sending_anew_kills_the_link_before_and_takes_its_time,
    limits_hold,
    a_file_invites_many,
    a_file_that_is_none_invites_nobody,
    of_many_who_send_anew_one_does,
}

fn invitations(of: &User) -> String {
    format!("{ACCOUNTS}/{}/invitations", of.account())
}

fn one(of: &User, invitation: &Value) -> String {
    format!("{}/{}", invitations(of), invitation["id"].as_str().expect("an id"))
}

fn body(name: &str) -> Value {
    json!({ "email": format!("{name}@example.test"), "permissions": ["invoices"] })
}

async fn csv(api: &Api, of: &User, query: &str, file: impl Into<reqwest::Body>) -> Answer {
    let request = api.request(Method::POST, &format!("{}/bulk{query}", invitations(of)));
    api.send(request.header("content-type", "text/csv; charset=utf-8").body(file)).await
}

async fn lookup(guest: &Api, invitation: &Value) -> Answer {
    let token = token_of(invitation["link"].as_str().expect("a link"));
    guest.post("/v1/public/invitations/lookup", &json!({ "token": token })).await
}

async fn at_any_time(admin: &Api) {
    admin.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
}

async fn an_invitation_is_sent_seen_and_cancelled(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let mut new = body("joan");
    new["language"] = json!("de");
    let sent = ada.api.post(&invitations(&anne), &new).await.expect(201);
    assert_eq!(
        sent,
        json!({
            "id": sent["id"], "state": "pending", "email": "joan@example.test", "language": "de",
            "account_id": anne.account(), "everything": false, "permissions": ["invoices"], "invited_by": "staff",
            "invited_by_user_id": null, "vouched": true, "created_at": sent["created_at"], "sent_at": sent["created_at"],
            "expires_at": sent["expires_at"], "accepted_at": null, "cancelled_at": null, "user_id": null,
            "link": sent["link"],
        })
    );
    assert_eq!(mails_to(&service, "joan@example.test").await, ["account_invitation"]);
    let seen = ada.api.get(&one(&anne, &sent)).await.expect(200);
    assert_eq!((seen.get("link"), &seen["id"]), (None, &sent["id"]));
    let listed = ada.api.get(&invitations(&anne)).await.expect(200);
    assert_eq!(listed["items"], json!([seen]));
    // The owner sees it, too, and the other way round.
    anne.invites("mary@example.test", &json!("all")).await;
    let listed = ada.api.get(&invitations(&anne)).await.expect(200);
    assert_eq!(
        (&listed["items"][0]["invited_by"], &listed["items"][0]["invited_by_user_id"]),
        (&json!("owner"), &json!(anne.id))
    );

    ada.api.delete(&one(&anne, &sent)).await.expect(204);
    ada.api.delete(&one(&anne, &sent)).await.problem(410, "invitation_cancelled");
    lookup(&service.api(), &sent).await.problem(410, "invitation_cancelled");
    let cancelled = ada.api.get(&format!("{}?state=cancelled", invitations(&anne))).await.expect(200);
    assert_eq!(cancelled["items"][0]["id"], sent["id"]);
    // Accepted ones stay on record.
    let accepted = ada.api.post(&invitations(&anne), &body("rosalind")).await.expect(201);
    let link = accepted["link"].as_str().expect("a link");
    let rosalind = accept_as_new(&service.api(), token_of(link), "rosalind").await;
    let seen = ada.api.get(&one(&anne, &accepted)).await.expect(200);
    assert_eq!((&seen["state"], &seen["user_id"]), (&json!("accepted"), &json!(rosalind.id)));
    ada.api
        .post(&format!("{}/resend", one(&anne, &accepted)), &json!({}))
        .await
        .problem(409, "invitation_used");
    ada.api.post(&invitations(&anne), &body("rosalind")).await.problem(409, "on_account_already");
}

async fn sending_anew_kills_the_link_before_and_takes_its_time(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let sent = ada.api.post(&invitations(&anne), &body("joan")).await.expect(201);
    let resend = format!("{}/resend", one(&anne, &sent));
    let early = ada.api.post(&resend, &json!({})).await;
    early.problem(429, "too_many_attempts");
    assert!(early.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait <= 60)));
    at_any_time(&ada.api).await;
    let again = ada.api.post(&resend, &json!({})).await.expect(200);
    assert_ne!(again["link"], sent["link"]);
    lookup(&service.api(), &sent).await.problem(410, "invitation_replaced");
    lookup(&service.api(), &again).await.expect(200);
}

async fn limits_hold(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let settings = json!({ "invitations_pending": 2, "invitations_per_day": 3 });
    ada.api.patch("/v1/admin/settings", &settings).await.expect(200);
    let first = ada.api.post(&invitations(&anne), &body("a1")).await.expect(201);
    ada.api.post(&invitations(&anne), &body("a2")).await.expect(201);
    ada.api.post(&invitations(&anne), &body("a3")).await.problem(409, "limit_reached");
    ada.api.delete(&one(&anne, &first)).await.expect(204);
    let third = ada.api.post(&invitations(&anne), &body("a3")).await.expect(201);
    ada.api.delete(&one(&anne, &third)).await.expect(204);
    let late = ada.api.post(&invitations(&anne), &body("a4")).await;
    late.problem(429, "too_many_attempts");
    assert!(late.header("retry-after").is_some());
    assert_eq!(
        events(&service, "invitation.created").await.iter().filter(|one| one["kind"] == "account").count(),
        3
    );
}

async fn a_file_invites_many(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    associated(&service, &anne, "mary", &json!([])).await;
    let file = "email,permissions,language\njoan@example.test,invoices tickets,de\nnobody,all,\nJoan@example.test,all,\n\
                mary@example.test,all,\nrosalind@example.test,ALL,\ngrace@example.test,reseller,\n";
    let told = service.column("SELECT id FROM events ORDER BY id").await.len();
    let would = csv(&ada.api, &anne, "?dry_run=true", file).await.expect(200);
    let lines = would["lines"].as_array().expect("lines");
    let short: Vec<_> = lines
        .iter()
        .map(|line| (line["line"].as_u64(), line["result"].as_str(), line["code"].as_str()))
        .collect();
    assert_eq!(
        short,
        [
            (Some(2), Some("invited"), None),
            (Some(3), Some("refused"), Some("invalid")),
            (Some(4), Some("refused"), Some("invalid")),
            (Some(5), Some("refused"), Some("on_account_already")),
            (Some(6), Some("invited"), None),
            (Some(7), Some("refused"), Some("invalid")),
        ]
    );
    assert_eq!(
        (&would["dry_run"], &would["invited"], &would["refused"]),
        (&json!(true), &json!(2), &json!(4))
    );
    assert_eq!(lines[5]["message"], "\"reseller\" is no permission.");
    assert!(!would.to_string().contains("token="), "nobody is invited");
    assert_eq!(service.column("SELECT id FROM events ORDER BY id").await.len(), told);
    assert_eq!(mails_to(&service, "joan@example.test").await, [""; 0]);

    let did = csv(&ada.api, &anne, "", file).await.expect(200);
    assert_eq!((&did["dry_run"], &did["invited"]), (&json!(false), &json!(2)));
    let joan = ada
        .api
        .get(&format!("{}/{}", invitations(&anne), did["lines"][0]["invitation_id"].as_str().expect("an id")))
        .await
        .expect(200);
    assert_eq!((&joan["permissions"], &joan["language"]), (&json!(["invoices", "tickets"]), &json!("de")));
    lookup(&service.api(), &did["lines"][4]).await.expect(200);
    assert_eq!(mails_to(&service, "joan@example.test").await, ["account_invitation"]);
    // Once more: all of them are pending, or on it.
    let again = csv(&ada.api, &anne, "?dry_run=false", file).await.expect(200);
    assert_eq!((&again["invited"], &again["refused"]), (&json!(0), &json!(6)));
}

async fn a_file_that_is_none_invites_nobody(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    csv(&ada.api, &anne, "", "name\njoan\n").await.problem(422, "invalid");
    csv(&ada.api, &anne, "?dry_run=perhaps", "email,permissions\n").await.invalid("dry_run");
    let path = format!("{}/bulk", invitations(&anne));
    ada.api.post(&path, &json!({})).await.problem(415, "unsupported_media_type");
    let most = 256 * 1024;
    csv(&ada.api, &anne, "", "x".repeat(most + 1)).await.problem(413, "too_large");
    let heading = "email,permissions\n";
    csv(&ada.api, &anne, "", format!("{heading}{}", "\n".repeat(most - heading.len()))).await.expect(200);
    ada.api.post(&format!("{ACCOUNTS}/{}/close", anne.account()), &json!({})).await.expect(204);
    csv(&ada.api, &anne, "", "email,permissions\njoan@example.test,all\n")
        .await
        .problem(409, "account_closed");
    assert_eq!(service.column("SELECT invitation_id FROM account_invitations").await, [""; 0]);
}

async fn of_many_who_send_anew_one_does(database: Database) {
    let (service, ada) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let sent = ada.api.post(&invitations(&anne), &body("joan")).await.expect(201);
    // The last time is long enough ago for one more.
    let long_ago = "UPDATE invitations SET sent_at = sent_at - 120000 WHERE email = 'joan@example.test'";
    service.execute(long_ago).await;
    let resend = format!("{}/resend", one(&anne, &sent));
    let calls = (0..6).map(|_| send(ada.api.clone(), Method::POST, resend.clone(), json!({})));
    let answers = at_once(calls.collect()).await;
    only(&answers, &["200 done", "429 too_many_attempts"]);
    assert_eq!(count(&answers, "200 done"), 1);
    let made = answers.iter().find(|answer| answer.status == 200).expect("one").body();
    lookup(&service.api(), &made).await.expect(200);
    let calls = (0..6).map(|_| send(ada.api.clone(), Method::DELETE, one(&anne, &sent), json!({})));
    let answers = at_once(calls.collect()).await;
    only(&answers, &["204 done", "410 invitation_cancelled"]);
    assert_eq!(count(&answers, "204 done"), 1);
}
