//! A fake host, so that a plugin's own tests run with `cargo test`, without WebAssembly and without the service.
//!
//! ```
//! use frontdesk_plugin_sdk::{Nothing, Problem, log, notifier::{Notification, Notifier}, testing};
//! use frontdesk_plugin_sdk::{Answer, serde_json::json};
//! # struct Journal;
//! # impl Notifier for Journal {
//! #     type Settings = Nothing;
//! #     type Rule = Nothing;
//! #     fn check(_: Nothing) -> Answer { Ok(None) }
//! #     fn send(notification: Notification, _: Nothing, _: Nothing) -> Answer {
//! #         log::info(&notification.title);
//! #         Ok(None)
//! #     }
//! # }
//!
//! let host = testing::Host::new().at("2026-11-21T22:45:48.123Z").seed(7);
//! let answer = testing::send::<Journal>(testing::notification(), json!({}), json!({}));
//! assert_eq!(answer, Ok(None));
//! assert_eq!(host.logs()[0].message, "Ada Lovelace was invited");
//! ```
//!
//! The fake belongs to the thread that made it, as a test belongs to its thread.

use std::{cell::RefCell, collections::BTreeMap, marker::PhantomData};

use serde_json::Value;

use crate::{
    Answer, Failure, Link, Problem, Timestamp, Tone,
    bindings::{
        notifier::exports::frontdesk::plugin::notifier::Guest as _,
        widget::exports::frontdesk::plugin::widget::{Guest as _, Request as RawRequest},
    },
    log::Level,
    mail::{Envelope, MAX_RECIPIENTS},
    notifier::{self, Attribute, Choice, Notification, Notifier, Recipient},
    random::MAX_RANDOM,
    view::View,
    widget::{self, Viewer, Widget},
};

/// A line the plugin logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// What it said.
    pub message: String,
}

/// A message the plugin handed to the mail transport.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// From and to whom.
    pub envelope: Envelope,
    /// The MIME message.
    pub message: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct State {
    now: Timestamp,
    random: u64,
    random_left: usize,
    lines_left: usize,
    mails_left: usize,
    mail_bytes_left: usize,
    /// Whom the call may write to; nothing outside a call, where there is no notification to go by.
    recipients: Option<Vec<String>>,
    logs: Vec<LogLine>,
    mails: Vec<Mail>,
    mail_failure: Option<Failure>,
    answers: BTreeMap<String, Result<String, Failure>>,
    requested: Vec<String>,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// The fake host of this thread. While it lives, the plugin's calls reach it; a new one starts afresh.
#[derive(Debug)]
pub struct Host(PhantomData<*const ()>);

impl Host {
    /// A host at 2026-01-01T00:00:00Z that accepts every mail and whose service answers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            now: Timestamp::from_millis(1_767_225_600_000),
            random: 0,
            random_left: MAX_RANDOM,
            lines_left: LINES,
            mails_left: MAX_RECIPIENTS,
            mail_bytes_left: 2 * MAX_MESSAGE_BYTES,
            recipients: None,
            logs: Vec::new(),
            mails: Vec::new(),
            mail_failure: None,
            answers: BTreeMap::new(),
            requested: Vec::new(),
        };
        STATE.with_borrow_mut(|slot| *slot = Some(state));
        Self(PhantomData)
    }

    /// Sets the clock, which then stands still.
    ///
    /// # Panics
    ///
    /// If the text is no RFC 3339 instant.
    #[must_use]
    pub fn at(self, now: &str) -> Self {
        let now = now.parse().expect("Host::at takes an RFC 3339 instant such as 2026-11-21T22:45:48.123Z");
        with(|host| host.now = now);
        self
    }

    /// Chooses the random bytes: the same seed gives the same.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        with(|host| host.random = seed);
        self
    }

    /// What `service::get` answers on exactly this path, its query included.
    #[must_use]
    pub fn answer(self, path: &str, answer: Value) -> Self {
        with(|host| host.answers.insert(path.to_owned(), Ok(answer.to_string())));
        self
    }

    /// What `service::get` refuses on exactly this path.
    #[must_use]
    pub fn refuse(self, path: &str, failure: Failure) -> Self {
        with(|host| host.answers.insert(path.to_owned(), Err(failure)));
        self
    }

    /// Lets every mail fail from now on.
    #[must_use]
    pub fn mail_fails(self, failure: Failure) -> Self {
        with(|host| host.mail_failure = Some(failure));
        self
    }

    /// What was logged, in order.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        with(|host| host.logs.clone())
    }

    /// What was handed to the mail transport and accepted, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        with(|host| host.mails.clone())
    }

    /// The paths the service was asked for, in order.
    #[must_use]
    pub fn requested(&self) -> Vec<String> {
        with(|host| host.requested.clone())
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The thread may be ending, and its state be gone already.
        let _ = STATE.try_with(|slot| slot.borrow_mut().take());
    }
}

