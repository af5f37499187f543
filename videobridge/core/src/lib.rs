//! What the videobridge decides: transports, forwarding, allocation, colibri2. No I/O, no clock.

pub mod allocate;
pub mod codec;
pub mod colibri;
pub mod conference;
pub mod egress;
pub mod endpoint;
pub mod forward;
pub mod rtcp;
pub mod rtp;
pub mod speech;
pub mod srtp;
pub mod transport;
