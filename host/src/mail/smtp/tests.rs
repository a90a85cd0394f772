//! Error mapping against a scripted server; conversations with real servers are tested end to end.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{Secret, SmtpLogin};
use crate::mail::{MailErrorKind, Transport};

const HELLO: &str = "EHLO";
const FEATURES: &str = "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN";

/// A server that expects each line to begin as scripted and answers; one script per connection. Answers
/// what it was told, all lines.
async fn server(scripts: Vec<Vec<(&'static str, &'static str)>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = tokio::spawn(async move {
        let mut told = Vec::new();
        for script in scripts {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            for (expected, answer) in script {
                if !expected.is_empty() {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        told.push("(closed)".to_owned());
                        break;
                    }
                    assert!(line.starts_with(expected), "expected {expected}, got {line}");
                    told.push(line.trim_end().to_owned());
                }
                if !answer.is_empty() {
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                }
            }
        }
        told
    });
    (port, told)
}

fn config(port: u16) -> Smtp {
    Smtp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: SmtpTls::None,
        login: None,
        ca_file: None,
        timeout: Duration::from_secs(20),
        connections: 2,
    }
}

fn with_login(port: u16) -> Smtp {
    let login = SmtpLogin { username: "desk".to_owned(), password: Secret::new("hunter2") };
    Smtp { login: Some(login), ..config(port) }
}

async fn submit(config: &Smtp) -> Result<String, MailError> {
    let envelope = Envelope::new("desk@a.test", &["ada@b.test".to_owned()]).unwrap();
    Transport::smtp(config)?.submit(&envelope, b"Subject: x\r\n\r\nBody\r\n".to_vec()).await
}

/// A conversation up to and including the given answer.
async fn refused(script: Vec<(&'static str, &'static str)>) -> MailError {
    let (port, told) = server(vec![script]).await;
    let error = submit(&config(port)).await.expect_err("must fail");
    told.await.unwrap();
    error
}

#[tokio::test]
async fn a_message_is_handed_over_and_the_connection_used_again() {
    const SEND: [(&str, &str); 8] = [
        ("MAIL FROM:<desk@a.test>", "250 ok"),
        ("RCPT TO:<ada@b.test>", "250 ok"),
        ("DATA", "354 go on"),
        ("Subject: x", ""),
        ("\r\n", ""),
        ("Body", ""),
        ("..", ""),
        (".", "250 2.0.0 Ok: queued as 4F1A"),
    ];
    let begin = [("", "220 mail.test"), (HELLO, FEATURES)];
    let (port, told) = server(vec![[&begin[..], &SEND, &[("NOOP", "250 ok")], &SEND].concat()]).await;
    let transport = Transport::smtp(&config(port)).unwrap();
    let envelope = Envelope::new("desk@a.test", &["ada@b.test".to_owned()]).unwrap();
    for _ in 0..2 {
        let id = transport.submit(&envelope, b"Subject: x\n\nBody\n.".to_vec()).await.unwrap();
        assert_eq!(id, "2.0.0 Ok: queued as 4F1A");
    }
    told.await.unwrap();
}

