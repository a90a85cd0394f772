use super::*;
use crate::{
    cx::Service,
    password::PasswordHash,
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
    let done = complete(&mut cx, &token, new()).await?;
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
        assert_eq!(outbox(service).await[0].1, "obsolete");
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
async fn told(service: &Service, name: &str) -> Vec<serde_json::Value> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(String,)> = crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT data FROM events WHERE name = $1 ORDER BY at, id").bind(name).fetch_all(conn).await
    })
    .unwrap();
    rows.iter().map(|(data,)| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_can_be_chosen_for_seven_days_and_only_a_mailed_link_proves_the_address() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.user("ada").await, test.user("grace").await);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let mailed = set_password_link(&mut cx, &ada, Some("Engines".into())).await.unwrap();
        let handed_over = set_password_link_unmailed(&mut cx, &grace).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(outbox(service).await, [("set_password".into(), "waiting".into())]);
        assert_eq!(told(service, "user.password_reset_requested").await.len(), 2);

        test.clock.advance(FIRST_LIFETIME - Duration::from_millis(1));
        try_complete(service.clone(), handed_over.hash()).await.unwrap();
        assert!(!test.login(grace.id).await.email_verified);
        assert_eq!(told(service, "user.email_verified").await.len(), 0);
        try_complete(service.clone(), mailed.hash()).await.unwrap();
        assert!(test.login(ada.id).await.email_verified);
        let verified =
            serde_json::json!({ "user_id": ada.id, "email": "ada@example.com", "how": "password_reset" });
        assert_eq!(told(service, "user.email_verified").await, [verified]);

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
