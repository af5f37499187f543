//! One conference: who is in it, where it is, when it ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jid::{BareJid, FullJid};
use minidom::Element;
use protocol::ids::EndpointId;
use protocol::jingle::reason::ReasonCondition;
use protocol::ns;

use crate::colibri;
use crate::context::{Awaited, Context};
use crate::features::Features;
use crate::invite::Invite;
use crate::member::{Member, MucItem, Role};
use crate::moderation::{Forced, Moderation};
use crate::rate_limit::RateLimit;
use crate::room::RoomState;
use crate::sources::signaling::BRIDGE_OWNER;
use crate::sources::source_set::SourceSet;
use crate::sources::validation::ConferenceSources;
use crate::stanza::element;

/// Most requests that wait for the same room to be joined; more are told to try again.
pub const REQUESTERS_MAX: usize = 64;

/// Most ended sessions remembered per participant, to tell late requests from wrong ones.
pub const ENDED_SESSIONS_MAX: usize = 8;

/// Who waits for an answer to a conference request.
#[derive(Debug, Clone, PartialEq)]
pub enum Requester {
    /// An IQ.
    Iq {
        /// The request.
        request: Element,
        /// Authentication session and identity to tell.
        login: Option<(String, String)>,
    },
    /// An HTTP request.
    Http {
        /// Its token.
        token: u64,
        /// Authentication session and identity to tell.
        login: Option<(String, String)>,
    },
}

/// A participant with its session.
#[derive(Debug)]
pub struct Participant {
    /// What its presence says.
    pub member: Member,
    /// Its invitation.
    pub invite: Invite,
    /// What it may not send.
    pub forced: Forced,
    /// Whether it was made owner because it signed in; asked for once.
    pub owner_granted: bool,
    /// Limit on the restarts it asks for.
    pub restarts: RateLimit,
    /// Sessions it had.
    pub ended_sids: VecDeque<String>,
}

/// The allocation of a conference on a bridge.
#[derive(Debug, Clone)]
pub struct BridgeSession {
    /// Made by us; clients quote it.
    pub id: String,
    /// Address of the bridge.
    pub bridge: FullJid,
    /// Where it is.
    pub region: Option<String>,
    /// Whether the first request was sent.
    pub created: bool,
    /// Endpoints on it.
    pub endpoints: BTreeSet<EndpointId>,
    /// The bridge's own sources.
    pub feedback: SourceSet,
}

/// What the conference was created with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceOptions {
    /// Participants after this many start with the microphone off.
    pub start_audio_muted: Option<usize>,
    /// Participants after this many start with the camera off.
    pub start_video_muted: Option<usize>,
    /// Whether clients send statistics to rtcstats.
    pub rtcstats: bool,
}

/// One conference.
#[derive(Debug)]
pub struct Conference {
    /// Address of the room.
    pub room: BareJid,
    /// What it was created with.
    pub options: ConferenceOptions,
    /// How far we are in the room.
    pub state: RoomState,
    /// The meeting id.
    pub meeting_id: String,
    /// The room this is a breakout room of.
    pub breakout_of: Option<BareJid>,
    /// Requests that wait for us to be in the room.
    pub requesters: Vec<Requester>,
    /// Everybody but us.
    pub participants: BTreeMap<EndpointId, Participant>,
    /// Everybody's sources.
    pub sources: ConferenceSources,
    /// The bridge it is on.
    pub bridge: Option<BridgeSession>,
    /// Whether no bridge could be had last time.
    pub bridge_not_available: bool,
    /// A/V moderation.
    pub moderation: Moderation,
    /// Who was made owner.
    pub elected_owner: Option<EndpointId>,
    /// When it began.
    pub created_ms: u64,
    /// When to stop if nobody is here.
    pub empty_until_ms: Option<u64>,
    /// When to end the session of the only one left.
    pub alone_until_ms: Option<u64>,
    /// Whether it is over: to be forgotten.
    pub ended: bool,
    pub(crate) metadata_seen: bool,
    pub(crate) published: Option<Element>,
    pub(crate) joined_count: u64,
    pub(crate) allocation_count: u64,
}

