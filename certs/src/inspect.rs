//! What a certificate says, in words and as data.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{CertError, Validity};

/// One certificate, summed up for people and for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateSummary {
    /// Distinguished name of the subject.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
    /// First valid moment, RFC 3339.
    pub not_before: String,
    /// Last valid moment, RFC 3339.
    pub not_after: String,
    /// Whole days from now to the last valid moment, negative when past.
    pub days_left: i64,
    /// SHA-256 over the DER form, upper-case hexadecimal pairs separated by colons.
    pub fingerprint_sha256: String,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
}

/// Sums up the first certificate of a PEM text as seen at `now`.
pub fn summarize_pem(pem: &str, now: SystemTime) -> Result<CertificateSummary, CertError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| CertError::Unreadable(e.to_string()))?;
    summarize(&der, now)
}

/// From when to when the first certificate of a chain is valid.
pub fn validity(chain: &[CertificateDer<'_>]) -> Result<Validity, CertError> {
    Validity::of(chain.first().ok_or_else(|| CertError::Unreadable("there is none".to_owned()))?)
}

/// Sums up one certificate as seen at `now`.
pub fn summarize(der: &CertificateDer<'_>, now: SystemTime) -> Result<CertificateSummary, CertError> {
    let certificate = parse(der)?;
    let validity = certificate.validity();
    Ok(CertificateSummary {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names(&certificate),
        not_before: rfc3339(validity.not_before.timestamp()),
        not_after: rfc3339(validity.not_after.timestamp()),
        days_left: (validity.not_after.timestamp() - unix_seconds(now)).div_euclid(86_400),
        fingerprint_sha256: fingerprint(der),
        is_authority: certificate.is_ca(),
    })
}

/// How long the certificate is still valid at `now`; `None` when it is not valid at all.
pub(crate) fn remaining(der: &CertificateDer<'_>, now: SystemTime) -> Result<Option<Duration>, CertError> {
    let certificate = parse(der)?;
    let now = unix_seconds(now);
    let validity = certificate.validity();
    let left = validity.not_after.timestamp() - now;
    let valid = validity.not_before.timestamp() <= now && left > 0;
    Ok(valid.then(|| Duration::from_secs(left.unsigned_abs())))
}

/// DNS names and addresses that a certificate is for.
pub(crate) fn names_of(der: &CertificateDer<'_>) -> Result<Vec<String>, CertError> {
    Ok(names(&parse(der)?))
}

pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|e| CertError::Unreadable(e.to_string()))?;
    Ok(certificate)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|a| a.to_string()),
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

pub(crate) fn fingerprint(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}

fn rfc3339(unix_seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_seconds.to_string())
}

pub(crate) fn unix_seconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
