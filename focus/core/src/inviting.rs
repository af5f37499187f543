//! Getting sessions to participants: choose a bridge, allocate, offer; and again when a bridge fails.

use jid::{FullJid, Jid};
use protocol::ids::EndpointId;
use protocol::jingle::reason::ReasonCondition;
use protocol::jingle::session::{BridgeSession as BridgeSessionElement, StartMuted};

use crate::bridge::selection::{Wish, select};
use crate::colibri::{self, ColibriFailure, ForceMute, NewEndpoint};
use crate::conference::{BridgeSession, Conference, ENDED_SESSIONS_MAX};
use crate::context::{Awaited, Context, Reply};
use crate::invite::{Allocating, Invite, Waiting};
use crate::member::{Robot, Role};
use crate::moderation::Kind;
use crate::offer::{Invitation, Offer};
use crate::random;
use crate::room::RoomState;
use crate::session::Session;
use crate::sources::signaling::Signaling;
use crate::sources::source_set::{Media, SourceSet};

impl Conference {
    /// Invites everybody who should have a session and has none.
    pub fn invite_all(&mut self, ctx: &mut Context<'_>) {
        if self.state != RoomState::Joined || self.ended || self.countable() < ctx.config.participants_min {
            return;
        }
        self.alone_until_ms = None;
        let mut due: Vec<(u64, EndpointId)> = self
            .participants
            .values()
            .filter(|p| {
                // Visitors are not served: they belong into rooms of their own on other nodes.
                p.invite.is_due(ctx.now_ms) && p.member.features.is_some() && p.member.role != Role::Visitor
            })
            .map(|p| (p.member.order, p.member.endpoint.clone()))
            .collect();
        due.sort_unstable();
        for (_, endpoint) in due {
            self.invite(&endpoint, ctx);
        }
    }

    fn invite(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let Some(participant) = self.participants.get(endpoint) else { return };
        if !participant.invite.is_due(ctx.now_ms) {
            return;
        }
        let region = participant.member.region.clone().or_else(|| ctx.config.local_region.clone());
        let wish = Wish { current: self.bridge.as_ref().map(|bridge| &bridge.bridge), region: region.as_deref() };
        let Some(chosen) = select(ctx.pool, &wish, &ctx.config.bridge, ctx.now_ms) else {
            self.wait(endpoint, ctx);
            self.bridge_not_available = true;
            self.publish(ctx);
            return;
        };
        if self.bridge.as_ref().is_some_and(|bridge| bridge.bridge != chosen) {
            // Without links between bridges all of a conference move together.
            self.move_all(true, ctx);
            return;
        }
        self.allocate(endpoint, chosen, ctx);
    }

    fn wait(&mut self, endpoint: &EndpointId, ctx: &Context<'_>) {
        if let Some(participant) = self.participants.get_mut(endpoint) {
            let failures = match &participant.invite {
                Invite::Waiting(waiting) => waiting.failures,
                _ => 0,
            };
            participant.invite = Invite::Waiting(Waiting::after_failure(failures, ctx.now_ms));
        }
    }

