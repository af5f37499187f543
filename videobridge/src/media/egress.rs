//! What leaves: packets sealed for their receiver, gathered into runs of equal size.

use std::time::Instant;

use videobridge_core::egress::{Egress, EndpointIndex};
use videobridge_core::srtp::Protect;

use super::room::Member;
use super::socket::{Path, Socket};
use crate::media_link::Totals;

/// Bytes of one run; a UDP send takes no more.
const RUN_BYTES_MAX: usize = 60_000;

/// Sealed packets of one receiver, waiting to leave together.
#[derive(Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    /// The last packet is shorter than the others: nothing may follow it.
    closed: bool,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a packet of `len` bytes can leave together with those waiting.
    fn takes(&self, len: usize, segments_max: usize) -> bool {
        self.count == 0
            || (!self.closed
                && len <= self.segment
                && self.count < segments_max
                && self.bytes.len() + len <= RUN_BYTES_MAX)
    }

    pub(super) fn flush(&mut self, socket: &Socket, path: Option<Path>) {
        if let Some(path) = path
            && self.count > 0
        {
            socket.send(path, &self.bytes, self.segment);
        }
        self.bytes.clear();
        self.count = 0;
        self.closed = false;
    }

    /// Appends a packet: its parts, and `room` bytes for the seal; `seal` completes it in place.
    fn push(&mut self, parts: [&[u8]; 2], room: usize, seal: impl FnOnce(&mut [u8]) -> bool) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(parts[0]);
        self.bytes.extend_from_slice(parts[1]);
        self.bytes.resize(self.bytes.len() + room, 0);
        let len = self.bytes.len() - start;
        if !seal(&mut self.bytes[start..]) {
            self.bytes.truncate(start);
            return 0;
        }
        if self.count == 0 {
            self.segment = len;
        }
        self.closed = len < self.segment;
        self.count += 1;
        len
    }
}

/// Takes what a conference sends, for the time of one input.
pub(super) struct Outlet<'a> {
    pub(super) members: &'a mut [Option<Member>],
    pub(super) socket: &'a Socket,
    /// Endpoints with something to flush or to drain, in order of appearance.
    pub(super) touched: &'a mut Vec<EndpointIndex>,
    pub(super) totals: &'a mut Totals,
    pub(super) now: Instant,
}

impl Outlet<'_> {
    /// Appends to the receiver's run what `seal` makes of the packet; a run that cannot take it leaves first.
    fn append(
        &mut self,
        to: EndpointIndex,
        parts: [&[u8]; 2],
        overhead: impl FnOnce(&Protect) -> usize,
        seal: impl FnOnce(&mut Protect, &mut [u8]) -> bool,
    ) {
        let Some(member) = self.members.get_mut(to.get()).and_then(Option::as_mut) else { return };
        let path = member.path();
        let Some(protect) = member.transport.protect() else { return };
        let room = overhead(protect);
        let len = parts[0].len() + parts[1].len() + room;
        if !member.run.takes(len, self.socket.segments_max()) {
            member.run.flush(self.socket, path);
        }
        let len = member.run.push(parts, room, |packet| seal(protect, packet));
        if len > 0 {
            self.totals.packets_sent += 1;
            self.totals.bytes_sent += len as u64;
        }
        if !member.touched {
            member.touched = true;
            self.touched.push(to);
        }
    }
}

impl Egress for Outlet<'_> {
    fn rtp(&mut self, to: EndpointIndex, header: &[u8], payload: &[u8]) {
        let header_len = header.len();
        self.append(
            to,
            [header, payload],
            |protect| protect.profile().rtp_overhead(),
            |protect, packet| protect.rtp(packet, header_len).is_ok(),
        );
    }

    fn rtcp(&mut self, to: EndpointIndex, compound: &[u8]) {
        self.append(
            to,
            [compound, &[]],
            |protect| protect.profile().rtcp_overhead(),
            |protect, packet| protect.rtcp(packet).is_ok(),
        );
    }

    fn channel(&mut self, to: EndpointIndex, message: String) {
        let Some(member) = self.members.get_mut(to.get()).and_then(Option::as_mut) else { return };
        if !member.touched {
            member.touched = true;
            self.touched.push(to);
        }
        if let Some((_, messages)) = &member.websocket {
            if messages.try_send(message).is_err() {
                // A client that does not read loses its channel, not the worker its time.
                member.websocket = None;
                member.websocket_overrun = true;
            }
        } else if member.transport.send_channel_message(self.now, &message) {
            self.totals.data_channel_messages_sent += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_holds_equal_packets_and_at_most_one_shorter_at_its_end() {
        let mut run = Run::default();
        let sealed = |_: &mut [u8]| true;
        assert!(run.takes(1_000, 8));
        run.push([&[0; 12], &[0; 972]], 16, sealed);
        assert!(run.takes(1_000, 8) && run.takes(900, 8) && !run.takes(1_001, 8) && !run.takes(1_000, 1));
        run.push([&[0; 12], &[0; 872]], 16, sealed);
        assert!(!run.takes(1_000, 8) && !run.takes(900, 8), "nothing follows a shorter one");
        assert_eq!((run.count, run.segment, run.bytes.len()), (2, 1_000, 1_900));
    }

    #[test]
    fn a_packet_that_cannot_be_sealed_leaves_no_trace() {
        let mut run = Run::default();
        assert_eq!(run.push([&[0; 12], &[1; 10]], 16, |_| false), 0);
        assert!(run.is_empty() && run.bytes.is_empty());
    }
}
