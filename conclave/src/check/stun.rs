//! STUN messages (RFC 8489) as far as a check needs them: requests with integrity, and their answers.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

const MAGIC: u32 = 0x2112_a442;
const HEADER_BYTES: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Message types (RFC 8489 §5, RFC 8656 §17).
pub(super) const BINDING: u16 = 0x0001;
pub(super) const ALLOCATE: u16 = 0x0003;
pub(super) const REFRESH: u16 = 0x0004;

const BINDING_SUCCESS: u16 = 0x0101;

/// Attribute types.
pub(super) const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
pub(super) const LIFETIME: u16 = 0x000d;
pub(super) const REALM: u16 = 0x0014;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const REQUESTED_TRANSPORT: u16 = 0x0019;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;

/// A request being written.
#[derive(Debug, Clone)]
pub(super) struct Request {
    transaction: [u8; 12],
    bytes: Vec<u8>,
}

impl Request {
    pub(super) fn new(kind: u16, transaction: [u8; 12]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC.to_be_bytes());
        bytes.extend(transaction);
        Self { transaction, bytes }
    }

    pub(super) fn transaction(&self) -> [u8; 12] {
        self.transaction
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.set_length(0);
        self
    }

    /// Ends with MESSAGE-INTEGRITY under `key` and FINGERPRINT.
    pub(super) fn sealed(mut self, key: &[u8]) -> Vec<u8> {
        self.set_length(24);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let tag = hmac::sign(&key, &self.bytes);
        let sealed = self.attribute(MESSAGE_INTEGRITY, tag.as_ref());
        sealed.fingerprinted()
    }

    /// Ends with FINGERPRINT alone.
    pub(super) fn fingerprinted(mut self) -> Vec<u8> {
        self.set_length(8);
        let crc = crc32(&self.bytes) ^ FINGERPRINT_XOR;
        self.attribute(FINGERPRINT, &crc.to_be_bytes()).bytes
    }

    /// The length field counts what follows the header, with `more` bytes still to come.
    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.bytes.len() - HEADER_BYTES + more).unwrap_or(u16::MAX);
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Success, with the address the server saw, if it told.
    Success(Option<SocketAddr>),
    /// An error response.
    Refused(Refusal),
}

/// Why a request was refused, and with what it may be made again (RFC 8489 §9.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
}

/// Reads the answer to the request with `transaction`; `None` for anything else. With a `key`, an
/// answer without the right integrity is nobody's.
pub(super) fn answer(datagram: &[u8], transaction: [u8; 12], key: Option<&[u8]>) -> Option<Answer> {
    let kind = u16::from_be_bytes(datagram.get(..2)?.try_into().ok()?);
    if datagram.get(4..8)? != MAGIC.to_be_bytes() || datagram.get(8..HEADER_BYTES)? != transaction {
        return None;
    }
    let mut success = Answer::Success(None);
    let mut refusal = Refusal::default();
    let mut sealed = false;
    let mut at = HEADER_BYTES;
    while let Some(head) = datagram.get(at..at + 4) {
        let attribute = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = datagram.get(at + 4..at + 4 + length)?;
        match attribute {
            XOR_MAPPED_ADDRESS => success = Answer::Success(xor_address(value, transaction)),
            ERROR_CODE => {
                let code = value.get(..4)?;
                refusal.reason = String::from_utf8_lossy(&value[4..]).into_owned();
                refusal.code = u16::from(code[2] & 7) * 100 + u16::from(code[3]);
            }
            REALM => refusal.realm = value.to_vec(),
            NONCE => refusal.nonce = value.to_vec(),
            MESSAGE_INTEGRITY => sealed = key.is_some_and(|key| verifies(datagram, at, value, key)),
            _ => {}
        }
        at = (at + 4 + length).next_multiple_of(4);
    }
    match kind & 0x0110 {
        0x0100 if key.is_none() || sealed => Some(success),
        0x0110 => Some(Answer::Refused(refusal)),
        _ => None,
    }
}

/// The answer to a peer's binding request under our `key`; `None` when the datagram is no such thing.
pub(super) fn respond(datagram: &[u8], from: SocketAddr, key: &[u8]) -> Option<Vec<u8>> {
    let transaction = <[u8; 12]>::try_from(datagram.get(8..HEADER_BYTES)?).ok()?;
    if datagram[..2] != BINDING.to_be_bytes() || datagram[4..8] != MAGIC.to_be_bytes() {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        let head = datagram.get(at..at + 4)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = datagram.get(at + 4..at + 4 + length)?;
        if head[..2] == MESSAGE_INTEGRITY.to_be_bytes() {
            let address = masked_address(from, transaction);
            let response = Request::new(BINDING_SUCCESS, transaction).attribute(XOR_MAPPED_ADDRESS, &address);
            return verifies(datagram, at, value, key).then(|| response.sealed(key));
        }
        at = (at + 4 + length).next_multiple_of(4);
    }
}

