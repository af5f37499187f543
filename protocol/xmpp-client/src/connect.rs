//! From an address to a stream ready for login: TCP, STARTTLS, stream header.

use core::time::Duration;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use minidom::Element;
use protocol::ns;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_xmpp::xmlstream::{
    InitiatingStream, PendingFeaturesRecv, ReadError, RecvFeaturesError, StreamHeader, Timeouts, XmlStream,
    initiate_stream,
};
use xmpp_parsers::stream_features::StreamFeatures;

use crate::config::{Config, Security, Trust};

/// A byte stream, encrypted or not.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

pub(crate) type Io = BufStream<Box<dyn Bytes>>;
pub(crate) type ElementStream = XmlStream<Io, Element>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No contact, or it broke.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// It took longer than allowed.
    #[error("the server did not answer in time")]
    Timeout,
    /// The file with the trusted authorities cannot be used.
    #[error("the trusted certificates cannot be read: {0}")]
    Trust(String),
    /// The name to expect in the certificate is not a name.
    #[error("{0:?} is not a name a certificate can be for")]
    TlsName(String),
    /// The server does not offer STARTTLS and the connection may not be in the clear.
    #[error("the server offers no TLS, and the connection must not go on without")]
    NoTls,
    /// The peer is on another machine and the connection would be in the clear.
    #[error("the server is not on this machine: the connection must be encrypted")]
    ClearToOtherMachine,
    /// The server ended the stream with an error: its condition.
    #[error("the server ended the stream: {0}")]
    StreamError(String),
    /// The server said something unexpected.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(&'static str),
    /// The server offers no way to log in that we have.
    #[error("the server offers no login mechanism we have")]
    NoMechanism,
    /// The login was refused: SASL condition.
    #[error("the login was refused: {0}")]
    LoginRefused(String),
    /// The server did not prove that it knows the account.
    #[error("the server did not prove its identity: {0}")]
    ServerNotAuthentic(String),
    /// No resource was given.
    #[error("no resource was bound: {0}")]
    BindRefused(String),
}

impl From<ReadError> for ConnectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::HardError(error) => Self::Io(error),
            ReadError::ParseError(_) => Self::Protocol("malformed XML"),
            ReadError::SoftTimeout => Self::Timeout,
            ReadError::StreamFooterReceived => Self::Io(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl From<RecvFeaturesError> for ConnectError {
    fn from(error: RecvFeaturesError) -> Self {
        match error {
            RecvFeaturesError::Io(error) => Self::Io(error),
            RecvFeaturesError::StreamError(error) => Self::StreamError(error.to_string()),
        }
    }
}

/// Dials and negotiates TLS.
pub(crate) async fn connect(config: &Config) -> Result<(StreamFeatures, ElementStream), ConnectError> {
    let tcp = TcpStream::connect((config.host.as_str(), config.port)).await?;
    tcp.set_nodelay(true)?;
    let loopback = tcp.peer_addr()?.ip().to_canonical().is_loopback();
    if matches!(config.security, Security::Plain) && !loopback {
        return Err(ConnectError::ClearToOtherMachine);
    }
    let io: Box<dyn Bytes> = Box::new(tcp);
    let pending = initiate_stream(BufStream::new(io), ns::CLIENT, header(config), timeouts(config)).await?;
    let (features, stream) = pending.recv_features::<Element>().await?;
    let (tls_name, trust) = match &config.security {
        Security::StartTls { .. } if !features.can_starttls() => return Err(ConnectError::NoTls),
        Security::IfPossible { .. } if !features.can_starttls() && !loopback => {
            return Err(ConnectError::ClearToOtherMachine);
        }
        Security::Plain => return Ok((features, stream)),
        Security::IfPossible { .. } if !features.can_starttls() => return Ok((features, stream)),
        Security::StartTls { tls_name, trust } | Security::IfPossible { tls_name, trust } => (tls_name, trust),
    };
    let pending = start_tls(stream, tls_name, trust, config).await?;
    Ok(pending.recv_features::<Element>().await?)
}

/// RFC 6120 §5.4.2: request, permission, handshake, new stream.
async fn start_tls(
    mut stream: ElementStream,
    tls_name: &str,
    trust: &Trust,
    config: &Config,
) -> Result<PendingFeaturesRecv<Io>, ConnectError> {
    let tls = tls_config(trust)?;
    let name = ServerName::try_from(tls_name.to_owned()).map_err(|_| ConnectError::TlsName(tls_name.to_owned()))?;
    stream.send(&Element::bare("starttls", ns::TLS)).await?;
    let answer = read(&mut stream).await?;
    if !answer.is("proceed", ns::TLS) {
        return Err(ConnectError::Protocol("no permission to start TLS after it was offered"));
    }
    let io = stream.into_inner().into_inner();
    let io: Box<dyn Bytes> = Box::new(TlsConnector::from(Arc::new(tls)).connect(name, io).await?);
    Ok(initiate_stream(BufStream::new(io), ns::CLIENT, header(config), timeouts(config)).await?)
}

/// Sends the header of the stream that follows login.
pub(crate) async fn restart(
    stream: InitiatingStream<Io>,
    config: &Config,
) -> Result<(StreamFeatures, ElementStream), ConnectError> {
    Ok(stream.send_header(header(config)).await?.recv_features::<Element>().await?)
}

/// The next element during negotiation.
pub(crate) async fn read(stream: &mut ElementStream) -> Result<Element, ConnectError> {
    loop {
        match stream.next().await {
            Some(Ok(element)) if element.is("error", ns::STREAM) => {
                return Err(ConnectError::StreamError(stream_error_condition(&element)));
            }
            Some(Ok(element)) => return Ok(element),
            // The time allowed for the whole of the negotiation decides.
            Some(Err(ReadError::SoftTimeout)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// The defined condition of a `<stream:error/>`.
pub(crate) fn stream_error_condition(error: &Element) -> String {
    error
        .children()
        .find(|child| child.ns() == ns::STREAM_ERRORS && child.name() != "text")
        .map_or_else(|| "undefined-condition".to_owned(), |child| child.name().to_owned())
}

fn header(config: &Config) -> StreamHeader<'static> {
    StreamHeader { to: Some(Cow::Owned(config.domain.clone())), from: None, id: None }
}

fn timeouts(config: &Config) -> Timeouts {
    Timeouts {
        read_timeout: config.keepalive.max(Duration::from_millis(1)),
        response_timeout: config.keepalive_timeout.max(Duration::from_millis(2)),
    }
}

fn tls_config(trust: &Trust) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions");
    let certificates = match trust {
        Trust::PemFile(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| ConnectError::Trust(format!("{}: {error}", path.display())))?,
        Trust::Certificates(certificates) => certificates.clone(),
        Trust::Anyone => {
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AcceptAnyone(provider)))
                .with_no_client_auth());
        }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| ConnectError::Trust(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(ConnectError::Trust("there are none".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Accepts every certificate: [`Trust::Anyone`]. Signatures are still checked, so the peer has the key.
#[derive(Debug)]
struct AcceptAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
