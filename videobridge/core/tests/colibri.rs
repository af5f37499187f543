//! The bridge's side of colibri2, beside what a real bridge answered to a real focus.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::time::{Duration, Instant};

use minidom::Element;
use protocol::colibri2::{
    Capability, CapabilityName, Condition, ConferenceModified, ConferenceModify, Connect, Connects, Endpoint, Failure,
    ForceMute, InitialLastN, MediaSource, Reason, Relay, Sctp, SctpRole, Sources, Transport,
};
use protocol::ids::{ConferenceId, EndpointId, MeetingId, RelayId, SourceName, Ssrc};
use protocol::jingle::rtp::MediaType;
use protocol::jingle::source::Source;
use protocol::jingle::transport::{Candidate, CandidateType, Fingerprint, IceUdpTransport, Setup};
use rand::SeedableRng;
use rand::rngs::StdRng;
use videobridge_core::colibri::CONFERENCES_MAX;
use videobridge_core::colibri::{AdvertisedAddress, Colibri, Command, DtlsRole, EndpointActivity, Outcome, Settings};
use videobridge_core::conference::ENDPOINTS_MAX;
use videobridge_core::endpoint::{SOURCES_MAX, SSRCS_PER_SOURCE_MAX};

const RECORDED: &str = include_str!("../../../protocol/fixtures/colibri2.xml");
const MEETING: &str = "beccf2ed-5441-4bfe-96d6-f0f3a6796378";

struct Bridge {
    colibri: Colibri,
    random: StdRng,
    now: Instant,
}

impl Bridge {
    fn new() -> Self {
        let settings = Settings {
            addresses: vec![AdvertisedAddress { address: "10.99.0.1:10000".parse().unwrap(), base: None }],
            fingerprint: [7; 32],
            web_socket_bases: vec!["wss://meet.localhost:8443/colibri-ws/jvb1".to_owned()],
            sctp: true,
            advertise_private: true,
        };
        Self { colibri: Colibri::new(settings), random: StdRng::seed_from_u64(1), now: Instant::now() }
    }

    /// With a conference that has the endpoint `a`.
    fn with_endpoint() -> Self {
        let mut bridge = Self::new();
        let mut modify = request();
        modify.create = true;
        modify.endpoints.push(creation("a"));
        bridge.handle(&modify).answer.unwrap();
        bridge
    }

    fn handle(&mut self, modify: &ConferenceModify) -> Outcome {
        self.colibri.handle(modify, self.now, &mut self.random)
    }

    fn endpoint(&mut self, endpoint: Endpoint) -> Outcome {
        let mut modify = request();
        modify.endpoints.push(endpoint);
        self.handle(&modify)
    }
}

fn request() -> ConferenceModify {
    ConferenceModify::new(MeetingId::new(MEETING).unwrap())
}

fn endpoint(id: &str) -> Endpoint {
    Endpoint::new(EndpointId::new(id).unwrap())
}

fn creation(id: &str) -> Endpoint {
    let mut endpoint = endpoint(id);
    endpoint.create = true;
    endpoint.transport = Some(Transport { ice_controlling: true, ..Transport::default() });
    endpoint.capabilities.push(Capability::from(CapabilityName::SourceNames));
    endpoint
}

fn sources(name: &str, ssrc: u32) -> Sources {
    let name = SourceName::new(name).unwrap();
    let mut source = MediaSource::new(MediaType::Audio, name.clone());
    source.sources.push(Source::named(Ssrc(ssrc), name));
    Sources { media_sources: vec![source] }
}

fn failure(outcome: Outcome) -> Failure {
    outcome.answer.unwrap_err()
}

