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
        send::<Everything>(notification(), json!({ "room": "ops@example.com" }), json!({ "level": 12 }));
    assert_eq!(answer, Ok(Some("mail-1".to_owned())));
    let line = "Ada Lovelace was invited at 2026-11-21T22:45:48.123Z".to_owned();
    assert_eq!(host.logs(), [LogLine { level: Level::Warn, message: line }]);
    let [mail] = host.mails().try_into().unwrap();
    assert_eq!(mail.envelope, Envelope::new("desk@example.com", ["ops@example.com"]));
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
    let answer = send::<Everything>(notification(), json!({ "room": "a@b.c" }), json!({ "level": 1 }));
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
