//! Callers who are slow, and callers who are many: everybody else is served all the same.

use frontdesk_tests::{Database, Frontdesk, both, first_administrator};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

both! {
    more_logins_than_can_be_checked_are_turned_away,
}

/// Longer than the service waits for the head of a request, shorter than anything else it waits for.
const HEADS_END: Duration = Duration::from_secs(15);
const HALF_A_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow:";

async fn half_a_request(service: &Frontdesk) -> TcpStream {
    saying(service, HALF_A_HEAD).await
}

async fn saying(service: &Frontdesk, bytes: &[u8]) -> TcpStream {
    let address = service.base().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(address).await.expect("it listens");
    connection.write_all(bytes).await.expect("it reads");
    connection
}

/// Waits until the service has ended the connection, whatever it says before.
async fn ended(mut connection: TcpStream) {
    let mut said = Vec::new();
    let end = tokio::time::timeout(HEADS_END, connection.read_to_end(&mut said)).await;
    // Reset or closed, both are an end.
    drop(end.unwrap_or_else(|_| panic!("open after {HEADS_END:?}: {}", String::from_utf8_lossy(&said))));
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_requests_are_ended_and_stand_in_nobodys_way() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let mut slow = JoinSet::new();
    for _ in 0..50 {
        slow.spawn(ended(half_a_request(&service).await));
    }
    // Nothing at all, and what may yet become HTTP/2.
    for silence in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
        slow.spawn(ended(saying(&service, silence).await));
    }
    for _ in 0..20 {
        // Each on a connection of its own.
        service.api().get("/healthz").await.expect(200);
    }
    ada.api.get("/v1/admin/staff").await.expect(200);
    assert!(slow.try_join_next().is_none(), "they were all open meanwhile");
    slow.join_all().await;
    service.api().get("/readyz").await.expect(200);
}

/// A half-sent request is no request in flight: the stop waits no longer for it than it would wait anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_requests_do_not_hold_up_the_stop() {
    let mut service = Frontdesk::running(Database::sqlite()).await;
    let fresh = half_a_request(&service).await;
    // One that was used before: what comes with the first request has arrived when that is answered.
    let mut used = half_a_request(&service).await;
    used.write_all(&[b" no\r\n\r\n", HALF_A_HEAD].concat()).await.expect("it reads");
    let mut answer = [0; 17];
    used.read_exact(&mut answer).await.expect("it answers");
    assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n");
    assert_eq!(service.stop().await.code(), Some(0));
    let unfinished = service.logs().lines().filter(|line| line.contains("still running")).count();
    assert_eq!(unfinished, 0, "it stopped within its grace");
    drop((fresh, used));
}

/// Passwords cost time to check; so many wait at most, and whoever comes then hears when to come back.
async fn more_logins_than_can_be_checked_are_turned_away(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    // The service checks one for each core and lets 32 more for each wait.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let many = 33 * cores + 234;
    if many > 900 {
        eprintln!("SKIPPED: with {cores} cores it takes more logins at once than there are open files");
        return;
    }
    let mut logins = JoinSet::new();
    for _ in 0..many {
        let (guest, password) = (service.api(), ada.password.clone());
        logins.spawn(async move {
            // Right ones: wrong ones would soon be refused for being many.
            let login = json!({ "login": "ada", "password": password });
            guest.post("/v1/admin/session", &login).await
        });
    }
    let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
    let mut reads = 0;
    while let Some(answered) = logins.join_next().await {
        let answer = answered.expect("a login is answered");
        let status = answer.status.as_u16();
        *outcomes.entry(status).or_default() += 1;
        match status {
            200 => drop(answer.expect(200)),
            _ => {
                answer.problem(503, "overloaded");
                let seconds = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
                assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer:?}");
            }
        }
        if reads < 50 {
            ada.api.get("/v1/admin/session").await.expect(200);
            reads += 1;
        }
    }
    assert!(outcomes.get(&503).is_some_and(|&refused| refused > 0), "{outcomes:?}");
    assert!(outcomes.len() > 1, "some are let in: {outcomes:?}");
    // Nothing is left of it.
    let login = json!({ "login": "ada", "password": ada.password });
    service.api().post("/v1/admin/session", &login).await.expect(200);
}
