use super::*;
use crate::{
    cx::{Caller, Service},
    on, testing,
};

const MILLI: Duration = Duration::from_millis(1);
const STAFF_IDLE: Duration = Duration::from_secs(60 * 60);
const STAFF_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// A member of staff's new session.
async fn log_in(service: &Service, login: impl Into<LoginId>) -> (Token, SessionId) {
    log_in_often(service, login, 1).await.remove(0)
}

async fn log_in_often(service: &Service, login: impl Into<LoginId>, times: usize) -> Vec<(Token, SessionId)> {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let login = logins::find(&mut cx, login).await.unwrap().unwrap();
    let mut sessions = Vec::new();
    for _ in 0..times {
        let settings = Settings::default();
        let started = start(&mut cx, &login, Method::Password, &Client::default(), &settings).await.unwrap();
        sessions.push((started.token, started.session));
    }
    cx.commit().await.unwrap();
    sessions
}

/// The session behind a token, to a node that saw it used at `seen`.
async fn who(service: &Service, token: &Token, seen: Option<Timestamp>) -> Option<Authenticated> {
    let mut view = service.read().await.unwrap();
    authenticate(&mut view, Audience::Staff, &token.hash(), &Settings::default(), |_| seen).await.unwrap()
}

async fn write(service: &Service, seen: &[(SessionId, Timestamp)]) {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    write_seen(&mut cx, seen, &Settings::default()).await.unwrap();
    cx.commit().await.unwrap();
}

/// Every row there is, live or over.
async fn kept(service: &Service) -> Vec<SessionId> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(SessionId,)> = on!(view.db(), conn => {
        sqlx::query_as("SELECT id FROM sessions ORDER BY id").fetch_all(conn).await
    })
    .unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_ends_after_an_hour_to_the_millisecond() {
    for test in testing::services().await {
        let service = &test.service;
        let (token, _) = log_in(service, test.member("ada").await).await;
        let began = service.clock.now();
        test.clock.advance(STAFF_IDLE - MILLI);
        assert_eq!(who(service, &token, None).await.unwrap().last_seen_at, began);
        test.clock.advance(MILLI);
        assert!(who(service, &token, None).await.is_none());
        // A node that saw it used knows better than the database; one that saw it earlier does not.
        assert!(who(service, &token, Some(began.plus(MILLI))).await.is_some());
        assert!(who(service, &token, Some(began.minus(MILLI))).await.is_none());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn use_extends_no_session_beyond_twelve_hours() {
    for test in testing::services().await {
        let service = &test.service;
        let (token, id) = log_in(service, test.member("ada").await).await;
        test.clock.advance(STAFF_ABSOLUTE - MILLI);
        let now = service.clock.now();
        assert!(who(service, &token, Some(now)).await.is_some());
        write(service, &[(id, now)]).await;
        test.clock.advance(MILLI);
        assert!(who(service, &token, Some(service.clock.now())).await.is_none());
        write(service, &[(id, service.clock.now())]).await;
        assert!(kept(service).await.is_empty());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_instants_the_later_one_is_kept_for_hundreds_of_sessions() {
    for test in testing::services().await {
        let service = &test.service;
        let staff = test.member("ada").await;
        let sessions = log_in_often(service, staff, 700).await;
        let began = service.clock.now();
        let unnoticed = log_in(service, staff).await.0;
        test.clock.advance(MILLI * 10);
        let mut seen: Vec<_> = sessions.iter().map(|(_, id)| (*id, began.plus(MILLI * 10))).collect();
        // One that ended meanwhile troubles nobody.
        seen.push((SessionId::from_u128(1), began));
        write(service, &seen).await;
        // Another node saw half of them used later, and half of them earlier; that one writes second.
        for (n, (_, at)) in seen.iter_mut().enumerate() {
            *at = if n % 2 == 0 { began.plus(MILLI * 20) } else { began.plus(MILLI * 5) };
        }
        write(service, &seen).await;
        for (n, (token, _)) in sessions.iter().enumerate() {
            let found = who(service, token, None).await.unwrap();
            assert_eq!(found.last_seen_at.since(began), MILLI * if n % 2 == 0 { 20 } else { 10 }, "{n}");
        }
        let found = who(service, &unnoticed, None).await.unwrap();
        assert_eq!(found.last_seen_at, began);
        assert_eq!(kept(service).await.len(), 701, "and none is made");
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_over_everywhere_is_cleared_away() {
    // Another node may have seen a session used and not written it down yet.
    let margin = UNWRITTEN * 3;
    for test in testing::services().await {
        let service = &test.service;
        let staff = test.member("ada").await;
        let (idle, idle_id) = log_in(service, staff).await;
        test.clock.advance(MILLI);
        let (_, later_id) = log_in(service, staff).await;
        test.clock.advance(STAFF_IDLE + margin - MILLI * 2);
        write(service, &[]).await;
        assert_eq!(kept(service).await, [idle_id, later_id]);
        assert!(who(service, &idle, None).await.is_none(), "it is kept, but over here");
        // To the node that saw it used it is not.
        let seen = service.clock.now().minus(STAFF_IDLE - MILLI);
        assert!(who(service, &idle, Some(seen)).await.is_some());

        test.clock.advance(MILLI);
        write(service, &[]).await;
        assert_eq!(kept(service).await, [later_id]);
        // What is written down in the same breath is no longer idle.
        test.clock.advance(MILLI);
        write(service, &[(later_id, service.clock.now())]).await;
        assert_eq!(kept(service).await, [later_id]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_has_no_session_and_gets_none() {
    for test in testing::services().await {
        let service: &Service = &test.service;
        let staff = test.member("ada").await;
        let (token, _) = log_in(service, staff).await;
        test.disable(staff).await;
        assert!(who(service, &token, None).await.is_none());
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let login = test.login(staff).await;
        let refused =
            start(&mut cx, &login, Method::Password, &Client::default(), &Settings::default()).await;
        assert!(matches!(refused, Err(Error::Refused)));
        drop(cx);
        test.finish().await;
    }
}

/// Sixteen who were all found to hold the session, and only then write.
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_who_renew_a_session_with_the_same_token_one_goes_on() {
    for test in testing::services().await {
        let service = &test.service;
        let (token, _) = log_in(service, test.member("ada").await).await;
        let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(16));
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let (service, token, barrier) = (service.clone(), token.clone(), barrier.clone());
                tokio::spawn(async move {
                    let session = who(&service, &token, None).await.expect("it is live");
                    barrier.wait().await;
                    let mut cx = service.begin(Caller::system()).await.unwrap();
                    let confirmed = confirm(&mut cx, &session, &token.hash(), &Settings::default()).await;
                    cx.commit().await.unwrap();
                    confirmed.is_ok()
                })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            won += usize::from(racer.await.unwrap());
        }
        assert_eq!(won, 1);
        assert!(who(service, &token, None).await.is_none(), "the old token is dead");
        test.finish().await;
    }
}
