//! What must hold of accounts whatever happens, and in whatever order: several people do things at random, all at once;
//! afterwards the tables are looked at.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Person, User, both, new_user, registered, token_of,
    with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

both! { ownership_holds_whatever_several_do_at_once }

const ACTORS: u64 = 6;
const STEPS: u64 = 40;

/// Numbers that look random and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % sides as u64).expect("less than sides")
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.throw(from.len())]
    }
}

/// What everybody knows of: accounts, users and links, whoever made them.
#[derive(Default)]
struct Board {
    accounts: Vec<String>,
    users: Vec<User>,
    links: Vec<String>,
    invitations: Vec<(String, String)>,
}

struct World {
    service: Frontdesk,
    admin: Person,
    board: Mutex<Board>,
}

impl World {
    fn look<T>(&self, at: impl FnOnce(&mut Board) -> T) -> T {
        at(&mut self.board.lock().expect("nobody panics with it"))
    }
}

const SETS: [&str; 4] = ["\"all\"", "[]", "[\"profile\"]", "[\"tickets\",\"invoices\",\"orders\"]"];

/// One thing, done by whoever; whether it was allowed is the service's business.
async fn step(world: &World, dice: &mut Dice, name: &str) -> Answer {
    let (account, user, other, link, invitation) = world.look(|board| {
        (
            dice.pick(&board.accounts).clone(),
            dice.pick(&board.users).clone(),
            dice.pick(&board.users).clone(),
            (!board.links.is_empty()).then(|| dice.pick(&board.links).clone()),
            (!board.invitations.is_empty()).then(|| dice.pick(&board.invitations).clone()),
        )
    });
    let permissions: Value = serde_json::from_str(dice.pick::<&str>(&SETS)).expect("JSON");
    let admin = &world.admin.api;
    let of = format!("/v1/admin/accounts/{account}");
    match dice.throw(14) {
        0 => invite(world, admin, &format!("{of}/invitations"), &account, &permissions, name).await,
        1 => {
            let api = &acting(world, &user, &account).await.unwrap_or(user.api.clone());
            invite(world, api, "/v1/client/account/invitations", &account, &permissions, name).await
        }
        2 | 3 => {
            let token = link.unwrap_or_default();
            let body = json!({ "token": token, "user": new_user(name, &format!("{PASSWORD} {name}")) });
            let answer = world.service.api().post("/v1/public/invitations/accept", &body).await;
            if answer.status == 200 {
                let user =
                    User::from_answer(&world.service.api(), &answer.body(), &format!("{PASSWORD} {name}"));
                world.look(|board| board.users.push(user));
            }
            answer
        }
        4 => {
            let api = acting(world, &user, &account).await.unwrap_or(user.api.clone());
            let body = json!({ "token": link.unwrap_or_default() });
            api.post("/v1/public/invitations/accept", &body).await
        }
        5 => {
            let body = json!({ "user_id": other.id, "permissions": permissions, "send_invite": false });
            admin.post(&format!("{of}/users"), &body).await
        }
        6 => admin.json(Method::PUT, &format!("{of}/owner"), &json!({ "user_id": other.id })).await,
        7 => admin.delete(&format!("{of}/users/{}", other.id)).await,
        8 => admin.patch(&format!("{of}/users/{}", other.id), &json!({ "permissions": permissions })).await,
        9 => {
            let api = acting(world, &user, &account).await.unwrap_or(user.api.clone());
            let path = format!("/v1/client/account/users/{}", other.id);
            match dice.throw(2) {
                0 => api.delete(&path).await,
                _ => api.patch(&path, &json!({ "permissions": permissions })).await,
            }
        }
        10 => {
            let (of, id) = invitation.unwrap_or_default();
            let path = format!("/v1/admin/accounts/{of}/invitations/{id}");
            match dice.throw(2) {
                0 => admin.delete(&path).await,
                _ => {
                    let answer = admin.post(&format!("{path}/resend"), &json!({})).await;
                    keep_link(world, &answer);
                    answer
                }
            }
        }
        11 => admin.delete(&format!("/v1/admin/users/{}", other.id)).await,
        12 => {
            let verb = *dice.pick(&["close", "reopen", "reopen"]);
            admin.post(&format!("{of}/{verb}"), &json!({})).await
        }
        _ => {
            let verb = *dice.pick(&["disable", "enable", "enable"]);
            admin.post(&format!("/v1/admin/users/{}/{verb}", other.id), &json!({})).await
        }
    }
}

/// A session of the user's that acts for the account, if that can be.
async fn acting(world: &World, user: &User, account: &str) -> Option<Api> {
    let session = user.log_in(&world.service).await;
    let session = (session.status == 200).then(|| session.body())?;
    let api = world.service.api().with_token(session["token"].as_str()?);
    let chosen = api.post("/v1/client/session/account", &json!({ "account_id": account })).await;
    let chosen = (chosen.status == 200).then(|| chosen.body())?;
    Some(api.with_token(chosen["token"].as_str()?))
}

