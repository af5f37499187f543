//! The connection to the XMPP server.

use std::time::Duration;

use xmpp_client::{Account, Client, Config, Event, Handle, Security, Trust};

use crate::config::{Settings, Tls};

/// First pause before another attempt to connect: server and focus are usually started together.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Longest pause: short, since every meeting waits for the focus.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Starts to connect and keeps at it.
pub(crate) fn connect(settings: &Settings, password: String) -> (Handle, tokio::sync::mpsc::Receiver<Event>) {
    let account = Account::Password { username: settings.username.clone(), password };
    let domain = settings.account_domain.to_string();
    let trust = Trust::PemFile(settings.ca_file.clone());
    let mut config = Config::new(settings.xmpp_host.clone(), settings.xmpp_port, domain.clone(), account);
    config.resource = Some(settings.core.nick.clone());
    config.retry_first = RETRY_FIRST;
    config.retry_max = RETRY_MAX;
    config.security = match settings.tls {
        Tls::Required => Security::StartTls { tls_name: domain, trust },
        Tls::IfPossible => Security::IfPossible { tls_name: domain, trust },
    };
    Client::start(config)
}
