//! Boot in visible order, and the orderly end.

use std::sync::Arc;

use certs::acme::{ALPN_PROTOCOL, Challenge};
use jid::BareJid;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use xmpp_server_core::account::PasswordPolicy;
use xmpp_server_core::component::Component;
use xmpp_server_core::hosts::Hosts;
use xmpp_server_core::muc::rooms::Rooms;
use xmpp_server_core::muc::settings::Settings;
use xmpp_server_core::roster::NS_ROSTER;
use xmpp_server_core::server::{Server, ServerSettings};
use xmpp_server_core::service::focus_gateway::FocusGateway;
use xmpp_server_core::service::host::Host;
use xmpp_server_core::service::register::NS_REGISTER;

use crate::acme;
use crate::certificates::Certificates;
use crate::config::{Acme, Config};
use crate::control::{Control, Ports, Running};
use crate::drive::Drive;
use crate::listen::challenges;
use crate::listen::config_js::ClientConfig;
use crate::listen::http::{self, Entry};
use crate::listen::socket;
use crate::listen::tcp::{self, Tls};
use crate::listen::website::Website;
use crate::metrics;
use crate::secrets::ensure_service_account;
use crate::store::answer::AccountDesk;
use crate::store::{Store, StoreError};

/// The administrator's socket, in the data directory.
pub(crate) const ADMIN_SOCKET: &str = "run/admin.sock";
/// Accounts that focus and bridges sign in to.
const SERVICE_ACCOUNTS: [&str; 2] = ["focus", "jvb"];

