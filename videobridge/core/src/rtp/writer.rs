//! Writes the RTP header of a forwarded packet into a buffer that is reused for every packet.

use super::extension::{ExtensionIds, ExtensionKind};

/// Longest header the bridge writes: fixed part, extension head, and every extension at its longest.
pub const HEADER_LEN_MAX: usize = 12 + 4 + 2 + 255 + 32;

/// Fields of the fixed header of an outgoing packet.
#[derive(Debug, Clone, Copy)]
pub struct RtpFields {
    /// Marker bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Extensions of an outgoing packet. Those without an id at the receiver are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutgoingExtensions<'a> {
    /// RFC 6464 byte.
    pub audio_level: Option<u8>,
    /// Orientation byte.
    pub video_orientation: Option<u8>,
    /// Time of sending, 6.18 fixed point seconds, 24 bits.
    pub abs_send_time: Option<u32>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// Raw dependency descriptor, and the frame number to write into it.
    pub dependency_descriptor: Option<(&'a [u8], u16)>,
}

/// A header under construction.
#[derive(Debug, Clone)]
pub struct HeaderBuffer {
    bytes: [u8; HEADER_LEN_MAX],
    len: usize,
}

impl Default for HeaderBuffer {
    fn default() -> Self {
        Self { bytes: [0; HEADER_LEN_MAX], len: 0 }
    }
}

impl HeaderBuffer {
    /// The header written last.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes a header with `extensions` under the receiver's `ids`; `padding` sets the padding bit.
    pub fn write(
        &mut self,
        fields: &RtpFields,
        extensions: &OutgoingExtensions<'_>,
        ids: &ExtensionIds,
        padding: bool,
    ) {
        let bytes = &mut self.bytes;
        bytes[0] = 0x80 | if padding { 0x20 } else { 0 };
        bytes[1] = (fields.payload_type & 0x7f) | if fields.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&fields.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&fields.ssrc.to_be_bytes());

        let descriptor = extensions
            .dependency_descriptor
            .and_then(|(value, number)| ids.id(ExtensionKind::DependencyDescriptor).map(|id| (id, value, number)));
        // The one-byte form holds ids up to 14 and values of 1 to 16 bytes; only a descriptor that carries its
        // template structure is longer, and it is dropped where mixing the forms was not agreed.
        let long = |id: u8, len: usize| id > 14 || len > 16;
        let descriptor =
            descriptor.filter(|&(id, value, _)| value.len() <= 255 && (ids.allow_mixed || !long(id, value.len())));
        let two_byte = ids.allow_mixed
            && (descriptor.is_some_and(|(id, value, _)| long(id, value.len()))
                || [
                    (extensions.audio_level.is_some(), ExtensionKind::AudioLevel),
                    (extensions.video_orientation.is_some(), ExtensionKind::VideoOrientation),
                    (extensions.abs_send_time.is_some(), ExtensionKind::AbsSendTime),
                    (extensions.transport_cc.is_some(), ExtensionKind::TransportCc),
                ]
                .into_iter()
                .any(|(present, kind)| present && ids.id(kind).is_some_and(|id| id > 14)));

        let start = 16;
        let mut at = start;
        let mut put = |id: Option<u8>, value: &[u8]| -> Option<usize> {
            let id = id?;
            if two_byte {
                bytes[at] = id;
                bytes[at + 1] = u8::try_from(value.len()).ok()?;
                at += 2;
            } else {
                if id > 14 {
                    return None;
                }
                bytes[at] = (id << 4) | u8::try_from(value.len() - 1).ok()?;
                at += 1;
            }
            let place = at;
            bytes[place..place + value.len()].copy_from_slice(value);
            at += value.len();
            Some(place)
        };
        if let Some(time) = extensions.abs_send_time {
            put(ids.id(ExtensionKind::AbsSendTime), &time.to_be_bytes()[1..]);
        }
        if let Some(number) = extensions.transport_cc {
            put(ids.id(ExtensionKind::TransportCc), &number.to_be_bytes());
        }
        if let Some(level) = extensions.audio_level {
            put(ids.id(ExtensionKind::AudioLevel), &[level]);
        }
        if let Some(orientation) = extensions.video_orientation {
            put(ids.id(ExtensionKind::VideoOrientation), &[orientation]);
        }
        let numbered = descriptor.and_then(|(id, value, number)| put(Some(id), value).map(|place| (place, number)));
        if let Some((place, number)) = numbered {
            // The frame number follows the byte of start, end and template id (AV1 RTP specification, A.8.2).
            bytes[place + 1..place + 3].copy_from_slice(&number.to_be_bytes());
        }
        if at == start {
            self.len = 12;
            return;
        }
        while !(at - start).is_multiple_of(4) {
            bytes[at] = 0;
            at += 1;
        }
        bytes[0] |= 0x10;
        bytes[12..14].copy_from_slice(&if two_byte { [0x10, 0x00] } else { [0xbe, 0xde] });
        let words = u16::try_from((at - start) / 4).expect("bounded by the buffer");
        bytes[14..16].copy_from_slice(&words.to_be_bytes());
        self.len = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{ExtensionValues, RtpPacket};

