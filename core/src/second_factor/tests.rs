//! One-time things are taken once, also by sixteen at once; guesses are counted across challenges.

use std::time::Duration;

use super::*;
use crate::{
    cx::{Caller, Service},
    ids::StaffId,
    limits,
    password::{Hasher, Verdict},
    sessions::{Client, Entered, Method, Started},
    testing::{self, TestService},
};

const RACERS: usize = 16;

fn client() -> Client {
    Client { address: Some([192, 0, 2, 7].into()), name: None }
}

/// Enrols time-based codes, at a time of its own. The code that confirmed it is spent.
async fn enrol(test: &TestService, login: &Login) -> (totp_rs::Totp, RecoveryCodes) {
    let service = &test.service;
    let settings = Settings::default();
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let enrolment = totp::begin(&mut cx, login, "Acme", &settings).await.unwrap();
    let seed = data_encoding::BASE32_NOPAD.decode(enrolment.secret().as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(seed).build().unwrap();
    let codes = RecoveryCodes::new(&Hasher::new(2, service.chance.clone()), &*service.chance).await.unwrap();
    let code = code_now(test, &app);
    let before = sessions::start(&mut cx, login, Method::Password, &client(), &settings).await.unwrap();
    let own = sessions::start(&mut cx, login, Method::Password, &client(), &settings).await.unwrap();
    assert!(totp::confirm(&mut cx, login, own.session, &code, Some(&codes), &settings).await.unwrap());
    // Whoever came in with the password alone is out: they could take the factor away, or enrol one of their own.
    for (session, is_live) in [(before, false), (own, true)] {
        let token = session.token.hash();
        let found = sessions::authenticate(&mut cx, login.audience, &token, &settings, |_| None).await;
        assert_eq!(found.unwrap().is_some(), is_live);
    }
    cx.commit().await.unwrap();
    (app, codes)
}

fn code_now(test: &TestService, app: &totp_rs::Totp) -> String {
    app.generate(u64::try_from(test.service.clock.now().as_millis()).unwrap() / 1000).to_string()
}

/// Somebody gave the right password.
async fn challenge(service: &Service, login: &Login) -> Started {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let attempt = limits::Attempt {
        audience: login.audience,
        name: login.display_name().into(),
        login: Some(login.id),
        step: limits::Step::Password,
        address: client().address,
        countable: true,
    };
    let settings = Settings::default();
    let entered =
        sessions::enter(&mut cx, &attempt, Some(login), Verdict::Right, &client(), &settings).await.unwrap();
    cx.commit().await.unwrap();
    match entered {
        Entered::Challenged(_, started, _) => started,
        other => panic!("no challenge: {other:?}"),
    }
}

/// Answers it, from an address of its own.
async fn answer(service: Service, challenge: Started, answer: Answer, from: u8) -> Result<bool, LoginError> {
    let client = Client { address: Some([192, 0, 2, from].into()), name: None };
    let mut cx = service.begin(Caller::system()).await?;
    let settings = Settings { ban_after: 0, ..Settings::default() };
    let passed =
        pass(&mut cx, Audience::Staff, &challenge.token.hash(), answer, &client, true, &settings).await?;
    cx.commit().await?;
    Ok(matches!(passed, Passed::In(..)))
}

/// How many of the answers, given at once, came in.
async fn race(service: &Service, answers: Vec<(Started, Answer)>) -> usize {
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(answers.len()));
    let racers = answers.into_iter().enumerate().map(|(n, (challenge, given))| {
        let (service, barrier) = (service.clone(), barrier.clone());
        tokio::spawn(async move {
            barrier.wait().await;
            answer(service, challenge, given, u8::try_from(n).unwrap()).await
        })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        won += usize::from(racer.await.unwrap().unwrap_or(false));
    }
    won
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_with_the_same_code_one_comes_in_whatever_their_challenges() {
    for test in testing::services().await {
        let login = test.login(test.member("ada").await).await;
        let (app, _) = enrol(&test, &login).await;
        let service = &test.service;
        let spent = code_now(&test, &app);
        let waiting = challenge(service, &login).await;
        assert!(
            !answer(service.clone(), waiting, Answer::Totp(spent), 1).await.unwrap(),
            "the code that enrolled it is spent"
        );
        for one_challenge in [true, false] {
            test.clock.advance(Duration::from_secs(60 * 60));
            let code = code_now(&test, &app);
            let mut answers = Vec::new();
            let mut shared = challenge(service, &login).await;
            for _ in 0..RACERS {
                if !one_challenge {
                    shared = challenge(service, &login).await;
                }
                answers.push((shared.clone(), Answer::Totp(code.clone())));
            }
            assert_eq!(race(service, answers).await, 1, "one challenge: {one_challenge}");
            // Nor later in its window of three steps, which is longer than any cache of a minute.
            for _ in 0..3 {
                let late = challenge(service, &login).await;
                assert!(
                    !answer(service.clone(), late, Answer::Totp(code.clone()), 99).await.unwrap_or(false)
                );
                test.clock.advance(Duration::from_secs(15));
            }
        }
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_is_spent_once_and_kept_only_as_a_hash() {
    for test in testing::services().await {
        let login = test.login(test.member("ada").await).await;
        let (_, codes) = enrol(&test, &login).await;
        let service = &test.service;
        test.clock.advance(Duration::from_secs(60));
        let shown = codes.reveal();
        assert_eq!(shown.len(), recovery_codes::COUNT);
        let hasher = Hasher::new(2, service.chance.clone());
        let salt = recovery_codes::salt(&mut service.read().await.unwrap(), login.id).await.unwrap();
        let code = recovery_codes::read(&shown[3]).unwrap();
        let hash = hasher.turn().await.unwrap().recovery(&code, &salt).await;
        let mut answers = Vec::new();
        for _ in 0..RACERS {
            answers.push((challenge(service, &login).await, Answer::Recovery(Some(hash.clone()))));
        }
        assert_eq!(race(service, answers).await, 1);
        let left = enrolled(&mut service.read().await.unwrap(), login.id).await.unwrap().recovery_codes_left;
        assert_eq!(left, 9);
        test.finish().await;
    }
}

/// A new challenge, and a right password, buy no guesses: after a few wrong codes everything waits, the right code too.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_are_counted_across_challenges() {
    for test in testing::services().await {
        let login = test.login(test.member("ada").await).await;
        let (app, _) = enrol(&test, &login).await;
        let service = &test.service;
        test.clock.advance(Duration::from_secs(60));
        let mut looked_at = 0;
        for _ in 0..20 {
            let waiting = challenge(service, &login).await;
            match answer(service.clone(), waiting, Answer::Totp("000000".into()), 1).await {
                Ok(false) => looked_at += 1,
                Err(LoginError::Limited(limits::Refused::TooMany { .. })) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(looked_at, 3);
        let waiting = challenge(service, &login).await;
        let right = answer(service.clone(), waiting.clone(), Answer::Totp(code_now(&test, &app)), 1).await;
        assert!(matches!(right, Err(LoginError::Limited(_))), "{right:?}");
        // The same, at once, from everywhere.
        let mut answers = Vec::new();
        for n in 0..RACERS {
            answers.push((challenge(service, &login).await, Answer::Totp(format!("00000{}", n % 10))));
        }
        assert_eq!(race(service, answers).await, 0);
        test.clock.advance(Duration::from_secs(60));
        let waiting = challenge(service, &login).await;
        assert!(answer(service.clone(), waiting, Answer::Totp(code_now(&test, &app)), 1).await.unwrap());
        test.finish().await;
    }
}

/// Whoever registered with somebody else's address plants no second factor, and what they have goes when its owner comes.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_enrols_before_the_address_is_theirs() {
    for test in testing::services().await {
        let user = test.user("squatted").await;
        let mut cx = test.service.begin(Caller::system()).await.unwrap();
        let refused = totp::begin(&mut cx, &user, "Acme", &Settings::default()).await;
        assert!(matches!(refused, Err(Error::EmailUnverified)), "{refused:?}");
        drop(cx);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_goes_takes_sessions_codes_and_short_passwords_along() {
    for test in testing::services().await {
        let staff: StaffId = test.member("ada").await;
        let login = test.login(staff).await;
        enrol(&test, &login).await;
        let service = &test.service;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let hash = crate::password::PasswordHash::for_tests();
        let short = logins::NewPassword { hash, needs_factor: true };
        logins::set_password(&mut cx, &login, short, crate::outbox::PasswordChange::Owner, None)
            .await
            .unwrap();
        let login = logins::find(&mut cx, staff).await.unwrap().unwrap();
        assert!(login.password_needs_factor && !login.must_change_password);
        assert!(remove_all(&mut cx, &login, RemovedBy::Colleague).await.unwrap());
        assert!(!remove_all(&mut cx, &login, RemovedBy::Colleague).await.unwrap(), "once");
        let after = logins::find(&mut cx, staff).await.unwrap().unwrap();
        assert!(after.must_change_password, "it may not stand alone");
        let nothing = Enrolled { totp: false, security_keys: 0, recovery_codes_left: 0 };
        assert_eq!(enrolled(&mut cx, after.id).await.unwrap(), nothing);
        drop(cx);
        test.finish().await;
    }
}
