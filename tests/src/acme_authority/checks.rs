//! Looking for the proofs, as the authority's own eyes: HTTP, TLS, and a folder for the name servers.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Policy;

const PATIENCE: Duration = Duration::from_secs(5);

/// Looks for `wanted`, the key authorization, as challenge `kind` has it.
pub(super) async fn check(kind: &str, policy: &Policy, name: &str, token: &str, wanted: &str) -> Result<(), String> {
    let look = async {
        match kind {
            "http-01" => http(policy.http_port, name, token, wanted).await,
            "tls-alpn-01" => tls(policy.tls_port, name, wanted).await,
            _ => dns(policy, name, wanted),
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn http(port: u16, name: &str, token: &str, wanted: &str) -> Result<(), String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|e| e.to_string())?;
    let request =
        format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(|e| e.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP")?;
    let found = head.starts_with("HTTP/1.1 200 ") && body.trim_end() == wanted;
    if found {
        Ok(())
    } else {
        Err(format!("the file says something else: {}", head.lines().next().unwrap_or_default()))
    }
}

fn dns(policy: &Policy, name: &str, wanted: &str) -> Result<(), String> {
    let record = std::fs::read_to_string(policy.dns_folder.join(format!("_acme-challenge.{name}.")))
        .map_err(|_| "there is no such record".to_owned())?;
    let expected = BASE64.encode(digest(&SHA256, wanted.as_bytes()));
    if record.trim() == expected { Ok(()) } else { Err("the record says something else".to_owned()) }
}

async fn tls(port: u16, name: &str, wanted: &str) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let seen = Arc::new(Seen { certificate: Mutex::default(), provider: Arc::clone(&provider) });
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|e| e.to_string())?;
    let server = ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(server, stream).await.map_err(|e| e.to_string())?;
    if stream.get_ref().1.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("another protocol was agreed on".to_owned());
    }
    let certificate = seen.certificate.lock().expect("seen").clone().ok_or("no certificate")?;
    // id-pe-acmeIdentifier, critical, an octet string of the digest within an octet string (RFC 8737 §3).
    let mut expected = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20".to_vec();
    expected.extend(digest(&SHA256, wanted.as_bytes()).as_ref());
    let found = certificate.windows(expected.len()).any(|window| window == expected);
    if found { Ok(()) } else { Err("the certificate proves nothing".to_owned()) }
}

/// Takes any certificate and remembers it.
#[derive(Debug)]
struct Seen {
    certificate: Mutex<Option<CertificateDer<'static>>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.certificate.lock().expect("seen") = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    // The critical extension of the challenge is one that the usual check of signatures refuses; the
    // digest in the certificate is proof enough for a test.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
