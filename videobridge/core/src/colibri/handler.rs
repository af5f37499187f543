//! The conferences of this bridge as the focus knows them, and what requests do to them.

use std::collections::BTreeMap;
use std::time::Instant;

use protocol::colibri2::{
    CapabilityName, Condition, ConferenceModified, ConferenceModify, Endpoint, Failure, Reason, Relay, Sources,
};
use protocol::ids::{ConferenceId, EndpointId, MeetingId};
use rand::{CryptoRng, Rng, RngExt};

use super::answer::{Settings, feedback_sources};
use super::command::{Command, IceCredentials, NewEndpoint};
use super::describe;
use super::expiry::{EMPTY_AFTER, EndpointActivity};
use super::request::{check, check_content, ignores_unknown, malformed, wants_sctp};
use crate::conference::ENDPOINTS_MAX;
use crate::endpoint::SOURCES_MAX;

/// Conferences at once; further ones are refused.
pub const CONFERENCES_MAX: usize = 10_000;

/// Length of the password of a bridge channel.
const CHANNEL_PASSWORD_LEN: usize = 24;

/// Characters of user fragments: case may be lost on the way.
const LOWER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Characters of passwords.
const ALPHANUMERIC: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What a request leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// For the media side, in order. There may be some although the request failed: what was done before the failure
    /// stays done.
    pub commands: Vec<Command>,
    /// For the focus.
    pub answer: Result<ConferenceModified, Failure>,
}

/// All conferences.
#[derive(Debug)]
pub struct Colibri {
    settings: Settings,
    conferences: BTreeMap<MeetingId, Conference>,
    meetings: BTreeMap<ConferenceId, MeetingId>,
    refuses_new: bool,
}

#[derive(Debug)]
struct Conference {
    id: ConferenceId,
    name: Option<String>,
    created: Instant,
    audio_feedback_ssrc: u32,
    video_feedback_ssrc: u32,
    endpoints: BTreeMap<EndpointId, KnownEndpoint>,
}

#[derive(Debug)]
struct KnownEndpoint {
    created: Instant,
    stats_id: Option<String>,
    visitor: bool,
    channel_password: String,
    /// As signalled last: the focus repeats the whole set often.
    sources: Sources,
}

