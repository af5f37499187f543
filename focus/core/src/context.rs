//! What a decision is made with and where its effects go.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid, Jid};
use minidom::Element;
use protocol::conference_request::ConferenceIq;
use protocol::ids::EndpointId;

use crate::bridge::pool::BridgePool;
use crate::config::Config;
use crate::counters::Counters;
use crate::features::CapsCache;
use crate::random::Randomness;
use crate::stanza::{self, Fault};

/// Most replies waited for at a time. One more request is not sent and counts as unanswered.
pub const REPLIES_MAX: usize = 100_000;

/// Something for the shell to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a stanza to the XMPP server.
    Send(Element),
    /// Answer an HTTP conference request.
    HttpAnswer {
        /// The token the request came with.
        token: u64,
        /// Answer or refusal.
        answer: Result<ConferenceIq, Fault>,
    },
}

/// Effects in order, in a buffer of the caller.
pub type Effects = Vec<Effect>;

/// What a reply is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Components of the main domain.
    Components,
    /// Health of a bridge.
    Health(FullJid),
    /// Configuration form of a room.
    RoomForm(BareJid),
    /// Room configured.
    RoomConfigured(BareJid),
    /// Features of a participant.
    Features(BareJid, EndpointId),
    /// An endpoint on a bridge.
    Allocation {
        /// The room.
        room: BareJid,
        /// The endpoint.
        endpoint: EndpointId,
        /// The session on the bridge it was for.
        bridge_session: String,
        /// The how-manieth allocation.
        allocation: u64,
    },
    /// A change on a bridge.
    BridgeUpdate {
        /// The room.
        room: BareJid,
        /// The session on the bridge it was for.
        bridge_session: String,
    },
    /// An expiry on a bridge; nothing depends on the answer.
    Expiry,
    /// An offer.
    Offer {
        /// The room.
        room: BareJid,
        /// The endpoint.
        endpoint: EndpointId,
        /// The session.
        sid: String,
    },
    /// An affiliation.
    Affiliation,
    /// A notice to a client that needs no reaction: sources, mute, end of a session.
    Notice,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// A result, with its payload.
    Result(Option<&'a Element>),
    /// An `<error/>`.
    Error(&'a Element),
    /// Nothing in time.
    Timeout,
}

#[derive(Debug, Clone)]
struct Pending {
    to: Jid,
    deadline_ms: u64,
    awaited: Awaited,
}

/// Replies that are waited for. All wait equally long, so the oldest is due first.
#[derive(Debug, Clone, Default)]
pub struct PendingReplies {
    prefix: String,
    next: u64,
    pending: BTreeMap<u64, Pending>,
}

impl PendingReplies {
    /// A new connection: old requests will not be answered any more, and ids must differ from old ones.
    pub fn restart(&mut self, prefix: String) {
        self.prefix = prefix;
        self.pending.clear();
    }

    /// Waits for one more reply. The id to ask with, or `None` when too many are waited for.
    pub fn expect(&mut self, to: Jid, deadline_ms: u64, awaited: Awaited) -> Option<String> {
        if self.pending.len() >= REPLIES_MAX {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.pending.insert(number, Pending { to, deadline_ms, awaited });
        Some(format!("{}-{number}", self.prefix))
    }

    /// The connection was away for a while: everybody gets the full time again.
    pub fn prolong(&mut self, deadline_ms: u64) {
        for pending in self.pending.values_mut() {
            pending.deadline_ms = deadline_ms;
        }
    }

    /// Takes what a reply with this id and sender is for.
    pub fn take(&mut self, id: &str, from: &Jid) -> Option<Awaited> {
        let number: u64 = id.strip_prefix(&self.prefix)?.strip_prefix('-')?.parse().ok()?;
        if self.pending.get(&number)?.to != *from {
            return None;
        }
        self.pending.remove(&number).map(|pending| pending.awaited)
    }

    /// Takes the next one that is overdue.
    pub fn take_overdue(&mut self, now_ms: u64) -> Option<Awaited> {
        let entry = self.pending.first_entry()?;
        (entry.get().deadline_ms <= now_ms).then(|| entry.remove().awaited)
    }

    /// When the next one is due.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(_, pending)| pending.deadline_ms)
    }
}

/// Everything that decisions about one conference need.
pub struct Context<'a> {
    /// Time, in milliseconds from any origin.
    pub now_ms: u64,
    /// Settings.
    pub config: &'a Config,
    /// Our own address.
    pub me: &'a FullJid,
    /// Bridges.
    pub pool: &'a mut BridgePool,
    /// Known capabilities.
    pub caps: &'a mut CapsCache,
    /// Replies waited for.
    pub replies: &'a mut PendingReplies,
    /// Randomness.
    pub random: &'a mut dyn Randomness,
    /// Counters.
    pub counters: &'a mut Counters,
    /// Main rooms that have breakout rooms, and how many.
    pub breakouts: &'a BTreeMap<BareJid, usize>,
    /// Where effects go.
    pub out: &'a mut Effects,
}

impl Context<'_> {
    /// Sends a stanza.
    pub fn send(&mut self, stanza: Element) {
        self.out.push(Effect::Send(stanza));
    }

    /// Sends an IQ request and remembers what its reply is for.
    pub fn request(&mut self, kind: &str, to: impl Into<Jid>, payload: Element, awaited: Awaited) {
        let to = to.into();
        let deadline_ms = self.now_ms + self.config.reply_timeout_ms;
        match self.replies.expect(to.clone(), deadline_ms, awaited) {
            Some(id) => self.send(stanza::iq(kind, &to, &id, payload)),
            None => tracing::warn!("a request is not sent: {REPLIES_MAX} replies are waited for already"),
        }
    }

    /// Answers an IQ request.
    pub fn answer(&mut self, request: &Element, answer: Result<Option<Element>, Fault>) {
        let stanza = match answer {
            Ok(payload) => stanza::result(request, payload),
            Err(fault) => stanza::error(request, &fault),
        };
        self.out.extend(stanza.map(Effect::Send));
    }
}

/// The parts of the focus that a conference may use, apart from the conferences.
macro_rules! context {
    ($self:ident, $me:expr, $now_ms:expr, $out:expr) => {
        $crate::context::Context {
            now_ms: $now_ms,
            config: &$self.config,
            me: $me,
            pool: &mut $self.pool,
            caps: &mut $self.caps,
            replies: &mut $self.replies,
            random: &mut *$self.random,
            counters: &mut $self.counters,
            breakouts: &$self.breakouts,
            out: $out,
        }
    };
}

pub(crate) use context;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_from_whom_was_asked_and_are_bounded() {
        let to: Jid = "b@x/jvb".parse().unwrap();
        let mut replies = PendingReplies::default();
        replies.restart("p".into());
        let id = replies.expect(to.clone(), 15, Awaited::Notice).unwrap();
        assert_eq!(replies.take(&id, &"b@x/other".parse().unwrap()), None);
        assert_eq!(replies.take(&id, &to), Some(Awaited::Notice));
        assert_eq!(replies.take(&id, &to), None, "answered once");
        for _ in 0..REPLIES_MAX {
            assert!(replies.expect(to.clone(), 15, Awaited::Expiry).is_some());
        }
        assert_eq!(replies.expect(to.clone(), 15, Awaited::Expiry), None);
        assert_eq!((replies.take_overdue(14), replies.take_overdue(15)), (None, Some(Awaited::Expiry)));
        replies.restart("q".into());
        assert_eq!(replies.deadline_ms(), None);
        assert_eq!(replies.take("p-5", &to), None, "ids of the old connection mean nothing");
    }
}
