//! Serving a certificate that can be replaced while connections are open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::acme::Answers;
use crate::{CertError, Validity, file, files, import};

/// How the names begin under which the focus and the bridges sign in (`auth.HOST`).
const SERVICE_PREFIX: &str = "auth.";

/// Hands the current certificate to each new TLS connection; open connections keep theirs.
///
/// The focus and the bridges ask for `auth.HOST` and trust the local authority only: when the
/// served certificate is another's, they are given the local authority's.
#[derive(Debug)]
pub struct Resolver {
    directory: PathBuf,
    current: RwLock<Current>,
    answers: Arc<Answers>,
}

#[derive(Debug, Clone)]
struct Current {
    served: Arc<CertifiedKey>,
    service: Option<Arc<CertifiedKey>>,
    validity: Validity,
}

impl Resolver {
    /// Reads the certificate and key of `directory`.
    pub fn load(directory: &Path) -> Result<Self, CertError> {
        let current = RwLock::new(Current::read(directory)?);
        Ok(Self { directory: directory.to_owned(), current, answers: Arc::default() })
    }

    /// Reads the files again. On an error the certificate in use stays.
    pub fn reload(&self) -> Result<(), CertError> {
        let fresh = Current::read(&self.directory)?;
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The certificate that the next connection is given.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.read().served
    }

    /// What an ACME authority is answered, here and over HTTP.
    pub fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// From when to when the served certificate is valid.
    pub fn validity(&self) -> Validity {
        self.read().validity
    }

    fn read(&self) -> Current {
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn for_name(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let Current { served, service, .. } = self.read();
        match service {
            Some(service) if name.is_some_and(|name| name.starts_with(SERVICE_PREFIX)) => service,
            _ => served,
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.answers.tls(&client_hello) {
            Some(answer) => answer,
            None => Some(self.for_name(client_hello.server_name())),
        }
    }
}

impl Current {
    fn read(directory: &Path) -> Result<Self, CertError> {
        let served = read(&directory.join(file::SERVER_CHAIN), &directory.join(file::SERVER_KEY))?;
        let leaf = served.cert.first().ok_or_else(|| CertError::Unreadable("there is none".to_owned()))?;
        let validity = Validity::of(leaf)?;
        let service_chain = directory.join(file::SERVICE_CHAIN);
        // A service certificate left from before is of no use beside one of the local authority's.
        let service = if service_chain.exists() && !crate::local_ca::is_served(directory)? {
            Some(Arc::new(read(&service_chain, &directory.join(file::SERVICE_KEY))?))
        } else {
            None
        };
        Ok(Self { served: Arc::new(served), service, validity })
    }
}

fn read(chain_path: &Path, key_path: &Path) -> Result<CertifiedKey, CertError> {
    let chain = import::read_chain(chain_path, &files::read(chain_path)?)?;
    let key = import::read_key(key_path, &files::read(key_path)?)?;
    import::certified(chain, key)
}
