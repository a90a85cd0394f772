//! What the activity log costs: writing with and without the sealer, searching a million entries, checking them all.

use crate::staff::{TURN, TURNS, in_tasks};
use crate::{print, summary};
use frontdesk_core::activity::search::{self, Filter};
use frontdesk_core::activity::{ActorKind, seal, verify};
use frontdesk_core::cx::{Actor, Caller, Service};
use frontdesk_core::db::{Db, PoolSize};
use frontdesk_core::event::{SessionRefused, SessionStarted, StaffCreated, UserCreated};
use frontdesk_core::ids::{LoginId, SessionId, StaffId, UserId};
use frontdesk_core::logins::Audience;
use frontdesk_core::page::PageRequest;
use frontdesk_core::testing::TestService;
use frontdesk_tests::Database;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ENTRIES: u32 = 1_000_000;
/// Entries of a unit of work while the log is filled.
const AT_ONCE: u32 = 1_000;
const PAGES: usize = 100;
const STAFF: u128 = 50;
const USERS: u128 = 20_000;

pub(crate) async fn measure() {
    writing("SQLite, one at a time", TestService::sqlite().await, 1).await;
    reading("SQLite", TestService::sqlite().await).await;
    if let Some(database) = Database::postgres().await
        && let Some(url) = database.url()
    {
        writing("PostgreSQL, eight at a time", TestService::postgres(&url).await, 8).await;
        let db = Db::open_postgres(&url, PoolSize::default()).await.expect("the database opens");
        reading("PostgreSQL", TestService::on_database(db).await).await;
    }
}

fn caller(n: u32) -> Caller {
    let address: IpAddr = [192, 0, 2, n.to_le_bytes()[0]].into();
    let person = u128::from(n);
    let actor = match n % 10 {
        0 => Actor::System,
        1..=3 => Actor::Staff(StaffId::from_u128(1 + person % STAFF)),
        4 => Actor::Guest,
        _ => Actor::User(UserId::from_u128(1_000 + person % USERS)),
    };
    Caller { actor, address: Some(address), request_id: Some(format!("request {n}")) }
}

async fn happen(service: &Service, from: u32, count: u32) {
    let mut cx = service.begin(caller(from)).await.expect("the database answers");
    for n in from..from + count {
        let person = u128::from(n);
        let login_id = LoginId::from_u128(1_000 + person % USERS);
        let written = match n % 20 {
            0 => {
                let (staff_id, username) = (StaffId::from_u128(person), format!("staff{n}"));
                let email = format!("staff{n}@example.com");
                cx.emit(StaffCreated { staff_id, username, email, role: "Sales".into() }).await
            }
            1..=4 => {
                let (user_id, email) = (UserId::from_u128(person), format!("user{n}@example.com"));
                cx.emit(UserCreated { user_id, email, how: "registration" }).await
            }
            5 => {
                let login_id = Some(login_id);
                cx.emit(SessionRefused { audience: Audience::User, login_id, step: "password" }).await
            }
            _ => {
                let session_id = SessionId::from_u128(person);
                let (audience, method) = (Audience::User, "password");
                cx.emit(SessionStarted { session_id, audience, login_id, method, new_address: false }).await
            }
        };
        written.expect("the database answers");
    }
    cx.commit().await.expect("the database answers");
}