/// Runs with this thread's fake host.
pub(crate) fn with<T>(run: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(|slot| {
        let state = slot.as_mut().expect(
            "outside WebAssembly a plugin's calls need a fake host: \
             let host = frontdesk_plugin_sdk::testing::Host::new(); at the top of the test",
        );
        run(state)
    })
}

/// The host keeps so many lines of a call, each up to so many bytes.
const LINES: usize = 100;
const LINE_BYTES: usize = 2 * 1024;
/// Of one message; all of a call may have twice as much.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// One call: what the host allows begins anew with each, and mail is for the recipients of its notification.
fn call<T>(recipients: &[Recipient], run: impl FnOnce() -> T) -> T {
    let begin = |recipients: Option<Vec<String>>| {
        STATE.with_borrow_mut(|slot| {
            if let Some(state) = slot {
                state.random_left = MAX_RANDOM;
                state.lines_left = LINES;
                state.mails_left = MAX_RECIPIENTS;
                state.mail_bytes_left = 2 * MAX_MESSAGE_BYTES;
                state.recipients = recipients;
            }
        });
    };
    begin(Some(recipients.iter().map(|recipient| recipient.address.clone()).collect()));
    let answer = run();
    begin(None);
    answer
}

impl State {
    pub(crate) fn log(&mut self, level: Level, message: &str) {
        // As the host does it: the last line says that the rest is left out.
        let (level, message) = match self.lines_left {
            0 => return,
            1 => (Level::Warn, format!("this call has written {LINES} lines; what follows is left out")),
            _ => (level, message[..message.floor_char_boundary(LINE_BYTES)].to_owned()),
        };
        self.lines_left -= 1;
        self.logs.push(LogLine { level, message });
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now.millis()
    }

