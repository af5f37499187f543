//! The bridge's DTLS certificate and the fingerprints that stand for certificates (RFC 8122).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{constant_time, digest};

/// The DTLS certificate of this process, with what all connections share: made anew at each start.
#[derive(Clone)]
pub struct Certificate {
    pub(super) dtls: dimpl::DtlsCertificate,
    pub(super) config: Arc<dimpl::Config>,
    fingerprint: Fingerprint,
}

/// First wait for an answer to a flight; doubled at each repetition. A lost datagram should not be felt.
const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);
/// Repetitions of one flight.
const FLIGHT_REPETITIONS: usize = 6;
/// Time for a whole handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

impl Certificate {
    /// Makes a self-signed ECDSA P-256 certificate. `None` when the system has no randomness.
    pub fn generate() -> Option<Self> {
        let dtls = dimpl::certificate::generate_self_signed_certificate().ok()?;
        let config = dimpl::Config::builder()
            // ICE has validated the address already.
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(FLIGHT_TIMEOUT)
            .flight_retries(FLIGHT_REPETITIONS)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .build()
            .ok()?;
        let fingerprint = Fingerprint::of(HashFunction::Sha256, &dtls.certificate);
        Some(Self { dtls, config: Arc::new(config), fingerprint })
    }

    /// What is signalled for it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Hash functions that peers use for fingerprints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFunction {
    /// `sha-1`; still signalled by old gateways.
    Sha1,
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    /// From its name in signalling, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// Its name in signalling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }
}

/// The hash of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    function: HashFunction,
    value: Vec<u8>,
}

impl Fingerprint {
    /// Of a certificate in DER form.
    pub fn of(function: HashFunction, certificate: &[u8]) -> Self {
        Self { function, value: function.digest(certificate) }
    }

    /// From signalling: the hash's name and pairs of hexadecimal digits separated by colons.
    pub fn parse(function: &str, text: &str) -> Option<Self> {
        let function = HashFunction::from_name(function)?;
        let value: Option<Vec<u8>> = text
            .trim()
            .split(':')
            .map(|pair| if pair.len() == 2 { u8::from_str_radix(pair, 16).ok() } else { None })
            .collect();
        let value = value?;
        (value.len() == function.digest(&[]).len()).then_some(Self { function, value })
    }

    /// From signalling that was parsed already; `None` when the hash is unknown or the length is not its own.
    pub fn from_digest(function: &str, digest: &[u8]) -> Option<Self> {
        let function = HashFunction::from_name(function)?;
        (digest.len() == function.digest(&[]).len()).then(|| Self { function, value: digest.to_vec() })
    }

    /// The hash itself.
    pub fn digest(&self) -> &[u8] {
        &self.value
    }

    /// The hash function.
    pub fn function(&self) -> HashFunction {
        self.function
    }

    /// As signalled: upper-case pairs separated by colons.
    pub fn to_text(&self) -> String {
        self.value.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Whether it is the hash of `certificate`, in constant time.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.value, &self.function.digest(certificate)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_signalling_and_matches_only_its_certificate() {
        let certificate = Certificate::generate().expect("randomness");
        let text = certificate.fingerprint().to_text();
        let parsed = Fingerprint::parse("SHA-256", &text.to_lowercase()).expect("parsed");
        assert_eq!(&parsed, certificate.fingerprint());
        assert!(parsed.matches(&certificate.dtls.certificate));
        assert!(!parsed.matches(b"another"));
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for (function, text) in [("md5", "00:11"), ("sha-256", "00:11"), ("sha-256", "zz"), ("sha-1", "")] {
            assert!(Fingerprint::parse(function, text).is_none(), "{function} {text}");
        }
    }
}
