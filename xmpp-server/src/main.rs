//! `conclave-xmpp-server`: streams, rooms and accounts; HTTPS for the web client.

mod acme;
mod certificates;
mod config;
mod control;
mod drive;
mod listen;
mod metrics;
mod secrets;
mod start;
mod store;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use config::Config;

/// Exit code of a mistake in the configuration (`EX_CONFIG` of sysexits).
const EXIT_CONFIG: u8 = 78;

/// The XMPP server of Conclave.
#[derive(Debug, Parser)]
#[command(name = "conclave-xmpp-server", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    /// Read the configuration, say what is wrong with it on standard output, and end.
    #[arg(long)]
    check_config: bool,
    /// Stop by itself when standard input ends.
    #[arg(long)]
    supervised: bool,
}

#[derive(Debug, Args)]
struct Options {
    /// The data directory.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Set a configuration key, such as xmpp-server.https_port=8443; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the administrator's requests, one JSON object a line, on standard input and output.
    Admin {
        #[command(flatten)]
        options: Options,
    },
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CONCLAVE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let options = match &line.command {
        Some(Command::Admin { options }) => options,
        None => &line.options,
    };
    let config = match Config::load(&options.data, &options.set) {
        Ok(_) if line.check_config => return ExitCode::SUCCESS,
        Ok(config) => config,
        Err(error) if line.check_config => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stdout(), "{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the process can't start its threads");
            return ExitCode::FAILURE;
        }
    };
    let result = match line.command {
        Some(Command::Admin { .. }) => runtime
            .block_on(control::speak_on_standard_streams(&config, &config.path(start::ADMIN_SOCKET)))
            .map_err(start::StartError::from),
        None => runtime.block_on(start::run(config, line.supervised)),
    };
    // A thread may sit in a read of standard input that never ends.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
