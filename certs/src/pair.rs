//! A chain and its key in two files, replaced so that whoever reads after a crash finds a pair that fits.

use std::path::{Path, PathBuf};

use crate::files::{self, Readable};
use crate::{CertError, file, import};

/// What the name of a chain's file ends with while it waits for its key.
const NEXT: &str = ".next";

/// The two files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    /// What people are served.
    pub(crate) fn served(directory: &Path) -> Self {
        Self { chain: directory.join(file::SERVER_CHAIN), key: directory.join(file::SERVER_KEY) }
    }

    /// What focus and bridges are served beside a certificate of somebody else's.
    pub(crate) fn service(directory: &Path) -> Self {
        Self { chain: directory.join(file::SERVICE_CHAIN), key: directory.join(file::SERVICE_KEY) }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.chain.exists() && self.key.exists()
    }

    /// Replaces both. The new chain waits beside the old one until the key is there, so that
    /// [`Self::repair`] can finish what was broken off. The caller holds the directory's lock.
    pub(crate) fn replace(&self, chain_pem: &str, key_pem: &str) -> Result<(), CertError> {
        files::write(&self.next(), chain_pem, Readable::ByAll)?;
        files::write(&self.key, key_pem, Readable::ByOwner)?;
        self.finish()
    }

    /// Finishes a replacement that was broken off: with the new key in place the new chain follows,
    /// without it the new chain is dropped. The caller holds the directory's lock.
    pub(crate) fn repair(&self) -> Result<(), CertError> {
        let next = self.next();
        if !next.exists() {
            return Ok(());
        }
        if import::read_pair(&next, &self.key).and_then(|(chain, key)| import::certified(chain, key)).is_ok() {
            return self.finish();
        }
        std::fs::remove_file(&next).map_err(|error| CertError::io("cannot remove", &next, error))
    }

    fn finish(&self) -> Result<(), CertError> {
        std::fs::rename(self.next(), &self.chain).map_err(|error| CertError::io("cannot write", &self.chain, error))
    }

    fn next(&self) -> PathBuf {
        let mut name = self.chain.as_os_str().to_owned();
        name.push(NEXT);
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
        (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
    }

    /// Which of two replacements is in place; both files must agree.
    fn in_place(pair: &Pair, candidates: [&(String, String); 2]) -> usize {
        let read = |path| std::fs::read_to_string(path).expect("a file");
        let found = (read(&pair.chain), read(&pair.key));
        candidates.iter().position(|candidate| **candidate == found).expect("chain and key fit")
    }

    #[test]
    fn a_replacement_broken_off_anywhere_leaves_the_old_pair_or_the_new() {
        let directory = tempfile::tempdir().expect("folder");
        let pair = Pair::served(directory.path());
        let (old, new) = (made(), made());
        for (steps, expected) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
            pair.replace(&old.0, &old.1).expect("written");
            if steps >= 1 {
                std::fs::write(pair.next(), &new.0).expect("the first step");
            }
            if steps >= 2 {
                std::fs::write(&pair.key, &new.1).expect("the second step");
            }
            if steps >= 3 {
                pair.finish().expect("the third step");
            }
            pair.repair().expect("repaired");
            assert_eq!(in_place(&pair, [&old, &new]), expected, "after {steps} steps");
            assert!(!pair.next().exists());
        }
    }
}
