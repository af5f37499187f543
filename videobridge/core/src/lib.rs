//! What the videobridge decides: transports, forwarding, allocation, colibri2. No I/O, no clock.

pub mod codec;
pub mod rtcp;
pub mod rtp;
