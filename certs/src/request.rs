//! A request for a certificate, for an authority that people ask by hand.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};

use crate::files::{self, Readable};
use crate::{CertError, ServerNames};

/// Where a request and its key were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The request (PKCS #10, PEM), to hand to the authority.
    pub request: PathBuf,
    /// The key (PEM, owner-readable only), which the answer is imported with.
    pub key: PathBuf,
}

/// Writes `HOST.csr` and `HOST.key` into the folder `requests` of `directory`. The key is made once and used again, so that
/// a request handed in before still fits.
pub fn request(directory: &Path, host: &str) -> Result<Requested, CertError> {
    // Checks that the host is one, and that its name is a safe file name.
    let names = ServerNames::new(host, &[])?;
    let named = names.dns().first().filter(|name| name.eq_ignore_ascii_case(host));
    let host = named.ok_or_else(|| CertError::BadHost(host.to_owned()))?;
    // A folder of their own: a host may be called "ca".
    let directory = &directory.join("requests");
    files::make_directory(directory)?;
    let _lock = files::lock(directory)?;
    let requested =
        Requested { request: directory.join(format!("{host}.csr")), key: directory.join(format!("{host}.key")) };
    let key = if requested.key.exists() {
        KeyPair::from_pem(&files::read(&requested.key)?)?
    } else {
        let key = KeyPair::generate()?;
        files::write(&requested.key, &key.serialize_pem(), Readable::ByOwner)?;
        key
    };
    let mut params = CertificateParams::new(vec![host.clone()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    // X.520 bounds a common name at 64 characters; the alternative name carries the whole.
    params.distinguished_name.push(DnType::CommonName, host.chars().take(64).collect::<String>());
    files::write(&requested.request, &params.serialize_request(&key)?.pem()?, Readable::ByAll)?;
    Ok(requested)
}