impl Colibri {
    /// Without conferences.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, conferences: BTreeMap::new(), meetings: BTreeMap::new(), refuses_new: false }
    }

    /// Carries out a request.
    pub fn handle(&mut self, modify: &ConferenceModify, now: Instant, random: &mut impl CryptoRng) -> Outcome {
        let mut commands = Vec::new();
        let answer = self.modify(modify, now, random, &mut commands);
        Outcome { commands, answer }
    }

    /// Takes no new conferences any more, or does so again.
    pub const fn set_refuses_new(&mut self, refuses_new: bool) {
        self.refuses_new = refuses_new;
    }

    /// Ends endpoints that are silent and conferences that are empty. To be called about once a minute.
    pub fn expire(
        &mut self,
        now: Instant,
        activity: impl Fn(&ConferenceId, &EndpointId) -> EndpointActivity,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut empty = Vec::new();
        for (meeting, conference) in &mut self.conferences {
            conference.endpoints.retain(|id, endpoint| {
                let over = activity(&conference.id, id).is_over(endpoint.created, now);
                if over {
                    tracing::info!(conference = %conference.id, endpoint = %id, "endpoint expired");
                    commands.push(Command::ExpireEndpoint { conference: conference.id.clone(), endpoint: id.clone() });
                }
                !over
            });
            let age = now.saturating_duration_since(conference.created);
            if conference.endpoints.is_empty() && age > EMPTY_AFTER {
                empty.push(meeting.clone());
            }
        }
        for meeting in empty {
            self.end(&meeting, &mut commands);
        }
        commands
    }

    /// Password of an endpoint's bridge channel.
    #[must_use]
    pub fn channel_password(&self, conference: &ConferenceId, endpoint: &EndpointId) -> Option<&str> {
        let conference = self.conferences.get(self.meetings.get(conference)?)?;
        Some(&conference.endpoints.get(endpoint)?.channel_password)
    }

    /// Whether there is such a meeting.
    #[must_use]
    pub fn has_meeting(&self, meeting: &MeetingId) -> bool {
        self.conferences.contains_key(meeting)
    }

    /// Internal id of a meeting.
    #[must_use]
    pub fn conference_id(&self, meeting: &MeetingId) -> Option<&ConferenceId> {
        self.conferences.get(meeting).map(|conference| &conference.id)
    }

    /// Number of conferences.
    #[must_use]
    pub fn conference_count(&self) -> usize {
        self.conferences.len()
    }

    /// Number of endpoints in all conferences.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.conferences.values().map(|conference| conference.endpoints.len()).sum()
    }

    /// Number of endpoints that only watch.
    #[must_use]
    pub fn visitor_count(&self) -> usize {
        let endpoints = self.conferences.values().flat_map(|conference| conference.endpoints.values());
        endpoints.filter(|endpoint| endpoint.visitor).count()
    }

    /// Number of endpoints in the largest conference.
    #[must_use]
    pub fn largest_conference(&self) -> usize {
        self.conferences.values().map(|conference| conference.endpoints.len()).max().unwrap_or(0)
    }

    /// Everything there is, for people: internal id, meeting, room, and each endpoint with its name for statistics.
    pub fn overview(&self) -> impl Iterator<Item = ConferenceOverview<'_>> {
        self.conferences.iter().map(|(meeting, conference)| ConferenceOverview {
            id: &conference.id,
            meeting,
            name: conference.name.as_deref(),
            endpoints: conference.endpoints.iter().map(|(id, endpoint)| (id, endpoint.stats_id.as_deref())).collect(),
        })
    }

    fn modify(
        &mut self,
        modify: &ConferenceModify,
        now: Instant,
        random: &mut impl CryptoRng,
        commands: &mut Vec<Command>,
    ) -> Result<ConferenceModified, Failure> {
        check(modify)?;
        if modify.create {
            self.create(modify, now, random, commands)?;
        }
        let Some(conference) = self.conferences.get_mut(&modify.meeting_id) else {
            // The words of the reference: its users' log filters look for them.
            let text = format!("Conference not found for ID: {}", modify.meeting_id);
            return Err(Failure::new(Condition::ItemNotFound, text).with_reason(Reason::ConferenceNotFound));
        };
        if modify.expire {
            self.end(&modify.meeting_id, commands);
            return Ok(ConferenceModified::default());
        }
        check_content(modify)?;
        let ignore_unknown = ignores_unknown(modify);
        let mut answer = ConferenceModified::default();
        for endpoint in &modify.endpoints {
            answer.endpoints.push(conference.endpoint(
                endpoint,
                ignore_unknown,
                &self.settings,
                now,
                random,
                commands,
            )?);
        }
        answer.relays = modify.relays.iter().map(gone).collect();
        if modify.create || modify.endpoints.iter().any(|endpoint| endpoint.create) {
            answer.sources = Some(feedback_sources(conference.audio_feedback_ssrc, conference.video_feedback_ssrc));
        }
        if !modify.create && conference.endpoints.is_empty() {
            self.end(&modify.meeting_id, commands);
        }
        Ok(answer)
    }

    fn create(
        &mut self,
        modify: &ConferenceModify,
        now: Instant,
        random: &mut impl CryptoRng,
        commands: &mut Vec<Command>,
    ) -> Result<(), Failure> {
        if self.conferences.contains_key(&modify.meeting_id) {
            let text = format!("Conference already exists for ID: {}", modify.meeting_id);
            return Err(Failure::new(Condition::Conflict, text).with_reason(Reason::ConferenceAlreadyExists));
        }
        if self.refuses_new {
            return Err(Failure::new(Condition::ServiceUnavailable, "In graceful shutdown")
                .with_reason(Reason::GracefulShutdown));
        }
        if self.conferences.len() >= CONFERENCES_MAX {
            return Err(Failure::new(
                Condition::ServiceUnavailable,
                "This bridge has as many conferences as it takes.",
            ));
        }
        let id = loop {
            let id = ConferenceId::new(format!("{:016x}", random.next_u64())).expect("hexadecimal digits are valid");
            if !self.meetings.contains_key(&id) {
                break id;
            }
        };
        let audio_feedback_ssrc = feedback_ssrc(random, 0);
        let video_feedback_ssrc = feedback_ssrc(random, audio_feedback_ssrc);
        commands.push(Command::CreateConference {
            conference: id.clone(),
            audio_feedback_ssrc,
            video_feedback_ssrc,
            seed: random.next_u64(),
        });
        tracing::info!(conference = %id, meeting = %modify.meeting_id, "conference created");
        self.meetings.insert(id.clone(), modify.meeting_id.clone());
        let conference = Conference {
            id,
            name: modify.name.clone(),
            created: now,
            audio_feedback_ssrc,
            video_feedback_ssrc,
            endpoints: BTreeMap::new(),
        };
        self.conferences.insert(modify.meeting_id.clone(), conference);
        Ok(())
    }

    fn end(&mut self, meeting: &MeetingId, commands: &mut Vec<Command>) {
        if let Some(conference) = self.conferences.remove(meeting) {
            self.meetings.remove(&conference.id);
            tracing::info!(conference = %conference.id, "conference expired");
            commands.push(Command::ExpireConference { conference: conference.id });
        }
    }
}

