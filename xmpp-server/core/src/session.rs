//! Bound resources (RFC 6120 §7): what a session is once its peer is known, and the table of all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jid::{BareJid, Jid};
use minidom::Element;

use crate::component::SenderContext;
use crate::hosts::HostKind;
use crate::stream::negotiation::Transport;
use crate::stream::resumption::Acknowledgement;

/// A connection, as the shell numbers them; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A session; it may outlive its connection. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Addresses a session may have sent directed presence to without the session being told to stop.
pub const DIRECTED_PRESENCES_MAX: usize = 256;

/// Stream management of one session.
#[derive(Debug)]
pub struct Managed {
    /// Counters and queue.
    pub acknowledgement: Acknowledgement,
    /// The session may be resumed with this token.
    pub token: Option<ResumptionToken>,
}

/// SHA-256 of a resumption token. Lookups by a hash of the secret take no time that depends on
/// the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumptionToken(pub [u8; 32]);

/// One bound resource.
#[derive(Debug)]
pub struct Session {
    /// The address and what components know of it.
    pub context: SenderContext,
    /// Where it signed in.
    pub host: HostKind,
    /// Its connection; `None` while it hibernates.
    pub connection: Option<ConnectionId>,
    /// How it is or was connected.
    pub transport: Transport,
    /// Its last available presence.
    pub presence: Option<Element>,
    /// Whom it told about its presence one by one (RFC 6121 §4.6).
    pub directed: BTreeSet<Jid>,
    /// It asked for the contact list and hears of changes (RFC 6121 §2.1.6).
    pub wants_roster: bool,
    /// Stream management, once enabled.
    pub managed: Option<Managed>,
    /// When the resource was bound, in the monotonic clock.
    pub bound_at_ms: u64,
    /// When hibernation ends, in the monotonic clock.
    pub hibernates_until_ms: Option<u64>,
}

impl Session {
    /// The account or guest.
    pub fn account(&self) -> BareJid {
        self.context.jid.to_bare()
    }

    /// Priority of its presence; `None` when unavailable.
    pub fn priority(&self) -> Option<i8> {
        let presence = self.presence.as_ref()?;
        Some(
            presence
                .children()
                .find(|child| child.name() == "priority")
                .and_then(|priority| priority.text().trim().parse().ok())
                .unwrap_or(0),
        )
    }

    /// Whether it is a focus or bridge.
    pub fn is_service(&self) -> bool {
        self.host == HostKind::Service
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct SessionTable {
    sessions: BTreeMap<SessionId, Session>,
    by_address: HashMap<String, SessionId>,
    by_account: HashMap<String, Vec<SessionId>>,
    by_token: HashMap<ResumptionToken, SessionId>,
}

impl SessionTable {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// All, in the order in which they were bound.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// One.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// One, to change. Its address must stay.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// The session with a full address.
    pub fn by_address(&self, address: &str) -> Option<SessionId> {
        self.by_address.get(address).copied()
    }

    /// The sessions of an account or guest, in the order in which they were bound.
    pub fn by_account(&self, account: &str) -> &[SessionId] {
        self.by_account.get(account).map_or(&[], Vec::as_slice)
    }

    /// The session a token resumes.
    pub fn by_token(&self, token: &ResumptionToken) -> Option<SessionId> {
        self.by_token.get(token).copied()
    }

    /// Adds a session whose address is free.
    pub fn insert(&mut self, id: SessionId, session: Session) {
        let address = session.context.jid.as_str().to_owned();
        let account = session.account().as_str().to_owned();
        self.by_address.insert(address, id);
        self.by_account.entry(account).or_default().push(id);
        self.sessions.insert(id, session);
    }

    /// Makes a session resumable.
    pub fn set_token(&mut self, id: SessionId, token: ResumptionToken) {
        self.by_token.insert(token, id);
    }

    /// Removes a session and every way to find it.
    pub fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.by_address.remove(session.context.jid.as_str());
        let account = session.account();
        if let Some(ids) = self.by_account.get_mut(account.as_str()) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_account.remove(account.as_str());
            }
        }
        if let Some(token) = session.managed.as_ref().and_then(|managed| managed.token) {
            self.by_token.remove(&token);
        }
        Some(session)
    }
}