    fn allocate(&mut self, endpoint: &EndpointId, chosen: FullJid, ctx: &mut Context<'_>) {
        let start_muted = self.start_muted(endpoint, ctx);
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        let Some(features) = participant.member.features else { return };
        let Some(known) = ctx.pool.get_mut(&chosen) else { return };
        known.endpoint_added(&ctx.config.bridge, ctx.now_ms);
        let sctp = ctx.config.sctp && known.sctp;
        let region = known.region.clone();
        let bridge = self.bridge.get_or_insert_with(|| BridgeSession {
            id: random::uuid(ctx.random),
            bridge: chosen,
            region,
            created: false,
            endpoints: Default::default(),
            feedback: SourceSet::default(),
        });
        bridge.endpoints.insert(endpoint.clone());
        let failures = match &participant.invite {
            Invite::Waiting(waiting) => waiting.failures,
            _ => 0,
        };
        self.allocation_count += 1;
        let allocating = Allocating {
            offer: Offer::new(&features, &ctx.config.codecs, sctp),
            allocation: self.allocation_count,
            json: features.json_sources && ctx.config.json_sources,
            ssrc_rewriting: features.ssrc_rewriting && ctx.config.ssrc_rewriting,
            start_muted,
            failures,
        };
        let is_robot = matches!(participant.member.robot, Some(Robot::Jibri | Robot::Jigasi));
        let forced = self.moderation.forced_at_start(participant.member.role, &participant.member.occupant);
        participant.forced = forced;
        let nothing = SourceSet::default();
        let request = NewEndpoint {
            meeting_id: &self.meeting_id,
            first: (!bridge.created).then_some((&self.room, self.options.rtcstats)),
            endpoint,
            stats_id: participant.member.stats_id.as_deref(),
            offer: &allocating.offer,
            sources: self.sources.of(endpoint).unwrap_or(&nothing),
            ssrc_rewriting: allocating.ssrc_rewriting,
            private_addresses: is_robot,
            force_mute: forced.for_bridge(),
        }
        .to_element();
        let is_first = !std::mem::replace(&mut bridge.created, true);
        let awaited = Awaited::Allocation {
            room: self.room.clone(),
            endpoint: endpoint.clone(),
            bridge_session: bridge.id.clone(),
            allocation: allocating.allocation,
        };
        let to = bridge.bridge.clone();
        participant.invite = Invite::Allocating(Box::new(allocating));
        ctx.request("get", to, request, awaited);
        if is_first || self.bridge_not_available {
            self.bridge_not_available = false;
            self.publish(ctx);
        }
    }

    /// Whether a newcomer starts muted: by the room's policy, by the number of those before it, by moderation.
    fn start_muted(&self, endpoint: &EndpointId, ctx: &Context<'_>) -> Option<StartMuted> {
        let participant = self.participants.get(endpoint)?;
        let member = &participant.member;
        let count = self.countable();
        let over = |limit: Option<usize>, senders_max: usize| count > limit.unwrap_or(usize::MAX).min(senders_max);
        let policy = self.moderation.start_muted;
        let limits = &ctx.config.sources;
        let moderated = |kind| !self.moderation.may_send(kind, member.role, &member.occupant);
        let muted = StartMuted {
            audio: policy.audio
                || over(self.options.start_audio_muted, limits.audio_senders_max)
                || moderated(Kind::Audio),
            video: policy.video
                || over(self.options.start_video_muted, limits.video_senders_max)
                || moderated(Kind::Video),
        };
        (muted.audio || muted.video).then_some(muted)
    }

    /// The bridge answered an allocation. Answers to what is no longer current change nothing.
    pub fn allocation_answered(
        &mut self,
        endpoint: &EndpointId,
        bridge_session: &str,
        allocation: u64,
        reply: Reply<'_>,
        ctx: &mut Context<'_>,
    ) {
        let Some(bridge) = self.bridge.as_mut().filter(|bridge| bridge.id == bridge_session) else { return };
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        if !matches!(&participant.invite, Invite::Allocating(allocating) if allocating.allocation == allocation) {
            return;
        }
        let failure = match reply {
            Reply::Result(payload) => {
                if let Some(allocated) = payload.and_then(|payload| colibri::allocated(payload, endpoint)) {
                    if !allocated.feedback.is_empty() {
                        bridge.feedback = allocated.feedback.clone();
                    }
                    self.offer(endpoint, allocated, ctx);
                    return;
                }
                ColibriFailure::BadRequest
            }
            Reply::Error(error) => ColibriFailure::from_error(error),
            Reply::Timeout => ColibriFailure::Timeout,
        };
        self.allocation_failed(endpoint, &failure, ctx);
    }

