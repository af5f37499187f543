//! What the focus signals about an endpoint: payload types, header extensions, sources.

use protocol::ids::SourceName;

use crate::codec::Codec;
use crate::rtp::{ExtensionIds, ExtensionKind};

/// Most sources one endpoint may have; clients have two or three.
pub const SOURCES_MAX: usize = 32;
/// Most SSRCs of one source: four encodings, each with a retransmission and a repair stream.
pub const SSRCS_PER_SOURCE_MAX: usize = 12;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// Feedback agreed for a payload type (RFC 4585 `rtcp-fb`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// `nack`.
    pub nack: bool,
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
    /// `transport-cc`.
    pub transport_cc: bool,
    /// `goog-remb`.
    pub remb: bool,
}

/// One payload type as signalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadTypeDescription {
    /// Number, 0–127.
    pub id: u8,
    /// Encoding name.
    pub name: String,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// For RTX: the payload type that is retransmitted.
    pub associated: Option<u8>,
    /// Feedback.
    pub feedback: Feedback,
}

/// Payload types and extensions of one kind of media. Adds to what was signalled before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// Which kind.
    pub kind: MediaKind,
    /// Payload types; unknown encodings are ignored.
    pub payload_types: Vec<PayloadTypeDescription>,
    /// `(id, URI)`; unknown URIs are ignored.
    pub extensions: Vec<(u8, String)>,
    /// `extmap-allow-mixed`.
    pub allow_mixed: bool,
}

/// What a video source shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoType {
    /// A camera.
    #[default]
    Camera,
    /// A screen, sharp and slow.
    Desktop,
    /// A screen at a camera's frame rate.
    DesktopHighFps,
    /// Switched off by the sender for now.
    Disabled,
    /// Nothing.
    None,
}

impl VideoType {
    /// Whether the source sends anything.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        matches!(self, Self::Camera | Self::Desktop | Self::DesktopHighFps)
    }
}

impl VideoType {
    /// What the wire says, if the bridge knows it.
    #[must_use]
    pub const fn from_wire(wire: &protocol::jingle::source::VideoType) -> Option<Self> {
        use protocol::jingle::source::VideoType as Wire;
        Some(match wire {
            Wire::Camera => Self::Camera,
            Wire::Desktop => Self::Desktop,
            Wire::DesktopHighFps => Self::DesktopHighFps,
            Wire::Disabled => Self::Disabled,
            Wire::None => Self::None,
            Wire::Other(_) => return None,
        })
    }
}

impl From<VideoType> for protocol::jingle::source::VideoType {
    fn from(video_type: VideoType) -> Self {
        match video_type {
            VideoType::Camera => Self::Camera,
            VideoType::Desktop => Self::Desktop,
            VideoType::DesktopHighFps => Self::DesktopHighFps,
            VideoType::Disabled => Self::Disabled,
            VideoType::None => Self::None,
        }
    }
}

/// Meaning of a group of SSRCs (RFC 5576).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupSemantics {
    /// Simulcast encodings, lowest first.
    Sim,
    /// A stream and its retransmissions.
    Fid,
    /// Anything else, such as forward error correction; its secondary streams are not forwarded.
    Other,
}

/// A group of SSRCs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsrcGroup {
    /// Meaning.
    pub semantics: GroupSemantics,
    /// Members in order.
    pub ssrcs: Vec<u32>,
}

/// A source as signalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDescription {
    /// Kind of media.
    pub kind: MediaKind,
    /// Name, such as `79f0273d-v0`.
    pub name: SourceName,
    /// What it shows, if signalled.
    pub video_type: Option<VideoType>,
    /// All its SSRCs.
    pub ssrcs: Vec<u32>,
    /// Their groups.
    pub groups: Vec<SsrcGroup>,
    /// Injected by a service, not spoken by the endpoint.
    pub synthetic: bool,
}