    /// SplitMix64: repeatable, and of no use for anything but tests.
    pub(crate) fn random(&mut self, len: u32) -> Vec<u8> {
        let len = len as usize;
        self.random_left =
            self.random_left.checked_sub(len).expect("the host gives a plugin 4,096 random bytes a call");
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    pub(crate) fn submit(&mut self, envelope: &Envelope, message: &[u8]) -> Result<String, Failure> {
        self.check_mail(envelope, message).map_err(Failure::rejected)?;
        self.mails_left -= 1;
        self.mail_bytes_left -= message.len();
        if let Some(failure) = &self.mail_failure {
            return Err(failure.clone());
        }
        self.mails.push(Mail { envelope: envelope.clone(), message: message.to_vec() });
        Ok(format!("mail-{}", self.mails.len()))
    }

    fn check_mail(&self, envelope: &Envelope, message: &[u8]) -> Result<(), String> {
        let (count, size) = (envelope.recipients.len(), message.len());
        if self.mails_left == 0 {
            return Err(format!("one call may submit {MAX_RECIPIENTS} messages"));
        }
        if size > MAX_MESSAGE_BYTES {
            return Err(format!("the message has {size} bytes; {MAX_MESSAGE_BYTES} are allowed"));
        }
        if size > self.mail_bytes_left {
            return Err(format!("one call may submit {} bytes of messages", 2 * MAX_MESSAGE_BYTES));
        }
        if size == 0 {
            return Err("the message is empty".to_owned());
        }
        if !(1..=MAX_RECIPIENTS).contains(&count) {
            return Err(format!("the envelope has {count} recipients; 1 to {MAX_RECIPIENTS} are allowed"));
        }
        let stranger = self
            .recipients
            .as_ref()
            .and_then(|known| envelope.recipients.iter().find(|address| !known.contains(address)));
        stranger.map_or(Ok(()), |stranger| Err(format!("{stranger} is not a recipient of this notification")))
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<String, Failure> {
        self.requested.push(path.to_owned());
        self.answers.get(path).cloned().unwrap_or_else(|| {
            panic!(
                "the fake host has no answer to {path}; add .answer({path:?}, json!(…)) to the test's Host"
            )
        })
    }
}

/// Calls [`Notifier::check`] as the host does, settings as JSON.
///
/// # Errors
///
/// What the plugin answers, or that the settings do not fit its type.
pub fn check<T: Notifier>(settings: Value) -> Answer {
    call(&[], || notifier::Glue::<T>::check(settings.to_string()))
}

/// Calls [`Notifier::options`] as the host does, settings and rule as JSON.
///
/// # Errors
///
/// What the plugin answers, or that the settings do not fit its type.
pub fn options<T: Notifier>(
    field: &str,
    search: &str,
    settings: Value,
    rule: Value,
) -> Result<Vec<Choice>, Failure> {
    let (field, search) = (field.to_owned(), search.to_owned());
    call(&[], || notifier::Glue::<T>::options(field, search, settings.to_string(), rule.to_string()))
}

/// Calls [`Notifier::send`] as the host does, settings and rule as JSON.
///
/// # Errors
///
/// What the plugin answers, or that settings or rule do not fit its types.
pub fn send<T: Notifier>(notification: Notification, settings: Value, rule: Value) -> Answer {
    let recipients = notification.recipients.clone();
    call(&recipients, || notifier::Glue::<T>::send(notification, settings.to_string(), rule.to_string()))
}

/// Calls [`Widget::render`] as the host does.
///
/// # Errors
///
/// What the plugin answers, or that settings or preferences do not fit its types.
pub fn render<T: Widget>(request: Request) -> Result<View, Failure> {
    call(&[], || widget::Glue::<T>::render(request.raw()))
}

/// Calls [`Widget::act`] as the host does.
///
/// # Errors
///
/// What the plugin answers, or that settings or preferences do not fit its types.
pub fn act<T: Widget>(request: Request, action: &str, data: Value) -> Answer {
    call(&[], || widget::Glue::<T>::act(request.raw(), action.to_owned(), data.to_string()))
}

/// What a widget is asked for, its settings and preferences as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Which of the manifest's widgets.
    pub widget: String,
    /// Absent when the widget's cache is shared.
    pub viewer: Option<Viewer>,
    /// The plugin's settings.
    pub settings: Value,
    /// The viewer's own settings of this widget.
    pub preferences: Value,
}

impl Request {
    /// A widget without settings, looked at by a member of staff who may do nothing.
    #[must_use]
    pub fn new(widget: &str) -> Self {
        let viewer = Viewer {
            id: "0198c1a0-0000-7000-8000-000000000001".to_owned(),
            name: "Grace Hopper".to_owned(),
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            permissions: Vec::new(),
        };
        Self {
            widget: widget.to_owned(),
            viewer: Some(viewer),
            settings: Value::Object(serde_json::Map::new()),
            preferences: Value::Object(serde_json::Map::new()),
        }
    }

    fn raw(self) -> RawRequest {
        RawRequest {
            widget: self.widget,
            viewer: self.viewer,
            settings: self.settings.to_string(),
            preferences: self.preferences.to_string(),
        }
    }
}

/// A notification to start from: `Notification { title: "…".into(), ..testing::notification() }`.
#[must_use]
pub fn notification() -> Notification {
    Notification {
        id: "0198c1a0-0000-7000-8000-0000000000aa".to_owned(),
        attempt: 1,
        event: "invitation.created".to_owned(),
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        tone: Tone::Info,
        title: "Ada Lovelace was invited".to_owned(),
        message: "Grace Hopper invited Ada Lovelace to join the staff.".to_owned(),
        html: None,
        link: Some(Link::new("Open the invitation", "https://desk.example/invitations/7")),
        attributes: vec![Attribute {
            label: "Role".to_owned(),
            value: "Support".to_owned(),
            link: None,
            tone: Tone::Neutral,
            icon: None,
        }],
        recipients: vec![recipient("Ada Lovelace", "ada@example.com")],
        data: "{}".to_owned(),
    }
}

/// A recipient who reads English.
#[must_use]
pub fn recipient(name: &str, address: &str) -> Recipient {
    Recipient { name: name.to_owned(), address: address.to_owned(), locale: "en".to_owned() }
}

/// The failure's kind, for `assert_eq!(testing::kind(answer), Some(Problem::Retry))`.
pub fn kind<T>(answer: &Result<T, Failure>) -> Option<Problem> {
    answer.as_ref().err().map(|failure| failure.kind)
}

#[cfg(test)]
mod tests;
