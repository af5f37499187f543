//! The client against a server that says exactly what a test wants.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use minidom::Element;
use protocol::ns;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use xmpp_client::iq::{self, IqType};
use xmpp_client::{Account, Client, Config, Event, Handle, RequestError, Security, SendError, Trust};

const DEADLINE: Duration = Duration::from_secs(20);
const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' from='localhost' id='s' version='1.0'>";
const MECHANISMS: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>";
const SESSION: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/></stream:features>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>ann@localhost/desk</jid></bind></iq>";
const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='sm1' resume='true'/>";

/// One connection, seen from the server.
struct Peer<S> {
    stream: S,
    read: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    fn new(stream: S) -> Self {
        Self { stream, read: String::new() }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads until `text` has come, and forgets what came up to its end; gives what came.
    async fn hear(&mut self, text: &str) -> String {
        timeout(DEADLINE, async {
            loop {
                if let Some(at) = self.read.find(text) {
                    let rest = self.read.split_off(at + text.len());
                    return std::mem::replace(&mut self.read, rest);
                }
                let mut buffer = [0; 4096];
                let count = self.stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "closed while waiting for {text:?}; unread: {:?}", self.read);
                self.read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {text:?}"))
    }

    /// Up to the features after SASL.
    async fn authenticate(&mut self) {
        self.hear("version='1.0'>").await;
        self.say(&format!("{HEADER}{MECHANISMS}")).await;
        self.hear("</auth>").await;
        self.say(SUCCESS).await;
        self.hear("version='1.0'>").await;
        self.say(&format!("{HEADER}{SESSION}")).await;
    }

    async fn log_in(&mut self) {
        self.authenticate().await;
        self.bind().await;
    }

    async fn bind(&mut self) {
        self.hear("</iq>").await;
        self.say(BOUND).await;
        self.hear("</enable>").await;
        self.say(ENABLED).await;
    }
}

async fn start(change: impl FnOnce(&mut Config)) -> (TcpListener, Handle, mpsc::Receiver<Event>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let account = Account::Password { username: "ann".to_owned(), password: "secret".to_owned() };
    let mut config = Config::new("127.0.0.1", listener.local_addr().unwrap().port(), "localhost", account);
    config.security = Security::Plain;
    change(&mut config);
    let (handle, events) = Client::start(config);
    (listener, handle, events)
}

async fn accept(listener: &TcpListener) -> Peer<TcpStream> {
    Peer::new(timeout(DEADLINE, listener.accept()).await.expect("the client dials").unwrap().0)
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("the connection lives")
}

async fn online(events: &mut mpsc::Receiver<Event>, expect_resumed: bool) {
    match next(events).await {
        Event::Online { jid, resumed } => {
            assert_eq!(jid.as_str(), "ann@localhost/desk");
            assert_eq!(resumed, expect_resumed);
        }
        other => panic!("{other:?}"),
    }
}

fn version() -> Element {
    iq::request(IqType::Get, Some("bob@localhost/x"), Element::bare("query", ns::VERSION))
}

fn message(body: &str) -> Element {
    format!("<message xmlns='jabber:client' to='bob@localhost'><body>{body}</body></message>").parse().unwrap()
}

#[tokio::test]
async fn requests_find_their_answers() {
    let (listener, handle, mut events) = start(|config| config.request_timeout = Duration::from_millis(300)).await;
    assert_eq!(handle.send(message("too early")), Err(SendError::Offline));
    let mut peer = accept(&listener).await;
    peer.log_in().await;
    online(&mut events, false).await;

    let asking = tokio::spawn({
        let handle = handle.clone();
        async move { (handle.request(version()).await, handle.request(version()).await, handle.request(version()).await) }
    });
    peer.hear("</iq>").await;
    // An answer from somebody else is none.
    peer.say("<iq type='result' id='iq-1' from='eve@localhost/x'/>").await;
    assert!(matches!(next(&mut events).await, Event::Stanza(stanza) if stanza.attr("from") == Some("eve@localhost/x")));
    peer.say("<iq type='result' id='iq-1' from='bob@localhost/x'><query xmlns='jabber:iq:version'/></iq>").await;
    peer.hear("</iq>").await;
    peer.say("<iq type='error' id='iq-2' from='bob@localhost/x'><error type='cancel'/></iq>").await;
    peer.hear("</iq>").await;
    let (result, refused, late) = timeout(DEADLINE, asking).await.unwrap().unwrap();
    assert!(iq::payload(&result.unwrap()).unwrap().is("query", ns::VERSION));
    assert!(matches!(refused, Err(RequestError::Refused(_))));
    assert!(matches!(late, Err(RequestError::Timeout)));

    peer.say("<iq type='get' id='p' from='localhost' to='ann@localhost/desk'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    let pong = peer.hear("</iq>").await;
    assert!(pong.contains("result") && pong.contains("'p'"), "{pong}");

    handle.close().await;
    peer.hear("</stream:stream>").await;
    assert!(timeout(DEADLINE, events.recv()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_connection_is_resumed_and_nothing_is_lost() {
    let (listener, handle, mut events) = start(|_| {}).await;
    let mut peer = accept(&listener).await;
    peer.log_in().await;
    online(&mut events, false).await;
    peer.say("<message from='bob@localhost'/>").await;
    assert!(matches!(next(&mut events).await, Event::Stanza(_)));
    handle.send(message("first")).unwrap();
    handle.send(message("second")).unwrap();
    peer.hear("second</body></message>").await;
    drop(peer);

    assert!(matches!(next(&mut events).await, Event::Disconnected(_)));
    handle.send(message("third")).unwrap();
    let mut peer = accept(&listener).await;
    peer.authenticate().await;
    let resume = peer.hear("</resume>").await;
    assert!(resume.contains("previd='sm1'") && resume.contains("h='1'"), "{resume}");
    peer.say("<resumed xmlns='urn:xmpp:sm:3' previd='sm1' h='1'/>").await;
    online(&mut events, true).await;
    let again = peer.hear("third</body></message>").await;
    assert!(again.contains("second") && !again.contains("first"), "{again}");
}

#[tokio::test]
async fn a_lost_session_fails_its_requests_and_starts_anew() {
    let (listener, handle, mut events) = start(|_| {}).await;
    let mut peer = accept(&listener).await;
    peer.log_in().await;
    online(&mut events, false).await;
    let asking = tokio::spawn(async move { handle.request(version()).await });
    peer.hear("</iq>").await;
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Disconnected(_)));
    let mut peer = accept(&listener).await;
    peer.authenticate().await;
    peer.hear("</resume>").await;
    peer.say("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .await;
    peer.bind().await;
    online(&mut events, false).await;
    assert!(matches!(timeout(DEADLINE, asking).await.unwrap().unwrap(), Err(RequestError::Disconnected)));
}

#[tokio::test]
async fn a_silent_server_is_asked_and_then_left() {
    let (listener, _handle, mut events) = start(|config| {
        config.keepalive = Duration::from_millis(50);
        config.keepalive_timeout = Duration::from_millis(100);
    })
    .await;
    let mut peer = accept(&listener).await;
    peer.log_in().await;
    online(&mut events, false).await;
    let asked = peer.hear("</r>").await;
    assert!(asked.contains("<r "), "{asked}");
    assert!(matches!(next(&mut events).await, Event::Disconnected(_)));
}

#[tokio::test]
async fn a_refused_login_is_tried_again() {
    let (listener, handle, mut events) = start(|config| config.retry_max = Duration::from_millis(10)).await;
    let mut peer = accept(&listener).await;
    peer.hear("version='1.0'>").await;
    peer.say(&format!("{HEADER}{MECHANISMS}")).await;
    let auth = peer.hear("</auth>").await;
    assert!(auth.contains("PLAIN") && auth.contains("AGFubgBzZWNyZXQ="), "{auth}");
    peer.say("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>").await;
    let mut peer = accept(&listener).await;
    assert!(!handle.is_online());
    peer.log_in().await;
    online(&mut events, false).await;
}

#[tokio::test]
async fn the_queue_has_a_bound() {
    let (listener, handle, mut events) = start(|config| config.send_queue_max = 4).await;
    let mut peer = accept(&listener).await;
    peer.log_in().await;
    online(&mut events, false).await;
    drop(peer);
    assert!(matches!(next(&mut events).await, Event::Disconnected(_)));
    for _ in 0..4 {
        handle.send(message("waits")).unwrap();
    }
    assert_eq!(handle.send(message("too many")), Err(SendError::QueueFull));
}

#[tokio::test]
async fn starttls_trusts_only_whom_it_should() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let offer =
        format!("{HEADER}<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>");
    for (trust, works) in [
        (Trust::Certificates(vec![key.cert.der().clone()]), true),
        (Trust::Anyone, true),
        (Trust::Certificates(vec![stranger.cert.der().clone()]), false),
    ] {
        let (listener, _handle, mut events) = start(|config| {
            config.security = Security::StartTls { tls_name: "localhost".to_owned(), trust };
        })
        .await;
        let mut peer = accept(&listener).await;
        peer.hear("version='1.0'>").await;
        peer.say(&offer).await;
        peer.hear("</starttls>").await;
        peer.say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await;
        match acceptor.accept(peer.stream).await {
            Ok(stream) => {
                assert!(works, "a stranger was trusted");
                let mut peer = Peer::new(stream);
                peer.log_in().await;
                online(&mut events, false).await;
            }
            Err(_) => assert!(!works, "the right server was not trusted"),
        }
    }
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_when_tls_is_required() {
    let (listener, _handle, _events) = start(|config| {
        config.security = Security::StartTls { tls_name: "localhost".to_owned(), trust: Trust::Anyone };
    })
    .await;
    let mut peer = accept(&listener).await;
    peer.hear("version='1.0'>").await;
    peer.say(&format!("{HEADER}{MECHANISMS}")).await;
    // The client hangs up and dials again instead of logging in.
    accept(&listener).await;
    let mut rest = String::new();
    timeout(DEADLINE, peer.stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(!rest.contains("auth"), "{rest}");
}
