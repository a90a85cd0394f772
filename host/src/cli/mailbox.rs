//! `frontdesk mailbox`: what the built-in mailbox holds, for a first run and for development.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mail_parser::{Address, MessageParser};

use crate::config::{self, Config, Overrides};
use crate::mail::mailbox;

/// Read what the built-in mailbox holds
#[derive(Debug, clap::Args)]
pub struct MailboxArgs {
    #[command(subcommand)]
    command: Option<MailboxCommand>,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", env = "FRONTDESK_CONFIG")]
    config: Option<PathBuf>,
    /// Data directory [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum MailboxCommand {
    /// One line per message, newest first (what happens without a command)
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
    },
    /// Print a message's text
    Show {
        /// As the list shows it; its beginning is enough when no other message begins like that
        id: String,
    },
    /// Print the newest message's text
    Latest,
}

pub fn run(args: MailboxArgs) -> ExitCode {
    match print_to(&args, config::environment(), &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(code) => code,
        // Whoever read the output has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("frontdesk: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints to `out`, and to `err` what stands in the way.
fn print_to(
    args: &MailboxArgs,
    env: impl Iterator<Item = (String, String)>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let overrides = Overrides { data: args.data.clone(), ..Overrides::default() };
    let data = match Config::load(args.config.as_deref(), env, &overrides) {
        Ok(config) => config.data,
        Err(problems) => {
            writeln!(err, "{problems}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let dir = config::mailbox_dir(&data);
    let ids = match mailbox::ids(&dir) {
        Ok(ids) => ids,
        Err(error) => {
            writeln!(err, "{} cannot be read: {error}", dir.display())?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let command = args.command.clone().unwrap_or(MailboxCommand::List { limit: 20 });
    match (command, ids.last()) {
        (MailboxCommand::List { .. }, None) => {
            writeln!(
                out,
                "No messages in {}. Mail comes here while [smtp] is not configured; is --data the directory that \
                 the service uses?",
                dir.display()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        (_, None) => {
            writeln!(err, "no messages in {}", dir.display())?;
            Ok(ExitCode::FAILURE)
        }
        (MailboxCommand::List { limit }, Some(_)) => list(&dir, &ids, limit, out),
        (MailboxCommand::Latest, Some(id)) => show(&dir, id, out),
        (MailboxCommand::Show { id }, Some(_)) => {
            let found: Vec<_> = ids.iter().filter(|known| known.starts_with(&id)).collect();
            match found.as_slice() {
                [one] => show(&dir, one, out),
                [] => {
                    writeln!(err, "no message {id}; frontdesk mailbox lists them")?;
                    Ok(ExitCode::FAILURE)
                }
                several => {
                    writeln!(err, "{} messages begin with {id}; give more of the id", several.len())?;
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}

fn list(dir: &Path, ids: &[String], limit: usize, out: &mut impl Write) -> io::Result<ExitCode> {
    for id in ids.iter().rev().take(limit) {
        let bytes = mailbox::read(dir, id)?;
        let message = MessageParser::default().parse_headers(&bytes);
        let to = message.as_ref().and_then(|message| message.to()).map_or(String::new(), addresses);
        let subject = message.as_ref().and_then(|message| message.subject()).unwrap_or("(no subject)");
        let date = message.as_ref().and_then(|message| message.date());
        let date = date.map_or_else(|| "(no date)".to_owned(), mail_parser::DateTime::to_rfc3339);
        writeln!(out, "{id}  {date}  {}  {}", printable(&to), printable(subject))?;
    }
    if let Some(older) = ids.len().checked_sub(limit).filter(|older| *older > 0) {
        writeln!(out, "and {older} older; --limit shows more")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(dir: &Path, id: &str, out: &mut impl Write) -> io::Result<ExitCode> {
    let bytes = mailbox::read(dir, id)?;
    let Some(message) = MessageParser::default().parse(&bytes) else {
        // Not MIME at all; still better seen than withheld.
        writeln!(out, "{}", printable_text(&String::from_utf8_lossy(&bytes)))?;
        return Ok(ExitCode::SUCCESS);
    };
    let from = message.from().map_or(String::new(), addresses);
    let to = message.to().map_or(String::new(), addresses);
    let date = message.date().map_or(String::new(), mail_parser::DateTime::to_rfc822);
    for (name, value) in
        [("From", &from[..]), ("To", &to), ("Date", &date), ("Subject", message.subject().unwrap_or(""))]
    {
        writeln!(out, "{name}: {}", printable(value))?;
    }
    // mail-parser makes text of an HTML part when there is no other.
    let text = message.body_text(0).unwrap_or_default();
    writeln!(out, "\n{}", printable_text(text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}

fn addresses(address: &Address<'_>) -> String {
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => address.or(name).unwrap_or("").to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A message must not be able to speak to the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn printable_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        mailbox: MailboxArgs,
    }

    struct Case(PathBuf);

    impl Case {
        fn new(name: &str) -> Self {
            let data =
                std::env::temp_dir().join(format!("frontdesk-cli-mailbox-{}-{name}", std::process::id()));
            fs::create_dir_all(data.join("mailbox")).unwrap();
            Self(data)
        }

        fn message(&self, id: &str, text: &str) {
            fs::write(self.0.join(format!("mailbox/{id}.eml")), text.replace('\n', "\r\n")).unwrap();
        }

        fn run(&self, args: &[&str]) -> (ExitCode, String, String) {
            let data = self.0.display().to_string();
            let cli = Cli::parse_from(["mailbox"].iter().chain(args).copied().chain(["--data", &data]));
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = print_to(&cli.mailbox, std::iter::empty(), &mut out, &mut err).unwrap();
            (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
        }
    }

    impl Drop for Case {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const INVITATION: &str = "\
X-Envelope-To: <zoe@b.test>
From: Acme <desk@a.test>
To: =?utf-8?b?Wm/Dqw==?= <zoe@b.test>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Sat, 21 Nov 2026 23:40:01 +0000
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello Zo=C3=AB,=1B[2J
https://desk.a.test/accept#token=3Dabc
--b
Content-Type: text/html; charset=utf-8

<p>Hello</p>
--b--
";

    #[test]
    fn lists_newest_first_and_shows_the_text_part() {
        let case = Case::new("list");
        case.message("20261121T234001.000Z-aa", INVITATION);
        case.message("20261121T234002.000Z-bb", "Subject: second\n\nBody\n");
        let (code, out, _) = case.run(&[]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(
            out,
            "20261121T234002.000Z-bb  (no date)    second\n\
             20261121T234001.000Z-aa  2026-11-21T23:40:01Z  Zoë <zoe@b.test>  Grüße\n"
        );
        assert!(case.run(&["list", "--limit", "1"]).1.ends_with("and 1 older; --limit shows more\n"));
        let (_, out, _) = case.run(&["show", "20261121T234001"]);
        assert_eq!(
            out,
            "From: Acme <desk@a.test>\nTo: Zoë <zoe@b.test>\nDate: Sat, 21 Nov 2026 23:40:01 +0000\nSubject: Grüße\n\n\
             Hello Zoë,[2J\nhttps://desk.a.test/accept#token=abc\n"
        );
        assert!(case.run(&["latest"]).1.ends_with("Subject: second\n\nBody\n"));
    }

    #[test]
    fn helps_when_there_is_nothing_or_no_such_message() {
        let case = Case::new("empty");
        let (code, out, _) = case.run(&[]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(out.starts_with("No messages in ") && out.contains("[smtp]"), "{out}");
        assert_eq!(case.run(&["latest"]).0, ExitCode::FAILURE);
        case.message("20261121T234001.000Z-aa", INVITATION);
        case.message("20261121T234001.000Z-ab", INVITATION);
        assert!(case.run(&["show", "../../etc/passwd"]).2.starts_with("no message ../../etc/passwd"));
        assert!(case.run(&["show", "2026"]).2.starts_with("2 messages begin with 2026"));
    }
}