#[tokio::test]
async fn a_refused_recipient_is_rejected_and_a_busy_server_is_tried_again() {
    let begin = || vec![("", "220 mail.test"), (HELLO, FEATURES)];
    let script = |rest: &[(&'static str, &'static str)]| {
        let mut script = begin();
        script.extend_from_slice(rest);
        script
    };
    let error =
        refused(script(&[("MAIL", "250 ok"), ("RCPT", "550-5.1.1 No such\r\n550 5.1.1 user here")])).await;
    assert_eq!(error.kind, MailErrorKind::Rejected);
    assert_eq!(error.message, "127.0.0.1 refuses the recipient: 550 5.1.1 No such user here");
    let error = refused(script(&[("MAIL", "250 ok"), ("RCPT", "451 4.7.1 Greylisted")])).await;
    assert_eq!(error.kind, MailErrorKind::Retry);
    assert_eq!(error.message, "127.0.0.1 puts it off: 451 4.7.1 Greylisted");
    let error = refused(script(&[("MAIL", "553 5.7.1 Sender address rejected: not owned by user")])).await;
    assert_eq!(error.kind, MailErrorKind::Misconfigured);
    assert!(error.message.contains("refuses the sender; see sender_address"), "{error}");
    let error = refused(script(&[("MAIL", "530 5.7.0 Must issue a STARTTLS command first")])).await;
    assert_eq!(error.kind, MailErrorKind::Misconfigured);
    let error = refused(script(&[("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "552 too big")])).await;
    assert_eq!(
        (error.kind, error.message.as_str()),
        (MailErrorKind::Rejected, "127.0.0.1 refuses the message: 552 too big")
    );
    let error = refused(vec![("", "554 5.7.1 Go away")]).await;
    assert_eq!(error.kind, MailErrorKind::Retry);
    let error = refused(script(&[("MAIL", "")])).await;
    assert_eq!(error.kind, MailErrorKind::Retry, "{error}");
    assert!(error.message.contains("broke off after it came to the sender"), "{error}");
}

#[tokio::test]
async fn a_refused_login_is_a_matter_of_configuration_and_stays_secret() {
    let script =
        vec![("", "220 x"), (HELLO, FEATURES), ("AUTH PLAIN", "535 5.7.8 bad AGRlc2sAaHVudGVyMg== hunter2")];
    let (port, _told) = server(vec![script]).await;
    let error = submit(&with_login(port)).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Misconfigured);
    assert_eq!(
        error.message,
        "127.0.0.1 refuses the login; see smtp.username and smtp.password: 535 5.7.8 bad [removed] [removed]"
    );
    let (port, told) = server(vec![vec![("", "220 x"), (HELLO, "250 mail.test"), ("AUTH", "")]]).await;
    let error = submit(&with_login(port)).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Misconfigured);
    assert!(
        error.message.contains("offers no login by password; many servers do so only with TLS"),
        "{error}"
    );
    assert_eq!(told.await.unwrap().last().unwrap(), "(closed)");
}

#[tokio::test]
async fn starttls_is_required_before_anything_is_said() {
    let (port, told) = server(vec![vec![("", "220 x"), (HELLO, FEATURES), ("AUTH", "")]]).await;
    let error = submit(&Smtp { tls: SmtpTls::StartTls, ..with_login(port) }).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Misconfigured);
    assert!(error.message.contains("does not offer STARTTLS, and nothing is sent in the clear"), "{error}");
    let told = told.await.unwrap();
    assert_eq!((told.len(), told[1].as_str()), (2, "(closed)"), "{told:?}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_named() {
    let (port, _told) = server(vec![vec![("", "220 mail.test ready")]]).await;
    let error = submit(&Smtp { tls: SmtpTls::Tls, ..config(port) }).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Retry);
    assert!(error.message.starts_with(&format!("TLS with 127.0.0.1:{port} fails: ")), "{error}");
}

#[tokio::test]
async fn an_unreachable_or_silent_server_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let impatient = Smtp { timeout: Duration::from_millis(50), ..config(port) };
    let error = submit(&impatient).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Retry);
    assert!(error.message.contains("did not answer within 50ms to the connection"), "{error}");
    drop(listener);
    let error = submit(&config(port)).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Retry);
    assert!(error.message.starts_with(&format!("127.0.0.1:{port} cannot be reached: ")), "{error}");
}

#[tokio::test]
async fn a_server_that_is_in_time_at_each_step_and_never_done_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap().port());
    let mut transport = SmtpTransport::new(&config).unwrap();
    assert_eq!(transport.total, Duration::from_secs(200));
    transport.total = Duration::from_millis(100);
    let envelope = Envelope::new("desk@a.test", &["ada@b.test".to_owned()]).unwrap();
    let error = transport.submit(&envelope, b"Subject: x\r\n\r\nBody\r\n").await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Retry);
    let told = format!("127.0.0.1:{} did not take the message within 100ms, all steps together", config.port);
    assert_eq!(error.message, told);
}

#[tokio::test]
async fn bytes_beyond_ascii_need_a_server_that_takes_them() {
    let (port, _told) = server(vec![vec![("", "220 x"), (HELLO, "250 mail.test"), ("MAIL", "")]]).await;
    let envelope = Envelope::new("desk@a.test", &["ada@b.test".to_owned()]).unwrap();
    let error = Transport::smtp(&config(port)).unwrap().submit(&envelope, "Zoë".into()).await.unwrap_err();
    assert_eq!(error.kind, MailErrorKind::Rejected);
}

#[test]
fn certificates_are_checked_before_the_first_mail() {
    let file = std::env::temp_dir().join(format!("frontdesk-ca-{}.pem", std::process::id()));
    std::fs::write(&file, "not a certificate").unwrap();
    let error =
        check(&Smtp { ca_file: Some(file.clone()), tls: SmtpTls::StartTls, ..config(25) }).unwrap_err();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(error.message, format!("smtp.ca_file names {}, which holds no certificate", file.display()));
}