    fn offer(&mut self, endpoint: &EndpointId, allocated: colibri::Allocated, ctx: &mut Context<'_>) {
        let Some(bridge) = &self.bridge else { return };
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        let Invite::Allocating(mut allocating) = std::mem::take(&mut participant.invite) else { return };
        // A bridge without SCTP may say so by leaving it out; the participant then opens a web socket.
        allocating.offer.data &= allocated.sctp;
        let mut session = Session {
            sid: random::session_id(ctx.random),
            to: participant.member.occupant.clone(),
            json: allocating.json,
            ssrc_rewriting: allocating.ssrc_rewriting,
            audio: allocating.offer.audio.is_some(),
            video: allocating.offer.video.is_some(),
            feedback: bridge.feedback.clone(),
            signaling: Signaling::default(),
        };
        let sources = session.wanted(endpoint, &self.sources, ctx.config.strip_simulcast);
        let initiator = Jid::from(ctx.me.clone());
        let jingle = allocating.offer.to_jingle(&Invitation {
            sid: &session.sid,
            initiator: &initiator,
            transport: &allocated.transport,
            bridge_session: BridgeSessionElement {
                id: Some(bridge.id.clone()),
                region: bridge.region.clone(),
                ..BridgeSessionElement::default()
            },
            sources: &sources,
            json: allocating.json,
            start_muted: allocating.start_muted,
        });
        session.signaling.reset(sources);
        let awaited = Awaited::Offer { room: self.room.clone(), endpoint: endpoint.clone(), sid: session.sid.clone() };
        ctx.counters.session_initiate_sent += 1;
        ctx.request("set", session.to.clone(), jingle.into(), awaited);
        participant.invite = Invite::Offered(allocating.offered(session));
    }

    /// The participant's software answered the offer. No answer is as good as one: slow clients answer late. An
    /// error is final; trying again would loop.
    pub fn offer_answered(&mut self, endpoint: &EndpointId, sid: &str, reply: Reply<'_>, ctx: &mut Context<'_>) {
        let is_current = self.participants.get(endpoint).and_then(|p| p.invite.session()).is_some_and(|s| s.sid == sid);
        if is_current && matches!(reply, Reply::Error(_)) {
            self.end_session(endpoint, &ReasonCondition::GeneralError, "jingle session failed", Invite::Declined, ctx);
        }
    }

    fn allocation_failed(&mut self, endpoint: &EndpointId, failure: &ColibriFailure, ctx: &mut Context<'_>) {
        tracing::warn!(%failure, "a bridge did not allocate an endpoint");
        let Some(bridge) = self.bridge.as_ref().map(|bridge| bridge.bridge.clone()) else { return };
        let reset_ms = ctx.config.bridge.failure_reset_ms;
        let now_ms = ctx.now_ms;
        match failure {
            // Only this participant; it is tried again after a pause, since a bad request may come from its features.
            ColibriFailure::BadRequest | ColibriFailure::BridgeGone => self.give_up(endpoint, ctx),
            ColibriFailure::UnknownEndpoint(_) => self.give_up(endpoint, ctx),
            ColibriFailure::ConferenceNotFound | ColibriFailure::Conflict => self.move_all(false, ctx),
            // Left over from before a restart of ours.
            ColibriFailure::ConferenceAlreadyExists => self.move_all(true, ctx),
            ColibriFailure::GracefulShutdown => {
                if let Some(known) = ctx.pool.get_mut(&bridge) {
                    known.graceful_shutdown = true;
                    // It refuses what is new, so it must not be chosen again just because nothing else is there.
                    known.health.fail(reset_ms, now_ms);
                }
                self.move_all(false, ctx);
            }
            ColibriFailure::FeatureNotImplemented if self.retry_without_sctp(endpoint, &bridge, ctx) => {}
            ColibriFailure::FeatureNotImplemented | ColibriFailure::Timeout | ColibriFailure::Other => {
                if let Some(known) = ctx.pool.get_mut(&bridge) {
                    known.health.fail(reset_ms, now_ms);
                }
                self.move_all(true, ctx);
            }
        }
    }

