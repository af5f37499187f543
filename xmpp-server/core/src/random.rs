//! Identifiers made of random bytes the caller gives.

use std::fmt::Write;

use rand::CryptoRng;

/// A random identifier of 128 bits, in hexadecimal.
pub fn token(random: &mut dyn CryptoRng) -> String {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    hex(&bytes)
}

/// A random UUID, version 4 (RFC 9562 §5.4).
pub fn uuid(random: &mut dyn CryptoRng) -> String {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing to a string cannot fail");
    }
    out
}