async fn invite(
    world: &World,
    api: &Api,
    path: &str,
    account: &str,
    permissions: &Value,
    name: &str,
) -> Answer {
    let body = json!({ "email": format!("{name}@example.test"), "permissions": permissions });
    let answer = api.post(path, &body).await;
    if answer.status == 201 {
        let id = answer.body()["id"].as_str().expect("an id").to_owned();
        world.look(|board| board.invitations.push((account.to_owned(), id)));
    }
    keep_link(world, &answer);
    answer
}

fn keep_link(world: &World, answer: &Answer) {
    if answer.status.is_success() {
        let link = answer.body()["link"].as_str().map(|link| token_of(link).to_owned());
        world.look(|board| board.links.extend(link));
    }
}

async fn ownership_holds_whatever_several_do_at_once(database: Database) {
    let (service, admin) = with_clients(database).await;
    let limits = json!({ "invitation_resend_seconds": 0, "invitations_per_day": 10_000 });
    admin.api.patch("/v1/admin/settings", &limits).await.expect(200);
    let mut board = Board::default();
    for name in ["anne", "mary", "joan"] {
        let user = registered(&service, name).await;
        board.accounts.push(user.account().to_owned());
        board.users.push(user);
    }
    let world = Arc::new(World { service, admin, board: Mutex::new(board) });
    let mut actors = JoinSet::new();
    for actor in 0..ACTORS {
        let world = Arc::clone(&world);
        actors.spawn(async move {
            let mut dice = Dice(actor);
            let mut done = BTreeSet::new();
            for n in 0..STEPS {
                let answer = step(&world, &mut dice, &format!("p{actor}x{n}")).await;
                // Nothing goes wrong on our side; what others do at the same time is answered as such.
                assert!(answer.status.as_u16() < 500 || answer.status == 503, "{answer:?}");
                if answer.status.is_success() {
                    done.insert(n);
                }
            }
            done.len()
        });
    }
    let succeeded: usize = actors.join_all().await.into_iter().sum();
    assert!(succeeded > 40, "enough of it was allowed to mean something: {succeeded}");
    holds(&world.service).await;
}

/// Looks at the tables.
async fn holds(service: &Frontdesk) {
    let none = |what: &'static str, sql: &'static str| async move {
        let found = service.column(sql).await;
        assert!(found.is_empty(), "{what}: {found:?}");
    };
    none(
        "accounts whose owner is not on them with every permission",
        "SELECT a.id FROM accounts a WHERE NOT EXISTS
            (SELECT 1 FROM account_users m WHERE m.account_id = a.id AND m.user_id = a.owner_id AND m.everything)",
    )
    .await;
    none(
        "invitations that are both accepted and cancelled, or accepted by nobody who was there",
        "SELECT i.id FROM invitations i WHERE i.kind = 'account' AND i.accepted_at IS NOT NULL AND i.cancelled_at IS NOT NULL",
    )
    .await;
    none(
        "invitations accepted more than once",
        "SELECT data FROM events WHERE name = 'invitation.accepted' GROUP BY data HAVING COUNT(*) > 1",
    )
    .await;
    none(
        "users without a login",
        "SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM logins l WHERE l.id = u.id)",
    )
    .await;
    none(
        "logins of users without a user",
        "SELECT l.id FROM logins l WHERE l.audience = 'user' AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = l.id)",
    )
    .await;

    let known: BTreeSet<_> = service.api().get("/v1/public/account-permissions").await.expect(200)["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|permission| permission["slug"].as_str().expect("a slug").to_owned())
        .collect();
    assert_eq!(known.len(), 13);
    for words in service.column("SELECT permissions FROM account_users").await {
        for word in words.split_whitespace() {
            assert!(known.contains(word), "{word}");
        }
    }

    // Accepting happens once per invitation.
    let accepted: Vec<Value> = values(service, "invitation.accepted").await;
    let ids: BTreeSet<_> = accepted.iter().map(|event| event["invitation_id"].to_string()).collect();
    assert_eq!(ids.len(), accepted.len(), "an invitation used twice");
    let rows = service.column("SELECT id FROM invitations WHERE accepted_at IS NOT NULL").await;
    assert_eq!(rows.len(), accepted.len());

    // Who is on an account came by an event, and did not go by one since.
    let mut on = BTreeSet::new();
    let moves = service
        .column(
            "SELECT name || ' ' || data FROM events WHERE name IN ('account.user_added', 'account.user_removed') ORDER BY at, id",
        )
        .await;
    for entry in moves {
        let (name, data) = entry.split_once(' ').expect("a name and data");
        let event: Value = serde_json::from_str(data).expect("JSON");
        let pair = (event["account_id"].to_string(), event["user_id"].to_string());
        match name {
            "account.user_added" => assert!(on.insert(pair.clone()), "added twice: {pair:?}"),
            _ => assert!(on.remove(&pair), "removed without being there: {pair:?}"),
        }
    }
    let rows =
        service.column("SELECT '\"' || account_id || '\" \"' || user_id || '\"' FROM account_users").await;
    let rows: BTreeSet<_> = rows
        .iter()
        .map(|row| row.split_once(' ').map(|(a, u)| (a.to_owned(), u.to_owned())).expect("two ids"))
        .collect();
    assert_eq!(rows, on, "associations and their events");
}

async fn values(service: &Frontdesk, name: &str) -> Vec<Value> {
    crate::staff::events(service, name).await
}
