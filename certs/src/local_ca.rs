//! The local certificate authority and the server certificate signed by it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

use crate::files::{self, Readable};
use crate::pair::Pair;
use crate::{CertError, ServerNames, file, inspect};

const DAY: Duration = Duration::from_secs(86_400);
/// How long the authority lives. People trust it once; replacing it means trusting anew.
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3_650 * 86_400);
/// How long a server certificate lives. Some systems refuse more than 397 days.
const SERVER_VALIDITY: Duration = Duration::from_secs(365 * 86_400);
/// A server certificate is replaced when less than this is left of it.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// Clocks of phones and laptops run behind; a certificate from a moment ago must be valid there.
const CLOCK_SKEW: Duration = DAY;
/// How the authority's name begins; the rest is the host.
const AUTHORITY_NAME: &str = "Conclave local CA for ";

/// Where the served certificate comes from and what was done to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The files were there and stay as they are.
    Kept,
    /// Signed by the local authority just now: first start, other names, or near its end.
    Issued,
    /// An administrator's own certificate; never replaced by us.
    Imported,
}

/// Makes sure that `directory` holds a certificate for `names` that is valid at `now`.
///
/// Makes the local authority when it is missing, ended, or made for other names. A certificate
/// that somebody imported is left alone, whatever it says: replacing it is the administrator's
/// decision. The focus and the bridges trust the local authority only, so beside an imported one
/// they are given one of ours ([`file::SERVICE_CHAIN`]). Two processes may call this at once.
pub fn load_or_create(directory: &Path, names: &ServerNames, now: SystemTime) -> Result<Served, CertError> {
    files::make_directory(directory)?;
    let _lock = files::lock(directory)?;
    let served = Pair::served(directory);
    served.repair()?;
    if served.is_there() && !is_ours(&read_certificate(&served.chain)?)? {
        let service = Pair::service(directory);
        service.repair()?;
        keep(directory, &service, names, now)?;
        return Ok(Served::Imported);
    }
    keep(directory, &served, names, now)
}

/// Whether the certificate served from `directory` is signed by a local authority.
pub fn is_served(directory: &Path) -> Result<bool, CertError> {
    is_ours(&read_certificate(&directory.join(file::SERVER_CHAIN))?)
}

/// Makes sure that `pair` is signed by the local authority, for `names`, and lives long enough.
fn keep(directory: &Path, pair: &Pair, names: &ServerNames, now: SystemTime) -> Result<Served, CertError> {
    if pair.is_there() && ca_usable(directory, names, now)? {
        let leaf = read_certificate(&pair.chain)?;
        let enough_left = inspect::remaining(&leaf, now)?.is_some_and(|left| left > RENEW_BEFORE);
        if enough_left && covers(&leaf, names, now)? && signed_by_current(directory, &leaf)? {
            return Ok(Served::Kept);
        }
    }
    issue(directory, pair, names, now)
}

/// Signs a new certificate with the local authority, made first if need be.
fn issue(directory: &Path, pair: &Pair, names: &ServerNames, now: SystemTime) -> Result<Served, CertError> {
    let authority = authority(directory, names, now)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.alternative_names()?;
    params.distinguished_name.push(DnType::CommonName, common_name(names));
    params.not_before = OffsetDateTime::from(now - CLOCK_SKEW);
    params.not_after = OffsetDateTime::from(now + SERVER_VALIDITY);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority.issuer)?;
    // The authority follows the leaf, so that a program which pins it can find it in the handshake.
    let chain = format!("{}{}", certificate.pem(), authority.pem);
    pair.replace(&chain, &key.serialize_pem())?;
    tracing::info!("issued a server certificate from the local authority");
    tracing::debug!(names = ?names.dns(), "its names");
    Ok(Served::Issued)
}

/// The local authority's certificate, for devices that are to trust it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// PEM form.
    pub pem: String,
    /// DER form.
    pub der: CertificateDer<'static>,
    /// SHA-256 over the DER form, upper-case hexadecimal pairs separated by colons.
    pub fingerprint_sha256: String,
}

