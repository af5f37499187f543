//! The seam between the router and what lives behind an address of its own: rooms and services.

use std::sync::Arc;

use jid::{FullJid, Jid};
use minidom::Element;
use rand::CryptoRng;

use crate::stanza::SharedStanza;

/// The time of one input: a clock that only goes forward, and the time of day for stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since an arbitrary start; deadlines are in this clock.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: u64,
}

/// What a connection said about itself when it was opened: Jitsi's query parameters of
/// `/xmpp-websocket`, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionParams {
    /// `room`: the node of the room this connection is about, lower-case, form-decoded once.
    pub room: Option<String>,
    /// `prefix`: the tenant; `None` when absent or empty.
    pub tenant: Option<String>,
    /// Region of the user as a front proxy determined it.
    pub region: Option<String>,
    /// `customusername`: asked for by a promoted visitor.
    pub custom_username: Option<String>,
}

/// Who sent a stanza: a session whose address was verified by the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderContext {
    /// The session's real, full address.
    pub jid: FullJid,
    /// The account is a server administrator, and so owner of every room (focus, bridge).
    pub is_admin: bool,
    /// Signed in with a secret; `false` for an anonymous guest.
    pub is_authenticated: bool,
    /// What the connection said about itself.
    pub params: Arc<SessionParams>,
}

/// One stanza a component wants delivered. `to` decides the route, whatever the stanza says.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Full address of a session, bare address of an account, or an address of another component.
    pub to: Jid,
    /// What to deliver. Its `from` is the component's duty.
    pub stanza: Outgoing,
}

/// A stanza on its way out.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// For one recipient; the router sets its `to`.
    Element(Element),
    /// For many recipients: serialised once, only the address differs.
    Shared(SharedStanza),
}

impl Outbound {
    /// One stanza for one recipient.
    pub fn element(to: impl Into<Jid>, stanza: Element) -> Self {
        Self { to: to.into(), stanza: Outgoing::Element(stanza) }
    }

    /// One recipient's part of a broadcast.
    pub fn shared(to: impl Into<Jid>, stanza: &SharedStanza) -> Self {
        Self { to: to.into(), stanza: Outgoing::Shared(stanza.clone()) }
    }
}

/// What a component may use while it handles an input.
pub struct Context<'a> {
    /// When the input happened.
    pub now: Now,
    /// Source of ids and tokens; seeded in tests.
    pub random: &'a mut dyn CryptoRng,
    /// Stanzas to deliver, in this order, after the handler returns.
    pub out: &'a mut Vec<Outbound>,
}

/// Something with an address of its own: the rooms, a service, the host's own services.
///
/// All calls for one server happen on one thread, one after the other, in the order in which the
/// stanzas arrived.
pub trait Component: Send {
    /// Whether stanzas to this domain are for this component. Asked in registration order; the
    /// first that says yes gets the stanza.
    fn serves(&self, domain: &str) -> bool;

    /// A stanza (`iq`, `message`, `presence` in `jabber:client`) from a session. `from` is the
    /// session's full address, `to` is present and valid. An `iq` of type `get` or `set` must be
    /// answered, now or later.
    fn handle(&mut self, sender: &SenderContext, stanza: Element, cx: &mut Context<'_>);

    /// A session bound its resource. It has no presence yet.
    fn session_bound(&mut self, session: &SenderContext, cx: &mut Context<'_>) {
        let _ = (session, cx);
    }

    /// A session became available (its first undirected presence) or unavailable.
    fn session_available(&mut self, session: &SenderContext, available: bool, cx: &mut Context<'_>) {
        let _ = (session, available, cx);
    }

    /// A session ended for good. While it only hibernates (XEP-0198) it still counts as present
    /// and this is not called.
    fn session_gone(&mut self, session: &SenderContext, cx: &mut Context<'_>) {
        let _ = (session, cx);
    }

    /// When [`Component::handle_timeout`] wants to be called next, in [`Now::monotonic_ms`].
    fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// The deadline has passed.
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}
