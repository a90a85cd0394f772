//! `frontdesk activity`: the log, checked, taken away, and its signed heads.

use std::{
    error::Error,
    fs,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use frontdesk_core::{
    activity::{
        seal::{self, Head, Hex},
        search::{Filter, Scan},
        verify::{self, Report},
    },
    time::Timestamp,
};

use super::database::{self, DatabaseArgs, Opened};
use crate::{
    activity,
    api::{activity::write, download::Format},
};

/// Check the activity log, or take it away
#[derive(Debug, Args)]
pub(super) struct ActivityArgs {
    #[command(subcommand)]
    command: ActivityCommand,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum ActivityCommand {
    /// Read the whole chain again: is every entry there, in its place, as it was written?
    #[command(after_help = "\
Finds entries that were changed, deleted, inserted or moved, an end that was cut
off, and personal data that was wiped without an erasure. Exits with 0 if the log
is whole, with 1 if it is not. A running service goes on meanwhile.

  frontdesk activity verify --config /etc/frontdesk/frontdesk.toml

Whoever has the database and master.key could write the log anew. Against that
keep heads where they cannot write, and give them to this command:

  frontdesk activity heads > /media/elsewhere/heads.jsonl      (now and then)
  frontdesk activity verify --heads /media/elsewhere/heads.jsonl \\
      --public-key 9c0f…                             (as `heads` printed it)

Entries of the last second are not sealed yet: of those it is only checked that
frontdesk wrote them, not that none is missing.")]
    Verify {
        /// Signed heads that were kept elsewhere, one JSON object a line, as `heads` prints them
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
        /// The log's public key, noted down elsewhere
        #[arg(long, value_name = "HEX")]
        public_key: Option<String>,
    },
    /// Every entry, the newest first, as CSV or JSON lines, on stdout
    Export {
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// From this instant on (2026-11-01T00:00:00Z)
        #[arg(long, value_name = "INSTANT")]
        from: Option<Timestamp>,
        /// Up to this instant
        #[arg(long, value_name = "INSTANT")]
        to: Option<Timestamp>,
    },
    /// The signed heads, the oldest first, one JSON object a line, on stdout; the public key goes to stderr
    Heads {
        /// Only heads at entries after this number
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        after: i64,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExportFormat {
    Csv,
    Jsonl,
}

pub(super) fn run(args: &ActivityArgs) -> ExitCode {
    database::run(&args.database, async |opened: &Opened| {
        let done = match &args.command {
            ActivityCommand::Verify { heads, public_key } => {
                return verify(opened, heads.as_ref(), public_key.as_deref()).await;
            }
            ActivityCommand::Export { format, from, to } => export(opened, *format, *from, *to).await,
            ActivityCommand::Heads { after } => heads(opened, *after).await,
        };
        match done {
            // Whoever read the output has seen enough (`| head`).
            Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            done => Ok(done.map(|()| ExitCode::SUCCESS)?),
        }
    })
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error(transparent)]
    Db(#[from] frontdesk_core::db::Error),
}

async fn verify(
    opened: &Opened,
    heads: Option<&PathBuf>,
    public_key: Option<&str>,
) -> Result<ExitCode, Box<dyn Error>> {
    let file = activity::seen_file(&opened.config);
    let seen = activity::seen(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut seen: Vec<Head> = seen.into_iter().collect();
    if let Some(file) = heads {
        seen.extend(read_heads(file)?);
    }
    let ours = verify::public_key(&opened.service);
    let other_key = public_key.is_some_and(|key| !key.trim().eq_ignore_ascii_case(&ours));
    let report = verify::verify(&opened.service, &seen).await?;
    if other_key {
        println!("WRONG  this log is signed with another key: {ours}");
    }
    for problem in &report.problems {
        println!("WRONG  {problem}");
    }
    if report.more > 0 {
        println!("WRONG  and {} more like these", report.more);
    }
    println!("{}", summary(&report));
    let whole = report.is_whole() && !other_key;
    println!("{}", if whole { "The log is whole." } else { "The log is NOT whole." });
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(report: &Report) -> String {
    let Report { entries, unsealed, waiting_since, erased, removed, head, .. } = report;
    let mut lines = format!("{entries} sealed entries read, {unsealed} not sealed yet");
    if let Some(since) = waiting_since {
        lines += &format!(" (since {since}; does the service run?)");
    }
    if *removed > 0 {
        lines += &format!("; {removed} before them were taken away by retention");
    }
    if *erased > 0 {
        lines += &format!("; of {erased} something personal was erased");
    }
    if let Some(head) = head {
        lines += &format!("\nhead: entry {}, {}, signed at {}", head.number, head.link, head.at);
    }
    lines
}

fn read_heads(file: &PathBuf) -> Result<Vec<Head>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let (file, number) = (file.display(), index + 1);
            serde_json::from_str(line).map_err(|error| format!("{file}, line {number}: {error}").into())
        })
        .collect()
}

async fn export(
    opened: &Opened,
    format: ExportFormat,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<(), Trouble> {
    let format = match format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Jsonl => Format::Jsonl,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut scan = Scan::new(Filter { from, to, ..Filter::default() }, None);
    let mut first = true;
    loop {
        let mut view = opened.service.read().await?;
        let entries = scan.next(&mut view).await?;
        let end = entries.is_none();
        if first || !end {
            out.write_all(&write(format, first, entries.unwrap_or_default()))?;
        }
        if end {
            return Ok(out.flush()?);
        }
        first = false;
    }
}

async fn heads(opened: &Opened, after: i64) -> Result<(), Trouble> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut after = Some(after);
    while let Some(number) = after {
        let mut view = opened.service.read().await?;
        let page = seal::heads(&mut view, number).await?;
        // The newest of all as well: it is signed, if not kept yet.
        let newest = page.head.filter(|head| page.next_after.is_none() && page.kept.last() != Some(head));
        for head in page.kept.iter().chain(newest.iter().filter(|head| head.number > number)) {
            serde_json::to_writer(&mut out, head).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        after = page.next_after;
    }
    out.flush()?;
    eprintln!("public key: {}", Hex(opened.service.log_key.public().to_vec()));
    Ok(())
}
