//! `frontdesk ban`: who is kept out by address, when the API is out of reach or when it is quicker.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use frontdesk_core::{
    cx::{Caller, Cx},
    ids::BanId,
    limits::bans::{self, Ban},
    page::PageRequest,
};

use super::database::{self, DatabaseArgs, Opened};

/// Keep addresses out, and let them in again
#[derive(Debug, Args)]
#[command(after_help = "A running service takes notice within a second.")]
pub(super) struct BanArgs {
    #[command(subcommand)]
    command: BanCommand,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum BanCommand {
    /// One line per ban, newest first: network, kind, end, id, reason
    List,
    /// Refuse everything from a network
    Add {
        /// Address or network (192.0.2.0/24); an IPv6 address alone means its /64
        network: String,
        /// One line, for whoever looks at the list
        #[arg(long, default_value = "")]
        reason: String,
        /// How long, up to ten years [default: until it is lifted]
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=5_256_000))]
        minutes: Option<u32>,
    },
    /// Lift the bans of a network, automatic ones as well
    Lift {
        /// As the list shows it
        #[arg(value_name = "NETWORK-or-ID")]
        what: String,
    },
}

pub(super) fn run(args: &BanArgs) -> ExitCode {
    database::run(&args.database, async |opened: &Opened| {
        let said = match &args.command {
            BanCommand::List => list(opened).await?,
            BanCommand::Add { network, reason, minutes } => add(opened, network, reason, *minutes).await?,
            BanCommand::Lift { what } => lift(opened, what).await?,
        };
        match io::stdout().write_all(said.as_bytes()) {
            // Whoever read the output has seen enough (`| head`).
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn list(opened: &Opened) -> Result<String, Box<dyn Error>> {
    let mut view = opened.service.read().await?;
    let (mut lines, mut cursor) = (String::new(), None);
    loop {
        let request = PageRequest::new(PageRequest::MOST, cursor.as_deref(), false).map_err(|_| "no page")?;
        let page = bans::list(&mut view, &request).await?;
        lines.extend(page.items.iter().map(line));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(if lines.is_empty() { "No address is banned.\n".into() } else { lines })
}

fn line(ban: &Ban) -> String {
    let Ban { id, network, kind, reason, expires_at, .. } = ban;
    let end = expires_at.map_or_else(|| "until lifted".to_owned(), |at| format!("until {at}"));
    format!("{network}  {kind}  {end}  {id}  {reason}\n")
}

async fn add(
    opened: &Opened,
    network: &str,
    reason: &str,
    minutes: Option<u32>,
) -> Result<String, Box<dyn Error>> {
    let mut cx = opened.service.begin(Caller::command_line()).await?;
    let minute = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
    let end = minutes.map(|minutes| opened.service.clock.now().plus(minute(minutes)));
    let ban = bans::ban(&mut cx, network, reason, end).await.map_err(explain)?;
    cx.commit().await?;
    Ok(line(&ban))
}

async fn lift(opened: &Opened, what: &str) -> Result<String, Box<dyn Error>> {
    let mut cx = opened.service.begin(Caller::command_line()).await?;
    let lifted = lift_either(&mut cx, what).await.map_err(explain)?;
    cx.commit().await?;
    if lifted == 0 {
        return Err(format!("nothing bans exactly {what}; frontdesk ban list shows what there is").into());
    }
    Ok(format!("Lifted {lifted}.\n"))
}

async fn lift_either(cx: &mut Cx, what: &str) -> Result<usize, bans::Error> {
    match what.parse::<BanId>() {
        Ok(id) => match bans::lift(cx, id).await {
            Ok(()) => Ok(1),
            Err(bans::Error::NotFound) => Ok(0),
            Err(error) => Err(error),
        },
        Err(_) => bans::lift_network(cx, what).await,
    }
}

/// In the words of whoever typed it.
fn explain(error: bans::Error) -> Box<dyn Error> {
    match error {
        bans::Error::Invalid(invalid) => {
            let said: Vec<_> = invalid.0.into_iter().map(|error| error.message).collect();
            said.join(" ").into()
        }
        bans::Error::NotFound => "there is no such ban".into(),
        bans::Error::Db(error) => error.into(),
    }
}
