//! Session keys from a master key (RFC 3711 §4.3.3; AES-256: RFC 6188 §2), key derivation rate 0.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::MasterKey;

/// Which key is derived (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// `length` octets for `label`.
pub(super) fn derive(master: &MasterKey, label: Label, length: usize) -> Zeroizing<Vec<u8>> {
    let mut iv = [0_u8; 16];
    iv[..master.salt.len()].copy_from_slice(&master.salt);
    iv[7] ^= label as u8;
    let mut stream = Zeroizing::new(vec![0_u8; length]);
    counter_mode(&counter_key(&master.key), iv, &mut stream);
    stream
}

/// An AES key for counter mode; 16 or 32 octets.
pub(super) fn counter_key(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("a key of the cipher's own length makes a counter-mode key")
}

/// XORs the key stream that begins at counter block `iv` into `data`.
pub(super) fn counter_mode(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    key.less_safe_encrypt(data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .expect("counter mode takes data of any length");
}
