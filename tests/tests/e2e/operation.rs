//! What an operator meets: starting, stopping, wrong configuration, lost keys, damaged files.

use frontdesk_tests::{Database, Frontdesk, Smtp, first_administrator, invite};
use rustix::process::Signal;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_that_it_lives_and_that_it_is_ready() {
    let service = Frontdesk::running(Database::sqlite()).await;
    for path in ["/healthz", "/readyz"] {
        let answer = service.api().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// Asked to stop, it finishes what it has begun and exits cleanly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_before_it_stops() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut service = Frontdesk::running(Database::sqlite()).await;
        let address = service.base().trim_start_matches("http://").to_owned();
        let mut connection = TcpStream::connect(&address).await.expect("it listens");
        let body = r#"{"login": "nobody", "password": "nobody's password"}"#;
        let head = format!(
            "POST /v1/admin/session HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.expect("it reads");
        // "100 Continue" is sent when the handler asks for the body: from now on the request is in flight.
        let mut begun = [0; 25];
        connection.read_exact(&mut begun).await.expect("it answers");
        assert!(begun.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&begun));
        service.signal(signal);
        service.log_line("that it stops", |line| line.to_lowercase().contains("stopping")).await;
        connection.write_all(body.as_bytes()).await.expect("it still reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("it still answers");
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert_eq!(service.stopped().await.code(), Some(0), "{signal:?}");
    }
}

/// A mail server that never answers does not hold up the stop, nor is the mail lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_while_a_delivery_hangs() {
    let mut smtp = Smtp::down();
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", smtp.port())).await.expect("the port is free");
    let mut service =
        Frontdesk::on(Database::sqlite()).with_config("[limits]\nshutdown_s = 1").with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let hanging = silent.accept().await.expect("the service calls the mail server");
    assert_eq!(service.stop().await.code(), Some(0));
    drop((hanging, silent));
    smtp.resume().await;
    service.start().await;
    assert_eq!(smtp.takes(1).await[0].token(), invitation.token());
}

/// Everything it keeps is for its own user alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_can_read_the_data_directory() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    invite(&ada.api, "grace@example.test", json!({})).await;
    let mut seen = Vec::new();
    files(&service.data(), &mut seen);
    assert!(seen.len() > 4, "{seen:?}");
    for path in seen {
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

fn files(directory: &Path, seen: &mut Vec<PathBuf>) {
    seen.push(directory.to_owned());
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files(&path, seen);
        } else {
            seen.push(path);
        }
    }
}

/// One process holds a data directory; the second says so and leaves it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_data_is_refused() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let refused = service.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains(&service.data().display().to_string()), "{refused:?}");
    assert!(!refused.stdout.contains("listening on"), "{refused:?}");
    service.api().get("/readyz").await.expect(200);
}

/// A directory's name is a name: signs that mean something in addresses mean nothing in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_name_does_for_the_data_directory() {
    let mut service = Frontdesk::on(Database::sqlite()).with_data("%41 b?mode=memory#c");
    service.start().await;
    let ada = first_administrator(&service).await;
    invite(&ada.api, "grace@example.test", json!({})).await;
    service.stop().await;
    assert!(service.data().join("frontdesk.db").is_file(), "the database lies inside");
    let entries = std::fs::read_dir(service.directory()).expect("a directory");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a directory entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["%41 b?mode=memory#c", "frontdesk.toml"], "and nothing beside it");
    service.start().await;
    assert_eq!(service.first_administrator_link(), None);
    ada.api.at(service.base()).get("/v1/admin/session").await.expect(200);
}

/// Without its key the service cannot open what it sealed: it refuses to start rather than to begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_master_key_it_does_not_start() {
    let mut service = Frontdesk::running(Database::sqlite()).await;
    first_administrator(&service).await;
    service.stop().await;
    let file = service.data().join("master.key");
    let key = std::fs::read_to_string(&file).expect("the key is a text file");

    std::fs::remove_file(&file).expect("it is there");
    let refused = service.try_start().await.expect_err("no key, no service");
    assert!(refused.stderr.contains("master.key") && refused.stderr.contains("backup"), "{refused:?}");
    assert!(!file.exists(), "no new key is made where the old one is missed");

    let other: String = key.chars().map(|digit| if digit == '0' { '1' } else { digit }).rev().collect();
    std::fs::write(&file, other.trim()).expect("a file");
    let refused = service.try_start().await.expect_err("another key, no service");
    assert!(refused.stderr.contains("master key"), "{refused:?}");
    assert!(
        !refused.stderr.contains(other.trim()) && !refused.stderr.contains(key.trim()),
        "a key is never shown"
    );

    std::fs::write(&file, &key).expect("a file");
    service.start().await;
}

