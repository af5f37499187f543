//! The two families of protection: AEAD (RFC 7714) and counter mode with HMAC-SHA1 (RFC 3711 §4).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::{constant_time, hmac};

use super::kdf::{self, Label};
use super::{MasterKey, Profile};

/// Octets of an HMAC-SHA1 session key.
const HMAC_KEY_LEN: usize = 20;
/// Octets of the RTCP header that stay in clear: the first word and the sender's SSRC.
pub(super) const RTCP_HEADER_LEN: usize = 8;
/// Octets of the E flag and SRTCP index.
pub(super) const RTCP_INDEX_LEN: usize = 4;
/// The E flag: the packet is encrypted.
pub(super) const RTCP_E_FLAG: u32 = 1 << 31;

/// The tag did not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forged;

/// Session keys of one direction.
#[expect(clippy::large_enum_variant, reason = "one lookup less for every packet is worth the bytes")]
pub(super) enum Cipher {
    Gcm { rtp: GcmKey, rtcp: GcmKey },
    Cm { rtp: CmKey, rtcp: CmKey },
}

pub(super) struct GcmKey {
    key: LessSafeKey,
    salt: [u8; 12],
}

pub(super) struct CmKey {
    key: EncryptingKey,
    authentication: hmac::Key,
    salt: [u8; 14],
}

impl Cipher {
    pub(super) fn new(profile: Profile, master: &MasterKey) -> Self {
        match profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => Self::Gcm {
                rtp: GcmKey::new(master, Label::RtpEncryption, Label::RtpSalt),
                rtcp: GcmKey::new(master, Label::RtcpEncryption, Label::RtcpSalt),
            },
            Profile::Aes128CmSha1_80 => Self::Cm {
                rtp: CmKey::new(master, Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt),
                rtcp: CmKey::new(master, Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
            },
        }
    }

    /// `packet` is header, payload and room for the tag.
    pub(super) fn protect_rtp(&self, packet: &mut [u8], header_len: usize, ssrc: u32, index: u64) {
        match self {
            Self::Gcm { rtp, .. } => rtp.seal(rtp.rtp_nonce(ssrc, index), packet, header_len),
            Self::Cm { rtp, .. } => {
                let end = packet.len() - 10;
                rtp.encrypt(ssrc, index, &mut packet[header_len..end]);
                let tag = rtp.tag(&packet[..end], &roc(index).to_be_bytes());
                packet[end..].copy_from_slice(&tag.as_ref()[..10]);
            }
        }
    }

    /// Opens in place; what remains is `packet` without the tag.
    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), Forged> {
        match self {
            Self::Gcm { rtp, .. } => {
                let (header, body) = packet.split_at_mut(header_len);
                rtp.open(rtp.rtp_nonce(ssrc, index), header, body)
            }
            Self::Cm { rtp, .. } => {
                let end = packet.len() - 10;
                let tag = rtp.tag(&packet[..end], &roc(index).to_be_bytes());
                constant_time::verify_slices_are_equal(&tag.as_ref()[..10], &packet[end..]).map_err(|_| Forged)?;
                rtp.encrypt(ssrc, index, &mut packet[header_len..end]);
                Ok(())
            }
        }
    }

    /// `packet` is the compound RTCP packet and room for the overhead.
    pub(super) fn protect_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) {
        let word = (RTCP_E_FLAG | index).to_be_bytes();
        match self {
            Self::Gcm { rtcp, .. } => {
                let end = packet.len() - RTCP_INDEX_LEN;
                packet[end..].copy_from_slice(&word);
                let (sealed, _) = packet.split_at_mut(end);
                let (header, body) = sealed.split_at_mut(RTCP_HEADER_LEN);
                let tag_at = body.len() - 16;
                let (body, tag) = body.split_at_mut(tag_at);
                let aad = rtcp_aad(header, word);
                tag.copy_from_slice(&rtcp.seal_detached(rtcp.rtcp_nonce(ssrc, index), &aad, body));
            }
            Self::Cm { rtcp, .. } => {
                let index_at = packet.len() - 10 - RTCP_INDEX_LEN;
                rtcp.encrypt(ssrc, u64::from(index), &mut packet[RTCP_HEADER_LEN..index_at]);
                packet[index_at..index_at + RTCP_INDEX_LEN].copy_from_slice(&word);
                let tag = rtcp.tag(&packet[..index_at + RTCP_INDEX_LEN], &[]);
                packet[index_at + RTCP_INDEX_LEN..].copy_from_slice(&tag.as_ref()[..10]);
            }
        }
    }

    /// Opens in place a packet whose index word is `word`. Unencrypted SRTCP is not accepted: no
    /// browser sends it.
    pub(super) fn unprotect_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<(), Forged> {
        let index = word & !RTCP_E_FLAG;
        match self {
            Self::Gcm { rtcp, .. } => {
                let end = packet.len() - RTCP_INDEX_LEN;
                let (header, body) = packet[..end].split_at_mut(RTCP_HEADER_LEN);
                let aad = rtcp_aad(header, word.to_be_bytes());
                rtcp.open(rtcp.rtcp_nonce(ssrc, index), &aad, body)
            }
            Self::Cm { rtcp, .. } => {
                let tag_at = packet.len() - 10;
                let tag = rtcp.tag(&packet[..tag_at], &[]);
                constant_time::verify_slices_are_equal(&tag.as_ref()[..10], &packet[tag_at..]).map_err(|_| Forged)?;
                let end = tag_at - RTCP_INDEX_LEN;
                rtcp.encrypt(ssrc, u64::from(index), &mut packet[RTCP_HEADER_LEN..end]);
                Ok(())
            }
        }
    }
}

