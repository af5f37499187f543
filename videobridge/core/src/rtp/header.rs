//! The RTP header, read where it lies.

use super::extension::ExtensionElements;

/// Why a datagram is not a usable RTP packet. Always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its own header fields say.
    #[error("RTP packet is truncated")]
    Truncated,
    /// Version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// The padding count is zero or larger than the payload.
    #[error("RTP padding does not fit the packet")]
    Padding,
}

/// Whether a decrypted media packet is RTCP, by its packet type (RFC 5761 §4).
#[must_use]
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 2 && (192..=223).contains(&packet[1])
}

/// A parsed RTP packet: fields by value, extensions and payload as ranges of the original bytes.
#[derive(Debug, Clone, Copy)]
pub struct RtpPacket<'a> {
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
    extension_profile: u16,
    extension: &'a [u8],
    payload: &'a [u8],
    padding_len: usize,
}

impl<'a> RtpPacket<'a> {
    /// Length of the header without contributing sources and extensions.
    pub const FIXED_LEN: usize = 12;

    /// Reads a packet; padding is already taken off the payload.
    ///
    /// # Errors
    /// [`RtpError`] when the bytes do not form an RTP packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        if bytes.len() < Self::FIXED_LEN {
            return Err(RtpError::Truncated);
        }
        let first = bytes[0];
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut offset = Self::FIXED_LEN + 4 * usize::from(first & 0x0f);
        let mut extension_profile = 0;
        let mut extension: &[u8] = &[];
        if first & 0x10 != 0 {
            let head = bytes.get(offset..offset + 4).ok_or(RtpError::Truncated)?;
            extension_profile = u16::from_be_bytes([head[0], head[1]]);
            let len = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            extension = bytes.get(offset + 4..offset + 4 + len).ok_or(RtpError::Truncated)?;
            offset += 4 + len;
        }
        let mut payload = bytes.get(offset..).ok_or(RtpError::Truncated)?;
        let mut padding_len = 0;
        if first & 0x20 != 0 {
            padding_len = usize::from(*payload.last().ok_or(RtpError::Padding)?);
            if padding_len == 0 || padding_len > payload.len() {
                return Err(RtpError::Padding);
            }
            payload = &payload[..payload.len() - padding_len];
        }
        Ok(Self {
            marker: bytes[1] & 0x80 != 0,
            payload_type: bytes[1] & 0x7f,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            extension_profile,
            extension,
            payload,
            padding_len,
        })
    }

    /// The payload without padding.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes of padding that were on the packet.
    #[must_use]
    pub const fn padding_len(&self) -> usize {
        self.padding_len
    }

    /// Header extension elements, one-byte or two-byte form as the profile says.
    #[must_use]
    pub const fn extensions(&self) -> ExtensionElements<'a> {
        ExtensionElements::new(self.extension_profile, self.extension)
    }

    /// The packet that an RTX packet (RFC 4588) carries: original number from the payload's first two bytes.
    ///
    /// `None` when nothing is carried, which senders use as padding to probe bandwidth.
    #[must_use]
    pub fn unwrap_rtx(&self, primary_ssrc: u32, payload_type: u8) -> Option<Self> {
        let (number, payload) = self.payload.split_first_chunk::<2>()?;
        if payload.is_empty() {
            return None;
        }
        Some(Self { payload_type, sequence: u16::from_be_bytes(*number), ssrc: primary_ssrc, payload, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{ExtensionIds, ExtensionKind, ExtensionValues};

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 100, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn fixed_header() {
        let bytes = packet(0x80, b"abc");
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(packet.marker);
        assert_eq!(packet.payload_type, 100);
        assert_eq!(packet.sequence, 0x1234);
        assert_eq!(packet.timestamp, 9);
        assert_eq!(packet.ssrc, 0xdead_beef);
        assert_eq!(packet.payload(), b"abc");
    }

    #[test]
    fn contributing_sources_extension_and_padding() {
        let bytes = packet(0xb1, &[1, 1, 1, 1, 0xbe, 0xde, 0, 1, 0x10, 0x85, 0, 0, 7, 8, 0, 0, 3]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.payload(), &[7, 8]);
        assert_eq!(packet.padding_len(), 3);
        let mut ids = ExtensionIds::default();
        ids.set(1, ExtensionKind::AudioLevel);
        let values = ExtensionValues::read(&packet, &ids);
        assert_eq!(values.audio_level, Some(0x85));
    }

    #[test]
    fn refusals() {
        for (bytes, error) in [
            (vec![0x80; 11], RtpError::Truncated),
            (packet(0x40, b""), RtpError::Version),
            (packet(0x90, &[0xbe, 0xde, 0, 9]), RtpError::Truncated),
            (packet(0x8f, b""), RtpError::Truncated),
            (packet(0xa0, &[1, 2, 9]), RtpError::Padding),
            (packet(0xa0, &[1, 2, 0]), RtpError::Padding),
            (packet(0xa0, &[]), RtpError::Padding),
        ] {
            assert_eq!(RtpPacket::parse(&bytes).unwrap_err(), error, "{bytes:?}");
        }
    }

    #[test]
    fn rtx() {
        let bytes = packet(0x80, &[0xab, 0xcd, 1, 2, 3]);
        let inner = RtpPacket::parse(&bytes).unwrap().unwrap_rtx(77, 101).unwrap();
        assert_eq!((inner.ssrc, inner.payload_type, inner.sequence), (77, 101, 0xabcd));
        assert_eq!(inner.payload(), &[1, 2, 3]);
        let empty = packet(0x80, &[0xab, 0xcd]);
        assert!(RtpPacket::parse(&empty).unwrap().unwrap_rtx(77, 101).is_none());
    }

    #[test]
    fn rtcp_by_type() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(is_rtcp(&[0x80, 206]));
        assert!(!is_rtcp(&[0x80, 100]));
        assert!(!is_rtcp(&[0x80, 0x80 | 111]));
        assert!(!is_rtcp(&[0x80]));
    }
}
