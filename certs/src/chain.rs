//! Whether a chain leads from the server's certificate to an authority.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::X509Certificate;

use crate::{CertError, inspect};

/// The authorities that this machine trusts (Debian's place for all of them in one file).
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Base64 characters in a line of PEM (RFC 7468 §2).
const PEM_COLUMNS: usize = 64;

/// Each certificate is signed by the next, and the last by itself or by an authority that clients
/// have already: one of `known`, or, when the last may sign itself, the root above it.
pub(crate) fn complete(chain: &[CertificateDer<'_>], known: &[CertificateDer<'_>]) -> Result<(), CertError> {
    for (lower, upper) in chain.iter().zip(chain.iter().skip(1)) {
        let (lower, upper) = (inspect::parse(lower)?, inspect::parse(upper)?);
        if !signs(&upper, &lower) {
            return Err(CertError::BrokenChain {
                subject: lower.subject().to_string(),
                wanted: lower.issuer().to_string(),
                found: upper.subject().to_string(),
            });
        }
    }
    let Some(last) = chain.last() else { return Err(CertError::Unreadable("there is none".to_owned())) };
    let last = inspect::parse(last)?;
    // The root above an intermediate is in the clients' stores, not in the chain.
    if last.is_ca() || signs(&last, &last) {
        return Ok(());
    }
    let by_known = known.iter().filter_map(|der| inspect::parse(der).ok()).any(|authority| signs(&authority, &last));
    if by_known { Ok(()) } else { Err(CertError::IncompleteChain { issuer: last.issuer().to_string() }) }
}

/// The authorities of this machine; none where it keeps them elsewhere.
pub fn system_authorities() -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(Path::new(SYSTEM_AUTHORITIES))
        .map(|certificates| certificates.filter_map(Result::ok).collect())
        .unwrap_or_default()
}

fn signs(upper: &X509Certificate<'_>, lower: &X509Certificate<'_>) -> bool {
    upper.subject() == lower.issuer() && lower.verify_signature(Some(upper.public_key())).is_ok()
}

/// The PEM form of one certificate (RFC 7468 §5).
pub(crate) fn pem(certificate: &CertificateDer<'_>) -> String {
    let base64 = STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(PEM_COLUMNS) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
