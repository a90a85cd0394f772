//! The whole way: what the host hands over as JSON, through the glue and the traits, to the fake host and back.

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{Nothing, log, mail, now, random, service, view};

#[derive(Debug, Deserialize)]
struct Settings {
    room: String,
}

#[derive(Debug, Deserialize)]
struct Rule {
    level: u8,
}

/// A plugin of both kinds that tries all there is.
struct Everything;

impl Notifier for Everything {
    type Settings = Settings;
    type Rule = Rule;

    fn check(settings: Settings) -> Answer {
        log::debug("checked");
        Ok(Some(format!("Writes to {}", settings.room)))
    }

    fn send(notification: Notification, settings: Settings, rule: Rule) -> Answer {
        log::warn(format!("{} at {}", notification.title, now()));
        let envelope = Envelope::new("desk@example.com", [settings.room]);
        mail::submit(&envelope, &random(rule.level.into())).map(Some)
    }
}

impl Widget for Everything {
    type Settings = Nothing;
    type Preferences = Rule;

    fn render(request: widget::Request<Nothing, Rule>) -> Result<View, Failure> {
        let names: Vec<String> = service::get("/v1/names")?;
        Ok(View::from(view::text(names.join(", "))).summary(request.preferences.level.to_string()))
    }

    fn act(_: widget::Request<Nothing, Rule>, action: &str, data: Value) -> Answer {
        Ok(Some(format!("{action} {data}")))
    }
}

crate::notifier!(Everything);
crate::widget!(Everything);

/// Only what must be implemented is.
struct Least;

impl Notifier for Least {
    type Settings = Nothing;
    type Rule = Nothing;

    fn check(_: Nothing) -> Answer {
        Ok(None)
    }

    fn send(_: Notification, _: Nothing, _: Nothing) -> Answer {
        Ok(None)
    }
}

impl Widget for Least {
    type Settings = Nothing;
    type Preferences = Nothing;

    fn render(_: widget::Request) -> Result<View, Failure> {
        Ok(View::from([]))
    }
}

#[test]
fn a_notifier_reaches_clock_randomness_log_and_mail() {
    let host = Host::new().at("2026-11-21T22:45:48.123Z").seed(7);
    let answer =
        send::<Everything>(notification(), json!({ "room": "ada@example.com" }), json!({ "level": 12 }));
    assert_eq!(answer, Ok(Some("mail-1".to_owned())));
    let line = "Ada Lovelace was invited at 2026-11-21T22:45:48.123Z".to_owned();
    assert_eq!(host.logs(), [LogLine { level: Level::Warn, message: line }]);
    let [mail] = host.mails().try_into().unwrap();
    assert_eq!(mail.envelope, Envelope::new("desk@example.com", ["ada@example.com"]));
    assert_eq!(mail.message.len(), 12);
}

#[test]
fn a_widget_reads_the_service() {
    let host = Host::new().answer("/v1/names", json!(["Ada", "Grace"]));
    let mut request = Request::new("names");
    request.preferences = json!({ "level": 3 });
    let view = render::<Everything>(request.clone()).unwrap();
    assert_eq!(view, View::from(view::text("Ada, Grace")).summary("3"));
    assert_eq!(host.requested(), ["/v1/names"]);

    assert_eq!(act::<Everything>(request, "sort", json!(["up"])), Ok(Some("sort [\"up\"]".to_owned())));
}

#[test]
fn an_answer_that_does_not_fit_names_the_path() {
    let _host = Host::new().answer("/v1/names", json!({ "Ada": 1 }));
    let mut request = Request::new("names");
    request.preferences = json!({ "level": 3 });
    let failure = render::<Everything>(request).unwrap_err();
    assert!(
        failure.message.starts_with("the service's answer to /v1/names does not fit"),
        "{}",
        failure.message
    );
}

#[test]
fn failures_are_handed_on() {
    let down = Failure::retry("no connection").after(30);
    let _host = Host::new().mail_fails(down.clone()).refuse("/v1/names", Failure::rejected("not yours"));
    let answer =
        send::<Everything>(notification(), json!({ "room": "ada@example.com" }), json!({ "level": 1 }));
    assert_eq!(answer, Err(down));
    assert_eq!(kind(&service::get::<Value>("/v1/names")), Some(Problem::Rejected));
}

