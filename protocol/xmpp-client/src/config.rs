//! What a connection needs to know.

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

/// Settings of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
pub struct Config {
    /// Host name or address to dial.
    pub host: String,
    /// Port to dial.
    pub port: u16,
    /// Domain of the account: the `to` of the stream.
    pub domain: String,
    /// Who logs in.
    pub account: Account,
    /// Resource to ask for; the server chooses when absent.
    pub resource: Option<String>,
    /// How the connection is protected.
    pub security: Security,
    /// Time an answer to a request may take.
    pub request_timeout: Duration,
    /// Time from dialling to being logged in.
    pub connect_timeout: Duration,
    /// Wait before the second attempt; doubles with each further one.
    pub retry_first: Duration,
    /// Longest wait between attempts.
    pub retry_max: Duration,
    /// Silence after which the server is asked for a sign of life.
    pub keepalive: Duration,
    /// Time it may take to give one.
    pub keepalive_timeout: Duration,
    /// Stanzas that wait to be sent; further ones are refused.
    pub send_queue_max: usize,
    /// Events that wait to be read; further ones make the connection wait.
    pub event_queue_max: usize,
}

impl Config {
    /// The usual settings for an account of `domain` reached at `host`:`port`.
    pub fn new(host: impl Into<String>, port: u16, domain: impl Into<String>, account: Account) -> Self {
        let domain = domain.into();
        Self {
            host: host.into(),
            port,
            security: Security::StartTls { tls_name: domain.clone(), trust: Trust::Certificates(Vec::new()) },
            domain,
            account,
            resource: None,
            request_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(15),
            retry_first: Duration::from_millis(50),
            retry_max: Duration::from_secs(2),
            keepalive: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(15),
            send_queue_max: 4096,
            event_queue_max: 4096,
        }
    }
}

/// Who logs in.
#[derive(Clone)]
pub enum Account {
    /// A guest, RFC 4505.
    Anonymous,
    /// An account; SCRAM where the server has it, else PLAIN.
    Password {
        /// Local part.
        username: String,
        /// Password.
        password: String,
    },
}

impl fmt::Debug for Account {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { username, .. } => {
                f.debug_struct("Password").field("username", username).finish_non_exhaustive()
            }
        }
    }
}

/// How a connection is protected.
#[derive(Debug, Clone)]
pub enum Security {
    /// STARTTLS, required.
    StartTls {
        /// Name the certificate must be for.
        tls_name: String,
        /// Who may have signed it.
        trust: Trust,
    },
    /// STARTTLS when the server offers it, else in the clear; refused at login when the peer is not on this machine.
    IfPossible {
        /// Name the certificate must be for.
        tls_name: String,
        /// Who may have signed it.
        trust: Trust,
    },
    /// In the clear; refused when the peer is not on this machine.
    Plain,
}

/// Whom a certificate may be signed by.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The authorities in this PEM file. Read at each attempt: it may be made or replaced while we wait.
    PemFile(PathBuf),
    /// These authorities.
    Certificates(Vec<CertificateDer<'static>>),
    /// Anybody: the connection is encrypted, but nobody knows with whom.
    Anyone,
}
