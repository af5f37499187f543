use std::path::{Path, PathBuf};
use std::time::SystemTime;

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::{AcmeError, Issued, Settings};
use crate::files::{self, Readable};
use crate::{CertError, Validity, file, import, local_ca};

/// The account with the authority, owner-readable only: it holds the account's key.
const ACCOUNT: &str = "account.json";
/// The chain issued last, to tell it from one that somebody imported.
const ISSUED: &str = "issued.pem";

/// The files of ACME, in a folder below the certificate directory.
#[derive(Debug, Clone)]
pub struct Keeping {
    certificates: PathBuf,
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Account {
    directory: String,
    credentials: AccountCredentials,
}

/// Whose certificate is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUse {
    /// Ours from the authority.
    Issued(Validity),
    /// To be replaced: the local authority's, or one ordered for other names or elsewhere.
    ToReplace,
    /// One that an administrator imported, to be left alone.
    Imported,
}

impl Keeping {
    /// Below the directory of certificates.
    pub fn new(certificates: &Path) -> Self {
        Self { certificates: certificates.to_owned(), folder: certificates.join("acme") }
    }

    /// Whose certificate is served, and whether `settings` still want it.
    pub fn in_use(&self, settings: &Settings) -> Result<InUse, AcmeError> {
        let served = self.certificates.join(file::SERVER_CHAIN);
        if local_ca::is_served(&self.certificates)? {
            return Ok(InUse::ToReplace);
        }
        let chain = files::read(&served)?;
        let issued = std::fs::read_to_string(self.folder.join(ISSUED)).unwrap_or_default();
        if chain != issued {
            return Ok(InUse::Imported);
        }
        let chain = import::read_chain(&served, &chain)?;
        let leaf = chain.first().ok_or_else(|| CertError::Unreadable("there is none".to_owned()))?;
        // Somebody went from an authority for trials to the real one, or chose another host.
        let elsewhere = self.account(&settings.directory)?.is_none();
        if elsewhere || !missing(&settings.names, &crate::inspect::names_of(leaf)?).is_empty() {
            return Ok(InUse::ToReplace);
        }
        Ok(InUse::Issued(Validity::of(leaf)?))
    }

    /// Checks what the authority issued for `names` and serves it from now on.
    pub fn serve(&self, issued: &Issued, names: &[String], now: SystemTime) -> Result<Validity, AcmeError> {
        let path = self.folder.join(ISSUED);
        let chain = import::read_chain(&path, &issued.chain_pem)?;
        let key = import::read_key(&path, &issued.key_pem)?;
        import::certified(chain.clone(), key)?;
        let leaf = chain.first().ok_or_else(|| CertError::Unreadable("there is none".to_owned()))?;
        let summary = crate::inspect::summarize(leaf, now)?;
        if crate::inspect::remaining(leaf, now)?.is_none() {
            let (not_before, not_after) = (summary.not_before, summary.not_after);
            return Err(CertError::OutOfDate { not_before, not_after }.into());
        }
        if let Some(wanted) = missing(names, &summary.names).first() {
            let wanted = (*wanted).to_owned();
            return Err(CertError::WrongName { wanted, found: summary.names.join(", ") }.into());
        }
        files::make_directory(&self.folder)?;
        files::write(&path, &issued.chain_pem, Readable::ByOwner)?;
        import::store(&self.certificates, &issued.chain_pem, &issued.key_pem)?;
        Ok(Validity::of(leaf)?)
    }

    /// The account with `directory`, if there is one.
    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, AcmeError> {
        let path = self.folder.join(ACCOUNT);
        if !path.exists() {
            return Ok(None);
        }
        let account: Account =
            serde_json::from_str(&files::read(&path)?).map_err(|_| AcmeError::Account { path: path.clone() })?;
        Ok((account.directory == directory).then_some(account.credentials))
    }

    pub(super) fn keep_account(&self, directory: &str, credentials: AccountCredentials) -> Result<(), AcmeError> {
        files::make_directory(&self.folder)?;
        let path = self.folder.join(ACCOUNT);
        let account = Account { directory: directory.to_owned(), credentials };
        let text = serde_json::to_string(&account).map_err(|_| AcmeError::Account { path: path.clone() })?;
        Ok(files::write(&path, &text, Readable::ByOwner)?)
    }
}

/// Those of `wanted` that `found` do not cover; a wildcard covers itself.
fn missing<'a>(wanted: &'a [String], found: &[String]) -> Vec<&'a str> {
    let covered = |name: &str| found.iter().any(|found| found == name || import::names_host(found, name));
    wanted.iter().map(String::as_str).filter(|name| !covered(name)).collect()
}
