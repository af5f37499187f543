//! AV1 payload (AV1 RTP specification §4.4): the aggregation header says whether a coded video sequence begins.

use super::VideoPayload;

pub(super) fn read(payload: &[u8]) -> Option<VideoPayload> {
    let head = *payload.first()?;
    let continues = head & 0x80 != 0;
    let new_sequence = head & 0x08 != 0;
    Some(VideoPayload {
        starts_frame: !continues,
        starts_keyframe: new_sequence && !continues,
        ..VideoPayload::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sequence() {
        assert!(read(&[0x18, 0]).unwrap().starts_keyframe);
        assert!(!read(&[0x10, 0]).unwrap().starts_keyframe);
        assert!(!read(&[0x90, 0]).unwrap().starts_frame);
        assert_eq!(read(&[]), None);
    }
}
