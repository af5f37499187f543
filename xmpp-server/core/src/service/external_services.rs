//! STUN and TURN servers for clients (XEP-0215).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use crate::component::Now;
use crate::datetime::xmpp_datetime;
use crate::xml::ElementExt;

/// One service as configured.
#[derive(Clone)]
pub struct ExternalService {
    /// `stun`, `turn` or `turns`.
    pub kind: String,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: Option<String>,
    /// Secret shared with the TURN server: credentials are made from it for each who asks.
    pub secret: Option<String>,
    /// How long such credentials are valid.
    pub lifetime_s: u64,
}

impl std::fmt::Debug for ExternalService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalService")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// `<services/>` in the namespace asked for.
pub(crate) fn services(list: &[ExternalService], namespace: &str, now: Now) -> Element {
    let mut services = Element::bare("services", namespace);
    for service in list {
        let mut element = Element::bare("service", namespace)
            .with("type", service.kind.as_str())
            .with("host", service.host.as_str())
            .with("port", service.port.to_string())
            .with_opt("transport", service.transport.as_deref());
        if let Some(secret) = &service.secret {
            let expires_s = now.unix_ms / 1000 + service.lifetime_s;
            let username = expires_s.to_string();
            // The REST convention of TURN servers: the name is the expiry, the password its HMAC.
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
            let password = BASE64.encode(hmac::sign(&key, username.as_bytes()).as_ref());
            element = element
                .with("username", username)
                .with("password", password)
                .with("expires", xmpp_datetime(expires_s * 1000))
                .with("restricted", "1");
        }
        services.append_child(element);
    }
    services
}
