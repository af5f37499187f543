//! Passing HTTP requests on to the focus and the bridge, upgrades to WebSocket included.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::http::Peer;
use super::socket::connect_unix;
use crate::config::HttpAddress;

/// How long the other process may take to begin its answer. The focus holds a request while it
/// allocates on a bridge.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Headers that concern one hop only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Why there is no answer to pass back.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("not reachable: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("broke off: {0}")]
    BrokeOff(#[from] hyper::Error),
    #[error("took too long")]
    TookTooLong,
}

/// Sends `request` to another process with the path and query `uri`; `who` is for people.
pub(crate) async fn forward(address: &HttpAddress, who: &'static str, uri: Uri, request: Request<Body>) -> Response {
    let result = match address {
        HttpAddress::Unix(path) => match connect_unix(path).await {
            Ok(stream) => exchange(stream, uri, request).await,
            Err(error) => Err(error.into()),
        },
        HttpAddress::Tcp(address) => match TcpStream::connect(address).await {
            Ok(stream) => exchange(stream, uri, request).await,
            Err(error) => Err(error.into()),
        },
    };
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "a request could not be passed to the {who}");
        let status = match error {
            ProxyError::TookTooLong => StatusCode::GATEWAY_TIMEOUT,
            ProxyError::Unreachable(_) | ProxyError::BrokeOff(_) => StatusCode::BAD_GATEWAY,
        };
        (status, format!("The {who} does not answer at the moment. Please try again shortly.\n")).into_response()
    })
}

async fn exchange<S>(stream: S, uri: Uri, mut request: Request<Body>) -> Result<Response, ProxyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to another process ended");
        }
    });
    let client = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let peer = request.extensions_mut().remove::<Peer>();
    let upgrade = request.headers().get(header::UPGRADE).cloned().filter(|_| client.is_some());
    let mut outgoing = Request::new(Body::empty());
    *outgoing.method_mut() = request.method().clone();
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = end_to_end(request.headers());
    if outgoing.headers().get(header::HOST).is_none() {
        outgoing.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    if let Some(protocol) = &upgrade {
        mark_upgrade(outgoing.headers_mut(), protocol);
    }
    *outgoing.body_mut() = request.into_body();
    let mut answer = tokio::time::timeout(ANSWER_MAX, sender.send_request(outgoing))
        .await
        .map_err(|_| ProxyError::TookTooLong)??;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = end_to_end(answer.headers());
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(protocol), Some(client)) = (answer.headers().get(header::UPGRADE).cloned(), client) else {
            return Ok(StatusCode::BAD_GATEWAY.into_response());
        };
        mark_upgrade(response.headers_mut(), &protocol);
        let server = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            let (Ok(client), Ok(server)) = tokio::join!(client, server) else {
                return;
            };
            // Either end may break off; the other then learns it.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            drop(peer);
        });
    } else {
        *response.body_mut() = Body::new(answer.into_body());
    }
    Ok(response)
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut copy = headers.clone();
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        copy.remove(name);
    }
    copy
}

fn mark_upgrade(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}