/// One line of [`Colibri::overview`].
#[derive(Debug)]
pub struct ConferenceOverview<'a> {
    /// Internal id.
    pub id: &'a ConferenceId,
    /// Meeting.
    pub meeting: &'a MeetingId,
    /// Address of the room.
    pub name: Option<&'a str>,
    /// Endpoints with their names for statistics.
    pub endpoints: Vec<(&'a EndpointId, Option<&'a str>)>,
}

impl Conference {
    /// Carries out what is asked about one endpoint. The order of steps is that of the reference; an error leaves the
    /// steps before it done.
    fn endpoint(
        &mut self,
        request: &Endpoint,
        ignore_unknown: bool,
        settings: &Settings,
        now: Instant,
        random: &mut impl CryptoRng,
        commands: &mut Vec<Command>,
    ) -> Result<Endpoint, Failure> {
        let mut answer = Endpoint::new(request.id.clone());
        let conference = self.id.clone();
        let id = request.id.clone();
        if request.expire {
            answer.expire = true;
            if self.endpoints.remove(&id).is_some() {
                commands.push(Command::ExpireEndpoint { conference, endpoint: id });
            } else if !ignore_unknown {
                return Err(unknown(id));
            }
            return Ok(answer);
        }
        if request.create {
            answer.transport = Some(self.create_endpoint(request, settings, now, random, commands)?);
        }
        let Some(known) = self.endpoints.get_mut(&id) else {
            return if ignore_unknown { Ok(answer) } else { Err(unknown(id)) };
        };
        if request.stats_id.is_some() {
            known.stats_id.clone_from(&request.stats_id);
        }
        if let Some(transport) = request.transport.as_ref().filter(|_| !request.create) {
            // Only its values are checked: the association belongs to the endpoint from its creation.
            wants_sctp(transport, settings.sctp)?;
        }
        for media in request.media.iter().filter_map(describe::media) {
            commands.push(Command::SetMedia { conference: conference.clone(), endpoint: id.clone(), media });
        }
        if let Some(last_n) = request.initial_last_n {
            commands.push(Command::InitialLastN {
                conference: conference.clone(),
                endpoint: id.clone(),
                last_n: last_n.value,
            });
        }
        if let Some(ice_udp) = request.transport.as_ref().and_then(|transport| transport.ice_udp.as_ref()) {
            commands.push(Command::SetTransport {
                conference: conference.clone(),
                endpoint: id.clone(),
                remote: describe::transport(ice_udp),
            });
        }
        if let Some(sources) = &request.sources {
            if known.visitor && !sources.media_sources.is_empty() {
                return Err(malformed("A visitor must not have sources."));
            }
            if sources.media_sources.len() > SOURCES_MAX {
                return Err(malformed(format!("An endpoint must not have more than {SOURCES_MAX} sources.")));
            }
            if known.sources != *sources {
                known.sources = sources.clone();
                commands.push(Command::SetSources {
                    conference: conference.clone(),
                    endpoint: id.clone(),
                    sources: describe::sources(sources),
                });
            }
        }
        if let Some(mute) = request.force_mute {
            commands.push(Command::ForceMute { conference, endpoint: id, audio: mute.audio, video: mute.video });
        }
        // ICE restarts are not offered: without a transport in the answer the focus invites the client again.
        Ok(answer)
    }

