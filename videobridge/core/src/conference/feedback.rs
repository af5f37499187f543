//! RTCP: ended at the bridge, answered from what it keeps, passed on where only the sender can help.

use std::time::Instant;

use super::Conference;
use super::media::abs_send_time;
use super::member::Endpoint;
use super::source::SourceId;
use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{Feedback, MediaKind};
use crate::rtcp::{NackNumbers, ReportBlock, RtcpMessage, RtcpMessages, SenderInfo};
use crate::rtp::{ExtensionKind, OutgoingExtensions, RtpFields};

/// Round trip assumed for retransmissions before one was measured, µs.
const RTT_UNKNOWN_US: u64 = 100_000;
/// Round trips above this are clock errors, µs.
const RTT_MAX_US: u64 = 10_000_000;
/// Report blocks of one report.
const REPORT_BLOCKS_MAX: usize = 31;

impl Conference {
    /// Takes a decrypted RTCP packet from an endpoint.
    pub fn handle_rtcp(&mut self, now: Instant, from: EndpointIndex, compound: &[u8], out: &mut dyn Egress) {
        let now_us = self.micros(now);
        let Some(member) = self.get_mut(from) else {
            return;
        };
        member.note_activity(now_us);
        for message in RtcpMessages::new(compound) {
            match message {
                RtcpMessage::SenderReport { ssrc, info, blocks } => {
                    self.sender_report(now_us, from, ssrc, &info, out);
                    blocks.for_each(|block| self.report_block(now_us, from, &block));
                }
                RtcpMessage::ReceiverReport { blocks, .. } => {
                    blocks.for_each(|block| self.report_block(now_us, from, &block));
                }
                RtcpMessage::Nack { media_ssrc, numbers } => self.nack(now_us, from, media_ssrc, numbers, out),
                RtcpMessage::Pli { media_ssrc } => self.keyframe_wanted(now_us, from, media_ssrc, out),
                RtcpMessage::Fir(entries) => {
                    for (media_ssrc, _) in entries {
                        self.keyframe_wanted(now_us, from, media_ssrc, out);
                    }
                }
                RtcpMessage::Remb { bitrate_bps } => {
                    if let Some(member) = self.get_mut(from) {
                        member.remb_bps = Some(bitrate_bps);
                    }
                }
                RtcpMessage::TransportFeedback(feedback) => {
                    if let Some(member) = self.get_mut(from) {
                        member.estimate.feedback(&feedback, now_us);
                    }
                }
                RtcpMessage::SourceDescription | RtcpMessage::Bye(_) | RtcpMessage::Other => {}
            }
        }
    }

    /// Passes a sender's clock on to everybody who gets the stream, with their timestamps and our counts.
    fn sender_report(&mut self, now_us: u64, from: EndpointIndex, ssrc: u32, info: &SenderInfo, out: &mut dyn Egress) {
        let Some(mut sender) = self.endpoints.get_mut(from.get()).and_then(Option::take) else {
            return;
        };
        if let Some(role) = sender.role(ssrc).filter(|role| !role.retransmission) {
            let source = &mut sender.sources[role.source];
            source.encodings[role.encoding].stream.sender_report(info, now_us);
            for listener in &source.listeners {
                let Some(receiver) = self.endpoints.get_mut(listener.receiver.get()).and_then(Option::as_deref_mut)
                else {
                    continue;
                };
                let report = match source.kind {
                    MediaKind::Audio => receiver.audio_report(listener.slot, source.id, info, now_us),
                    MediaKind::Video => {
                        receiver.video_report(listener.slot, source.id, role.encoding as u8, info, now_us)
                    }
                };
                // A stream of which nothing was sent has no clock yet.
                if let Some((ssrc, info)) = report.filter(|(_, info)| info.packets > 0) {
                    self.rtcp.clear();
                    self.rtcp.sender_report(ssrc, &info);
                    out.rtcp(listener.receiver, self.rtcp.bytes());
                }
            }
        }
        self.endpoints[from.get()] = Some(sender);
    }

    fn report_block(&mut self, now_us: u64, from: EndpointIndex, block: &ReportBlock) {
        if block.last_sender_report == 0 {
            return;
        }
        let Some(member) = self.get_mut(from) else {
            return;
        };
        let video = member.video.iter().filter(|slot| slot.output.ssrc == block.ssrc);
        let audio = member.audio.iter().filter(|slot| slot.output.ssrc == block.ssrc);
        let reports = video.map(|slot| &slot.output.reports).chain(audio.map(|slot| &slot.output.reports)).next();
        let rtt_us = reports
            .and_then(|reports| reports.round_trip_us(block.last_sender_report, block.delay_since_last, now_us))
            .filter(|&rtt_us| rtt_us <= RTT_MAX_US);
        if let Some(rtt_us) = rtt_us {
            member.rtt_us = Some(rtt_us.max(1));
            member.estimate.set_rtt(rtt_us);
        }
    }

