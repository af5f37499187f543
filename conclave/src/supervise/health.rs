//! Asking a process whether it is well.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use protocol::admin;

use super::Part;
use crate::admin::{ask_running, connect_unix};
use crate::data_directory::DataDirectory;

/// A part that takes longer than this to answer is not well.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a part said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// It answered at all. One that runs and stays silent is hung.
    pub(crate) answered: bool,
    pub(crate) healthy: bool,
    /// Why it is not healthy, in words.
    pub(crate) detail: Option<String>,
    pub(crate) version: Option<String>,
    /// Where it listens: kind → address.
    pub(crate) addresses: BTreeMap<String, String>,
    /// Ports of the XMPP server, once it has bound them.
    pub(crate) ports: Option<Ports>,
    /// The certificate that the XMPP server serves.
    pub(crate) certificate: Option<admin::Certificate>,
}

/// The XMPP server's real ports, after binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) c2s: u16,
    pub(crate) c2s_tls: u16,
}

/// Asks `part`.
pub(crate) async fn check(data: &DataDirectory, part: Part) -> Report {
    let answer = async {
        match part {
            Part::XmppServer => xmpp_server(data).await,
            Part::Videobridge | Part::Focus => over_http(data, part).await,
        }
    };
    tokio::time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_default()
}

async fn xmpp_server(data: &DataDirectory) -> Report {
    let success = ask_running(data, &admin::Request::Health).await;
    let Some(health) = success.and_then(|success| success.health) else { return Report::default() };
    let ports = Ports { https: health.https_port, c2s: health.c2s_port, c2s_tls: health.c2s_tls_port };
    let mut addresses = BTreeMap::new();
    for (kind, port) in [("https", ports.https), ("c2s", ports.c2s), ("c2s-tls", ports.c2s_tls)] {
        if port != 0 {
            addresses.insert(kind.to_owned(), format!("{}:{port}", health.host));
        }
    }
    addresses.insert("admin".to_owned(), format!("unix:{}", data.socket("admin.sock").display()));
    Report {
        answered: true,
        healthy: health.healthy,
        detail: (!health.healthy).then(|| "not all listeners are up".to_owned()),
        version: Some(health.version),
        addresses,
        ports: Some(ports),
        certificate: health.certificate,
    }
}

async fn over_http(data: &DataDirectory, part: Part) -> Report {
    let socket = data.socket(&format!("{}.sock", part.name()));
    let Ok((status, body)) = get(&socket, "/about/health").await else { return Report::default() };
    let healthy = status == StatusCode::OK;
    let version = match get(&socket, "/about/version").await {
        Ok((StatusCode::OK, body)) => serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|value| value.get("version").and_then(|v| v.as_str().map(str::to_owned))),
        _ => None,
    };
    let mut addresses = BTreeMap::new();
    addresses.insert("http".to_owned(), format!("unix:{}", socket.display()));
    let detail = (!healthy).then(|| String::from_utf8_lossy(&body).trim().to_owned()).filter(|d| !d.is_empty());
    Report { answered: true, healthy, detail, version, addresses, ..Report::default() }
}

/// One GET over a Unix socket.
async fn get(socket: &Path, path: &str) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    request(socket, Method::GET, path, Bytes::new()).await
}

/// One request over a Unix socket, with a body of JSON or none.
pub(crate) async fn request(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = connect_unix(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => Err(ended.err().map_or_else(|| "the connection closed".into(), Into::into)),
    }
}