/// The second start takes the compiled plugins from disk; damaged or foreign ones are compiled again, never run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compiled_plugins_are_kept_and_damaged_ones_replaced() {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::on(Database::sqlite()).with_mail(&smtp);
    service.start_cold().await;
    let ada = first_administrator(&service).await;
    service.stop().await;
    let cached = |service: &Frontdesk| {
        let mut paths = Vec::new();
        files(&service.data().join("code-cache"), &mut paths);
        paths.retain(|path| path.is_file());
        paths.sort();
        paths.into_iter().map(|path| (std::fs::read(&path).expect("a file"), path)).collect::<Vec<_>>()
    };
    let times = |service: &Frontdesk| {
        let modified =
            |path: &Path| std::fs::metadata(path).and_then(|about| about.modified()).expect("a time");
        cached(service).iter().map(|(_, path)| modified(path)).collect::<Vec<_>>()
    };
    let (first, written) = (cached(&service), times(&service));
    assert!(first.len() >= 2, "one for each plugin");

    service.start().await;
    service.stop().await;
    assert_eq!(times(&service), written, "a warm start writes nothing");

    for (n, (bytes, path)) in first.iter().enumerate() {
        let mut damaged = bytes.clone();
        match n % 2 {
            0 => {
                let middle = damaged.len() / 2;
                damaged[middle] ^= 1
            }
            _ => damaged.truncate(bytes.len() / 2),
        }
        std::fs::write(path, damaged).expect("a file");
    }
    service.start().await;
    let ada = ada.api.at(service.base());
    invite(&ada, "grace@example.test", json!({})).await;
    smtp.takes(1).await;
    assert!(ada.get("/v1/admin/dashboard").await.expect(200)["widgets"][0]["view"].is_object());
    service.stop().await;
    let now = cached(&service);
    assert!(
        now.iter().zip(&first).all(|(now, first)| now.0.len() == first.0.len()),
        "they were compiled again"
    );
}

/// What is wrong in the configuration is named with its file, line and key, and what was probably meant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_explained() {
    let wrong = [
        ("public_ulr = \"https://desk.example.test\"", ["public_ulr", "public_url", ":1"]),
        ("\n[smtp]\nhost = \"127.0.0.1\"\nport = \"many\"", ["port", "frontdesk.toml", ":4"]),
        ("public_url = \"desk.example.test\"", ["public_url", "https://", ":1"]),
        ("public_url = ", ["frontdesk.toml", ":1", "TOML"]),
    ];
    for (config, said) in wrong {
        let mut service = Frontdesk::on(Database::sqlite()).with_config(config);
        let refused = service.try_start().await.expect_err("a wrong configuration");
        for part in said {
            assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
        }
        assert!(!refused.stderr.contains("panicked"), "{refused:?}");
    }
    let mut service = Frontdesk::on(Database::sqlite())
        .with_environment("FRONTDESK_PUBLIC_ULR", "https://desk.example.test");
    let refused = service.try_start().await.expect_err("a wrong variable");
    for part in ["FRONTDESK_PUBLIC_ULR", "FRONTDESK_PUBLIC_URL"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
}

/// A restart keeps everybody logged in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_a_restart() {
    for kill in [false, true] {
        let mut service = Frontdesk::running(Database::sqlite()).await;
        let ada = first_administrator(&service).await;
        if kill {
            service.kill().await;
        } else {
            assert_eq!(service.stop().await.code(), Some(0));
        }
        service.start().await;
        let me = ada.api.at(service.base()).get("/v1/admin/session").await.expect(200);
        assert_eq!(me["staff"]["id"], ada.id.as_str());
    }
}

/// What lies in the operator's plugin directory comes up if it can; what cannot costs itself, and the log says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_plugins_is_read_and_what_is_wrong_in_it_is_told() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let email = frontdesk_tests::built().with_file_name("plugins").join("email.wasm");
    std::fs::copy(email, place.path().join("again.wasm")).expect("a plugin whose id is taken");
    std::fs::write(place.path().join("broken.wasm"), b"\0asm").expect("no component");
    std::fs::create_dir(place.path().join("folder.wasm")).expect("no file");
    std::fs::write(place.path().join("notes.txt"), "nothing to load").expect("another file");
    let service = Frontdesk::on(Database::sqlite());
    let mut service = service.with_environment("FRONTDESK_PLUGINS", place.path().display().to_string());
    service.start().await;
    for (file, said) in [
        ("again.wasm", "loaded already"),
        ("broken.wasm", "could not be loaded"),
        ("folder.wasm", "could not be read"),
    ] {
        service.log_line(file, |line| line.contains(file) && line.contains(said)).await;
    }
    assert!(!service.logs().contains("notes.txt"), "{}", service.logs());
    service.api().get("/readyz").await.expect(200);
}

/// A database that does not answer holds no stop up for longer than its grace: what was confirmed is kept anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_while_the_database_hangs() {
    let Some(database) = Database::postgres().await else { return };
    let url = database.url().expect("a server's database has a URL");
    // Whoever waits for the locked tables waits for longer than anybody waits for the stop.
    let config = "[limits]\nshutdown_s = 1\n[database_pool]\nwait_s = 60";
    let mut service = Frontdesk::on(database).with_config(config);
    service.start().await;
    first_administrator(&service).await.api.get("/v1/admin/session").await.expect(200);
    let mut other = PgConnection::connect(&url).await.expect("the test's database answers");
    let mut transaction = other.begin().await.expect("a transaction");
    let lock = "LOCK TABLE sessions, deliveries IN ACCESS EXCLUSIVE MODE";
    transaction.execute(lock).await.expect("nobody else holds them");
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(30), service.stop()).await;
    assert_eq!(stopped.expect("it ends by itself").code(), Some(0));
    assert!(service.logs().contains("something is still running"), "{}", service.logs());
    transaction.rollback().await.expect("the database answers");
}
