use std::{collections::HashSet, net::IpAddr, time::Duration};

use serde_json::json;

use super::{
    people, retention,
    seal::{self, Head},
    search::{self, Filter, Named},
    verify::{self, Problem, Report},
};
use crate::{
    activity::ActorKind,
    cx::{Actor, Caller, Cx, Reads, Service},
    event::{Changes, SessionRefused, StaffCreated, StaffEdited, UserDeleted},
    ids::{AccountId, ApiCredentialId, LoginId, StaffId, UserId},
    invitations,
    logins::Audience,
    on,
    page::{PageRequest, Total},
    testing::{TestService, services},
};

const ADA: StaffId = StaffId::from_u128(1);
const GRACE: StaffId = StaffId::from_u128(2);

fn from_there(actor: Actor) -> Caller {
    let address: IpAddr = [192, 0, 2, 7].into();
    Caller { actor, address: Some(address), request_id: Some("a request".into()) }
}

async fn begin(service: &Service) -> Cx {
    service.begin(from_there(Actor::Staff(ADA))).await.unwrap()
}

fn created(username: &str) -> StaffCreated {
    StaffCreated {
        staff_id: GRACE,
        username: username.into(),
        email: format!("{username}@example.com"),
        role: "Sales".into(),
    }
}

/// `count` entries, sealed, and the head kept.
async fn log(test: &TestService, count: usize) {
    for n in 0..count {
        let mut cx = begin(&test.service).await;
        cx.emit(created(&format!("grace{n}"))).await.unwrap();
        cx.commit().await.unwrap();
    }
    seal::seal(&test.service, None).await.unwrap();
    seal::seal(&test.service, None).await.unwrap();
}

/// What somebody who has the database, and nothing else, can do.
async fn tamper(service: &Service, sql: &'static str) {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    on!(cx.db(), conn => sqlx::query(sql).execute(conn).await.map(|_| ())).unwrap();
    cx.commit().await.unwrap();
}

async fn verified(service: &Service) -> Report {
    verify::verify(service, &[]).await.unwrap()
}

