//! Several processes on one database: as nodes of one service, or not at all.

use frontdesk_tests::{Database, Frontdesk, accept_as_first, token_of};
use serde_json::json;
use tokio::task::JoinSet;

/// On an empty database, each makes the tables if it is first, and each prints a link, of which the last one works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_agree_on_the_first_administrator() {
    let Some(database) = Database::postgres().await else { return };
    let first = Frontdesk::on(database);
    first.adopt_code_cache().await;
    let mut starting = JoinSet::new();
    for mut node in [first.node(), first.node(), first.node(), first] {
        starting.spawn(async move {
            node.start().await;
            node
        });
    }
    let nodes = starting.join_all().await;

    let mut working = Vec::new();
    for node in &nodes {
        let link = node.first_administrator_link().expect("without staff, every start prints a link");
        let looked =
            nodes[0].api().post("/v1/public/invitations/lookup", &json!({ "token": token_of(link) })).await;
        if looked.status == 200 {
            working.push(link);
        } else {
            looked.problem(410, "invitation_replaced");
        }
    }
    assert_eq!(working.len(), 1, "of {} links", nodes.len());
    let ada = accept_as_first(&nodes[1].api(), working[0]).await;
    for node in &nodes {
        ada.api.at(node.base()).get("/v1/admin/session").await.expect(200);
    }
    assert_eq!(nodes[0].column("SELECT username FROM logins").await, ["ada"]);
    assert_eq!(nodes[0].column("SELECT id FROM invitations").await.len(), 1);
    for node in &nodes {
        let logs = node.logs();
        // On a busy machine tables take their time, and that is said.
        let troubles = logs.lines().filter(|line| !line.contains("slow statement"));
        let troubles = troubles.filter(|line| line.contains("ERROR") || line.contains("WARN"));
        assert_eq!(troubles.collect::<Vec<_>>(), [""; 0]);
    }
}

/// SQLite's file belongs to one process, whatever data directories the two are given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_holds_a_sqlite_file() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("desk %41#.db");
    let url = format!("sqlite:{}", file.display());
    let mut one = Frontdesk::on(Database::sqlite()).with_environment("FRONTDESK_DATABASE", &url);
    // The other one comes by another name: it is the file that counts.
    let link = place.path().join("link.db");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let by_link = format!("sqlite:{}", link.display());
    let mut other = Frontdesk::on(Database::sqlite()).with_environment("FRONTDESK_DATABASE", &by_link);
    assert_ne!(one.data(), other.data());
    one.start().await;
    assert!(file.is_file(), "by the name it was given");
    assert!(!one.data().join("frontdesk.db").exists());

    other.adopt_code_cache().await;
    let refused = other.try_start().await.expect_err("it is in use");
    assert_eq!(refused.status.code(), Some(1));
    let lock = place.path().join("desk %41#.db.lock");
    for part in ["another frontdesk", &link.display().to_string(), &lock.display().to_string()] {
        assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
    }
    assert!(!refused.stdout.contains("listening on"), "{refused:?}");
    one.api().get("/readyz").await.expect(200);
    // Killed, it holds nothing any more.
    one.kill().await;
    other.start().await;
}
