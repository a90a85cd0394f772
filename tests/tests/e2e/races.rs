//! Rules that hold over several rows, tried for real: everybody at once, again and again.

use crate::staff::{STAFF, events, new_member, path};
use frontdesk_tests::{
    Answer, Api, Database, FULL_ADMINISTRATOR, Frontdesk, PASSWORD, Person, both, first_administrator,
    invite, joined, role, roles, unique,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

both! {
    of_two_full_administrators_who_remove_each_other_one_remains,
    of_three_full_administrators_who_remove_each_other_one_remains,
    of_eight_members_of_one_name_one_is_created,
    of_eight_roles_of_one_name_one_is_made,
    nobody_is_left_with_a_role_that_is_gone,
    of_several_who_take_one_address_one_gets_it,
    two_who_swap_their_names_at_once_fail_in_nothing_but_that,
}

/// All of them at the same moment; what came back, in their order.
pub(crate) async fn at_once<F: Future<Output = Answer> + Send + 'static>(calls: Vec<F>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(calls.len()));
    let mut racers = JoinSet::new();
    for (n, call) in calls.into_iter().enumerate() {
        let barrier = Arc::clone(&barrier);
        racers.spawn(async move {
            barrier.wait().await;
            (n, call.await)
        });
    }
    let mut answers = racers.join_all().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

pub(crate) async fn send(api: Api, method: Method, path: String, body: Value) -> Answer {
    api.json(method, &path, &body).await
}

/// Each status with its code, and how often.
fn outcomes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for answer in answers {
        let code =
            if answer.status.is_success() { Value::Null } else { answer.any_problem()["code"].clone() };
        let outcome = format!("{} {}", answer.status.as_u16(), code.as_str().unwrap_or("done"));
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

/// Nothing but these came back, and nothing went wrong on our side.
pub(crate) fn only(answers: &[Answer], expected: &[&str]) {
    let outcomes = outcomes(answers);
    let strange: Vec<_> = outcomes.keys().filter(|outcome| !expected.contains(&outcome.as_str())).collect();
    assert!(strange.is_empty(), "{outcomes:?}: {answers:#?}");
}

pub(crate) fn count(answers: &[Answer], outcome: &str) -> usize {
    outcomes(answers).get(outcome).copied().unwrap_or_default()
}

/// Full administrators who can log in.
async fn in_charge(service: &Frontdesk) -> Vec<String> {
    let sql = format!(
        "SELECT l.username FROM staff s JOIN logins l ON l.id = s.id
         WHERE s.role_id = '{FULL_ADMINISTRATOR}' AND NOT l.disabled ORDER BY l.username"
    );
    service.column(&sql).await
}

/// Takes the right to do everything from somebody, one way or another.
async fn remove(by: Api, whom: String, how: usize, powerless: String) -> Answer {
    match how % 3 {
        0 => by.post(&format!("{}/disable", path(&whom)), &json!({})).await,
        1 => by.delete(&path(&whom)).await,
        _ => by.patch(&path(&whom), &json!({ "role_id": powerless })).await,
    }
}

/// Whoever remains is logged in and may everything, and brings the others back for the next round: who they are now.
async fn restored(service: &Frontdesk, people: Vec<Person>, powerless: &str) -> Vec<Person> {
    let remaining = in_charge(service).await;
    assert!(!remaining.is_empty(), "nobody is left who may do everything");
    let (mut left, gone): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|person| remaining.contains(&person.username));
    let one = left[0].api.clone();
    one.get("/v1/admin/session").await.expect(200);
    let proof = role(&one, &format!("Proof {}", unique()), &["staff.view"]).await;
    one.delete(&format!("/v1/admin/roles/{proof}")).await.expect(204);
    for person in gone {
        let found = one.get(&path(&person.id)).await;
        if found.status == 404 {
            let name = format!("a{}", unique());
            left.push(joined(&left[0], service, &name, json!({})).await);
            continue;
        }
        let found = found.expect(200);
        if found["disabled"] == true {
            one.post(&format!("{}/enable", path(&person.id)), &json!({})).await.expect(204);
        }
        if found["role"]["id"] == powerless {
            one.patch(&path(&person.id), &json!({ "role_id": FULL_ADMINISTRATOR })).await.expect(200);
        }
        let token = person.log_in(service).await.expect(200)["token"].as_str().expect("a session").to_owned();
        left.push(Person { api: service.api().with_token(&token), token, ..person });
    }
    left
}

/// What may come of it for each of them: done, too late because one was removed oneself, or the last one.
const REMOVALS: [&str; 7] = [
    "204 done",
    "200 done",
    "401 login_required",
    "409 last_administrator",
    "403 beyond_own_permissions",
    "403 permission_required",
    "404 not_found",
];

async fn remove_each_other(database: Database, number: usize, rounds: usize) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let mut people = vec![ada];
    for n in 1..number {
        let colleague = joined(&people[0], &service, &format!("colleague{n}"), json!({})).await;
        people.push(colleague);
    }
    for round in 0..rounds {
        let mut calls = Vec::new();
        for (n, by) in people.iter().enumerate() {
            for (m, whom) in people.iter().enumerate().filter(|(m, _)| *m != n) {
                calls.push(remove(
                    by.api.clone(),
                    whom.id.clone(),
                    round + n + m * (round / 3),
                    powerless.clone(),
                ));
            }
        }
        let answers = at_once(calls).await;
        only(&answers, &REMOVALS);
        let remaining = in_charge(&service).await;
        assert!(!remaining.is_empty(), "round {round}: nobody is left: {answers:#?}");
        // Each of them was asked to go by somebody: whoever stays first took the others' right to ask.
        assert_eq!(remaining.len(), 1, "round {round}: {answers:#?}");
        people = restored(&service, people, &powerless).await;
        assert_eq!(people.len(), number);
    }
    service.keeps_its_secrets().await;
}

