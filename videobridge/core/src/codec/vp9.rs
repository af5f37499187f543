//! VP9 payload descriptor (RFC 9628 §4.2): start, keyframe, ids.

use super::{PictureId, Tl0PictureIndex, VideoPayload};

pub(super) fn read(payload: &[u8]) -> Option<VideoPayload> {
    let mut at = 0;
    let mut next = || {
        let byte = payload.get(at).copied();
        at += 1;
        byte
    };
    let first = next()?;
    let mut read = VideoPayload::default();
    let mut offset = 1;
    if first & 0x80 != 0 {
        let high = next()?;
        let long = high & 0x80 != 0;
        let value = if long { u16::from_be_bytes([high & 0x7f, next()?]) } else { u16::from(high) };
        read.picture_id = Some(PictureId { value, long, offset });
        offset += if long { 2 } else { 1 };
    }
    let mut spatial_id = 0;
    if first & 0x20 != 0 {
        let layer = next()?;
        offset += 1;
        read.temporal_id = layer >> 5;
        read.layer_sync = layer & 0x10 != 0;
        spatial_id = (layer >> 1) & 7;
        // TL0PICIDX exists only without flexible mode.
        if first & 0x10 == 0 {
            read.tl0_picture_index = Some(Tl0PictureIndex { value: next()?, offset });
        }
    }
    if payload.len() < at {
        return None;
    }
    let begins_layer_frame = first & 0x08 != 0;
    let inter_predicted = first & 0x40 != 0;
    read.starts_frame = begins_layer_frame && spatial_id == 0;
    read.starts_keyframe = read.starts_frame && !inter_predicted;
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframe_in_non_flexible_mode() {
        // I, L, B, V; 15-bit id; tid 0, sync, sid 0; TL0 9.
        let read = read(&[0xaa, 0x80, 0x11, 0x10, 9, 0]).unwrap();
        assert!(read.starts_frame && read.starts_keyframe);
        assert_eq!(read.picture_id, Some(PictureId { value: 0x11, long: true, offset: 1 }));
        assert_eq!(read.tl0_picture_index, Some(Tl0PictureIndex { value: 9, offset: 4 }));
    }

    #[test]
    fn upper_spatial_layer_and_inter_frames_are_no_keyframe_start() {
        assert!(!read(&[0xaa, 0x01, 0x12, 9, 0]).unwrap().starts_keyframe);
        assert!(!read(&[0xea, 0x01, 0x10, 9, 0]).unwrap().starts_keyframe);
        assert!(read(&[0xea, 0x01, 0x10, 9, 0]).unwrap().starts_frame);
    }

    #[test]
    fn flexible_mode_has_no_tl0() {
        let read = read(&[0xb8, 0x01, 0x20, 0]).unwrap();
        assert_eq!(read.tl0_picture_index, None);
        assert_eq!(read.temporal_id, 1);
    }

    #[test]
    fn truncated() {
        for payload in [&[][..], &[0x80], &[0x80, 0x80], &[0xa0, 1], &[0xa0, 1, 1]] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