impl Conference {
    /// A presence of the room, not about us.
    pub fn member_presence(&mut self, occupant: &FullJid, presence: &Element, ctx: &mut Context<'_>) {
        let Ok(endpoint) = EndpointId::new(occupant.resource().as_str()) else { return };
        if endpoint == BRIDGE_OWNER {
            // Its sources could not be told from the bridge's own.
            return;
        }
        match presence.attr("type") {
            None => self.member_present(endpoint, occupant, presence, ctx),
            Some("unavailable") => self.member_left(&endpoint, ctx),
            Some(_) => {}
        }
    }

    fn member_present(&mut self, endpoint: EndpointId, occupant: &FullJid, presence: &Element, ctx: &mut Context<'_>) {
        let item = MucItem::from_presence(presence);
        let is_new = !self.participants.contains_key(&endpoint);
        if is_new {
            if self.participants.len() >= ctx.config.members_max {
                return;
            }
            let member = Member::new(endpoint.clone(), occupant.clone(), self.joined_count);
            self.joined_count += 1;
            ctx.counters.participants += 1;
            let participant = Participant {
                member,
                invite: Invite::Idle,
                forced: Forced::default(),
                owner_granted: false,
                restarts: RateLimit::default(),
                ended_sids: VecDeque::new(),
            };
            self.participants.insert(endpoint.clone(), participant);
            self.empty_until_ms = None;
        }
        let participant = self.participants.get_mut(&endpoint).expect("inserted above if it was missing");
        let was = participant.member.role;
        let trusted = &ctx.config.trusted_domains;
        participant.member.update(presence, &item, |domain| trusted.contains(domain));
        if !is_new && (was == Role::Visitor) != (item.role == Role::Visitor) {
            // A visitor is promoted by joining anew; a change in place must not give or take a session.
            participant.member.role = was;
        }
        if is_new {
            self.discover_features(&endpoint, ctx);
        }
        self.elect_owner(ctx);
        self.invite_all(ctx);
        if self.state == RoomState::Joined && !self.ended {
            self.publish(ctx);
        }
    }

    /// Asks what a newcomer can do, unless its software is known.
    fn discover_features(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        let caps = participant.member.caps.clone();
        if let Some(features) = caps.as_ref().and_then(|caps| ctx.caps.get(caps)) {
            participant.member.features = Some(features);
            return;
        }
        let node = caps.map(|caps| caps.query_node()).unwrap_or_default();
        let query = element("query", ns::DISCO_INFO, &[("node", &node)], []);
        let awaited = Awaited::Features(self.room.clone(), endpoint.clone());
        ctx.request("get", participant.member.occupant.clone(), query, awaited);
    }

    /// The answer to what somebody can do; `None` when there was none.
    pub fn features_known(&mut self, endpoint: &EndpointId, query: Option<&Element>, ctx: &mut Context<'_>) {
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        participant.member.features = Some(query.map_or(Features::UNKNOWN, Features::from_query));
        if let (Some(caps), Some(query)) = (&participant.member.caps, query) {
            ctx.caps.learn(caps, query);
        }
        self.invite_all(ctx);
    }

