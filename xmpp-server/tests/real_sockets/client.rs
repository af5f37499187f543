//! A small XMPP client over TCP or WebSocket: says what it is told, returns what it hears.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{SinkExt, StreamExt};
use minidom::Element;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use xmpp_server_core::account::{Password, ScramHash};
use xmpp_server_core::stream::framing::{Frame, TcpFraming};
use xmpp_server_core::stream::limits::StreamLimits;

use crate::process::{PATIENCE, Server};

pub(crate) const NS_CLIENT: &str = "jabber:client";
pub(crate) const NS_SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
pub(crate) const NS_STREAM: &str = "http://etherx.jabber.org/streams";
pub(crate) const NS_SM: &str = "urn:xmpp:sm:3";
pub(crate) const NS_REGISTER: &str = "jabber:iq:register";

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>>>),
    Gone,
}

pub(crate) struct Client {
    wire: Wire,
    framing: TcpFraming,
    heard: VecDeque<Frame>,
    host: String,
    /// Everything heard, for messages of failed assertions.
    pub(crate) jid: String,
}

impl Client {
    // ---- Connecting.

    /// Opens a stream in plain text.
    pub(crate) async fn plain(server: &Server, host: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.health.c2s_port)).await.expect("connected");
        let mut client = Self::over(Wire::Plain(stream), host);
        client.open().await;
        client
    }

    /// STARTTLS, features read.
    pub(crate) async fn starttls(server: &Server, host: &str) -> Self {
        let mut client = Self::plain(server, host).await;
        client.next().await;
        client.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await;
        assert_eq!(client.next().await.name(), "proceed");
        let Wire::Plain(stream) = std::mem::replace(&mut client.wire, Wire::Gone) else {
            panic!("in plain text so far")
        };
        client.wire = Wire::Tls(Box::new(tls(server, stream).await));
        client.open().await;
        client
    }

    /// TLS from the first byte.
    pub(crate) async fn direct_tls(server: &Server, host: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.health.c2s_tls_port)).await.expect("connected");
        let mut client = Self::over(Wire::Tls(Box::new(tls(server, stream).await)), host);
        client.open().await;
        client
    }

    /// WebSocket with a query string.
    pub(crate) async fn websocket(server: &Server, host: &str, query: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.health.https_port)).await.expect("connected");
        let stream = tls(server, stream).await;
        let mut request = format!("wss://localhost/xmpp-websocket?{query}").into_client_request().expect("a request");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("xmpp"));
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await.expect("upgraded");
        assert_eq!(response.headers()["sec-websocket-protocol"], "xmpp");
        let mut client = Self::over(Wire::WebSocket(Box::new(socket)), host);
        client.open().await;
        client
    }

    /// A guest over WebSocket with a resource.
    pub(crate) async fn guest(server: &Server, query: &str) -> Self {
        let mut client = Self::websocket(server, "localhost", query).await;
        client.next().await;
        client.authenticate_anonymous().await;
        client.bind(None).await;
        client
    }

    /// A member over STARTTLS with a resource.
    pub(crate) async fn member(server: &Server, name: &str, password: &str, resource: &str) -> Self {
        let mut client = Self::starttls(server, "localhost").await;
        client.next().await;
        client.authenticate_plain(name, password).await.expect("the right password");
        client.bind(Some(resource)).await;
        client
    }

    fn over(wire: Wire, host: &str) -> Self {
        let mut framing = TcpFraming::new();
        framing.set_limits(StreamLimits::SERVICE);
        Self { wire, framing, heard: VecDeque::new(), host: host.to_owned(), jid: String::new() }
    }

    // ---- Speaking and listening.

    pub(crate) async fn say(&mut self, text: &str) {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(text.as_bytes()).await.expect("written"),
            Wire::Tls(stream) => {
                stream.write_all(text.as_bytes()).await.expect("written");
                stream.flush().await.expect("written");
            }
            Wire::WebSocket(socket) => socket.send(Message::text(text)).await.expect("written"),
            Wire::Gone => panic!("nothing to write on"),
        }
    }

    pub(crate) async fn try_say(&mut self, text: &str) -> bool {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(text.as_bytes()).await.is_ok(),
            Wire::Tls(stream) => stream.write_all(text.as_bytes()).await.is_ok() && stream.flush().await.is_ok(),
            Wire::WebSocket(socket) => socket.send(Message::text(text)).await.is_ok(),
            Wire::Gone => false,
        }
    }

    /// The next element; the end of the stream is `None`.
    pub(crate) async fn hear(&mut self) -> Option<Element> {
        tokio::time::timeout(PATIENCE, self.hear_patiently()).await.expect("something was heard in time")
    }

    async fn hear_patiently(&mut self) -> Option<Element> {
        loop {
            match self.heard.pop_front() {
                Some(Frame::Stanza(element)) => return Some(element),
                Some(Frame::Open(_)) => continue,
                Some(Frame::Close) => return None,
                None => {}
            }
            let mut buffer = [0; 4096];
            let mut frames = Vec::new();
            let count = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut buffer).await.unwrap_or(0),
                Wire::Tls(stream) => stream.read(&mut buffer).await.unwrap_or(0),
                Wire::WebSocket(socket) => {
                    match socket.next().await {
                        Some(Ok(Message::Text(text))) => {
                            let element: Element = text.parse().expect("every frame is a document");
                            match (element.name(), element.has_ns("urn:ietf:params:xml:ns:xmpp-framing")) {
                                ("open", true) => {}
                                ("close", true) => return None,
                                _ => self.heard.push_back(Frame::Stanza(element)),
                            }
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        _ => return None,
                    }
                    continue;
                }
                Wire::Gone => 0,
            };
            if count == 0 {
                return None;
            }
            self.framing.receive(&buffer[..count], &mut frames).expect("the server writes XML");
            self.heard.extend(frames);
        }
    }

    pub(crate) async fn next(&mut self) -> Element {
        self.hear().await.expect("the stream goes on")
    }

    /// Skips what is not asked for.
    pub(crate) async fn next_where(&mut self, wanted: impl Fn(&Element) -> bool) -> Element {
        loop {
            let element = self.next().await;
            if wanted(&element) {
                return element;
            }
        }
    }

    /// Sends a request to `to` (its account if empty) and returns the answer.
    pub(crate) async fn request(&mut self, kind: &str, to: &str, payload: &str) -> Element {
        let id = format!("q{}", rand::random::<u32>());
        let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
        self.say(&format!("<iq xmlns='jabber:client' type='{kind}' id='{id}'{to}>{payload}</iq>")).await;
        self.next_where(|element| element.name() == "iq" && element.attr("id") == Some(&id)).await
    }

    /// The last words: the condition of the stream error, then the end of the stream.
    pub(crate) async fn stream_error(&mut self) -> String {
        let error = self.next_where(|element| element.is("error", NS_STREAM)).await;
        let condition = error.children().next().expect("a condition").name().to_owned();
        assert!(self.hear().await.is_none(), "nothing follows a stream error");
        condition
    }

    /// Breaks the connection without a word.
    pub(crate) fn vanish(&mut self) {
        self.wire = Wire::Gone;
    }

    // ---- Negotiation.

    pub(crate) async fn open(&mut self) {
        self.framing.restart();
        let open = match &self.wire {
            Wire::WebSocket(_) => {
                format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>", self.host)
            }
            _ => format!(
                "<?xml version='1.0'?><stream:stream xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}' to='{}' version='1.0'>",
                self.host
            ),
        };
        self.say(&open).await;
    }

    pub(crate) async fn authenticate_anonymous(&mut self) {
        self.say(&format!("<auth xmlns='{NS_SASL}' mechanism='ANONYMOUS'/>")).await;
        assert_eq!(self.next().await.name(), "success");
        self.open().await;
        assert_eq!(self.next().await.name(), "features");
    }

    /// The condition of the failure if it failed.
    pub(crate) async fn authenticate_plain(&mut self, name: &str, password: &str) -> Result<(), String> {
        let message = BASE64.encode(format!("\0{name}\0{password}"));
        self.say(&format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'>{message}</auth>")).await;
        self.authenticated().await
    }

    async fn authenticated(&mut self) -> Result<(), String> {
        let answer = self.next().await;
        if answer.name() == "failure" {
            return Err(answer.children().next().expect("a condition").name().to_owned());
        }
        assert_eq!(answer.name(), "success");
        self.open().await;
        assert_eq!(self.next().await.name(), "features");
        Ok(())
    }

    /// SCRAM as a client does it; checks the server's signature, too.
    pub(crate) async fn authenticate_scram(
        &mut self,
        hash: ScramHash,
        name: &str,
        password: &str,
    ) -> Result<(), String> {
        let mechanism = match hash {
            ScramHash::Sha1 => "SCRAM-SHA-1",
            ScramHash::Sha256 => "SCRAM-SHA-256",
        };
        let bare = format!("n={name},r=a-nonce-of-the-client");
        let first = BASE64.encode(format!("n,,{bare}"));
        self.say(&format!("<auth xmlns='{NS_SASL}' mechanism='{mechanism}'>{first}</auth>")).await;
        let challenge = self.next().await;
        assert_eq!(challenge.name(), "challenge", "{challenge:?}");
        let challenge = String::from_utf8(BASE64.decode(challenge.text()).expect("base64")).expect("text");
        let attribute = |name: &str| {
            challenge.split(',').find_map(|part| part.strip_prefix(name)).expect("in the challenge").to_owned()
        };
        Password::new(password).expect("usable");
        let salt = BASE64.decode(attribute("s=")).expect("base64");
        let iterations: u32 = attribute("i=").parse().expect("a number");
        // Hi() of RFC 5802 §2.2.
        let mut block = hash.hmac(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
        let mut salted = block.clone();
        for _ in 1..iterations {
            block = hash.hmac(password.as_bytes(), &block);
            for (sum, byte) in salted.iter_mut().zip(&block) {
                *sum ^= byte;
            }
        }
        let client_key = hash.hmac(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={}", attribute("r="));
        let message = format!("{bare},{challenge},{without_proof}");
        let signature = hash.hmac(&hash.hash(&client_key), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let last = BASE64.encode(format!("{without_proof},p={}", BASE64.encode(proof)));
        self.say(&format!("<response xmlns='{NS_SASL}'>{last}</response>")).await;
        let answer = self.next().await;
        if answer.name() == "failure" {
            return Err(answer.children().next().expect("a condition").name().to_owned());
        }
        let server_signature = hash.hmac(&hash.hmac(&salted, b"Server Key"), message.as_bytes());
        let expected = BASE64.encode(format!("v={}", BASE64.encode(server_signature)));
        assert_eq!(answer.text(), expected, "the server proves that it knows the account");
        self.open().await;
        assert_eq!(self.next().await.name(), "features");
        Ok(())
    }

    pub(crate) async fn bind(&mut self, resource: Option<&str>) {
        let resource = resource.map(|resource| format!("<resource>{resource}</resource>")).unwrap_or_default();
        let answer =
            self.request("set", "", &format!("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}</bind>")).await;
        let bind = answer.children().next().expect("a payload");
        self.jid = bind.children().next().expect("an address").text();
    }

    /// Turns resumption on; returns the token.
    pub(crate) async fn enable_resumption(&mut self) -> String {
        self.say(&format!("<enable xmlns='{NS_SM}' resume='true'/>")).await;
        let enabled = self.next_where(|element| element.has_ns(NS_SM)).await;
        assert_eq!(enabled.name(), "enabled");
        assert_eq!(enabled.attr("resume"), Some("true"));
        enabled.attr("id").expect("a token").to_owned()
    }
}

async fn tls(server: &Server, stream: TcpStream) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(&server.tls())).connect(name, stream).await.expect("the certificate is trusted")
}

/// The error condition and text of an answer.
pub(crate) fn error(answer: &Element) -> (String, String) {
    assert_eq!(answer.attr("type"), Some("error"), "{answer:?}");
    let error = answer.get_child("error", NS_CLIENT).expect("an error");
    let condition = error.children().next().expect("a condition").name().to_owned();
    let text = error.children().find(|child| child.name() == "text").map(Element::text).unwrap_or_default();
    (condition, text)
}