    const FIELDS: RtpFields = RtpFields { marker: true, payload_type: 100, sequence: 7, timestamp: 8, ssrc: 9 };

    fn ids(pairs: &[(u8, ExtensionKind)]) -> ExtensionIds {
        let mut ids = ExtensionIds::default();
        ids.allow_mixed = true;
        for &(id, kind) in pairs {
            ids.set(id, kind);
        }
        ids
    }

    #[test]
    fn without_extensions() {
        let mut header = HeaderBuffer::default();
        header.write(&FIELDS, &OutgoingExtensions::default(), &ids(&[]), false);
        assert_eq!(header.bytes(), &[0x80, 0xe4, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9]);
    }

    #[test]
    fn round_trip_under_other_ids() {
        let all = [
            (3, ExtensionKind::AbsSendTime),
            (5, ExtensionKind::TransportCc),
            (1, ExtensionKind::AudioLevel),
            (13, ExtensionKind::VideoOrientation),
            (11, ExtensionKind::DependencyDescriptor),
        ];
        for long in [3, 17, 255] {
            let descriptor: Vec<u8> = (0..long).map(|i| i as u8).collect();
            let mut header = HeaderBuffer::default();
            let extensions = OutgoingExtensions {
                audio_level: Some(0x85),
                video_orientation: Some(1),
                abs_send_time: Some(0x00ab_cdef),
                transport_cc: Some(0x1234),
                dependency_descriptor: Some((&descriptor, 0xbeef)),
            };
            header.write(&FIELDS, &extensions, &ids(&all), false);
            let packet = RtpPacket::parse(header.bytes()).unwrap();
            let values = ExtensionValues::read(&packet, &ids(&all));
            assert_eq!(values.audio_level, Some(0x85));
            assert_eq!(values.video_orientation, Some(1));
            assert_eq!(values.abs_send_time, Some(0x00ab_cdef));
            assert_eq!(values.transport_cc, Some(0x1234));
            let read = values.dependency_descriptor.unwrap();
            assert_eq!(read.len(), long);
            assert_eq!(&read[1..3], &[0xbe, 0xef]);
            assert_eq!(read[0], descriptor[0]);
            assert_eq!(&read[3..], &descriptor[3..]);
        }
    }

    #[test]
    fn long_descriptor_is_dropped_without_mixed_forms() {
        let mut ids = ids(&[(11, ExtensionKind::DependencyDescriptor), (5, ExtensionKind::TransportCc)]);
        ids.allow_mixed = false;
        let mut header = HeaderBuffer::default();
        let extensions = OutgoingExtensions {
            transport_cc: Some(3),
            dependency_descriptor: Some((&[0; 40], 1)),
            ..OutgoingExtensions::default()
        };
        header.write(&FIELDS, &extensions, &ids, false);
        let packet = RtpPacket::parse(header.bytes()).unwrap();
        let values = ExtensionValues::read(&packet, &ids);
        assert_eq!(values.transport_cc, Some(3));
        assert_eq!(values.dependency_descriptor, None);
    }

    #[test]
    fn unnegotiated_are_left_out() {
        let mut header = HeaderBuffer::default();
        let extensions =
            OutgoingExtensions { audio_level: Some(1), transport_cc: Some(3), ..OutgoingExtensions::default() };
        header.write(&FIELDS, &extensions, &ids(&[(5, ExtensionKind::TransportCc)]), true);
        assert_eq!(header.bytes()[0], 0xb0);
        assert_eq!(&header.bytes()[12..], &[0xbe, 0xde, 0, 1, 0x51, 0, 3, 0]);
    }
}
