//! What the service bears: logins by password beside the bare hash, reads, and reads while logins flood it.

use crate::client::{Client, get, post};
use crate::{print, summary};
use frontdesk_core::ids::SystemChance;
use frontdesk_core::password::Hasher;
use frontdesk_core::secret::Password;
use frontdesk_tests::{Database, Frontdesk, first_administrator};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const TIME: Duration = Duration::from_secs(5);
/// Logins and the bare hash take turns.
const TURN: Duration = Duration::from_secs(1);
const TURNS: u32 = 8;
/// The service lets 33 logins wait or run for each core.
const ADMITTED_PER_CORE: usize = 33;

/// What one kind of request came to.
#[derive(Default)]
struct Load {
    taken: Vec<Duration>,
    refused: Vec<Duration>,
}

/// Sends `request` on each of `connections` again and again, `pause` after each answer, and [`AFTER_REFUSAL`] after a
/// refusal.
async fn load(base: &str, request: Vec<u8>, connections: usize, pause: Duration, time: Duration) -> Load {
    let mut clients = JoinSet::new();
    for n in 0..connections {
        let (mut client, request) = (Client::new(base).await, request.clone());
        clients.spawn(async move {
            let mut load = Load::default();
            // Not all in the same moment.
            tokio::time::sleep(pause * u32::try_from(n).unwrap_or(0) / 8).await;
            let end = Instant::now() + time;
            while Instant::now() < end {
                let answer = client.call(&request).await;
                // What is answered later belongs to no rate.
                if Instant::now() > end {
                    break;
                }
                match answer.status {
                    200 => load.taken.push(answer.took),
                    429 | 503 => {
                        assert!(answer.retry_after, "a refusal says when to come back");
                        load.refused.push(answer.took);
                        tokio::time::sleep(AFTER_REFUSAL).await;
                    }
                    status => panic!("{status} for {}", String::from_utf8_lossy(&request)),
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            load
        });
    }
    let mut all = Load::default();
    for one in clients.join_all().await {
        all.taken.extend(one.taken);
        all.refused.extend(one.refused);
    }
    all
}

/// Clients that come back at once would measure how fast nothing is said.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

pub(crate) async fn measure() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let base = service.base().to_owned();
    let login = post("/v1/admin/session", &json!({ "login": "ada", "password": ada.password }));
    let roles = ada.api.get("/v1/admin/roles").await.expect(200);
    let role = roles["items"][0]["id"].as_str().expect("roles are shipped");
    let one_role = get(&format!("/v1/admin/roles/{role}"), &ada.token);
    let staff = get("/v1/admin/staff", &ada.token);
    let none = Duration::ZERO;

    // In turns, because machines change their speed and others use them.
    let (mut bare, mut logins) = (0.0, Load::default());
    for _ in 0..TURNS {
        bare += ceiling(cores).await / f64::from(TURNS);
        let turn = load(&base, login.clone(), cores * 4, none, TURN).await;
        logins.taken.extend(turn.taken);
    }
    let rate = per_second(&logins.taken, TURN * TURNS);
    print("bare argon2id 19456/2/1, as many tasks as cores", format!("{bare:.1}/s"));
    let ratio = rate / bare;
    print(
        "logins by password",
        format!("{rate:.1}/s, {ratio:.2} of the bare hash; {}", summary(logins.taken)),
    );

    for (what, request) in [("one role", &one_role), ("list of staff", &staff)] {
        let cpu = [cpu(std::process::id()), cpu(service.pid())];
        let reads = load(&base, request.clone(), 32, none, TIME).await;
        let spent = [self::cpu(std::process::id()) - cpu[0], self::cpu(service.pid()) - cpu[1]];
        let of_it = format!("CPU: service {:.1} s, load {:.1} s", spent[1], spent[0]);
        print(&format!("reads alone, {what}"), format!("{}; {of_it}", rated(reads.taken)));
    }

    let many = cores * ADMITTED_PER_CORE + 34;
    for (what, connections, pause) in [
        ("reads during a login flood, 8 × every 10 ms", 8, Duration::from_millis(10)),
        ("reads during a login flood, 8 without a pause", 8, none),
    ] {
        let (flood, reads) = tokio::join!(
            load(&base, login.clone(), many, none, TIME),
            load(&base, one_role.clone(), connections, pause, TIME)
        );
        print(what, rated(reads.taken));
        print(&format!("  the flood, {many} connections: logins"), rated(flood.taken));
        let soon = flood.refused.iter().filter(|took| **took <= Duration::from_millis(50)).count();
        let share = 100.0 * soon as f64 / flood.refused.len().max(1) as f64;
        print("  refused with Retry-After", format!("{share:.2} % within 50 ms; {}", rated(flood.refused)));
    }
}

/// How many passwords this machine hashes in a second when it does nothing else.
async fn ceiling(cores: usize) -> f64 {
    let hasher = Hasher::new(cores, Arc::new(SystemChance));
    let (start, end) = (Instant::now(), Instant::now() + TURN);
    let mut tasks = JoinSet::new();
    for _ in 0..cores {
        let hasher = hasher.clone();
        tasks.spawn(async move {
            let mut hashes = 0;
            while Instant::now() < end {
                hasher.hash(Password::new("quartz lantern 47 orbit")).await.expect("one for each core");
                hashes += 1;
            }
            hashes
        });
    }
    let hashes: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(hashes) / start.elapsed().as_secs_f64()
}

fn per_second(answered: &[Duration], time: Duration) -> f64 {
    answered.len() as f64 / time.as_secs_f64()
}

fn rated(answered: Vec<Duration>) -> String {
    if answered.is_empty() {
        return "none".to_owned();
    }
    format!("{:.0}/s; {}", per_second(&answered, TIME), summary(answered))
}

/// Seconds of processor time that a process has used.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold blanks: fields 14 and 15 of proc_pid_stat(5), in hundredths.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}
