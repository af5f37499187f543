//! XMPP over TCP: STARTTLS on one port, TLS from the first byte on another (XEP-0368).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use xmpp_server_core::server::{Input, Output};
use xmpp_server_core::session::ConnectionId;
use xmpp_server_core::stream::framing::TcpFraming;
use xmpp_server_core::stream::limits::ByteRate;
use xmpp_server_core::stream::negotiation::{Opened, Transport};

use super::places::Places;
use super::socket;
use crate::drive::{Command, Commands, Driver};

/// A TLS handshake takes at most this.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A write that the peer does not take for this long means the connection is dead.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(30);
/// Silence after which the peer's presence is checked with a space (RFC 6120 §4.6.1).
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);
/// Silence after which the connection is taken for dead: the peer did not even acknowledge TCP.
const USER_TIMEOUT: Duration = Duration::from_secs(45);
/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;
/// Commands handled before writing.
const COMMANDS_AT_ONCE: usize = 256;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// When the peer asks for it.
    Start,
    /// With the first byte.
    Direct,
}

/// Accepts connections until the process ends.
pub(crate) async fn serve(listener: TcpListener, tls: Tls, acceptor: TlsAcceptor, driver: Driver) {
    let places = Places::new();
    loop {
        let Some(vacancy) = places.vacancy().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: the ones in use will be freed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = places.take(vacancy, address.ip()) else {
            continue;
        };
        let (acceptor, driver) = (acceptor.clone(), driver.clone());
        tokio::spawn(async move {
            connection(stream, address, tls, &acceptor, &driver).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, tls: Tls, acceptor: &TlsAcceptor, driver: &Driver) {
    socket::prepare(&stream);
    set_user_timeout(&stream);
    let opened = |encrypted| Opened {
        transport: Transport::Tcp,
        encrypted,
        address: address.ip().to_canonical(),
        params: Arc::default(),
        previd: None,
    };
    if tls == Tls::Direct {
        let Some(stream) = handshake(acceptor, stream).await else {
            return;
        };
        let Some((id, mut commands)) = driver.open(opened(true)).await else {
            return;
        };
        converse(stream, id, &mut commands, driver, &mut TcpFraming::new()).await;
        driver.input(Input::Closed(id)).await;
        return;
    }
    let Some((id, mut commands)) = driver.open(opened(false)).await else {
        return;
    };
    let mut framing = TcpFraming::new();
    if let Ended::StartTls(stream) = converse(stream, id, &mut commands, driver, &mut framing).await
        && let Some(stream) = handshake(acceptor, stream).await
    {
        // Whatever came in plain text after the request is not part of the encrypted stream.
        framing.restart();
        if driver.input(Input::Encrypted(id)).await {
            converse(stream, id, &mut commands, driver, &mut framing).await;
        }
    }
    driver.input(Input::Closed(id)).await;
}

async fn handshake(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

enum Ended<S> {
    StartTls(S),
    Closed,
}

/// Carries frames in and commands out until either side ends it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    id: ConnectionId,
    commands: &mut Commands,
    driver: &Driver,
    framing: &mut TcpFraming,
) -> Ended<S> {
    let mut buffer = vec![0; READ_BYTES];
    let mut batch = Vec::new();
    let mut frames = Vec::new();
    let mut rate: Option<ByteRate> = None;
    let started = Instant::now();
    let mut read_again_at = tokio::time::Instant::now();
    let mut reading = true;
    loop {
        let keep_alive = tokio::time::sleep(KEEP_ALIVE_AFTER);
        tokio::select! {
            biased;
            count = commands.receiver.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                if count == 0 {
                    return Ended::Closed;
                }
                let mut out = Vec::new();
                let mut ending = None;
                let mut queued = 0;
                for command in batch.drain(..) {
                    match command {
                        Command::Write(output) => {
                            queued += output.len();
                            append(&mut out, &output);
                        }
                        Command::RestartParser => framing.restart(),
                        Command::SetLimits(limits) => {
                            framing.set_limits(limits);
                            rate = limits.bytes_per_s.map(|rate| ByteRate::new(rate, elapsed_ms(started)));
                        }
                        Command::StartTls => ending = Some(true),
                        Command::Close => ending = Some(false),
                    }
                }
                commands.written(queued);
                if write(&mut stream, &out).await.is_err() {
                    return Ended::Closed;
                }
                match ending {
                    Some(true) => return Ended::StartTls(stream),
                    Some(false) => {
                        // The peer may be gone already.
                        let _ = tokio::time::timeout(Duration::from_secs(2), stream.shutdown()).await;
                        return Ended::Closed;
                    }
                    None => {}
                }
            }
            read = stream.read(&mut buffer), if reading && read_again_at <= tokio::time::Instant::now() => {
                let Ok(count @ 1..) = read else {
                    return Ended::Closed;
                };
                let result = framing.receive(&buffer[..count], &mut frames);
                for frame in frames.drain(..) {
                    if !driver.input(Input::Frame(id, frame)).await {
                        return Ended::Closed;
                    }
                }
                if let Err(error) = result {
                    reading = false;
                    driver.input(Input::Broken(id, error)).await;
                }
                if let Some(rate) = &mut rate {
                    let pause_ms = rate.take(count, elapsed_ms(started));
                    read_again_at = tokio::time::Instant::now() + Duration::from_millis(pause_ms);
                }
            }
            () = tokio::time::sleep_until(read_again_at), if reading && read_again_at > tokio::time::Instant::now() => {}
            () = keep_alive => {
                if write(&mut stream, b" ").await.is_err() {
                    return Ended::Closed;
                }
            }
        }
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn append(out: &mut Vec<u8>, output: &Output) {
    match output {
        Output::Text(text) => out.extend_from_slice(text.as_bytes()),
        Output::Stanza(stanza) => {
            out.extend_from_slice(&stanza.head);
            out.extend_from_slice(&stanza.tail);
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    tokio::time::timeout(WRITE_MAX, written).await?
}

/// Data that is not acknowledged in time ends the connection, so that its session hibernates and
/// others learn of it.
fn set_user_timeout(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT)) {
        tracing::debug!(%error, "the time limit on unacknowledged data can't be set here");
    }
}
