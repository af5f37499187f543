//! The bridge as a browser meets it: a conference of one, ICE checks on each address, DTLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::stun::{self, Answer};
use super::{Report, dtls};
use crate::data_directory::DataDirectory;
use crate::supervise::health::request;

const CHECK: &str = "media";
/// An ICE check on this machine is answered within milliseconds; it is repeated until then.
const ICE_TIMEOUT: Duration = Duration::from_secs(3);
const ICE_INTERVAL: Duration = Duration::from_millis(100);
const DTLS_TIMEOUT: Duration = Duration::from_secs(8);
/// Addresses that are tried; a bridge has a few.
const CANDIDATES_MAX: usize = 16;
const DATAGRAM_BYTES_MAX: usize = 2048;
const ENDPOINT: &str = "c0ffee00";

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let conferences = Conferences { socket: data.socket("videobridge.sock") };
    let meeting = random_text(32);
    let allocated = match conferences.allocate(&meeting).await {
        Ok(allocated) => allocated,
        Err(reason) => return report.error(CHECK, reason),
    };
    let outcome = meet(&conferences, &meeting, &allocated, report).await;
    conferences.expire(&meeting).await;
    if let Err(reason) = outcome {
        report.error(CHECK, reason);
    }
}

async fn meet(
    conferences: &Conferences,
    meeting: &str,
    allocated: &Allocated,
    report: &mut Report,
) -> Result<(), String> {
    let certificate = dtls::certificate()?;
    let own = Credentials { fragment: random_text(8), password: random_text(24) };
    conferences.accept(meeting, &own, &dtls::fingerprint(&certificate.certificate)).await?;
    let mut path = None;
    for &address in allocated.addresses.iter().take(CANDIDATES_MAX) {
        match reach(address, &own, &allocated.credentials).await {
            Ok(socket) => {
                report.ok(CHECK, format!("the bridge answers ICE checks at {address}."));
                path = path.or(Some((socket, address)));
            }
            Err(reason) => report.warning(
                CHECK,
                format!(
                    "the bridge is announced at {address} but does not answer there from this machine ({reason}); \
                     if others cannot reach it either, correct videobridge.advertise or let UDP through the firewall."
                ),
            ),
        }
    }
    let Some((socket, peer)) = path else {
        return Err("the bridge answers at none of its addresses; let UDP to videobridge.media_port through the \
                    firewall, and check videobridge.advertise."
            .to_owned());
    };
    let path = dtls::Path { socket: &socket, peer, password: &own.password };
    let shaken = tokio::time::timeout(DTLS_TIMEOUT, path.shake_hands(certificate)).await;
    match shaken {
        Ok(Ok(fingerprint)) if allocated.fingerprints.contains(&fingerprint) => {
            report.ok(
                CHECK,
                "the DTLS handshake gives keys for media, and the bridge's certificate is the signalled one.",
            );
            Ok(())
        }
        Ok(Ok(_)) => Err("another certificate than the signalled one answers at the bridge's address; is something \
                          between this machine and the bridge?"
            .to_owned()),
        Ok(Err(reason)) => Err(format!("the DTLS handshake with the bridge failed ({reason}); see its log.")),
        Err(_) => {
            Err("the DTLS handshake with the bridge does not end; a path that drops larger datagrams does that: \
                       check the MTU."
                .to_owned())
        }
    }
}

/// One side's ICE credentials.
struct Credentials {
    fragment: String,
    password: String,
}

/// What the bridge gave for the endpoint.
struct Allocated {
    credentials: Credentials,
    addresses: Vec<SocketAddr>,
    fingerprints: Vec<String>,
}

/// The bridge's REST interface for conferences (colibri2 as JSON).
struct Conferences {
    socket: PathBuf,
}

