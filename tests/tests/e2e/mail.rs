//! The mail itself: what a mail program reads in it, and how it travels.

use frontdesk_tests::{
    Database, Frontdesk, Smtp, SmtpOptions, Tls, both, eventually, first_administrator, invite,
};
use mail_parser::{Address, MimeHeaders};
use serde_json::json;

both! {
    a_mail_program_can_read_the_invitation,
    names_are_only_ever_text,
}

/// A well-formed message: headers, a text part, an HTML part, both with the link.
async fn a_mail_program_can_read_the_invitation(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let invitation =
        invite(&ada.api, "zofie@example.test", json!({ "first_name": "Žofie", "last_name": "Nguyễn Thị" }))
            .await;

    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(mail.to, ["zofie@example.test"]);
    let message = mail.parsed();
    let from = one(message.from());
    assert_eq!(from.1, mail.from, "the envelope's sender and the header's are one");
    assert_eq!(one(message.to()), ("Žofie Nguyễn Thị".to_owned(), "zofie@example.test".to_owned()));
    assert!(
        message.subject().is_some_and(|subject| subject.contains("Ada Lovelace")),
        "{:?}",
        message.subject()
    );
    assert!(message.date().is_some_and(|date| date.is_valid() && date.year >= 2025));
    let id = message.message_id().expect("a Message-ID");
    assert!(id.contains('@') && id.contains(&mail.delivery()), "{id}");
    assert_eq!(service.column("SELECT id FROM deliveries").await, [mail.delivery()]);
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Content-Type").starts_with("multipart/alternative"));
    let kinds: Vec<_> =
        message.parts.iter().filter_map(|part| part.content_type()).map(|kind| kind.subtype()).collect();
    assert_eq!(kinds, [Some("alternative"), Some("plain"), Some("html")]);

    for body in [mail.text(), mail.html()] {
        assert!(body.contains(&invitation.link), "{body}");
        assert!(body.contains("Žofie") && body.contains("Ada Lovelace"), "{body}");
    }
    // RFC 5322: lines end with CRLF and have at most 998 characters; what is not ASCII is encoded.
    let lines: Vec<_> = mail.raw.split(|byte| *byte == b'\n').collect();
    assert!(lines[..lines.len() - 1].iter().all(|line| line.ends_with(b"\r") && line.len() <= 999));
    assert!(mail.raw.is_ascii());
}

/// Names are text: not HTML, not headers.
async fn names_are_only_ever_text(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let name = r#"<img src=x> "Grace", & {{ company }}"#;
    invite(
        &ada.api,
        "grace@example.test",
        json!({ "first_name": name, "last_name": "Hopper; <x@example.test>" }),
    )
    .await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(
        one(mail.parsed().to()),
        (format!("{name} Hopper; <x@example.test>"), "grace@example.test".to_owned())
    );
    assert!(mail.text().contains(name), "{}", mail.text());
    assert!(!mail.html().contains("<img"), "{}", mail.html());
    assert!(mail.html().contains("&lt;img src=x&gt;"), "{}", mail.html());

    let (role, _) = frontdesk_tests::roles(&ada.api).await;
    for wrong in ["Grace\r\nBcc: eve@example.test", "Grace\n", "\u{0}"] {
        let body = json!({ "email": "joan@example.test", "role_id": role, "first_name": wrong });
        ada.api.post("/v1/admin/staff-invitations", &body).await.invalid("first_name");
    }
    smtp.takes(1).await;
}

/// With STARTTLS or TLS from the first byte, and a login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_travels_encrypted_and_logged_in() {
    for tls in [Tls::Starttls, Tls::Implicit] {
        let smtp = Smtp::start_as(SmtpOptions { tls, login: true }).await;
        let service = Frontdesk::start_with_mail(Database::sqlite(), &smtp).await;
        let ada = first_administrator(&service).await;
        invite(&ada.api, "grace@example.test", json!({})).await;
        let mail = smtp.takes(1).await.remove(0);
        assert!(mail.tls, "{tls:?}");
        assert_eq!(mail.login.as_deref(), Some("frontdesk"), "{tls:?}");
        service.secrets.keep(smtp.password());
        service.keeps_its_secrets().await;
    }
}

/// A server that cannot prove who it is gets no mail, no password, and no second chance without encryption.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_mail_server_gets_nothing() {
    for tls in [Tls::Starttls, Tls::Implicit] {
        let smtp = Smtp::start_as(SmtpOptions { tls, login: true }).await;
        let mut service = Frontdesk::on(Database::sqlite()).with_config(&smtp.config());
        service.start().await;
        let ada = first_administrator(&service).await;
        invite(&ada.api, "grace@example.test", json!({})).await;
        let reason = eventually("an attempt", || async {
            service.column("SELECT message FROM delivery_attempts").await.pop()
        })
        .await;
        assert!(reason.to_lowercase().contains("certificate"), "{tls:?}: {reason}");
        assert_eq!(service.column("SELECT state FROM deliveries").await, ["waiting"]);
        assert_eq!(smtp.mails().len(), 0);
    }
}

/// Without a mail server, messages are files that only the service's user can read, and a command lists them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_in_mailbox_needs_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let mailbox = service.data().join("mailbox");
    let file = eventually("a message in the mailbox", || async {
        let entries = std::fs::read_dir(&mailbox).ok()?;
        let mut files = entries.map(|entry| entry.expect("a directory entry").path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "eml"))
    })
    .await;
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let raw = std::fs::read(&file).expect("it can be read");
    let message = mail_parser::MessageParser::default().parse(&raw).expect("a message");
    assert_eq!(one(message.to()).1, "grace@example.test");
    assert!(message.body_text(0).is_some_and(|text| text.contains(&invitation.link)));

    let listed = service.run(&["mailbox"]).await;
    assert!(listed.status.success(), "{listed:?}");
    assert!(listed.stdout.contains("grace@example.test"), "{listed:?}");
}

/// Name and address of the only one in a header.
fn one(address: Option<&Address<'_>>) -> (String, String) {
    let address = address.and_then(Address::as_list).unwrap_or_default();
    assert_eq!(address.len(), 1);
    (address[0].name().unwrap_or("").to_owned(), address[0].address().unwrap_or("").to_owned())
}