    /// A bridge without SCTP refuses the whole endpoint when it is asked for it: that is no reason to call it broken.
    fn retry_without_sctp(&mut self, endpoint: &EndpointId, bridge: &FullJid, ctx: &mut Context<'_>) -> bool {
        let Some(participant) = self.participants.get_mut(endpoint) else { return false };
        if !matches!(&participant.invite, Invite::Allocating(allocating) if allocating.offer.data) {
            return false;
        }
        participant.invite = Invite::Idle;
        if let Some(known) = ctx.pool.get_mut(bridge) {
            known.sctp = false;
            known.endpoint_removed();
        }
        if let Some(session) = &mut self.bridge {
            session.endpoints.remove(endpoint);
            // The refused request may have been the one that was to create the conference.
            if session.endpoints.is_empty() {
                session.created = false;
            }
        }
        self.allocate(endpoint, bridge.clone(), ctx);
        true
    }

    fn give_up(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        if let Some(participant) = self.participants.get_mut(endpoint)
            && let Invite::Allocating(allocating) = std::mem::take(&mut participant.invite)
        {
            participant.invite = Invite::Waiting(allocating.failed(ctx.now_ms));
        }
        self.expire_endpoint(endpoint, ctx);
    }

    /// The answer to a change on the bridge.
    pub fn update_answered(&mut self, bridge_session: &str, reply: Reply<'_>, ctx: &mut Context<'_>) {
        if self.bridge.as_ref().is_none_or(|bridge| bridge.id != bridge_session) {
            return;
        }
        let Reply::Error(error) = reply else { return };
        match ColibriFailure::from_error(error) {
            ColibriFailure::UnknownEndpoint(Some(id)) => {
                if let Ok(endpoint) = EndpointId::new(id) {
                    self.reinvite(&endpoint, ctx);
                }
            }
            failure => {
                tracing::warn!(%failure, "a bridge did not take a change");
                self.move_all(true, ctx);
            }
        }
    }

    /// The bridge is gone or must not be used any more: everybody gets a new session elsewhere.
    pub fn move_all(&mut self, expire: bool, ctx: &mut Context<'_>) {
        let Some(bridge) = &self.bridge else { return };
        let affected: Vec<EndpointId> = bridge.endpoints.iter().cloned().collect();
        ctx.counters.bridges_removed += 1;
        ctx.counters.participants_moved += affected.len() as u64;
        for endpoint in &affected {
            self.close_session(endpoint, &ReasonCondition::Success, "moving", Invite::Idle, ctx);
        }
        self.leave_bridge(expire, ctx);
        for endpoint in &affected {
            // Each gets a pause that grows with its failures, so that a bridge that fails at once is not asked
            // endlessly.
            if let Some(participant) = self.participants.get_mut(endpoint)
                && let Invite::Waiting(waiting) = &participant.invite
                && waiting.failures <= 1
            {
                participant.invite = Invite::Waiting(Waiting { retry_at_ms: ctx.now_ms, ..*waiting });
            }
        }
        self.signal_sources(ctx);
        self.invite_all(ctx);
    }

    /// Starts anew with one participant.
    pub fn reinvite(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        self.end_session(endpoint, &ReasonCondition::Success, "moving", Invite::Idle, ctx);
        self.invite(endpoint, ctx);
    }

    /// Ends a session: tells the participant, takes its sources back, takes it off the bridge.
    pub fn end_session(
        &mut self,
        endpoint: &EndpointId,
        condition: &ReasonCondition,
        text: &str,
        next: Invite,
        ctx: &mut Context<'_>,
    ) {
        self.close_session(endpoint, condition, text, next, ctx);
        self.expire_endpoint(endpoint, ctx);
        self.signal_sources(ctx);
    }