impl Authority {
    /// The authority behind the certificate served from `directory`; `None` when that is another's.
    pub fn served(directory: &Path) -> Result<Option<Self>, CertError> {
        if !is_served(directory)? {
            return Ok(None);
        }
        let path = directory.join(file::CA_CERTIFICATE);
        let (pem, der) = (files::read(&path)?, read_certificate(&path)?);
        let fingerprint_sha256 = inspect::fingerprint(&der);
        Ok(Some(Self { pem, der, fingerprint_sha256 }))
    }
}

struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(directory: &Path, names: &ServerNames, now: SystemTime) -> Result<Signer, CertError> {
    let certificate_path = directory.join(file::CA_CERTIFICATE);
    let key_path = directory.join(file::CA_KEY);
    if ca_usable(directory, names, now)? {
        let pem = files::read(&certificate_path)?;
        let key = KeyPair::from_pem(&files::read(&key_path)?)?;
        return Ok(Signer { issuer: Issuer::from_ca_cert_pem(&pem, key)?, pem });
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY_NAME}{}", common_name(names)));
    params.not_before = OffsetDateTime::from(now - CLOCK_SKEW);
    params.not_after = OffsetDateTime::from(now + AUTHORITY_VALIDITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(names.constraints());
    let pem = params.self_signed(&key)?.pem();
    files::write(&key_path, &key.serialize_pem(), Readable::ByOwner)?;
    files::write(&certificate_path, &pem, Readable::ByAll)?;
    tracing::info!("made a local certificate authority");
    Ok(Signer { issuer: Issuer::new(params, key), pem })
}

/// Whether the authority is there, is valid long enough to sign, and may vouch for `names`.
fn ca_usable(directory: &Path, names: &ServerNames, now: SystemTime) -> Result<bool, CertError> {
    let path = directory.join(file::CA_CERTIFICATE);
    if !path.exists() || !directory.join(file::CA_KEY).exists() {
        return Ok(false);
    }
    let der = read_certificate(&path)?;
    let long_enough = inspect::remaining(&der, now)?.is_some_and(|left| left > SERVER_VALIDITY);
    let certificate = inspect::parse(&der)?;
    let Ok(Some(constraints)) = certificate.name_constraints() else { return Ok(false) };
    let permitted = constraints.value.permitted_subtrees.as_deref().unwrap_or_default();
    let all_permitted = names.dns().iter().all(|wanted| {
        permitted.iter().any(|subtree| {
            matches!(subtree.base, x509_parser::extensions::GeneralName::DNSName(base) if under(wanted, base))
        })
    });
    Ok(long_enough && all_permitted)
}

fn under(name: &str, base: &str) -> bool {
    name == base || name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'))
}

fn covers(leaf: &CertificateDer<'_>, names: &ServerNames, now: SystemTime) -> Result<bool, CertError> {
    let covered = inspect::summarize(leaf, now)?.names;
    let dns = names.dns().iter().all(|name| covered.contains(name));
    Ok(dns && names.addresses().iter().all(|address| covered.contains(&address.to_string())))
}

fn signed_by_current(directory: &Path, leaf: &CertificateDer<'_>) -> Result<bool, CertError> {
    let authority = read_certificate(&directory.join(file::CA_CERTIFICATE))?;
    let authority = inspect::parse(&authority)?;
    let leaf = inspect::parse(leaf)?;
    let key_id = |certificate: &x509_parser::certificate::X509Certificate<'_>, own: bool| {
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) if own => Some(id.0.to_vec()),
            x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) if !own => {
                id.key_identifier.as_ref().map(|id| id.0.to_vec())
            }
            _ => None,
        })
    };
    let signer = key_id(&leaf, false);
    Ok(signer.is_some() && signer == key_id(&authority, true))
}

fn is_ours(leaf: &CertificateDer<'_>) -> Result<bool, CertError> {
    let certificate = inspect::parse(leaf)?;
    Ok(certificate
        .issuer()
        .iter_common_name()
        .any(|name| name.as_str().is_ok_and(|name| name.starts_with(AUTHORITY_NAME))))
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, CertError> {
    let pem = files::read(path)?;
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| CertError::NotPem { path: path.to_owned(), expected: "a certificate" })
}

fn common_name(names: &ServerNames) -> String {
    let first = names.dns().first().cloned().unwrap_or_else(|| "localhost".to_owned());
    // X.520 bounds a common name at 64 characters; the alternative names carry the whole.
    first.chars().take(40).collect()
}
