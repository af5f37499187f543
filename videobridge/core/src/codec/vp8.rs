//! VP8 payload descriptor (RFC 7741 §4.2) and the head of a keyframe (RFC 6386 §9.1).

use super::{PictureId, Tl0PictureIndex, VideoPayload};

pub(super) fn read(payload: &[u8]) -> Option<VideoPayload> {
    let mut at = 0;
    let mut next = || {
        let byte = payload.get(at).copied();
        at += 1;
        byte
    };
    let first = next()?;
    let mut read = VideoPayload { starts_frame: first & 0x10 != 0 && first & 0x07 == 0, ..VideoPayload::default() };
    if first & 0x80 != 0 {
        let flags = next()?;
        let mut offset = 2;
        if flags & 0x80 != 0 {
            let high = next()?;
            let long = high & 0x80 != 0;
            let value = if long { u16::from_be_bytes([high & 0x7f, next()?]) } else { u16::from(high) };
            read.picture_id = Some(PictureId { value, long, offset });
            offset += if long { 2 } else { 1 };
        }
        if flags & 0x40 != 0 {
            read.tl0_picture_index = Some(Tl0PictureIndex { value: next()?, offset });
        }
        if flags & 0x30 != 0 {
            let layer = next()?;
            if flags & 0x20 != 0 {
                read.temporal_id = layer >> 6;
                read.layer_sync = layer & 0x20 != 0;
            }
        }
    }
    let frame = payload.get(at..)?;
    // The inverse key frame flag is the lowest bit of the first byte of the first partition.
    if read.starts_frame && frame.first()? & 1 == 0 {
        read.starts_keyframe = true;
        if let Some(&[_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d]) = frame.first_chunk::<10>() {
            let width = u16::from_le_bytes([a, b]) & 0x3fff;
            let height = u16::from_le_bytes([c, d]) & 0x3fff;
            read.dimensions = Some((width, height));
        }
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframe_with_all_fields() {
        let payload = [
            0x90, 0xe0, 0x81, 0x02, 7, 0x20, // X; I L T; 15-bit id 0x102; TL0 7; tid 0, sync
            0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, // 320x180
        ];
        assert_eq!(
            read(&payload).unwrap(),
            VideoPayload {
                starts_frame: true,
                starts_keyframe: true,
                temporal_id: 0,
                layer_sync: true,
                picture_id: Some(PictureId { value: 0x102, long: true, offset: 2 }),
                tl0_picture_index: Some(Tl0PictureIndex { value: 7, offset: 4 }),
                frame_number: None,
                dimensions: Some((320, 180)),
            }
        );
    }

    #[test]
    fn short_id_key_index_and_later_packet() {
        // A continuation (S=0) of a frame in temporal layer 2; the low bit of its data means nothing.
        let read = read(&[0x80, 0xb0, 0x05, 0x80 | 3, 0x00]).unwrap();
        assert_eq!(read.picture_id, Some(PictureId { value: 5, long: false, offset: 2 }));
        assert_eq!(read.tl0_picture_index, None);
        assert_eq!(read.temporal_id, 2);
        assert!(!read.starts_frame && !read.starts_keyframe && !read.layer_sync);
    }

    #[test]
    fn key_index_without_temporal_id_is_no_layer() {
        assert_eq!(read(&[0x90, 0x10, 0xff, 0x01]).unwrap().temporal_id, 0);
    }

    #[test]
    fn another_partition_is_no_start() {
        assert!(!read(&[0x11, 0x00]).unwrap().starts_frame);
    }

    #[test]
    fn truncated() {
        for payload in [&[][..], &[0x90], &[0x90, 0x80], &[0x90, 0x80, 0x80], &[0x90, 0xc0, 1], &[0x10]] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
