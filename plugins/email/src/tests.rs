use frontdesk_plugin_sdk::{
    Failure, Link, Problem,
    notifier::Notification,
    serde_json::{Value, json},
    testing::{self, Host, Mail, recipient},
};
use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use crate::Email;

fn settings() -> Value {
    json!({ "sender_name": "Example Hosting", "sender_address": "desk@example.com" })
}

/// Sends with these settings and answers the one mail.
fn sent(notification: Notification, settings: Value) -> Mail {
    let host = Host::new().at("2026-11-21T22:45:48.123Z").seed(7);
    assert_eq!(testing::send::<Email>(notification, settings, json!({})), Ok(Some("mail-1".to_owned())));
    let [mail] = host.mails().try_into().unwrap();
    well_formed(&mail.message);
    mail
}

/// What RFC 5322 asks of every message: ASCII here, lines ended by CR LF alone and within 998 octets.
fn well_formed(message: &[u8]) {
    let text = str::from_utf8(message).unwrap();
    assert!(text.is_ascii(), "{text}");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text}");
    assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text}");
}

fn parsed(mail: &Mail) -> Message<'_> {
    MessageParser::default().parse(&mail.message).unwrap()
}

/// The names of the header lines, in order, as a receiver's parser finds them.
fn header_names(mail: &Mail) -> Vec<String> {
    parsed(mail).headers().iter().map(|header| header.name.as_str().to_owned()).collect()
}

fn mailboxes(address: Option<&Address<'_>>) -> Vec<(Option<String>, String)> {
    address
        .unwrap()
        .iter()
        .map(|addr| (addr.name().map(str::to_owned), addr.address().unwrap().to_owned()))
        .collect()
}

fn to(name: &str) -> Notification {
    Notification { recipients: vec![recipient(name, "ada@example.com")], ..testing::notification() }
}

#[test]
fn composes_text_and_html() {
    let notification = Notification {
        title: "You are invited".to_owned(),
        message: "Hello Ada,\nfollow https://desk.example/#token=abc\n".to_owned(),
        html: Some("<p>Hello Ada, <a href=\"https://desk.example/#token=abc\">follow</a></p>".to_owned()),
        ..testing::notification()
    };
    let mail = sent(notification, settings());
    assert_eq!(mail.envelope.sender, "desk@example.com");
    assert_eq!(mail.envelope.recipients, ["ada@example.com"]);

    let message = parsed(&mail);
    assert_eq!(
        mailboxes(message.from()),
        [(Some("Example Hosting".to_owned()), "desk@example.com".to_owned())]
    );
    assert_eq!(mailboxes(message.to()), [(Some("Ada Lovelace".to_owned()), "ada@example.com".to_owned())]);
    assert_eq!(message.subject(), Some("You are invited"));
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-11-21T22:45:48Z");
    assert_eq!(message.message_id(), Some("0198c1a0-0000-7000-8000-0000000000aa@example.com"));
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(
        message.header_raw("X-Frontdesk-Delivery").map(str::trim),
        Some("0198c1a0-0000-7000-8000-0000000000aa")
    );
    assert_eq!(message.header_raw("Content-Language").map(str::trim), Some("en"));
    assert_eq!(message.header_raw("MIME-Version").map(str::trim), Some("1.0"));
    assert!(message.is_content_type("multipart", "alternative"));
    assert_eq!(message.parts.len(), 3);
    // The best alternative comes last (RFC 2046, 5.1.4).
    assert!(message.parts[1].is_content_type("text", "plain"));
    assert!(message.parts[2].is_content_type("text", "html"));
    assert_eq!(message.body_text(0).unwrap(), "Hello Ada,\r\nfollow https://desk.example/#token=abc");
    assert_eq!(
        message.body_html(0).unwrap(),
        "<p>Hello Ada, <a href=\"https://desk.example/#token=abc\">follow</a></p>"
    );
}

#[test]
fn writes_attributes_and_link_where_there_is_no_html() {
    let mail = sent(testing::notification(), settings());
    let message = parsed(&mail);
    assert!(message.is_content_type("text", "plain"));
    assert_eq!(
        message.body_text(0).unwrap(),
        "Grace Hopper invited Ada Lovelace to join the staff.\r\n\r\nRole: Support\r\n\r\n\
         Open the invitation: https://desk.example/invitations/7\r\n"
    );
}

#[test]
fn every_attempt_has_the_same_message_id_and_another_boundary() {
    let notification = Notification { html: Some("<p>x</p>".to_owned()), ..testing::notification() };
    let host = Host::new();
    for attempt in 1..=2 {
        let again = Notification { attempt, ..notification.clone() };
        testing::send::<Email>(again, settings(), json!({})).unwrap();
    }
    let [first, second] = host.mails().try_into().unwrap();
    assert_eq!(parsed(&first).message_id(), parsed(&second).message_id());
    assert_ne!(first.message, second.message);
}

