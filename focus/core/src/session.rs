//! The Jingle session with one participant.

use jid::{FullJid, Jid};
use protocol::ids::EndpointId;
use protocol::jingle::reason::{Reason, ReasonCondition};
use protocol::jingle::session::{Action, Jingle, JsonMessage};

use crate::context::{Awaited, Context};
use crate::sources::encoding;
use crate::sources::signaling::{BRIDGE_OWNER, Signaling, SourcesByOwner};
use crate::sources::source_set::SourceSet;
use crate::sources::validation::ConferenceSources;

/// A session from its offer on.
#[derive(Debug)]
pub struct Session {
    /// Session id.
    pub sid: String,
    /// Address of the participant in the room.
    pub to: FullJid,
    /// Whether sources go out as JSON.
    pub json: bool,
    /// Whether the bridge rewrites SSRCs: then others' sources are not signalled.
    pub ssrc_rewriting: bool,
    /// Whether audio was offered.
    pub audio: bool,
    /// Whether video was offered.
    pub video: bool,
    /// The bridge's own sources.
    pub feedback: SourceSet,
    /// What the participant was told about sources.
    pub signaling: Signaling,
}

impl Session {
    /// The sources this participant should know about.
    pub fn wanted(&self, endpoint: &EndpointId, all: &ConferenceSources, strip_simulcast: bool) -> SourcesByOwner {
        let mut wanted = SourcesByOwner::new();
        if !self.feedback.is_empty() {
            wanted.insert(BRIDGE_OWNER.to_owned(), self.feedback.only(self.audio, self.video));
        }
        if !self.ssrc_rewriting {
            for (owner, set) in all.iter().filter(|(owner, _)| *owner != endpoint) {
                let mut set = set.only(self.audio, self.video);
                if strip_simulcast {
                    set = set.without_simulcast();
                }
                if !set.is_empty() {
                    wanted.insert(owner.to_string(), set);
                }
            }
        }
        wanted
    }

    /// Sends what the participant does not know yet: at most one source-remove and one source-add.
    pub fn flush(&mut self, wanted: SourcesByOwner, ctx: &mut Context<'_>) {
        let difference = self.signaling.flush(wanted);
        if !difference.removed.is_empty() {
            ctx.counters.source_remove_sent += 1;
            self.send_sources(Action::SourceRemove, &difference.removed, ctx);
        }
        if !difference.added.is_empty() {
            ctx.counters.source_add_sent += 1;
            self.send_sources(Action::SourceAdd, &difference.added, ctx);
        }
    }

    fn send_sources(&self, action: Action, sources: &SourcesByOwner, ctx: &mut Context<'_>) {
        let mut jingle = Jingle::new(action, &self.sid);
        if self.json {
            jingle.json_message = Some(JsonMessage { room: None, json: encoding::to_json(sources) });
        } else {
            jingle.contents = encoding::to_contents(sources);
        }
        ctx.request("set", Jid::from(self.to.clone()), jingle.into(), Awaited::Notice);
    }

    /// Tells the participant that the session is over.
    pub fn terminate(&self, condition: &ReasonCondition, text: &str, ctx: &mut Context<'_>) {
        let mut jingle = Jingle::new(Action::SessionTerminate, &self.sid);
        jingle.reason = Some(Reason::new(condition, text));
        ctx.counters.session_terminate_sent += 1;
        ctx.request("set", Jid::from(self.to.clone()), jingle.into(), Awaited::Notice);
    }
}
