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
    /// The key belongs to a later certificate of the chain.
    #[error("the chain does not begin with the server's own certificate; put that one first and those above it after")]
    WrongOrder,
    /// The key can be read only with a passphrase.
    #[error(
        "{path} is protected by a passphrase; write the key without one: openssl pkey -in {path} -out key.pem",
        path = .path.display()
    )]
    EncryptedKey {
        /// The file concerned.
        path: PathBuf,
    },
    /// The file is far larger than any chain or key.
    #[error("{path} is too large to be a certificate or a key; name the right file", path = .path.display())]
    TooLarge {
        /// The file concerned.
        path: PathBuf,
    },
    /// The folder holds no certificate for the host.
    #[error(
        "{path} holds no certificate for {host}; name a folder of Certbot's (/etc/letsencrypt/live/{host}) or of \
         acme.sh's (~/.acme.sh/{host}_ecc), or the chain and the key",
        path = .path.display()
    )]
    NoCertificateFolder {
        /// The folder looked at.
        path: PathBuf,
        /// The host that must be covered.
        host: String,
    },
    /// A certificate of the chain is not signed by the one after it.
    #[error("the chain is broken: {subject} is issued by {wanted}, but {found} follows it; put the right one there")]
    BrokenChain {
        /// The lower certificate.
        subject: String,
        /// Who issued it.
        wanted: String,
        /// Who stands in that place.
        found: String,
    },
    /// The chain ends before an authority.
    #[error(
        "the chain is not complete: the certificate of {issuer} is missing; give the full chain \
         (Certbot: fullchain.pem, acme.sh: fullchain.cer)"
    )]
    IncompleteChain {
        /// Who issued the last certificate of the chain.
        issuer: String,
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
