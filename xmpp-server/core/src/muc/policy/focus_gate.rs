//! Nobody enters a meeting before the focus: joins wait, unanswered and in order, until it is there.

use std::collections::VecDeque;

use jid::FullJid;
use minidom::Element;

use crate::component::SenderContext;
use crate::muc::room::{Room, RoomKind};
use crate::muc::settings::FOCUS_NICK;
use crate::stanza_error::{Condition, StanzaError};

/// Most joins that wait for one room.
pub const WAITING_MAX: usize = 500;
/// How long a join waits before it is refused.
pub const WAIT_MS_MAX: u64 = 30_000;

/// A join that waits.
#[derive(Debug)]
pub struct WaitingJoin {
    /// Who wants to enter.
    pub sender: SenderContext,
    /// The presence it sent.
    pub presence: Element,
    deadline_ms: u64,
}

/// Those who wait for one room.
#[derive(Debug, Default)]
pub struct Gate {
    waiting: VecDeque<WaitingJoin>,
}

/// Whether joins have to wait.
pub(crate) fn is_closed(room: &Room, sender: &SenderContext) -> bool {
    room.kind() != RoomKind::Brewery
        && room.kind() != RoomKind::Lobby
        && !room.is_health_check()
        && !sender.is_admin
        && !room.occupant_by_nick(FOCUS_NICK).is_some_and(|occupant| occupant.is_admin)
}

impl Gate {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether this session waits.
    pub fn holds(&self, session: &FullJid) -> bool {
        self.waiting.iter().any(|waiting| waiting.sender.jid == *session)
    }

    /// Lets a join wait; a newer one of the same session takes the place of the older. The deadline, or an error when
    /// too many wait.
    pub(crate) fn wait(&mut self, sender: &SenderContext, presence: &Element, now_ms: u64) -> Result<u64, StanzaError> {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.sender.jid == sender.jid) {
            waiting.presence = presence.clone();
            return Ok(waiting.deadline_ms);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(StanzaError::new(Condition::ResourceConstraint)
                .text("Too many people wait for this meeting to start. Please try again in a moment."));
        }
        let deadline_ms = now_ms + WAIT_MS_MAX;
        self.waiting.push_back(WaitingJoin { sender: sender.clone(), presence: presence.clone(), deadline_ms });
        Ok(deadline_ms)
    }

    /// A session does not want to enter any more.
    pub(crate) fn forget(&mut self, session: &FullJid) {
        self.waiting.retain(|waiting| waiting.sender.jid != *session);
    }

    /// Everybody who waits, in order.
    pub(crate) fn take_all(&mut self) -> VecDeque<WaitingJoin> {
        std::mem::take(&mut self.waiting)
    }

    /// When the first has waited long enough.
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.deadline_ms)
    }

    /// Those who waited too long.
    pub(crate) fn take_expired(&mut self, now_ms: u64) -> Vec<WaitingJoin> {
        let mut expired = Vec::new();
        while self.waiting.front().is_some_and(|waiting| waiting.deadline_ms <= now_ms) {
            expired.extend(self.waiting.pop_front());
        }
        expired
    }
}
