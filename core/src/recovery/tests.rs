use super::*;
use crate::{
    cx::Service,
    ids::{SecurityQuestionId, UserId},
    outbox::ChangedBy,
    password::PasswordHash,
    security_questions::{AnswerHash, Wording},
    sessions::{self, Client, Method},
    testing::{self, TestService},
};

fn from(address: &str) -> Caller {
    Caller { actor: Actor::Guest, address: Some(address.parse().unwrap()), request_id: None }
}

async fn made(test: &TestService, login: &Login) -> Token {
    let mut cx = test.service.begin(from("192.0.2.7")).await.unwrap();
    let token = link(&mut cx, login).await.unwrap();
    cx.commit().await.unwrap();
    token
}

fn new() -> NewPassword {
    NewPassword { hash: PasswordHash::for_tests(), needs_factor: false }
}

async fn try_complete(service: Service, token: TokenHash) -> Result<Login, Error> {
    let mut cx = service.begin(from("192.0.2.7")).await?;
    let done = complete(&mut cx, &token, new(), None).await?;
    cx.commit().await?;
    match done {
        Completed::Set(login) => Ok(*login),
        other => panic!("nobody was asked anything: {other:?}"),
    }
}

/// The same with an answer, right or wrong.
async fn try_answer(
    service: Service,
    token: TokenHash,
    with: AnswerHash,
    right: bool,
) -> Result<Completed, Error> {
    let mut cx = service.begin(from("192.0.2.7")).await?;
    let done = complete(&mut cx, &token, new(), Some(Judged { with, right })).await?;
    cx.commit().await?;
    Ok(done)
}

