//! `frontdesk plugin …`: what an author and an operator do with plugins from the command line.

mod build;
mod cargo;
mod describe;
mod inspect;
mod source;
mod toolchain;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Build plugins, and look into built ones
#[derive(Debug, clap::Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    Build(build::BuildArgs),
    Inspect(inspect::InspectArgs),
}

/// Prints to `out` what was done or found and to `err` what is wrong. Fails when something is.
///
/// # Errors
///
/// Only if it cannot print.
pub fn run(args: &PluginArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    match &args.command {
        PluginCommand::Build(args) => build::run(args, out, err),
        PluginCommand::Inspect(args) => inspect::run(args, out, err),
    }
}

/// "402 KB", "1.2 MB": thousands, as file managers count.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tenths of a megabyte, rounded, from where kilobytes would have four digits.
        match self.0 {
            bytes @ 0..1_000 => write!(f, "{bytes} B"),
            bytes @ 1_000..999_500 => write!(f, "{} KB", (bytes + 500) / 1_000),
            bytes => write!(f, "{}.{} MB", (bytes + 50_000) / 1_000_000, (bytes + 50_000) / 100_000 % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most() {
        let text = |bytes| Size(bytes).to_string();
        assert_eq!(text(999), "999 B");
        assert_eq!(text(1_000), "1 KB");
        assert_eq!(text(401_573), "402 KB");
        assert_eq!(text(999_499), "999 KB");
        assert_eq!(text(999_500), "1.0 MB");
        assert_eq!(text(1_249_999), "1.2 MB");
        assert_eq!(text(17_960_000), "18.0 MB");
    }
}
