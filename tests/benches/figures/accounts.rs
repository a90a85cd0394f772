//! What users and accounts cost: registered, invited and accepted, switched, beside the bare transaction; and how often other
//! systems can ask who may do what.

use crate::client::{Client, post_as};
use crate::staff::{INSERTS, TURN, TURNS, in_tasks, syncs, transactions};
use crate::{print, summary};
use frontdesk_core::accounts::{AccountPermissions, By, ProfileChange};
use frontdesk_core::cx::{Actor, Caller, Service};
use frontdesk_core::db::{Db, PoolSize};
use frontdesk_core::ids::{AccountId, SystemChance};
use frontdesk_core::invitations::account::{self, Acceptance, NewAccountInvitation};
use frontdesk_core::logins::{Audience, Login};
use frontdesk_core::on;
use frontdesk_core::password::{Hasher, PasswordHash};
use frontdesk_core::secret::{Password, Token};
use frontdesk_core::sessions::{self, Client as From, Method};
use frontdesk_core::settings::Settings;
use frontdesk_core::testing::TestService;
use frontdesk_core::users::{self, NewUser, Registered, Registration};
use frontdesk_tests::{Database, Frontdesk, associated, first_administrator, open_registration, registered};
use serde_json::{Map, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ASKED: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 32;

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
    questions("SQLite", Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        questions("PostgreSQL", database).await;
    }
}

/// Nothing is hashed, and no limit holds.
fn settings() -> Settings {
    Settings { registrations_per_hour: 1 << 30, invitations_per_day: 1 << 30, ..Settings::default() }
}

fn guest() -> Caller {
    Caller { actor: Actor::Guest, address: None, request_id: None }
}

fn somebody(name: &str) -> NewUser {
    NewUser {
        email: format!("{name}@example.test"),
        first_name: "Anne".into(),
        last_name: "Byron".into(),
        language: None,
    }
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

    let mut counts = [0; 4];
    for turn in 0..TURNS {
        let with = |task: usize| (service.clone(), hash.clone(), format!("t{turn}x{task}"));
        counts[0] += in_tasks(tasks, |task| transactions(service.clone(), turn, task)).await;
        counts[1] += in_tasks(tasks, |task| registrations(with(task))).await;
        counts[2] += in_tasks(tasks, |task| invited_and_accepted(with(task))).await;
        counts[3] += in_tasks(tasks, |task| switches(with(task))).await;
    }
    let seconds = (TURN * TURNS).as_secs_f64();
    let [bare, registrations, invitations, switches] = counts.map(|count| f64::from(count) / seconds);
    print(&format!("bare transactions of {INSERTS} inserts, {name}"), format!("{bare:.0}/s"));
    for (what, rate) in [
        ("registrations, with account and two mails", registrations),
        ("invitations created, and accepted by new users (two units of work)", invitations),
        ("account switches", switches),
    ] {
        print(&format!("{what}, {name}"), format!("{rate:.0}/s, {:.2} of the bare rate", rate / bare));
    }
    test.finish().await;
}

type With = (Service, PasswordHash, String);

async fn register(service: &Service, hash: &PasswordHash, name: &str) -> (Login, AccountId) {
    let new =
        Registration { user: somebody(name), account: ProfileChange::default(), custom_fields: Map::new() };
    let mut cx = service.begin(guest()).await.expect("the database answers");
    let done = users::register(&mut cx, new, hash.clone(), true, &settings()).await.expect("a free address");
    cx.commit().await.expect("the database answers");
    match done {
        Registered::New(login, account) => (*login, account.id),
        Registered::Known => panic!("{name} is new"),
    }
}

async fn registrations((service, hash, name): With) -> u32 {
    let (end, mut count) = (Instant::now() + TURN, 0);
    while Instant::now() < end {
        register(&service, &hash, &format!("r{name}n{count}")).await;
        count += 1;
    }
    count
}

/// Each on an account of its own owner.
async fn invited_and_accepted((service, hash, name): With) -> u32 {
    let (owner, id) = register(&service, &hash, &format!("o{name}")).await;
    let (end, mut count, settings) = (Instant::now() + TURN, 0, settings());
    while Instant::now() < end {
        let new = NewAccountInvitation {
            email: format!("i{name}n{count}@example.test"),
            permissions: AccountPermissions::ALL,
            language: None,
        };
        let mut cx = service.begin(guest()).await.expect("the database answers");
        let by = By::Owner(owner.id.of_user());
        let made = account::invite(&mut cx, by, id, new, &settings).await.expect("room for one more");
        cx.commit().await.expect("the database answers");

        let acceptance = Acceptance::New(somebody(&format!("i{name}n{count}")), hash.clone());
        let mut cx = service.begin(guest()).await.expect("the database answers");
        let token = made.token.hash();
        account::accept(&mut cx, &token, acceptance, &settings).await.expect("a good link");
        cx.commit().await.expect("the database answers");
        count += 1;
    }
    count
}

async fn switches((service, hash, name): With) -> u32 {
    let (login, first) = register(&service, &hash, &format!("s{name}")).await;
    let settings = settings();
    let mut cx = service.begin(guest()).await.expect("the database answers");
    let profile = ProfileChange::default();
    let user = login.id.of_user();
    let further = users::further_account(&mut cx, user, profile, &Map::new(), true, &settings).await;
    let second = further.expect("a further account").id;
    let from = From::default();
    let mut started =
        sessions::start(&mut cx, &login, Method::Password, &from, &settings).await.expect("a session");
    cx.commit().await.expect("the database answers");
    let (end, mut count) = (Instant::now() + TURN, 0);
    while Instant::now() < end {
        let token: Token = started.token;
        let mut view = service.read().await.expect("the database answers");
        let session =
            sessions::authenticate(&mut view, Audience::User, &token.hash(), &settings, |_| None).await;
        let session = session.expect("the database answers").expect("a live session");
        drop(view);
        let account = if count % 2 == 0 { first } else { second };
        let mut cx = service.begin(guest()).await.expect("the database answers");
        let chosen = sessions::choose(&mut cx, &session, &token.hash(), account, &settings).await;
        started = chosen.expect("the database answers").expect("nobody else renews it");
        cx.commit().await.expect("the database answers");
        count += 1;
    }
    count
}

/// `authorize` and `introspect` over HTTP, in a session that may.
async fn questions(name: &str, database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    open_registration(&ada.api).await;
    let owner = registered(&service, "owner").await;
    let mary = associated(&service, &owner, "mary", &json!(["tickets", "invoices"])).await;
    let may = json!({ "user_id": mary.id, "account_id": owner.account(), "permission": "tickets" });
    for (what, path, body) in [
        ("authorize", "/v1/admin/authorize", may),
        ("introspect", "/v1/admin/introspect", json!({ "token": mary.token })),
    ] {
        let request = post_as(path, &body, &ada.token);
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut client, request) = (Client::new(service.base()).await, request.clone());
            clients.spawn(async move {
                let (end, mut times) = (Instant::now() + ASKED, Vec::new());
                while Instant::now() < end {
                    let answer = client.call(&request).await;
                    assert_eq!(answer.status, 200);
                    times.push(answer.took);
                }
                times
            });
        }
        let times: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
        let rate = times.len() as f64 / ASKED.as_secs_f64();
        print(
            &format!("{what}, {CONNECTIONS} connections, {name}"),
            format!("{rate:.0}/s, {}", summary(times)),
        );
    }
}
