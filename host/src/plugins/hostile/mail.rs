//! Notifiers that send mail: to whom, as whom, for how long, and what is never told of it.

use super::*;

/// A notifier that hands "hello" to the transport and answers with its id.
pub(super) fn mailer(manifest: &str) -> Vec<u8> {
    let imports = r#"(import "frontdesk:plugin/mail@0.1.0" "submit" (func $submit (param i32 i32 i32 i32 i32 i32 i32)))"#;
    let data = r#"
        (data (i32.const 16) "desk@acme.test")
        (data (i32.const 48) "jo@acme.test")
        (data (i32.const 80) "hello")
        (data (i32.const 96) "\30\00\00\00\0c\00\00\00")"#;
    // The answer of submit lies at 2048: case, then the id's place and length.
    let body = r"
        (call $submit (i32.const 16) (i32.const 14) (i32.const 96) (i32.const 1) (i32.const 80) (i32.const 5) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then
            (memory.copy (i32.const 1024) (i32.const 2048) (i32.const 36))
            (return (i32.const 1024))))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.load (i32.const 2052)))
        (i32.store (i32.const 1036) (i32.load (i32.const 2056)))
        i32.const 1024";
    notifier(manifest, imports, data, body)
}

#[tokio::test]
async fn a_mail_notifier_reaches_the_transport_and_another_does_not() {
    let dir = TempDir::new();
    let mailbox = Arc::new(Mailbox::default());
    let plugins = Plugins::new(settings(dir.path()), host(mailbox.clone())).expect("it starts");
    let granted = load(&plugins, mailer(MAILER)).await;
    assert_eq!(send(&plugins, &granted).await, Ok(Ok(Some("id-1".to_owned()))));
    let envelope =
        Envelope { sender: "desk@acme.test".to_owned(), recipients: vec!["jo@acme.test".to_owned()] };
    assert_eq!(mailbox.taken(), [(envelope, b"hello".to_vec())]);

    let not_granted = load(&plugins, mailer(NOTIFIER)).await;
    let failure = send(&plugins, &not_granted).await.expect("it answers").expect_err("it is refused");
    assert_eq!(failure.kind, Problem::Rejected);
    assert!(failure.message.starts_with("mail is for mail notifiers"), "{}", failure.message);
    assert_eq!(mailbox.taken().len(), 1);
}

#[tokio::test]
async fn a_mail_notifier_sends_as_its_settings_say_and_as_nobody_else() {
    let dir = TempDir::new();
    let mailbox = Arc::new(Mailbox::default());
    let plugins = Plugins::new(settings(dir.path()), host(mailbox.clone())).expect("it starts");
    let field = "[[setting]]\nkey = \"sender_address\"\ntype = \"email\"\nlabel = \"Sender\"\n";
    let plugin = load(&plugins, mailer(&format!("{MAILER}{field}"))).await;
    assert!(plugin.sends_mail());
    let send = async |sender: &str| {
        let settings = json!({ "sender_address": sender });
        plugins.notifier_send(&plugin, notification(), &settings, &json!({}), &[]).await.expect("it answers")
    };
    assert_eq!(send("desk@acme.test").await, Ok(Some("id-1".to_owned())));
    let refused = "desk@acme.test is not the sender that the settings name; send as info@acme.test";
    assert_eq!(send("info@acme.test").await, Err(Failure::rejected(refused)));
    assert_eq!(mailbox.taken().len(), 1);
}

#[tokio::test]
async fn a_mail_that_takes_longer_than_the_call_may_is_sent_once_and_told() {
    let dir = TempDir::new();
    let slow = Arc::new(Mailbox::slow(Duration::from_millis(800)));
    let plugins = Plugins::new(settings(dir.path()), host(slow.clone())).expect("it starts");
    let plugin = load(&plugins, mailer(&format!("{MAILER}[limits]\nwall_ms = 400\n"))).await;
    assert_eq!(send(&plugins, &plugin).await, Ok(Ok(Some("id-1".to_owned()))));
    assert_eq!(slow.taken().len(), 1);
}

#[tokio::test]
async fn a_secret_of_the_notification_is_told_nowhere() {
    const TOKEN: &str = "q83vEjRWeJq83vEjRWeJ";
    let imports = r#"(import "frontdesk:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let data = format!(r#"(data (i32.const 16) "no \n{TOKEN}")"#);
    let log = "(call $log (i32.const 3) (i32.const 16) (i32.const 24))";
    let (plugins, _dir) = engine();
    let end = async |body: &str| {
        let plugin = load(&plugins, notifier(NOTIFIER, imports, &data, body)).await;
        let end = plugins
            .notifier_send(&plugin, notification(), &json!({}), &json!({}), &[TOKEN])
            .await
            .map_err(|e| e.to_string());
        (end, plugin.logs())
    };

    let (trapped, logs) = end(&format!("{log} unreachable")).await;
    assert_eq!(
        trapped,
        Err("stopped: wasm trap: wasm `unreachable` instruction executed (its last error: no  [removed])"
            .to_owned())
    );
    assert!(!logs.is_empty() && !format!("{logs:?}").contains("q83v"), "{logs:?}");

    // The same words as a failure: case 1, kind 1 (rejected), place and length.
    let fail = "
        (i32.store8 (i32.const 1024) (i32.const 1))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.const 16))
        (i32.store (i32.const 1036) (i32.const 24))
        i32.const 1024";
    assert_eq!(end(fail).await.0, Ok(Err(Failure::rejected("no  [removed]"))));
    // And as the id of a message.
    let id = "
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.const 20))
        (i32.store (i32.const 1036) (i32.const 20))
        i32.const 1024";
    assert_eq!(end(id).await.0, Ok(Ok(Some("[removed]".to_owned()))));
}
