//! Stream management (XEP-0198): what was sent and not yet acknowledged, and how it is sent again
//! after a connection was lost.

use std::collections::VecDeque;

use crate::stanza::WireStanza;

/// Namespace of stream management.
pub const NS_SM: &str = "urn:xmpp:sm:3";
/// How long a session of a guest or member waits for its peer.
pub const HIBERNATION_MAX_MS: u64 = 60_000;
/// How long a session of a service account waits: focus and bridge reconnect within seconds.
pub const SERVICE_HIBERNATION_MAX_MS: u64 = 15_000;
/// Unacknowledged stanzas after which an acknowledgement is asked for.
pub const UNACKED_BEFORE_REQUEST: usize = 5;
/// Unacknowledged stanzas kept for a guest or member.
pub const UNACKED_STANZAS_MAX: usize = 2_000;
/// Their bytes.
pub const UNACKED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Unacknowledged stanzas kept for a service account.
pub const SERVICE_UNACKED_STANZAS_MAX: usize = 50_000;
/// Their bytes.
pub const SERVICE_UNACKED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The two counters and the queue of one managed stream.
#[derive(Debug)]
pub struct Acknowledgement {
    /// Stanzas handled since `<enable/>`, modulo 2³².
    received: u32,
    /// Stanzas the peer said it handled, modulo 2³².
    acknowledged: u32,
    unacked: VecDeque<WireStanza>,
    unacked_bytes: usize,
    stanzas_max: usize,
    bytes_max: usize,
    request_pending: bool,
}

/// The peer counts differently than we do; the stream can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyAcknowledged {
    /// What the peer said.
    pub h: u32,
    /// Stanzas we sent.
    pub sent: u32,
}

/// More is unacknowledged than is kept; the session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

impl Acknowledgement {
    /// Counting starts now.
    pub fn new(is_service: bool) -> Self {
        let (stanzas_max, bytes_max) = if is_service {
            (SERVICE_UNACKED_STANZAS_MAX, SERVICE_UNACKED_BYTES_MAX)
        } else {
            (UNACKED_STANZAS_MAX, UNACKED_BYTES_MAX)
        };
        Self {
            received: 0,
            acknowledged: 0,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            stanzas_max,
            bytes_max,
            request_pending: false,
        }
    }

    /// A stanza of the peer was handled.
    pub fn count_received(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// What to say in `h`.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// Stanzas sent and not acknowledged.
    pub fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// Keeps a stanza that is being sent.
    pub fn sent(&mut self, stanza: WireStanza) -> Result<(), QueueFull> {
        if self.unacked.len() >= self.stanzas_max || self.unacked_bytes + stanza.len() > self.bytes_max {
            return Err(QueueFull);
        }
        self.unacked_bytes += stanza.len();
        self.unacked.push_back(stanza);
        Ok(())
    }

    /// Whether to ask for an acknowledgement now; at most one question is open.
    pub fn take_request(&mut self) -> bool {
        let ask = !self.request_pending && self.unacked.len() >= UNACKED_BEFORE_REQUEST;
        self.request_pending |= ask;
        ask
    }

    /// The peer handled `h` stanzas in all.
    pub fn acknowledged(&mut self, h: u32) -> Result<(), TooManyAcknowledged> {
        self.request_pending = false;
        let handled = h.wrapping_sub(self.acknowledged) as usize;
        if handled > self.unacked.len() {
            return Err(TooManyAcknowledged {
                h,
                sent: self.acknowledged.wrapping_add(u32::try_from(self.unacked.len()).unwrap_or(u32::MAX)),
            });
        }
        for stanza in self.unacked.drain(..handled) {
            self.unacked_bytes -= stanza.len();
        }
        if self.unacked.is_empty() {
            self.unacked.shrink_to(UNACKED_BEFORE_REQUEST);
        }
        self.acknowledged = h;
        Ok(())
    }

    /// The connection is another one: what to send again, in order. It stays in the queue and is
    /// not counted a second time.
    pub fn resend(&mut self) -> impl Iterator<Item = &WireStanza> {
        self.request_pending = false;
        self.unacked.iter()
    }

    /// The session ended: what the peer never confirmed.
    pub fn into_unacked(self) -> impl Iterator<Item = WireStanza> {
        self.unacked.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn stanza(text: &str) -> WireStanza {
        WireStanza { head: Bytes::from(text.to_owned()), tail: Bytes::new() }
    }

    fn with_sent(count: usize) -> Acknowledgement {
        let mut ack = Acknowledgement::new(false);
        for index in 0..count {
            ack.sent(stanza(&index.to_string())).expect("room");
        }
        ack
    }

    fn unacked(ack: &mut Acknowledgement) -> Vec<String> {
        ack.resend().map(|stanza| String::from_utf8(stanza.head.to_vec()).expect("text")).collect()
    }

    #[test]
    fn what_is_acknowledged_is_not_sent_again() {
        let mut ack = with_sent(4);
        ack.acknowledged(3).expect("sent");
        assert_eq!(unacked(&mut ack), ["3"]);
        ack.acknowledged(3).expect("the same again");
        ack.acknowledged(4).expect("sent");
        assert_eq!(ack.unacked_bytes, 0);
        assert!(unacked(&mut ack).is_empty());
    }

    #[test]
    fn resent_stanzas_are_counted_once() {
        let mut ack = with_sent(2);
        ack.acknowledged(1).expect("sent");
        assert_eq!(unacked(&mut ack), ["1"]);
        assert_eq!(unacked(&mut ack), ["1"]);
        ack.acknowledged(2).expect("sent");
    }

    #[test]
    fn an_impossible_count_is_refused() {
        let mut ack = with_sent(2);
        ack.acknowledged(1).expect("sent");
        assert_eq!(ack.acknowledged(3), Err(TooManyAcknowledged { h: 3, sent: 2 }));
        assert!(ack.acknowledged(0).is_err(), "counts never go back");
    }

    #[test]
    fn counters_wrap_around() {
        let mut ack = with_sent(0);
        ack.acknowledged = u32::MAX;
        ack.received = u32::MAX;
        ack.count_received();
        assert_eq!(ack.received(), 0);
        ack.sent(stanza("a")).expect("room");
        ack.sent(stanza("b")).expect("room");
        ack.acknowledged(0).expect("one more than the largest");
        assert_eq!(unacked(&mut ack), ["b"]);
    }

    #[test]
    fn one_question_at_a_time() {
        let mut ack = with_sent(UNACKED_BEFORE_REQUEST - 1);
        assert!(!ack.take_request());
        ack.sent(stanza("x")).expect("room");
        assert!(ack.take_request());
        assert!(!ack.take_request());
        ack.acknowledged(0).expect("an answer");
        assert!(ack.take_request());
    }

    #[test]
    fn the_queue_is_bounded_in_stanzas_and_bytes() {
        let mut ack = with_sent(UNACKED_STANZAS_MAX);
        assert_eq!(ack.sent(stanza("one more")), Err(QueueFull));
        let mut ack = with_sent(0);
        let large = "x".repeat(UNACKED_BYTES_MAX / 2);
        ack.sent(stanza(&large)).expect("room");
        ack.sent(stanza(&large)).expect("room");
        assert_eq!(ack.sent(stanza("y")), Err(QueueFull));
        let mut service = Acknowledgement::new(true);
        for _ in 0..=UNACKED_STANZAS_MAX {
            service.sent(stanza("z")).expect("a service has more room");
        }
    }
}
