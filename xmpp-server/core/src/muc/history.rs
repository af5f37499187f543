//! What was said before somebody came (XEP-0045 §7.2.13). Nothing is kept unless the owners ask for it.

use std::collections::VecDeque;

use minidom::Element;

use crate::component::Outbound;
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::xml::{self, ElementExt};

/// Most messages a room keeps.
pub const HISTORY_MESSAGES_MAX: usize = 100;
/// Most bytes of messages a room keeps.
pub const HISTORY_BYTES_MAX: usize = 256 * 1024;

/// Kept messages, oldest first.
#[derive(Debug, Default)]
pub struct History {
    messages: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    message: Element,
    unix_ms: u64,
    bytes: usize,
}

/// How much of the history a newcomer wants.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRequest {
    max_stanzas: Option<usize>,
    max_chars: Option<usize>,
    seconds: Option<u64>,
}

impl HistoryRequest {
    /// Reads `<history/>` of a join.
    pub(super) fn read(presence: &Element) -> Self {
        let Some(history) = presence.get_child("x", ns::MUC).and_then(|x| x.get_child("history", ns::MUC)) else {
            return Self::default();
        };
        Self {
            max_stanzas: history.attr("maxstanzas").and_then(|n| n.parse().ok()),
            max_chars: history.attr("maxchars").and_then(|n| n.parse().ok()),
            seconds: history.attr("seconds").and_then(|n| n.parse().ok()),
        }
    }
}

impl History {
    /// Keeps a message, and forgets the oldest beyond the bounds.
    pub(super) fn keep(&mut self, message: &Element, length: usize, unix_ms: u64) {
        let length = length.min(HISTORY_MESSAGES_MAX);
        if length > 0 {
            let bytes = xml::to_string(message).len();
            self.bytes += bytes;
            self.messages.push_back(Kept { message: message.clone(), unix_ms, bytes });
        }
        self.trim(length);
    }

    /// Forgets the oldest messages beyond `length` and beyond the bound on bytes.
    pub(super) fn trim(&mut self, length: usize) {
        while self.messages.len() > length || self.bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes;
        }
    }

    /// How many messages are kept.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Sends a newcomer what it asks for.
    pub(super) fn replay(&self, room: &Room, to: &Occupant, request: HistoryRequest, rcx: &mut RoomContext<'_, '_>) {
        let max = request.max_stanzas.unwrap_or(room.config().default_history_messages);
        let oldest_ms =
            request.seconds.map_or(0, |seconds| rcx.cx.now.unix_ms.saturating_sub(seconds.saturating_mul(1000)));
        let mut chars_left = request.max_chars.unwrap_or(usize::MAX);
        let mut chosen = Vec::new();
        for kept in self.messages.iter().rev().take(max) {
            if kept.unix_ms < oldest_ms || kept.bytes > chars_left {
                break;
            }
            chars_left -= kept.bytes;
            chosen.push(kept);
        }
        for kept in chosen.into_iter().rev() {
            let message = kept.message.clone().with("to", to.session.as_str()).child(
                Element::bare("delay", ns::DELAY)
                    .with("from", room.jid().as_str())
                    .with("stamp", crate::datetime::xmpp_datetime(kept.unix_ms)),
            );
            rcx.cx.out.push(Outbound::element(to.session.clone(), message));
        }
    }
}

/// Whether a message belongs into the history.
pub(super) fn is_kept(message: &Element) -> bool {
    let hints = "urn:xmpp:hints";
    !message.has_child("no-store", hints) && (message.has_child("body", NS_CLIENT) || message.has_child("store", hints))
}
