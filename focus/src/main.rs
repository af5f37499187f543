//! `conclave-focus`: the conference focus. Connects to the XMPP server, answers conference requests, puts participants
//! onto bridges.

mod config;
mod drive;
mod http;
mod listen;
mod metrics;
mod password;
mod random;
mod xmpp;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use focus_core::focus::Focus;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::config::Settings;
use crate::drive::{Drive, QUERIES_MAX};

/// The configuration cannot be used (sysexits.h, `EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// The conference focus of Conclave.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Directory with the configuration, secrets and sockets.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Override a key of the configuration, for example focus.xmpp_port=5222.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Read the configuration, say what is wrong with it on standard output, and end.
    #[arg(long)]
    check_config: bool,
    /// End when standard input ends, so as not to outlive the supervisor.
    #[arg(long)]
    supervised: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("CONCLAVE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let settings = match config::load(&arguments.data, &arguments.set) {
        Ok(_) if arguments.check_config => return ExitCode::SUCCESS,
        Ok(settings) => settings,
        Err(error) if arguments.check_config => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stdout(), "{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    // One thread: the work of a focus is small, and order is simple this way.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(settings, arguments.supervised)),
        Err(error) => Err(format!("the process cannot start: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings, supervised: bool) -> Result<(), String> {
    let password = password::load_or_create(&settings.password_file)
        .map_err(|error| format!("{} cannot be used: {error}", settings.password_file.display()))?;
    let (queries, asked) = mpsc::channel(QUERIES_MAX);
    listen::serve(&settings.http, http::router(queries))
        .await
        .map_err(|error| format!("HTTP cannot be served: {error}; check `focus.http`"))?;
    let (handle, events) = xmpp::connect(&settings, password);
    let focus = Focus::new(settings.core, Box::new(random::OperatingSystem::default()));
    let stop = stop(supervised).map_err(|error| format!("signals cannot be waited for: {error}"))?;
    Drive::new(focus, handle, events, asked).run(stop).await;
    tracing::info!("stopped");
    Ok(())
}

/// Done when the process is asked to end.
fn stop(supervised: bool) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (orphaned, orphan) = tokio::sync::oneshot::channel::<()>();
    if supervised {
        std::thread::spawn(move || {
            let mut discarded = [0; 64];
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut discarded), Ok(1..)) {}
            drop(orphaned);
        });
    } else {
        // Never said.
        std::mem::forget(orphaned);
    }
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = orphan => {}
        }
    })
}
