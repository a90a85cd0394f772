//! `frontdesk secrets rotate`: another master key, while the service runs.

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use frontdesk_core::{
    cx::{Caller, Service},
    db,
    secret::{
        nodes::{self, GONE_AFTER},
        rotation::{self, Pass, Rotation},
    },
};

use super::database::{self, DatabaseArgs, Opened};

/// Change the key that seals what the database keeps secret
#[derive(Debug, Args)]
pub(super) struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Make a new master key and seal everything again under it, while the service runs
    #[command(after_help = "\
Run it when somebody may have seen master.key, when a person leaves who could
read it, or once a year. Run it where the service runs, as its user, with its
--config or --data: it needs master.key and the database.

  frontdesk secrets rotate --config /etc/frontdesk/frontdesk.toml

Nothing stops meanwhile. Running nodes take the new key up by themselves within
a second, also into their own master.key: no file is copied. A node that was
switched off all the time does not start until you copy master.key from another
one to it. Interrupted at any moment, nothing is lost: run it again, and it goes
on where it stopped.

Afterwards the old key opens nothing in this database. Then
  - back up master.key: a backup of the old one does not fit any more
  - keep the old key only as long as you keep backups of the database that
    were made under it: they need it
  - if the old key was stolen together with a copy of the database, renew what
    that copy held: it is known")]
    Rotate,
}

pub(super) fn run(args: &SecretsArgs) -> ExitCode {
    let SecretsCommand::Rotate = args.command;
    database::run(&args.database, rotate)
}

async fn rotate(opened: &Opened) -> Result<ExitCode, Box<dyn Error>> {
    let service = &opened.service;
    let rotation = begin(service).await?;
    service.keys.keep_up(&service.db, &*service.chance).await?;
    let verb = if rotation.resumed { "going on with" } else { "began" };
    println!("{verb} the change from master key {} to {}", rotation.from, rotation.to);

    let pass = reseal(service, &rotation).await?;
    println!("sealed again: {}", pass.resealed);
    if pass.unreadable > 0 {
        eprintln!(
            "frontdesk: {} secrets are damaged and opened under neither key; they stay",
            pass.unreadable
        );
    }
    if !finish(service, &rotation, pass.unreadable).await? {
        return Ok(ExitCode::FAILURE);
    }
    service.keys.keep_up(&service.db, &*service.chance).await?;
    // A log that somebody else is reading is wiped when it is next full.
    _ = service.db.forget().await;
    let file = service.keys.file().map(|file| file.display().to_string()).unwrap_or_default();
    println!(
        "the master key is {} now, in {file}; back it up: the one before opens nothing any more",
        rotation.to
    );
    Ok(ExitCode::SUCCESS)
}

/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(100);
/// How often to try what stands back for others.
const TRIES: u32 = 100;

async fn begin(service: &Service) -> Result<Rotation, rotation::Error> {
    let mut tries = 0;
    loop {
        let begun = async {
            let mut cx = service.begin(Caller::command_line()).await?;
            let rotation = rotation::begin(&mut cx).await?;
            cx.commit().await?;
            Ok(rotation)
        };
        match begun.await {
            Err(rotation::Error::Raced | rotation::Error::Db(db::Error::TryAgain(_))) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

/// Seals again until nothing is left, however busy the service is with those rows.
async fn reseal(service: &Service, rotation: &Rotation) -> Result<Pass, db::Error> {
    let mut all = Pass::default();
    let mut tries = 0;
    loop {
        match rotation::reseal_pass(service, &Caller::command_line(), rotation).await {
            Ok(pass) => {
                all = Pass { resealed: all.resealed + pass.resealed, ..pass };
                if pass.left == 0 {
                    return Ok(all);
                }
            }
            Err(db::Error::TryAgain(_)) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits for the running nodes and makes the new key the only one. False if one of them cannot take it up.
async fn finish(service: &Service, rotation: &Rotation, unreadable: u64) -> Result<bool, rotation::Error> {
    // By then a node that died counts as gone.
    let patience = GONE_AFTER + Duration::from_secs(15);
    let (began, mut told, mut tries) = (Instant::now(), false, 0);
    loop {
        let finished = async {
            let mut cx = service.begin(Caller::command_line()).await?;
            let nodes = nodes::count(&mut cx).await?;
            rotation::finish(&mut cx, rotation, unreadable).await?;
            cx.commit().await?;
            Ok(nodes)
        };
        match finished.await {
            Ok(nodes) => {
                println!("running nodes that have the new key: {nodes}");
                return Ok(true);
            }
            Err(rotation::Error::Waiting(waiting)) => {
                let stuck = waiting.iter().any(|node| node.trouble.is_some());
                let over = stuck || began.elapsed() >= patience;
                if over || (!told && began.elapsed() > Duration::from_secs(3)) {
                    told = true;
                    eprintln!("waiting for nodes that do not have the new key yet:");
                    for node in waiting {
                        let trouble = node.trouble.unwrap_or_else(|| "it may have died".into());
                        eprintln!("  {}, last seen at {}: {trouble}", node.name, node.seen_at);
                    }
                }
                if over {
                    eprintln!(
                        "frontdesk: not finished; both keys hold until it is. Mend or stop those nodes, then run this \
                         command again"
                    );
                    return Ok(false);
                }
            }
            Err(rotation::Error::Db(db::Error::TryAgain(_))) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
