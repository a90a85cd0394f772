//! `frontdesk secrets rotate`, beside a running service and without one.

use frontdesk_tests::{
    Database, Frontdesk, Invitation, Person, Smtp, both, eventually, first_administrator, invite, token_of,
};
use serde_json::json;

both! {
    mail_that_waits_goes_out_after_the_key_was_changed,
    a_key_is_changed_while_nothing_runs,
}

fn key(service: &Frontdesk) -> String {
    std::fs::read_to_string(service.data().join("master.key")).expect("the key is a text file")
}

/// Changes the key, and answers what the command printed.
async fn rotate(service: &Frontdesk) -> String {
    let outcome = service.run(&["secrets", "rotate"]).await;
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    outcome.stdout
}

/// The file of every node holds the new key and nothing else.
async fn alone_in_the_file(service: &Frontdesk, old: &str) -> String {
    eventually("one key in the file", || async {
        let key = key(service);
        (key != old && key.lines().count() == 1).then_some(key)
    })
    .await
}

async fn invited(ada: &Person, count: usize) -> Vec<Invitation> {
    let mut invitations = Vec::new();
    for n in 0..count {
        invitations.push(invite(&ada.api, &format!("invited{n}@example.test"), json!({})).await);
    }
    invitations
}

/// The links in the mails are the ones that were made before, and they let people in.
async fn arrive(service: &Frontdesk, smtp: &Smtp, invitations: &[Invitation]) {
    service.execute("UPDATE deliveries SET next_attempt_at = 0 WHERE held_by IS NULL").await;
    for invitation in invitations {
        let address = invitation.body["email"].as_str().expect("an address");
        assert_eq!(smtp.takes_for(address).await.token(), invitation.token());
        let lookup = json!({ "token": token_of(&invitation.link) });
        service.api().post("/v1/public/invitations/lookup", &lookup).await.expect(200);
    }
}

async fn mail_that_waits_goes_out_after_the_key_was_changed(database: Database) {
    let mut smtp = Smtp::down();
    let mut service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let before = invited(&ada, 3).await;
    let old = key(&service);

    let printed = rotate(&service).await;
    // Three links, and the key of the activity log.
    assert!(printed.contains("sealed again: 4\n"), "{printed}");
    assert!(printed.contains("running nodes that have the new key: 1\n"), "{printed}");
    let new = alone_in_the_file(&service, &old).await;
    for secret in [old.trim(), new.trim()] {
        assert!(!printed.contains(secret), "a key is never shown");
        assert!(!service.logs().contains(secret), "a key is never logged");
    }
    let later = invite(&ada.api, "afterwards@example.test", json!({})).await;
    assert_eq!(service.column("SELECT key_id FROM master_key WHERE wrapped IS NULL").await.len(), 1);
    assert_eq!(service.column("SELECT key_id FROM master_key").await.len(), 1);
    let event = "SELECT actor_kind FROM events WHERE name = 'system.master_key_rotated'";
    assert_eq!(service.column(event).await, ["command_line"]);

    assert_eq!(service.stop().await.code(), Some(0));
    assert_eq!(service.column("SELECT id FROM nodes").await.len(), 0);
    service.start().await;
    smtp.resume().await;
    arrive(&service, &smtp, &before).await;
    arrive(&service, &smtp, &[later]).await;
    service.stop().await;

    std::fs::write(service.data().join("master.key"), &old).expect("a file");
    let refused = service.try_start().await.expect_err("the old key opens nothing");
    assert!(refused.stderr.contains("this database belongs to master key"), "{refused:?}");
    let refused = service.run(&["secrets", "rotate"]).await;
    assert!(refused.stderr.contains("this database belongs to master key"), "{refused:?}");
}

async fn a_key_is_changed_while_nothing_runs(database: Database) {
    let mut service = Frontdesk::on(database);
    let refused = service.run(&["secrets", "rotate"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("frontdesk serve"), "{refused:?}");
    assert!(!service.data().join("frontdesk.db").exists(), "a command makes no database");

    service.start().await;
    let ada = first_administrator(&service).await;
    service.stop().await;
    let old = key(&service);
    let printed = rotate(&service).await;
    assert!(printed.contains("running nodes that have the new key: 0\n"), "{printed}");
    assert!(key(&service) != old && key(&service).lines().count() == 1);
    service.start().await;
    ada.api.at(service.base()).get("/v1/admin/session").await.expect(200);
}

/// Nodes with data directories of their own: each takes the key up into its own file, and each opens what the other seals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_takes_up_the_new_key() {
    let Some(database) = Database::postgres().await else { return };
    let mut smtp = Smtp::down();
    let mut one = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&one).await;
    let mut two = one.node();
    let mut away = one.node();
    two.start().await;
    let before = invited(&ada, 3).await;
    let old = key(&one);
    assert_eq!(key(&two), old);

    let printed = rotate(&one).await;
    assert!(printed.contains("running nodes that have the new key: 2\n"), "{printed}");
    let new = alone_in_the_file(&one, &old).await;
    assert_eq!(alone_in_the_file(&two, &old).await, new);
    let refused = away.try_start().await.expect_err("it has only the old key");
    assert!(refused.stderr.contains("this database belongs to master key"), "{refused:?}");

    let at_two = invite(&ada.api.at(two.base()), "at-two@example.test", json!({})).await;
    two.stop().await;
    smtp.resume().await;
    arrive(&one, &smtp, &before).await;
    arrive(&one, &smtp, &[at_two]).await;
    let troubled = [&one, &two].map(Frontdesk::logs).concat();
    assert!(!troubled.contains("ERROR"), "{troubled}");
    one.stop().await;
}
