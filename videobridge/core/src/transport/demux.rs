//! What a datagram is, from its first bytes (RFC 7983), and whose it is when its sender is unknown.

/// The protocol of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A STUN message (RFC 8489).
    Stun,
    /// A DTLS record (RFC 6347).
    Dtls,
    /// An RTP packet, protected.
    Rtp,
    /// An RTCP packet, protected (RFC 5761 §4 tells it from RTP).
    Rtcp,
    /// Nothing we serve on this port.
    Unknown,
}

/// Classifies a datagram by its first two bytes.
pub fn classify(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

pub(super) const STUN_HEADER_LEN: usize = 20;
pub(super) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const ATTRIBUTE_USERNAME: u16 = 0x0006;

/// Our username fragment in a binding request: the part of USERNAME before the colon
/// (RFC 8445 §7.2.2). `None` for any other datagram.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, attributes) = datagram.split_at_checked(STUN_HEADER_LEN)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let (_, _, username) = Attributes::new(attributes).find(|(_, kind, _)| *kind == ATTRIBUTE_USERNAME)?;
    let (ours, _) = std::str::from_utf8(username).ok()?.split_once(':')?;
    Some(ours)
}

/// The attributes of a STUN message: offset behind the header, type, value. Ends at the first that is cut off.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(attributes: &'a [u8]) -> Self {
        Self { rest: attributes, at: 0 }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (usize, u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [t0, t1, l0, l1, rest @ ..] = self.rest else { return None };
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = rest.get(..len)?;
        let item = (self.at, u16::from_be_bytes([*t0, *t1]), value);
        // The last attribute may lack its padding.
        let padded = len.next_multiple_of(4);
        self.rest = rest.get(padded..).unwrap_or_default();
        self.at += 4 + padded;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        for (bytes, kind) in [
            (&[0, 1][..], Kind::Stun),
            (&[22, 254], Kind::Dtls),
            (&[0x80, 111], Kind::Rtp),
            (&[0x90, 0x80 | 96], Kind::Rtp),
            (&[0x80, 200], Kind::Rtcp),
            (&[0x81, 206], Kind::Rtcp),
            (&[64, 0], Kind::Unknown),
            (&[255], Kind::Unknown),
            (&[], Kind::Unknown),
        ] {
            assert_eq!(classify(bytes), kind, "{bytes:?}");
        }
    }

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0];
        message.extend(MAGIC_COOKIE);
        message.extend([9; 12]);
        for (kind, value) in attributes {
            message.extend(kind.to_be_bytes());
            message.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    #[test]
    fn the_username_names_the_endpoint() {
        let message = request(&[(0x8022, b"abc"), (6, b"ours:theirs"), (0x24, &[0; 4])]);
        assert_eq!(stun_local_ufrag(&message), Some("ours"));
        assert_eq!(stun_local_ufrag(&request(&[(6, b"nocolon")])), None);
        assert_eq!(stun_local_ufrag(&request(&[])), None);
        let mut answer = message;
        answer[..2].copy_from_slice(&[1, 1]);
        assert_eq!(stun_local_ufrag(&answer), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = classify(&bytes);
            let _ = stun_local_ufrag(&bytes);
            let mut message = request(&[]);
            message.extend(&bytes);
            let _ = stun_local_ufrag(&message);
        }
    }
}
