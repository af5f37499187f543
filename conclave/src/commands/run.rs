//! `conclave run`.

use std::process::ExitCode;
use std::time::SystemTime;

use protocol::admin::{Request, Success};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::say;
use crate::cli::Run;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::supervise::status::Status;
use crate::supervise::{Plan, Supervisor};

/// Name of the account that the link printed at first start is for.
const FIRST_ACCOUNT: &str = "admin";

/// Starts everything and stays until Ctrl-C or SIGTERM.
pub(crate) async fn run(data: &DataDirectory, flags: &Run) -> Result<ExitCode, Failure> {
    let filter = EnvFilter::try_from_env("CONCLAVE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let mut data = data.clone();
    let first_start = data.prepare()?;
    let settings = Settings::read(&data, flags)?;
    let names = certs::ServerNames::new(&settings.host, &settings.certificate_names)
        .map_err(|e| Failure::configuration(e.to_string()))?;
    certs::load_or_create(&data.certificates(), &names, SystemTime::now())?;

    let stopped = stop_signal()?;
    let plan = Plan { data: data.clone(), host: settings.host.clone(), overrides: overrides(flags, &settings) };
    let mut supervisor = Supervisor::new(plan).await?;
    let outcome = supervisor.run(stopped, async |status| greet(&data, status, first_start).await).await;
    supervisor.stop().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn overrides(flags: &Run, settings: &Settings) -> Vec<String> {
    let mut overrides = vec![format!("host={}", settings.host)];
    let ports = [
        ("xmpp-server.https_port", flags.https),
        ("xmpp-server.c2s_port", flags.c2s),
        ("xmpp-server.c2s_tls_port", flags.c2s_tls),
        ("videobridge.media_port", flags.media),
    ];
    overrides.extend(ports.into_iter().filter_map(|(key, port)| Some(format!("{key}={}", port?))));
    overrides.extend(flags.set.iter().cloned());
    overrides
}

fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::here(format!("cannot listen for signals: {e}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// Said once, when a meeting is possible. The `Ready:` line stands alone for programs to find.
async fn greet(data: &DataDirectory, status: &Status, first_start: bool) {
    let Some(url) = &status.url else { return };
    if first_start {
        let request = Request::UserInvite { name: Some(FIRST_ACCOUNT.to_owned()), lifetime_s: None };
        if let Some(Success { invite: Some(invite), .. }) = crate::admin::ask_running(data, &request).await {
            say(&format!("Your own account \"{FIRST_ACCOUNT}\": set its password once at {}", invite.link));
        }
        if matches!(certs::local_ca::is_served(&data.certificates()), Ok(true)) {
            say("The certificate is made by this server. To trust it on this machine: conclave cert trust");
            say(&format!("For phones and other devices: open {url}trust there."));
        }
    }
    say(&format!("Ready: {url}"));
}