/// Why the server can't start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The account store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The certificate.
    #[error("the certificate can't be used: {0}")]
    Certificate(#[from] certs::CertError),
    /// TLS itself.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The domain.
    #[error("the host can't have services below it: {0}; please choose a shorter host")]
    Host(#[from] jid::Error),
    /// A listener.
    #[error("{what} can't listen on {address} ({source}): is another server running there? Set {key} to change it")]
    Listen {
        /// For people.
        what: &'static str,
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
        /// The configuration key.
        key: &'static str,
    },
    /// The operating system.
    #[error("the operating system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Runs until told to stop.
pub(crate) async fn run(config: Config, supervised: bool) -> Result<(), StartError> {
    let store = Arc::new(Store::open(&config.path("accounts.sqlite"))?);
    for name in SERVICE_ACCOUNTS {
        let account = BareJid::new(&format!("{name}@auth.{}", config.host))?;
        ensure_service_account(&store, &config.path("secrets"), name, &account)?;
    }

    let certificates = Arc::new(Certificates::open(&config)?);
    let xmpp_tls = acceptor(certificates.resolver(), &[b"xmpp-client"])?;
    let starttls = acceptor(certificates.resolver(), &[])?;
    let by_tls = config.acme.as_ref().is_some_and(|acme| acme.settings.challenge == Challenge::TlsAlpn01);
    let https_protocols: &[&[u8]] = if by_tls { &[b"http/1.1", ALPN_PROTOCOL] } else { &[b"http/1.1"] };
    let https_tls = acceptor(certificates.resolver(), https_protocols)?;

    let (answer_sender, answers) = mpsc::unbounded_channel();
    let desk = AccountDesk::new(Arc::clone(&store), config.scram_iterations, answer_sender)?;
    let server = server(&config, &store)?;
    let (drive, driver) = Drive::new(server, desk, answers);

    let listen = |port: u16, what: &'static str, key: &'static str| {
        let address = config.listen;
        async move {
            let listener = socket::listen(address, port).await.map_err(|source| StartError::Listen {
                what,
                address: std::net::SocketAddr::new(address, port).to_string(),
                source,
                key,
            })?;
            let port = listener.local_addr()?.port();
            Ok::<_, StartError>((listener, port))
        }
    };
    let (c2s, c2s_port) = listen(config.c2s_port, "XMPP", "xmpp-server.c2s_port").await?;
    let (c2s_tls, c2s_tls_port) = listen(config.c2s_tls_port, "XMPP over TLS", "xmpp-server.c2s_tls_port").await?;
    let (https, https_port) = listen(config.https_port, "HTTPS", "xmpp-server.https_port").await?;
    let challenges = match &config.acme {
        Some(acme) if acme.settings.challenge == Challenge::Http01 => {
            Some(listen(acme.http_port, "HTTP for ACME", "certs.acme.http_port").await?.0)
        }
        _ => None,
    };
    let ports = Ports { https: https_port, c2s: c2s_port, c2s_tls: c2s_tls_port };

    let admin_path = config.path(ADMIN_SOCKET);
    let admin = socket::listen_unix(&admin_path).map_err(|source| StartError::Listen {
        what: "The administrator's socket",
        address: admin_path.display().to_string(),
        source,
        key: "--data",
    })?;
    let control = Arc::new(Control::new(
        &config,
        Arc::clone(&store),
        Some(Running { driver: driver.clone(), ports, certificates: Arc::clone(&certificates) }),
    ));

    let website = Website::new(
        config.web_root.clone(),
        ClientConfig {
            host: config.host.clone(),
            auth_required: config.auth_required,
            overrides: config.web_config.clone(),
        },
    );
    let entry = Entry::new(
        config.host.clone(),
        website,
        driver.clone(),
        config.focus_http.clone(),
        config.videobridge_http.clone(),
        config.trusted_proxies.clone(),
        Arc::clone(&certificates),
    );
    tokio::spawn(tcp::serve(c2s, Tls::Start, starttls, driver.clone()));
    tokio::spawn(tcp::serve(c2s_tls, Tls::Direct, xmpp_tls, driver.clone()));
    tokio::spawn(http::serve(https, https_tls, entry));
    tokio::spawn(control.serve(admin));
    if let Some(address) = config.metrics_listen.clone() {
        let (driver, certificates) = (driver.clone(), Arc::clone(&certificates));
        tokio::spawn(async move {
            if let Err(error) = metrics::serve(address, driver, certificates).await {
                tracing::error!(%error, "figures can't be served; please check xmpp-server.metrics_listen");
            }
        });
    }
    if let Some(Acme { settings, .. }) = config.acme.clone() {
        let answers = Arc::clone(certificates.resolver().answers());
        if let Some(listener) = challenges {
            let website = public_url(&config, https_port);
            tokio::spawn(challenges::serve(listener, Arc::clone(&answers), website));
        }
        tokio::spawn(acme::keep(settings, Arc::clone(&certificates), answers));
    }
    tokio::spawn(certificates.keep());
    tracing::info!(host = %config.host, https_port, c2s_port, c2s_tls_port, "the XMPP server is ready");

    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(drive.run(stopped));
    wait_for_end(supervised).await?;
    tracing::info!("the XMPP server stops");
    // The loop ends by itself only with the process.
    let _ = stop.send(());
    if let Err(error) = running.await {
        tracing::error!(%error, "the main loop broke");
    }
    if let Err(error) = std::fs::remove_file(&admin_path) {
        tracing::debug!(%error, "the administrator's socket was gone already");
    }
    Ok(())
}

fn server(config: &Config, store: &Store) -> Result<Server, StartError> {
    let mut settings = Settings::new(&config.host, rand::random())?;
    settings.admins = config.admins.clone();
    settings.external_services = config.external_services.clone();
    let focus_account = settings.focus_account.clone();
    let features = vec![NS_ROSTER.to_owned(), NS_REGISTER.to_owned()];
    let components: Vec<Box<dyn Component>> = vec![
        Box::new(Host::new(settings.clone(), features)),
        Box::new(FocusGateway::new(format!("focus.{}", config.host), focus_account)),
        Box::new(Rooms::new(settings)),
    ];
    Ok(Server::new(
        ServerSettings {
            hosts: Hosts { domain: config.host.clone(), auth_required: config.auth_required },
            admins: config.admins.clone(),
            policy: PasswordPolicy { characters_min: config.password_characters_min },
            iterations: config.scram_iterations,
            server_secret: store.secret("pretended salts")?,
            client_bytes_per_s: config.client_bytes_per_s,
        },
        components,
    ))
}

fn acceptor(certificates: &Arc<certs::Resolver>, protocols: &[&[u8]]) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificates) as Arc<dyn rustls::server::ResolvesServerCert>);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Where people are sent who come over plain HTTP.
fn public_url(config: &Config, https_port: u16) -> String {
    let port = if https_port == 443 { String::new() } else { format!(":{https_port}") };
    // An IPv6 address stands in brackets in a URL (RFC 3986 §3.2.2).
    let bare_v6 = config.host.contains(':') && !config.host.starts_with('[');
    let host = if bare_v6 { format!("[{}]", config.host) } else { config.host.clone() };
    config.public_url.clone().unwrap_or_else(|| format!("https://{host}{port}"))
}

/// Waits for SIGTERM, SIGINT, or the end of the supervisor.
async fn wait_for_end(supervised: bool) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let supervisor_gone = async {
        if !supervised {
            std::future::pending::<()>().await;
        }
        let mut stdin = tokio::io::stdin();
        let mut buffer = [0; 256];
        while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = supervisor_gone => {}
    }
    Ok(())
}
