//! `frontdesk serve`.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use tokio::{net::TcpListener, sync::watch, time::MissedTickBehavior};
use tracing_subscriber::EnvFilter;

use crate::{
    App, Surroundings, activity, bans, build,
    config::{Config, LogFormat, Overrides, environment},
    delivery, live, programs, recovery, router, seen, server, standing,
};

#[derive(Debug, Args)]
#[command(after_help = "\
On stdout it prints the address it listens on and, while there is no member of staff, the first administrator's
link, fresh at every start and good for 24 hours. Logs go to stderr. SIGTERM and SIGINT stop it gracefully.

Every setting of the configuration file can also be given as a variable: FRONTDESK_PUBLIC_URL, FRONTDESK_SMTP__HOST.")]
pub(super) struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "FRONTDESK_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// How long the end waits for what does not answer.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

pub(super) fn run(args: ServeArgs) -> ExitCode {
    let config = match Config::load(args.config.as_deref(), environment(), &args.overrides) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(2);
        }
    };
    log_to_stderr(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("frontdesk: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(CLOSED_WITHIN);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("frontdesk: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(config: &Config) {
    // That one repeats in its log what clients send.
    let quiet = "webauthn_rs_core=off".parse().expect("a target and a level");
    let filter = EnvFilter::new(&config.log.level).add_directive(quiet);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log.format {
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; another service may hold the port, choose one with --listen",
            config.listen
        )
    })?;
    let bound = listener.local_addr()?;
    let grace = config.limits.shutdown;
    let app = build(config, Surroundings::at(bound)).await?;
    let router = router(app.clone());

    let (stop, stopped) = watch::channel(());
    let worker = tokio::spawn(delivery::run(app.clone(), stopped.clone()));
    let housekeeping = tokio::spawn(keep_house(app.clone(), stopped.clone()));
    let looking_up = tokio::spawn(recovery::run(app.clone(), stopped.clone()));
    let standing = tokio::spawn(standing::keep(app.clone(), stopped.clone()));
    let (finished, all_finished) = watch::channel(());
    let sealing = tokio::spawn(activity::run(app.clone(), all_finished));

    // Before anybody knows that there is something to stop.
    let asked_to_stop = asked_to_stop()?;
    announce(&app, bound).await?;
    let server = tokio::spawn(server::serve(listener, router, stopped));

    asked_to_stop.await;
    tracing::info!("stopping: no new requests, what runs is finished");
    app.stop();
    drop(stop);
    let finish = async {
        _ = server.await;
        _ = worker.await;
        _ = housekeeping.await;
        _ = looking_up.await;
        _ = standing.await;
        // Last: what the others wrote is sealed, too.
        drop(finished);
        _ = sealing.await;
    };
    if tokio::time::timeout(grace, finish).await.is_err() {
        tracing::warn!(seconds = grace.as_secs(), "stopping although something is still running");
    }
    // A database that does not answer holds nobody up: what was confirmed is kept.
    _ = tokio::time::timeout(CLOSED_WITHIN, app.close()).await;
    Ok(())
}

async fn announce(app: &App, bound: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let link = app.first_administrator().await?;
    let mut lines = format!("listening on http://{bound}\n");
    if let Some(link) = link {
        lines += &format!("first administrator: {link}\n");
    }
    // At once: whoever waits for the first line finds the second one, too.
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes down when sessions were last used: once a minute, when one is about to count as idle, and in the end.
async fn keep_house(app: App, mut stopped: watch::Receiver<()>) {
    let mut minute = tokio::time::interval(seen::WRITE_EVERY);
    let mut second = tokio::time::interval(live::REFRESH_EVERY);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            _ = second.tick() => {
                if let Err(error) = live::refresh(&app).await {
                    tracing::warn!(%error, "the settings could not be read again; trying again in a second");
                }
                if let Err(error) = bans::refresh(&app).await {
                    tracing::warn!(%error, "the bans could not be read again; trying again in a second");
                }
                continue;
            }
            _ = minute.tick() => {
                if let Err(error) = bans::clear(&app).await {
                    tracing::warn!(%error, "old bans could not be cleared away; trying again in a minute");
                }
                if let Err(error) = recovery::tidy(&app).await {
                    tracing::warn!(%error, "what is over could not be cleared away; trying again in a minute");
                }
                false
            }
            () = app.seen().hurried() => false,
            _ = stopped.changed() => true,
        };
        if let Err(error) = programs::write(&app).await {
            tracing::warn!(%error, "when programs last called could not be written down; trying again in a minute");
        }
        if let Err(error) = seen::write(&app).await {
            tracing::warn!(%error, "when sessions were last used could not be written down; trying again in a minute");
        }
        if last {
            return;
        }
    }
}

fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
