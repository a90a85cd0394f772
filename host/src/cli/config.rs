//! `frontdesk config check`: what is wrong with the configuration and where, or what holds and why.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, Config, Effective, Explained, Origin, Overrides};
use crate::mail::check_smtp;

/// The same as `serve` ends with when it cannot understand its configuration.
const BAD_CONFIGURATION: u8 = 2;

/// Look at the configuration without starting anything
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Say what is wrong and where; or print every setting, with secrets hidden, and where it comes from
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "FRONTDESK_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

pub fn run(args: ConfigArgs) -> ExitCode {
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

/// Prints to `out` what holds and to `err` what is wrong or doubtful. Fails when the configuration does.
fn print_to(
    args: &ConfigArgs,
    env: impl Iterator<Item = (String, String)>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let ConfigCommand::Check(CheckArgs { config: file, overrides }) = &args.command;
    let Explained { effective, outcome } = Config::explain(file.as_deref(), env, overrides);
    let config = match outcome {
        Ok(config) => config,
        Err(problems) => {
            writeln!(err, "{problems}")?;
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    // Certificates are read here, too, so that a wrong ca_file is found before the first mail is.
    if let Some(Err(error)) = config.smtp.as_ref().map(check_smtp) {
        writeln!(err, "{}: {error}", place_of(&effective, "smtp.ca_file"))?;
        return Ok(ExitCode::from(BAD_CONFIGURATION));
    }
    write_toml(&effective, out)?;
    for warning in config.warnings() {
        writeln!(err, "warning: {warning}.")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn place_of<'a>(effective: &'a [Effective], path: &str) -> &'a dyn std::fmt::Display {
    match effective.iter().find(|line| line.path == path) {
        Some(line) if line.origin != Origin::Default => &line.origin,
        Some(_) | None => &"smtp",
    }
}

/// As a TOML file that would have the same effect, secrets aside.
fn write_toml(effective: &[Effective], out: &mut impl Write) -> io::Result<()> {
    let mut current = "";
    for Effective { path, value, origin } in effective {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        if section != current {
            writeln!(out, "\n[{section}]")?;
            current = section;
        }
        match value {
            Some(value) => writeln!(out, "{:<44} # {origin}", format!("{key} = {value}"))?,
            None => writeln!(out, "# {key} is not set")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: ConfigArgs,
    }

    fn check(flags: &[&str], env: &[(&str, &str)]) -> (ExitCode, String, String) {
        let cli = Cli::parse_from(["config", "check"].iter().chain(flags));
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = print_to(&cli.config, env, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn says_what_holds_and_where_it_comes_from() {
        let env = [
            ("FRONTDESK_SMTP__HOST", "mail.example.com"),
            ("FRONTDESK_SMTP__USERNAME", "desk"),
            ("FRONTDESK_SMTP__PASSWORD", "hunter2"),
        ];
        let (code, out, err) = check(&["--listen", "0.0.0.0:8080"], &env);
        assert_eq!(code, ExitCode::SUCCESS, "{err}");
        for line in [
            "listen = \"0.0.0.0:8080\"                      # --listen",
            "data = \"./data\"                              # default",
            "# public_url is not set",
            "[smtp]",
            "host = \"mail.example.com\"                    # FRONTDESK_SMTP__HOST",
            "password = (hidden)                          # FRONTDESK_SMTP__PASSWORD",
        ] {
            assert!(out.lines().any(|found| found == line), "no line {line:?} in\n{out}");
        }
        assert!(!out.contains("hunter2"));
        assert!(err.starts_with("warning: public_url is not set while listening on 0.0.0.0:8080"), "{err}");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let (code, out, err) = check(&["--listen", "here"], &[("FRONTDESK_SMTP__HSOT", "mail")]);
        assert_eq!(code, ExitCode::from(BAD_CONFIGURATION));
        assert_eq!(out, "");
        assert!(err.contains("--listen: listen must be an IP address and a port"), "{err}");
        assert!(
            err.contains("FRONTDESK_SMTP__HSOT: unknown setting; did you mean FRONTDESK_SMTP__HOST?"),
            "{err}"
        );
    }

    #[test]
    fn finds_a_missing_certificate_file() {
        let env = [("FRONTDESK_SMTP__HOST", "mail"), ("FRONTDESK_SMTP__CA_FILE", "/nowhere/ca.pem")];
        let (code, _, err) = check(&[], &env);
        assert_eq!(code, ExitCode::from(BAD_CONFIGURATION));
        assert!(err.starts_with("FRONTDESK_SMTP__CA_FILE: smtp.ca_file names /nowhere/ca.pem"), "{err}");
    }
}
