//! ICE-UDP transport with DTLS fingerprints and Jitsi's additions (XEP-0176, XEP-0320, XEP-0343).

use core::net::IpAddr;

use xso::{AsXml, FromXml};

use crate::ns;
use crate::wire_enum::wire_enum;

/// `<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>`.
///
/// Fields are in the order the bridge of Jitsi writes them.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::JINGLE_ICE_UDP, name = "transport")]
pub struct IceUdpTransport {
    /// Password, RFC 8445 §5.3. Absent when only candidates are added.
    #[xml(attribute(default))]
    pub pwd: Option<String>,

    /// User fragment, RFC 8445 §5.3. Absent when only candidates are added.
    #[xml(attribute(default))]
    pub ufrag: Option<String>,

    /// Number of the ICE restart this transport belongs to, from 1; absent before the first.
    #[xml(attribute(name = "ice-generation", default))]
    pub ice_generation: Option<u32>,

    /// RTP and RTCP share one port, RFC 5761.
    #[xml(flag(name = "rtcp-mux"))]
    pub rtcp_mux: bool,

    /// Fingerprints of the sender's DTLS certificate; one is usual, several are alternatives.
    #[xml(child(n = ..))]
    pub fingerprints: Vec<Fingerprint>,

    /// Addresses of the bridge channel.
    #[xml(child(n = ..))]
    pub web_sockets: Vec<WebSocket>,

    /// Data channels over SCTP.
    #[xml(child(default))]
    pub sctp_map: Option<SctpMap>,

    /// Candidates.
    #[xml(child(n = ..))]
    pub candidates: Vec<Candidate>,
}

wire_enum! {
    /// Which side opens the DTLS handshake, RFC 4145 §4.
    Setup {
        /// The sender opens.
        Active => "active",
        /// The receiver opens.
        Passive => "passive",
        /// The receiver chooses.
        Actpass => "actpass",
        /// Later.
        Holdconn => "holdconn",
    }
}

/// `<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_DTLS, name = "fingerprint")]
pub struct Fingerprint {
    /// Hash function as registered for RFC 8122, for example `sha-256`.
    #[xml(attribute)]
    pub hash: String,

    /// Who opens the handshake. Clients leave it out when they only repeat a fingerprint.
    #[xml(attribute(default))]
    pub setup: Option<Setup>,

    /// Whether media must be encrypted; written by Jitsi's focus and clients.
    #[xml(attribute(default))]
    pub required: Option<bool>,

    /// Whether header extensions are encrypted as RFC 9335 says.
    #[xml(attribute(default))]
    pub cryptex: Option<bool>,

    /// The digest: hexadecimal pairs with colons between.
    #[xml(text)]
    pub value: String,
}

impl Fingerprint {
    /// A SHA-256 fingerprint in the usual text form.
    pub fn sha_256(digest: &[u8; 32], setup: Setup) -> Self {
        Self {
            hash: "sha-256".to_owned(),
            setup: Some(setup),
            required: None,
            cryptex: None,
            value: to_hex_pairs(digest),
        }
    }

    /// The digest as bytes; `None` when the text is not pairs of hexadecimal digits with colons between.
    pub fn digest(&self) -> Option<Vec<u8>> {
        self.value
            .trim()
            .split(':')
            .map(|pair| {
                (pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
                    .then(|| u8::from_str_radix(pair, 16).ok())
                    .flatten()
            })
            .collect()
    }
}

/// Upper-case hexadecimal pairs with colons between, RFC 8122 §5.
pub fn to_hex_pairs(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            text.push(':');
        }
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
        }
    }
    text
}

/// `<web-socket xmlns='http://jitsi.org/protocol/colibri'/>`: where the bridge channel may be opened.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI, name = "web-socket")]
pub struct WebSocket {
    /// The URL, with the password in its query: a secret.
    #[xml(attribute)]
    pub url: String,

    /// Whether the receiver is the one that dials; only between bridges.
    #[xml(attribute(default))]
    pub active: Option<bool>,
}

/// `<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_DTLS_SCTP, name = "sctpmap")]
pub struct SctpMap {
    /// SCTP port inside DTLS; 5000 by custom.
    #[xml(attribute)]
    pub number: u16,

    /// `webrtc-datachannel`.
    #[xml(attribute(default))]
    pub protocol: Option<String>,

    /// Number of streams.
    #[xml(attribute(default))]
    pub streams: Option<u16>,
}

wire_enum! {
    /// How a candidate was found, RFC 8445 §5.1.1.
    CandidateType {
        /// An address of the sender's own.
        Host => "host",
        /// An address seen from outside.
        Srflx => "srflx",
        /// An address seen by the peer.
        Prflx => "prflx",
        /// An address on a relay.
        Relay => "relay",
    }
}

/// `<candidate/>` of a transport.
///
/// Kept close to the wire: a candidate nobody can use (a host name, TCP) must not spoil the transport it came with.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_ICE_UDP, name = "candidate")]
pub struct Candidate {
    /// 1 is RTP, 2 is RTCP.
    #[xml(attribute)]
    pub component: u8,

