//! From the wire types to what the media side understands. What cannot be used is left out: an update must not fail
//! for something the focus cannot mend.

use protocol::colibri2::{Media, MediaSource, Sources};
use protocol::jingle::rtp::MediaType;
use protocol::jingle::source::Semantics;
use protocol::jingle::transport::{CandidateType, IceUdpTransport, Setup};

use super::command::{CandidateAddress, DtlsRole, IceCredentials, RemoteFingerprint, RemoteTransport};
use crate::endpoint::{
    Feedback, GroupSemantics, MediaDescription, MediaKind, PayloadTypeDescription, SSRCS_PER_SOURCE_MAX,
    SourceDescription, SsrcGroup, VideoType,
};

/// Candidates taken from one update; browsers send a dozen.
pub(super) const CANDIDATES_MAX: usize = 64;

/// Fingerprints taken from one update; browsers send one.
pub(super) const FINGERPRINTS_MAX: usize = 8;

fn kind(media_type: &MediaType) -> Option<MediaKind> {
    match media_type {
        MediaType::Audio => Some(MediaKind::Audio),
        MediaType::Video => Some(MediaKind::Video),
        MediaType::Application | MediaType::Other(_) => None,
    }
}

pub(super) fn media(media: &Media) -> Option<MediaDescription> {
    Some(MediaDescription {
        kind: kind(&media.media_type)?,
        payload_types: media
            .payload_types
            .iter()
            .filter_map(|payload| {
                let mut feedback = Feedback::default();
                for agreed in &payload.feedback {
                    match (agreed.kind.as_str(), agreed.subtype.as_deref()) {
                        ("nack", None) => feedback.nack = true,
                        ("nack", Some("pli")) => feedback.pli = true,
                        ("ccm", Some("fir")) => feedback.fir = true,
                        ("transport-cc", None) => feedback.transport_cc = true,
                        ("goog-remb", None) => feedback.remb = true,
                        _ => {}
                    }
                }
                Some(PayloadTypeDescription {
                    id: payload.id,
                    name: payload.name.clone()?,
                    clock_rate: payload.clockrate.unwrap_or(0),
                    associated: payload.parameter("apt").and_then(|apt| apt.parse().ok()),
                    feedback,
                })
            })
            .collect(),
        extensions: media
            .header_extensions
            .iter()
            .filter_map(|extension| Some((u8::try_from(extension.id).ok()?, extension.uri.clone())))
            .collect(),
        allow_mixed: media.extmap_allow_mixed.is_some(),
    })
}

pub(super) fn sources(sources: &Sources) -> Vec<SourceDescription> {
    sources.media_sources.iter().filter_map(source).collect()
}

fn source(source: &MediaSource) -> Option<SourceDescription> {
    let ssrcs: Vec<u32> = source.sources.iter().filter_map(|source| Some(source.ssrc?.0)).collect();
    if ssrcs.is_empty() || ssrcs.len() > SSRCS_PER_SOURCE_MAX {
        tracing::warn!(source = %source.id, ssrcs = ssrcs.len(), "source left out: it has no SSRC or too many");
        return None;
    }
    let kind = kind(&source.media_type)?;
    let video_type = source.sources.iter().find_map(|source| source.video_type.as_ref()).and_then(VideoType::from_wire);
    Some(SourceDescription {
        kind,
        name: source.id.clone(),
        video_type: video_type.filter(|_| kind == MediaKind::Video),
        ssrcs,
        groups: source
            .ssrc_groups
            .iter()
            .map(|group| SsrcGroup {
                semantics: match group.semantics {
                    Semantics::Sim => GroupSemantics::Sim,
                    Semantics::Fid => GroupSemantics::Fid,
                    Semantics::FecFr | Semantics::Other(_) => GroupSemantics::Other,
                },
                ssrcs: group.ssrcs().map(|ssrc| ssrc.0).collect(),
            })
            .collect(),
        synthetic: source.synthetic,
    })
}

pub(super) fn transport(transport: &IceUdpTransport) -> RemoteTransport {
    let credentials = match (&transport.ufrag, &transport.pwd) {
        (Some(ufrag), Some(pwd)) => Some(IceCredentials { ufrag: ufrag.clone(), pwd: pwd.clone() }),
        _ => None,
    };
    let setup = transport.fingerprints.iter().find_map(|fingerprint| fingerprint.setup.as_ref());
    RemoteTransport {
        credentials,
        candidates: transport
            .candidates
            .iter()
            .filter_map(|candidate| {
                Some(CandidateAddress {
                    address: candidate.udp_address()?,
                    priority: candidate.priority,
                    host: candidate.kind == CandidateType::Host,
                })
            })
            .take(CANDIDATES_MAX)
            .collect(),
        fingerprints: transport
            .fingerprints
            .iter()
            .filter_map(|fingerprint| {
                Some(RemoteFingerprint { hash: fingerprint.hash.to_ascii_lowercase(), digest: fingerprint.digest()? })
            })
            .take(FINGERPRINTS_MAX)
            .collect(),
        dtls_role: match setup {
            Some(Setup::Active) => Some(DtlsRole::Server),
            Some(Setup::Passive) => Some(DtlsRole::Client),
            Some(other @ (Setup::Actpass | Setup::Holdconn | Setup::Other(_))) => {
                tracing::warn!(setup = %other, "the peer has not chosen its part in the DTLS handshake");
                None
            }
            None => None,
        },
    }
}
