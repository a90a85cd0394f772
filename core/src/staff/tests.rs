use super::*;
use crate::{
    cx::{Caller, Service},
    logins::Audience,
    page::Total,
    sessions::{self, Client, Method},
    settings::Settings,
    testing,
};

const MILLI: Duration = Duration::from_millis(1);

async fn log_in(service: &Service, staff: StaffId) -> SessionId {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let login = logins::find(&mut cx, staff).await.unwrap().unwrap();
    let client = Client::default();
    let started = sessions::start(&mut cx, &login, Method::Password, &client, &Settings::default()).await;
    cx.commit().await.unwrap();
    started.unwrap().session
}

/// Who is online, with the session they used last: the list and its total agree, on one page or on many.
async fn who(service: &Service) -> Vec<(String, SessionId)> {
    let mut view = service.read().await.unwrap();
    let all = online(&mut view, &PageRequest::new(200, None, true).unwrap()).await.unwrap();
    assert_eq!(all.total, Some(Total::Exactly(i64::try_from(all.items.len()).unwrap())));
    let all: Vec<_> = all.items.into_iter().map(|one| (one.username, one.session_id)).collect();
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = online(&mut view, &PageRequest::new(1, cursor.as_deref(), false).unwrap()).await.unwrap();
        paged.extend(page.items.into_iter().map(|one| (one.username, one.session_id)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn online_is_who_did_something_in_the_last_fifteen_minutes() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.member("ada").await, test.member("grace").await);
        assert_eq!(who(service).await, [], "being there is not being online");
        let adas = log_in(service, ada).await;
        test.clock.advance(MILLI);
        let graces = log_in(service, grace).await;
        let both = [("grace".to_owned(), graces), ("ada".to_owned(), adas)];
        assert_eq!(who(service).await, both, "the latest first");

        test.clock.advance(ONLINE_WITHIN - MILLI * 2);
        assert_eq!(who(service).await, both);
        test.clock.advance(MILLI);
        assert_eq!(who(service).await, both[..1]);
        test.clock.advance(MILLI);
        assert_eq!(who(service).await, []);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn online_shows_each_person_once_with_the_session_used_last() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.member("ada").await, test.member("grace").await);
        let first = log_in(service, ada).await;
        let graces = log_in(service, grace).await;
        // Two at the same instant are one person all the same.
        let mut adas = [first, log_in(service, ada).await, log_in(service, ada).await];
        adas.sort_unstable();
        let names = |online: Vec<(String, SessionId)>| {
            let mut names: Vec<_> = online.into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(who(service).await), ["ada", "grace"]);
        assert!(who(service).await.contains(&("ada".to_owned(), adas[2])));

        test.clock.advance(MILLI);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let now = cx.now();
        sessions::write_seen(&mut cx, &[(adas[0], now)], &Settings::default()).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(who(service).await, [("ada".to_owned(), adas[0]), ("grace".to_owned(), graces)]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn online_leaves_out_whoever_is_disabled_or_logged_out_for_good() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.member("ada").await, test.member("grace").await);
        let adas = log_in(service, ada).await;
        let graces = log_in(service, grace).await;
        test.disable(grace).await;
        assert_eq!(who(service).await, [("ada".to_owned(), adas)]);
        // A session that is over counts for nothing, however lately it was used.
        test.clock.advance(Settings::default().session(Audience::Staff).absolute - MILLI);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let now = cx.now();
        sessions::write_seen(&mut cx, &[(adas, now), (graces, now)], &Settings::default()).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(who(service).await, [("ada".to_owned(), adas)]);
        test.clock.advance(MILLI);
        assert_eq!(who(service).await, []);
        test.finish().await;
    }
}