#[test]
fn any_name_is_shown_as_it_is() {
    for name in [
        "Ada",
        "Ada Lovelace",
        "Łódź Żółć",
        "山田太郎",
        "Zoë 👩‍💻 O'Brien",
        "Lovelace, Ada",
        "Ada \"the Countess\" Lovelace",
        "back\\slash",
        "a@b.example",
        "Ada <mallory@example.net>",
        "=?utf-8?q?Mallory?=",
        "Dr. A. (Ada); Lovelace: ops",
        ".",
        "\"",
        "group: a, b;",
    ] {
        let mail = sent(to(name), settings());
        let message = parsed(&mail);
        assert_eq!(
            mailboxes(message.to()),
            [(Some(name.to_owned()), "ada@example.com".to_owned())],
            "{name}"
        );
        assert_eq!(mail.envelope.recipients, ["ada@example.com"]);
    }
}

#[test]
fn every_short_name_of_awkward_characters_comes_back() {
    let awkward =
        ['a', ' ', '"', '\\', '<', '>', ',', ';', ':', '@', '(', ')', '.', '=', '?', '_', 'ß', '\'', '['];
    for first in awkward {
        for second in awkward {
            for third in awkward {
                let name = String::from_iter([first, second, third]);
                let mail = sent(to(&name), settings());
                let expected = name.split_whitespace().collect::<Vec<_>>().join(" ");
                let expected = (!expected.is_empty()).then_some(expected);
                let message = parsed(&mail);
                assert_eq!(mailboxes(message.to()), [(expected, "ada@example.com".to_owned())], "{name:?}");
            }
        }
    }
}

#[test]
fn no_text_can_add_a_header_or_a_recipient() {
    let injection = "Ada\r\nBcc: mallory@example.net\r\n\r\nhello\u{2028}\u{85}\0\u{b}X: y\rZ: z\nA: b";
    let notification = Notification {
        id: "id>\r\nBcc: mallory@example.net".to_owned(),
        title: injection.to_owned(),
        recipients: vec![frontdesk_plugin_sdk::notifier::Recipient {
            locale: "en\r\nBcc: mallory@example.net".to_owned(),
            ..recipient(injection, "ada@example.com")
        }],
        ..testing::notification()
    };
    let settings = json!({ "sender_name": injection, "sender_address": "desk@example.com" });
    let mail = sent(notification, settings);
    let mut names = header_names(&mail);
    names.sort();
    assert_eq!(
        names,
        [
            "Auto-Submitted",
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
            "X-Frontdesk-Delivery",
        ]
    );
    let message = parsed(&mail);
    assert_eq!(message.subject(), Some("Ada Bcc: mallory@example.net hello X: y Z: z A: b"));
    assert_eq!(mail.envelope.recipients, ["ada@example.com"]);
    assert_eq!(mailboxes(message.to()).len(), 1);
}

#[test]
fn the_direction_of_writing_stays() {
    let mail = sent(to("Ada \u{202e}gro.elpmaxe@ecalevol"), settings());
    assert_eq!(mailboxes(parsed(&mail).to())[0].0.as_deref(), Some("Ada gro.elpmaxe@ecalevol"));
}

#[test]
fn a_subject_of_any_length_and_script_comes_back() {
    for title in [
        "short".to_owned(),
        "word ".repeat(300).trim().to_owned(),
        "x".repeat(3000),
        "Grüße aus Łódź ".repeat(80).trim().to_owned(),
        "招待状".repeat(400),
        "=?utf-8?b?TWFsbG9yeQ==?=".to_owned(),
        format!("a {} =?x", "y".repeat(59)),
        String::new(),
    ] {
        let mail = sent(Notification { title: title.clone(), ..testing::notification() }, settings());
        assert_eq!(parsed(&mail).subject().unwrap_or_default(), title);
    }
}

#[test]
fn long_lines_and_dots_survive() {
    let body = format!(".\n..\n.leading dot\n{}\n{}\nFrom here\n", "x".repeat(5000), "ß".repeat(5000));
    let html = format!("<pre>{}</pre>\r.\r\n", "y ".repeat(4000));
    let notification = Notification { message: body.clone(), html: Some(html), ..testing::notification() };
    let mail = sent(notification, settings());
    let message = parsed(&mail);
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n"), body.trim_end());
    assert_eq!(
        message.body_html(0).unwrap().replace("\r\n", "\n"),
        format!("<pre>{}</pre>\n.\n", "y ".repeat(4000))
    );
}

#[test]
fn dots_are_left_to_the_transport() {
    let notification = Notification {
        message: ".\n..\n.leading dot".to_owned(),
        attributes: Vec::new(),
        link: None,
        ..testing::notification()
    };
    let mail = sent(notification, settings());
    assert!(mail.message.ends_with(b"\r\n\r\n.\r\n..\r\n.leading dot\r\n"));
}

