//! The STUN and TURN servers told to clients: each answers, and TURN takes credentials made of our secret.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::Report;
use super::settings::{ExternalService, File};
use super::stun::{self, Answer, Refusal, Request};
use crate::data_directory::DataDirectory;

const CHECK: &str = "turn";
/// A server that takes longer is of no use for a call.
const TIMEOUT: Duration = Duration::from_secs(6);
/// A datagram is sent again after this.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: usize = 2048;
/// How long the credentials of a check are good for.
const CREDENTIALS_LIFETIME: Duration = Duration::from_secs(300);
/// UDP in REQUESTED-TRANSPORT (RFC 8656 §18.7).
const TRANSPORT_UDP: [u8; 4] = [17, 0, 0, 0];

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let services = File::read(data).external_services();
    if services.is_empty() {
        report.ok(
            CHECK,
            "no STUN or TURN server is configured: people whose network lets no UDP out need one (xmpp-server.external_services).",
        );
    }
    for service in services {
        // As an address of RFC 7065.
        let transport = if service.tcp { "?transport=tcp" } else { "" };
        let name = format!("{}:{}:{}{transport}", service.kind, service.host, service.port);
        match tokio::time::timeout(TIMEOUT, probe(&service)).await {
            Ok(Ok(what)) => report.ok(CHECK, format!("{name} {what}.")),
            Ok(Err(reason)) => report.error(CHECK, format!("{name} {reason}.")),
            Err(_) => report.error(
                CHECK,
                format!("{name} does not answer; check host, port and firewall in xmpp-server.external_services."),
            ),
        }
    }
}

/// What the server does well, or what is wrong and what to do.
async fn probe(service: &ExternalService) -> Result<&'static str, String> {
    let resolved = tokio::net::lookup_host((service.host.as_str(), service.port)).await;
    let address = resolved.ok().and_then(|mut found| found.next());
    let address = address.ok_or("has no address; correct its host in xmpp-server.external_services")?;
    let mut line = Line::connect(service, address)
        .await
        .map_err(|reason| format!("cannot be reached ({reason}); check host, port and firewall"))?;
    if service.kind == "stun" {
        return match line.ask(Request::new(stun::BINDING, transaction()).fingerprinted(), None).await? {
            Answer::Success(_) => Ok("answers"),
            Answer::Refused(refusal) => Err(format!("refuses to tell addresses ({}); see its log", refusal.code)),
        };
    }
    let first = allocate().fingerprinted();
    let refusal = match line.ask(first, None).await? {
        Answer::Success(_) => return Err("relays for everybody; make it ask for credentials".to_owned()),
        Answer::Refused(refusal) if refusal.code == 401 => refusal,
        Answer::Refused(refusal) => return Err(format!("refuses ({} {}); see its log", refusal.code, refusal.reason)),
    };
    let Some(secret) = &service.secret else {
        return Ok("answers and asks for credentials");
    };
    let credentials = Credentials::new(secret, &refusal, SystemTime::now());
    match line.ask(credentials.seal(allocate()), Some(&credentials.key)).await? {
        Answer::Success(_) => {}
        Answer::Refused(refusal) if refusal.code == 401 => {
            return Err("does not take our credentials; give both the same secret, and check both clocks".to_owned());
        }
        Answer::Refused(refusal) => return Err(format!("refuses ({} {}); see its log", refusal.code, refusal.reason)),
    }
    let free = Request::new(stun::REFRESH, transaction()).attribute(stun::LIFETIME, &[0; 4]);
    // What is not freed ends by itself.
    let _ = line.ask(credentials.seal(free), Some(&credentials.key)).await;
    Ok("answers and relays with our credentials")
}

fn allocate() -> Request {
    Request::new(stun::ALLOCATE, transaction()).attribute(stun::REQUESTED_TRANSPORT, &TRANSPORT_UDP)
}

fn transaction() -> [u8; 12] {
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// As clients get them: a name that is a time, and a password that is its HMAC.
struct Credentials {
    username: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: Vec<u8>,
}

impl Credentials {
    fn new(secret: &str, refusal: &Refusal, now: SystemTime) -> Self {
        let expires = (now + CREDENTIALS_LIFETIME).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let username = expires.to_string();
        let hmac_key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let password = BASE64.encode(hmac::sign(&hmac_key, username.as_bytes()));
        let mut digest = Md5::new();
        for part in [username.as_bytes(), b":", &refusal.realm, b":", password.as_bytes()] {
            digest.update(part);
        }
        let key = digest.finalize().to_vec();
        Self { username, realm: refusal.realm.clone(), nonce: refusal.nonce.clone(), key }
    }

    fn seal(&self, request: Request) -> Vec<u8> {
        request
            .attribute(stun::USERNAME, self.username.as_bytes())
            .attribute(stun::REALM, &self.realm)
            .attribute(stun::NONCE, &self.nonce)
            .sealed(&self.key)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The way to a server.
enum Line {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>),
}

impl Line {
    async fn connect(service: &ExternalService, address: SocketAddr) -> Result<Self, String> {
        let words = |error: std::io::Error| error.to_string();
        if !service.tcp {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).await.map_err(words)?;
            socket.connect(address).await.map_err(words)?;
            return Ok(Self::Udp(socket));
        }
        let stream = TcpStream::connect(address).await.map_err(words)?;
        if service.kind != "turns" {
            return Ok(Self::Stream(Box::new(stream)));
        }
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(certs::system_authorities());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(service.host.clone()).map_err(|error| error.to_string())?;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(words)?;
        Ok(Self::Stream(Box::new(stream)))
    }

    /// Sends a request until it is answered; the caller bounds the time.
    async fn ask(&mut self, request: Vec<u8>, key: Option<&[u8]>) -> Result<Answer, String> {
        let broke = |error: std::io::Error| format!("cannot be reached ({error}); check host, port and firewall");
        let transaction = <[u8; 12]>::try_from(&request[8..20]).map_err(|error| error.to_string())?;
        match self {
            Self::Udp(socket) => {
                let mut buffer = vec![0; ANSWER_BYTES_MAX];
                loop {
                    socket.send(&request).await.map_err(broke)?;
                    let Ok(received) = tokio::time::timeout(REPEAT_AFTER, socket.recv(&mut buffer)).await else {
                        continue;
                    };
                    let length = received.map_err(broke)?;
                    if let Some(answer) = stun::answer(&buffer[..length], transaction, key) {
                        return Ok(answer);
                    }
                }
            }
            Self::Stream(stream) => {
                stream.write_all(&request).await.map_err(broke)?;
                stream.flush().await.map_err(broke)?;
                let mut message = vec![0; 20];
                stream.read_exact(&mut message).await.map_err(broke)?;
                let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
                if length > ANSWER_BYTES_MAX {
                    return Err("does not speak STUN; check its port".to_owned());
                }
                message.resize(20 + length, 0);
                stream.read_exact(&mut message[20..]).await.map_err(broke)?;
                stun::answer(&message, transaction, key).ok_or_else(|| "does not speak STUN; check its port".to_owned())
            }
        }
    }
}