    /// Sends again what a receiver misses.
    fn nack(
        &mut self,
        now_us: u64,
        from: EndpointIndex,
        media_ssrc: u32,
        numbers: NackNumbers<'_>,
        out: &mut dyn Egress,
    ) {
        let Some(mut receiver) = self.endpoints.get_mut(from.get()).and_then(Option::take) else {
            return;
        };
        let slot = receiver.video.iter().position(|slot| slot.output.ssrc == media_ssrc);
        if let Some(slot) = slot {
            for number in numbers {
                if !receiver.retransmissions.take(1, now_us) {
                    break;
                }
                self.resend(now_us, &mut receiver, from, slot, Some(number), out);
            }
        }
        self.endpoints[from.get()] = Some(receiver);
    }

    /// Sends one packet of a slot again on its RTX stream; returns the bytes sent.
    ///
    /// `number` is what the receiver asked for; without it the newest packet is taken, to probe with.
    pub(super) fn resend(
        &mut self,
        now_us: u64,
        receiver: &mut Endpoint,
        to: EndpointIndex,
        slot: usize,
        number: Option<u16>,
        out: &mut dyn Egress,
    ) -> usize {
        let rtt_us = receiver.rtt_us.unwrap_or(RTT_UNKNOWN_US);
        let slot = &mut receiver.video[slot];
        let binding = slot.output.binding();
        let found = match number {
            Some(number) => slot.output.sent.resend(number, binding, now_us, rtt_us),
            None => slot.output.newest_sent(),
        };
        let Some(sent) = found.filter(|sent| sent.binding == binding) else {
            return 0;
        };
        let Some(source) = self
            .endpoints
            .get_mut(slot.owner.get())
            .and_then(Option::as_deref_mut)
            .and_then(|owner| owner.sources.iter_mut().find(|source| Some(source.id) == slot.source))
        else {
            return 0;
        };
        let Some(mut packet) =
            source.encodings.get_mut(usize::from(sent.encoding)).and_then(|encoding| encoding.cache.get(sent.cached))
        else {
            return 0;
        };
        // Only ever as RTX: under its own number SRTP may not protect a packet twice.
        let rtx = slot.output.rtx_ssrc.zip(receiver.agreement.rtx_of(packet.fields.payload_type));
        let Some((ssrc, payload_type)) = rtx else {
            return 0;
        };
        let marker = packet.fields.marker;
        let video_orientation = packet.fields.video_orientation;
        let descriptor = packet.descriptor;
        let sequence = slot.output.next_rtx_sequence();
        let fields = RtpFields { marker, payload_type, sequence, timestamp: sent.timestamp, ssrc };
        let payload = packet.rtx_payload(sent.sequence, sent.picture_id, sent.tl0_picture_index);
        let ids = &receiver.agreement.video_extensions;
        let size = payload.len() + 12 + 16;
        let transport_cc = ids.id(ExtensionKind::TransportCc).map(|_| receiver.estimate.send(size, now_us));
        self.header.write(
            &fields,
            &OutgoingExtensions {
                audio_level: None,
                video_orientation,
                abs_send_time: Some(abs_send_time(now_us)),
                transport_cc,
                dependency_descriptor: (!descriptor.is_empty()).then_some((descriptor, sent.frame_number)),
            },
            ids,
            false,
        );
        receiver.counts.retransmissions_sent += 1;
        receiver.counts.packets_sent += 1;
        receiver.counts.bytes_sent += payload.len() as u64;
        receiver.send_rate.add(size, now_us);
        out.rtp(to, self.header.bytes(), payload);
        size
    }

    /// A receiver asks for a keyframe of one of its streams.
    fn keyframe_wanted(&mut self, now_us: u64, from: EndpointIndex, media_ssrc: u32, out: &mut dyn Egress) {
        let Some(member) = self.get_mut(from) else {
            return;
        };
        let rtt_us = member.rtt_us;
        let Some(slot) = member.video.iter_mut().find(|slot| slot.output.ssrc == media_ssrc) else {
            return;
        };
        let (Some(source), owner) = (slot.source, slot.owner) else {
            return;
        };
        if slot.asked.may_ask(now_us, rtt_us) {
            slot.asked.asked(now_us);
            self.ask_owner(now_us, owner, source, out);
        }
    }