impl Conferences {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let (status, body) = request(&self.socket, method, path, Bytes::from(body.to_string()))
            .await
            .map_err(|_| "the videobridge does not run or does not answer; start it with: conclave run".to_owned())?;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map_err(|_| "the bridge does not answer in JSON".to_owned())
            }
            StatusCode::NOT_FOUND => {
                Err("the bridge takes no conferences over its socket; set videobridge.rest = true \
                                          for this check."
                    .to_owned())
            }
            status => Err(format!(
                "the bridge refused a conference ({status}: {}); see its log.",
                String::from_utf8_lossy(&body).trim()
            )),
        }
    }

    async fn allocate(&self, meeting: &str) -> Result<Allocated, String> {
        let wanted = json!({
            "meeting-id": meeting, "name": "check@conference.localhost", "create": true,
            "endpoints": [{
                "id": ENDPOINT, "create": true, "capabilities": ["source-names"],
                "medias": [{"type": "audio", "payload-types": [{"id": 111, "name": "opus", "clockrate": 48000, "channels": 2}]}],
                "transport": {"ice-controlling": true}, "sources": [],
            }],
        });
        let answer = self.ask(Method::POST, "/colibri/v2/conferences", wanted).await?;
        let transport = &answer["endpoints"][0]["transport"]["transport"];
        allocated(transport).ok_or_else(|| "the bridge gave no usable transport; see its log.".to_owned())
    }

    /// Tells the bridge who will call.
    async fn accept(&self, meeting: &str, own: &Credentials, fingerprint: &str) -> Result<(), String> {
        let told = json!({"endpoints": [{"id": ENDPOINT, "transport": {"transport": {
            "ufrag": own.fragment, "pwd": own.password, "rtcp-mux": true, "candidates": [],
            "fingerprints": [{"hash": "sha-256", "fingerprint": fingerprint, "setup": "active"}],
        }}}]});
        self.ask(Method::PATCH, &format!("/colibri/v2/conferences/{meeting}"), told).await.map(drop)
    }

    async fn expire(&self, meeting: &str) {
        // A conference without traffic ends by itself when this is lost.
        let _ = self.ask(Method::PATCH, &format!("/colibri/v2/conferences/{meeting}"), json!({"expire": true})).await;
    }
}

fn allocated(transport: &Value) -> Option<Allocated> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let credentials = Credentials { fragment: text(&transport["ufrag"])?, password: text(&transport["pwd"])? };
    let mut addresses = Vec::new();
    for candidate in transport["candidates"].as_array()? {
        let port = text(&candidate["port"]).or_else(|| candidate["port"].as_u64().map(|port| port.to_string()));
        let ip = candidate["ip"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok());
        if let (Some(ip), Some(port)) = (ip, port.and_then(|port| port.parse().ok())) {
            addresses.push(SocketAddr::new(ip, port));
        }
    }
    let fingerprints = transport["fingerprints"].as_array()?.iter();
    let fingerprints = fingerprints.filter_map(|one| text(&one["fingerprint"])).map(|one| one.to_uppercase()).collect();
    Some(Allocated { credentials, addresses, fingerprints })
}

/// Checks one address until it answers and the bridge's own check has been answered: then both
/// directions work.
async fn reach(address: SocketAddr, own: &Credentials, peer: &Credentials) -> Result<UdpSocket, String> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(|error| error.to_string())?;
    let reached = async {
        let path = dtls::Path { socket: &socket, peer: address, password: &own.password };
        let username = format!("{}:{}", peer.fragment, own.fragment);
        let key = peer.password.as_bytes();
        let mut interval = tokio::time::interval(ICE_INTERVAL);
        let mut transaction = random();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            tokio::select! {
                _ = interval.tick() => {
                    let check = stun::Request::new(stun::BINDING, random());
                    transaction = check.transaction();
                    let check = check
                        .attribute(stun::USERNAME, username.as_bytes())
                        .attribute(stun::PRIORITY, &0x6eff_ffff_u32.to_be_bytes())
                        .attribute(stun::ICE_CONTROLLED, &[0x7f; 8])
                        .sealed(key);
                    socket.send_to(&check, address).await.map_err(|error| error.to_string())?;
                }
                received = socket.recv_from(&mut datagram) => {
                    let (length, from) = received.map_err(|error| error.to_string())?;
                    match stun::answer(&datagram[..length], transaction, Some(key)) {
                        Some(Answer::Success(_)) => return Ok(()),
                        Some(Answer::Refused(refusal)) => return Err(format!("{} {}", refusal.code, refusal.reason)),
                        None => path.answer(&datagram[..length], from).await?,
                    }
                }
            }
        }
    };
    tokio::time::timeout(ICE_TIMEOUT, reached).await.map_err(|_| "no answer".to_owned())??;
    Ok(socket)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// Letters for ICE credentials and identifiers.
fn random_text(characters: usize) -> String {
    let bytes: [u8; 32] = random();
    bytes.iter().take(characters).map(|byte| char::from(b'a' + byte % 16)).collect()
}
