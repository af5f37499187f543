//! The web entry: pages, discovery, and what is passed on.

use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;
use crate::process::Server;

async fn connect(server: &Server) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", server.health.https_port)).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(&server.tls())).connect(name, stream).await.expect("trusted")
}

/// One request on a connection of its own; the whole answer as text, head in lower case.
async fn exchange(server: &Server, request: &str) -> (String, String) {
    let mut stream = connect(server).await;
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    // The server may end the connection without the farewell of TLS.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.to_lowercase(), body.to_owned())
}

async fn get(server: &Server, path: &str) -> (String, String) {
    exchange(server, &format!("GET {path} HTTP/1.1\nHost: localhost:8443\nConnection: close\n\n")).await
}

#[tokio::test]
async fn the_web_client_finds_what_it_needs() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("index.html"), "<html>the page</html>").expect("written");
    let server = Server::start(&[&format!("web.root={}", root.path().display())]);
    let (head, body) = get(&server, "/TeaParty").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "<html>the page</html>");
    let (head, body) = get(&server, "/config.js").await;
    assert!(head.contains("application/javascript"), "{head}");
    assert!(body.contains("\"websocket\":\"wss://localhost:8443/xmpp-websocket\""), "{body}");
    let (head, _) = get(&server, "/xmpp-websocket?room=tea").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("access-control-allow-origin: *"), "{head}");
    let (_, body) = get(&server, "/.well-known/host-meta.json").await;
    assert!(body.contains("\"href\":\"wss://localhost:8443/xmpp-websocket\""), "{body}");
    let (head, body) = get(&server, "/.well-known/host-meta").await;
    assert!(head.contains("application/xrd+xml") && body.contains("urn:xmpp:alt-connections:websocket"), "{body}");
    let (head, _) = get(&server, "/health").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (head, _) = get(&server, "/assets/none.js").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let (head, _) = exchange(&server, "DELETE / HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
}

#[tokio::test]
async fn an_upgrade_without_the_xmpp_subprotocol_is_refused() {
    let server = Server::start(&[]);
    let (head, _) = exchange(
        &server,
        "GET /xmpp-websocket HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: websocket\n\
         Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n",
    )
    .await;
    assert!(head.starts_with("http/1.1 501"), "{head}");
}

#[tokio::test]
async fn conference_requests_reach_the_focus() {
    let server = Server::start(&[]);
    let request = "POST /conference-request/v1 HTTP/1.1\nHost: localhost\nConnection: close\n\
        Content-Type: application/json\nContent-Length: 13\n\n{\"room\":\"tea\"";
    let (head, body) = exchange(&server, request).await;
    assert!(head.starts_with("http/1.1 502") && body.contains("focus"), "{head} {body}");

    let focus = UnixListener::bind(server.folder().join("run/focus.sock")).expect("listening");
    let answering = tokio::spawn(async move {
        let (mut stream, _) = focus.accept().await.expect("accepted");
        let mut heard = Vec::new();
        while !heard.ends_with(b"{\"room\":\"tea\"") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).await.expect("read");
            assert_ne!(count, 0, "the whole request arrives");
            heard.extend_from_slice(&buffer[..count]);
        }
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"ready\":true}",
            )
            .await
            .expect("written");
        String::from_utf8(heard).expect("text")
    });
    let (head, body) = exchange(&server, request).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("access-control-allow-origin: *"), "{head}");
    assert!(head.contains("no-store"), "{head}");
    assert_eq!(body, "{\"ready\":true}");
    assert!(answering.await.expect("answered").starts_with("POST /conference-request/v1 HTTP/1.1"));
    let (head, _) =
        exchange(&server, "OPTIONS /conference-request/v1 HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

#[tokio::test]
async fn the_channel_to_the_bridge_is_passed_through_both_ways() {
    let server = Server::start(&[]);
    let bridge = UnixListener::bind(server.folder().join("run/videobridge.sock")).expect("listening");
    let answering = tokio::spawn(async move {
        let (mut stream, _) = bridge.accept().await.expect("accepted");
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(stream.read_u8().await.expect("read"));
        }
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
            .await
            .expect("written");
        let mut buffer = [0; 4];
        stream.read_exact(&mut buffer).await.expect("read");
        stream.write_all(&buffer).await.expect("written");
        String::from_utf8(heard).expect("text").to_lowercase()
    });
    let mut stream = connect(&server).await;
    stream
        .write_all(
            b"GET /colibri-ws/default-id/conf/end?pwd=secret HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .expect("written");
    let mut heard = Vec::new();
    while !heard.ends_with(b"hello") {
        heard.push(stream.read_u8().await.expect("read"));
    }
    stream.write_all(b"ping").await.expect("written");
    let mut echoed = [0; 4];
    stream.read_exact(&mut echoed).await.expect("read");
    assert_eq!(&echoed, b"ping");
    let request = answering.await.expect("answered");
    assert!(request.starts_with("get /colibri-ws/default-id/conf/end?pwd=secret http/1.1"), "{request}");
    assert!(request.contains("upgrade: websocket"), "{request}");
}

#[tokio::test]
async fn a_meeting_works_through_the_web_entry() {
    let server = Server::start(&[]);
    let secret = std::fs::read_to_string(server.folder().join("secrets/focus.password")).expect("a secret");
    let mut focus = Client::starttls(&server, "auth.localhost").await;
    focus.next().await;
    focus.authenticate_plain("focus", &secret).await.expect("signed in");
    focus.bind(Some("focus")).await;
    focus.say("<presence/>").await;
    let mut ann = Client::guest(&server, "room=tea").await;
    let join = |nick: &str| {
        format!(
            "<presence xmlns='jabber:client' to='tea@conference.localhost/{nick}'>\
             <x xmlns='http://jabber.org/protocol/muc'/><SourceInfo>{{}}</SourceInfo></presence>"
        )
    };
    focus.say(&join("focus")).await;
    let is_self = |element: &minidom::Element| {
        element.name() == "presence"
            && element.get_child("x", "http://jabber.org/protocol/muc#user").is_some_and(|x| {
                x.children().any(|child| child.name() == "status" && child.attr("code") == Some("110"))
            })
    };
    focus.next_where(is_self).await;
    ann.say(&join("ann")).await;
    ann.next_where(is_self).await;
    ann.say(
        "<message xmlns='jabber:client' type='groupchat' to='tea@conference.localhost'><body>hello all</body></message>",
    )
    .await;
    let heard = focus.next_where(|element| element.get_child("body", "jabber:client").is_some()).await;
    assert_eq!(heard.attr("from"), Some("tea@conference.localhost/ann"));
    // Who leaves without a word leaves the room, too.
    ann.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>").await;
    focus
        .next_where(|element| {
            element.attr("type") == Some("unavailable") && element.attr("from") == Some("tea@conference.localhost/ann")
        })
        .await;
}
