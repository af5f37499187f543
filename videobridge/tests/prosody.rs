//! The bridge with Debian's Prosody as its server, and a focus that asks what a focus asks.
//!
//! Runs where `prosody` is installed and says so where it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
#![allow(clippy::print_stdout, reason = "a test that cannot run here says so")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use minidom::Element;
use protocol::colibri2::{
    Capability, CapabilityName, ConferenceModified, ConferenceModify, Endpoint, Failure, Reason, Transport,
};
use protocol::ids::{EndpointId, MeetingId};
use protocol::ns;
use protocol::presence::bridge_stats::BridgeStats;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use xmpp_client::iq::{self, IqType};
use xmpp_client::{Account, Client, Config, Event, Handle, RequestError, Security};

const ROOM: &str = "jvbbrewery@internal.auth.meet.test";
const DEADLINE: Duration = Duration::from_secs(30);

/// A child process that does not outlive the test.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_prosody(directory: &Path, port: u16) -> Option<Kept> {
    let data = directory.join("prosody");
    let accounts = data.join("auth%2emeet%2etest/accounts");
    std::fs::create_dir_all(&accounts).unwrap();
    for user in ["focus", "jvb"] {
        std::fs::write(accounts.join(format!("{user}.dat")), "return { [\"password\"] = \"secret\"; };\n").unwrap();
    }
    let config = directory.join("prosody.cfg.lua");
    let text = format!(
        r#"
run_as_root = true
pidfile = "{data}/prosody.pid"
data_path = "{data}"
log = {{ info = "{data}/log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_enabled = {{ "roster"; "saslauth"; "disco"; "ping"; "smacks" }}
modules_disabled = {{ "s2s"; "tls"; "offline" }}
VirtualHost "auth.meet.test"
    authentication = "internal_plain"
Component "internal.auth.meet.test" "muc"
    muc_room_default_public_jids = true
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

fn start_bridge(directory: &Path, port: u16) -> Kept {
    let secrets = directory.join("data/secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::write(secrets.join("jvb.password"), "secret\n").unwrap();
    std::fs::create_dir_all(directory.join("data/certs")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_conclave-videobridge"))
        .arg("--data")
        .arg(directory.join("data"))
        .args(["--set", "host=meet.test", "--set", &format!("videobridge.xmpp_port={port}")])
        .args(["--set", "videobridge.tls=if-possible", "--set", "videobridge.media_port=0"])
        .args(["--set", "videobridge.nickname=jvb1", "--set", "videobridge.region=here"])
        .args(["--set", "videobridge.stats_interval_ms=200", "--supervised"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    Kept(child)
}

/// What a focus does with a bridge.
struct Focus {
    handle: Handle,
    events: Receiver<Event>,
    /// The bridge's own address, which the room shows.
    bridge: Option<String>,
}

impl Focus {
    async fn join(port: u16) -> Self {
        let account = Account::Password { username: "focus".to_owned(), password: "secret".to_owned() };
        let mut config = Config::new("127.0.0.1", port, "auth.meet.test", account);
        config.security = Security::Plain;
        let (handle, mut events) = Client::start(config);
        while !matches!(timeout(DEADLINE, events.recv()).await.unwrap().unwrap(), Event::Online { .. }) {}
        let presence =
            format!("<presence xmlns='{}' to='{ROOM}/focus'><x xmlns='{}'/></presence>", ns::CLIENT, ns::MUC);
        handle.send(presence.parse().unwrap()).unwrap();
        let made = timeout(DEADLINE, async {
            loop {
                if let Event::Stanza(stanza) = events.recv().await.unwrap()
                    && let Some(x) = stanza.get_child("x", ns::MUC_USER)
                    && let codes = x.children().filter_map(|child| child.attr("code")).collect::<Vec<_>>()
                    && codes.contains(&"110")
                {
                    return codes.contains(&"201");
                }
            }
        });
        // Whoever comes first makes the room, and must open it for the other.
        if made.await.expect("the room lets the focus in") {
            let form = format!(
                "<query xmlns='{}'><x xmlns='{}' type='submit'><field var='FORM_TYPE'><value>{}</value></field>\
                 <field var='muc#roomconfig_whois'><value>anyone</value></field></x></query>",
                ns::MUC_OWNER,
                ns::DATA_FORMS,
                ns::MUC_ROOMCONFIG
            );
            handle.request(iq::request(IqType::Set, Some(ROOM), form.parse().unwrap())).await.unwrap();
        }
        Self { handle, events, bridge: None }
    }

    /// The next presence of the bridge with figures that satisfy `wanted`.
    async fn stats(&mut self, wanted: impl Fn(&BridgeStats) -> bool) -> BridgeStats {
        timeout(DEADLINE, async {
            loop {
                let Event::Stanza(stanza) = self.events.recv().await.unwrap() else { continue };
                if stanza.attr("from") == Some(&format!("{ROOM}/jvb1"))
                    && let Some(stats) = stanza.get_child("stats", ns::COLIBRI)
                    && let Ok(stats) = BridgeStats::try_from(stats.clone())
                    && wanted(&stats)
                {
                    let item = stanza.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("item", ns::MUC_USER));
                    self.bridge = item.and_then(|item| item.attr("jid")).map(str::to_owned);
                    return stats;
                }
            }
        })
        .await
        .expect("the bridge tells its figures")
    }

    async fn ask(&self, payload: Element) -> Result<Element, RequestError> {
        let to = format!("{ROOM}/jvb1");
        timeout(DEADLINE, self.handle.request(iq::request(IqType::Get, Some(&to), payload))).await.unwrap()
    }

    async fn modify(&self, modify: ConferenceModify) -> Result<ConferenceModified, Failure> {
        match self.ask(modify.into()).await {
            Ok(answer) => Ok(ConferenceModified::try_from(iq::payload(&answer).unwrap().clone()).unwrap()),
            Err(RequestError::Refused(answer)) => {
                Err(Failure::from_element(answer.get_child("error", ns::CLIENT).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn creation(id: &str) -> Endpoint {
    let mut endpoint = Endpoint::new(EndpointId::new(id).unwrap());
    endpoint.create = true;
    endpoint.transport = Some(Transport { ice_controlling: true, ..Transport::default() });
    endpoint.capabilities.push(Capability::from(CapabilityName::SourceNames));
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn a_focus_finds_and_uses_the_bridge() {
    let directory = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(_prosody) = start_prosody(directory.path(), port) else {
        println!("prosody is not installed: not run");
        return;
    };
    let _bridge = start_bridge(directory.path(), port);
    let mut focus = Focus::join(port).await;
    let stats = focus.stats(|_| true).await;
    assert_eq!((stats.get("drain"), stats.get("healthy")), (Some("false"), Some("true")));
    assert_eq!((stats.get("region"), stats.get("relay_id")), (Some("here"), None));
    assert!(stats.number("stress_level").is_some() && stats.get("version").is_some());

    let version = focus.ask(Element::bare("query", ns::VERSION)).await.unwrap();
    let version = iq::payload(&version).unwrap().get_child("version", ns::VERSION).unwrap().text();
    assert_eq!(Some(version.as_str()), stats.get("version"));
    assert!(focus.ask(Element::bare("healthcheck", ns::HEALTHCHECK)).await.is_ok());
    let disco = focus.ask(Element::bare("query", ns::DISCO_INFO)).await.unwrap();
    assert!(iq::payload(&disco).unwrap().children().any(|child| child.attr("var") == Some(ns::HEALTHCHECK)));
    assert!(matches!(focus.ask(Element::bare("x", "urn:nobody:knows")).await, Err(RequestError::Refused(_))));

    // One conference, as a focus makes, grows and ends it.
    let meeting = MeetingId::new("beccf2ed-5441-4bfe-96d6-f0f3a6796378").unwrap();
    let mut create = ConferenceModify::new(meeting.clone());
    create.create = true;
    create.name = Some("blue@conference.meet.test".to_owned());
    create.endpoints.push(creation("a"));
    let made = focus.modify(create.clone()).await.unwrap();
    let transport = made.endpoints[0].transport.as_ref().unwrap().ice_udp.as_ref().unwrap();
    assert!(transport.ufrag.is_some() && !transport.candidates.is_empty() && made.sources.is_some());
    assert!(transport.web_sockets[0].url.starts_with("wss://meet.test:8443/colibri-ws/jvb1/"));
    assert_eq!(focus.modify(create).await.unwrap_err().reason, Some(Reason::ConferenceAlreadyExists));
    // Asked for at once: the answers come in order, each to its own question.
    let many: Vec<_> = (0..50)
        .map(|number| {
            let mut modify = ConferenceModify::new(meeting.clone());
            modify.endpoints.push(creation(&format!("b{number}")));
            modify
        })
        .collect();
    let answers = futures::future::join_all(many.into_iter().map(|modify| focus.modify(modify))).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().endpoints[0].id.as_str(), format!("b{number}"));
    }
    // Only what the focus reads travels in presence; it goes on while requests are answered.
    focus.stats(|stats| stats.get("endpoints").is_none() && stats.flag("drain") == Some(false)).await;
    let mut end = ConferenceModify::new(meeting);
    end.expire = true;
    assert_eq!(focus.modify(end.clone()).await, Ok(ConferenceModified::default()));
    assert_eq!(focus.modify(end).await.unwrap_err().reason, Some(Reason::ConferenceNotFound));

    // Whoever asks from outside the room is refused.
    let bridge = focus.bridge.clone().expect("the room shows who is who");
    let outside = iq::request(IqType::Get, Some(&bridge), Element::bare("healthcheck", ns::HEALTHCHECK));
    let Err(RequestError::Refused(refused)) = timeout(DEADLINE, focus.handle.request(outside)).await.unwrap() else {
        panic!("answered to somebody outside the room")
    };
    assert!(refused.get_child("error", ns::CLIENT).unwrap().has_child("forbidden", ns::STANZAS));
}
