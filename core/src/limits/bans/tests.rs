use std::time::Duration;

use super::*;
use crate::{
    cx::{Caller, Service},
    limits::{Attempt, Refused, Step, check},
    logins::Audience,
    settings::Settings,
    testing,
};

fn from(address: &str) -> Caller {
    Caller { address: Some(address.parse().unwrap()), ..Caller::system() }
}

async fn add(
    service: &Service,
    caller: Caller,
    network: &str,
    until: Option<Timestamp>,
) -> Result<Ban, Error> {
    let mut cx = service.begin(caller).await.unwrap();
    let banned = ban(&mut cx, network, "Spam", until).await?;
    cx.commit().await.unwrap();
    Ok(banned)
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, &'static str) {
    match outcome {
        Err(Error::Invalid(invalid)) => (invalid.0[0].field.clone(), invalid.0[0].code),
        other => panic!("{other:?}"),
    }
}

async fn all(service: &Service) -> Vec<String> {
    let request = PageRequest::new(200, None, true).unwrap();
    let page = list(&mut service.read().await.unwrap(), &request).await.unwrap();
    page.items.iter().map(|ban| format!("{} {}", ban.network, ban.kind)).collect()
}

/// What a node knows after one look.
async fn look(service: &Service, known: &Snapshot) -> Option<Snapshot> {
    snapshot(&mut service.read().await.unwrap(), known).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_by_hand_refuses_everything_until_it_ends_or_is_lifted() {
    for test in testing::services().await {
        let service = &test.service;
        let nothing = Snapshot::default();
        assert!(look(service, &nothing).await.is_none(), "one look, and nothing to load");
        let end = service.clock.now().plus(Duration::from_secs(60));
        let limited = add(service, Caller::system(), " 192.0.2.7/24 ", Some(end)).await.unwrap();
        assert_eq!((limited.network.to_string().as_str(), limited.reason.as_str()), ("192.0.2.0/24", "Spam"));
        let lasting = add(service, Caller::system(), "2001:db8::7", None).await.unwrap();
        assert_eq!(lasting.network.to_string(), "2001:db8::/64");
        assert_eq!(all(service).await.len(), 2);

        let seen = look(service, &nothing).await.unwrap();
        assert!(look(service, &seen).await.is_none());
        let refuses =
            |seen: &Snapshot, address: &str| seen.refuses(address.parse().unwrap(), service.clock.now());
        assert_eq!(refuses(&seen, "192.0.2.255"), Some(Some(end)));
        assert_eq!(refuses(&seen, "::ffff:192.0.2.255"), Some(Some(end)));
        assert_eq!(refuses(&seen, "192.0.3.0"), None);
        assert_eq!(refuses(&seen, "2001:db8::1:2:3:4"), Some(None));
        for (audience, countable) in [(Audience::Staff, true), (Audience::User, false)] {
            let attempt = Attempt {
                audience,
                name: "ada".into(),
                login: None,
                step: Step::Password,
                address: "192.0.2.9".parse().ok(),
                countable,
            };
            let judged = check(&mut service.read().await.unwrap(), &Settings::default(), &attempt).await;
            assert!(
                matches!(judged, Err(Refused::Banned { until: Some(until) }) if until == end),
                "{judged:?}"
            );
        }

        test.clock.advance(Duration::from_secs(60));
        assert_eq!(refuses(&seen, "192.0.2.255"), None, "it ends without another look");
        assert_eq!(all(service).await, ["2001:db8::/64 manual"]);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        assert!(matches!(lift(&mut cx, limited.id).await, Err(Error::NotFound)), "it is over");
        lift(&mut cx, lasting.id).await.unwrap();
        cx.commit().await.unwrap();
        let seen = look(service, &seen).await.unwrap();
        assert_eq!(refuses(&seen, "2001:db8::1"), None);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_banned_once_and_lifted_by_name() {
    for test in testing::services().await {
        let service = &test.service;
        let end = service.clock.now().plus(Duration::from_secs(60));
        let first = add(service, Caller::system(), "192.0.2.7", Some(end)).await.unwrap();
        let again = add(service, Caller::system(), "192.0.2.7/32", None).await.unwrap();
        assert_eq!((first.id, again.expires_at), (again.id, None));
        assert_eq!(all(service).await, ["192.0.2.7 manual"]);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        assert_eq!(lift_network(&mut cx, "192.0.2.0/24").await.unwrap(), 0, "exactly this one");
        assert_eq!(lift_network(&mut cx, "192.0.2.7").await.unwrap(), 1);
        assert_eq!(lift_network(&mut cx, "192.0.2.7").await.unwrap(), 0);
        assert_eq!(refusal(lift_network(&mut cx, "everybody").await), ("network".into(), "malformed"));
        cx.commit().await.unwrap();
        assert!(all(service).await.is_empty());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_bans_themselves_or_whom_they_trust() {
    for test in testing::services().await {
        let service = &test.service;
        let refused = |caller, network: &'static str| async move {
            refusal(add(service, caller, network, None).await).1
        };
        for own in ["192.0.2.7", "192.0.2.0/24", "0.0.0.0/0"] {
            assert_eq!(refused(from("192.0.2.7"), own).await, "bans_you", "{own}");
        }
        assert_eq!(refused(from("2001:db8::7"), "2001:db8::8").await, "bans_you", "the same /64");
        assert_eq!(
            refused(from("2001:db8::7"), "2001:db8::8/128").await,
            "bans_you",
            "a neighbour is oneself"
        );
        add(service, from("192.0.2.7"), "192.0.2.8", None).await.unwrap();

        let mut cx = service.begin(Caller::system()).await.unwrap();
        let office = trust(&mut cx, "198.51.100.7", Some(" The office ")).await.unwrap();
        assert_eq!(office.note.as_deref(), Some("The office"));
        assert_eq!(trust(&mut cx, "198.51.100.7/32", None).await.unwrap().id, office.id, "once");
        // Whichever came first.
        trust(&mut cx, "192.0.2.8", None).await.unwrap();
        cx.commit().await.unwrap();
        let seen = look(service, &Snapshot::default()).await.unwrap();
        assert_eq!(seen.refuses("192.0.2.8".parse().unwrap(), service.clock.now()), None);
        for trusted in ["198.51.100.7", "198.51.100.0/24", "0.0.0.0/0"] {
            assert_eq!(refused(Caller::system(), trusted).await, "trusted", "{trusted}");
        }
        let mut cx = service.begin(Caller::system()).await.unwrap();
        distrust(&mut cx, office.id).await.unwrap();
        assert!(matches!(distrust(&mut cx, office.id).await, Err(Error::NotFound)));
        ban(&mut cx, "198.51.100.0/24", "", None).await.unwrap();
        drop(cx);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_ban_is_refused_by_field() {
    for test in testing::services().await {
        let service = &test.service;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        let now = cx.now();
        assert_eq!(refusal(ban(&mut cx, "everybody", "", None).await), ("network".into(), "malformed"));
        assert_eq!(refusal(ban(&mut cx, "192.0.2.7", "a\nb", None).await), ("reason".into(), "malformed"));
        assert_eq!(refusal(ban(&mut cx, "192.0.2.7", "\0", None).await), ("reason".into(), "malformed"));
        assert_eq!(
            refusal(ban(&mut cx, "192.0.2.7", &"x".repeat(201), None).await),
            ("reason".into(), "too_long")
        );
        assert_eq!(
            refusal(ban(&mut cx, "192.0.2.7", "", Some(now)).await),
            ("expires_at".into(), "malformed")
        );
        assert_eq!(refusal(trust(&mut cx, "192.0.2", None).await), ("network".into(), "malformed"));
        assert_eq!(refusal(trust(&mut cx, "192.0.2.7", Some("\u{1b}")).await), ("note".into(), "malformed"));
        drop(cx);
        assert!(all(service).await.is_empty());
        test.finish().await;
    }
}