async fn of_two_full_administrators_who_remove_each_other_one_remains(database: Database) {
    remove_each_other(database, 2, 18).await;
}

async fn of_three_full_administrators_who_remove_each_other_one_remains(database: Database) {
    remove_each_other(database, 3, 9).await;
}

async fn of_eight_members_of_one_name_one_is_created(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    for (one, taken) in [("username", "409 username_taken"), ("email", "409 email_taken")] {
        for round in 0..3 {
            let calls = (0..8).map(|n| {
                let (mut username, mut email) =
                    (format!("{one}{round}n{n}"), format!("{one}{round}n{n}@example.test"));
                // In every spelling.
                let shout = |text: &str| if n % 2 == 0 { text.to_uppercase() } else { text.to_owned() };
                match one {
                    "username" => username = shout(&format!("same{round}")),
                    _ => email = shout(&format!("same{round}@example.test")),
                }
                let body = new_member(&username, &powerless, json!({ "email": email }));
                send(ada.api.clone(), Method::POST, STAFF.into(), body)
            });
            let answers = at_once(calls.collect()).await;
            assert_eq!(
                outcomes(&answers),
                BTreeMap::from([("201 done".into(), 1), (taken.into(), 7)]),
                "{answers:#?}"
            );
        }
    }
    assert_eq!(events(&service, "staff.created").await.len(), 7);
    assert_eq!(service.column("SELECT id FROM logins").await.len(), 7);
    assert_eq!(service.column("SELECT id FROM staff").await.len(), 7);
}

async fn of_eight_roles_of_one_name_one_is_made(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let others: Vec<_> = {
        let mut others = Vec::new();
        for n in 0..8 {
            others.push(role(&ada.api, &format!("Other {n}"), &["staff.view"]).await);
        }
        others
    };
    let all = "/v1/admin/roles".to_owned();
    for round in 0..3 {
        let name =
            |n: usize| if n.is_multiple_of(2) { format!("SAME {round}") } else { format!("same {round}") };
        let calls = (0..8).map(|n| {
            let body = json!({ "name": name(n) });
            match n % 4 {
                // By a duplicate, and by another name for one that is there.
                0 => {
                    send(ada.api.clone(), Method::POST, format!("{all}/{FULL_ADMINISTRATOR}/duplicate"), body)
                }
                1 => send(ada.api.clone(), Method::PATCH, format!("{all}/{}", others[n]), body),
                _ => send(ada.api.clone(), Method::POST, all.clone(), body),
            }
        });
        let answers = at_once(calls.collect()).await;
        only(&answers, &["201 done", "200 done", "409 name_taken"]);
        assert_eq!(count(&answers, "409 name_taken"), 7, "{answers:#?}");
        let same = format!("SELECT id FROM roles WHERE name_folded = 'same {round}'");
        assert_eq!(service.column(&same).await.len(), 1);
    }
}

