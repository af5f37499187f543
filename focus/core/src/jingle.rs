//! What participants ask of their session. Each request is answered after it was carried out.

use minidom::Element;
use protocol::ids::EndpointId;
use protocol::jingle::content::Content;
use protocol::jingle::session::{Action, Jingle};
use protocol::ns;

use crate::colibri;
use crate::conference::Conference;
use crate::context::Context;
use crate::invite::Invite;
use crate::member::Role;
use crate::sources::source_set::{Media, SourceSet};
use crate::stanza::{Condition, Fault};

/// Most contents read from one request.
pub const CONTENTS_MAX: usize = 16;

/// What is still to be done after the answer went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAnswer {
    /// Nothing.
    Nothing,
    /// Invite the participant anew.
    Invite,
}

impl Conference {
    /// A Jingle request of a participant. Sessions are looked up by the one who asks: nobody touches another's.
    ///
    /// # Errors
    /// What the one who asked is answered.
    pub fn jingle_requested(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let unknown = || {
            Fault::new(Condition::BadRequest, "there is no such session")
                .with(Element::bare("unknown-session", ns::JINGLE_ERRORS))
        };
        let participant = self.participants.get(endpoint).ok_or_else(unknown)?;
        if participant.invite.session().is_none_or(|session| session.sid != jingle.sid) {
            return Err(if participant.ended_sids.contains(&jingle.sid) {
                Fault::new(Condition::Gone, "the session has ended")
            } else {
                unknown()
            });
        }
        if jingle.contents.len() > CONTENTS_MAX {
            return Err(Fault::new(Condition::BadRequest, format!("more than {CONTENTS_MAX} contents")));
        }
        let counters = &mut ctx.counters;
        match &jingle.action {
            Action::SessionAccept | Action::TransportAccept => {
                counters.session_accept_received += 1;
                self.accept(endpoint, jingle, ctx)
            }
            Action::TransportInfo => {
                counters.transport_info_received += 1;
                self.transport_info(endpoint, jingle, ctx)
            }
            Action::SourceAdd => {
                counters.source_add_received += 1;
                self.add_sources(endpoint, jingle, ctx)
            }
            Action::SourceRemove => {
                counters.source_remove_received += 1;
                self.remove_sources(endpoint, jingle, ctx)
            }
            Action::SessionInfo => {
                counters.session_info_received += 1;
                self.session_info(endpoint, jingle, ctx)
            }
            Action::SessionTerminate => {
                counters.session_terminate_received += 1;
                self.terminate_requested(endpoint, jingle, ctx)
            }
            Action::TransportReject => Ok(AfterAnswer::Nothing),
            Action::SessionInitiate
            | Action::TransportReplace
            | Action::ContentModify
            | Action::ContentAdd
            | Action::ContentRemove
            | Action::Other(_) => {
                Err(Fault::new(Condition::FeatureNotImplemented, format!("the focus does not do {}", jingle.action)))
            }
        }
    }

    fn accept(&mut self, endpoint: &EndpointId, jingle: &Jingle, ctx: &mut Context<'_>) -> Result<AfterAnswer, Fault> {
        let participant = self.participants.get_mut(endpoint).expect("looked up before");
        match std::mem::take(&mut participant.invite) {
            Invite::Offered(offered) => participant.invite = Invite::Active(offered.accepted()),
            other => {
                participant.invite = other;
                return Err(Fault::new(Condition::BadRequest, "the session was accepted before"));
            }
        }
        if let Err(fault) = self.accept_sources(endpoint, &jingle.contents, ctx) {
            // The participant starts anew by itself or reloads; until then it gets nothing.
            self.session_ended(endpoint, Invite::Declined, ctx);
            return Err(fault);
        }
        let transport = jingle.contents.iter().find_map(Content::transport);
        let initial_last_n = jingle.contents.iter().find_map(initial_last_n);
        let stats_id = self.participants.get(endpoint).and_then(|p| p.member.stats_id.as_deref());
        let nothing = SourceSet::default();
        let sources = self.sources.of(endpoint).unwrap_or(&nothing);
        let request =
            colibri::update_endpoint(&self.meeting_id, endpoint, stats_id, transport, Some(sources), initial_last_n);
        self.update_bridge(request, ctx);
        self.signal_sources(ctx);
        Ok(AfterAnswer::Nothing)
    }

    fn accept_sources(
        &mut self,
        endpoint: &EndpointId,
        contents: &[Content],
        ctx: &Context<'_>,
    ) -> Result<SourceSet, Fault> {
        let set = SourceSet::from_contents(contents).map_err(|e| Fault::new(Condition::BadRequest, e.to_string()))?;
        if set.is_empty() {
            return Ok(set);
        }
        let role = self.participants.get(endpoint).map_or(Role::Visitor, |p| p.member.role);
        if role == Role::Visitor {
            return Err(Fault::new(Condition::Forbidden, "visitors do not send"));
        }
        self.sources
            .try_add(endpoint, &set, &ctx.config.sources)
            .map_err(|e| Fault::new(Condition::BadRequest, e.to_string()))
    }