async fn head(service: &Service) -> Head {
    super::store::head(service.read().await.unwrap().db()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_log_nobody_touched_is_whole() {
    for test in services().await {
        log(&test, 7).await;
        let mut cx = begin(&test.service).await;
        cx.emit(created("late")).await.unwrap();
        cx.commit().await.unwrap();
        let report = verified(&test.service).await;
        assert_eq!(report.problems, []);
        assert_eq!((report.entries, report.unsealed, report.head.unwrap().number), (7, 1, 7));
        test.finish().await;
    }
}

/// Issue by issue: what is done to a log of nine entries, and what is found.
#[tokio::test]
async fn whatever_is_done_to_an_entry_is_found() {
    let changed = |number| move |problem: &Problem| matches!(problem, Problem::Changed { number: n, .. } if *n == number);
    let columns: &[&'static str] = &[
        "UPDATE events SET data = REPLACE(data, 'Sales', 'Salez') WHERE number = 4",
        "UPDATE events SET personal = REPLACE(personal, 'example.com', 'example.org') WHERE number = 4",
        "UPDATE events SET address = '192.0.2.8' WHERE number = 4",
        "UPDATE events SET at = at + 1 WHERE number = 4",
        "UPDATE events SET name = 'staff.deleted' WHERE number = 4",
        "UPDATE events SET actor_kind = 'system' WHERE number = 4",
        "UPDATE events SET actor_id = NULL WHERE number = 4",
        "UPDATE events SET actor_credential_id = actor_id WHERE number = 4",
        "UPDATE events SET as_user_id = actor_id WHERE number = 4",
        "UPDATE events SET account_id = actor_id WHERE number = 4",
        "UPDATE events SET subject_id = actor_id WHERE number = 4",
        "UPDATE events SET request_id = 'another' WHERE number = 4",
        "UPDATE events SET id = REPLACE(id, '-7', '-8') WHERE number = 4",
        "UPDATE events SET personal_salt = address_salt WHERE number = 4",
        "UPDATE events SET link = (SELECT link FROM activity_head) WHERE number = 4",
        // What was never there, and half of what there was.
        "UPDATE events SET as_user_id = 'x', personal = NULL WHERE number = 4",
        "UPDATE events SET personal_hash = personal_salt WHERE number = 4",
        "UPDATE events SET mac = address_salt WHERE number = 4",
        // Without the address or the data, and without a hash in their place.
        "UPDATE events SET address = NULL WHERE number = 4",
        "UPDATE events SET personal = NULL, personal_salt = NULL WHERE number = 4",
    ];
    for tampering in columns {
        let test = TestService::sqlite().await;
        log(&test, 9).await;
        tamper(&test.service, tampering).await;
        let report = verified(&test.service).await;
        assert!(report.problems.iter().any(changed(4)), "{tampering}: {:?}", report.problems);
        test.finish().await;
    }
}

#[tokio::test]
async fn deleting_swapping_inserting_and_cutting_are_found() {
    for test in services().await {
        let service = &test.service;
        log(&test, 9).await;
        tamper(service, "DELETE FROM events WHERE number = 4").await;
        assert_eq!(verified(service).await.problems, [Problem::Missing { from: 4, through: 4 }]);
        // Closing the gap does not help.
        tamper(service, "UPDATE events SET number = 4 WHERE number = 9").await;
        let problems = verified(service).await.problems;
        assert!(problems.iter().any(|one| matches!(one, Problem::Changed { number: 4, .. })), "{problems:?}");
        assert!(problems.contains(&Problem::Missing { from: 9, through: 9 }), "{problems:?}");
        test.finish().await;
    }
    for test in services().await {
        let service = &test.service;
        log(&test, 9).await;
        for sql in [
            "UPDATE events SET number = 100 WHERE number = 4",
            "UPDATE events SET number = 4 WHERE number = 5",
            "UPDATE events SET number = 5 WHERE number = 100",
        ] {
            tamper(service, sql).await;
        }
        let problems = verified(service).await.problems;
        let found: Vec<_> =
            problems.iter().map(|one| matches!(one, Problem::Changed { number: 4..=6, .. })).collect();
        assert_eq!(found, [true, true, true], "{problems:?}");
        test.finish().await;
    }
    for test in services().await {
        let service = &test.service;
        log(&test, 9).await;
        // As a copy of another entry, waiting for the sealer; and behind the last one, with a number.
        const COPY: &str = "INSERT INTO events (id, at, name, actor_kind, actor_id, subject_id, request_id, data, mac, number, link)
             SELECT REPLACE(id, '-7', '-8'), at, name, actor_kind, actor_id, subject_id, request_id, data, mac, NULL, NULL
             FROM events WHERE number = 4";
        tamper(service, COPY).await;
        assert!(matches!(verified(service).await.problems[..], [Problem::Foreign { .. }]));
        assert_eq!(seal::seal(service, None).await.unwrap().foreign.len(), 1, "the sealer leaves it out");
        // What is written behind it is sealed all the same.
        log(&test, 1).await;
        assert_eq!(head(service).await.number, 10);
        tamper(
            service,
            "UPDATE events SET number = 11, link = (SELECT link FROM activity_head) WHERE number IS NULL",
        )
        .await;
        assert_eq!(verified(service).await.problems, [Problem::Beyond { number: 11 }]);
        test.finish().await;
    }
    for test in services().await {
        let service = &test.service;
        log(&test, 5).await;
        let earlier = head(service).await;
        test.clock.advance(Duration::from_secs(120));
        log(&test, 4).await;
        let seen = head(service).await;
        tamper(service, "DELETE FROM events WHERE number > 5").await;
        let problems = verified(service).await.problems;
        assert!(problems.contains(&Problem::Missing { from: 6, through: 9 }), "{problems:?}");
        // With the later heads gone as well, and the one before in their place, only who has seen a later one knows.
        tamper(service, "DELETE FROM activity_heads WHERE number > 5").await;
        tamper(
            service,
            "UPDATE activity_head SET number = kept.number, link = kept.link, at = kept.at, signature = kept.signature
             FROM activity_heads AS kept WHERE kept.number = 5",
        )
        .await;
        assert_eq!(head(service).await, earlier);
        assert_eq!(verified(service).await.problems, []);
        let problems = verify::verify(service, &[seen]).await.unwrap().problems;
        assert_eq!(problems, [Problem::Cut { seen: 9, head: 5 }]);
        test.finish().await;
    }
}

#[tokio::test]
async fn nobody_without_the_key_signs() {
    for test in services().await {
        let service = &test.service;
        log(&test, 3).await;
        let real = head(service).await;
        tamper(service, "UPDATE activity_head SET number = 2").await;
        assert!(verified(service).await.problems.contains(&Problem::HeadForged { number: 2 }));
        tamper(service, "UPDATE activity_head SET number = 3").await;
        assert_eq!(verified(service).await.problems, []);
        // A checkpoint that hides everything before it.
        tamper(
            service,
            "INSERT INTO activity_checkpoints (number, link, at, signature)
             SELECT number, link, at, signature FROM activity_head",
        )
        .await;
        assert!(verified(service).await.problems.contains(&Problem::CheckpointForged { number: 3 }));
        tamper(service, "DELETE FROM activity_checkpoints").await;
        tamper(service, "DELETE FROM activity_head").await;
        assert_eq!(verified(service).await.problems, [Problem::NoHead]);
        let forged = Head { number: 2, ..real };
        assert_eq!(
            verify::verify(service, &[forged]).await.unwrap().problems,
            [Problem::NoHead],
            "without a head nothing else is looked at"
        );
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_eight_write_at_once_while_two_seal_is_one_chain() {
    for test in services().await {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let service = test.service.clone();
                tokio::spawn(async move {
                    for n in 0..25 {
                        let mut cx = begin(&service).await;
                        cx.emit(created(&format!("w{writer}n{n}"))).await.unwrap();
                        cx.emit(created(&format!("w{writer}m{n}"))).await.unwrap();
                        cx.commit().await.unwrap();
                    }
                })
            })
            .collect();
        let sealers: Vec<_> = (0..2)
            .map(|_| {
                let service = test.service.clone();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        // A lost race, or a lock that was not had in time.
                        _ = seal::seal(&service, None).await;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in writers.into_iter().chain(sealers) {
            task.await.unwrap();
        }
        seal::seal(&test.service, None).await.unwrap();
        let report = verified(&test.service).await;
        assert_eq!(report.problems, []);
        assert_eq!((report.entries, report.unsealed), (400, 0));
        test.finish().await;
    }
}

#[tokio::test]
async fn retention_takes_whole_segments_and_leaves_a_checkpoint() {
    for test in services().await {
        let service = &test.service;
        log(&test, 5).await;
        test.clock.advance(Duration::from_secs(10 * 24 * 60 * 60));
        log(&test, 4).await;
        assert_eq!(retention::trim(service, 0).await.unwrap(), 0, "0 keeps everything");
        assert_eq!(retention::trim(service, 11).await.unwrap(), 0, "nothing is so old");
        assert_eq!(retention::trim(service, 9).await.unwrap(), 5);
        seal::seal(service, None).await.unwrap();
        let report = verified(service).await;
        assert_eq!(report.problems, []);
        // The four that are left, and the one that tells of it.
        assert_eq!((report.removed, report.entries), (5, 5));
        assert_eq!(retention::trim(service, 9).await.unwrap(), 0, "once");

        tamper(service, "DELETE FROM events WHERE number = 6").await;
        assert_eq!(verified(service).await.problems, [Problem::Missing { from: 6, through: 6 }]);
        test.finish().await;
    }
}

#[tokio::test]
async fn entries_stay_while_somebody_is_to_be_told_of_them() {
    for test in services().await {
        let service = &test.service;
        log(&test, 2).await;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        invitations::first_administrator(&mut cx).await.unwrap();
        cx.commit().await.unwrap();
        tamper(
            service,
            "INSERT INTO deliveries (id, event_id, data, useful_until, state, attempts, next_attempt_at, fence, created_at)
             SELECT id, id, '{}', 0, 'waiting', 0, 0, 0, 0 FROM events WHERE number = 1",
        )
        .await;
        test.clock.advance(Duration::from_secs(10 * 24 * 60 * 60));
        assert_eq!(retention::trim(service, 9).await.unwrap(), 0);
        tamper(service, "UPDATE deliveries SET state = 'delivered', finished_at = 1").await;
        assert_eq!(retention::trim(service, 9).await.unwrap(), 2);
        test.finish().await;
    }
}

#[tokio::test]
async fn a_person_is_erased_and_the_chain_stays_whole() {
    for test in services().await {
        let service = &test.service;
        let user = test.user("lovelace").await;
        let person = user.id;
        let mut cx = service.begin(from_there(Actor::User(person.of_user()))).await.unwrap();
        let mut changes = Changes::default();
        changes.note_personal("email", &"old@example.com", &"lovelace@example.com");
        changes.note_words("language", &"en", &"de");
        cx.emit(crate::event::UserEdited {
            user_id: person.of_user(),
            email: "lovelace@example.com".into(),
            changed: changes.into_list(),
        })
        .await
        .unwrap();
        cx.emit(created("somebody-else")).await.unwrap();
        cx.commit().await.unwrap();
        let mut cx = begin(service).await;
        // Invited before anybody knew who they were.
        let sample = crate::event::InvitationCreated {
            invitation_id: crate::ids::InvitationId::from_u128(9),
            kind: "account",
            email: Some("Old@Example.com".into()),
            role: None,
            account_id: None,
            permissions: Vec::new(),
        };
        cx.emit(sample).await.unwrap();
        cx.commit().await.unwrap();
        seal::seal(service, None).await.unwrap();

        let caller = from_there(Actor::Staff(ADA));
        let present = people::erase(service, &caller, person).await;
        assert!(matches!(present, Err(people::Error::Present)), "{present:?}");
        let mut cx = begin(service).await;
        crate::users::delete(&mut cx, person.of_user()).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(entries_about(service, person).await, HashSet::from([Some("Some Body".to_owned())]));

        let parts = people::erase(service, &caller, person).await.unwrap();
        assert!(parts >= 5, "{parts}");
        seal::seal(service, None).await.unwrap();
        let report = verified(service).await;
        assert_eq!(report.problems, []);
        assert!(report.erased >= 4, "{}", report.erased);
        assert_eq!(entries_about(service, person).await, HashSet::from([None]));
        // Nothing that is left speaks of them; of others everything is left.
        let mut view = service.read().await.unwrap();
        let rows: Vec<(String, Option<String>, Option<String>)> = on!(view.db(), conn => {
            sqlx::query_as("SELECT data, personal, address FROM events ORDER BY id").fetch_all(conn).await
        })
        .unwrap();
        drop(view);
        let all = format!("{rows:?}").to_lowercase();
        assert!(!all.contains("lovelace") && !all.contains("old@example.com"), "{all}");
        assert!(all.contains("somebody-else@example.com") && all.contains("192.0.2.7"), "{all}");
        assert!(all.contains("language"), "what was not about them stays: {all}");
        assert_eq!(people::erase(service, &caller, person).await.unwrap(), 0, "nothing is left to erase");
        let nobody = people::erase(service, &caller, LoginId::from_u128(77)).await;
        assert!(matches!(nobody, Err(people::Error::Unknown)), "{nobody:?}");

        // Wiping more in the name of that erasure is found, also where the hash is right.
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let filter = Filter {
            events: vec!["staff.created".into(), "system.person_erased".into()],
            ..Filter::default()
        };
        let mut scan = search::Scan::new(filter, None);
        let rows = scan.next_rows(&mut cx).await.unwrap().unwrap();
        let row = rows.into_iter().find(|row| row.parts.address.is_some()).unwrap();
        let hash = super::part_hash(&row.parts.address_salt.unwrap(), &row.parts.address.unwrap());
        let wipe = "UPDATE events SET address = NULL, address_salt = NULL, address_hash = $1,
                 address_erasure_id = (SELECT MAX(address_erasure_id) FROM events) WHERE id = $2";
        on!(cx.db(), conn => sqlx::query(wipe).bind(&hash[..]).bind(&row.id).execute(conn).await.map(|_| ()))
            .unwrap();
        cx.commit().await.unwrap();
        let problems = verified(service).await.problems;
        assert!(matches!(problems[..], [Problem::Wiped { .. }]), "{problems:?}");
        test.finish().await;
    }
}

async fn entries_about(service: &Service, person: LoginId) -> HashSet<Option<String>> {
    let filter = Filter { subject: Some(person.into()), ..Filter::default() };
    let page = search::page(&mut service.read().await.unwrap(), filter, &first(50)).await.unwrap();
    page.items.into_iter().map(|entry| entry.subject.unwrap().name).collect()
}

fn first(limit: i64) -> PageRequest {
    PageRequest::new(limit, None, true).unwrap()
}

#[tokio::test]
async fn entries_are_found_by_whatever_is_known_of_them() {
    for test in services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let user = test.user("lovelace").await.id.of_user();
        let account = AccountId::from_u128(11);
        let credential = ApiCredentialId::from_u128(12);
        let began = service.clock.now();
        test.clock.advance(Duration::from_secs(1));
        for actor in [
            Actor::System,
            Actor::CommandLine,
            Actor::Guest,
            Actor::Staff(ada),
            Actor::User(user),
            Actor::StaffAsUser(ada, user),
            Actor::Program(ada, credential),
        ] {
            let mut cx = service.begin(from_there(actor)).await.unwrap();
            let entry =
                crate::event::AccountClosed { account_id: account, name: format!("Müller & {actor:?}") };
            cx.emit(entry).await.unwrap();
            cx.commit().await.unwrap();
            test.clock.advance(Duration::from_secs(1));
        }
        let mut cx = begin(service).await;
        cx.emit(SessionRefused { audience: Audience::Staff, login_id: Some(ada.into()), step: "password" })
            .await
            .unwrap();
        cx.commit().await.unwrap();

        let found = async |filter: Filter| {
            let page = search::page(&mut service.read().await.unwrap(), filter, &first(50)).await.unwrap();
            assert_eq!(page.total, Some(Total::Exactly(page.items.len() as i64)));
            page.items
        };
        let kinds = async |filter: Filter| -> Vec<ActorKind> {
            found(filter).await.into_iter().map(|entry| entry.actor_kind).collect()
        };
        use ActorKind::*;
        let since = Filter { from: Some(began.plus(Duration::from_millis(1))), ..Filter::default() };
        let closed = Filter { events: vec!["account.closed".into()], ..Filter::default() };
        let all = [Program, StaffAsUser, User, Staff, Guest, CommandLine, System];
        assert_eq!(kinds(closed.clone()).await, all);
        assert_eq!(kinds(Filter { account: Some(account), ..since.clone() }).await, all);
        assert_eq!(kinds(Filter { subject: Some(account.into()), ..closed.clone() }).await, all);
        assert_eq!(
            kinds(Filter { actor: Some(ada.into()), ..since.clone() }).await,
            [Program, StaffAsUser, Staff]
        );
        assert_eq!(kinds(Filter { actor: Some(user.into()), ..since.clone() }).await, [StaffAsUser, User]);
        assert_eq!(kinds(Filter { actor: Some(credential.into()), ..since.clone() }).await, [Program]);
        assert_eq!(kinds(Filter { actor_kind: Some(Guest), ..closed.clone() }).await, [Guest]);
        // Somebody's own, and what is about them.
        let person = Filter { person: Some(ada.into()), ..since.clone() };
        assert_eq!(kinds(person).await, [Staff, Program, StaffAsUser, Staff]);
        let two = vec!["account.closed".into(), "session.refused".into()];
        assert_eq!(kinds(Filter { events: two, ..since.clone() }).await.len(), 8);
        let late = Filter { from: Some(began.plus(Duration::from_secs(6))), ..closed.clone() };
        assert_eq!(kinds(late).await, [Program, StaffAsUser]);
        let early = Filter { to: Some(began.plus(Duration::from_secs(3))), ..closed.clone() };
        assert_eq!(kinds(early).await, [CommandLine, System]);
        for (text, expected) in [
            ("müller staffas", &[StaffAsUser][..]),
            ("MÜLLER", &all),
            ("192.0.2.7 guest", &[Guest]),
            // What people are called.
            ("lovelace", &[]),
            ("some closed guest", &[]),
            ("some closed user(", &[StaffAsUser, User]),
            ("nothing like it", &[]),
        ] {
            let filter = Filter { text: Some(text.into()), ..closed.clone() };
            assert_eq!(kinds(filter).await, expected, "{text}");
        }
        let entry = found(Filter { actor_kind: Some(StaffAsUser), ..closed }).await.remove(0);
        let name = Some("Some Body".to_owned());
        assert_eq!(entry.actor, Some(Named { id: ada.into(), name: name.clone() }));
        assert_eq!(entry.as_user, Some(Named { id: user.into(), name }));
        assert_eq!(entry.address.as_deref(), Some("192.0.2.7"));
        assert_eq!(entry.request_id.as_deref(), Some("a request"));
        assert_eq!(entry.data["account_id"], json!(account));
        assert!(!entry.erased && entry.number.is_none());
        test.finish().await;
    }
}

#[tokio::test]
async fn pages_follow_each_other_whatever_leads() {
    for test in services().await {
        let service = &test.service;
        log(&test, 12).await;
        let mut cx = begin(service).await;
        for n in 0..12_u128 {
            let user_id = UserId::from_u128(n);
            cx.emit(UserDeleted { user_id, email: "a@example.com".into() }).await.unwrap();
        }
        cx.commit().await.unwrap();
        for filter in [
            Filter::default(),
            Filter { actor: Some(ADA.into()), ..Filter::default() },
            Filter { events: vec!["staff.created".into(), "user.deleted".into()], ..Filter::default() },
            Filter { text: Some("example.com".into()), ..Filter::default() },
        ] {
            let (mut cursor, mut seen) = (None, Vec::new());
            loop {
                let request = PageRequest::new(5, cursor.as_deref(), false).unwrap();
                let mut view = service.read().await.unwrap();
                let page = search::page(&mut view, filter.clone(), &request).await.unwrap();
                drop(view);
                seen.extend(page.items.iter().map(|entry| entry.id));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 24, "{filter:?}");
            assert!(seen.is_sorted_by(|a, b| a > b), "{filter:?}");
        }
        test.finish().await;
    }
}

#[tokio::test]
async fn what_is_private_is_not_written_down_and_what_is_personal_stands_aside() {
    for test in services().await {
        let mut changes = Changes::default();
        changes.note_free_text("notes", &"gossip", &"more gossip");
        changes.note_personal("first_name", &"Grace", &"Joan");
        changes.note_words("role", &"Sales", &"Support");
        let mut cx = begin(&test.service).await;
        let edited = StaffEdited { staff_id: GRACE, username: "grace".into(), changed: changes.into_list() };
        let id = cx.emit(edited).await.unwrap();
        cx.commit().await.unwrap();
        let mut view = test.service.read().await.unwrap();
        let row = super::store::find(view.db(), &id.to_string()).await.unwrap().unwrap();
        let data: serde_json::Value = serde_json::from_str(&row.data).unwrap();
        assert_eq!(
            data,
            json!({ "staff_id": GRACE, "username": null, "changed": [
                { "field": "notes", "before": "[private]", "after": "[private]" },
                { "field": "first_name", "before": null, "after": null, "personal": true },
                { "field": "role", "before": "Sales", "after": "Support" },
            ]})
        );
        let personal: serde_json::Value =
            serde_json::from_str(row.parts.personal.as_deref().unwrap()).unwrap();
        let expected =
            json!({ "/username": "grace", "/changed/1/before": "Grace", "/changed/1/after": "Joan" });
        assert_eq!(personal, expected);
        let entry = search::find(&mut view, id).await.unwrap().unwrap();
        assert_eq!(entry.data["changed"][1]["after"], "Joan");
        drop(view);
        test.finish().await;
    }
}

#[tokio::test]
async fn nothing_is_sealed_upon_a_head_that_was_not_signed_or_lies_before_one_that_was_seen() {
    for test in services().await {
        let service = &test.service;
        log(&test, 5).await;
        tamper(service, "UPDATE activity_head SET signature = link").await;
        let mut cx = begin(service).await;
        cx.emit(created("late")).await.unwrap();
        cx.commit().await.unwrap();
        let sealed = seal::seal(service, None).await.unwrap();
        assert!(sealed.refused && sealed.entries == 0 && sealed.kept.is_empty());
        test.finish().await;
    }
    for test in services().await {
        let service = &test.service;
        log(&test, 3).await;
        let earlier = head(service).await;
        log(&test, 2).await;
        let seen = head(service).await;
        assert!(!seal::seal(service, Some(&earlier)).await.unwrap().refused, "it has grown since");
        // An older copy, put back.
        tamper(service, "DELETE FROM events WHERE number > 3").await;
        let mut cx = begin(service).await;
        cx.emit(created("late")).await.unwrap();
        super::store::advance(cx.db(), &seen, &earlier).await.unwrap();
        cx.commit().await.unwrap();
        assert!(seal::seal(service, Some(&seen)).await.unwrap().refused);
        // Grown again, it does not lead through what was seen.
        seal::seal(service, None).await.unwrap();
        log(&test, 2).await;
        assert!(head(service).await.number > seen.number);
        assert!(seal::seal(service, Some(&seen)).await.unwrap().refused);
        test.finish().await;
    }
}

#[tokio::test]
async fn what_stands_where_nothing_was_and_outside_the_chain_is_found() {
    for test in services().await {
        let service = &test.service;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        cx.emit(crate::event::MasterKeyRotated { from: "a".into(), to: "b".into() }).await.unwrap();
        cx.commit().await.unwrap();
        log(&test, 2).await;
        for (sql, undo) in [
            (
                "UPDATE events SET personal = '{\"\": 1}' WHERE number = 1",
                "UPDATE events SET personal = NULL WHERE number = 1",
            ),
            (
                "UPDATE events SET address = '192.0.2.9' WHERE number = 1",
                "UPDATE events SET address = NULL WHERE number = 1",
            ),
        ] {
            tamper(service, sql).await;
            assert!(
                matches!(verified(service).await.problems[..], [Problem::Changed { number: 1, .. }]),
                "{sql}"
            );
            tamper(service, undo).await;
            assert_eq!(verified(service).await.problems, []);
        }
        const COPY: &str = "INSERT INTO events (id, at, name, actor_kind, data, number, link, mac)
             SELECT REPLACE(id, '-7', '-8'), at, name, actor_kind, data, 0, link, mac FROM events WHERE number = 1";
        tamper(service, COPY).await;
        assert_eq!(verified(service).await.problems, [Problem::Beyond { number: 0 }]);
        test.finish().await;
    }
}

#[tokio::test]
async fn a_retention_that_nobody_signed_takes_nothing_away() {
    for test in services().await {
        let service = &test.service;
        log(&test, 5).await;
        tamper(service, "UPDATE activity_heads SET at = 1").await;
        assert_eq!(retention::trim(service, 30).await.unwrap(), 0);
        test.finish().await;
    }
}

#[tokio::test]
async fn no_new_key_blesses_an_old_log() {
    for test in services().await {
        let service = &test.service;
        log(&test, 2).await;
        tamper(service, "DELETE FROM activity_key").await;
        let opened =
            super::key::LogKey::open(&service.db, &service.keys, service.clock.now(), &*service.chance).await;
        assert!(matches!(opened, Err(super::key::Error::Gone)));
        test.finish().await;
    }
}

#[tokio::test]
async fn an_address_that_somebody_present_has_is_not_erased() {
    for test in services().await {
        let service = &test.service;
        let mut cx = begin(service).await;
        let invitation = crate::event::InvitationCreated {
            invitation_id: crate::ids::InvitationId::from_u128(9),
            kind: "account",
            email: Some("lovelace@example.com".into()),
            role: None,
            account_id: None,
            permissions: Vec::new(),
        };
        cx.emit(invitation).await.unwrap();
        let contact = crate::ids::ContactId::from_u128(5);
        let (account_id, email) = (AccountId::from_u128(1), "lovelace@example.com".to_owned());
        cx.emit(crate::event::ContactDeleted { account_id, contact_id: contact, email }).await.unwrap();
        cx.commit().await.unwrap();
        test.user("lovelace").await;
        let caller = from_there(Actor::Staff(ADA));
        let person = |id: uuid::Uuid| LoginId::from_u128(id.as_u128());
        assert_eq!(people::erase(service, &caller, person(contact.into())).await.unwrap(), 1);
        let invited = Filter { events: vec!["invitation.created".into()], ..Filter::default() };
        let page = search::page(&mut service.read().await.unwrap(), invited, &first(5)).await.unwrap();
        assert_eq!(page.items[0].data["email"], "lovelace@example.com");
        // An invitation is nobody.
        let id = person(crate::ids::InvitationId::from_u128(9).into());
        assert!(matches!(people::erase(service, &caller, id).await, Err(people::Error::Unknown)));
        test.finish().await;
    }
}
