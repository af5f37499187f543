//! Signed requests (RFC 7515, flattened JSON, ES256) as ACME uses them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

/// A public key on P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    x: String,
    y: String,
}

impl Key {
    /// RFC 7638 §3.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64.encode(digest(&SHA256, canonical.as_bytes()))
    }

    fn point(&self) -> Option<Vec<u8>> {
        let mut point = vec![4];
        point.extend(BASE64.decode(&self.x).ok()?);
        point.extend(BASE64.decode(&self.y).ok()?);
        Some(point)
    }
}

pub(super) enum Signer {
    Key(Key),
    Account(String),
}

pub(super) struct Message {
    pub(super) nonce: String,
    pub(super) url: String,
    pub(super) signer: Signer,
    /// Null for an empty payload (POST-as-GET).
    pub(super) payload: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Message {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let (protected, payload) = (body["protected"].as_str()?, body["payload"].as_str()?);
        let header: Value = serde_json::from_slice(&BASE64.decode(protected).ok()?).ok()?;
        if header["alg"] != "ES256" {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let signer = match (text(&header["kid"]), &header["jwk"]) {
            (Some(account), Value::Null) => Signer::Account(account),
            (None, key) => Signer::Key(Key { x: text(&key["x"])?, y: text(&key["y"])? }),
            (Some(_), _) => return None,
        };
        let decoded = BASE64.decode(payload).ok()?;
        Some(Self {
            nonce: text(&header["nonce"])?,
            url: text(&header["url"])?,
            signer,
            payload: if decoded.is_empty() { Value::Null } else { serde_json::from_slice(&decoded).ok()? },
            signed: format!("{protected}.{payload}"),
            signature: BASE64.decode(body["signature"].as_str()?).ok()?,
        })
    }

    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        let Some(point) = key.point() else { return false };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}
