//! A source of one endpoint while it is in the conference.

use std::collections::BTreeMap;

use protocol::ids::SourceName;

use crate::allocate::LayerRate;
use crate::codec::Codec;
use crate::egress::EndpointIndex;
use crate::endpoint::{
    GroupSemantics, MediaKind, Rate, ReceivedStream, SSRCS_PER_SOURCE_MAX, SourceDescription, SourceError, VideoType,
};
use crate::forward::{ContinuityMap, ENCODINGS_MAX, Layer, PacketCache, SourceRequests};
use crate::rtp::Unwrapper;

/// Temporal layers of a simulcast encoding.
const TEMPORAL_LAYERS: usize = 3;
/// Frame rates of 1, 2 and 3 temporal layers of a 30/s stream.
const FRAME_RATES: [f32; TEMPORAL_LAYERS] = [7.5, 15.0, 30.0];
/// Heights assumed for the encodings until a keyframe tells.
const HEIGHTS: [&[i32]; ENCODINGS_MAX] = [&[720], &[360, 720], &[180, 360, 720], &[180, 360, 720, 1080]];
/// A stream from which nothing came for this long is not being sent, µs.
const INACTIVE_US: u64 = 1_500_000;
/// The same for a shared screen, which is silent while nothing moves, µs.
const INACTIVE_DESKTOP_US: u64 = 15_000_000;
/// Packets of a stream from which nothing came for this long are of no use, µs.
const CACHE_UNUSED_US: u64 = 15_000_000;

/// Identity of a source: a new one whenever its SSRCs change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(pub(super) u64);

/// A receiver of a source and the stream on which it gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) receiver: EndpointIndex,
    /// Index into the receiver's outgoing streams; [`NO_SLOT`] until the first packet (audio).
    pub(super) slot: usize,
}

/// No outgoing stream yet.
pub(super) const NO_SLOT: usize = usize::MAX;

/// One stream of a source.
#[derive(Debug)]
pub(super) struct Encoding {
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) stream: ReceivedStream,
    /// Sequence numbers without what is never forwarded. Starts with the first packet.
    pub(super) numbers: Option<ContinuityMap>,
    pictures_long: Unwrapper<15>,
    pictures_short: Unwrapper<7>,
    pub(super) cache: PacketCache,
    pub(super) rates: Box<[Rate; TEMPORAL_LAYERS]>,
    pub(super) height: Option<i32>,
    pub(super) codec: Option<Codec>,
    /// Whether it was active when last looked at.
    pub(super) active: bool,
}

impl Encoding {
    fn new(ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            stream: ReceivedStream::default(),
            numbers: None,
            pictures_long: Unwrapper::default(),
            pictures_short: Unwrapper::default(),
            cache: PacketCache::new(),
            rates: Box::default(),
            height: None,
            codec: None,
            active: false,
        }
    }

    /// Unwrapped picture id.
    pub(super) fn picture(&mut self, value: u16, long: bool) -> u64 {
        if long { self.pictures_long.unwrap(u32::from(value)) } else { self.pictures_short.unwrap(u32::from(value)) }
    }

    /// Forgets the pictures of another codec.
    pub(super) fn restart_pictures(&mut self) {
        self.pictures_long = Unwrapper::default();
        self.pictures_short = Unwrapper::default();
    }

    pub(super) fn is_active(&self, video_type: VideoType, now_us: u64) -> bool {
        let inactive_us = match video_type {
            VideoType::Desktop | VideoType::DesktopHighFps => INACTIVE_DESKTOP_US,
            VideoType::Camera | VideoType::Disabled | VideoType::None => INACTIVE_US,
        };
        self.stream.arrived_at_us.is_some_and(|at| now_us < at + inactive_us)
    }

    /// Gives back the memory of a stream that stopped.
    pub(super) fn release_unused(&mut self, now_us: u64) {
        if self.stream.arrived_at_us.is_some_and(|at| now_us >= at + CACHE_UNUSED_US) {
            self.cache.release();
        }
    }

    pub(super) fn bps(&self, now_us: u64) -> u64 {
        self.rates.iter().map(|rate| rate.bps(now_us)).sum()
    }
}

/// A source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) name: SourceName,
    pub(super) kind: MediaKind,
    pub(super) video_type: VideoType,
    pub(super) synthetic: bool,
    pub(super) encodings: Vec<Encoding>,
    pub(super) listeners: Vec<Listener>,
    pub(super) keyframes: SourceRequests,
    /// Heights that receivers want.
    pub(super) wants: BTreeMap<EndpointIndex, i32>,
    /// Height last told to the sender.
    pub(super) told_height: Option<i32>,
    /// Silent packets in a row (audio).
    pub(super) silent: u8,
}

impl Source {
    pub(super) fn new(id: SourceId, description: &SourceDescription, encodings: &[(u32, Option<u32>)]) -> Self {
        Self {
            id,
            name: description.name.clone(),
            kind: description.kind,
            video_type: description.video_type.unwrap_or_default(),
            synthetic: description.synthetic,
            encodings: encodings.iter().map(|&(ssrc, rtx)| Encoding::new(ssrc, rtx)).collect(),
            listeners: Vec::new(),
            keyframes: SourceRequests::default(),
            wants: BTreeMap::new(),
            told_height: None,
            silent: 0,
        }
    }

    /// `(primary, retransmission)` of each encoding.
    pub(super) fn ssrcs(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        self.encodings.iter().map(|encoding| (encoding.ssrc, encoding.rtx_ssrc))
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.video_type.is_enabled()
    }

