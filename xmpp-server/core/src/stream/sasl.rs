//! SASL on the server's side (RFC 4422): ANONYMOUS (RFC 4505), PLAIN (RFC 4616), SCRAM-SHA-1 and
//! SCRAM-SHA-256 (RFC 5802, RFC 7677).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::account::{Credentials, ScramHash};

/// Namespace of SASL in XMPP (RFC 6120 §6.4).
pub const NS_SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// A mechanism this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM with the given hash, without channel binding.
    Scram(ScramHash),
    /// The password itself; only ever under TLS.
    Plain,
    /// A guest.
    Anonymous,
}

impl Mechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scram(ScramHash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(ScramHash::Sha1) => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }
}

/// Why authentication failed (RFC 6120 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslFailure {
    /// The peer gave up.
    Aborted,
    /// TLS first.
    EncryptionRequired,
    /// Not base64.
    IncorrectEncoding,
    /// May not act as that other identity.
    InvalidAuthzid,
    /// Not offered here.
    InvalidMechanism,
    /// Not a message of the mechanism.
    MalformedRequest,
    /// Wrong name or password.
    NotAuthorized,
    /// Too many attempts, or our own trouble: later.
    TemporaryAuthFailure,
}

impl SaslFailure {
    /// Name of the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }

    /// `<failure/>`. The text has no attributes and follows the condition directly.
    ///
    /// COMPAT(lib-jitsi-meet): the reason is cut out of the XML with a pattern that allows neither
    /// `xml:lang` nor anything between condition and `<text>`.
    pub fn to_xml(self, text: Option<&str>) -> String {
        let mut out = format!("<failure xmlns='{NS_SASL}'><{}/>", self.as_str());
        if let Some(text) = text {
            out.push_str("<text>");
            crate::xml::escape_text(text, &mut out);
            out.push_str("</text>");
        }
        out.push_str("</failure>");
        out
    }
}

/// Decodes the content of `<auth/>` or `<response/>`; `=` stands for an empty message.
pub fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, SaslFailure> {
    if text.is_empty() || text == "=" {
        return Ok(Zeroizing::default());
    }
    BASE64.decode(text.trim()).map(Zeroizing::new).map_err(|_| SaslFailure::IncorrectEncoding)
}

/// Encodes the content of `<challenge/>` or `<success/>`.
pub fn encode(data: &[u8]) -> String {
    BASE64.encode(data)
}

/// Who wants to sign in with what (RFC 4616 §2).
#[derive(Debug)]
pub struct PlainMessage {
    /// The identity to act as; `None` for one's own.
    pub authzid: Option<String>,
    /// The name.
    pub authcid: String,
    /// The password as typed.
    pub password: Zeroizing<String>,
}

impl PlainMessage {
    /// Reads the one message of PLAIN.
    pub fn parse(data: &[u8]) -> Result<Self, SaslFailure> {
        let text = std::str::from_utf8(data).map_err(|_| SaslFailure::MalformedRequest)?;
        let mut parts = text.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslFailure::MalformedRequest);
        };
        if authcid.is_empty() {
            return Err(SaslFailure::MalformedRequest);
        }
        Ok(Self {
            authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
            authcid: authcid.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }
}

/// The client's first message of SCRAM (RFC 5802 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramFirst {
    /// The identity to act as; `None` for one's own.
    pub authzid: Option<String>,
    /// The name.
    pub username: String,
    gs2_header: String,
    bare: String,
    client_nonce: String,
}

impl ScramFirst {
    /// Reads it.
    pub fn parse(data: &[u8]) -> Result<Self, SaslFailure> {
        let malformed = SaslFailure::MalformedRequest;
        let text = std::str::from_utf8(data).map_err(|_| malformed)?;
        let (flag, rest) = text.split_once(',').ok_or(malformed)?;
        // "y" says the client could bind channels and saw no offer: true, we make none.
        if !matches!(flag, "n" | "y") {
            return Err(malformed);
        }
        let (authzid, bare) = rest.split_once(',').ok_or(malformed)?;
        let authzid = match authzid {
            "" => None,
            named => Some(unescape(named.strip_prefix("a=").ok_or(malformed)?)?),
        };
        let mut attributes = bare.split(',');
        let username = attributes.next().and_then(|attribute| attribute.strip_prefix("n=")).ok_or(malformed)?;
        let client_nonce = attributes
            .next()
            .and_then(|attribute| attribute.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty())
            .ok_or(malformed)?;
        if username.is_empty() {
            return Err(malformed);
        }
        Ok(Self {
            authzid,
            username: unescape(username)?,
            gs2_header: text[..text.len() - bare.len()].to_owned(),
            bare: bare.to_owned(),
            client_nonce: client_nonce.to_owned(),
        })
    }
}

