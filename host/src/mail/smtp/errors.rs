//! What a failed SMTP conversation means: try again, give up, or change the configuration.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use data_encoding::BASE64;
use lettre::transport::smtp::Error;

use crate::config::{Smtp, SmtpTls};
use crate::mail::{MailError, MailErrorKind};

/// Longest part of a server's answer that is passed on, in characters.
const ANSWER: usize = 300;

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Message,
}

pub(super) enum Trouble {
    Failed(Stage, Error),
    Unreachable(io::Error),
    TimedOut(Stage),
    /// Each step was in time, all together were not.
    Slow(Duration),
    NoStartTls,
    NoLogin,
    /// The server lacks what this message needs.
    Unable(&'static str),
}

impl Trouble {
    pub(super) fn explain(self, config: &Smtp) -> MailError {
        let Smtp { host, port, .. } = config;
        match self {
            Self::Failed(stage, error) => match error.status() {
                Some(status) => answered(stage, u16::from(status), &error, config),
                None => failed(stage, &error, config),
            },
            Self::Unreachable(error) => {
                MailError::retry(format!("{host}:{port} cannot be reached: {}", one_line(&error.to_string())))
            }
            Self::TimedOut(stage) => MailError::retry(format!(
                "{host}:{port} did not answer within {:?} {}",
                config.timeout,
                while_doing(stage)
            )),
            Self::Slow(total) => MailError::retry(format!(
                "{host}:{port} did not take the message within {total:?}, all steps together"
            )),
            Self::NoStartTls => MailError::misconfigured(format!(
                "{host}:{port} does not offer STARTTLS, and nothing is sent in the clear; set smtp.tls to what the \
                 server speaks"
            )),
            Self::NoLogin => MailError::misconfigured(format!(
                "{host}:{port} offers no login by password{}",
                match config.tls {
                    SmtpTls::None => "; many servers do so only with TLS, see smtp.tls",
                    SmtpTls::StartTls | SmtpTls::Tls =>
                        "; remove smtp.username, or see smtp.host and smtp.port",
                }
            )),
            Self::Unable(lack) => MailError::rejected(format!("{host}:{port} {lack}")),
        }
    }
}

fn while_doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "to the connection",
        Stage::StartTls => "to STARTTLS",
        Stage::Login => "to the login",
        Stage::Sender => "to the sender",
        Stage::Recipient => "to the recipient",
        Stage::Message => "to the message",
    }
}

/// The server said no, with a code.
fn answered(stage: Stage, code: u16, error: &Error, config: &Smtp) -> MailError {
    let host = &config.host;
    let answer = match error.source().map(ToString::to_string) {
        Some(text) if !text.trim().is_empty() => {
            format!("{code} {}", one_line(&without_credentials(text, config)))
        }
        Some(_) | None => code.to_string(),
    };
    let permanent = error.is_permanent();
    let (kind, what) = match stage {
        _ if !permanent => (MailErrorKind::Retry, "puts it off".to_owned()),
        // 530: login or STARTTLS is required. Nothing will be taken without it.
        _ if code == 530 => (
            MailErrorKind::Misconfigured,
            "wants a login or TLS first; see smtp.username and smtp.tls".to_owned(),
        ),
        Stage::Login => (
            MailErrorKind::Misconfigured,
            "refuses the login; see smtp.username and smtp.password".to_owned(),
        ),
        // No mail at all will leave under this sender, so it is no single message's fault.
        Stage::Sender => (
            MailErrorKind::Misconfigured,
            "refuses the sender; see sender_address in [mailer.settings]".to_owned(),
        ),
        Stage::Recipient => (MailErrorKind::Rejected, "refuses the recipient".to_owned()),
        Stage::Message => (MailErrorKind::Rejected, "refuses the message".to_owned()),
        // A server that turns everybody away (554 in its greeting) may be back later.
        Stage::Connect => (MailErrorKind::Retry, "turns the connection away".to_owned()),
        Stage::StartTls => (MailErrorKind::Retry, "refuses STARTTLS".to_owned()),
    };
    MailError { kind, message: format!("{host} {what}: {answer}") }
}

/// The conversation broke off without an answer.
fn failed(stage: Stage, error: &Error, config: &Smtp) -> MailError {
    let Smtp { host, port, tls, .. } = config;
    let cause = error.source().map_or_else(|| error.to_string(), root_cause);
    let cause = one_line(&without_credentials(cause, config));
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    let io = sources.filter_map(|source| source.downcast_ref::<io::Error>()).next();
    // rustls reports a certificate it does not accept, or an answer that is not TLS, as invalid data.
    let tls_trouble = io.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
    let message = match stage {
        Stage::Connect | Stage::StartTls if tls_trouble && *tls != SmtpTls::None => format!(
            "TLS with {host}:{port} fails: {cause}; see smtp.tls and smtp.port, and for a private authority \
             smtp.ca_file"
        ),
        Stage::Connect if io.is_some() => format!("{host}:{port} cannot be reached: {cause}"),
        _ => format!(
            "the conversation with {host}:{port} broke off after it came {}: {cause}",
            while_doing(stage)
        ),
    };
    MailError::retry(message)
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Servers have been seen to repeat the command they refuse.
fn without_credentials(text: String, config: &Smtp) -> String {
    let Some(login) = &config.login else { return text };
    let password = login.password.expose();
    let plain = format!("\0{}\0{password}", login.username);
    [BASE64.encode(plain.as_bytes()), BASE64.encode(password.as_bytes()), password.to_owned()]
        .iter()
        .fold(text, |text, secret| text.replace(secret.as_str(), "[removed]"))
}

/// A server's words, fit for one line of a log or a list.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(ANSWER) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
