//! Taking over a certificate that was made elsewhere.

use std::path::Path;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::files::{self, Readable};
use crate::{CertError, CertificateSummary, file, inspect};

/// Checks the chain at `chain_path` and the key at `key_path` and serves them from now on.
///
/// The key must belong to the leaf, the leaf must be valid at `now` and must name `host`.
/// Nothing is changed when any of that does not hold.
pub fn import(
    directory: &Path,
    host: &str,
    chain_path: &Path,
    key_path: &Path,
    now: SystemTime,
) -> Result<CertificateSummary, CertError> {
    let chain_pem = files::read(chain_path)?;
    let key_pem = files::read(key_path)?;
    let chain = read_chain(chain_path, &chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| CertError::NotPem { path: key_path.to_owned(), expected: "a private key" })?;
    let leaf =
        chain.first().cloned().ok_or(CertError::NotPem { path: chain_path.to_owned(), expected: "a certificate" })?;
    certified(chain, key)?;
    let summary = inspect::summarize(&leaf, now)?;
    if inspect::remaining(&leaf, now)?.is_none() {
        return Err(CertError::OutOfDate { not_before: summary.not_before, not_after: summary.not_after });
    }
    if !summary.names.iter().any(|name| names_host(name, host)) {
        return Err(CertError::WrongName { wanted: host.to_owned(), found: summary.names.join(", ") });
    }
    files::make_directory(directory)?;
    let _lock = files::lock(directory)?;
    files::write(&directory.join(file::SERVER_KEY), &key_pem, Readable::ByOwner)?;
    files::write(&directory.join(file::SERVER_CHAIN), &chain_pem, Readable::ByAll)?;
    Ok(summary)
}

/// Whether a certificate's `name` is for `host` (RFC 6125 §6.4.3: a wildcard stands for one label).
fn names_host(name: &str, host: &str) -> bool {
    if let Some(parent) = name.strip_prefix("*.") {
        return host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent));
    }
    name.eq_ignore_ascii_case(host)
}

pub(crate) fn read_chain(path: &Path, pem: &str) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(CertError::NotPem { path: path.to_owned(), expected: "a certificate" }),
    }
}

pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, CertError> {
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|e| CertError::UnusableKey(e.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| CertError::KeyMismatch)?;
    Ok(certified)
}