    /// Asks the owner of a source for a keyframe.
    pub(super) fn ask_owner(&mut self, now_us: u64, owner: EndpointIndex, source: SourceId, out: &mut dyn Egress) {
        let Some(mut sender) = self.endpoints.get_mut(owner.get()).and_then(Option::take) else {
            return;
        };
        if let Some(at) = sender.sources.iter().position(|other| other.id == source) {
            self.ask_keyframe(now_us, &mut sender, owner, at, out);
        }
        self.endpoints[owner.get()] = Some(sender);
    }

    /// Asks for a keyframe unless it was done just now. All encodings answer a request for the lowest.
    pub(super) fn ask_keyframe(
        &mut self,
        now_us: u64,
        sender: &mut Endpoint,
        owner: EndpointIndex,
        at: usize,
        out: &mut dyn Egress,
    ) {
        if !sender.connected {
            return;
        }
        let source = &mut sender.sources[at];
        if !source.keyframes.ask(now_us) {
            return;
        }
        let media_ssrc = source.encodings[0].ssrc;
        let feedback_ssrc = self.config.video_feedback_ssrc;
        self.rtcp.clear();
        let agreed = |which: fn(&Feedback) -> bool| sender.agreement.any_feedback(which);
        if agreed(|feedback| feedback.pli) || !agreed(|feedback| feedback.fir) {
            self.rtcp.pli(feedback_ssrc, media_ssrc);
        } else {
            let number = source.keyframes.next_fir_number();
            self.rtcp.fir(feedback_ssrc, media_ssrc, number);
        }
        out.rtcp(owner, self.rtcp.bytes());
    }

    /// Tells an endpoint what arrived of its streams, and asks again for what did not.
    pub(super) fn report_reception(&mut self, now_us: u64, to: EndpointIndex, full: bool, out: &mut dyn Egress) {
        let feedback_ssrc = self.config.video_feedback_ssrc;
        let Some(member) =
            self.endpoints.get_mut(to.get()).and_then(Option::as_deref_mut).filter(|member| member.connected)
        else {
            return;
        };
        if member.arrivals.due_at_us().is_some_and(|at| now_us >= at) {
            member.arrivals.report(feedback_ssrc, now_us, &mut self.rtcp, |compound| out.rtcp(to, compound));
        }
        for source in member.sources.iter_mut().filter(|source| source.kind == MediaKind::Video) {
            for encoding in &mut source.encodings {
                if encoding.stream.missing.is_empty() {
                    continue;
                }
                let mut numbers = [0; 128];
                let count = encoding.stream.missing.ask(now_us, &mut numbers);
                if count > 0 {
                    self.rtcp.clear();
                    self.rtcp.nack(feedback_ssrc, encoding.ssrc, &numbers[..count]);
                    out.rtcp(to, self.rtcp.bytes());
                }
            }
        }
        if !full {
            return;
        }
        let mut blocks = [ReportBlock::default(); REPORT_BLOCKS_MAX];
        let mut count = 0;
        for encoding in member.sources.iter_mut().flat_map(|source| &mut source.encodings) {
            if let Some(block) = encoding.stream.report(encoding.ssrc, now_us) {
                blocks[count] = block;
                count += 1;
            }
            if count == REPORT_BLOCKS_MAX {
                self.rtcp.clear();
                self.rtcp.receiver_report(feedback_ssrc, &blocks);
                out.rtcp(to, self.rtcp.bytes());
                count = 0;
            }
        }
        if count > 0 {
            self.rtcp.clear();
            self.rtcp.receiver_report(feedback_ssrc, &blocks[..count]);
            out.rtcp(to, self.rtcp.bytes());
        }
    }
}

impl Endpoint {
    fn audio_report(
        &mut self,
        slot: usize,
        source: SourceId,
        info: &SenderInfo,
        now_us: u64,
    ) -> Option<(u32, SenderInfo)> {
        let slot = self.audio.get_mut(slot).filter(|slot| slot.source == Some(source))?;
        let rtp_timestamp = slot.output.map_timestamp(info.rtp_timestamp)?;
        slot.output.reports.sent(info.compact_ntp(), now_us);
        let info =
            SenderInfo { ntp: info.ntp, rtp_timestamp, packets: slot.output.packets, octets: slot.output.octets };
        Some((slot.output.ssrc, info))
    }

    fn video_report(
        &mut self,
        slot: usize,
        source: SourceId,
        encoding: u8,
        info: &SenderInfo,
        now_us: u64,
    ) -> Option<(u32, SenderInfo)> {
        let slot = self.video.get_mut(slot).filter(|slot| slot.source == Some(source))?;
        let rtp_timestamp = slot.output.map_timestamp(encoding, info.rtp_timestamp)?;
        slot.output.reports.sent(info.compact_ntp(), now_us);
        let info =
            SenderInfo { ntp: info.ntp, rtp_timestamp, packets: slot.output.packets, octets: slot.output.octets };
        Some((slot.output.ssrc, info))
    }
}
