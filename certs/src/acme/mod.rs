//! Certificates from an ACME authority (RFC 8555): when one is due, how it is had, where it is kept.
//!
//! [`Plan`] decides and reads no clock. [`obtain`] talks to the authority and proves control of the
//! names: the listeners answer from [`Answers`] (HTTP-01, TLS-ALPN-01 of RFC 8737), a program of the
//! administrator's publishes for DNS-01. [`Keeping`] is the folder with the account and what was
//! issued last.

mod answers;
mod client;
mod hook;
mod keeping;
mod plan;

use std::path::PathBuf;
use std::time::Duration;

pub use answers::{ALPN_PROTOCOL, Answers, HTTP_PATH};
pub use client::{AcmeError, Issued, obtain};
pub use keeping::{InUse, Keeping};
pub use plan::Plan;

/// The directory of Let's Encrypt, which is asked unless another is named.
pub const DIRECTORY_DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How control of a name is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// A file at port 80 (RFC 8555 §8.3).
    Http01,
    /// A certificate at port 443 (RFC 8737).
    TlsAlpn01,
    /// A TXT record (RFC 8555 §8.4).
    Dns01,
}

/// What an administrator decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address of the authority's directory, `https://…`.
    pub directory: String,
    /// Addresses the authority may write to, such as `mailto:admin@example.org`.
    pub contact: Vec<String>,
    /// How control is proved.
    pub challenge: Challenge,
    /// Names to have in the certificate, the host first.
    pub names: Vec<String>,
    /// Trusted instead of the system's authorities when asking, for private ACME servers: PEM.
    pub ca: Option<PathBuf>,
    /// Program and arguments that publish a TXT record; for DNS-01 only.
    pub hook: Vec<String>,
    /// How long one run of the program may take.
    pub hook_timeout: Duration,
    /// Wait between the program's end and the authority's look, for name servers to follow.
    pub hook_wait: Duration,
}
