//! The focus with Debian's Prosody as its server, two clients and a bridge that answers colibri2.
//!
//! Runs where `prosody` is installed and says so where it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
#![allow(clippy::print_stdout, reason = "the figures are the point")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use minidom::Element;
use tokio::sync::mpsc::Receiver;
use xmpp_client::{Account, Client, Config, Event, Handle, Security, Trust};

const HOST: &str = "meet.test";
const ROOM: &str = "blue@conference.meet.test";
const BREWERY: &str = "jvbbrewery@internal.auth.meet.test";
const DEADLINE: Duration = Duration::from_secs(30);

/// A child process that does not outlive the test.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start_prosody(directory: &Path, port: u16) -> Option<Kept> {
    let data = directory.join("prosody");
    for user in ["focus", "jvb"] {
        let accounts = data.join("auth%2emeet%2etest/accounts");
        std::fs::create_dir_all(&accounts).unwrap();
        std::fs::write(accounts.join(format!("{user}.dat")), "return { [\"password\"] = \"secret\"; };\n").unwrap();
    }
    let config = directory.join("prosody.cfg.lua");
    let text = format!(
        r#"
run_as_root = true
pidfile = "{data}/prosody.pid"
data_path = "{data}"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_enabled = {{ "roster"; "saslauth"; "disco"; "ping"; "smacks" }}
modules_disabled = {{ "s2s"; "tls"; "offline" }}
admins = {{ "focus@auth.{HOST}" }}
VirtualHost "{HOST}"
    authentication = "anonymous"
VirtualHost "auth.{HOST}"
    authentication = "internal_plain"
Component "conference.{HOST}" "muc"
Component "internal.auth.{HOST}" "muc"
"#,
        data = data.display()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("prosody")
        .args(["-F", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let kept = Kept(child);
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "prosody did not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(kept)
}

fn start_focus(directory: &Path, port: u16) -> Kept {
    let secrets = directory.join("data/secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("focus.password"), "secret").unwrap();
    std::fs::create_dir_all(directory.join("data/certs")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_conclave-focus"))
        .arg("--data")
        .arg(directory.join("data"))
        .args(["--set", &format!("host={HOST}"), "--set", &format!("focus.xmpp_port={port}")])
        .args(["--set", "focus.tls=if-possible", "--supervised"])
        .env("CONCLAVE_LOG", "debug")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| println!("focus: {line}")));
    Kept(child)
}

/// One request on the focus' socket; status and body.
fn http(directory: &Path, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut socket = UnixStream::connect(directory.join("data/run/focus.sock")).ok()?;
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

struct Peer {
    handle: Handle,
    events: Receiver<Event>,
    jid: String,
}

impl Peer {
    async fn connect(port: u16, domain: &str, account: Account) -> Self {
        let mut config = Config::new("127.0.0.1", port, domain, account);
        config.security = Security::IfPossible { tls_name: domain.to_owned(), trust: Trust::Anyone };
        let (handle, mut events) = Client::start(config);
        let jid = loop {
            match tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().unwrap() {
                Event::Online { jid, .. } => break jid.to_string(),
                Event::Disconnected(reason) => println!("peer: {reason}"),
                Event::Stanza(_) => {}
            }
        };
        Self { handle, events, jid }
    }

    fn send(&self, xml: &str) {
        let (head, tail) = xml.split_at(xml.find([' ', '/', '>']).unwrap());
        self.handle.send(format!("{head} xmlns='jabber:client'{tail}").parse().unwrap()).unwrap();
    }

    /// The next stanza that fits; requests for features are answered on the way.
    async fn wait(&mut self, what: &str, fits: impl Fn(&Element) -> bool) -> Element {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let event = tokio::time::timeout_at(end, self.events.recv())
                .await
                .unwrap_or_else(|_| panic!("{}: no {what}", self.jid))
                .unwrap();
            let Event::Stanza(stanza) = event else { continue };
            if stanza.has_child("query", "http://jabber.org/protocol/disco#info") && stanza.attr("type") == Some("get")
            {
                let features = include_str!("../core/fixtures/disco-client.xml").trim();
                self.answer(&stanza, features);
            } else if fits(&stanza) {
                return stanza;
            }
        }
    }

    fn answer(&self, request: &Element, payload: &str) {
        let (id, to) = (request.attr("id").unwrap(), request.attr("from").unwrap());
        self.send(&format!("<iq type='result' id='{id}' to='{to}'>{payload}</iq>"));
    }

    fn join(&self, nick: &str, extension: &str) {
        self.send(&format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>\
             <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://jitsi.org/jitsi-meet' \
             ver='I6wkz9idlVNBjhrSfiWQqa2TZ/k='/>{extension}</presence>"
        ));
    }
}

fn is_jingle(stanza: &Element, action: &str) -> bool {
    stanza.get_child("jingle", "urn:xmpp:jingle:1").is_some_and(|j| j.attr("action") == Some(action))
}

/// Answers colibri2 and health checks; counts endpoints asked for.
async fn be_a_bridge(mut bridge: Peer) {
    let stats: String = [("stress_level", "0.05"), ("region", "here"), ("version", "1.0"), ("drain", "false")]
        .map(|(name, value)| format!("<stat name='{name}' value='{value}'/>"))
        .concat();
    bridge.send(&format!(
        "<presence to='{BREWERY}/jvb1'><x xmlns='http://jabber.org/protocol/muc'/>\
         <stats xmlns='http://jitsi.org/protocol/colibri'>{stats}</stats></presence>"
    ));
    while let Some(event) = bridge.events.recv().await {
        let Event::Stanza(stanza) = event else { continue };
        if stanza.attr("type") != Some("get") {
            continue;
        }
        let endpoints: String = stanza
            .get_child("conference-modify", "jitsi:colibri2")
            .into_iter()
            .flat_map(Element::children)
            .filter(|e| e.attr("create") == Some("true"))
            .map(|e| {
                format!(
                    "<endpoint id='{}'><transport><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' \
                     pwd='p'/></transport></endpoint>",
                    e.attr("id").unwrap()
                )
            })
            .collect();
        bridge
            .answer(&stanza, &format!("<conference-modified xmlns='jitsi:colibri2'>{endpoints}</conference-modified>"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_over_prosody() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(_prosody) = start_prosody(directory.path(), port) else {
        println!("skipped: prosody is not installed (apt install prosody)");
        return;
    };
    let started = Instant::now();
    let _focus = start_focus(directory.path(), port);
    let service = |name: &str| Account::Password { username: name.to_owned(), password: "secret".to_owned() };

    // Before there is a bridge the focus says what is missing.
    let end = Instant::now() + DEADLINE;
    loop {
        let health = http(directory.path(), "GET", "/about/health", "");
        if health == Some((503, "No videobridge is available.".to_owned())) {
            break;
        }
        assert!(Instant::now() < end, "{health:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("focus started, logged in and in the brewery after {:?}", started.elapsed());
    let bridge = Peer::connect(port, "auth.meet.test", service("jvb")).await;
    tokio::spawn(be_a_bridge(bridge));
    let end = Instant::now() + DEADLINE;
    while http(directory.path(), "GET", "/about/health", "").map(|(status, _)| status) != Some(200) {
        assert!(Instant::now() < end, "no bridge was found");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let mut ann = Peer::connect(port, HOST, Account::Anonymous).await;
    let mut bob = Peer::connect(port, HOST, Account::Anonymous).await;

    // Ann asks by HTTP, Bob by IQ.
    let asked = Instant::now();
    let request = format!(r#"{{"room":"{ROOM}","machineUid":"m","properties":{{"rtcstatsEnabled":false}}}}"#);
    let path = directory.path().to_owned();
    let answer = tokio::task::spawn_blocking(move || http(&path, "POST", "/conference-request/v1?room=blue", &request));
    let (status, body) = answer.await.unwrap().unwrap();
    println!("first conference request answered after {:?}", asked.elapsed());
    assert_eq!(status, 200, "{body}");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&answer["ready"], &answer["focusJid"]), (&true.into(), &"focus@auth.meet.test".into()));
    bob.send(&format!(
        "<iq type='set' id='c' to='focus@auth.meet.test/focus'>\
         <conference xmlns='http://jitsi.org/protocol/focus' room='{ROOM}'/></iq>"
    ));
    let answer = bob.wait("answer", |s| s.attr("id") == Some("c")).await;
    assert_eq!(answer.get_child("conference", "http://jitsi.org/protocol/focus").unwrap().attr("ready"), Some("true"));

    // The room shows the real address of the focus, and Ann becomes owner.
    ann.join("ann", "<SourceInfo>{}</SourceInfo>");
    let focus = ann.wait("focus in the room", |s| s.attr("from") == Some(&format!("{ROOM}/focus"))).await;
    let shown = String::from(&focus);
    assert!(shown.contains("focus@auth.meet.test/focus") && shown.contains("conference-properties"), "{shown}");
    ann.wait("ownership", |s| {
        s.attr("from") == Some(&format!("{ROOM}/ann")) && String::from(s).contains("affiliation='owner'")
    })
    .await;

    // Bob joins: both get an offer.
    let joined = Instant::now();
    bob.join("bob", "<SourceInfo>{}</SourceInfo>");
    let to_bob = bob.wait("offer", |s| is_jingle(s, "session-initiate")).await;
    println!("room joined → session-initiate received after {:?}", joined.elapsed());
    let to_ann = ann.wait("offer", |s| is_jingle(s, "session-initiate")).await;
    for (peer, offer) in [(&ann, &to_ann), (&bob, &to_bob)] {
        assert_eq!(offer.attr("from"), Some(format!("{ROOM}/focus").as_str()));
        peer.answer(offer, "");
        let jingle = offer.get_child("jingle", "urn:xmpp:jingle:1").unwrap();
        assert_eq!(jingle.attr("initiator"), Some("focus@auth.meet.test/focus"));
        let sid = jingle.attr("sid").unwrap();
        peer.send(&format!(
            "<iq type='set' id='accept' to='{ROOM}/focus'><jingle xmlns='urn:xmpp:jingle:1' action='session-accept' \
             sid='{sid}'><content name='audio'/></jingle></iq>"
        ));
    }
    for peer in [&mut ann, &mut bob] {
        let answer = peer.wait("answer", |s| s.attr("id") == Some("accept")).await;
        assert_eq!(answer.attr("type"), Some("result"));
    }

    // Everybody leaves: so does the focus.
    ann.send(&format!("<presence to='{ROOM}/ann' type='unavailable'/>"));
    bob.send(&format!("<presence to='{ROOM}/bob' type='unavailable'/>"));
    let end = Instant::now() + DEADLINE;
    while http(directory.path(), "GET", "/debug/conferences", "") != Some((200, "[]".to_owned())) {
        assert!(Instant::now() < end, "the conference did not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, metrics) = http(directory.path(), "GET", "/metrics", "").unwrap();
    assert!(metrics.contains("jitsi_jicofo_jingle_session_accept_received_total 2"), "{metrics}");
    let (status, _) = http(directory.path(), "OPTIONS", "/conference-request/v1", "").unwrap();
    assert_eq!(status, 200);
    for (body, expected) in [("{".to_owned(), 400), ("{}".to_owned(), 400), (" ".repeat(70_000), 413)] {
        let (status, text) = http(directory.path(), "POST", "/conference-request/v1", &body).unwrap();
        assert_eq!(status, expected, "{text}");
    }
}

#[test]
fn a_wrong_key_ends_with_78() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_conclave-focus"))
        .arg("--data")
        .arg(directory.path())
        .args(["--set", "focus.xmpp_prot=1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("did you mean `focus.xmpp_port`?"), "{log}");
}

#[test]
fn ends_with_its_supervisor() {
    let directory = tempfile::tempdir().unwrap();
    let mut focus = start_focus(directory.path(), free_port());
    drop(focus.0.stdin.take());
    let end = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = focus.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "it still runs");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
}
