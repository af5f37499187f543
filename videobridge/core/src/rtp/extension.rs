//! RTP header extensions (RFC 8285): which are negotiated under which id, and their values in one packet.

use super::header::RtpPacket;

/// Header extensions the bridge acts on or passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionKind {
    /// RFC 6464 client-to-mixer audio level.
    AudioLevel,
    /// 24-bit time of sending, 6.18 fixed point seconds.
    AbsSendTime,
    /// Transport-wide sequence number.
    TransportCc,
    /// RFC 8843 media identification.
    Mid,
    /// RFC 8852 stream id.
    Rid,
    /// RFC 8852 id of the stream that a retransmission belongs to.
    RepairedRid,
    /// AV1 RTP dependency descriptor.
    DependencyDescriptor,
    /// 3GPP coordination of video orientation.
    VideoOrientation,
    /// Target bitrates of all layers.
    VideoLayersAllocation,
}

impl ExtensionKind {
    /// The extension that a URI names, if the bridge knows it.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri {
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => Self::AudioLevel,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => Self::AbsSendTime,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" => Self::TransportCc,
            "urn:ietf:params:rtp-hdrext:sdes:mid" => Self::Mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => Self::Rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => Self::RepairedRid,
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension" => {
                Self::DependencyDescriptor
            }
            "urn:3gpp:video-orientation" => Self::VideoOrientation,
            "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00" => Self::VideoLayersAllocation,
            _ => return None,
        })
    }
}

/// Extension ids of one endpoint: both directions of the map.
#[derive(Debug, Clone)]
pub struct ExtensionIds {
    by_id: [Option<ExtensionKind>; 256],
    by_kind: [u8; 9],
    /// Whether one-byte and two-byte forms may be mixed (RFC 8285 §4.1.2, `extmap-allow-mixed`).
    pub allow_mixed: bool,
}

impl Default for ExtensionIds {
    fn default() -> Self {
        Self { by_id: [None; 256], by_kind: [0; 9], allow_mixed: false }
    }
}

impl ExtensionIds {
    /// Registers `id` (1–255; 0 is padding and 15 is reserved in the one-byte form) for `kind`.
    pub fn set(&mut self, id: u8, kind: ExtensionKind) {
        if id == 0 || id == 15 {
            return;
        }
        let old = self.by_kind[kind as usize];
        if old != 0 {
            self.by_id[usize::from(old)] = None;
        }
        if let Some(previous) = self.by_id[usize::from(id)] {
            self.by_kind[previous as usize] = 0;
        }
        self.by_id[usize::from(id)] = Some(kind);
        self.by_kind[kind as usize] = id;
    }

    /// The id negotiated for `kind`; `None` when it was not.
    #[must_use]
    pub const fn id(&self, kind: ExtensionKind) -> Option<u8> {
        match self.by_kind[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// What `id` stands for.
    #[must_use]
    pub const fn kind(&self, id: u8) -> Option<ExtensionKind> {
        self.by_id[id as usize]
    }
}

/// Iterator over `(id, value)` of an extension block. A malformed tail ends it.
#[derive(Debug, Clone)]
pub struct ExtensionElements<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> ExtensionElements<'a> {
    pub(super) const fn new(profile: u16, block: &'a [u8]) -> Self {
        let two_byte = profile & 0xfff0 == 0x1000;
        let rest: &[u8] = if profile == 0xbede || two_byte { block } else { &[] };
        Self { rest, two_byte }
    }
}

impl<'a> Iterator for ExtensionElements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            if head == 0 {
                self.rest = rest;
                continue;
            }
            let (id, len, rest) = if self.two_byte {
                let (&len, rest) = rest.split_first()?;
                (head, usize::from(len), rest)
            } else {
                // Id 15 ends processing of the block (RFC 8285 §4.2).
                if head >> 4 == 15 {
                    self.rest = &[];
                    return None;
                }
                (head >> 4, usize::from(head & 0x0f) + 1, rest)
            };
            let Some(value) = rest.get(..len) else {
                self.rest = &[];
                return None;
            };
            self.rest = &rest[len..];
            return Some((id, value));
        }
    }
}

/// Values of the known extensions in one packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtensionValues<'a> {
    /// Voice flag in the top bit, level in −dBov below it (RFC 6464).
    pub audio_level: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// Raw dependency descriptor.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// Orientation byte.
    pub video_orientation: Option<u8>,
    /// Stream id.
    pub rid: Option<&'a [u8]>,
    /// Time of sending, 6.18 fixed point seconds.
    pub abs_send_time: Option<u32>,
}

impl<'a> ExtensionValues<'a> {
    /// Reads the extensions of `packet` under the sender's ids.
    #[must_use]
    pub fn read(packet: &RtpPacket<'a>, ids: &ExtensionIds) -> Self {
        let mut values = Self::default();
        for (id, value) in packet.extensions() {
            match (ids.kind(id), value) {
                (Some(ExtensionKind::AudioLevel), [level, ..]) => values.audio_level = Some(*level),
                (Some(ExtensionKind::TransportCc), [high, low, ..]) => {
                    values.transport_cc = Some(u16::from_be_bytes([*high, *low]));
                }
                (Some(ExtensionKind::DependencyDescriptor), [_, _, _, ..]) => {
                    values.dependency_descriptor = Some(value);
                }
                (Some(ExtensionKind::VideoOrientation), [orientation, ..]) => {
                    values.video_orientation = Some(*orientation);
                }
                (Some(ExtensionKind::Rid), value) => values.rid = Some(value),
                (Some(ExtensionKind::AbsSendTime), [a, b, c]) => {
                    values.abs_send_time = Some(u32::from_be_bytes([0, *a, *b, *c]));
                }
                _ => {}
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(profile: u16, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
        ExtensionElements::new(profile, block).map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn one_byte_form() {
        assert_eq!(elements(0xbede, &[0x10, 9, 0, 0x51, 1, 2, 0]), vec![(1, vec![9]), (5, vec![1, 2])]);
    }

    #[test]
    fn two_byte_form_with_app_bits_and_empty_value() {
        assert_eq!(elements(0x1003, &[20, 2, 1, 2, 0, 7, 0]), vec![(20, vec![1, 2]), (7, vec![])]);
    }

    #[test]
    fn malformed_tails_end_the_block() {
        assert_eq!(elements(0xbede, &[0x10, 9, 0x5f, 1]), vec![(1, vec![9])]);
        assert_eq!(elements(0xbede, &[0xf0, 9, 0x10, 9]), vec![]);
        assert_eq!(elements(0x1000, &[4]), vec![]);
        assert_eq!(elements(0x4444, &[0x10, 9]), vec![]);
    }

    #[test]
    fn ids_are_one_to_one() {
        let mut ids = ExtensionIds::default();
        ids.set(5, ExtensionKind::TransportCc);
        ids.set(6, ExtensionKind::TransportCc);
        assert_eq!(ids.kind(5), None);
        assert_eq!(ids.id(ExtensionKind::TransportCc), Some(6));
        ids.set(6, ExtensionKind::Mid);
        assert_eq!(ids.id(ExtensionKind::TransportCc), None);
        ids.set(0, ExtensionKind::Rid);
        ids.set(15, ExtensionKind::Rid);
        assert_eq!(ids.id(ExtensionKind::Rid), None);
    }
}
