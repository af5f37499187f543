//! Serving a certificate that can be replaced while connections are open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::{CertError, file, files, import};

/// Hands the current certificate to each new TLS connection; open connections keep theirs.
#[derive(Debug)]
pub struct Resolver {
    directory: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Resolver {
    /// Reads the certificate and key of `directory`.
    pub fn load(directory: &Path) -> Result<Self, CertError> {
        let current = RwLock::new(Arc::new(read(directory)?));
        Ok(Self { directory: directory.to_owned(), current })
    }

    /// Reads the files again. On an error the certificate in use stays.
    pub fn reload(&self) -> Result<(), CertError> {
        let fresh = Arc::new(read(&self.directory)?);
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The certificate that the next connection is given.
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn read(directory: &Path) -> Result<CertifiedKey, CertError> {
    let chain_path = directory.join(file::SERVER_CHAIN);
    let key_path = directory.join(file::SERVER_KEY);
    let chain = import::read_chain(&chain_path, &files::read(&chain_path)?)?;
    let key = PrivateKeyDer::from_pem_slice(files::read(&key_path)?.as_bytes())
        .map_err(|_| CertError::NotPem { path: key_path, expected: "a private key" })?;
    import::certified(chain, key)
}
