//! What staff cost: created, changed, disabled and deleted beside the bare transaction, and a list of a hundred thousand.

use crate::client::{Client, get};
use crate::{print, summary};
use frontdesk_core::authority::Authority;
use frontdesk_core::cx::{Caller, Service};
use frontdesk_core::db::{Db, PoolSize};
use frontdesk_core::ids::{RoleId, StaffId, SystemChance};
use frontdesk_core::on;
use frontdesk_core::page::PageRequest;
use frontdesk_core::password::{Hasher, PasswordHash};
use frontdesk_core::secret::Password;
use frontdesk_core::staff::{self, Details, Filter, NewMember, OwnChange, StaffChange, State};
use frontdesk_core::testing::TestService;
use frontdesk_tests::{Database, Frontdesk, first_administrator};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SALES: RoleId = RoleId::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0003);
pub(crate) const TURN: Duration = Duration::from_secs(1);
pub(crate) const TURNS: u32 = 5;
/// Statements in the transaction that the others are measured by.
pub(crate) const INSERTS: usize = 4;
const LISTED: usize = 100_000;
const PAGES: usize = 300;

pub(crate) async fn measure() {
    print("fdatasync of 4 KiB", format!("{:.0}/s", syncs()));
    cycles("SQLite", TestService::sqlite().await, 1).await;
    if let Some(database) = Database::postgres().await
        && let Some(url) = database.url()
    {
        let db = Db::open_postgres(&url, PoolSize::default()).await.expect("the database opens");
        cycles("PostgreSQL, one at a time", TestService::on_database(db).await, 1).await;
        cycles("PostgreSQL, eight at a time", TestService::postgres(&url).await, 8).await;
    }
    list("SQLite", Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        list("PostgreSQL", database).await;
    }
}

/// What the disk allows where the tests' databases are.
pub(crate) fn syncs() -> f64 {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&[0; 4096]).expect("room for it");
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < TURN {
        file.write_all_at(&[1; 4096], 0).expect("room for it");
        file.sync_data().expect("a disk");
        count += 1.0;
    }
    count / start.elapsed().as_secs_f64()
}

/// Transactions of four inserts and units of work take turns.
async fn cycles(name: &str, test: TestService, tasks: usize) {
    let service = test.service.clone();
    let hasher = Hasher::new(1, Arc::new(SystemChance));
    let hash = hasher.hash(Password::new("quartz lantern 47 orbit")).await.expect("nobody else hashes");
    let table = "CREATE TABLE bare (id TEXT PRIMARY KEY, text TEXT NOT NULL)";
    let mut tx = service.db.begin().await.expect("the database answers");
    on!(tx.conn(), conn => sqlx::query(table).execute(conn).await.map(|_| ())).expect("a new table");
    tx.commit().await.expect("the database answers");

    let (mut bare, mut units) = (0, 0);
    for turn in 0..TURNS {
        bare += in_tasks(tasks, |task| transactions(service.clone(), turn, task)).await;
        units += in_tasks(tasks, |task| lives(service.clone(), hash.clone(), turn, task)).await;
    }
    let seconds = (TURN * TURNS).as_secs_f64();
    let [bare, units] = [bare, units].map(|count| f64::from(count) / seconds);
    print(&format!("bare transactions of {INSERTS} inserts, {name}"), format!("{bare:.0}/s"));
    print(
        &format!("staff, units of work, {name}"),
        format!(
            "{units:.0}/s, {:.2} of the bare rate: {:.0} created, changed, disabled and deleted/s",
            units / bare,
            units / 4.0
        ),
    );
    test.finish().await;
}

pub(crate) async fn in_tasks<F: Future<Output = u32> + Send + 'static>(
    tasks: usize,
    work: impl Fn(usize) -> F,
) -> u32 {
    (0..tasks).map(work).collect::<JoinSet<_>>().join_all().await.into_iter().sum()
}

pub(crate) async fn transactions(service: Service, turn: u32, task: usize) -> u32 {
    let (end, mut count) = (Instant::now() + TURN, 0);
    while Instant::now() < end {
        let mut tx = service.db.begin().await.expect("the database answers");
        for n in 0..INSERTS {
            let id = format!("{turn}-{task}-{count}-{n}");
            let sql = "INSERT INTO bare (id, text) VALUES ($1, $2)";
            on!(tx.conn(), conn => sqlx::query(sql).bind(id).bind("a few words").execute(conn).await.map(|_| ()))
                .expect("a new row");
        }
        tx.commit().await.expect("the database answers");
        count += 1;
    }
    count
}