    /// The greatest height any receiver wants; -1 is without limit.
    pub(super) fn wanted_height(&self) -> i32 {
        if self.wants.values().any(|&height| height < 0) {
            return -1;
        }
        self.wants.values().copied().max().unwrap_or(0)
    }

    /// Layers with their rates, in ascending quality.
    pub(super) fn layers(&self, now_us: u64) -> Vec<LayerRate> {
        let count = self.encodings.len().clamp(1, ENCODINGS_MAX);
        let assumed = HEIGHTS[count - 1];
        let mut layers = Vec::with_capacity(count * TEMPORAL_LAYERS);
        for (at, encoding) in self.encodings.iter().enumerate() {
            let height = encoding.height.unwrap_or(assumed[at.min(assumed.len() - 1)]);
            let active = encoding.is_active(self.video_type, now_us);
            // Only VP8 is thinned by temporal layers; the others are forwarded whole.
            if encoding.codec.is_none_or(|codec| codec == Codec::Vp8) {
                let mut bitrate_bps = 0;
                for (temporal, (rate, frame_rate)) in encoding.rates.iter().zip(FRAME_RATES).enumerate() {
                    bitrate_bps += rate.bps(now_us);
                    layers.push(LayerRate {
                        layer: Layer { encoding: at as u8, temporal: temporal as u8 },
                        height,
                        frame_rate,
                        bitrate_bps: if active { bitrate_bps } else { 0 },
                    });
                }
            } else {
                layers.push(LayerRate {
                    layer: Layer { encoding: at as u8, temporal: u8::MAX },
                    height,
                    frame_rate: 30.0,
                    bitrate_bps: if active { encoding.bps(now_us) } else { 0 },
                });
            }
        }
        layers
    }
}

/// What an SSRC of an endpoint stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamRole {
    pub(super) source: usize,
    pub(super) encoding: usize,
    pub(super) retransmission: bool,
}

/// The `(primary, retransmission)` streams that a description adds up to.
pub(super) fn encodings(description: &SourceDescription) -> Result<Vec<(u32, Option<u32>)>, SourceError> {
    let refused = || SourceError::Ssrcs(description.name.clone());
    let mut all: Vec<u32> = description.ssrcs.clone();
    all.extend(description.groups.iter().flat_map(|group| group.ssrcs.iter().copied()));
    all.sort_unstable();
    all.dedup();
    if all.is_empty() || all.len() > SSRCS_PER_SOURCE_MAX {
        return Err(refused());
    }
    let groups = |semantics| description.groups.iter().filter(move |group| group.semantics == semantics);
    let secondary = |ssrc: u32| {
        description
            .groups
            .iter()
            .filter(|group| group.semantics != GroupSemantics::Sim)
            .any(|group| group.ssrcs.iter().skip(1).any(|&other| other == ssrc))
    };
    let primaries: Vec<u32> = match groups(GroupSemantics::Sim).next() {
        Some(group) => group.ssrcs.clone(),
        None => {
            let mut given = description.ssrcs.clone();
            given.extend(groups(GroupSemantics::Fid).filter_map(|group| group.ssrcs.first().copied()));
            // Without a group there is one stream; others, if any, are not told apart.
            given.into_iter().filter(|&ssrc| !secondary(ssrc)).take(1).collect()
        }
    };
    if primaries.is_empty() || primaries.len() > ENCODINGS_MAX {
        return Err(refused());
    }
    Ok(primaries
        .into_iter()
        .map(|ssrc| {
            let rtx = groups(GroupSemantics::Fid)
                .find(|group| group.ssrcs.first() == Some(&ssrc))
                .and_then(|group| group.ssrcs.get(1).copied());
            (ssrc, rtx)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::SsrcGroup;

    fn description(ssrcs: &[u32], groups: &[(GroupSemantics, &[u32])]) -> SourceDescription {
        SourceDescription {
            kind: MediaKind::Video,
            name: SourceName::new("a-v0").unwrap(),
            video_type: None,
            ssrcs: ssrcs.to_vec(),
            groups: groups.iter().map(|&(semantics, ssrcs)| SsrcGroup { semantics, ssrcs: ssrcs.to_vec() }).collect(),
            synthetic: false,
        }
    }

    #[test]
    fn groups_make_encodings() {
        use GroupSemantics::{Fid, Other, Sim};
        let simulcast =
            description(&[1, 2, 3, 4, 5, 6], &[(Fid, &[1, 2]), (Sim, &[1, 3, 4]), (Fid, &[3, 5]), (Fid, &[4, 6])]);
        assert_eq!(encodings(&simulcast).unwrap(), [(1, Some(2)), (3, Some(5)), (4, Some(6))]);
        assert_eq!(encodings(&description(&[7], &[])).unwrap(), [(7, None)]);
        assert_eq!(encodings(&description(&[8, 7], &[(Fid, &[7, 8])])).unwrap(), [(7, Some(8))]);
        assert_eq!(encodings(&description(&[7, 8, 9], &[(Fid, &[7, 8]), (Other, &[7, 9])])).unwrap(), [(7, Some(8))]);
    }

    #[test]
    fn bounds() {
        assert!(encodings(&description(&[], &[])).is_err());
        let many: Vec<u32> = (0..=SSRCS_PER_SOURCE_MAX as u32).collect();
        assert!(encodings(&description(&many, &[])).is_err());
        assert!(encodings(&description(&many[1..], &[])).is_ok());
        assert!(encodings(&description(&[1, 2, 3, 4, 5], &[(GroupSemantics::Sim, &[1, 2, 3, 4, 5])])).is_err());
        assert!(encodings(&description(&[1, 2, 3, 4], &[(GroupSemantics::Sim, &[1, 2, 3, 4])])).is_ok());
    }
}