/// Header, then the E flag and index (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER_LEN + RTCP_INDEX_LEN] {
    let mut aad = [0; RTCP_HEADER_LEN + RTCP_INDEX_LEN];
    aad[..RTCP_HEADER_LEN].copy_from_slice(header);
    aad[RTCP_HEADER_LEN..].copy_from_slice(&word);
    aad
}

/// The roll-over counter of a 48-bit packet index.
fn roc(index: u64) -> u32 {
    u32::try_from((index >> 16) & 0xffff_ffff).expect("masked to 32 bits")
}

impl GcmKey {
    fn new(master: &MasterKey, encryption: Label, salt: Label) -> Self {
        let algorithm = if master.key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = kdf::derive(master, encryption, master.key.len());
        let key = UnboundKey::new(algorithm, &key).expect("the derived key has the cipher's own length");
        let salt = kdf::derive(master, salt, 12).as_slice().try_into().expect("twelve octets were asked for");
        Self { key: LessSafeKey::new(key), salt }
    }

    /// Two zero octets, SSRC, 48-bit index, XOR salt (RFC 7714 §8.1).
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = self.salt;
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
        nonce
    }

    /// Two zero octets, SSRC, two zero octets, index, XOR salt (RFC 7714 §9.1).
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> [u8; 12] {
        let mut nonce = self.salt;
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[8..12], &index.to_be_bytes());
        nonce
    }

    fn seal(&self, nonce: [u8; 12], packet: &mut [u8], header_len: usize) {
        let (header, rest) = packet.split_at_mut(header_len);
        let tag_at = rest.len() - 16;
        let (body, tag) = rest.split_at_mut(tag_at);
        tag.copy_from_slice(&self.seal_detached(nonce, header, body));
    }

    fn seal_detached(&self, nonce: [u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; 16] {
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
            .expect("a datagram is far below the cipher's limit");
        tag.as_ref().try_into().expect("the tag of GCM has sixteen octets")
    }

    fn open(&self, nonce: [u8; 12], aad: &[u8], body: &mut [u8]) -> Result<(), Forged> {
        self.key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
            .map(|_| ())
            .map_err(|_| Forged)
    }
}

impl CmKey {
    fn new(master: &MasterKey, encryption: Label, authentication: Label, salt: Label) -> Self {
        let authentication = kdf::derive(master, authentication, HMAC_KEY_LEN);
        Self {
            key: kdf::counter_key(&kdf::derive(master, encryption, 16)),
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication),
            salt: kdf::derive(master, salt, 14).as_slice().try_into().expect("fourteen octets were asked for"),
        }
    }

    /// XORs the key stream: salt, SSRC and index make the first counter block (RFC 3711 §4.1.1).
    fn encrypt(&self, ssrc: u32, index: u64, body: &mut [u8]) {
        let mut iv = [0_u8; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        kdf::counter_mode(&self.key, iv, body);
    }

    fn tag(&self, data: &[u8], suffix: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(data);
        context.update(suffix);
        context.sign()
    }
}

fn xor(target: &mut [u8], with: &[u8]) {
    for (a, b) in target.iter_mut().zip(with) {
        *a ^= b;
    }
}
