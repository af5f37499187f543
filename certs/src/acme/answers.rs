use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use crate::CertError;

/// Where an authority looks for the answer to HTTP-01 (RFC 8555 §8.3); the token follows.
pub const HTTP_PATH: &str = "/.well-known/acme-challenge/";
/// The protocol an authority asks TLS for in TLS-ALPN-01 (RFC 8737 §6.2).
pub const ALPN_PROTOCOL: &[u8] = b"acme-tls/1";

/// What the listeners answer an authority while an order runs.
#[derive(Debug, Default)]
pub struct Answers {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Token → key authorization.
    http: BTreeMap<String, String>,
    /// Name → certificate that proves control of it.
    tls: BTreeMap<String, Arc<CertifiedKey>>,
}

impl Answers {
    /// What stands at [`HTTP_PATH`] followed by `token`.
    pub fn http(&self, token: &str) -> Option<String> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).http.get(token).cloned()
    }

    /// Whether a handshake is an authority's, and what to answer: nothing when no order runs for
    /// the name, which ends the handshake.
    pub fn tls(&self, hello: &ClientHello<'_>) -> Option<Option<Arc<CertifiedKey>>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ALPN_PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        Some(hello.server_name().and_then(|name| inner.tls.get(name).cloned()))
    }

    pub(super) fn put_http(&self, token: &str, key_authorization: &str) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.http.insert(token.to_owned(), key_authorization.to_owned());
    }

    /// Makes the certificate of RFC 8737 §3 for `name`, with the digest of the key authorization.
    pub(super) fn put_tls(&self, name: &str, digest: &[u8]) -> Result<(), CertError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|reason| CertError::UnusableKey(reason.to_owned()))?;
        // Its extension is critical: a TLS stack that judged it as a usual certificate would refuse it.
        let key = any_supported_type(&key).map_err(|error| CertError::UnusableKey(error.to_string()))?;
        let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.tls.insert(name.to_owned(), Arc::new(certified));
        Ok(())
    }

    /// The order has ended.
    pub(super) fn clear(&self) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }
}
