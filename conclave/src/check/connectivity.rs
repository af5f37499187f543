//! The ports of the running stack: each answers, and with its own protocol.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use protocol::admin::{Health, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::settings::File;
use super::{Report, tls};
use crate::admin::ask_running;
use crate::data_directory::DataDirectory;
use crate::supervise::{Part, health};

const CHECK: &str = "connectivity";
/// One port answers sooner.
const TIMEOUT: Duration = Duration::from_secs(8);
/// What a server says before the word looked for.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The key of RFC 6455 §1.3 and what must be answered to it.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let running = ask_running(data, &Request::Health).await.and_then(|success| success.health);
    let Some(health) = running else {
        report.error(CHECK, "the XMPP server does not run or does not answer; start it with: conclave run");
        return;
    };
    let address = listen_address(data);
    let folder = data.certificates();
    let look = |port: u16, key: &str, what: &str, answer: Result<(), String>, report: &mut Report| match answer {
        Ok(()) => report.ok(CHECK, format!("{what} answers on port {port}.")),
        Err(reason) => report.error(
            CHECK,
            format!(
                "{what} does not answer as it should on port {port} ({reason}); see the log, and xmpp-server.{key}."
            ),
        ),
    };
    let at = |port| SocketAddr::new(address, port);
    if health.c2s_port != 0 {
        let answer = within(starttls(at(health.c2s_port), &health, &folder)).await;
        look(health.c2s_port, "c2s_port", "XMPP with STARTTLS", answer, report);
    }
    if health.c2s_tls_port != 0 {
        let answer = within(direct_tls(at(health.c2s_tls_port), &health, &folder)).await;
        look(health.c2s_tls_port, "c2s_tls_port", "XMPP with direct TLS", answer, report);
    }
    if health.https_port != 0 {
        let page = within(page(at(health.https_port), &health, &folder)).await;
        look(health.https_port, "https_port", "the web client", page, report);
        let websocket = within(websocket(at(health.https_port), &health, &folder)).await;
        look(health.https_port, "https_port", "XMPP over WebSocket", websocket, report);
    }
    for part in [Part::Focus, Part::Videobridge] {
        let state = health::check(data, part).await;
        match (state.healthy, state.detail) {
            (true, _) => report.ok(CHECK, format!("the {} is well.", part.name())),
            (false, Some(detail)) => {
                report.error(CHECK, format!("the {} is not well ({detail}); see its log.", part.name()));
            }
            (false, None) => {
                report.error(CHECK, format!("the {} does not answer; see the log of conclave run.", part.name()));
            }
        }
    }
}

/// Where the server listens, as far as the file says: any address includes the loopback.
fn listen_address(data: &DataDirectory) -> IpAddr {
    let file = File::read(data);
    let listen =
        file.text("xmpp-server", "listen").and_then(|listen| listen.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    listen.filter(|address| !address.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

async fn within(answer: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| error.to_string())
}

async fn starttls(address: SocketAddr, health: &Health, folder: &Path) -> Result<(), String> {
    let mut stream = connect(address).await?;
    say(&mut stream, &stream_header(&health.host)).await?;
    hear(&mut stream, "urn:ietf:params:xml:ns:xmpp-tls").await?;
    hear(&mut stream, "</stream:features>").await?;
    say(&mut stream, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    hear(&mut stream, "<proceed").await?;
    hear(&mut stream, ">").await?;
    let mut stream = tls::connect(folder, &health.host, None, stream).await?;
    say(&mut stream, &stream_header(&health.host)).await?;
    hear(&mut stream, "urn:ietf:params:xml:ns:xmpp-sasl").await
}

async fn direct_tls(address: SocketAddr, health: &Health, folder: &Path) -> Result<(), String> {
    let mut stream = tls::connect(folder, &health.host, Some(b"xmpp-client"), connect(address).await?).await?;
    say(&mut stream, &stream_header(&health.host)).await?;
    hear(&mut stream, "urn:ietf:params:xml:ns:xmpp-sasl").await
}

async fn page(address: SocketAddr, health: &Health, folder: &Path) -> Result<(), String> {
    let mut stream = tls::connect(folder, &health.host, Some(b"http/1.1"), connect(address).await?).await?;
    say(&mut stream, &format!("GET /config.js HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", health.host)).await?;
    hear(&mut stream, " 200 ").await
}

async fn websocket(address: SocketAddr, health: &Health, folder: &Path) -> Result<(), String> {
    let mut stream = tls::connect(folder, &health.host, Some(b"http/1.1"), connect(address).await?).await?;
    let request = format!(
        "GET /xmpp-websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n",
        health.host
    );
    say(&mut stream, &request).await?;
    hear(&mut stream, WEBSOCKET_ACCEPT).await
}

fn stream_header(host: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='{host}' version='1.0'>"
    )
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Result<(), String> {
    stream.write_all(text.as_bytes()).await.map_err(|error| error.to_string())
}

/// Reads byte by byte until `word` has come, so that nothing after it is lost.
async fn hear(stream: &mut (impl AsyncRead + Unpin), word: &str) -> Result<(), String> {
    let mut heard = Vec::new();
    while !heard.ends_with(word.as_bytes()) {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) if heard.len() < ANSWER_BYTES_MAX => heard.push(byte[0]),
            Ok(_) => return Err(unexpected(&heard)),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// The beginning of another answer than the one waited for.
fn unexpected(heard: &[u8]) -> String {
    if heard.is_empty() {
        return "the connection was closed without a word".to_owned();
    }
    let start: String = String::from_utf8_lossy(heard).chars().take(60).filter(|c| !c.is_control()).collect();
    format!("it said \"{start}\"")
}
