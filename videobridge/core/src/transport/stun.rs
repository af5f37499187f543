//! The look at a STUN message before the ICE agent sees it: what is not authentic must not change any state.

use aws_lc_rs::{constant_time, hmac};

use super::demux::{Attributes, MAGIC_COOKIE, STUN_HEADER_LEN};

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const ATTRIBUTE_MESSAGE_INTEGRITY: u16 = 0x0008;
/// Type and length before an attribute's value.
const ATTRIBUTE_HEADER_LEN: usize = 4;
const INTEGRITY_LEN: usize = 20;

/// What a message may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A binding request made with our password.
    Request,
    /// A success response; the agent checks it with the peer's password before it believes it.
    Response,
    /// Anything else: not authentic, or of a kind that cannot be.
    Refused,
}

/// Judges a message; `key` is made of our password.
pub(super) fn judge(datagram: &[u8], key: &hmac::Key) -> Verdict {
    match datagram.get(..2) {
        Some(kind) if kind == BINDING_REQUEST && is_authentic(datagram, key) => Verdict::Request,
        Some(kind) if kind == BINDING_SUCCESS => Verdict::Response,
        // Indications carry no integrity, and no answer to an error response is needed.
        _ => Verdict::Refused,
    }
}

/// The key that checks messages made with `password` (RFC 8489 §9.1.1, short-term credentials).
pub(super) fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// RFC 8489 §14.5: the digest covers everything before it, with a length that ends behind it.
fn is_authentic(message: &[u8], key: &hmac::Key) -> bool {
    let Some((header, attributes)) = message.split_at_checked(STUN_HEADER_LEN) else { return false };
    if header[4..8] != MAGIC_COOKIE {
        return false;
    }
    let Some((at, given)) = Attributes::new(attributes)
        .find(|(_, kind, _)| *kind == ATTRIBUTE_MESSAGE_INTEGRITY)
        .map(|(at, _, value)| (at, value))
    else {
        return false;
    };
    let Ok(len) = u16::try_from(at + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN) else { return false };
    let mut digest = hmac::Context::with_key(key);
    digest.update(&header[..2]);
    digest.update(&len.to_be_bytes());
    digest.update(&header[4..]);
    digest.update(&attributes[..at]);
    constant_time::verify_slices_are_equal(digest.sign().as_ref(), given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 5769 §2.1: a request with the password below; attributes and fingerprint follow the digest.
    const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn request() -> Vec<u8> {
        REQUEST
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hexadecimal"))
            .collect()
    }

    #[test]
    fn the_sample_request_of_rfc_5769_is_authentic_with_its_password_only() {
        assert_eq!(judge(&request(), &key(PASSWORD)), Verdict::Request);
        assert_eq!(judge(&request(), &key("VOkJxbRl1RmTxUk/WvJxBT")), Verdict::Refused);
    }

    #[test]
    fn every_bit_the_digest_covers_counts() {
        let message = request();
        // The fingerprint behind the digest (8 bytes) and the length are not covered.
        for bit in (0..(message.len() - 8) * 8).filter(|bit| !(16..32).contains(bit)) {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(judge(&changed, &key(PASSWORD)), Verdict::Request, "bit {bit}");
        }
    }

    #[test]
    fn messages_that_cannot_be_authentic_are_refused() {
        for kind in [[0x00, 0x11], [0x01, 0x11], [0x00, 0x03], [0x3f, 0xff]] {
            let mut message = request();
            message[..2].copy_from_slice(&kind);
            assert_eq!(judge(&message, &key(PASSWORD)), Verdict::Refused);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_are_never_a_request(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let [first, second, ..] = &mut bytes[..] {
                (*first, *second) = (0, 1);
            }
            prop_assert_ne!(judge(&bytes, &key(PASSWORD)), Verdict::Request);
        }
    }
}
