//! Taking over a certificate that was made elsewhere.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::pair::Pair;
use crate::{CertError, CertificateSummary, chain, files, inspect};

/// A chain or key file longer than this is no such thing.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The two files to import: they are one and the same where a file holds both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Certificate chain, PEM, leaf first.
    pub chain: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl Source {
    /// Finds chain and key in what an administrator names.
    ///
    /// `path` is a PEM file (with `key` beside it, or holding both), a folder of Certbot's
    /// (`live/NAME`, or `live` or its parent with such a folder for `host`), or of acme.sh's
    /// (`NAME_ecc` or `NAME`, or their parent).
    pub fn find(path: &Path, key: Option<&Path>, host: &str) -> Result<Self, CertError> {
        if let Some(key) = key {
            return Ok(Self { chain: path.to_owned(), key: key.to_owned() });
        }
        let kind = std::fs::metadata(path).map_err(|e| CertError::io("cannot read", path, e))?;
        if !kind.is_dir() {
            return Ok(Self { chain: path.to_owned(), key: path.to_owned() });
        }
        let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let mut folders = vec![path.to_owned(), path.join("live").join(host), path.join(host)];
        folders.push(path.join(format!("{host}_ecc")));
        for name in wildcard.iter().flat_map(|name| [format!("{name}_ecc"), name.clone()]) {
            folders.push(path.join(name));
        }
        folders
            .iter()
            .find_map(|folder| in_folder(folder))
            .ok_or_else(|| CertError::NoCertificateFolder { path: path.to_owned(), host: host.to_owned() })
    }
}

/// The files of one certificate in `folder`, named as Certbot or acme.sh name them.
fn in_folder(folder: &Path) -> Option<Source> {
    // Certbot's are symbolic links into an archive; whether they lead anywhere is said on reading.
    let present = |path: &Path| path.symlink_metadata().is_ok();
    let certbot = Source { chain: folder.join("fullchain.pem"), key: folder.join("privkey.pem") };
    if present(&certbot.chain) {
        return Some(certbot);
    }
    let name = folder.file_name()?.to_str()?;
    let name = name.strip_suffix("_ecc").unwrap_or(name);
    let acme_sh = Source { chain: folder.join("fullchain.cer"), key: folder.join(format!("{name}.key")) };
    present(&acme_sh.chain).then_some(acme_sh)
}

/// Reads a chain and its key without judging them.
pub fn read_pair(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertError> {
    Ok((read_chain(chain, &read(chain)?)?, read_key(key, &read(key)?)?))
}

/// Checks the chain and key of `source` and serves them from now on.
///
/// The key must belong to the leaf, the leaf must be valid at `now` and must name `host`, and the
/// chain must lead to an authority. Nothing is changed when any of that does not hold.
pub fn import(directory: &Path, host: &str, source: &Source, now: SystemTime) -> Result<CertificateSummary, CertError> {
    let (chain_pem, key_pem) = (read(&source.chain)?, read(&source.key)?);
    let chain = read_chain(&source.chain, &chain_pem)?;
    let key = read_key(&source.key, &key_pem)?;
    let summary = check(&chain, key, host, now)?;
    store(directory, &chain_text(&chain), &only_key(&key_pem))?;
    Ok(summary)
}

/// Says what is wrong with a chain and key as `host`'s, or sums the leaf up.
pub fn check(
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
    host: &str,
    now: SystemTime,
) -> Result<CertificateSummary, CertError> {
    let leaf = chain.first().ok_or_else(|| CertError::Unreadable("there is none".to_owned()))?;
    fits(chain, key)?;
    let summary = inspect::summarize(leaf, now)?;
    if inspect::remaining(leaf, now)?.is_none() {
        return Err(CertError::OutOfDate { not_before: summary.not_before, not_after: summary.not_after });
    }
    if !summary.names.iter().any(|name| names_host(name, host)) {
        let found = if summary.names.is_empty() { "no name at all".to_owned() } else { summary.names.join(", ") };
        return Err(CertError::WrongName { wanted: host.to_owned(), found });
    }
    chain::complete(chain, &chain::system_authorities())?;
    Ok(summary)
}

/// Writes a checked chain and key to where they are served from.
pub(crate) fn store(directory: &Path, chain_pem: &str, key_pem: &str) -> Result<(), CertError> {
    files::make_directory(directory)?;
    let _lock = files::lock(directory)?;
    let served = Pair::served(directory);
    served.repair()?;
    served.replace(chain_pem, key_pem)
}

/// Whether a certificate's `name` is for `host` (RFC 6125 §6.4.3: a wildcard stands for one label).
pub fn names_host(name: &str, host: &str) -> bool {
    if let Some(parent) = name.strip_prefix("*.") {
        return host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent));
    }
    name.eq_ignore_ascii_case(host)
}

fn read(path: &Path) -> Result<String, CertError> {
    let bytes = std::fs::metadata(path).map_err(|e| CertError::io("cannot read", path, e))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CertError::TooLarge { path: path.to_owned() });
    }
    files::read(path)
}

pub(crate) fn read_chain(path: &Path, pem: &str) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(CertError::NotPem { path: path.to_owned(), expected: "a certificate" }),
    }
}

pub(crate) fn read_key(path: &Path, pem: &str) -> Result<PrivateKeyDer<'static>, CertError> {
    if pem.contains("ENCRYPTED") {
        return Err(CertError::EncryptedKey { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| CertError::NotPem { path: path.to_owned(), expected: "a private key" })
}

/// The certificates alone: a file may hold a key as well, which must not become readable for all.
fn chain_text(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|certificate| chain::pem(certificate)).collect()
}

/// The first key alone.
fn only_key(pem: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for line in pem.lines() {
        inside |= line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY");
        if inside {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if inside && line.starts_with("-----END") {
            break;
        }
    }
    text
}

/// The key belongs to the first certificate; says so when it belongs to another of the chain.
fn fits(chain: &[CertificateDer<'static>], key: PrivateKeyDer<'static>) -> Result<(), CertError> {
    let fits_at =
        |index: usize| chain.get(index).is_some_and(|leaf| certified(vec![leaf.clone()], key.clone_key()).is_ok());
    match certified(chain.to_vec(), key.clone_key()) {
        Err(CertError::KeyMismatch) if (1..chain.len()).any(fits_at) => Err(CertError::WrongOrder),
        other => other.map(drop),
    }
}

pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, CertError> {
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|e| CertError::UnusableKey(e.to_string()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(CertError::KeyMismatch),
        Err(error) => Err(CertError::Unreadable(error.to_string())),
    }
}