async fn outbox(service: &Service) -> Vec<(String, String)> {
    let mut view = service.read().await.unwrap();
    crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT mail, state FROM deliveries ORDER BY id").fetch_all(conn).await
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_writes_the_same_for_every_name_and_only_a_login_that_exists_gets_a_mail() {
    for test in testing::services().await {
        test.member("ada").await;
        let service = &test.service;
        let disabled = test.member("grace").await;
        test.disable(disabled).await;
        for name in [" ADA ", "ada@example.com", "nobody", "grace", "", "a\0da", &"x".repeat(10_000)] {
            let mut cx = service.begin(from("192.0.2.7")).await.unwrap();
            ask(&mut cx, Audience::Staff, name, true, &Settings::default()).await.unwrap();
            cx.commit().await.unwrap();
            assert_eq!(outbox(service).await, [], "asking looks nothing up");
        }
        for request in waiting(&mut service.read().await.unwrap(), 100).await.unwrap() {
            let mut cx = service.begin(request.caller()).await.unwrap();
            assert!(resolve(&mut cx, request.id, &Settings::default()).await.unwrap());
            assert!(!resolve(&mut cx, request.id, &Settings::default()).await.unwrap(), "once");
            cx.commit().await.unwrap();
        }
        // Ada was asked for twice within a minute.
        assert_eq!(outbox(service).await, [("password_reset".into(), "waiting".into())]);
        assert_eq!(waiting(&mut service.read().await.unwrap(), 100).await.unwrap().len(), 0);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_with_the_same_link_one_sets_the_password() {
    for test in testing::services().await {
        let login = test.login(test.member("ada").await).await;
        let token = made(&test, &login).await.hash();
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let (service, token, barrier) = (test.service.clone(), token.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    try_complete(service, token).await.is_ok()
                })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            won += usize::from(racer.await.unwrap());
        }
        assert_eq!(won, 1);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lives_an_hour_and_with_the_first_that_is_used_all_die() {
    for test in testing::services().await {
        let service = &test.service;
        let login = test.login(test.member("ada").await).await;
        let first = made(&test, &login).await;
        let second = made(&test, &login).await;
        assert_eq!(outbox(service).await[0].1, "waiting", "a further one kills none");

        let mut cx = service.begin(from("192.0.2.7")).await.unwrap();
        let settings = Settings::default();
        let session =
            sessions::start(&mut cx, &login, Method::Password, &Client::default(), &settings).await.unwrap();
        cx.commit().await.unwrap();
        test.clock.advance(LIFETIME - Duration::from_millis(1));
        try_complete(service.clone(), second.hash()).await.unwrap();
        for dead in [&second, &first] {
            assert!(matches!(try_complete(service.clone(), dead.hash()).await, Err(Error::Dead)), "once");
        }
        let links = outbox(service).await.into_iter().filter(|(mail, _)| mail == "password_reset");
        assert!(links.map(|(_, state)| state).all(|state| state == "obsolete"));
        let mut view = service.read().await.unwrap();
        let token = session.token.hash();
        let found = sessions::authenticate(&mut view, Audience::Staff, &token, &settings, |_| None).await;
        assert!(found.unwrap().is_none());
        drop(view);

        let third = made(&test, &login).await;
        test.clock.advance(LIFETIME);
        assert!(matches!(try_complete(service.clone(), third.hash()).await, Err(Error::Dead)));
        let fourth = made(&test, &login).await;
        test.disable(login.id).await;
        assert!(matches!(try_complete(service.clone(), fourth.hash()).await, Err(Error::Dead)));
        test.finish().await;
    }
}

/// The owner of an address comes to a login that somebody else registered with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_proves_whose_the_address_is() {
    for test in testing::services().await {
        let user = test.user("squatted").await;
        let token = made(&test, &user).await;
        try_complete(test.service.clone(), token.hash()).await.unwrap();
        assert!(test.login(user.id).await.email_verified);
        test.finish().await;
    }
}

/// What the events of that name say.
async fn told(test: &TestService, name: &str) -> Vec<serde_json::Value> {
    test.told(Some(name)).await.into_iter().map(|entry| entry.data).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_can_be_chosen_for_seven_days_and_only_a_mailed_link_proves_the_address() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.user("ada").await, test.user("grace").await);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let mailed = set_password_link(&mut cx, &ada, Some("Engines".into()), false).await.unwrap();
        let handed_over = set_password_link_unmailed(&mut cx, &grace).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(outbox(service).await, [("set_password".into(), "waiting".into())]);
        assert_eq!(told(&test, "user.password_reset_requested").await.len(), 2);

        test.clock.advance(FIRST_LIFETIME - Duration::from_millis(1));
        try_complete(service.clone(), handed_over.hash()).await.unwrap();
        assert!(!test.login(grace.id).await.email_verified);
        assert_eq!(told(&test, "user.email_verified").await.len(), 0);
        try_complete(service.clone(), mailed.hash()).await.unwrap();
        assert!(test.login(ada.id).await.email_verified);
        let verified =
            serde_json::json!({ "user_id": ada.id, "email": "ada@example.com", "how": "password_reset" });
        assert_eq!(told(&test, "user.email_verified").await, [verified]);

        let mut cx = service.begin(Caller::system()).await.unwrap();
        let late = set_password_link_unmailed(&mut cx, &ada).await.unwrap();
        cx.commit().await.unwrap();
        test.clock.advance(FIRST_LIFETIME);
        assert!(matches!(try_complete(service.clone(), late.hash()).await, Err(Error::Dead)));
        test.finish().await;
    }
}