    fn create_endpoint(
        &mut self,
        request: &Endpoint,
        settings: &Settings,
        now: Instant,
        random: &mut impl CryptoRng,
        commands: &mut Vec<Command>,
    ) -> Result<protocol::colibri2::Transport, Failure> {
        if self.endpoints.contains_key(&request.id) {
            // COMPAT(jicofo): no reason here; with one the focus would take the whole session down.
            return Err(Failure::new(Condition::Conflict, format!("Endpoint with ID {} already exists", request.id)));
        }
        let Some(transport) = &request.transport else {
            return Err(malformed("An endpoint needs a transport when it is created."));
        };
        if !request.has_capability(&CapabilityName::SourceNames) {
            return Err(malformed("The capability source-names is required."));
        }
        if self.endpoints.len() >= ENDPOINTS_MAX {
            return Err(Failure::new(
                Condition::ServiceUnavailable,
                "The conference has as many endpoints as it takes.",
            ));
        }
        let sctp = wants_sctp(transport, settings.sctp);
        let visitor = request.muc_role.as_deref() == Some("visitor");
        let local =
            IceCredentials { ufrag: random_text(random, LOWER, 14), pwd: random_text(random, ALPHANUMERIC, 24) };
        let channel_password = random_text(random, ALPHANUMERIC, CHANNEL_PASSWORD_LEN);
        let answer = settings.transport(
            &self.id,
            &request.id,
            &local,
            &channel_password,
            request.has_capability(&CapabilityName::PrivateAddressConnectivity),
            matches!(sctp, Ok(true)),
        );
        commands.push(Command::CreateEndpoint {
            conference: self.id.clone(),
            endpoint: NewEndpoint {
                id: request.id.clone(),
                local,
                ice_controlling: transport.ice_controlling,
                sctp: matches!(sctp, Ok(true)),
                rewrites_ssrcs: request.has_capability(&CapabilityName::SsrcRewriting),
                visitor,
            },
        });
        let known =
            KnownEndpoint { created: now, stats_id: None, visitor, channel_password, sources: Sources::default() };
        self.endpoints.insert(request.id.clone(), known);
        // COMPAT(jvb): an endpoint whose data channel is refused stays in the conference.
        sctp.map(|_| answer)
    }
}

fn unknown(id: EndpointId) -> Failure {
    Failure::new(Condition::ItemNotFound, format!("Unknown endpoint {id}"))
        .with_reason(Reason::UnknownEndpoint)
        .with_endpoint(id)
}

fn gone(relay: &Relay) -> Relay {
    Relay {
        id: relay.id.clone(),
        mesh_id: None,
        create: false,
        expire: true,
        media: Vec::new(),
        transport: None,
        endpoints: None,
    }
}

/// An SSRC that is neither zero nor `other`.
fn feedback_ssrc(random: &mut impl Rng, other: u32) -> u32 {
    loop {
        let ssrc = random.next_u32();
        if ssrc != 0 && ssrc != other {
            return ssrc;
        }
    }
}

fn random_text(random: &mut impl CryptoRng, alphabet: &[u8], len: usize) -> String {
    (0..len).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}
