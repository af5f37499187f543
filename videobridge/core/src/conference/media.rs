//! The way of one media packet from its sender to all receivers.

use std::time::Instant;

use protocol::bridge_channel::{AudioSourceMapping, AudioSourcesMap};
use protocol::ids::Ssrc;

use super::member::{AudioSlot, Endpoint};
use super::source::{Listener, NO_SLOT, Source};
use super::{AUDIO_SLOTS_MAX, Conference, ConferenceConfig, Random};
use crate::codec::{Codec, VideoPayload};
use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{Arrival, MediaKind, PayloadType};
use crate::forward::{AudioOutput, CachedFields, ContinuityMap, Decision, SourcePacket};
use crate::rtp::{ExtensionKind, ExtensionValues, HeaderBuffer, OutgoingExtensions, RtpFields, RtpPacket};

/// RFC 6464 level of digital silence.
const LEVEL_SILENCE: u8 = 127;
/// Silent packets that are forwarded before the rest is left out.
const SILENT_MAX: u8 = 3;
/// An audio stream to which nothing was sent for this long may be given to another source, µs.
const AUDIO_SLOT_IDLE_US: u64 = 2_000_000;
/// While media flows there is a tick at least this long after the last packet, µs.
const BUSY_US: u64 = 1_000_000;
/// A sender whose numbers jump further began to count anew. Receivers would guess the wrong roll-over count (RFC 3711
/// §3.3.1) if the jump was passed on.
const NUMBERS_JUMP_MAX: u64 = 2_000;
/// Bytes that SRTP adds to a packet (RFC 7714 tag).
const SRTP_OVERHEAD: usize = 16;

/// Time of sending in 6.18 fixed point seconds, 24 bits.
pub(super) const fn abs_send_time(now_us: u64) -> u32 {
    (((now_us << 18) / 1_000_000) & 0x00ff_ffff) as u32
}

/// What the parts of the packet path share.
pub(super) struct Path<'a> {
    pub(super) endpoints: &'a mut [Option<Box<Endpoint>>],
    pub(super) header: &'a mut HeaderBuffer,
    pub(super) now_us: u64,
}

impl Conference {
    /// Takes a decrypted RTP packet from an endpoint.
    pub fn handle_rtp(&mut self, now: Instant, from: EndpointIndex, packet: &[u8], out: &mut dyn Egress) {
        let now_us = self.micros(now);
        let Some(mut sender) = self.endpoints.get_mut(from.get()).and_then(Option::take) else {
            return;
        };
        self.busy_until_us = now_us + BUSY_US;
        self.schedule_tick(now_us);
        self.receive(now_us, &mut sender, from, packet, out);
        self.endpoints[from.get()] = Some(sender);
    }