/// Why a set of sources was refused. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// More than [`SOURCES_MAX`].
    #[error("an endpoint may have at most {SOURCES_MAX} sources")]
    TooMany,
    /// No SSRC, more than [`SSRCS_PER_SOURCE_MAX`], or more encodings than can be told apart.
    #[error("source {0} has no SSRC or too many")]
    Ssrcs(SourceName),
    /// A name or SSRC occurs twice in the set.
    #[error("source {0} occurs twice or shares an SSRC with another")]
    Duplicate(SourceName),
    /// An SSRC belongs to another endpoint.
    #[error("source {0} uses an SSRC of another endpoint")]
    OwnedByOther(SourceName),
    /// The endpoint is not in the conference.
    #[error("the endpoint is not in the conference")]
    UnknownEndpoint,
}

/// A known payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadType {
    /// Codec.
    pub codec: Codec,
    /// Audio or video.
    pub kind: MediaKind,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// For RTX: the payload type that is retransmitted.
    pub associated: Option<u8>,
    /// Feedback.
    pub feedback: Feedback,
}

/// Everything agreed about media with one endpoint.
#[derive(Debug, Clone)]
pub struct MediaAgreement {
    payload_types: [Option<PayloadType>; 128],
    /// RTX payload type of each payload type.
    rtx: [Option<u8>; 128],
    /// Extensions on audio.
    pub audio_extensions: ExtensionIds,
    /// Extensions on video.
    pub video_extensions: ExtensionIds,
}

impl Default for MediaAgreement {
    fn default() -> Self {
        Self {
            payload_types: [None; 128],
            rtx: [None; 128],
            audio_extensions: ExtensionIds::default(),
            video_extensions: ExtensionIds::default(),
        }
    }
}

impl MediaAgreement {
    /// Adds a description; what the bridge does not know is left out.
    pub fn add(&mut self, description: &MediaDescription) {
        for signalled in &description.payload_types {
            let Some(slot) = self.payload_types.get_mut(usize::from(signalled.id)) else {
                continue;
            };
            let Some(codec) = Codec::from_name(&signalled.name) else {
                continue;
            };
            *slot = Some(PayloadType {
                codec,
                kind: description.kind,
                clock_rate: signalled.clock_rate,
                associated: signalled.associated,
                feedback: signalled.feedback,
            });
            if let (Codec::Rtx, Some(associated)) = (codec, signalled.associated)
                && let Some(rtx) = self.rtx.get_mut(usize::from(associated))
            {
                *rtx = Some(signalled.id);
            }
        }
        let extensions = match description.kind {
            MediaKind::Audio => &mut self.audio_extensions,
            MediaKind::Video => &mut self.video_extensions,
        };
        extensions.allow_mixed |= description.allow_mixed;
        for (id, uri) in &description.extensions {
            if let Some(kind) = ExtensionKind::from_uri(uri) {
                extensions.set(*id, kind);
            }
        }
    }

    /// What a number stands for.
    #[must_use]
    pub fn payload_type(&self, id: u8) -> Option<PayloadType> {
        *self.payload_types.get(usize::from(id))?
    }

    /// Whether a number was agreed as a codec of its own.
    #[must_use]
    pub fn accepts(&self, id: u8) -> bool {
        self.payload_type(id).is_some()
    }

    /// The payload type that retransmits `id`.
    #[must_use]
    pub fn rtx_of(&self, id: u8) -> Option<u8> {
        *self.rtx.get(usize::from(id))?
    }

    /// Whether any payload type of this kind was agreed.
    #[must_use]
    pub fn has(&self, kind: MediaKind) -> bool {
        self.payload_types.iter().flatten().any(|known| known.kind == kind)
    }

    /// Whether any payload type has the feedback that `which` picks.
    #[must_use]
    pub fn any_feedback(&self, which: impl Fn(&Feedback) -> bool) -> bool {
        self.payload_types.iter().flatten().any(|known| which(&known.feedback))
    }

    /// Extensions for a kind of media.
    #[must_use]
    pub const fn extensions(&self, kind: MediaKind) -> &ExtensionIds {
        match kind {
            MediaKind::Audio => &self.audio_extensions,
            MediaKind::Video => &self.video_extensions,
        }
    }
}
