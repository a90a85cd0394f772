//! Mail that waits: what is cancelled meanwhile is never sent, and a backlog is worked off once, without a word.

use frontdesk_tests::{
    Database, Frontdesk, Invitation, Smtp, both, eventually, first_administrator, invite, roles,
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

both! {
    what_is_cancelled_while_it_waits_is_never_sent,
    a_backlog_is_delivered_once_each,
    mail_waits_for_a_mailer_that_sends_mail,
}

/// As many mails as are sent at once.
const AT_ONCE: usize = 2;

/// The mail server is slow, so that claimed mails wait for their turn; of those, one is cancelled and one resent.
async fn what_is_cancelled_while_it_waits_is_never_sent(database: Database) {
    let mut smtp = Smtp::down();
    smtp.resume_behind_a_gate().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    for n in 0..AT_ONCE {
        invite(&ada.api, &format!("first{n}@example.test"), json!({})).await;
    }
    smtp.takes(AT_ONCE).await;

    let cancelled = invite(&ada.api, "cancelled@example.test", json!({})).await;
    let resent = invite(&ada.api, "resent@example.test", json!({})).await;
    let kept = invite(&ada.api, "kept@example.test", json!({})).await;
    held(&service, AT_ONCE + 3).await;
    ada.api.delete(&cancelled.path()).await.expect(204);
    let again = ada.api.post(&format!("{}/resend", resent.path()), &json!({})).await;
    let again = Invitation::from(again.expect(200));

    smtp.open_the_gate();
    let mails = smtp.takes(AT_ONCE + 2).await;
    let mut sent: Vec<_> = mails[AT_ONCE..].iter().map(|mail| (mail.to[0].as_str(), mail.token())).collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [("kept@example.test", kept.token().to_owned()), ("resent@example.test", again.token().to_owned())]
    );
    eventually("everything on record", || async {
        let waiting = service.column("SELECT id FROM deliveries WHERE state = 'waiting'").await;
        waiting.is_empty().then_some(())
    })
    .await;
    let obsolete =
        "SELECT recipient_address FROM deliveries WHERE state = 'obsolete' ORDER BY recipient_address";
    assert_eq!(service.column(obsolete).await, ["cancelled@example.test", "resent@example.test"]);
    let delivered = service.column("SELECT id FROM deliveries WHERE state = 'delivered'").await;
    assert_eq!(delivered.len(), AT_ONCE + 2);
    assert_eq!(service.column("SELECT id FROM deliveries WHERE sealed_token IS NOT NULL").await.len(), 0);
    smtp.takes(AT_ONCE + 2).await;
    service.keeps_its_secrets().await;
}

/// More than a worker holds at once.
const BACKLOG: usize = 300;

/// Nothing is sent twice, and the service does not stand in its own way while it claims, renews and records.
async fn a_backlog_is_delivered_once_each(database: Database) {
    let mut service = Frontdesk::on(database).with_config("[mailer]\nplugin = \"nothing\"");
    service.start().await;
    let ada = first_administrator(&service).await;
    let (role, _) = roles(&ada.api).await;
    for n in 0..BACKLOG {
        let body = json!({ "email": format!("invited{n}@example.test"), "role_id": role });
        ada.api.post("/v1/admin/staff-invitations", &body).await.expect(201);
    }
    assert_eq!(service.stop().await.code(), Some(0));
    // As if nothing had been tried yet, and everything were due.
    service.execute("DELETE FROM delivery_attempts").await;
    service.execute("UPDATE deliveries SET attempts = 0, next_attempt_at = 0").await;

    service.reconfigure("");
    service.start().await;
    eventually("the whole backlog delivered", || async {
        let delivered = service.column("SELECT id FROM deliveries WHERE state = 'delivered'").await;
        (delivered.len() == BACKLOG).then_some(())
    })
    .await;
    assert_eq!(service.column("SELECT id FROM deliveries WHERE attempts <> 1").await, [""; 0]);
    let attempts = service.column("SELECT outcome FROM delivery_attempts WHERE attempt = 1").await;
    assert_eq!(attempts, vec!["delivered"; BACKLOG]);
    assert_eq!(service.column("SELECT delivery_id FROM delivery_attempts WHERE attempt <> 1").await, [""; 0]);
    let mut recipients: Vec<_> = mailbox(&service).iter().map(|mail| recipient(mail)).collect();
    recipients.sort_unstable();
    let mut invited: Vec<_> = (0..BACKLOG).map(|n| format!("invited{n}@example.test")).collect();
    invited.sort_unstable();
    assert_eq!(recipients, invited);
    is_calm(&service);
}

/// The messages in the built-in mailbox.
fn mailbox(service: &Frontdesk) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(service.data().join("mailbox")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| std::fs::read(path).expect("a message can be read"))
        .collect()
}