fn unescape(name: &str) -> Result<String, SaslFailure> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        rest = if let Some(rest) = after.strip_prefix("2C") {
            out.push(',');
            rest
        } else if let Some(rest) = after.strip_prefix("3D") {
            out.push('=');
            rest
        } else {
            return Err(SaslFailure::MalformedRequest);
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// SCRAM after our challenge was sent.
#[derive(Debug)]
pub struct ScramExchange {
    hash: ScramHash,
    credentials: Credentials,
    gs2_header: String,
    nonce: String,
    auth_message_start: String,
}

impl ScramExchange {
    /// Answers the client's first message; returns the challenge to send.
    pub fn begin(
        hash: ScramHash,
        first: ScramFirst,
        credentials: Credentials,
        random: &mut dyn CryptoRng,
    ) -> (Self, String) {
        let mut own_nonce = [0; 18];
        random.fill_bytes(&mut own_nonce);
        let nonce = format!("{}{}", first.client_nonce, encode(&own_nonce));
        let keys = credentials.keys(hash);
        let challenge = format!("r={nonce},s={},i={}", encode(&keys.salt), keys.iterations);
        let exchange = Self {
            hash,
            gs2_header: first.gs2_header,
            auth_message_start: format!("{},{challenge}", first.bare),
            nonce,
            credentials,
        };
        (exchange, challenge)
    }

    /// Checks the client's final message; returns the server's signature for `<success/>`.
    pub fn finish(self, data: &[u8]) -> Result<String, SaslFailure> {
        let malformed = SaslFailure::MalformedRequest;
        let text = std::str::from_utf8(data).map_err(|_| malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(malformed)?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next().and_then(|attribute| attribute.strip_prefix("c=")).ok_or(malformed)?;
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).ok_or(malformed)?;
        if decode(channel)?.as_slice() != self.gs2_header.as_bytes() {
            return Err(malformed);
        }
        if nonce != self.nonce {
            return Err(SaslFailure::NotAuthorized);
        }
        let proof = decode(proof)?;
        if proof.len() != self.hash.bytes() {
            return Err(malformed);
        }
        let auth_message = format!("{},{without_proof}", self.auth_message_start);
        let keys = self.credentials.keys(self.hash);
        let client_signature = self.hash.hmac(&keys.stored_key, auth_message.as_bytes());
        let client_key: Zeroizing<Vec<u8>> =
            Zeroizing::new(proof.iter().zip(&client_signature).map(|(a, b)| a ^ b).collect());
        if !bool::from(self.hash.hash(&client_key).ct_eq(&keys.stored_key)) {
            return Err(SaslFailure::NotAuthorized);
        }
        let signature = self.hash.hmac(&keys.server_key, auth_message.as_bytes());
        Ok(format!("v={}", encode(&signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{ITERATIONS_MIN, Password, ScramKeys};
    use rand::SeedableRng;

    fn random() -> rand::rngs::StdRng {
        rand::rngs::StdRng::seed_from_u64(7)
    }

    fn credentials(password: &str) -> Credentials {
        let password = Password::new(password).expect("usable");
        Credentials::derive(&password, ITERATIONS_MIN, &mut random())
    }

    /// What a client computes (RFC 5802 §3), written from the client's side.
    fn client_final(hash: ScramHash, password: &str, first: &str, challenge: &str) -> String {
        let attribute =
            |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).expect("in the challenge");
        let salt = decode(attribute("s=")).expect("base64");
        let iterations: std::num::NonZeroU32 = attribute("i=").parse().expect("a number");
        let algorithm = match hash {
            ScramHash::Sha1 => aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA1,
            ScramHash::Sha256 => aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut salted = vec![0; hash.bytes()];
        aws_lc_rs::pbkdf2::derive(algorithm, iterations, &salt, password.as_bytes(), &mut salted);
        let client_key = hash.hmac(&salted, b"Client Key");
        let bare = first.strip_prefix("n,,").expect("no binding");
        let without_proof = format!("c=biws,r={}", attribute("r="));
        let message = format!("{bare},{challenge},{without_proof}");
        let signature = hash.hmac(&hash.hash(&client_key), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        format!("{without_proof},p={}", encode(&proof))
    }

    #[test]
    fn scram_accepts_the_password_and_nothing_else() {
        for hash in [ScramHash::Sha1, ScramHash::Sha256] {
            let first = "n,,n=ann,r=abc";
            let begin = || {
                ScramExchange::begin(
                    hash,
                    ScramFirst::parse(first.as_bytes()).expect("valid"),
                    credentials("correct horse"),
                    &mut random(),
                )
            };
            let (exchange, challenge) = begin();
            let right = client_final(hash, "correct horse", first, &challenge);
            assert!(exchange.finish(right.as_bytes()).expect("right").starts_with("v="));

            let (exchange, challenge) = begin();
            let wrong = client_final(hash, "wrong horse", first, &challenge);
            assert_eq!(exchange.finish(wrong.as_bytes()), Err(SaslFailure::NotAuthorized));

            let (exchange, challenge) = begin();
            let replaced = client_final(hash, "correct horse", first, &challenge).replace("abc", "abd");
            assert_eq!(exchange.finish(replaced.as_bytes()), Err(SaslFailure::NotAuthorized));

            let (exchange, challenge) = begin();
            let bound = client_final(hash, "correct horse", first, &challenge).replace("biws", "eSws");
            assert_eq!(exchange.finish(bound.as_bytes()), Err(SaslFailure::MalformedRequest));
        }
    }

    #[test]
    fn the_exchange_of_rfc_5802_comes_out_as_printed() {
        let salt = decode("QSXCR+Q6sek8bf92").expect("base64").to_vec();
        let mut keys = credentials("pencil");
        let mut salted = [0; 20];
        aws_lc_rs::pbkdf2::derive(
            aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA1,
            std::num::NonZeroU32::new(4096).expect("positive"),
            &salt,
            b"pencil",
            &mut salted,
        );
        let hash = ScramHash::Sha1;
        keys.sha1 = ScramKeys {
            salt,
            iterations: 4096,
            stored_key: hash.hash(&hash.hmac(&salted, b"Client Key")),
            server_key: hash.hmac(&salted, b"Server Key"),
        };
        let first = ScramFirst::parse(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").expect("valid");
        let (mut exchange, _) = ScramExchange::begin(hash, first, keys, &mut random());
        exchange.nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j".into();
        exchange.auth_message_start =
            format!("n=user,r=fyko+d2lbbFgONRv9qkxdawL,r={},s=QSXCR+Q6sek8bf92,i=4096", exchange.nonce);
        assert_eq!(
            exchange
                .finish(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
                .as_deref(),
            Ok("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
        );
    }

    #[test]
    fn a_name_nobody_has_fails_like_a_wrong_password() {
        let first = "n,,n=nobody,r=abc";
        let (exchange, challenge) = ScramExchange::begin(
            ScramHash::Sha1,
            ScramFirst::parse(first.as_bytes()).expect("valid"),
            Credentials::pretended(b"s", "nobody@d", 4096),
            &mut random(),
        );
        let message = client_final(ScramHash::Sha1, "guess", first, &challenge);
        assert_eq!(exchange.finish(message.as_bytes()), Err(SaslFailure::NotAuthorized));
    }

    #[test]
    fn what_real_peers_sent_is_read() {
        // Recorded: Smack in Jicofo (SCRAM-SHA-1), with characters that need no escape.
        let first = decode("biwsbj1mb2N1cyxyPS5EVjx0SC4oQyJrU3RFTUcxWD56Nk17JmFwMjNxO1Ex").expect("base64");
        assert_eq!(ScramFirst::parse(&first).expect("valid").username, "focus");
    }

    #[test]
    fn messages_that_are_none_are_malformed() {
        for bad in [
            &b""[..],
            b"n",
            b"n,,",
            b"p=tls-exporter,,n=a,r=b",
            b"n,,r=b,n=a",
            b"n,,n=,r=b",
            b"n,,n=a,r=",
            b"n,,n=a=2,r=b",
            b"n,x=a,n=a,r=b",
            b"n,,n=\xff,r=b",
        ] {
            assert_eq!(ScramFirst::parse(bad), Err(SaslFailure::MalformedRequest), "{bad:?}");
        }
        let named = ScramFirst::parse(b"y,a=x=2Cy,n=a=3Db,r=b").expect("valid");
        assert_eq!((named.authzid.as_deref(), named.username.as_str()), (Some("x,y"), "a=b"));
        for bad in [&b"a"[..], b"\0\0p", b"\0a", b"a\0b\0c\0d", b"\0\xff\0p"] {
            assert!(PlainMessage::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PlainMessage::parse(b"\0ann\0pass").expect("valid").authcid, "ann");
        assert!(decode("not base64!").is_err());
        assert!(decode("=").expect("empty").is_empty());
    }

    #[test]
    fn the_failure_text_has_the_form_jitsi_reads() {
        assert_eq!(
            SaslFailure::NotAuthorized.to_xml(Some("why & how")),
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>why &amp; how</text></failure>"
        );
    }
}
