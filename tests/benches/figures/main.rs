//! What the service costs on this machine: `make bench`. Prints figures; judges nothing.

use frontdesk_tests::{Database, Frontdesk, Smtp, binary, built, first_administrator, roles};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod accounts;
mod activity;
mod calls;
mod client;
mod enumeration;
mod load;
mod staff;

const STARTS: usize = 10;
const MAILS: usize = 100;

#[tokio::main]
async fn main() {
    // `cargo bench` passes --bench, `cargo test --benches` does not: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{} on {cores} cores", binary().display());
    // `cargo bench --bench figures -- staff` measures that alone.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wants = |what: &str| wanted.as_deref().is_none_or(|wanted| wanted == what);
    if wants("starts") {
        sizes();
        starts().await;
        idle_memory().await;
    }
    if wants("calls") {
        calls::measure().await;
    }
    if wants("load") {
        load::measure().await;
    }
    if wants("staff") {
        staff::measure().await;
    }
    if wants("accounts") {
        accounts::measure().await;
    }
    if wants("activity") {
        activity::measure().await;
    }
    if wants("enumeration") {
        enumeration::measure().await;
    }
    if !wants("mails") {
        return;
    }
    let mut databases = vec![("SQLite", Database::sqlite())];
    databases.extend(Database::postgres().await.map(|database| ("PostgreSQL", database)));
    for (name, database) in databases {
        mails(name, database).await;
    }
}

fn sizes() {
    print("size of the binary", kib(&binary()));
    for plugin in ["email", "staff-online"] {
        print(&format!("size of the plugin {plugin}"), kib(&component(plugin)));
    }
}

/// Where `make plugins` puts it.
fn component(plugin: &str) -> PathBuf {
    built().with_file_name("plugins").join(plugin).with_extension("wasm")
}

fn kib(file: &Path) -> String {
    let bytes = std::fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).len();
    format!("{} KiB", bytes / 1024)
}

/// From starting the process to the first answer of /readyz, on an empty data directory and on a used one.
async fn starts() {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut service = Frontdesk::on(Database::sqlite());
        for times in [&mut cold, &mut warm] {
            let start = Instant::now();
            service.start_cold().await;
            times.push(start.elapsed());
            service.stop().await;
        }
    }
    print("start to ready, first time, plugins compiled", summary(cold));
    print("start to ready, warm code cache", summary(warm));
}

/// What the process holds after one person logged in and looked at the dashboard.
async fn idle_memory() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    ada.api.get("/v1/admin/dashboard").await.expect(200);
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap_or_default();
    for (field, what) in [("VmRSS:", "resident memory"), ("RssAnon:", "  of it private")] {
        let value = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("unknown here").trim();
        print(what, value.to_owned());
    }
}

/// One invitation after the other: until it is committed and answered, and from there until the mail server has it.
async fn mails(name: &str, database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let (role, _) = roles(&ada.api).await;
    let (mut answered, mut handed_over) = (Vec::new(), Vec::new());
    for n in 0..=MAILS {
        let invite = json!({ "email": format!("invited{n}@example.test"), "role_id": role });
        let start = Instant::now();
        ada.api.post("/v1/admin/staff-invitations", &invite).await.expect(201);
        let committed = Instant::now();
        while !smtp.has_taken(n + 1) {
            std::thread::sleep(Duration::from_micros(100));
        }
        // The first opens the connection to the mail server, which later ones share.
        if n > 0 {
            answered.push(committed - start);
            handed_over.push(committed.elapsed());
        }
    }
    print(&format!("invitation, until answered, {name}"), summary(answered));
    print(&format!("invitation, from the answer to SMTP, {name}"), summary(handed_over));
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    let n = times.len();
    format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms, n = {n}",
        at(50),
        at(90),
        at(99),
        at(100)
    )
}

fn print(what: &str, value: String) {
    println!("{what:<52}{value}");
}