#[test]
fn settings_and_rules_that_do_not_fit_are_told_apart() {
    let _host = Host::new();
    let failure = check::<Everything>(json!({})).unwrap_err();
    assert_eq!((failure.kind, failure.setting.as_deref()), (Problem::Misconfigured, Some("room")));
    let answer = send::<Everything>(notification(), json!({ "room": "x" }), json!({}));
    assert_eq!(kind(&answer), Some(Problem::Rejected));
}

#[test]
fn what_is_not_implemented_says_so() {
    let options = options::<Least>("channel", "", json!({}), json!({}));
    assert_eq!(options, Err(Failure::rejected("the plugin has no choices for channel")));
    let answer = act::<Least>(Request::new("x"), "snooze", json!({}));
    assert_eq!(answer, Err(Failure::rejected("the widget has no action snooze")));
    assert_eq!(check::<Least>(json!({})), Ok(None));
    assert_eq!(send::<Least>(notification(), json!({}), json!({})), Ok(None));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let _host = Host::new().seed(seed);
        (random(5), random(20))
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    assert_ne!(bytes(1).0, bytes(1).1[..5]);
}

#[test]
fn mail_has_the_bounds_of_the_host() {
    let host = Host::new();
    let refused = |level: u8, room: &str| {
        let answer = send::<Everything>(notification(), json!({ "room": room }), json!({ "level": level }));
        answer.unwrap_err().message
    };
    assert_eq!(refused(1, "ops@example.com"), "ops@example.com is not a recipient of this notification");
    assert_eq!(refused(0, "ada@example.com"), "the message is empty");
    let to = |count| Envelope::new("desk@example.com", vec!["ada@example.com"; count]);
    let refused = |count, size| mail::submit(&to(count), &vec![b'x'; size]).unwrap_err().message;
    assert_eq!(refused(0, 1), "the envelope has 0 recipients; 1 to 100 are allowed");
    assert_eq!(refused(101, 1), "the envelope has 101 recipients; 1 to 100 are allowed");
    assert_eq!(refused(1, MAX_MESSAGE_BYTES + 1), "the message has 4194305 bytes; 4194304 are allowed");
    for _ in 0..2 {
        mail::submit(&to(1), &vec![b'x'; MAX_MESSAGE_BYTES]).unwrap();
    }
    assert_eq!(refused(1, 1), "one call may submit 8388608 bytes of messages");
    assert_eq!(host.mails().len(), 2);
}

#[test]
fn log_lines_are_cut_and_counted() {
    let host = Host::new();
    log::info(format!("x{}", "ü".repeat(2_000)));
    for _ in 0..200 {
        log::info("more");
    }
    let logs = host.logs();
    assert_eq!((logs.len(), logs[0].message.len()), (100, 2_047));
    assert_eq!(logs[99].message, "this call has written 100 lines; what follows is left out");
    // Another call begins anew.
    assert_eq!(check::<Everything>(json!({ "room": "ops" })), Ok(Some("Writes to ops".to_owned())));
    assert_eq!(host.logs().len(), 101);
}

#[test]
#[should_panic(expected = "the host gives at most 4096 bytes a call")]
fn more_random_bytes_than_a_call_has_are_refused() {
    let _host = Host::new();
    let _ = random(MAX_RANDOM + 1);
}

#[test]
#[should_panic(expected = "4,096 random bytes a call")]
fn random_bytes_are_counted_over_the_call() {
    let _host = Host::new();
    let _ = random(MAX_RANDOM);
    let _ = random(1);
}

#[test]
#[should_panic(expected = "testing::Host::new()")]
fn without_a_host_the_way_to_one_is_told() {
    let _ = now();
}

#[test]
#[should_panic(expected = "add .answer(\"/v1/unknown\", json!(…))")]
fn an_answer_that_is_missing_is_named() {
    let _host = Host::new();
    let _ = service::get::<Value>("/v1/unknown");
}