#[test]
fn one_message_for_all_recipients_each_once() {
    let mut german = recipient("Grace", "grace@bücher.example");
    german.locale = "de".to_owned();
    let recipients =
        vec![recipient("Ada", "ada@example.com"), german, recipient("Ada again", "ada@example.com")];
    let mail = sent(Notification { recipients, ..testing::notification() }, settings());
    assert_eq!(mail.envelope.recipients, ["ada@example.com", "grace@xn--bcher-kva.example"]);
    let message = parsed(&mail);
    assert_eq!(mailboxes(message.to()).len(), 2);
    assert_eq!(message.header_raw("Content-Language"), None);
}

#[test]
fn more_recipients_than_an_envelope_holds_get_several_messages() {
    let host = Host::new();
    let recipients = (0..201).map(|n| recipient("", &format!("r{n}@example.com"))).collect();
    let notification = Notification { recipients, ..testing::notification() };
    assert_eq!(testing::send::<Email>(notification, settings(), json!({})), Ok(Some("mail-1".to_owned())));
    let mails = host.mails();
    let sizes: Vec<usize> = mails.iter().map(|mail| mail.envelope.recipients.len()).collect();
    assert_eq!(sizes, [100, 100, 1]);
    let ids: Vec<_> = mails.iter().map(|mail| parsed(mail).message_id().unwrap().to_owned()).collect();
    assert_eq!(
        ids,
        [
            "0198c1a0-0000-7000-8000-0000000000aa@example.com",
            "0198c1a0-0000-7000-8000-0000000000aa.1@example.com",
            "0198c1a0-0000-7000-8000-0000000000aa.2@example.com",
        ]
    );
    for mail in &mails {
        well_formed(&mail.message);
        assert_eq!(mailboxes(parsed(mail).to()).len(), mail.envelope.recipients.len());
    }
}

#[test]
fn answers_go_where_the_settings_say() {
    let settings = json!({ "sender_address": "desk@example.com", "reply_to": "help@example.com" });
    let mail = sent(testing::notification(), settings);
    let message = parsed(&mail);
    assert_eq!(mailboxes(message.from()), [(None, "desk@example.com".to_owned())]);
    assert_eq!(mailboxes(message.reply_to()), [(None, "help@example.com".to_owned())]);
}

#[test]
fn a_bad_recipient_is_rejected_by_name() {
    for address in
        ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example.com\r\nX: y", "a@b@c", "ä@x.org"]
    {
        let host = Host::new();
        let notification =
            Notification { recipients: vec![recipient("Ada", address)], ..testing::notification() };
        let failure = testing::send::<Email>(notification, settings(), json!({})).unwrap_err();
        assert_eq!(failure.kind, Problem::Rejected, "{address}");
        assert!(failure.message.contains(&format!("{address:?}")), "{}", failure.message);
        assert_eq!(host.mails(), []);
    }
}

#[test]
fn a_notification_for_nobody_is_rejected() {
    let _host = Host::new();
    let notification = Notification { recipients: Vec::new(), ..testing::notification() };
    let failure = testing::send::<Email>(notification, settings(), json!({})).unwrap_err();
    assert_eq!(failure, Failure::rejected("The notification has no recipients"));
}

#[test]
fn the_transports_failure_is_handed_on() {
    let failure = Failure::retry("The mail server does not answer").after(30);
    let _host = Host::new().mail_fails(failure.clone());
    assert_eq!(testing::send::<Email>(testing::notification(), settings(), json!({})), Err(failure));
}

#[test]
fn check_tells_who_sends_or_what_is_wrong() {
    let _host = Host::new();
    assert_eq!(
        testing::check::<Email>(settings()),
        Ok(Some("Sends as Example Hosting <desk@example.com>".to_owned()))
    );
    assert_eq!(
        testing::check::<Email>(
            json!({ "sender_address": "desk@example.com", "reply_to": "help@example.com" })
        ),
        Ok(Some("Sends as desk@example.com, answers go to help@example.com".to_owned()))
    );
    assert_eq!(
        testing::check::<Email>(json!({ "sender_address": "desk" })),
        Err(Failure::misconfigured("The sender address is not an email address").setting("sender_address"))
    );
    assert_eq!(
        testing::check::<Email>(json!({ "sender_address": "desk@example.com", "reply_to": "x" })),
        Err(Failure::misconfigured("The reply-to address is not an email address").setting("reply_to"))
    );
    let missing = testing::check::<Email>(json!({})).unwrap_err();
    assert_eq!(missing.setting.as_deref(), Some("sender_address"));
}

#[test]
fn a_link_without_attributes_stands_below_the_message() {
    let notification = Notification {
        message: "Hello".to_owned(),
        attributes: Vec::new(),
        link: Some(Link::new("Open", "https://desk.example/")),
        ..testing::notification()
    };
    let mail = sent(notification, settings());
    assert_eq!(parsed(&mail).body_text(0).unwrap(), "Hello\r\n\r\nOpen: https://desk.example/\r\n");
}
