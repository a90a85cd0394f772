use std::sync::Arc;

use tokio::sync::Barrier;

use super::*;
use crate::{
    cx::{Caller, Service},
    on,
    testing::{self, TestService},
};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.9";

fn attempt(name: &str, login: Option<LoginId>, step: Step, address: &str) -> Attempt {
    let address = Some(address.parse().unwrap());
    Attempt { audience: Audience::Staff, name: name.into(), login, step, address, countable: true }
}

fn password(name: &str, address: &str) -> Attempt {
    attempt(name, None, Step::Password, address)
}

fn settings() -> Settings {
    Settings::default()
}

/// Never bans, so that delays are seen alone.
fn no_bans() -> Settings {
    Settings { ban_after: 0, ..settings() }
}

async fn may(service: &Service, settings: &Settings, attempt: &Attempt) -> Result<(), Refused> {
    check(&mut service.read().await.unwrap(), settings, attempt).await
}

async fn fail(service: &Service, settings: &Settings, attempt: &Attempt) {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    failed(&mut cx, settings, attempt).await.unwrap();
    cx.commit().await.unwrap();
}

async fn succeed(service: &Service, attempt: &Attempt) {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    succeeded(&mut cx, attempt).await.unwrap();
    cx.commit().await.unwrap();
}

/// A wrong code: looked at and counted, or refused.
async fn guess_wrong(service: &Service, settings: &Settings, attempt: &Attempt) -> Result<(), Refused> {
    let mut cx = service.begin(Caller::system()).await?;
    guess(&mut cx, settings, attempt).await?;
    failed(&mut cx, settings, attempt).await?;
    cx.commit().await?;
    Ok(())
}

async fn come_in(service: &Service, login: LoginId, address: &str) -> bool {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let is_new = came_in(&mut cx, login, Some(address.parse().unwrap())).await.unwrap();
    cx.commit().await.unwrap();
    is_new
}

async fn login(test: &TestService, name: &str) -> LoginId {
    test.member(name).await.into()
}

async fn events(service: &Service) -> Vec<String> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(String,)> = on!(view.db(), conn => {
        sqlx::query_as("SELECT name FROM events WHERE name LIKE 'system.%' ORDER BY at, id").fetch_all(conn).await
    })
    .unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

fn wait(outcome: Result<(), Refused>) -> u64 {
    match outcome {
        Ok(()) => 0,
        Err(Refused::TooMany { retry_after }) => retry_after.as_secs(),
        Err(other) => panic!("{other:?}"),
    }
}

fn is_banned(outcome: &Result<(), Refused>) -> bool {
    matches!(outcome, Err(Refused::Banned { .. }))
}

