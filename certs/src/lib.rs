//! Certificates that simply work.
//!
//! First start makes a **local certificate authority** and a server certificate signed by it
//! ([`local_ca`]). The authority is constrained to this server's own names and to private
//! addresses, so that trusting it never lets anyone speak for another site. An administrator may
//! [`import`] a certificate made elsewhere or have one ordered from an ACME authority ([`acme`]), and a served certificate is replaced without a restart
//! ([`reload`]). [`trust`] puts the authority into the stores that people's programs read, and
//! [`inspect`] says what a certificate is in words.
//!
//! All files live in one directory (`DATA/certs`): `ca.pem`, `ca.key`, `server.pem` (chain, leaf
//! first) and `server.key`; `service.pem` and `service.key` when the served certificate is not the
//! local authority's. Keys are readable by their owner only, every write is atomic.

pub mod acme;
mod chain;
mod error;
pub mod expiry;
mod files;
pub mod import;
pub mod inspect;
pub mod local_ca;
pub mod names;
mod pair;
pub mod profile;
pub mod reload;
pub mod request;
pub mod trust;

pub use chain::system_authorities;
pub use error::CertError;
pub use expiry::{Reminder, Validity};
pub use inspect::CertificateSummary;
pub use local_ca::{Served, load_or_create};
pub use names::ServerNames;
pub use reload::Resolver;

/// File names within the certificate directory.
pub mod file {
    /// The local authority's certificate, PEM.
    pub const CA_CERTIFICATE: &str = "ca.pem";
    /// The local authority's private key, PEM (PKCS #8), owner-readable only.
    pub const CA_KEY: &str = "ca.key";
    /// The served chain, PEM, leaf first.
    pub const SERVER_CHAIN: &str = "server.pem";
    /// The served private key, PEM, owner-readable only.
    pub const SERVER_KEY: &str = "server.key";
    /// The chain for the focus and the bridges when the served one is not the local authority's.
    pub const SERVICE_CHAIN: &str = "service.pem";
    /// Its private key, PEM, owner-readable only.
    pub const SERVICE_KEY: &str = "service.key";
    /// Held while any of the above is being made, so that two processes starting at once agree.
    pub const LOCK: &str = ".lock";
}