/// Users can be put on many accounts before they choose a password.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_live_for_days_do_not_stop_those_that_are_asked_for() {
    for test in testing::services().await {
        let (service, ada) = (&test.service, test.user("ada").await);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        for _ in 0..LINKS {
            set_password_link_unmailed(&mut cx, &ada).await.unwrap();
        }
        cx.commit().await.unwrap();
        test.clock.advance(LIFETIME);
        let mut cx = service.begin(from("192.0.2.7")).await.unwrap();
        ask(&mut cx, Audience::User, "ada@example.com", true, &Settings::default()).await.unwrap();
        cx.commit().await.unwrap();
        for request in waiting(&mut service.read().await.unwrap(), 100).await.unwrap() {
            let mut cx = service.begin(request.caller()).await.unwrap();
            resolve(&mut cx, request.id, &Settings::default()).await.unwrap();
            cx.commit().await.unwrap();
        }
        assert_eq!(outbox(service).await, [("password_reset".into(), "waiting".into())]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_or_its_neighbours_ask_twenty_times_an_hour() {
    for test in testing::services().await {
        let asks = async |address: &str, countable: bool| {
            let mut cx = test.service.begin(from(address)).await.unwrap();
            let asked = ask(&mut cx, Audience::Staff, "ada", countable, &Settings::default()).await;
            cx.commit().await.unwrap();
            asked.is_ok()
        };
        for n in 0..=ASKED_PER_ADDRESS {
            assert_eq!(asks("192.0.2.7", true).await, n < ASKED_PER_ADDRESS, "{n}");
            assert_eq!(asks(&format!("2001:db8::{n}:1"), true).await, n < ASKED_PER_ADDRESS, "{n}");
            assert!(asks("192.0.2.9", false).await, "a proxy asks for many");
        }
        assert!(asks("192.0.2.8", true).await);
        assert!(asks("2001:db8:0:1::1", true).await);
        assert!(asks("192.0.2.9", true).await);
        test.finish().await;
    }
}

/// A user who has chosen a question.
async fn asked_user(test: &TestService, name: &str) -> (Login, SecurityQuestionId) {
    let login = test.user(name).await;
    let user = login.id.of_user();
    let mut cx = test.service.begin(Caller::system()).await.unwrap();
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(user).execute(conn).await.map(|_| ())
    })
    .unwrap();
    let wording = Wording::checked(&format!("What does {name} like?")).unwrap();
    let question = security_questions::create(&mut cx, wording).await.unwrap().id;
    logins::set_email_verified(&mut cx, login.id, true).await.unwrap();
    security_questions::choose(&mut cx, user, question, AnswerHash::for_tests()).await.unwrap();
    // Since then they have another address.
    logins::set_email_verified(&mut cx, login.id, false).await.unwrap();
    cx.commit().await.unwrap();
    (login, question)
}

