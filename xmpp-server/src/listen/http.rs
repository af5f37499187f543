//! HTTPS: the WebSocket entry, the web client, and what is passed on to focus and bridge.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::places::{Place, Places};
use super::website::Website;
use super::{proxy, socket, trust, websocket};
use crate::certificates::Certificates;
use crate::config::HttpAddress;
use crate::drive::Driver;

/// A TLS handshake, and then the head of a request, take at most this.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Largest conference request.
const CONFERENCE_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// What requests are answered with.
#[derive(Clone)]
pub(crate) struct Entry {
    inner: Arc<Inner>,
}

struct Inner {
    host: String,
    website: Website,
    driver: Driver,
    focus: HttpAddress,
    videobridge: HttpAddress,
    trusted_proxies: BTreeSet<IpAddr>,
    certificates: Arc<Certificates>,
}

impl Entry {
    pub(crate) fn new(
        host: String,
        website: Website,
        driver: Driver,
        focus: HttpAddress,
        videobridge: HttpAddress,
        trusted_proxies: BTreeSet<IpAddr>,
        certificates: Arc<Certificates>,
    ) -> Self {
        Self { inner: Arc::new(Inner { host, website, driver, focus, videobridge, trusted_proxies, certificates }) }
    }
}

/// The connection a request came on.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    address: SocketAddr,
    place: Arc<Place>,
}

/// Accepts connections until the process ends.
pub(crate) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, entry: Entry) {
    let router = Router::new().fallback(answer).with_state(entry);
    let places = Places::new();
    loop {
        let Some(vacancy) = places.vacancy().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        socket::prepare(&stream);
        let acceptor = acceptor.clone();
        let Some(place) = places.take(vacancy, address.ip()) else {
            continue;
        };
        // What a request turns the connection into keeps the place, too.
        let peer = Peer { address, place: Arc::new(place) };
        let router = router.clone().layer(axum::Extension(peer));
        tokio::spawn(async move {
            let stream = match tokio::time::timeout(HEAD_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return,
            };
            // The handshake was all that an ACME authority came for (RFC 8737 §3).
            if stream.get_ref().1.alpn_protocol() == Some(certs::acme::ALPN_PROTOCOL) {
                return;
            }
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).keep_alive(true);
            let served =
                builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router)).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

async fn answer(State(entry): State<Entry>, request: Request) -> Response {
    let entry = &*entry.inner;
    let path = request.uri().path().to_owned();
    // A tenant may stand before the addresses of the services.
    let service = path.rsplit_once('/').map_or(path.as_str(), |(_, last)| last);
    let depth = path.matches('/').count();
    match path.as_str() {
        _ if service == "xmpp-websocket" && depth <= 2 => xmpp_websocket(entry, request).await,
        _ if path.ends_with("/conference-request/v1") && depth <= 3 => conference_request(entry, request).await,
        _ if path.starts_with("/colibri-ws/") => {
            let uri = request.uri().clone();
            proxy::forward(&entry.videobridge, "videobridge", origin_form(&uri), request).await
        }
        "/health" => health(entry).await,
        "/_unlock" => ([(header::CACHE_CONTROL, "no-store")], "").into_response(),
        "/.well-known/host-meta" => host_meta(entry, &request, false),
        "/.well-known/host-meta.json" => host_meta(entry, &request, true),
        _ if *request.method() == Method::GET || *request.method() == Method::HEAD => {
            if path.starts_with("/trust")
                && let Some(local) = entry.certificates.local_authority()
                && let Some(page) = trust::answer(&path, &entry.host, &local)
            {
                return page;
            }
            let authority = authority(entry, &request);
            entry.website.serve(request.into_parts().0, &authority).await
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "Only reading is possible here.\n").into_response(),
    }
}

async fn xmpp_websocket(entry: &Inner, request: Request) -> Response {
    if *request.method() == Method::OPTIONS {
        return preflight();
    }
    if request.headers().get(header::UPGRADE).is_none() {
        return websocket::keep_alive();
    }
    let address = client_address(entry, &request);
    let place = request.extensions().get::<Peer>().map(|peer| Arc::clone(&peer.place));
    // The tenant may be part of the path instead of a parameter.
    let tenant = request.uri().path().trim_start_matches('/').split_once('/').map(|(tenant, _)| tenant.to_owned());
    let (mut parts, _) = request.into_parts();
    let query = match (tenant, parts.uri.query()) {
        (Some(tenant), query) => Some(format!("prefix={tenant}&{}", query.unwrap_or_default())),
        (None, query) => query.map(str::to_owned),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    websocket::upgrade(upgrade, query.as_deref(), &parts.headers, address, entry.driver.clone(), place)
}

async fn conference_request(entry: &Inner, request: Request) -> Response {
    if *request.method() == Method::OPTIONS {
        return preflight();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, CONFERENCE_REQUEST_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.\n").into_response();
    };
    let uri = match parts.uri.query() {
        Some(query) => format!("/conference-request/v1?{query}").parse(),
        None => Ok(Uri::from_static("/conference-request/v1")),
    };
    let Ok(uri) = uri else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request = Request::from_parts(parts, Body::from(body));
    let mut response = proxy::forward(&entry.focus, "focus", uri, request).await;
    allow_everybody(response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default()
}

fn preflight() -> Response {
    let mut response = StatusCode::OK.into_response();
    allow_everybody(response.headers_mut());
    response
}

fn allow_everybody(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Authorization"));
}

async fn health(entry: &Inner) -> Response {
    if entry.driver.figures().await.is_some() {
        "The XMPP server is well.\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "The XMPP server is stopping.\n").into_response()
    }
}

/// Where other XMPP clients find the WebSocket (XEP-0156 §3).
fn host_meta(entry: &Inner, request: &Request, json: bool) -> Response {
    const RELATION: &str = "urn:xmpp:alt-connections:websocket";
    let url = format!("wss://{}/xmpp-websocket", authority(entry, request));
    let (kind, text) = if json {
        let document = serde_json::json!({ "links": [{ "rel": RELATION, "href": url }] });
        ("application/json", document.to_string())
    } else {
        let document = format!(
            "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\
             <Link rel='{RELATION}' href='{url}'/></XRD>\n"
        );
        ("application/xrd+xml", document)
    };
    ([(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text).into_response()
}

/// The host and port the browser used; ours if what it says can't be one.
fn authority(entry: &Inner, request: &Request) -> String {
    request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| {
            !host.is_empty()
                && host.len() <= 255
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
        })
        .map_or_else(|| entry.host.clone(), str::to_owned)
}

/// Who asks: the connection's address, or what a trusted proxy says of it. Of several addresses
/// the right-most that is no trusted proxy counts; everything left of it anybody may have written.
fn client_address(entry: &Inner, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0; 4]), |peer| peer.address.ip().to_canonical());
    forwarded_address(peer, request.headers(), &entry.trusted_proxies)
}

fn forwarded_address(peer: IpAddr, headers: &HeaderMap, trusted: &BTreeSet<IpAddr>) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let mut address = peer;
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        address = hop.to_canonical();
        if !trusted.contains(&address) {
            break;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_who_somebody_is() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let trusted = BTreeSet::from([address("10.0.0.1"), address("10.0.0.2")]);
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 203.0.113.9, 10.0.0.2"));
        assert_eq!(forwarded_address(address("198.51.100.1"), &headers, &trusted), address("198.51.100.1"));
        assert_eq!(forwarded_address(address("10.0.0.1"), &headers, &trusted), address("203.0.113.9"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("garbage"));
        assert_eq!(forwarded_address(address("10.0.0.1"), &headers, &trusted), address("10.0.0.1"));
    }
}
