//! What was committed is delivered, whatever happens to the service or the mail server; and nothing else is.

use frontdesk_tests::{Database, Frontdesk, Smtp, both, eventually, first_administrator, invite};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

both! {
    an_invitation_waits_for_the_mail_server,
    a_killed_service_delivers_after_its_restart,
    killed_in_the_middle_of_an_attempt_it_delivers_once,
    what_was_taken_but_not_confirmed_is_sent_again_as_the_same,
    a_refused_address_holds_up_nobody,
}

/// The mail server is down: the invitation is made all the same, waits, and arrives when it is back.
async fn an_invitation_waits_for_the_mail_server(database: Database) {
    let mut smtp = Smtp::down();
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let reason = rows(&service, "SELECT message FROM delivery_attempts", 1).await.remove(0);
    assert!(!reason.is_empty() && !reason.contains(invitation.token()), "{reason:?}");
    assert_eq!(service.column("SELECT state FROM deliveries").await, ["waiting"]);

    smtp.resume().await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(mail.token(), invitation.token());
    delivered_with_nothing_kept(&service).await;
    assert_eq!(service.column("SELECT id FROM deliveries").await, [mail.delivery()]);
    service.keeps_its_secrets().await;
}

/// Killed after the commit, before anything could be sent.
async fn a_killed_service_delivers_after_its_restart(database: Database) {
    let mut smtp = Smtp::down();
    let mut service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    service.kill().await;
    let recorded = service.column("SELECT id FROM deliveries").await;

    smtp.resume().await;
    service.start().await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(recorded, [mail.delivery()]);
    assert_eq!(mail.token(), invitation.token());
    delivered_with_nothing_kept(&service).await;
    service.keeps_its_secrets().await;
}

/// Killed while it talks to a mail server that has not taken the message yet: another worker takes the delivery up
/// when the dead one's lease has run out.
async fn killed_in_the_middle_of_an_attempt_it_delivers_once(database: Database) {
    let mut smtp = Smtp::down();
    let silent = TcpListener::bind(("127.0.0.1", smtp.port())).await.expect("the port is free");
    let mut service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let (mut connection, _) = silent.accept().await.expect("the service calls the mail server");
    service.kill().await;
    assert_eq!(
        connection.read(&mut [0; 16]).await.expect("the connection ends"),
        0,
        "it waited for a greeting"
    );
    let recorded = service.column("SELECT id FROM deliveries").await;
    drop((connection, silent));

    smtp.resume().await;
    service.start().await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(recorded, [mail.delivery()]);
    assert_eq!(mail.token(), invitation.token());
    delivered_with_nothing_kept(&service).await;
    smtp.takes(1).await;
}

/// Killed after the mail server took the message and before it said so. At least once means twice here, and both
/// carry the same delivery, so that a mail program can tell.
async fn what_was_taken_but_not_confirmed_is_sent_again_as_the_same(database: Database) {
    let mut smtp = Smtp::down();
    smtp.resume_without_answering().await;
    let mut service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes(1).await;
    service.kill().await;
    smtp.stop().await;

    smtp.resume().await;
    service.start().await;
    let mails = smtp.takes(2).await;
    assert_eq!(mails[0].delivery(), mails[1].delivery());
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert_eq!(mails[0].token(), mails[1].token());
    delivered_with_nothing_kept(&service).await;
    smtp.takes(2).await;
}

/// One address that is refused for good, one for now: neither holds up the third.
async fn a_refused_address_holds_up_nobody(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    invite(&ada.api, "nobody@example.test", json!({})).await;
    invite(&ada.api, "later@example.test", json!({})).await;
    invite(&ada.api, "grace@example.test", json!({})).await;
    smtp.takes_for("grace@example.test").await;
    let dead = "SELECT recipient_address FROM deliveries WHERE state = 'dead'";
    assert_eq!(rows(&service, dead, 1).await, ["nobody@example.test"]);
    let reason = service.column("SELECT reason FROM deliveries WHERE state = 'dead'").await.remove(0);
    assert!(reason.contains("there is nobody of that name"), "the mail server's own words: {reason}");
    let tried = "SELECT outcome FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id
                 WHERE d.recipient_address = 'later@example.test'";
    assert_eq!(rows(&service, tried, 1).await.len(), 1);
    let waiting = "SELECT recipient_address FROM deliveries WHERE state = 'waiting'";
    assert_eq!(service.column(waiting).await, ["later@example.test"]);
    let kept = "SELECT recipient_address FROM deliveries WHERE sealed_token IS NOT NULL";
    assert_eq!(service.column(kept).await, ["later@example.test"]);
    smtp.takes(1).await;
}

async fn rows(service: &Frontdesk, sql: &str, count: usize) -> Vec<String> {
    eventually(sql, || async {
        let rows = service.column(sql).await;
        (rows.len() == count).then_some(rows)
    })
    .await
}

/// Every delivery is on record as delivered, and the token it carried is gone.
async fn delivered_with_nothing_kept(service: &Frontdesk) {
    eventually("the outcome on record", || async {
        let states = service.column("SELECT state FROM deliveries").await;
        states.iter().all(|state| state == "delivered").then_some(())
    })
    .await;
    let kept = service.column("SELECT id FROM deliveries WHERE sealed_token IS NOT NULL").await;
    assert_eq!(kept.len(), 0, "the token is wiped at hand-over");
}
