//! The videobridge: forwards media between the members of a conference, told by the focus.

mod channel_ws;
mod config;
mod control;
mod control_http;
mod control_xmpp;
mod figures;
mod identity;
mod listen;
mod media;
mod media_link;
mod secret;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use jid::BareJid;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use videobridge_core::colibri::{AdvertisedAddress, Settings};
use videobridge_core::transport::Certificate;

use crate::config::Config;
use crate::control::{About, Control, EXPIRY_INTERVAL, VERSION};
use crate::control_xmpp::Brewery;
use crate::listen::Listener;
use crate::media::{Media, MediaConfig};

/// Exit code for a wrong configuration (`EX_CONFIG` of sysexits.h): starting again will not help.
const EXIT_CONFIGURATION: u8 = 78;

/// What is logged unless CONCLAVE_LOG says otherwise. The ICE and SCTP libraries write addresses of
/// participants into their warnings.
const LOG_DEFAULT: &str = "info,rtc_ice=error,rtc_sctp=error,rtc_stun=error";

/// Time the XMPP server has to take our leave.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// Forwards the media of meetings.
#[derive(Debug, Parser)]
#[command(name = "conclave-videobridge", version)]
struct Arguments {
    /// Data directory.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Override a configuration key: `videobridge.media_port=10000`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Read the configuration, say what is wrong with it on standard output, and end.
    #[arg(long)]
    check_config: bool,
    /// End when standard input closes.
    #[arg(long)]
    supervised: bool,
}

/// Why the process cannot run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("`{key}` is not valid: {reason}; correct it.")]
    Setting { key: &'static str, reason: String },
    #[error("cannot {what}: {reason}")]
    System { what: String, reason: std::io::Error },
}

