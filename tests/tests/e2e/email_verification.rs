//! C10: whose an address is.

use crate::registration::mails_to;
use frontdesk_tests::{
    Database, Frontdesk, Smtp, User, both, first_administrator, open_registration, registered,
};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

both! {
    the_mails_link_verifies_for_whoever_is_logged_in,
    another_link_kills_the_one_before,
    a_link_is_good_for_an_hour,
    a_changed_address_holds_at_once_and_is_proved_anew,
}

const CONFIRM: &str = "/v1/client/me/email-verification/confirm";
const SEND: &str = "/v1/client/me/email-verification";

async fn with_mail(database: Database) -> (Frontdesk, Smtp) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let admin = first_administrator(&service).await;
    open_registration(&admin.api).await;
    (service, smtp)
}

/// The token of the latest verification mail to an address.
async fn token(smtp: &Smtp, address: &str) -> String {
    frontdesk_tests::eventually("the verification mail", || async {
        let mails = smtp.mails();
        let of = |mail: &&frontdesk_tests::Mail| {
            mail.header("To").contains(address) && mail.text().contains("/verify-email#token=")
        };
        mails.iter().rfind(of).map(frontdesk_tests::Mail::token)
    })
    .await
}

async fn is_verified(user: &User) -> bool {
    user.api.get("/v1/client/me").await.expect(200)["user"]["email_verified"] == true
}

async fn the_mails_link_verifies_for_whoever_is_logged_in(database: Database) {
    let (service, smtp) = with_mail(database).await;
    let (anne, mary) = (registered(&service, "anne").await, registered(&service, "mary").await);
    let token = token(&smtp, "anne@example.test").await;
    let body = json!({ "token": token });
    // What a mail scanner does spends nothing; nor can anybody else use it.
    service.api().send(service.api().request(Method::GET, "/verify-email")).await;
    service.api().post(CONFIRM, &body).await.problem(401, "login_required");
    mary.api.post(CONFIRM, &body).await.problem(410, "link_dead");
    assert!(!is_verified(&anne).await && !is_verified(&mary).await);

    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (api, body) = (anne.api.clone(), body.clone());
        racers.spawn(async move { api.post(CONFIRM, &body).await });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        answer.problem(410, "link_dead");
    }
    assert!(is_verified(&anne).await && !is_verified(&mary).await);
    // There is nothing more to send.
    anne.api.post(SEND, &json!({})).await.expect(204);
    let count = service.column("SELECT id FROM events WHERE name = 'user.email_verified'").await.len();
    assert_eq!(count, 1);
}

async fn another_link_kills_the_one_before(database: Database) {
    let (service, smtp) = with_mail(database).await;
    let anne = registered(&service, "anne").await;
    let first = token(&smtp, "anne@example.test").await;
    let refused = anne.api.post(SEND, &json!({})).await;
    refused.problem(429, "too_many_attempts");
    assert!(refused.header("retry-after").is_some());
    service.execute("UPDATE email_verifications SET created_at = created_at - 60000").await;
    anne.api.post(SEND, &json!({})).await.expect(204);
    anne.api.post(CONFIRM, &json!({ "token": first })).await.problem(410, "link_dead");
    frontdesk_tests::eventually("the second mail", || async {
        let done = "SELECT id FROM deliveries WHERE mail = 'email_verification' AND state = 'delivered'";
        (service.column(done).await.len() == 2).then_some(())
    })
    .await;
    let second = token(&smtp, "anne@example.test").await;
    assert_ne!(first, second);
    anne.api.post(CONFIRM, &json!({ "token": second })).await.expect(204);
    assert!(is_verified(&anne).await);
}

async fn a_link_is_good_for_an_hour(database: Database) {
    let (service, smtp) = with_mail(database).await;
    let anne = registered(&service, "anne").await;
    let token = token(&smtp, "anne@example.test").await;
    service.execute("UPDATE email_verifications SET expires_at = expires_at - 3600000").await;
    anne.api.post(CONFIRM, &json!({ "token": token })).await.problem(410, "link_dead");
    assert!(!is_verified(&anne).await);
}

async fn a_changed_address_holds_at_once_and_is_proved_anew(database: Database) {
    let (service, smtp) = with_mail(database).await;
    let anne = registered(&service, "anne").await;
    let old = token(&smtp, "anne@example.test").await;
    anne.api.post(CONFIRM, &json!({ "token": old })).await.expect(204);
    // It needs the password: given ten minutes ago is too long ago.
    service.execute("UPDATE sessions SET confirmed_at = confirmed_at - 600000").await;
    let change = json!({ "email": "byron@example.test" });
    anne.api.patch("/v1/client/me", &change).await.problem(403, "confirmation_required");
    let confirmed = anne.api.post("/v1/client/session/confirm", &json!({ "password": anne.password })).await;
    let mut anne = anne;
    let account = anne.account.clone();
    anne.renewed(&confirmed.expect(200));
    anne.account = account;
    let me = anne.api.patch("/v1/client/me", &change).await.expect(200);
    assert_eq!(
        (&me["user"]["email"], &me["user"]["email_verified"]),
        (&json!("byron@example.test"), &json!(false))
    );

    // At once: the new one logs in, the old one does not.
    anne.log_in(&service).await.problem(401, "login_refused");
    anne.email = "byron@example.test".into();
    anne.log_in(&service).await.expect(200);
    let told = mails_to(&service, "anne@example.test").await;
    assert_eq!(told.last().map(String::as_str), Some("email_changed"));
    let new = token(&smtp, "byron@example.test").await;
    anne.api.post(CONFIRM, &json!({ "token": new })).await.expect(204);
    assert!(is_verified(&anne).await);
    // The address of another user is not to be had.
    let mary = registered(&service, "mary").await;
    mary.api
        .patch("/v1/client/me", &json!({ "email": "BYRON@example.test" }))
        .await
        .problem(409, "email_taken");
}
