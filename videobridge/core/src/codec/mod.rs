//! What a forwarder must read of each video codec, and nothing more.

mod av1;
mod h264;
mod vp8;
mod vp9;

use crate::rtp::ExtensionValues;

/// Codec of a payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 2198 redundancy for audio.
    Red,
    /// RFC 4733.
    TelephoneEvent,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// AV1 RTP payload format.
    Av1,
    /// RFC 4588 retransmission of another payload type.
    Rtx,
}

impl Codec {
    /// The codec that an encoding name stands for (names are case-insensitive, RFC 4855 §3).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        const NAMES: [(&str, Codec); 8] = [
            ("opus", Codec::Opus),
            ("red", Codec::Red),
            ("telephone-event", Codec::TelephoneEvent),
            ("VP8", Codec::Vp8),
            ("VP9", Codec::Vp9),
            ("H264", Codec::H264),
            ("AV1", Codec::Av1),
            ("rtx", Codec::Rtx),
        ];
        NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, codec)| codec)
    }

    /// Whether it is a video codec of its own (RTX is not).
    #[must_use]
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1)
    }
}

/// A picture id and where in the payload it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// 7 or 15 bits.
    pub value: u16,
    /// Whether it has 15 bits.
    pub long: bool,
    /// Offset in the payload.
    pub offset: u8,
}

/// TL0PICIDX and where in the payload it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tl0PictureIndex {
    /// Running number of base layer frames.
    pub value: u8,
    /// Offset in the payload.
    pub offset: u8,
}

/// What one video packet says about its frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VideoPayload {
    /// The packet is the first of its frame (or layer frame).
    pub starts_frame: bool,
    /// The packet is the first of a frame that can be decoded without any other.
    pub starts_keyframe: bool,
    /// Temporal layer, 0 where there is none.
    pub temporal_id: u8,
    /// The frame depends on the base layer only.
    pub layer_sync: bool,
    /// Picture id.
    pub picture_id: Option<PictureId>,
    /// Number of the last base layer frame.
    pub tl0_picture_index: Option<Tl0PictureIndex>,
    /// Frame number of the dependency descriptor.
    pub frame_number: Option<u16>,
    /// `(width, height)` when a keyframe says so.
    pub dimensions: Option<(u16, u16)>,
}

impl VideoPayload {
    /// Reads the payload of `codec`; `None` when it is malformed or not video.
    #[must_use]
    pub fn read(codec: Codec, payload: &[u8], extensions: &ExtensionValues<'_>) -> Option<Self> {
        let mut read = match codec {
            Codec::Vp8 => vp8::read(payload)?,
            Codec::Vp9 => vp9::read(payload)?,
            Codec::H264 => h264::read(payload)?,
            Codec::Av1 => av1::read(payload)?,
            Codec::Opus | Codec::Red | Codec::TelephoneEvent | Codec::Rtx => return None,
        };
        // Start of frame, end of frame, six bits of template id, then the number.
        if let Some([first, high, low, ..]) = extensions.dependency_descriptor {
            read.frame_number = Some(u16::from_be_bytes([*high, *low]));
            read.starts_frame = first & 0x80 != 0;
        }
        Some(read)
    }

    /// Writes other numbers over those in `payload`, in the width they had.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        if let Some(place) = self.picture_id {
            let at = usize::from(place.offset);
            if place.long {
                let [high, low] = (picture_id & 0x7fff | 0x8000).to_be_bytes();
                payload[at] = high;
                payload[at + 1] = low;
            } else {
                payload[at] = (picture_id & 0x7f) as u8;
            }
        }
        if let Some(place) = self.tl0_picture_index {
            payload[usize::from(place.offset)] = tl0_picture_index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names() {
        assert_eq!(Codec::from_name("vp8"), Some(Codec::Vp8));
        assert_eq!(Codec::from_name("opus"), Some(Codec::Opus));
        assert_eq!(Codec::from_name("flexfec-03"), None);
    }

    #[test]
    fn descriptor_gives_number_and_start() {
        let extensions =
            ExtensionValues { dependency_descriptor: Some(&[0x40, 0x12, 0x34]), ..ExtensionValues::default() };
        let read = VideoPayload::read(Codec::Av1, &[0x10, 0x30, 0], &extensions).unwrap();
        assert_eq!(read.frame_number, Some(0x1234));
        assert!(!read.starts_frame);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_and_rewritten_within_bounds(
            payload in proptest::collection::vec(any::<u8>(), 0..64),
            descriptor in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
            picture_id: u16,
            tl0: u8,
        ) {
            let extensions = ExtensionValues { dependency_descriptor: descriptor.as_deref(), ..ExtensionValues::default() };
            for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let Some(read) = VideoPayload::read(codec, &payload, &extensions) else { continue };
                let mut copy = payload.clone();
                read.rewrite(&mut copy, picture_id, tl0);
                let again = VideoPayload::read(codec, &copy, &extensions).unwrap();
                if let Some(place) = again.picture_id {
                    let mask = if place.long { 0x7fff } else { 0x7f };
                    prop_assert_eq!(place.value, picture_id & mask);
                }
                if let Some(place) = again.tl0_picture_index {
                    prop_assert_eq!(place.value, tl0);
                }
                let unchanged = VideoPayload { picture_id: read.picture_id, tl0_picture_index: read.tl0_picture_index, ..again };
                prop_assert_eq!(unchanged, read);
            }
        }
    }
}
