//! H.264 payload (RFC 6184 §5): whether a packet begins an IDR picture or carries its parameter sets.

use super::VideoPayload;

const IDR: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const AGGREGATION: u8 = 24;
const FRAGMENT: u8 = 28;

pub(super) fn read(payload: &[u8]) -> Option<VideoPayload> {
    let (&head, rest) = payload.split_first()?;
    let (starts, keyframe) = match head & 0x1f {
        kind @ 1..=23 => (true, starts_keyframe(kind)),
        AGGREGATION => (true, aggregates_keyframe(rest)),
        FRAGMENT => {
            let fragment = *rest.first()?;
            let starts = fragment & 0x80 != 0;
            (starts, starts && starts_keyframe(fragment & 0x1f))
        }
        _ => (false, false),
    };
    Some(VideoPayload { starts_frame: starts, starts_keyframe: keyframe, ..VideoPayload::default() })
}

/// Encoders put the parameter sets before the IDR picture: the first of them is where a receiver must begin.
const fn starts_keyframe(kind: u8) -> bool {
    matches!(kind, IDR | SEQUENCE_PARAMETERS)
}

fn aggregates_keyframe(mut units: &[u8]) -> bool {
    while let Some((&[high, low], rest)) = units.split_first_chunk::<2>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(unit) = rest.get(..len) else {
            return false;
        };
        if unit.first().is_some_and(|head| starts_keyframe(head & 0x1f)) {
            return true;
        }
        units = &rest[len..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes() {
        for (payload, keyframe) in [
            (&[0x65, 1][..], true),                     // IDR
            (&[0x67, 1], true),                         // SPS
            (&[0x41, 1], false),                        // slice
            (&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true), // SPS and PPS together
            (&[0x78, 0, 2, 0x41, 1], false),            // slice in an aggregate
            (&[0x78, 0, 9, 0x67, 1], false),            // aggregate longer than the packet
            (&[0x7c, 0x85, 1], true),                   // first fragment of an IDR picture
            (&[0x7c, 0x05, 1], false),                  // later fragment
            (&[0x7c, 0x81, 1], false),                  // first fragment of a slice
        ] {
            assert_eq!(read(payload).unwrap().starts_keyframe, keyframe, "{payload:?}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x7c]), None);
    }
}