async fn refused(test: &TestService) -> usize {
    told(test, "user.security_answer_refused").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_chose_a_question_answers_it_and_a_link_takes_five_answers() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, _) = asked_user(&test, "ada").await;
        let before = test.login(ada.id).await.password_hash;
        let token = made(&test, &ada).await.hash();
        let link = lookup(&mut service.read().await.unwrap(), &token).await.unwrap();
        let asked = link.asked.unwrap();
        assert_eq!(asked.question, "What does ada like?");
        assert_eq!(link.expires_at, service.clock.now().plus(LIFETIME));
        let hash = asked.answer_hash;

        let mut cx = service.begin(from("192.0.2.7")).await.unwrap();
        assert!(matches!(complete(&mut cx, &token, new(), None).await, Err(Error::AnswerWanted)));
        cx.give_up().await;
        for left in [4, 3, 2, 1, 0] {
            let outcome = try_answer(service.clone(), token.clone(), hash.clone(), false).await.unwrap();
            assert!(matches!(outcome, Completed::WrongAnswer { left: l } if l == left), "{outcome:?}");
        }
        assert_eq!(refused(&test).await, 5);
        // Dead, for the right answer, too, and for whoever looks.
        let outcome = try_answer(service.clone(), token.clone(), hash.clone(), true).await;
        assert!(matches!(outcome, Err(Error::Dead)), "{outcome:?}");
        let mut view = service.read().await.unwrap();
        assert!(matches!(lookup(&mut view, &token).await, Err(Error::Dead)));
        drop(view);
        let login = test.login(ada.id).await;
        assert!(login.password_hash == before && !login.email_verified, "nothing else was done");

        // Another link takes none either, for a day.
        let day = Duration::from_secs(24 * 60 * 60);
        let user = ada.id.of_user();
        for (after, taken) in [
            (Duration::ZERO, false),
            (day - Duration::from_millis(1), false),
            (Duration::from_millis(1), true),
        ] {
            test.clock.advance(after);
            let token = made(&test, &ada).await.hash();
            let cheap = refuse_too_many(&mut service.read().await.unwrap(), user).await;
            assert_eq!(cheap.is_ok(), taken);
            let outcome = try_answer(service.clone(), token, hash.clone(), true).await;
            match outcome {
                Ok(Completed::Set(_)) => assert!(taken),
                Err(Error::TooMany { retry_after }) => assert!(!taken && retry_after <= day),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(refused(&test).await, 5);
        assert!(test.login(ada.id).await.email_verified);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_counted_over_all_links_and_a_right_one_begins_anew() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, _) = asked_user(&test, "ada").await;
        let hash = AnswerHash::for_tests();
        let (first, second) = (made(&test, &ada).await.hash(), made(&test, &ada).await.hash());
        for n in 0..4 {
            let link = if n % 2 == 0 { &first } else { &second };
            try_answer(service.clone(), link.clone(), hash.clone(), false).await.unwrap();
        }
        let outcome = try_answer(service.clone(), second, hash.clone(), true).await.unwrap();
        assert!(matches!(outcome, Completed::Set(_)));
        let third = made(&test, &ada).await.hash();
        for _ in 0..4 {
            try_answer(service.clone(), third.clone(), hash.clone(), false).await.unwrap();
        }
        assert!(matches!(try_answer(service.clone(), third, hash, true).await.unwrap(), Completed::Set(_)));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_answers_at_once_five_are_looked_at() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, _) = asked_user(&test, "ada").await;
        let links = [made(&test, &ada).await.hash(), made(&test, &ada).await.hash()];
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let (service, token, barrier) = (service.clone(), links[n % 2].clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    try_answer(service, token, AnswerHash::for_tests(), false).await
                })
            })
            .collect();
        let mut looked_at = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(Completed::WrongAnswer { .. }) => looked_at += 1,
                Err(Error::TooMany { .. } | Error::Dead) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((looked_at, refused(&test).await), (5, 5));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_against_the_question_as_it_stands() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, _) = asked_user(&test, "ada").await;
        let user: UserId = ada.id.of_user();
        let token = made(&test, &ada).await.hash();
        let set = async |hash: &'static str| {
            let mut cx = service.begin(Caller::system()).await.unwrap();
            crate::on!(cx.db(), conn => {
                sqlx::query("UPDATE users SET answer_hash = $2 WHERE id = $1").bind(user).bind(hash)
                    .execute(conn).await.map(|_| ())
            })
            .unwrap();
            cx.commit().await.unwrap();
        };
        set("another one").await;
        let outcome = try_answer(service.clone(), token.clone(), AnswerHash::for_tests(), true).await;
        assert!(matches!(outcome, Err(Error::ChangedMeanwhile)), "{outcome:?}");
        assert_eq!(refused(&test).await, 0);
        // Taken away meanwhile: nobody is asked, and the wrong answer does not matter.
        let mut cx = service.begin(Caller::system()).await.unwrap();
        assert!(security_questions::clear(&mut cx, user, ChangedBy::Colleague).await.unwrap());
        cx.commit().await.unwrap();
        let outcome = try_answer(service.clone(), token, AnswerHash::for_tests(), false).await.unwrap();
        assert!(matches!(outcome, Completed::Set(_)));
        test.finish().await;
    }
}

/// Guesses that were counted do not outlive the question they were about.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_gets_another_question_begins_anew() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, question) = asked_user(&test, "ada").await;
        let token = made(&test, &ada).await.hash();
        for _ in 0..5 {
            try_answer(service.clone(), token.clone(), AnswerHash::for_tests(), false).await.unwrap();
        }
        let user = ada.id.of_user();
        assert!(refuse_too_many(&mut service.read().await.unwrap(), user).await.is_err());
        let mut cx = service.begin(Caller::system()).await.unwrap();
        logins::set_email_verified(&mut cx, ada.id, true).await.unwrap();
        security_questions::choose(&mut cx, user, question, AnswerHash::for_tests()).await.unwrap();
        cx.commit().await.unwrap();
        assert!(refuse_too_many(&mut service.read().await.unwrap(), user).await.is_ok());
        test.finish().await;
    }
}