/// Somebody is created, changed, disabled and deleted, each in a unit of work, again and again.
async fn lives(service: Service, hash: PasswordHash, turn: u32, task: usize) -> u32 {
    let (by, end, mut count) = (Authority::command_line(), Instant::now() + TURN, 0);
    let begin = || service.begin(Caller::command_line());
    while Instant::now() < end {
        let username = format!("turn{turn}task{task}count{count}");
        let new = NewMember {
            email: format!("{username}@example.test"),
            username,
            first_name: "Grace".into(),
            last_name: "Hopper".into(),
            role_id: SALES,
            language: None,
            departments: Vec::new(),
            details: Details::default(),
        };
        let new = new.checked().expect("good fields");
        let mut cx = begin().await.expect("the database answers");
        let id = staff::create(&mut cx, &by, new, hash.clone()).await.expect("a free name").id;
        cx.commit().await.expect("the database answers");

        let own = OwnChange { first_name: Some("Joan".into()), ..OwnChange::default() };
        let change = StaffChange { own, ..StaffChange::default() }.checked().expect("good fields");
        let mut cx = begin().await.expect("the database answers");
        staff::change(&mut cx, &by, id, change).await.expect("somebody to change");
        cx.commit().await.expect("the database answers");

        let mut cx = begin().await.expect("the database answers");
        staff::disable(&mut cx, &by, id).await.expect("somebody to disable");
        cx.commit().await.expect("the database answers");

        let mut cx = begin().await.expect("the database answers");
        staff::delete(&mut cx, &by, id).await.expect("somebody to delete");
        cx.commit().await.expect("the database answers");
        count += 4;
    }
    count
}

async fn list(name: &str, database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    fill(&service).await;
    let middle = cursor(LISTED / 2);
    let lists = [
        ("first page", "/v1/admin/staff".to_owned()),
        ("a page in the middle", format!("/v1/admin/staff?cursor={middle}")),
        ("disabled", "/v1/admin/staff?state=disabled".to_owned()),
        ("of one role", format!("/v1/admin/staff?role_id={SALES}")),
        ("search, one finds", format!("/v1/admin/staff?search=member{:06}", LISTED / 2)),
        ("search, everybody finds", "/v1/admin/staff?search=member".to_owned()),
        ("with the total", "/v1/admin/staff?total=true".to_owned()),
    ];
    for (what, path) in lists {
        let mut client = Client::new(service.base()).await;
        let request = get(&path, &ada.token);
        let mut times = Vec::new();
        // Searches that look at every row are measured less often.
        let pages = if what.starts_with("search, one") { PAGES / 10 } else { PAGES };
        for n in 0..pages + 10 {
            let answer = client.call(&request).await;
            assert_eq!(answer.status, 200, "{path}");
            // The first ones warm up.
            if n >= 10 {
                times.push(answer.took);
            }
        }
        print(&format!("{LISTED} staff, {what}, {name}"), summary(times));
    }
    plans(name, &service).await;
}

/// Members of whom every fourth is disabled, half are in one role, each a second older than the next.
async fn fill(service: &Frontdesk) {
    for chunk in (0..LISTED).collect::<Vec<_>>().chunks(2_000) {
        let (mut logins, mut staff) = (Vec::new(), Vec::new());
        for n in chunk {
            let (id, name, at) = (id(*n), format!("member{n:06}"), at(*n));
            let disabled = if n % 4 == 0 { "TRUE" } else { "FALSE" };
            logins.push(format!(
                "('{id}', 'staff', '{name}', '{name}', '{name}@example.test', '{name}@example.test', TRUE, 'Grace',
                  'Hopper', 'en', 0, FALSE, FALSE, {disabled}, {at}, '{name} {name}@example.test grace hopper')"
            ));
            let role = if n % 2 == 0 { 3 } else { 4 };
            staff.push(format!("('{id}', '00000000-0000-7000-8000-{role:012}')"));
        }
        let logins = logins.join(", ");
        service
            .execute(&format!(
                "INSERT INTO logins (id, audience, username, username_folded, email, email_folded, email_verified,
                     first_name, last_name, language, password_changed_at, password_needs_factor, must_change_password,
                     disabled, created_at, search) VALUES {logins}"
            ))
            .await;
        service.execute(&format!("INSERT INTO staff (id, role_id) VALUES {}", staff.join(", "))).await;
    }
    service.execute("ANALYZE").await;
}

fn id(n: usize) -> StaffId {
    StaffId::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + n as u128)
}

fn at(n: usize) -> usize {
    1_700_000_000_000 + n * 1_000
}

fn cursor(n: usize) -> String {
    data_encoding::BASE64URL_NOPAD.encode(format!("{}.{}", at(n), id(n)).as_bytes())
}

/// How the database goes about each kind of page.
async fn plans(name: &str, service: &Frontdesk) {
    let db = match service.database_url() {
        Some(url) => Db::connect_postgres(&url, PoolSize::default()).await,
        None => Db::connect_sqlite(&service.data().join("frontdesk.db"), PoolSize::default()).await,
    };
    let test = TestService::on_database(db.expect("the service's database opens")).await;
    let middle = PageRequest::new(25, Some(&cursor(LISTED / 2)), false).expect("a cursor");
    let all = Filter::default();
    for (what, filter) in [
        ("a page in the middle", all.clone()),
        ("disabled", Filter { state: Some(State::Disabled), ..all.clone() }),
        ("of one role", Filter { role: Some(SALES), ..all.clone() }),
        ("search", Filter { search: Some("hopper".into()), ..all }),
    ] {
        println!("plan, {what}, {name}:");
        let mut view = test.service.read().await.expect("the database answers");
        for step in staff::plan(&mut view, &filter, &middle).await.expect("a plan") {
            println!("    {step}");
        }
    }
    test.service.db.close().await;
}
