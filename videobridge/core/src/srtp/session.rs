//! One direction of a peer's media.

use super::cipher::{Cipher, RTCP_E_FLAG, RTCP_HEADER_LEN, RTCP_INDEX_LEN};
use super::index::Streams;
use super::{MasterKey, Profile};

/// Streams of one direction. More than a peer of the largest conference has.
pub(super) const STREAMS_MAX: usize = 4096;
/// RTP's fixed header.
const RTP_HEADER_LEN: usize = 12;

/// Why a packet is dropped. Every one of them costs the sender of that packet only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Shorter than its own header says, or of another RTP version.
    #[error("not an RTP or RTCP packet")]
    Malformed,
    /// The tag does not match: damaged or forged.
    #[error("not authentic")]
    Forged,
    /// Seen before, or too old to know.
    #[error("a replay")]
    Replay,
    /// Ours to send, but its index was used already: a second packet under one nonce would give the key away.
    #[error("sent already")]
    SentAlready,
    /// The peer has more streams than anybody needs.
    #[error("too many streams")]
    TooManyStreams,
}

/// Protects what we send to one peer.
pub struct Protect {
    cipher: Cipher,
    profile: Profile,
    streams: Streams,
    rtcp_index: u32,
}

impl Protect {
    /// With the key of our direction.
    pub fn new(profile: Profile, master: &MasterKey) -> Self {
        Self { cipher: Cipher::new(profile, master), profile, streams: Streams::default(), rtcp_index: 0 }
    }

    /// The negotiated profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Protects `packet` in place: header of `header_len` octets, payload, and
    /// [`Profile::rtp_overhead`] octets of room at the end. A sequence number is protected once, and not when it is
    /// 128 or more behind the newest.
    pub fn rtp(&mut self, packet: &mut [u8], header_len: usize) -> Result<(), SrtpError> {
        let overhead = self.profile.rtp_overhead();
        if header_len < RTP_HEADER_LEN || packet.len() < header_len + overhead {
            return Err(SrtpError::Malformed);
        }
        let (ssrc, sequence) = (read_u32(packet, 8), u16::from_be_bytes([packet[2], packet[3]]));
        let index = match self.streams.get(ssrc) {
            Some(stream) => {
                let index = stream.guess(sequence);
                if stream.is_replay(index) {
                    return Err(SrtpError::SentAlready);
                }
                index
            }
            None => u64::from(sequence),
        };
        if !self.streams.note(ssrc, index, STREAMS_MAX) {
            return Err(SrtpError::TooManyStreams);
        }
        self.cipher.protect_rtp(packet, header_len, ssrc, index);
        Ok(())
    }

    /// Protects a compound RTCP packet in place, with [`Profile::rtcp_overhead`] octets of room at the end.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<(), SrtpError> {
        if packet.len() < RTCP_HEADER_LEN + self.profile.rtcp_overhead() {
            return Err(SrtpError::Malformed);
        }
        self.rtcp_index = (self.rtcp_index + 1) & !RTCP_E_FLAG;
        self.cipher.protect_rtcp(packet, read_u32(packet, 4), self.rtcp_index);
        Ok(())
    }
}

/// Opens what one peer sends to us.
pub struct Unprotect {
    cipher: Cipher,
    profile: Profile,
    rtp: Streams,
    rtcp: Streams,
}

impl Unprotect {
    /// With the key of the peer's direction.
    pub fn new(profile: Profile, master: &MasterKey) -> Self {
        let cipher = Cipher::new(profile, master);
        Self { cipher, profile, rtp: Streams::default(), rtcp: Streams::default() }
    }

    /// Opens an RTP packet in place and answers its length without the tag.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header_len = rtp_header_len(packet)?;
        let overhead = self.profile.rtp_overhead();
        if packet.len() < header_len + overhead {
            return Err(SrtpError::Malformed);
        }
        let (ssrc, sequence) = (read_u32(packet, 8), u16::from_be_bytes([packet[2], packet[3]]));
        let index = match self.rtp.get(ssrc) {
            Some(stream) => {
                let index = stream.guess(sequence);
                if stream.is_replay(index) {
                    return Err(SrtpError::Replay);
                }
                index
            }
            None if !self.rtp.has_room_for(ssrc, STREAMS_MAX) => return Err(SrtpError::TooManyStreams),
            None => u64::from(sequence),
        };
        self.cipher.unprotect_rtp(packet, header_len, ssrc, index).map_err(|_| SrtpError::Forged)?;
        self.rtp.note(ssrc, index, STREAMS_MAX);
        Ok(packet.len() - overhead)
    }

    /// Opens a compound RTCP packet in place and answers its length without tag and index.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let overhead = self.profile.rtcp_overhead();
        if packet.len() < RTCP_HEADER_LEN + overhead || packet[0] >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let ssrc = read_u32(packet, 4);
        let word = match self.profile {
            Profile::Aes128CmSha1_80 => read_u32(packet, packet.len() - overhead),
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => read_u32(packet, packet.len() - RTCP_INDEX_LEN),
        };
        if word & RTCP_E_FLAG == 0 {
            return Err(SrtpError::Malformed);
        }
        let index = u64::from(word & !RTCP_E_FLAG);
        match self.rtcp.get(ssrc) {
            Some(stream) if stream.is_replay(index) => return Err(SrtpError::Replay),
            None if !self.rtcp.has_room_for(ssrc, STREAMS_MAX) => return Err(SrtpError::TooManyStreams),
            _ => {}
        }
        self.cipher.unprotect_rtcp(packet, ssrc, word).map_err(|_| SrtpError::Forged)?;
        self.rtcp.note(ssrc, index, STREAMS_MAX);
        Ok(packet.len() - overhead)
    }

    /// How many streams are known; only authenticated packets make one.
    pub fn stream_count(&self) -> usize {
        self.rtp.len()
    }
}

/// Length of the header with contributing sources and extension (RFC 3550 §5.1, §5.3.1).
fn rtp_header_len(packet: &[u8]) -> Result<usize, SrtpError> {
    if packet.len() < RTP_HEADER_LEN || packet[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let fixed = RTP_HEADER_LEN + 4 * usize::from(packet[0] & 0x0f);
    if packet[0] & 0x10 == 0 {
        return Ok(fixed);
    }
    let words = packet.get(fixed + 2..fixed + 4).ok_or(SrtpError::Malformed)?;
    Ok(fixed + 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]])))
}

fn read_u32(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}
