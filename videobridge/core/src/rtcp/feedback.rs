//! Content of NACK, FIR and REMB.

/// Missing sequence numbers of a generic NACK: each entry is a number and a mask of the sixteen after it.
#[derive(Debug, Clone)]
pub struct NackNumbers<'a> {
    rest: &'a [u8],
    base: u16,
    mask: u16,
    bit: u32,
}

impl<'a> NackNumbers<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest, base: 0, mask: 0, bit: 0 }
    }
}

impl Iterator for NackNumbers<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while self.mask != 0 {
            let set = self.mask & 1 != 0;
            self.mask >>= 1;
            self.bit += 1;
            if set {
                return Some(self.base.wrapping_add(self.bit as u16));
            }
        }
        let (&[a, b, c, d], rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        self.base = u16::from_be_bytes([a, b]);
        self.mask = u16::from_be_bytes([c, d]);
        self.bit = 0;
        Some(self.base)
    }
}

/// `(ssrc, command number)` of a full intra request.
#[derive(Debug, Clone)]
pub struct FirEntries<'a> {
    rest: &'a [u8],
}

impl<'a> FirEntries<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl Iterator for FirEntries<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let (&[a, b, c, d, number, _, _, _], rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some((u32::from_be_bytes([a, b, c, d]), number))
    }
}

/// Bitrate in an application-layer feedback body, if it is a REMB.
#[must_use]
pub fn remb_bitrate_bps(body: &[u8]) -> Option<u64> {
    let &[b'R', b'E', b'M', b'B', _, a, b, c] = body.first_chunk::<8>()? else {
        return None;
    };
    let exponent = u32::from(a >> 2);
    let mantissa = (u64::from(a & 3) << 16) | (u64::from(b) << 8) | u64::from(c);
    // 18 bits shifted by up to 63: a value that does not fit means "no limit".
    Some(mantissa.checked_shl(exponent).filter(|v| v >> exponent == mantissa).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nack_masks() {
        let body = [0xff, 0xff, 0x80, 0x03, 0x00, 0x64, 0x00, 0x00];
        assert_eq!(NackNumbers::new(&body).collect::<Vec<_>>(), [65535, 0, 1, 15, 100]);
    }

    #[test]
    fn remb() {
        // The example of the draft's wording: mantissa 1 shifted by 20.
        assert_eq!(remb_bitrate_bps(&[b'R', b'E', b'M', b'B', 1, 20 << 2, 0, 1]), Some(1 << 20));
        assert_eq!(remb_bitrate_bps(&[b'R', b'E', b'M', b'B', 1, 0xff, 0xff, 0xff]), Some(u64::MAX));
        assert_eq!(remb_bitrate_bps(b"ABCD...."), None);
    }
}