fn recipient(mail: &[u8]) -> String {
    let message = mail_parser::MessageParser::default().parse(mail).expect("a message");
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).expect("a recipient");
    to.to_owned()
}

/// The configuration names a plugin that sends no mail, or is not there: that is said at the start, and nothing is lost.
async fn mail_waits_for_a_mailer_that_sends_mail(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::on(database);
    let (mut ada, mut invited) = (None, Vec::new());
    for (mailer, warning) in [("staff-online", "sends no mail"), ("no-such-plugin", "is not loaded")] {
        service.reconfigure(&format!("[mailer]\nplugin = \"{mailer}\"\n{}", smtp.config()));
        service.start().await;
        service
            .log_line("a warning at the start", |line| {
                [" WARN ", mailer, warning].iter().all(|part| line.contains(part))
            })
            .await;
        if ada.is_none() {
            ada = Some(first_administrator(&service).await.api);
        }
        let ada = ada.as_ref().expect("just set").at(service.base());
        invited.push(invite(&ada, &format!("{mailer}@example.test"), json!({})).await.token().to_owned());
        let reason = eventually("an attempt", || async {
            let tried =
                "SELECT reason FROM deliveries WHERE reason IS NOT NULL ORDER BY created_at DESC, id DESC";
            let reasons = service.column(tried).await;
            (reasons.len() == invited.len()).then(|| reasons[0].clone())
        })
        .await;
        assert!(reason.contains(mailer) && reason.contains("[mailer]"), "{reason}");
        let waiting = "SELECT id FROM deliveries WHERE state = 'waiting' AND sealed_token IS NOT NULL";
        assert_eq!(service.column(waiting).await.len(), invited.len());
        assert_eq!(service.stop().await.code(), Some(0));
    }
    assert_eq!(smtp.mails().len(), 0);
    // Not to wait for the next attempt, which is seconds away.
    service.execute("UPDATE deliveries SET next_attempt_at = 0").await;
    service.reconfigure(&smtp.config());
    service.start().await;
    let mut sent: Vec<_> = smtp.takes(2).await.iter().map(|mail| mail.token()).collect();
    sent.sort_unstable();
    invited.sort_unstable();
    assert_eq!(sent, invited);
}

/// How often a worker renews what it holds, with time to spare.
const A_RENEWAL: Duration = Duration::from_millis(5500);

/// Leases are renewed by whoever writes outcomes, so that neither ever waits for the other: here somebody holds a row
/// for so long that both come to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_never_waits_for_itself() {
    let Some(database) = Database::postgres().await else { return };
    let url = database.url().expect("a server's database has a URL");
    let mut smtp = Smtp::down();
    smtp.resume_behind_a_gate().await;
    // Longer than the row is held, so that nobody gives up waiting.
    let mut service = Frontdesk::on(database).with_config("[database_pool]\nwait_s = 60").with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let many = 40;
    for n in 0..many {
        invite(&ada.api, &format!("invited{n}@example.test"), json!({})).await;
    }
    held(&service, many).await;
    let mut other = PgConnection::connect(&url).await.expect("the test's database answers");
    let mut transaction = other.begin().await.expect("a transaction");
    let last = "SELECT id FROM deliveries ORDER BY id DESC LIMIT 1 FOR UPDATE";
    transaction.execute(last).await.expect("nobody else holds it");

    smtp.open_the_gate();
    let waiting = async || {
        let waiting = "SELECT query FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE deliveries%'";
        service.column(waiting).await.len()
    };
    eventually("somebody who waits for the row", async || (waiting().await > 0).then_some(())).await;
    let began = Instant::now();
    while began.elapsed() < A_RENEWAL {
        assert_eq!(waiting().await, 1, "two transactions of one worker get in each other's way");
    }
    transaction.rollback().await.expect("the database answers");
    smtp.takes(many).await;
    eventually("everything on record", async || {
        let delivered =
            service.column("SELECT id FROM deliveries WHERE state = 'delivered' AND attempts = 1").await;
        (delivered.len() == many).then_some(())
    })
    .await;
    is_calm(&service);
}

/// Waits until `count` deliveries are in the worker's hands, with their tokens.
async fn held(service: &Frontdesk, count: usize) {
    eventually("claims", async || {
        let held = service.column("SELECT id FROM deliveries WHERE held_by IS NOT NULL").await;
        (held.len() == count).then_some(())
    })
    .await;
}

fn is_calm(service: &Frontdesk) {
    let logs = service.logs();
    let troubled = ["could not be", "came after its lease", "ERROR"];
    let lines = logs.lines().filter(|line| troubled.iter().any(|trouble| line.contains(trouble)));
    assert_eq!(lines.collect::<Vec<_>>(), [""; 0]);
}