impl Failure {
    fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |reason| Self::System { what, reason }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("CONCLAVE_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    if arguments.check_config {
        return match Config::read(&arguments.data, &arguments.overrides) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody may be listening any more.
                let _ = writeln!(std::io::stdout(), "{error}");
                ExitCode::from(EXIT_CONFIGURATION)
            }
        };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&arguments)),
        Err(error) => Err(Failure::system("start")(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{failure}");
            match failure {
                Failure::Config(_) | Failure::Setting { .. } => ExitCode::from(EXIT_CONFIGURATION),
                Failure::System { .. } => ExitCode::FAILURE,
            }
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::read(&arguments.data, &arguments.overrides)?;
    let data = &arguments.data;
    let mut random: StdRng = rand::make_rng();
    let nickname = match &config.xmpp.nickname {
        Some(nickname) => nickname.clone(),
        // Never the same twice: a bridge that starts again must not be taken for the one that died.
        None => format!("jvb-{:08x}", random.random::<u32>()),
    };
    let room = BareJid::new(&config.xmpp.brewery)
        .map_err(|error| Failure::Setting { key: "videobridge.brewery", reason: error.to_string() })?;
    let media = start_media(&config)?;
    let control = Arc::new(control(&config, nickname, &media, random));

    let listener = Listener::bind(data, &config.listen).await.map_err(Failure::system("open the HTTP interface"))?;
    tracing::info!(http = %listener.address(), media_port = media_port(&media.media), "videobridge is up");
    tracing::debug!(addresses = ?control.about.addresses, "told to clients");
    let router = control_http::router(Arc::clone(&control));
    let http = tokio::spawn(listener.serve(router));

    let password = match &config.xmpp.password {
        Some(password) => password.clone(),
        None => secret::password(data).map_err(Failure::system("read the password of the bridge's account"))?,
    };
    let stats_interval = Duration::from_millis(config.stats_interval_ms);
    let resource = identity::resource(data).map_err(Failure::system("name its session with the XMPP server"))?;
    let brewery = Brewery::start(Arc::clone(&control), &config.xmpp, password, resource, room, data, stats_interval);
    let xmpp = brewery.handle();
    let brewery = tokio::spawn(brewery.run());
    let expiry = tokio::spawn(expire_for_ever(Arc::clone(&control)));

    let mut http = http;
    let ended = tokio::select! {
        () = told_to_stop(arguments.supervised) => Ok(()),
        served = &mut http => match served {
            Ok(Err(error)) => Err(Failure::system("serve the HTTP interface")(error)),
            Ok(Ok(())) | Err(_) => Ok(()),
        },
    };
    expiry.abort();
    if tokio::time::timeout(FAREWELL_TIMEOUT, xmpp.close()).await.is_err() {
        tracing::debug!("the XMPP server did not take our leave in time");
    }
    brewery.abort();
    http.abort();
    drop(control);
    if tokio::time::timeout(FAREWELL_TIMEOUT, media.media.stop()).await.is_err() {
        tracing::debug!("open requests keep the media side; leaving it");
    }
    remove_socket(data, &config.listen);
    ended
}

/// The media side and what is known of it.
struct Started {
    media: Media,
    fingerprint: [u8; 32],
}

fn start_media(config: &Config) -> Result<Started, Failure> {
    let invalid = |reason: &str| std::io::Error::other(reason.to_owned());
    let certificate =
        Certificate::generate().ok_or_else(|| Failure::system("make a certificate")(invalid("no randomness")))?;
    let fingerprint = <[u8; 32]>::try_from(certificate.fingerprint().digest())
        .map_err(|_| Failure::system("make a certificate")(invalid("its digest is not SHA-256")))?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = MediaConfig { port: config.media_port, workers, certificate, version: VERSION.to_owned() };
    let media = Media::start(settings).map_err(Failure::system(format!("open UDP port {}", config.media_port)))?;
    Ok(Started { media, fingerprint })
}

/// What the control surfaces share.
fn control(config: &Config, nickname: String, started: &Started, random: StdRng) -> Control {
    let addresses = advertised(config, &started.media);
    let settings = Settings {
        addresses: addresses.clone(),
        fingerprint: started.fingerprint,
        web_socket_bases: vec![format!("{}/colibri-ws/{nickname}", config.websocket_origin)],
        sctp: config.sctp,
        advertise_private: config.advertise_private,
    };
    let about = About {
        server_id: nickname,
        region: config.region.clone(),
        rest: config.rest,
        addresses: addresses.iter().map(|advertised| advertised.address).collect(),
    };
    Control::new(settings, about, started.media.sender.clone(), random)
}

/// The addresses of our sockets, or those configured instead.
fn advertised(config: &Config, media: &Media) -> Vec<AdvertisedAddress> {
    if config.advertise.is_empty() {
        return media.addresses.iter().map(|&address| AdvertisedAddress { address, base: None }).collect();
    }
    let base_of = |ip: std::net::IpAddr| media.addresses.iter().copied().find(|base| base.is_ipv4() == ip.is_ipv4());
    let mut advertised: Vec<AdvertisedAddress> = Vec::new();
    for address in &config.advertise {
        let Some(base) = base_of(address.ip) else { continue };
        let own = media.addresses.iter().any(|base| base.ip() == address.ip);
        let address = std::net::SocketAddr::new(address.ip, address.port.unwrap_or(base.port()));
        advertised.push(AdvertisedAddress { address, base: (!own).then_some(base) });
    }
    advertised
}

/// The UDP port of media.
fn media_port(media: &Media) -> u16 {
    media.addresses.first().map_or(0, std::net::SocketAddr::port)
}

async fn expire_for_ever(control: Arc<Control>) {
    let mut tick = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        tick.tick().await;
        control.expire().await;
    }
}

/// Waits for SIGTERM or SIGINT, or, under a supervisor, for the end of standard input.
async fn told_to_stop(supervised: bool) {
    let signalled = async |kind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!("cannot wait for a signal: {error}");
            std::future::pending::<()>().await;
        }
    };
    let input_closed = async {
        if !supervised || closed_input().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = signalled(SignalKind::terminate()) => {}
        () = signalled(SignalKind::interrupt()) => {}
        () = input_closed => {}
    }
    tracing::info!("stopping");
}

/// Ends when standard input does. A thread of its own: a read cannot be called off, and must not keep the process.
async fn closed_input() -> Result<(), tokio::sync::oneshot::error::RecvError> {
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // What is said there does not matter, nor does how it ends.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    has_ended.await
}

fn remove_socket(data: &Path, listen: &config::Listen) {
    if let config::Listen::Unix(path) = listen
        && let Err(error) = std::fs::remove_file(data.join(path))
    {
        tracing::debug!("the HTTP socket could not be removed: {error}");
    }
}