    fn receive(&mut self, now_us: u64, sender: &mut Endpoint, from: EndpointIndex, bytes: &[u8], out: &mut dyn Egress) {
        sender.note_activity(now_us);
        sender.counts.packets_received += 1;
        sender.counts.bytes_received += bytes.len() as u64;
        sender.receive_rate.add(bytes.len(), now_us);
        let Ok(packet) = RtpPacket::parse(bytes) else {
            sender.counts.packets_dropped += 1;
            return;
        };
        let Some(payload_type) = sender.agreement.payload_type(packet.payload_type) else {
            sender.counts.packets_dropped += 1;
            return;
        };
        let values = ExtensionValues::read(&packet, sender.agreement.extensions(payload_type.kind));
        if let Some(number) = values.transport_cc
            && sender.arrivals.arrived(number, packet.ssrc, packet.marker, now_us)
        {
            let feedback_ssrc = self.config.video_feedback_ssrc;
            sender.arrivals.report(feedback_ssrc, now_us, &mut self.rtcp, |compound| out.rtcp(from, compound));
        }
        // Only what the endpoint itself signalled: nobody speaks for another.
        let Some(role) = sender.role(packet.ssrc) else {
            sender.counts.packets_dropped += 1;
            return;
        };
        let source = &sender.sources[role.source];
        if source.kind != payload_type.kind || sender.visitor {
            sender.counts.packets_dropped += 1;
            return;
        }
        let (packet, payload_type) = if payload_type.codec == Codec::Rtx {
            let original = payload_type.associated.filter(|_| role.retransmission);
            let inner = original.and_then(|original| {
                let ssrc = source.encodings[role.encoding].ssrc;
                Some((packet.unwrap_rtx(ssrc, original)?, sender.agreement.payload_type(original)?))
            });
            match inner {
                Some(inner) => inner,
                // Nothing inside: a probe.
                None => return,
            }
        } else if role.retransmission {
            sender.counts.packets_dropped += 1;
            return;
        } else {
            (packet, payload_type)
        };
        match payload_type.kind {
            MediaKind::Audio => {
                self.receive_audio(now_us, sender, from, role.source, &packet, &values, payload_type, out);
            }
            MediaKind::Video => {
                let retransmitted = role.retransmission;
                self.receive_video(
                    now_us,
                    sender,
                    from,
                    (role.source, role.encoding),
                    &packet,
                    &values,
                    payload_type,
                    retransmitted,
                    out,
                );
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one packet with what was read of it, on the hot path")]
    fn receive_audio(
        &mut self,
        now_us: u64,
        sender: &mut Endpoint,
        from: EndpointIndex,
        at: usize,
        packet: &RtpPacket<'_>,
        values: &ExtensionValues<'_>,
        payload_type: PayloadType,
        out: &mut dyn Egress,
    ) {
        let mute = sender.mute_audio;
        let source = &mut sender.sources[at];
        let encoding = &mut source.encodings[0];
        let arrival =
            encoding.stream.arrived(packet.sequence, packet.timestamp, payload_type.clock_rate, false, now_us);
        let Arrival::New(number) = arrival else {
            sender.counts.packets_dropped += 1;
            return;
        };
        let numbers = encoding.numbers.get_or_insert_with(|| ContinuityMap::new(number, number));
        if number > numbers.highest() + NUMBERS_JUMP_MAX {
            numbers.restart(number);
        }
        let level = values.audio_level.map(|level| level & 0x7f);
        source.silent = match level {
            Some(LEVEL_SILENCE) => source.silent.saturating_add(1),
            _ => 0,
        };
        if mute || packet.payload().is_empty() || source.silent > SILENT_MAX {
            numbers.leave_out(number);
            return;
        }
        let Some(sequence) = numbers.take(number) else {
            return;
        };
        if let Some(level) = level.filter(|_| !source.synthetic)
            && self.speech.level(from, level, now_us)
        {
            self.wakes_at_us = Some(now_us);
            self.stats.speakers_to_announce = true;
        }
        if let Some(count) = self.config.loudest
            && !source.synthetic
            && self.speech.dominant() != Some(from)
            && !self.speech.is_among_loudest(from, count, now_us)
        {
            // A hole would be concealed as loss.
            return;
        }
        let audio = AudioPacket { packet, level: values.audio_level, sequence };
        let mut path = Path { endpoints: &mut self.endpoints, header: &mut self.header, now_us };
        let mut listeners = std::mem::take(&mut source.listeners);
        for listener in &mut listeners {
            path.forward_audio(&mut self.random, &self.config, (sender, from, at), listener, &audio, out);
        }
        sender.sources[at].listeners = listeners;
    }

    #[expect(clippy::too_many_arguments, reason = "one packet with what was read of it, on the hot path")]
    fn receive_video(
        &mut self,
        now_us: u64,
        sender: &mut Endpoint,
        from: EndpointIndex,
        (at, encoding_at): (usize, usize),
        packet: &RtpPacket<'_>,
        values: &ExtensionValues<'_>,
        payload_type: PayloadType,
        retransmitted: bool,
        out: &mut dyn Egress,
    ) {
        let mute = sender.mute_video;
        let source = &mut sender.sources[at];
        let encoding = &mut source.encodings[encoding_at];
        let arrival =
            encoding.stream.arrived(packet.sequence, packet.timestamp, payload_type.clock_rate, retransmitted, now_us);
        let Arrival::New(number) = arrival else {
            return;
        };
        if encoding.stream.missing.arrived(number) && payload_type.feedback.nack {
            let mut numbers = [0; 128];
            let count = encoding.stream.missing.ask(now_us, &mut numbers);
            self.rtcp.clear();
            self.rtcp.nack(self.config.video_feedback_ssrc, encoding.ssrc, &numbers[..count]);
            out.rtcp(from, self.rtcp.bytes());
        }
        let numbers = encoding.numbers.get_or_insert_with(|| ContinuityMap::new(number, number));
        if number > numbers.highest() + NUMBERS_JUMP_MAX {
            numbers.restart(number);
        }
        if mute || packet.payload().is_empty() {
            numbers.leave_out(number);
            return;
        }
        let Some(payload) = VideoPayload::read(payload_type.codec, packet.payload(), values) else {
            numbers.leave_out(number);
            sender.counts.packets_dropped += 1;
            return;
        };
        let Some(sequence) = numbers.take(number) else {
            return;
        };
        if encoding.codec != Some(payload_type.codec) {
            if !payload.starts_keyframe && encoding.codec.is_some() {
                // What is left of the codec before.
                return;
            }
            encoding.codec = Some(payload_type.codec);
            encoding.restart_pictures();
            self.wakes_at_us = Some(now_us);
            self.stats.reallocate = true;
        }
        if !encoding.active {
            encoding.active = true;
            self.wakes_at_us = Some(now_us);
            self.stats.reallocate = true;
        }
        if payload.starts_keyframe {
            sender.counts.keyframes_received += 1;
            if let Some((width, height)) = payload.dimensions {
                encoding.height = Some(i32::from(width.min(height)));
            }
        }
        let temporal = usize::from(payload.temporal_id).min(encoding.rates.len() - 1);
        encoding.rates[temporal].add(packet.payload().len() + RtpPacket::FIXED_LEN, now_us);
        let picture = payload.picture_id.map_or(0, |id| encoding.picture(id.value, id.long));
        let cache = &mut encoding.cache;
        let fields = CachedFields {
            payload_type: packet.payload_type,
            marker: packet.marker,
            video_orientation: values.video_orientation,
            payload,
        };
        let descriptor = values.dependency_descriptor.unwrap_or(&[]);
        let Some(cached) = cache.push(now_us, fields, descriptor, packet.payload()) else {
            sender.counts.packets_dropped += 1;
            return;
        };
        let Some(mut kept) = cache.get(cached) else {
            return;
        };
        let source_packet = SourcePacket {
            encoding: encoding_at as u8,
            codec: payload_type.codec,
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            picture,
            payload,
        };
        let mut wants_keyframe = false;
        for listener in &source.listeners {
            let Some(receiver) = self.endpoints.get_mut(listener.receiver.get()).and_then(Option::as_deref_mut) else {
                continue;
            };
            if !receiver.agreement.accepts(packet.payload_type) {
                continue;
            }
            let Some(slot) = receiver.video.get_mut(listener.slot).filter(|slot| slot.source == Some(source.id)) else {
                continue;
            };
            let decision = slot.output.offer(&source_packet, now_us);
            if slot.output.needs_keyframe(now_us) && slot.needed.may_ask(now_us, receiver.rtt_us) {
                slot.needed.asked(now_us);
                wants_keyframe = true;
            }
            let Decision::Forward(forward) = decision else {
                continue;
            };
            let octets = packet.payload().len();
            slot.output.record(&forward, source_packet.encoding, cached, octets, now_us);
            let ids = &receiver.agreement.video_extensions;
            let transport_cc = ids
                .id(ExtensionKind::TransportCc)
                .map(|_| receiver.estimate.send(octets + RtpPacket::FIXED_LEN + SRTP_OVERHEAD, now_us));
            self.header.write(
                &RtpFields {
                    marker: packet.marker,
                    payload_type: packet.payload_type,
                    sequence: forward.sequence,
                    timestamp: forward.timestamp,
                    ssrc: slot.output.ssrc,
                },
                &OutgoingExtensions {
                    audio_level: None,
                    video_orientation: values.video_orientation,
                    abs_send_time: Some(abs_send_time(now_us)),
                    transport_cc,
                    dependency_descriptor: values.dependency_descriptor.map(|raw| (raw, forward.frame_number)),
                },
                ids,
                false,
            );
            receiver.counts.packets_sent += 1;
            receiver.counts.bytes_sent += octets as u64;
            receiver.send_rate.add(octets + RtpPacket::FIXED_LEN, now_us);
            out.rtp(
                listener.receiver,
                self.header.bytes(),
                kept.payload(forward.picture_id, forward.tl0_picture_index),
            );
        }
        if wants_keyframe {
            self.ask_keyframe(now_us, sender, from, at, out);
        }
    }
}

struct AudioPacket<'a, 'b> {
    packet: &'a RtpPacket<'b>,
    level: Option<u8>,
    sequence: u64,
}

impl Path<'_> {
    fn forward_audio(
        &mut self,
        random: &mut Random,
        config: &ConferenceConfig,
        (sender, from, at): (&Endpoint, EndpointIndex, usize),
        listener: &mut Listener,
        audio: &AudioPacket<'_, '_>,
        out: &mut dyn Egress,
    ) {
        let source = &sender.sources[at];
        let packet = audio.packet;
        let Some(receiver) = self.endpoints.get_mut(listener.receiver.get()).and_then(Option::as_deref_mut) else {
            return;
        };
        if !receiver.agreement.accepts(packet.payload_type) {
            return;
        }
        let bound = receiver.audio.get(listener.slot).is_some_and(|slot| slot.source == Some(source.id));
        if !bound {
            listener.slot = NO_SLOT;
            let Some(slot) = bind_audio(random, config, receiver, source, from, self.now_us) else {
                return;
            };
            listener.slot = slot;
            if receiver.rewrites_ssrcs {
                let mapping = AudioSourceMapping {
                    source: source.name.clone(),
                    owner: sender.id.clone(),
                    ssrc: Ssrc(receiver.audio[slot].output.ssrc),
                    mid: None,
                };
                let mapped_sources = vec![mapping];
                Conference::send_message(receiver, listener.receiver, AudioSourcesMap { mapped_sources }, out);
            }
        }
        let slot = &mut receiver.audio[listener.slot];
        let octets = packet.payload().len();
        let mapped = slot.output.map(audio.sequence, packet.timestamp, octets, self.now_us);
        let Some((sequence, timestamp)) = mapped else {
            return;
        };
        let ids = &receiver.agreement.audio_extensions;
        let transport_cc = ids
            .id(ExtensionKind::TransportCc)
            .map(|_| receiver.estimate.send(octets + RtpPacket::FIXED_LEN + SRTP_OVERHEAD, self.now_us));
        self.header.write(
            &RtpFields {
                marker: packet.marker,
                payload_type: packet.payload_type,
                sequence,
                timestamp,
                ssrc: slot.output.ssrc,
            },
            &OutgoingExtensions {
                audio_level: audio.level,
                abs_send_time: Some(abs_send_time(self.now_us)),
                transport_cc,
                ..OutgoingExtensions::default()
            },
            ids,
            false,
        );
        receiver.counts.packets_sent += 1;
        receiver.counts.bytes_sent += octets as u64;
        receiver.send_rate.add(octets + RtpPacket::FIXED_LEN, self.now_us);
        receiver.audio_send_rate.add(octets + RtpPacket::FIXED_LEN, self.now_us);
        out.rtp(listener.receiver, self.header.bytes(), packet.payload());
    }
}

/// An outgoing audio stream for `source`: the one it had, an unused one, a new one, or the one idle for longest.
fn bind_audio(
    random: &mut Random,
    config: &ConferenceConfig,
    receiver: &mut Endpoint,
    source: &Source,
    owner: EndpointIndex,
    now_us: u64,
) -> Option<usize> {
    let rewrites = receiver.rewrites_ssrcs;
    // Numbers continue on an SSRC that was sent before, or SRTP would refuse them as sent already.
    let free = if rewrites {
        let same = |slot: &AudioSlot| slot.source.is_none() && slot.owner == owner && slot.name == source.name;
        let named = receiver.audio.iter().position(same);
        named.or_else(|| receiver.audio.iter().position(|slot| slot.source.is_none()))
    } else {
        receiver.audio.iter().position(|slot| slot.output.ssrc == source.encodings[0].ssrc)
    };
    let at = if let Some(at) = free {
        at
    } else if !rewrites || receiver.audio.len() < AUDIO_SLOTS_MAX {
        let ssrc = if rewrites { Conference::fresh_ssrc(random, config, receiver) } else { source.encodings[0].ssrc };
        receiver.audio.push(AudioSlot {
            source: None,
            owner,
            name: source.name.clone(),
            output: AudioOutput::new(ssrc),
        });
        receiver.audio.len() - 1
    } else {
        let (at, eldest) = receiver.audio.iter().enumerate().min_by_key(|(_, slot)| slot.output.sent_at_us)?;
        // A stream in use is never taken away.
        if now_us < eldest.output.sent_at_us + AUDIO_SLOT_IDLE_US {
            return None;
        }
        at
    };
    let slot = &mut receiver.audio[at];
    slot.source = Some(source.id);
    slot.owner = owner;
    slot.name = source.name.clone();
    slot.output.rebind();
    Some(at)
}
