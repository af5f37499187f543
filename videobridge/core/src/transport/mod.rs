//! How one endpoint's packets reach us: ICE, DTLS, SRTP keys and the SCTP data channel, on one
//! UDP flow. Sans-IO: datagrams, time and commands in; datagrams and events out.

mod certificate;
mod connection;
mod data_channel;
mod demux;
mod dtls;
mod ice;
mod stun;

pub use certificate::{Certificate, Fingerprint, HashFunction};
pub use connection::{Config, Event, Failure, Received, Remote, Transmit, Transport};
pub use data_channel::{CHANNEL_MESSAGE_BYTES_MAX, QUEUED_BYTES_MAX};
pub use demux::{Kind, classify, stun_local_ufrag};
pub use dtls::Setup;
pub use ice::{Credentials, REFLEXIVE_CANDIDATES_MAX, REMOTE_CANDIDATES_MAX, RemoteCandidate, RemoteCandidateKind};

#[cfg(test)]
mod tests;
