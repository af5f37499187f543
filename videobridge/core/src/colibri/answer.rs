//! Our side of a transport, as signalled.

use std::net::{IpAddr, SocketAddr};

use protocol::colibri2::{MediaSource, Sctp, SctpRole, Sources, Transport};
use protocol::ids::{ConferenceId, EndpointId, SourceName, Ssrc};
use protocol::jingle::rtp::MediaType;
use protocol::jingle::source::Source;
use protocol::jingle::transport::{Candidate, CandidateType, Fingerprint, IceUdpTransport, Setup, WebSocket};

use super::command::IceCredentials;

/// SCTP port inside DTLS, by custom.
pub(super) const SCTP_PORT: u16 = 5000;

/// What is the same for all endpoints.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses to tell clients, best first.
    pub addresses: Vec<AdvertisedAddress>,
    /// SHA-256 digest of our DTLS certificate.
    pub fingerprint: [u8; 32],
    /// Beginnings of bridge-channel URLs, up to and with the server id, without a slash at the end:
    /// `wss://host:8443/colibri-ws/server-id`.
    pub web_socket_bases: Vec<String>,
    /// Data channels are offered when the focus asks for them.
    pub sctp: bool,
    /// Private addresses are told to everybody, not only to those that say they can reach them.
    pub advertise_private: bool,
}

/// One address to tell clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvertisedAddress {
    /// The address.
    pub address: SocketAddr,
    /// Set when `address` is how this address of ours looks from outside.
    pub base: Option<SocketAddr>,
}

impl Settings {
    /// The transport of a new endpoint.
    pub(super) fn transport(
        &self,
        conference: &ConferenceId,
        endpoint: &EndpointId,
        local: &IceCredentials,
        channel_password: &str,
        reaches_private: bool,
        sctp: bool,
    ) -> Transport {
        let private_too = self.advertise_private || reaches_private;
        let candidates = (0u16..)
            .zip(&self.addresses)
            .filter(|(_, advertised)| private_too || !is_private(advertised.address.ip()))
            .map(|(rank, advertised)| candidate(rank, advertised, private_too))
            .collect();
        let web_sockets = self.web_socket_bases.iter().map(|base| WebSocket {
            url: format!("{base}/{}/{}?pwd={channel_password}", escape(conference.as_str()), escape(endpoint.as_str())),
            active: None,
        });
        Transport {
            ice_udp: Some(IceUdpTransport {
                ufrag: Some(local.ufrag.clone()),
                pwd: Some(local.pwd.clone()),
                rtcp_mux: true,
                fingerprints: vec![Fingerprint::sha_256(&self.fingerprint, Setup::Actpass)],
                web_sockets: web_sockets.collect(),
                candidates,
                ..IceUdpTransport::default()
            }),
            sctp: sctp.then_some(Sctp { port: Some(SCTP_PORT), role: Some(SctpRole::Server) }),
            ..Transport::default()
        }
    }
}

/// The sources our RTCP comes from.
pub(super) fn feedback_sources(audio_ssrc: u32, video_ssrc: u32) -> Sources {
    let source = |media_type, name: &str, ssrc| {
        let name = SourceName::new(name).expect("a constant name is valid");
        let mut media_source = MediaSource::new(media_type, name.clone());
        media_source.sources.push(Source::named(Ssrc(ssrc), name));
        media_source
    };
    Sources {
        media_sources: vec![
            source(MediaType::Audio, "jvb-a0", audio_ssrc),
            source(MediaType::Video, "jvb-v0", video_ssrc),
        ],
    }
}

fn candidate(rank: u16, advertised: &AdvertisedAddress, private_too: bool) -> Candidate {
    let reflexive = advertised.base.filter(|base| *base != advertised.address);
    // RFC 8445 §5.1.2.2: type preference 126 for host, 100 for server-reflexive.
    let type_preference: u32 = if reflexive.is_some() { 100 } else { 126 };
    let priority = (type_preference << 24) | (u32::from(u16::MAX - rank) << 8) | 255;
    let related = reflexive
        .map(|base| if private_too { (base.ip().to_string(), base.port()) } else { ("0.0.0.0".to_owned(), 9) });
    Candidate {
        component: 1,
        foundation: (rank + 1).to_string(),
        generation: Some(0),
        id: Some(format!("c{rank}")),
        ip: advertised.address.ip().to_string(),
        network: Some(0),
        port: advertised.address.port(),
        priority,
        protocol: "udp".to_owned(),
        rel_addr: related.as_ref().map(|(address, _)| address.clone()),
        rel_port: related.map(|(_, port)| port),
        tcptype: None,
        kind: if reflexive.is_some() { CandidateType::Srflx } else { CandidateType::Host },
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Percent-encodes everything but unreserved characters, RFC 3986 §2.3.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                escaped.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            addresses: vec![
                AdvertisedAddress { address: "10.99.0.1:10000".parse().unwrap(), base: None },
                AdvertisedAddress {
                    address: "203.0.113.5:20000".parse().unwrap(),
                    base: Some("10.99.0.1:10000".parse().unwrap()),
                },
            ],
            fingerprint: [0xab; 32],
            web_socket_bases: vec!["wss://meet.localhost:8443/colibri-ws/jvb1".to_owned()],
            sctp: true,
            advertise_private: true,
        }
    }

    fn transport(settings: &Settings, reaches_private: bool) -> Transport {
        settings.transport(
            &ConferenceId::new("a0f1").unwrap(),
            &EndpointId::new("a b").unwrap(),
            &IceCredentials { ufrag: "u".to_owned(), pwd: "p".to_owned() },
            "secret",
            reaches_private,
            true,
        )
    }

    #[test]
    fn candidates_are_as_the_reference_writes_them() {
        let transport = transport(&settings(), false).ice_udp.unwrap();
        let [host, outside] = transport.candidates.as_slice() else { panic!() };
        assert_eq!((host.priority, &host.kind), (2_130_706_431, &CandidateType::Host));
        assert_eq!((outside.priority, &outside.kind), (1_694_498_559, &CandidateType::Srflx));
        assert_eq!((outside.rel_addr.as_deref(), outside.rel_port), (Some("10.99.0.1"), Some(10000)));
        assert_eq!(transport.web_sockets[0].url, "wss://meet.localhost:8443/colibri-ws/jvb1/a0f1/a%20b?pwd=secret");
        assert!(transport.rtcp_mux);
        assert_eq!(transport.fingerprints[0].setup, Some(Setup::Actpass));
    }

    #[test]
    fn private_addresses_can_be_kept_back() {
        let mut settings = settings();
        settings.advertise_private = false;
        let told = transport(&settings, false).ice_udp.unwrap().candidates;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].rel_addr.as_deref(), told[0].rel_port), (Some("0.0.0.0"), Some(9)));
        assert_eq!(transport(&settings, true).ice_udp.unwrap().candidates.len(), 2);
    }
}