    /// Somebody left or was removed. Clients see that in the room, so nothing is sent to them.
    fn member_left(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let Some(mut participant) = self.participants.remove(endpoint) else { return };
        let was_moving = participant.member.status.as_deref() == Some("switch_room");
        let had_session = participant.invite.is_allocated();
        participant.invite = Invite::Idle;
        self.sources.remove_endpoint(endpoint);
        for other in self.participants.values_mut() {
            if let Some(session) = other.invite.session_mut() {
                session.signaling.forget(endpoint.as_str());
            }
        }
        if !was_moving && self.stop_if_empty(ctx) {
            return;
        }
        if had_session {
            self.expire_endpoint(endpoint, ctx);
        }
        self.elect_owner(ctx);
        if self.participants.is_empty() {
            self.empty_until_ms = Some(ctx.now_ms + ctx.config.initial_timeout_ms);
        } else if self.session_count() == 1 && self.countable() < ctx.config.participants_min {
            self.alone_until_ms = Some(ctx.now_ms + ctx.config.single_participant_timeout_ms);
        }
    }

    /// How many have a session or are getting one.
    pub fn session_count(&self) -> usize {
        self.participants.values().filter(|p| p.invite.is_allocated()).count()
    }

    /// How many count towards the least number for sessions.
    pub fn countable(&self) -> usize {
        self.participants.values().filter(|p| p.member.role != Role::Visitor).count()
    }

    /// Takes an endpoint from the bridge.
    pub fn expire_endpoint(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let Some(bridge) = &mut self.bridge else { return };
        if !bridge.endpoints.remove(endpoint) {
            return;
        }
        if let Some(known) = ctx.pool.get_mut(&bridge.bridge) {
            known.endpoint_removed();
        }
        if bridge.endpoints.is_empty() {
            self.leave_bridge(true, ctx);
        } else {
            let request = colibri::expire_endpoint(&self.meeting_id, endpoint);
            ctx.request("get", bridge.bridge.clone(), request, Awaited::Expiry);
        }
    }

    /// Gives the bridge up.
    pub fn leave_bridge(&mut self, expire: bool, ctx: &mut Context<'_>) {
        let Some(bridge) = self.bridge.take() else { return };
        if let Some(known) = ctx.pool.get_mut(&bridge.bridge) {
            for _ in &bridge.endpoints {
                known.endpoint_removed();
            }
        }
        if expire && bridge.created {
            ctx.request("get", bridge.bridge, colibri::expire_conference(&self.meeting_id), Awaited::Expiry);
        }
        if !self.ended {
            self.publish(ctx);
        }
    }

    /// Ends the conference when nobody is in it and no breakout room leads back to it. Whether it ended.
    pub fn stop_if_empty(&mut self, ctx: &mut Context<'_>) -> bool {
        let is_over = self.participants.is_empty() && !ctx.breakouts.contains_key(&self.room);
        if is_over {
            self.stop(ctx);
        }
        is_over
    }

    /// Ends the conference: sessions on the bridge expire, we leave the room. Participants see us leave.
    pub fn stop(&mut self, ctx: &mut Context<'_>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.leave_bridge(true, ctx);
        self.leave_room(ctx);
    }

    /// Does what is due.
    pub fn tick(&mut self, ctx: &mut Context<'_>) {
        let now_ms = ctx.now_ms;
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now_ms);
        if due(self.empty_until_ms) {
            self.empty_until_ms = None;
            if self.stop_if_empty(ctx) {
                return;
            }
        }
        if due(self.alone_until_ms) {
            self.alone_until_ms = None;
            let alone: Vec<EndpointId> =
                self.participants.iter().filter(|(_, p)| p.invite.is_allocated()).map(|(id, _)| id.clone()).collect();
            for endpoint in alone {
                self.end_session(&endpoint, &ReasonCondition::Expired, "Idle session timeout", Invite::Idle, ctx);
            }
        }
        self.tick_room(ctx);
        if !self.ended {
            self.invite_all(ctx);
        }
    }

    /// When something is due next.
    pub fn deadline_ms(&self) -> Option<u64> {
        let retries = self.participants.values().filter_map(|p| match &p.invite {
            Invite::Waiting(waiting) => Some(waiting.retry_at_ms),
            _ => None,
        });
        retries.chain(self.empty_until_ms).chain(self.alone_until_ms).chain(self.state.deadline_ms()).min()
    }
}
