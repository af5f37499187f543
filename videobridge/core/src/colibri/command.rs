//! What the media side is told to do.

use std::net::SocketAddr;

use protocol::ids::{ConferenceId, EndpointId};

use crate::endpoint::{MediaDescription, SourceDescription};

/// One change. Commands about one conference are to be carried out in order; one about something that is gone already
/// is to be ignored, for media and control may let go of an endpoint at the same moment.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Make a conference.
    CreateConference {
        /// Which.
        conference: ConferenceId,
        /// SSRC of our reports about audio, as signalled.
        audio_feedback_ssrc: u32,
        /// SSRC of our reports about video, as signalled.
        video_feedback_ssrc: u32,
        /// Seed of what need not be secret.
        seed: u64,
    },
    /// End a conference with all its endpoints.
    ExpireConference {
        /// Which.
        conference: ConferenceId,
    },
    /// Make an endpoint.
    CreateEndpoint {
        /// Where.
        conference: ConferenceId,
        /// How.
        endpoint: NewEndpoint,
    },
    /// End an endpoint.
    ExpireEndpoint {
        /// Where.
        conference: ConferenceId,
        /// Which.
        endpoint: EndpointId,
    },
    /// Add to what was agreed about media.
    SetMedia {
        /// Where.
        conference: ConferenceId,
        /// Whose.
        endpoint: EndpointId,
        /// What.
        media: MediaDescription,
    },
    /// Set or complete the parameters of the peer's transport.
    SetTransport {
        /// Where.
        conference: ConferenceId,
        /// Whose.
        endpoint: EndpointId,
        /// What.
        remote: RemoteTransport,
    },
    /// Replace the sources.
    SetSources {
        /// Where.
        conference: ConferenceId,
        /// Whose.
        endpoint: EndpointId,
        /// All of them.
        sources: Vec<SourceDescription>,
    },
    /// Drop what the endpoint sends, or stop doing so.
    ForceMute {
        /// Where.
        conference: ConferenceId,
        /// Whose.
        endpoint: EndpointId,
        /// Drop audio.
        audio: bool,
        /// Drop video.
        video: bool,
    },
    /// Set lastN unless the endpoint has set one itself.
    InitialLastN {
        /// Where.
        conference: ConferenceId,
        /// Whose.
        endpoint: EndpointId,
        /// Number of sources; negative is all.
        last_n: i32,
    },
}

impl Command {
    /// The conference it is about.
    #[must_use]
    pub const fn conference(&self) -> &ConferenceId {
        match self {
            Self::CreateConference { conference, .. }
            | Self::ExpireConference { conference }
            | Self::CreateEndpoint { conference, .. }
            | Self::ExpireEndpoint { conference, .. }
            | Self::SetMedia { conference, .. }
            | Self::SetTransport { conference, .. }
            | Self::SetSources { conference, .. }
            | Self::ForceMute { conference, .. }
            | Self::InitialLastN { conference, .. } => conference,
        }
    }
}

/// An endpoint to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Its id.
    pub id: EndpointId,
    /// Our side of its ICE session, as signalled.
    pub local: IceCredentials,
    /// We nominate, RFC 8445 §6.1.1.
    pub ice_controlling: bool,
    /// It opens a data channel: we wait for its SCTP association.
    pub sctp: bool,
    /// It understands source maps.
    pub rewrites_ssrcs: bool,
    /// It only watches.
    pub visitor: bool,
}

/// User fragment and password, RFC 8445 §5.3.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// User fragment; ours are unique in the process.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

impl core::fmt::Debug for IceCredentials {
    /// Without the password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// What the peer says of its transport. Absent parts stay as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteTransport {
    /// Credentials.
    pub credentials: Option<IceCredentials>,
    /// Candidates that a UDP agent can use, in addition to those known.
    pub candidates: Vec<CandidateAddress>,
    /// Fingerprints, any one of which the certificate must match; empty when not said.
    pub fingerprints: Vec<RemoteFingerprint>,
    /// Our part in the DTLS handshake, when the peer has chosen its own.
    pub dtls_role: Option<DtlsRole>,
}

/// A candidate of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateAddress {
    /// Where.
    pub address: SocketAddr,
    /// Priority, RFC 8445 §5.1.2.
    pub priority: u32,
    /// Whether it is an address of the peer's own (not one seen from outside or on a relay).
    pub host: bool,
}

/// Digest of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFingerprint {
    /// Hash function in lower case: `sha-256`, `sha-384`, `sha-512` or `sha-1`.
    pub hash: String,
    /// Digest.
    pub digest: Vec<u8>,
}

/// Our part in the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We open: the peer is passive.
    Client,
    /// We wait: the peer is active.
    Server,
}