/// Units of work of one entry, while nobody seals and while the sealer runs as it does in the service; in turns.
async fn writing(name: &str, test: TestService, tasks: usize) {
    let service = test.service.clone();
    let (mut alone, mut sealed) = (0, 0);
    for turn in 0..TURNS {
        let write = |task: usize| {
            let service = service.clone();
            async move {
                let (end, mut count) = (Instant::now() + TURN, 0);
                while Instant::now() < end {
                    happen(&service, turn * 100_000 + count * 8 + task as u32, 1).await;
                    count += 1;
                }
                count
            }
        };
        alone += in_tasks(tasks, write).await;
        // What was written meanwhile is not this one's to seal.
        seal::seal(&service, None).await.expect("the database answers");
        let stop = Arc::new(AtomicBool::new(false));
        let sealer = tokio::spawn({
            let (service, stop) = (service.clone(), Arc::clone(&stop));
            async move {
                while !stop.load(Ordering::Relaxed) {
                    _ = seal::seal(&service, None).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        sealed += in_tasks(tasks, write).await;
        stop.store(true, Ordering::Relaxed);
        sealer.await.expect("the sealer ends");
        seal::seal(&service, None).await.expect("the database answers");
    }
    let seconds = (TURN * TURNS).as_secs_f64();
    let [alone, sealed] = [alone, sealed].map(|count| f64::from(count) / seconds);
    print(&format!("entries written, nobody seals, {name}"), format!("{alone:.0}/s"));
    let ratio = sealed / alone;
    print(
        &format!("entries written, sealed ten times a second, {name}"),
        format!("{sealed:.0}/s, {ratio:.2} of that"),
    );
    test.finish().await;
}

async fn reading(name: &str, test: TestService) {
    let service = &test.service;
    let start = Instant::now();
    for from in (0..ENTRIES).step_by(AT_ONCE as usize) {
        happen(service, from, AT_ONCE).await;
        test.clock.advance(Duration::from_secs(2));
    }
    print(&format!("{ENTRIES} entries written, {name}"), format!("{:.1} s", start.elapsed().as_secs_f64()));
    let start = Instant::now();
    let sealed = seal::seal(service, None).await.expect("the database answers");
    print(
        &format!("{} entries sealed, {name}", sealed.entries),
        format!("{:.1} s", start.elapsed().as_secs_f64()),
    );
    let start = Instant::now();
    let report = verify::verify(service, &[]).await.expect("the database answers");
    assert!(report.is_whole(), "{:?}", report.problems);
    print(
        &format!("{} entries verified, {name}", report.entries),
        format!("{:.1} s", start.elapsed().as_secs_f64()),
    );

    let middle = {
        let mut view = service.read().await.expect("a reader");
        let page = search::page(&mut view, Filter::default(), &first(1)).await;
        let newest = page.expect("the database answers").items.remove(0).at;
        newest.minus(Duration::from_secs(1_000))
    };
    let user = LoginId::from_u128(1_000 + 77);
    let filters = [
        ("newest", Filter::default()),
        ("up to an instant in the middle", Filter { to: Some(middle), ..Filter::default() }),
        ("by actor", Filter { actor: Some(LoginId::from_u128(1 + 7).into()), ..Filter::default() }),
        ("by subject", Filter { subject: Some(user.into()), ..Filter::default() }),
        ("by event", Filter { events: vec!["session.refused".into()], ..Filter::default() }),
        ("by category", Filter { events: search::of_category("staff"), ..Filter::default() }),
        (
            "by subject and event, none fits",
            Filter { subject: Some(user.into()), events: vec!["role.created".into()], ..Filter::default() },
        ),
        ("by kind of actor", Filter { actor_kind: Some(ActorKind::Guest), ..Filter::default() }),
        ("by text that many have", Filter { text: Some("example.com".into()), ..Filter::default() }),
        (
            "by text that none has (20,000 examined)",
            Filter { text: Some("nowhere".into()), ..Filter::default() },
        ),
    ];
    for (what, filter) in &filters {
        let mut times = Vec::new();
        for _ in 0..PAGES {
            let mut view = service.read().await.expect("a reader");
            let start = Instant::now();
            search::page(&mut view, filter.clone(), &first(25)).await.expect("the database answers");
            times.push(start.elapsed());
        }
        print(&format!("a page of {ENTRIES} entries, {what}, {name}"), summary(times));
    }
    for (what, filter) in filters {
        let mut view = service.read().await.expect("a reader");
        let plan = search::plan(&mut view, filter).await.expect("a plan");
        println!("plan, {what}, {name}:");
        plan.iter().for_each(|line| println!("    {}", line.trim_end()));
    }
    test.finish().await;
}

fn first(limit: i64) -> PageRequest {
    PageRequest::new(limit, None, false).expect("a page")
}