    /// Same for candidates of the same kind, base and server, RFC 8445 §5.1.1.3.
    #[xml(attribute)]
    pub foundation: String,

    /// ICE generation.
    #[xml(attribute(default))]
    pub generation: Option<u32>,

    /// Unique within the session.
    #[xml(attribute(default))]
    pub id: Option<String>,

    /// IP address, or a `.local` name of RFC 6762 from browsers that hide theirs.
    #[xml(attribute)]
    pub ip: String,

    /// Index of the network interface.
    #[xml(attribute(default))]
    pub network: Option<u32>,

    /// Port.
    #[xml(attribute)]
    pub port: u16,

    /// Priority, RFC 8445 §5.1.2.
    #[xml(attribute)]
    pub priority: u32,

    /// `udp` or `tcp`.
    #[xml(attribute)]
    pub protocol: String,

    /// Base of a reflexive candidate: address.
    #[xml(attribute(name = "rel-addr", default))]
    pub rel_addr: Option<String>,

    /// Base of a reflexive candidate: port.
    #[xml(attribute(name = "rel-port", default))]
    pub rel_port: Option<u16>,

    /// Role of a TCP candidate, RFC 6544.
    #[xml(attribute(default))]
    pub tcptype: Option<String>,

    /// How it was found.
    #[xml(attribute(name = "type"))]
    pub kind: CandidateType,
}

impl Candidate {
    /// The address when it is usable by a UDP agent: UDP, component 1, and a literal IP address.
    pub fn udp_address(&self) -> Option<core::net::SocketAddr> {
        if self.component != 1 || !self.protocol.eq_ignore_ascii_case("udp") {
            return None;
        }
        Some(core::net::SocketAddr::new(self.ip.parse::<IpAddr>().ok()?, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_BRIDGE: &[u8] = b"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' \
        pwd='2tkep12vr05fsoh4jlpi36qbje' ufrag='fo0cf1k85ap9rn'><rtcp-mux/>\
        <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' setup='actpass' hash='sha-256'>48:73:3B</fingerprint>\
        <web-socket xmlns='http://jitsi.org/protocol/colibri' url='wss://meet.localhost:8443/colibri-ws/jvb1/a0f/e?pwd=x'/>\
        <candidate network='0' id='7d2f' protocol='udp' component='1' generation='0' port='10000' foundation='1' \
        type='host' priority='2130706431' ip='10.99.0.1'/></transport>";

    #[test]
    fn a_transport_of_a_bridge_round_trips() {
        let transport: IceUdpTransport = xso::from_bytes(OF_A_BRIDGE).unwrap();
        assert_eq!(transport.ufrag.as_deref(), Some("fo0cf1k85ap9rn"));
        assert!(transport.rtcp_mux);
        assert_eq!(transport.fingerprints[0].setup, Some(Setup::Actpass));
        assert_eq!(transport.fingerprints[0].digest(), Some(vec![0x48, 0x73, 0x3b]));
        assert_eq!(transport.web_sockets.len(), 1);
        assert_eq!(transport.candidates[0].udp_address(), Some("10.99.0.1:10000".parse().unwrap()));
        let again: IceUdpTransport = xso::from_bytes(&xso::to_vec(&transport).unwrap()).unwrap();
        assert_eq!(again, transport);
    }

    #[test]
    fn candidates_nobody_can_use_do_not_spoil_the_rest() {
        let transport: IceUdpTransport = xso::from_bytes(
            b"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a' pwd='b'>\
              <candidate component='1' foundation='9' generation='0' id='1' ip='f0e1.local' network='1' port='9' \
              priority='1' protocol='udp' type='host'/>\
              <candidate component='1' foundation='9' generation='0' id='2' ip='10.0.0.1' network='1' port='9' \
              priority='1' protocol='tcp' tcptype='active' type='host'/>\
              <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' required='true'>AA</fingerprint>\
              <sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='5000' protocol='webrtc-datachannel' streams='1024'/>\
              </transport>",
        )
        .unwrap();
        assert_eq!(transport.candidates.len(), 2);
        assert!(transport.candidates.iter().all(|c| c.udp_address().is_none()));
        assert_eq!(transport.sctp_map.unwrap().number, 5000);
        assert_eq!(transport.fingerprints[0].setup, None);
    }

    #[test]
    fn digests_are_strict_pairs() {
        let of = |value: &str| Fingerprint { value: value.to_owned(), ..Fingerprint::sha_256(&[0; 32], Setup::Active) };
        assert_eq!(of("0a:FF").digest(), Some(vec![10, 255]));
        assert_eq!(of("0a:F").digest(), None);
        assert_eq!(of("+1").digest(), None);
        assert_eq!(of("").digest(), None);
        assert_eq!(to_hex_pairs(&[0x0a, 0xff]), "0A:FF");
    }
}
