//! Where the media core puts what it wants sent.

/// An endpoint within one conference. Reused after the endpoint was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointIndex(pub u32);

impl EndpointIndex {
    /// As an index into a vector.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Takes packets and messages, in the order in which they are to leave. The slices are only lent.
pub trait Egress {
    /// A plain RTP packet: `header` is sent authenticated, `payload` encrypted (RFC 3711 §3.1).
    fn rtp(&mut self, to: EndpointIndex, header: &[u8], payload: &[u8]);
    /// A plain compound RTCP packet.
    fn rtcp(&mut self, to: EndpointIndex, compound: &[u8]);
    /// A text message on the bridge channel. Called only for endpoints whose channel is open.
    fn channel(&mut self, to: EndpointIndex, message: String);
}