#[test]
fn delays_begin_after_three_failures_and_double_up_to_their_longest() {
    let seconds = |step: Step| (0..=16).map(|failures| step.delay(failures).as_secs()).collect::<Vec<_>>();
    let doubling = [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    assert_eq!(seconds(Step::Password), [&doubling[..], &[900; 4]].concat());
    assert_eq!(seconds(Step::Code), [&doubling[..], &[1024, 2048, 3600, 3600]].concat());
    assert_eq!(Step::Password.delay(i64::MAX), Step::Password.longest());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_failures_in_a_row_ban_an_address_for_fifteen_minutes() {
    for test in testing::services().await {
        let service = &test.service;
        for (n, name) in ["ada", "grace", "nobody"].into_iter().enumerate() {
            assert!(may(service, &settings(), &password(name, HOME)).await.is_ok(), "{n}");
            fail(service, &settings(), &password(name, HOME)).await;
        }
        let refused = may(service, &settings(), &password("else", HOME)).await;
        let end = service.clock.now().plus(Duration::from_secs(15 * 60));
        assert!(
            matches!(refused, Err(Refused::Banned { until: Some(until) }) if until == end),
            "{refused:?}"
        );
        // Also for codes, not for users, and not for others.
        let code = attempt("ada", Some(LoginId::from_u128(1)), Step::Code, HOME);
        assert!(is_banned(&guess_wrong(service, &settings(), &code).await));
        let user = Attempt { audience: Audience::User, ..password("else", HOME) };
        assert!(may(service, &settings(), &user).await.is_ok());
        assert!(may(service, &settings(), &password("else", "192.0.2.8")).await.is_ok());
        assert_eq!(events(service).await, ["system.address_banned"]);
        test.clock.advance(Duration::from_millis(15 * 60 * 1000 - 1));
        assert!(is_banned(&may(service, &settings(), &password("else", HOME)).await));
        test.clock.advance(Duration::from_millis(1));
        assert!(may(service, &settings(), &password("else", HOME)).await.is_ok());
        // It begins anew, and bans anew.
        for name in ["a", "b"] {
            fail(service, &settings(), &password(name, HOME)).await;
        }
        assert!(may(service, &settings(), &password("else", HOME)).await.is_ok());
        fail(service, &settings(), &password("c", HOME)).await;
        assert!(is_banned(&may(service, &settings(), &password("else", HOME)).await));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_in_ipv6_share_a_ban() {
    for test in testing::services().await {
        let service = &test.service;
        for n in 1..=3 {
            fail(service, &settings(), &password("ada", &format!("2001:db8::{n}"))).await;
        }
        for (address, banned) in [("2001:db8::ffff:4", true), ("2001:db8:0:1::1", false)] {
            let outcome = may(service, &settings(), &password("else", address)).await;
            assert_eq!(is_banned(&outcome), banned, "{address}");
        }
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_bans_nobody_and_users_are_slowed_only() {
    for test in testing::services().await {
        let service = &test.service;
        for n in 0..5 {
            fail(service, &no_bans(), &password(&format!("a{n}"), HOME)).await;
            let user = Attempt { audience: Audience::User, ..password(&format!("b{n}"), HOME) };
            fail(service, &settings(), &user).await;
        }
        assert!(may(service, &settings(), &password("else", HOME)).await.is_ok());
        assert!(events(service).await.is_empty());
        test.finish().await;
    }
}

/// Everybody would be banned through a proxy that nobody has configured.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_counted_by_the_address_of_an_unknown_proxy() {
    for test in testing::services().await {
        let service = &test.service;
        let through = |name: &str| Attempt { countable: false, ..password(name, HOME) };
        for n in 0..5 {
            fail(service, &settings(), &through(&format!("a{n}"))).await;
        }
        assert!(may(service, &settings(), &password("else", HOME)).await.is_ok());
        // The name is counted in any case.
        for _ in 0..3 {
            fail(service, &settings(), &through("ada")).await;
        }
        assert_eq!(wait(may(service, &settings(), &through("ada")).await), 1);
        // Nor does a ban that came about next to the proxy hit those behind it.
        for name in ["a", "b", "c"] {
            fail(service, &settings(), &password(name, HOME)).await;
        }
        assert!(is_banned(&may(service, &settings(), &password("else", HOME)).await));
        assert!(may(service, &settings(), &through("else")).await.is_ok());
        test.finish().await;
    }
}

/// A good login of one's own is no means to go on guessing at others.
#[tokio::test(flavor = "multi_thread")]
async fn ones_own_login_takes_back_ones_own_failures_alone() {
    for test in testing::services().await {
        let service = &test.service;
        let mallory = login(&test, "mallory").await;
        let own = |step| attempt("mallory", Some(mallory), step, HOME);
        fail(service, &settings(), &own(Step::Password)).await;
        fail(service, &settings(), &password("ada", HOME)).await;
        succeed(service, &own(Step::Password)).await;
        fail(service, &settings(), &password("ada", HOME)).await;
        succeed(service, &own(Step::Password)).await;
        assert!(
            may(service, &settings(), &password("ada", HOME)).await.is_ok(),
            "two, and none of one's own"
        );
        fail(service, &settings(), &password("ada", HOME)).await;
        assert!(is_banned(&may(service, &settings(), &own(Step::Password)).await));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_takes_back_no_wrong_codes() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = login(&test, "ada").await;
        let own = |step| attempt("ada", Some(ada), step, HOME);
        // Each round is a new challenge.
        for _ in 0..2 {
            guess_wrong(service, &settings(), &own(Step::Code)).await.unwrap();
            succeed(service, &own(Step::Password)).await;
        }
        guess_wrong(service, &settings(), &own(Step::Code)).await.unwrap();
        assert!(is_banned(&may(service, &settings(), &own(Step::Password)).await), "three wrong codes");
        let elsewhere = attempt("ada", Some(ada), Step::Code, ELSEWHERE);
        assert_eq!(wait(guess_wrong(service, &settings(), &elsewhere).await), 1);
        test.clock.advance(Duration::from_secs(1));
        guess_wrong(service, &settings(), &elsewhere).await.unwrap();
        assert_eq!(wait(guess_wrong(service, &settings(), &elsewhere).await), 2);
        // The right one does.
        test.clock.advance(Duration::from_secs(2));
        let mut cx = service.begin(Caller::system()).await.unwrap();
        guess(&mut cx, &settings(), &elsewhere).await.unwrap();
        succeeded(&mut cx, &elsewhere).await.unwrap();
        cx.commit().await.unwrap();
        for _ in 0..3 {
            guess_wrong(service, &no_bans(), &elsewhere).await.unwrap();
        }
        assert_eq!(wait(guess_wrong(service, &no_bans(), &elsewhere).await), 1);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_slowed_alike_whether_they_exist_or_not() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = login(&test, "ada").await;
        let attempts = [attempt("ada", Some(ada), Step::Password, HOME), password("nobody", HOME)];
        for failures in 1..=5 {
            let mut waits = Vec::new();
            for attempt in &attempts {
                fail(service, &no_bans(), attempt).await;
                waits.push(wait(may(service, &no_bans(), attempt).await));
            }
            assert_eq!(waits, [Step::Password.delay(failures).as_secs(); 2]);
        }
        // From anywhere, however it is written, and not for the other audience.
        for written in ["NOBODY", " nobody "] {
            assert_eq!(wait(may(service, &no_bans(), &password(written, ELSEWHERE)).await), 4);
        }
        let user = Attempt { audience: Audience::User, ..password("nobody", HOME) };
        assert_eq!(wait(may(service, &no_bans(), &user).await), 0);
        // After the wait there is one guess, and then twice the wait.
        test.clock.advance(Duration::from_secs(4));
        assert_eq!(wait(may(service, &no_bans(), &password("nobody", HOME)).await), 0);
        fail(service, &no_bans(), &password("nobody", HOME)).await;
        assert_eq!(wait(may(service, &no_bans(), &password("nobody", HOME)).await), 8);
        // A day later it is forgotten.
        test.clock.advance(REMEMBERED);
        fail(service, &no_bans(), &password("nobody", HOME)).await;
        assert_eq!(wait(may(service, &no_bans(), &password("nobody", HOME)).await), 0);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_slow_the_owner_where_they_are_known() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = login(&test, "ada").await;
        assert!(!come_in(service, ada, HOME).await);
        for step in [Step::Password, Step::Code] {
            let (stranger, owner) =
                (attempt("ada", Some(ada), step, ELSEWHERE), attempt("ada", Some(ada), step, HOME));
            for _ in 0..9 {
                test.clock.advance(step.longest());
                if step == Step::Code {
                    guess_wrong(service, &no_bans(), &stranger).await.unwrap();
                } else {
                    fail(service, &no_bans(), &stranger).await;
                }
            }
            assert_eq!(wait(may(service, &no_bans(), &stranger).await), 64);
            assert_eq!(wait(may(service, &no_bans(), &owner).await), 0);
            // The owner's login is no gift to the stranger.
            succeed(service, &owner).await;
            assert_eq!(wait(may(service, &no_bans(), &stranger).await), 64);
            // Whoever sits beside the owner is counted there.
            for _ in 0..3 {
                if step == Step::Code {
                    guess_wrong(service, &no_bans(), &owner).await.unwrap();
                } else {
                    fail(service, &no_bans(), &owner).await;
                }
            }
            assert_eq!(wait(may(service, &no_bans(), &owner).await), 1);
        }
        test.clock.advance(KNOWN);
        let owner = attempt("ada", Some(ada), Step::Password, HOME);
        for _ in 0..4 {
            fail(service, &no_bans(), &attempt("ada", Some(ada), Step::Password, ELSEWHERE)).await;
        }
        assert_eq!(wait(may(service, &no_bans(), &owner).await), 2, "known no longer");
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_new_to_a_login_that_knew_others() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (login(&test, "ada").await, login(&test, "grace").await);
        assert!(!come_in(service, ada, "2001:db8::1").await, "the first is nothing to tell");
        assert!(!come_in(service, ada, "2001:db8::2").await, "a neighbour is the same");
        assert!(come_in(service, ada, HOME).await);
        assert!(!come_in(service, ada, HOME).await);
        assert!(!come_in(service, grace, HOME).await, "the first of hers");
        test.clock.advance(KNOWN);
        assert!(come_in(service, ada, HOME).await, "after so long it is told again");
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_addresses_are_never_banned_and_counted_apart() {
    for test in testing::services().await {
        let service = &test.service;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        bans::trust(&mut cx, "192.0.2.0/28", Some("The office")).await.unwrap();
        cx.commit().await.unwrap();
        for _ in 0..5 {
            fail(service, &settings(), &password("ada", HOME)).await;
        }
        assert_eq!(wait(may(service, &settings(), &password("ada", HOME)).await), 4);
        assert_eq!(wait(may(service, &settings(), &password("ada", ELSEWHERE)).await), 0);
        assert!(may(service, &settings(), &password("else", HOME)).await.is_ok());
        let expected = [&["system.address_trusted"][..], &["system.trusted_address_failed"; 5]].concat();
        assert_eq!(events(service).await, expected);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_log_in_from_listed_networks_only() {
    for test in testing::services().await {
        let service = &test.service;
        let listed = Settings { staff_networks: vec!["192.0.2.0/24".parse().unwrap()], ..settings() };
        assert!(may(service, &listed, &password("ada", HOME)).await.is_ok());
        let refused = may(service, &listed, &password("ada", ELSEWHERE)).await;
        assert!(matches!(refused, Err(Refused::NotAllowedFrom)), "{refused:?}");
        let nowhere = Attempt { address: None, ..password("ada", HOME) };
        assert!(matches!(may(service, &listed, &nowhere).await, Err(Refused::NotAllowedFrom)));
        let code = attempt("ada", Some(LoginId::from_u128(1)), Step::Code, ELSEWHERE);
        assert!(matches!(guess_wrong(service, &listed, &code).await, Err(Refused::NotAllowedFrom)));
        let user = Attempt { audience: Audience::User, ..password("ada", ELSEWHERE) };
        assert!(may(service, &listed, &user).await.is_ok());
        test.finish().await;
    }
}

/// Codes at once: no more are looked at than are free, and each of those is counted.
#[tokio::test(flavor = "multi_thread")]
async fn of_codes_guessed_at_once_three_are_looked_at() {
    for test in testing::services().await {
        let ada = login(&test, "ada").await;
        let barrier = Arc::new(Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let (service, barrier) = (test.service.clone(), Arc::clone(&barrier));
                let attempt = attempt("ada", Some(ada), Step::Code, &format!("198.51.100.{n}"));
                tokio::spawn(async move {
                    barrier.wait().await;
                    guess_wrong(&service, &settings(), &attempt).await
                })
            })
            .collect();
        let mut looked_at = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => looked_at += 1,
                Err(Refused::TooMany { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(looked_at, FREE);
        let next = attempt("ada", Some(ada), Step::Code, ELSEWHERE);
        assert_eq!(wait(may(&test.service, &settings(), &next).await), 1);
        test.finish().await;
    }
}

/// Failures at once, at different names: all are counted, and one ban comes of them.
#[tokio::test(flavor = "multi_thread")]
async fn failures_at_once_from_one_address_are_all_counted() {
    for test in testing::services().await {
        let barrier = Arc::new(Barrier::new(8));
        let racers: Vec<_> = (0..8)
            .map(|n| {
                let (service, barrier) = (test.service.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    let settings = Settings { ban_after: 8, ..settings() };
                    barrier.wait().await;
                    fail(&service, &settings, &password(&format!("a{n}"), HOME)).await;
                })
            })
            .collect();
        for racer in racers {
            racer.await.unwrap();
        }
        assert!(is_banned(&may(&test.service, &settings(), &password("else", HOME)).await));
        assert_eq!(events(&test.service).await, ["system.address_banned"]);
        // What was under way when it began neither prolongs it nor tells of it again.
        for n in 0..3 {
            fail(&test.service, &settings(), &password(&format!("b{n}"), HOME)).await;
        }
        assert_eq!(events(&test.service).await, ["system.address_banned"]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_counts_is_cleared_away() {
    for test in testing::services().await {
        let service = &test.service;
        for _ in 0..3 {
            fail(service, &settings(), &password("ada", HOME)).await;
        }
        fail(service, &settings(), &password("ada", ELSEWHERE)).await;
        let rows = async || {
            let mut view = service.read().await.unwrap();
            let mut counts = Vec::new();
            for sql in [
                "SELECT COUNT(*) FROM bans",
                "SELECT COUNT(*) FROM name_delays",
                "SELECT COUNT(*) FROM address_failures",
            ] {
                let (count,): (i64,) =
                    on!(view.db(), conn => sqlx::query_as(sql).fetch_one(conn).await).unwrap();
                counts.push(count);
            }
            counts
        };
        for (later, left) in [(0, [1, 1, 3]), (15 * 60, [0, 1, 3]), (24 * 60 * 60 - 15 * 60, [0, 0, 0])] {
            test.clock.advance(Duration::from_secs(later));
            let mut cx = service.begin(Caller::system()).await.unwrap();
            clear(&mut cx).await.unwrap();
            cx.commit().await.unwrap();
            assert_eq!(rows().await, left, "after {later} s");
        }
        test.finish().await;
    }
}