fn verifies(datagram: &[u8], at: usize, tag: &[u8], key: &[u8]) -> bool {
    let mut covered = datagram[..at].to_vec();
    let Ok(length) = u16::try_from(at - HEADER_BYTES + 24) else { return false };
    covered[2..4].copy_from_slice(&length.to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::verify(&key, &covered, tag).is_ok()
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn masked_address(address: SocketAddr, transaction: [u8; 12]) -> Vec<u8> {
    let family = if address.is_ipv4() { 1 } else { 2 };
    let mut value = vec![0, family];
    value.extend((address.port() ^ (MAGIC >> 16) as u16).to_be_bytes());
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mask = MAGIC.to_be_bytes().into_iter().chain(transaction);
    value.extend(octets.into_iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    value
}

fn xor_address(value: &[u8], transaction: [u8; 12]) -> Option<SocketAddr> {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC.to_be_bytes());
    mask[4..].copy_from_slice(&transaction);
    let port = u16::from_be_bytes(value.get(2..4)?.try_into().ok()?) ^ (MAGIC >> 16) as u16;
    let unmask = |bytes: &[u8]| bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
    let address = unmask(value.get(4..)?);
    let ip = match value[1] {
        1 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// CRC-32 as in ITU V.42, bit by bit: a check sends a handful of messages.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2: the sample IPv4 response, with the password of §2.
    const SAMPLE: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\
        \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
        \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
        \x80\x28\x00\x04\xc0\x7d\x4c\x96";
    const TRANSACTION: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    #[test]
    fn the_sample_answer_of_rfc_5769_is_read_and_its_integrity_counts() {
        let read = answer(SAMPLE, TRANSACTION, Some(PASSWORD)).expect("an answer");
        assert_eq!(read, Answer::Success(Some("192.0.2.1:32853".parse().expect("address"))));
        assert_eq!(answer(SAMPLE, TRANSACTION, Some(b"wrong")), None);
        assert_eq!(answer(SAMPLE, [0; 12], None), None);
        for length in 0..SAMPLE.len() {
            assert!(answer(&SAMPLE[..length], TRANSACTION, Some(PASSWORD)).is_none() || length > 70, "{length}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_one_of_rfc_5769() {
        // Over everything before the attribute, with the length it gives the message.
        assert_eq!(crc32(&SAMPLE[..SAMPLE.len() - 8]) ^ FINGERPRINT_XOR, 0xc07d_4c96);
    }

    #[test]
    fn a_sealed_request_has_the_right_shape() {
        let bytes = Request::new(BINDING, [7; 12]).attribute(USERNAME, b"abc").sealed(b"key");
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len() - HEADER_BYTES);
        assert_eq!(&bytes[20..28], b"\x00\x06\x00\x03abc\x00");
        let (integrity, fingerprint) = (28, 52);
        assert!(verifies(&bytes, integrity, &bytes[32..52], b"key"));
        assert_eq!(bytes.len(), fingerprint + 8);
    }

    #[test]
    fn a_peers_request_is_answered_when_it_knows_our_key() {
        let request = Request::new(BINDING, [7; 12]).attribute(USERNAME, b"a:b").sealed(b"key");
        for from in ["192.0.2.1:7", "[2001:db8::1]:9"] {
            let from = from.parse().expect("address");
            let response = respond(&request, from, b"key").expect("answered");
            assert_eq!(answer(&response, [7; 12], Some(b"key")), Some(Answer::Success(Some(from))));
        }
        assert_eq!(respond(&request, "192.0.2.1:7".parse().expect("address"), b"other"), None);
        assert_eq!(respond(&request[..30], "192.0.2.1:7".parse().expect("address"), b"key"), None);
    }

    #[test]
    fn a_refusal_tells_code_and_reason() {
        let mut bytes = b"\x01\x11\x00\x10\x21\x12\xa4\x42".to_vec();
        bytes.extend([7; 12]);
        bytes.extend(b"\x00\x09\x00\x0c\x00\x00\x04\x01Unauthor");
        let refused = Refusal { code: 401, reason: "Unauthor".to_owned(), ..Refusal::default() };
        assert_eq!(answer(&bytes, [7; 12], None), Some(Answer::Refused(refused)));
    }
}