#[test]
fn a_recorded_call_is_answered_as_the_real_bridge_did() {
    let capture: Element = RECORDED.parse().unwrap();
    let mut bridge = Bridge::new();
    let mut ours = Vec::new();
    let (mut compared, mut commands) = (0, 0);
    for iq in capture.children().take(18) {
        let payload = iq.children().next().unwrap();
        if let Ok(modify) = ConferenceModify::try_from(payload.clone()) {
            let outcome = bridge.handle(&modify);
            commands += outcome.commands.len();
            ours.push((iq.attr("id").unwrap().to_owned(), outcome.answer.unwrap()));
        } else if let Ok(theirs) = ConferenceModified::try_from(payload.clone()) {
            // The server rewrites ids on the way; the order is that of the requests.
            let (_, ours) = ours.remove(0);
            assert_eq!(shape(&ours.into()), shape(&theirs.into()));
            compared += 1;
        }
    }
    assert!(compared >= 8 && commands > 15, "{compared} {commands}");
}

/// Names of elements and attributes, and the values that do not depend on chance.
fn shape(element: &Element) -> Vec<String> {
    let mut attributes: Vec<String> = element
        .attrs()
        .iter()
        .map(|((_, name), value)| match (element.name(), name.as_str()) {
            (_, "pwd" | "ufrag" | "url" | "ssrc") | ("candidate", "id") => name.to_string(),
            _ => format!("{name}={value}"),
        })
        .collect();
    attributes.sort();
    let mut lines = vec![format!("{}{{{}}} {}", element.name(), element.ns(), attributes.join(" "))];
    for child in element.children() {
        lines.extend(shape(child).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

#[test]
fn a_conference_is_created_once_and_ends_with_its_last_endpoint() {
    let mut bridge = Bridge::new();
    let unknown = failure(bridge.endpoint(creation("a")));
    assert_eq!((unknown.condition, unknown.reason), (Condition::ItemNotFound, Some(Reason::ConferenceNotFound)));
    let mut bridge = Bridge::with_endpoint();
    let mut again = request();
    again.create = true;
    let conflict = failure(bridge.handle(&again));
    assert_eq!((conflict.condition, conflict.reason), (Condition::Conflict, Some(Reason::ConferenceAlreadyExists)));

    let mut expire = endpoint("a");
    expire.expire = true;
    let outcome = bridge.endpoint(expire);
    assert!(outcome.answer.unwrap().endpoints[0].expire);
    assert!(matches!(outcome.commands.as_slice(), [Command::ExpireEndpoint { .. }, Command::ExpireConference { .. }]));
    assert_eq!(bridge.colibri.conference_count(), 0);
}

#[test]
fn expire_ends_the_conference() {
    let mut bridge = Bridge::with_endpoint();
    let mut expire = request();
    expire.expire = true;
    let outcome = bridge.handle(&expire);
    assert_eq!(outcome.answer, Ok(ConferenceModified::default()));
    assert!(matches!(outcome.commands.as_slice(), [Command::ExpireConference { .. }]));
    assert_eq!(failure(bridge.handle(&expire)).reason, Some(Reason::ConferenceNotFound));
}

#[test]
fn creation_needs_transport_and_source_names_and_a_free_id() {
    let mut bridge = Bridge::with_endpoint();
    let exists = failure(bridge.endpoint(creation("a")));
    assert_eq!((exists.condition, exists.reason), (Condition::Conflict, None));
    let mut without = creation("b");
    without.transport = None;
    assert_eq!(failure(bridge.endpoint(without)).condition, Condition::BadRequest);
    let mut without = creation("b");
    without.capabilities.clear();
    assert_eq!(failure(bridge.endpoint(without)).condition, Condition::BadRequest);
    assert_eq!(bridge.colibri.endpoint_count(), 1);
}

#[test]
fn steps_before_a_failure_stay_done() {
    let mut bridge = Bridge::with_endpoint();
    let mut bad_sctp = creation("b");
    bad_sctp.transport.as_mut().unwrap().sctp = Some(Sctp { port: None, role: Some(SctpRole::Client) });
    let outcome = bridge.endpoint(bad_sctp);
    assert!(matches!(outcome.commands.as_slice(), [Command::CreateEndpoint { .. }]));
    assert_eq!(failure(outcome).reason, Some(Reason::FeatureNotImplemented));
    assert_eq!(bridge.colibri.endpoint_count(), 2);
    let mut bad_port = creation("c");
    bad_port.transport.as_mut().unwrap().sctp = Some(Sctp { port: Some(5001), role: None });
    assert_eq!(failure(bridge.endpoint(bad_port)).condition, Condition::BadRequest);
}

#[test]
fn sctp_is_answered_with_port_and_role() {
    let mut bridge = Bridge::with_endpoint();
    let mut wants = creation("b");
    wants.transport.as_mut().unwrap().sctp = Some(Sctp::default());
    let outcome = bridge.endpoint(wants);
    assert!(matches!(&outcome.commands[0], Command::CreateEndpoint { endpoint, .. } if endpoint.sctp));
    let answer = outcome.answer.unwrap();
    let sctp = answer.endpoints[0].transport.as_ref().unwrap().sctp.as_ref().unwrap();
    assert_eq!((sctp.port, &sctp.role), (Some(5000), &Some(SctpRole::Server)));
}

#[test]
fn unknown_endpoints_are_told_or_ignored() {
    let mut bridge = Bridge::with_endpoint();
    let mut update = endpoint("x");
    update.sources = Some(Sources::default());
    let unknown = failure(bridge.endpoint(update));
    assert_eq!(unknown.reason, Some(Reason::UnknownEndpoint));
    assert_eq!(unknown.endpoint, Some(EndpointId::new("x").unwrap()));
    let mut mutes = request();
    for id in ["x", "a"] {
        let mut mute = endpoint(id);
        mute.force_mute = Some(ForceMute { audio: true, video: false });
        mutes.endpoints.push(mute);
    }
    let outcome = bridge.handle(&mutes);
    assert_eq!(outcome.answer.unwrap().endpoints.len(), 2);
    assert!(matches!(outcome.commands.as_slice(), [Command::ForceMute { audio: true, video: false, .. }]));
}

#[test]
fn what_the_bridge_cannot_do_is_refused_as_a_feature() {
    let mut two = request();
    two.endpoints = vec![creation("b"), creation("c")];
    let mut both = request();
    both.endpoints = vec![endpoint("a")];
    let relay = Relay {
        id: RelayId::new("r").unwrap(),
        mesh_id: None,
        create: true,
        expire: false,
        media: Vec::new(),
        transport: None,
        endpoints: None,
    };
    both.relays = vec![relay.clone()];
    let mut relays = request();
    relays.relays = vec![relay];
    let mut export = request();
    export.connects = Some(Connects {
        connects: vec![Connect {
            url: "wss://localhost/".to_owned(),
            protocol: None,
            kind: None,
            audio: true,
            video: false,
            http_headers: Vec::new(),
            ping: None,
            exports: None,
            requests: None,
        }],
    });
    for modify in [two, both, relays, export] {
        let refused = failure(Bridge::with_endpoint().handle(&modify));
        assert_eq!(
            (refused.condition, refused.reason),
            (Condition::FeatureNotImplemented, Some(Reason::FeatureNotImplemented))
        );
    }
    let mut name = request();
    name.name = Some("room@conference.localhost/nick".to_owned());
    assert_eq!(failure(Bridge::with_endpoint().handle(&name)).condition, Condition::BadRequest);
}

#[test]
fn graceful_shutdown_refuses_new_conferences_only() {
    let mut bridge = Bridge::with_endpoint();
    bridge.colibri.set_refuses_new(true);
    assert!(bridge.endpoint(creation("b")).answer.is_ok());
    let mut other = ConferenceModify::new(MeetingId::new("other").unwrap());
    other.create = true;
    let refused = failure(bridge.handle(&other));
    assert_eq!((refused.condition, refused.reason), (Condition::ServiceUnavailable, Some(Reason::GracefulShutdown)));
}

#[test]
fn repeated_sources_change_nothing() {
    let mut bridge = Bridge::with_endpoint();
    let mut update = endpoint("a");
    update.sources = Some(sources("a-a0", 7));
    let first = bridge.endpoint(update.clone());
    assert!(matches!(first.commands.as_slice(), [Command::SetSources { sources, .. }] if sources.len() == 1));
    assert_eq!(bridge.endpoint(update.clone()).commands, []);
    update.sources = Some(Sources::default());
    let cleared = bridge.endpoint(update);
    assert!(matches!(cleared.commands.as_slice(), [Command::SetSources { sources, .. }] if sources.is_empty()));
}

#[test]
fn visitors_have_no_sources() {
    let mut bridge = Bridge::with_endpoint();
    let mut visitor = creation("v");
    visitor.muc_role = Some("visitor".to_owned());
    visitor.sources = Some(Sources::default());
    assert!(bridge.endpoint(visitor).answer.is_ok());
    let mut update = endpoint("v");
    update.sources = Some(sources("v-a0", 9));
    assert_eq!(failure(bridge.endpoint(update)).condition, Condition::BadRequest);
}

#[test]
fn commands_come_in_the_order_of_the_reference() {
    let capture: Element = RECORDED.parse().unwrap();
    let mut modify = capture
        .children()
        .filter_map(|iq| ConferenceModify::try_from(iq.children().next()?.clone()).ok())
        .find(|modify| {
            modify.endpoints.first().is_some_and(|e| e.transport.as_ref().is_some_and(|t| t.ice_udp.is_some()))
        })
        .unwrap();
    modify.meeting_id = MeetingId::new(MEETING).unwrap();
    let update = &mut modify.endpoints[0];
    update.id = EndpointId::new("a").unwrap();
    update.initial_last_n = Some(InitialLastN { value: 2 });
    update.force_mute = Some(ForceMute::default());
    let outcome = Bridge::with_endpoint().handle(&modify);
    let [
        Command::InitialLastN { last_n: 2, .. },
        Command::SetTransport { remote, .. },
        Command::SetSources { .. },
        Command::ForceMute { audio: false, video: false, .. },
    ] = outcome.commands.as_slice()
    else {
        panic!("{:?}", outcome.commands)
    };
    assert_eq!(remote.dtls_role, Some(DtlsRole::Server));
    assert_eq!(remote.fingerprints[0].digest.len(), 32);
    assert!(remote.credentials.is_some());
}

#[test]
fn an_ice_restart_is_answered_without_transport() {
    let mut restart = endpoint("a");
    restart.transport = Some(Transport { ice_restart: true, ..Transport::default() });
    let answer = Bridge::with_endpoint().endpoint(restart).answer.unwrap();
    assert_eq!(answer.endpoints[0].transport, None);
}

#[test]
fn silence_ends_endpoints_and_emptiness_conferences() {
    let mut bridge = Bridge::with_endpoint();
    bridge.endpoint(creation("b")).answer.unwrap();
    let start = bridge.now;
    let seen_by_b = |seconds| {
        move |_: &ConferenceId, id: &EndpointId| EndpointActivity {
            last_activity: (*id == "b").then_some(start + Duration::from_secs(seconds)),
            ice_failed: false,
        }
    };
    let after = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(bridge.colibri.expire(after(60), seen_by_b(30)), []);
    let commands = bridge.colibri.expire(after(121), seen_by_b(90));
    assert!(matches!(commands.as_slice(), [Command::ExpireEndpoint { endpoint, .. }] if *endpoint == "a"));
    let commands = bridge.colibri.expire(after(151), seen_by_b(90));
    assert!(matches!(commands.as_slice(), [Command::ExpireEndpoint { .. }, Command::ExpireConference { .. }]));

    let mut bridge = Bridge::with_endpoint();
    let failed = |_: &ConferenceId, _: &EndpointId| EndpointActivity { last_activity: Some(start), ice_failed: true };
    assert_eq!(bridge.colibri.expire(start, failed).len(), 1);
}

#[test]
fn channel_passwords_belong_to_endpoints() {
    let bridge = Bridge::with_endpoint();
    let overview = bridge.colibri.overview().next().unwrap();
    let id = EndpointId::new("a").unwrap();
    assert_eq!(bridge.colibri.channel_password(overview.id, &id).unwrap().len(), 24);
    assert_eq!(bridge.colibri.channel_password(overview.id, &EndpointId::new("b").unwrap()), None);
    assert_eq!(bridge.colibri.channel_password(&ConferenceId::new("x").unwrap(), &id), None);
}

#[test]
fn no_more_conferences_than_the_bound() {
    let mut bridge = Bridge::new();
    let create = |number: usize| {
        let mut modify = ConferenceModify::new(MeetingId::new(format!("m{number}")).unwrap());
        modify.create = true;
        modify
    };
    for number in 0..CONFERENCES_MAX {
        bridge.handle(&create(number)).answer.unwrap();
    }
    let refused = failure(bridge.handle(&create(CONFERENCES_MAX)));
    assert_eq!((refused.condition, refused.reason), (Condition::ServiceUnavailable, None));
    assert_eq!(bridge.colibri.conference_count(), CONFERENCES_MAX);
}

#[test]
fn no_more_endpoints_than_the_bound() {
    let mut bridge = Bridge::with_endpoint();
    for number in 1..ENDPOINTS_MAX {
        bridge.endpoint(creation(&format!("e{number}"))).answer.unwrap();
    }
    let refused = failure(bridge.endpoint(creation("last")));
    assert_eq!((refused.condition, refused.reason), (Condition::ServiceUnavailable, None));
    assert_eq!(bridge.colibri.endpoint_count(), ENDPOINTS_MAX);
}

#[test]
fn no_more_sources_than_the_bound() {
    let mut update = endpoint("a");
    let many = (0..=SOURCES_MAX)
        .map(|number| sources(&format!("a-a{number}"), 1 + u32::try_from(number).unwrap()).media_sources.remove(0));
    update.sources = Some(Sources { media_sources: many.collect() });
    let mut bridge = Bridge::with_endpoint();
    assert_eq!(failure(bridge.endpoint(update.clone())).condition, Condition::BadRequest);
    update.sources.as_mut().unwrap().media_sources.pop();
    assert!(bridge.endpoint(update).answer.is_ok());
}

#[test]
fn a_source_that_cannot_be_used_spoils_nothing() {
    let mut mixed = sources("a-a0", 7);
    let mut empty = sources("a-a1", 8).media_sources.remove(0);
    empty.sources.clear();
    let mut crowded = sources("a-a2", 9).media_sources.remove(0);
    crowded.sources = (0..=SSRCS_PER_SOURCE_MAX).map(|n| Source::new(Ssrc(100 + u32::try_from(n).unwrap()))).collect();
    mixed.media_sources.extend([empty, crowded]);
    let mut update = endpoint("a");
    update.sources = Some(mixed);
    let outcome = Bridge::with_endpoint().endpoint(update);
    assert!(outcome.answer.is_ok());
    assert!(matches!(outcome.commands.as_slice(), [Command::SetSources { sources, .. }] if sources.len() == 1));
}

#[test]
fn a_flood_of_candidates_and_fingerprints_is_cut() {
    let candidate = Candidate {
        component: 1,
        foundation: "1".to_owned(),
        generation: None,
        id: None,
        ip: "10.0.0.1".to_owned(),
        network: None,
        port: 9,
        priority: 1,
        protocol: "udp".to_owned(),
        rel_addr: None,
        rel_port: None,
        tcptype: None,
        kind: CandidateType::Host,
    };
    let mut update = endpoint("a");
    update.transport = Some(Transport {
        ice_udp: Some(IceUdpTransport {
            candidates: vec![candidate; 1_000],
            fingerprints: vec![Fingerprint::sha_256(&[1; 32], Setup::Actpass); 100],
            ..IceUdpTransport::default()
        }),
        ..Transport::default()
    });
    let outcome = Bridge::with_endpoint().endpoint(update);
    let [Command::SetTransport { remote, .. }] = outcome.commands.as_slice() else { panic!("{:?}", outcome.commands) };
    assert_eq!((remote.candidates.len(), remote.fingerprints.len()), (64, 8));
    assert_eq!((remote.dtls_role, &remote.credentials), (None, &None), "actpass is no choice");
}