    fn add_sources(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let set =
            SourceSet::from_contents(&jingle.contents).map_err(|e| Fault::new(Condition::BadRequest, e.to_string()))?;
        for media in [Media::Audio, Media::Video] {
            if set.has(media) && self.is_full(media, ctx) {
                return Err(Fault::new(Condition::ResourceConstraint, format!("too many send {}", media.as_str())));
            }
        }
        if !self.accept_sources(endpoint, &jingle.contents, ctx)?.is_empty() {
            self.update_sources_on_bridge(endpoint, ctx);
            self.signal_sources(ctx);
        }
        Ok(AfterAnswer::Nothing)
    }

    fn remove_sources(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let bad = |text: String| Fault::new(Condition::BadRequest, text);
        let set = SourceSet::from_contents(&jingle.contents).map_err(|e| bad(e.to_string()))?;
        if set.is_empty() {
            return Ok(AfterAnswer::Nothing);
        }
        self.sources.try_remove(endpoint, &set, &ctx.config.sources).map_err(|e| bad(e.to_string()))?;
        self.update_sources_on_bridge(endpoint, ctx);
        self.signal_sources(ctx);
        Ok(AfterAnswer::Nothing)
    }

    fn transport_info(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let transport = jingle
            .contents
            .iter()
            .find_map(Content::transport)
            .ok_or_else(|| Fault::new(Condition::BadRequest, "there is no transport in it"))?;
        let request = colibri::update_endpoint(&self.meeting_id, endpoint, None, Some(transport), None, None);
        self.update_bridge(request, ctx);
        Ok(AfterAnswer::Nothing)
    }

    fn session_info(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let quoted = jingle.bridge_session.as_ref();
        if quoted.is_some_and(|quoted| quoted.ice_restart == Some(true)) {
            // Clients fall back to ending the session with a wish to restart.
            return Err(Fault::new(Condition::FeatureNotImplemented, "ICE is restarted with a new session only"));
        }
        let failed = jingle.ice_state.as_ref().is_some_and(|ice| ice.state.trim() == "failed");
        // Stale reports are normal while a new session is on its way.
        if !failed || !self.is_current_bridge_session(quoted.and_then(|quoted| quoted.id.as_deref())) {
            return Ok(AfterAnswer::Nothing);
        }
        ctx.counters.participants_ice_failed += 1;
        self.check_restart_limit(endpoint, ctx)?;
        self.end_session(endpoint, &protocol::jingle::reason::ReasonCondition::Success, "moving", Invite::Idle, ctx);
        Ok(AfterAnswer::Invite)
    }

    fn terminate_requested(
        &mut self,
        endpoint: &EndpointId,
        jingle: &Jingle,
        ctx: &mut Context<'_>,
    ) -> Result<AfterAnswer, Fault> {
        let quoted = jingle.bridge_session.as_ref().filter(|quoted| quoted.restart == Some(true));
        let Some(quoted) = quoted else {
            self.session_ended(endpoint, Invite::Declined, ctx);
            return Ok(AfterAnswer::Nothing);
        };
        if !self.is_current_bridge_session(quoted.id.as_deref()) {
            return Err(Fault::new(Condition::ItemNotFound, "that allocation on a bridge is not current"));
        }
        ctx.counters.participants_restart_requested += 1;
        if let Err(fault) = self.check_restart_limit(endpoint, ctx) {
            self.session_ended(endpoint, Invite::Declined, ctx);
            return Err(fault);
        }
        self.session_ended(endpoint, Invite::Idle, ctx);
        Ok(AfterAnswer::Invite)
    }

    fn is_current_bridge_session(&self, id: Option<&str>) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| id == Some(bridge.id.as_str()))
    }

    fn check_restart_limit(&mut self, endpoint: &EndpointId, ctx: &Context<'_>) -> Result<(), Fault> {
        let limits = &ctx.config.restart_limits;
        let accepted = self.participants.get_mut(endpoint).is_some_and(|p| p.restarts.accept(limits, ctx.now_ms));
        if accepted {
            Ok(())
        } else {
            Err(Fault::new(Condition::ResourceConstraint, "too many restarts in a short time"))
        }
    }
}

/// COMPAT(lib-jitsi-meet): how many videos the participant wants at first stands in the video content.
fn initial_last_n(content: &Content) -> Option<&Element> {
    let inside = content.description.iter().flat_map(|description| &description.other);
    content.other.iter().chain(inside).find(|e| e.is("initial-last-n", ns::COLIBRI2))
}
