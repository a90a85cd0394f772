//! The command line.

mod activity;
mod ban;
pub mod config;
pub mod database;
pub mod mailbox;
pub mod plugin;
mod secrets;
mod serve;
mod staff;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// Staff, users, accounts and invitations of a hosting provider, with sandboxed notification plugins and widgets.
#[derive(Debug, Parser)]
#[command(
    name = "frontdesk",
    version,
    max_term_width = 100,
    after_help = "\
First steps:
  frontdesk serve         serves on http://127.0.0.1:8080, with SQLite in ./data, and
                          prints the link by which the first administrator comes in
  frontdesk mailbox       shows the mail that went out while there is no SMTP server
  frontdesk config check  explains what is wrong with a configuration
  frontdesk staff --help  lets staff in again when nobody gets in any more"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and deliver mail, until told to stop
    Serve(serve::ServeArgs),
    /// Look at the built-in mailbox
    Mailbox(mailbox::MailboxArgs),
    /// Check a configuration
    Config(config::ConfigArgs),
    Plugin(plugin::PluginArgs),
    Secrets(secrets::SecretsArgs),
    Ban(ban::BanArgs),
    Activity(activity::ActivityArgs),
    Staff(staff::StaffArgs),
    /// Compile the component on stdin to native code on stdout; what `serve` starts to do it at arm's length
    #[command(hide = true)]
    CompileComponent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        limits: Vec<String>,
    },
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Mailbox(args) => mailbox::run(args),
        Command::Config(args) => config::run(args),
        Command::Plugin(args) => plugin::run(&args, &mut io::stdout().lock(), &mut io::stderr().lock())
            .unwrap_or(ExitCode::FAILURE),
        Command::Secrets(args) => secrets::run(&args),
        Command::Ban(args) => ban::run(&args),
        Command::Activity(args) => activity::run(&args),
        Command::Staff(args) => staff::run(&args),
        Command::CompileComponent { limits: _ } => crate::plugins::compile::child_main(),
    }
}
