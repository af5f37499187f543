use std::path::PathBuf;

/// What can go wrong with certificates. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file could not be read or written.
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// The file concerned.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// A file holds something other than the PEM it should.
    #[error("{path} is not {expected}; give a file in PEM form (it begins with -----BEGIN)", path = .path.display())]
    NotPem {
        /// The file concerned.
        path: PathBuf,
        /// What was expected in it.
        expected: &'static str,
    },
    /// The certificate and the key do not belong together.
    #[error("the private key does not belong to the certificate; give the key that the certificate was requested with")]
    KeyMismatch,
    /// The key's kind or size is one that TLS stacks refuse.
    #[error("the private key cannot be used for TLS ({0}); use an ECDSA P-256 or an RSA key of 2048 bits or more")]
    UnusableKey(String),
    /// The certificate is for other names.
    #[error("the certificate is for {found}, not for {wanted}; request one that names {wanted}")]
    WrongName {
        /// The host that must be covered.
        wanted: String,
        /// The names it covers, comma separated.
        found: String,
    },
    /// The certificate's validity has ended or has not begun.
    #[error(
        "the certificate is valid from {not_before} to {not_after} only; renew it, or correct this machine's clock"
    )]
    OutOfDate {
        /// First valid moment, RFC 3339.
        not_before: String,
        /// Last valid moment, RFC 3339.
        not_after: String,
    },
    /// A certificate could not be understood.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// Making a key or certificate failed.
    #[error("cannot make a certificate: {0}")]
    Generation(#[from] rcgen::Error),
    /// A host name that no certificate can name.
    #[error("\"{0}\" is not a host name; set `host` to a name such as meet.example.org")]
    BadHost(String),
}

impl CertError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