/// A role is deleted while people are invited, created and put into it.
async fn nobody_is_left_with_a_role_that_is_gone(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": powerless })).await;
    let waiting = invite(&ada.api, "waiting@example.test", json!({ "role_id": powerless })).await;
    for round in 0..12 {
        let doomed = role(&ada.api, &format!("Doomed {round}"), &["staff.view"]).await;
        // Somebody is on their way in, by an invitation to it.
        let invitation = match round % 3 {
            0 => Some(
                invite(&ada.api, &format!("invited{round}@example.test"), json!({ "role_id": doomed })).await,
            ),
            _ => None,
        };
        let at = format!("/v1/admin/roles/{doomed}");
        let api = || ada.api.clone();
        let mut calls = vec![
            send(api(), Method::DELETE, at.clone(), json!({})),
            send(
                api(),
                Method::POST,
                "/v1/admin/staff-invitations".into(),
                json!({ "email": format!("other{round}@example.test"), "role_id": doomed }),
            ),
            send(api(), Method::POST, STAFF.into(), new_member(&format!("new{round}"), &doomed, json!({}))),
            send(api(), Method::PATCH, path(&grace.id), json!({ "role_id": doomed })),
            send(api(), Method::PATCH, waiting.path(), json!({ "role_id": doomed })),
            send(api(), Method::PATCH, at.clone(), json!({ "permissions": ["roles.view"] })),
            send(api(), Method::DELETE, at.clone(), json!({})),
        ];
        if round % 2 == 1 {
            // Later in the row, sooner at the lock.
            calls.reverse();
        }
        if let Some(invitation) = &invitation {
            let accept = json!({
                "token": invitation.token(), "username": format!("came{round}"),
                "password": format!("{PASSWORD} {round}"), "first_name": "Joan", "last_name": "Clarke",
            });
            calls.push(send(service.api(), Method::POST, "/v1/public/invitations/accept".into(), accept));
        }
        let answers = at_once(calls).await;
        only(
            &answers,
            &["200 done", "201 done", "204 done", "404 not_found", "409 role_in_use", "422 invalid"],
        );
        for answer in answers.iter().filter(|answer| answer.status == 422) {
            answer.invalid("role_id");
        }
        if count(&answers, "204 done") > 0 {
            assert_eq!(
                count(&answers, "200 done") + count(&answers, "201 done"),
                edits(&answers),
                "{answers:#?}"
            );
        }
        let homeless = "SELECT l.username FROM logins l JOIN staff s ON s.id = l.id
             WHERE NOT EXISTS (SELECT 1 FROM roles r WHERE r.id = s.role_id)";
        assert_eq!(service.column(homeless).await, [""; 0]);
        let promised = "SELECT i.id FROM invitations i JOIN staff_invitations p ON p.invitation_id = i.id
             WHERE p.role_id IS NULL AND i.accepted_at IS NULL AND i.cancelled_at IS NULL";
        assert_eq!(service.column(promised).await, [""; 0]);
        // For the next round, in which they are put there again.
        ada.api.patch(&path(&grace.id), &json!({ "role_id": powerless })).await.expect(200);
        ada.api.patch(&waiting.path(), &json!({ "role_id": powerless })).await.expect(200);
    }
}

/// Where a role went, nothing was done with it but an edit of its own before.
fn edits(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200 && answer.body().get("everything").is_some()).count()
}

async fn of_several_who_take_one_address_one_gets_it(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let mut people = Vec::new();
    for n in 0..3 {
        people.push(joined(&ada, &service, &format!("grace{n}"), json!({ "role_id": powerless })).await);
    }
    for (field, value, taken) in
        [("email", "same%@example.test", "409 email_taken"), ("username", "same%", "409 username_taken")]
    {
        for round in 0..4 {
            let value = value.replace('%', &round.to_string());
            let mut calls = Vec::new();
            for person in &people {
                // By themselves, by a colleague; one is made by that name meanwhile.
                let change = json!({ field: value });
                calls.push(send(person.api.clone(), Method::PATCH, "/v1/admin/me".into(), change.clone()));
                calls.push(send(ada.api.clone(), Method::PATCH, path(&person.id), change));
            }
            let body = new_member(&format!("{field}new{round}"), &powerless, json!({ field: value }));
            calls.push(send(ada.api.clone(), Method::POST, STAFF.into(), body));
            let answers = at_once(calls).await;
            only(&answers, &["200 done", "201 done", taken]);
            let column = if field == "email" { "email_folded" } else { "username_folded" };
            let owners = format!("SELECT id FROM logins WHERE {column} = '{value}'");
            assert_eq!(service.column(&owners).await.len(), 1, "{answers:#?}");
            // One, and whoever said it twice of the same one.
            assert!((1..=2).contains(&(answers.len() - count(&answers, taken))), "{answers:#?}");
            for (n, person) in people.iter().enumerate() {
                let own = format!("own{n}{round}");
                let change = json!({ "username": own, "email": format!("{own}@example.test") });
                ada.api.patch(&path(&person.id), &change).await.expect(200);
            }
        }
    }
}

/// Each wants what the other one has: both may be refused, none is told of a fault, and both keep a name.
async fn two_who_swap_their_names_at_once_fail_in_nothing_but_that(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let joan = joined(&ada, &service, "joan", json!({})).await;
    for _ in 0..6 {
        let mut calls = Vec::new();
        for (person, other) in [(&grace, "joan"), (&joan, "grace")] {
            let change = json!({ "username": other, "email": format!("{other}@example.test") });
            calls.push(send(person.api.clone(), Method::PATCH, "/v1/admin/me".into(), change.clone()));
            calls.push(send(ada.api.clone(), Method::PATCH, path(&person.id), change));
        }
        let answers = at_once(calls).await;
        // Two that wait for each other: the database lets one go on, the other one is told to come again.
        only(&answers, &["409 username_taken", "409 email_taken", "503 try_again"]);
        let names = service.column("SELECT username FROM logins ORDER BY username").await;
        assert_eq!(names, ["ada", "grace", "joan"]);
    }
}