    fn close_session(
        &mut self,
        endpoint: &EndpointId,
        condition: &ReasonCondition,
        text: &str,
        next: Invite,
        ctx: &mut Context<'_>,
    ) {
        if let Some(participant) = self.participants.get_mut(endpoint) {
            if let Some(session) = participant.invite.session() {
                session.terminate(condition, text, ctx);
            }
            self.forget_session(endpoint, next, ctx);
        }
    }

    /// As [`Self::end_session`], but the participant ended it itself.
    pub fn session_ended(&mut self, endpoint: &EndpointId, next: Invite, ctx: &mut Context<'_>) {
        self.forget_session(endpoint, next, ctx);
        self.expire_endpoint(endpoint, ctx);
        self.signal_sources(ctx);
    }

    fn forget_session(&mut self, endpoint: &EndpointId, next: Invite, ctx: &Context<'_>) {
        let Some(participant) = self.participants.get_mut(endpoint) else { return };
        let next = match (&participant.invite, next) {
            // Whoever was still waiting for a bridge keeps count of the failures.
            (Invite::Allocating(allocating), Invite::Idle) => {
                Invite::Waiting(Waiting::after_failure(allocating.failures, ctx.now_ms))
            }
            (_, next) => next,
        };
        if let Some(session) = participant.invite.session() {
            if participant.ended_sids.len() >= ENDED_SESSIONS_MAX {
                participant.ended_sids.pop_front();
            }
            participant.ended_sids.push_back(session.sid.clone());
        }
        participant.invite = next;
        self.sources.remove_endpoint(endpoint);
    }

    /// Tells everybody in the call what changed about sources.
    pub fn signal_sources(&mut self, ctx: &mut Context<'_>) {
        for (endpoint, participant) in &mut self.participants {
            if let Some(session) = participant.invite.active_mut() {
                let wanted = session.wanted(endpoint, &self.sources, ctx.config.strip_simulcast);
                session.flush(wanted, ctx);
            }
        }
    }

    /// Sends the bridge the complete sources of an endpoint.
    pub fn update_sources_on_bridge(&mut self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let nothing = SourceSet::default();
        let stats_id = self.participants.get(endpoint).and_then(|p| p.member.stats_id.as_deref());
        let sources = self.sources.of(endpoint).unwrap_or(&nothing);
        let request = colibri::update_endpoint(&self.meeting_id, endpoint, stats_id, None, Some(sources), None);
        self.update_bridge(request, ctx);
    }

    /// Sends the bridge a change.
    pub fn update_bridge(&self, request: minidom::Element, ctx: &mut Context<'_>) {
        let Some(bridge) = &self.bridge else { return };
        let awaited = Awaited::BridgeUpdate { room: self.room.clone(), bridge_session: bridge.id.clone() };
        ctx.request("get", bridge.bridge.clone(), request, awaited);
    }

    /// Sends the bridge new mutes.
    pub fn update_mutes_on_bridge(&self, changed: &[(EndpointId, ForceMute)], ctx: &mut Context<'_>) {
        let Some(bridge) = &self.bridge else { return };
        let on_bridge: Vec<(&EndpointId, ForceMute)> =
            changed.iter().filter(|(id, _)| bridge.endpoints.contains(id)).map(|(id, mute)| (id, *mute)).collect();
        if !on_bridge.is_empty() {
            self.update_bridge(colibri::force_mute(&self.meeting_id, on_bridge), ctx);
        }
    }

    /// Whether one more sender of this kind is too many.
    pub fn is_full(&self, media: Media, ctx: &Context<'_>) -> bool {
        match media {
            Media::Audio => self.senders(|p| p.member.sends_audio) >= ctx.config.sources.audio_senders_max,
            Media::Video => self.senders(|p| p.member.sends_video) >= ctx.config.sources.video_senders_max,
        }
    }
}
