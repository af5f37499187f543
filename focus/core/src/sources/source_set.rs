//! The sources of one endpoint.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{SourceName, Ssrc};
use protocol::jingle::content::Content;
use protocol::jingle::rtp::MediaType;
pub use protocol::jingle::source::Semantics;
use protocol::jingle::source::VideoType;

/// Audio or video; nothing else has sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Media {
    /// Microphone.
    Audio,
    /// Camera or screen.
    Video,
}

impl Media {
    /// The wire word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// What is known about one SSRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Kind of media.
    pub media: Media,
    /// Name, the same for all SSRCs of one camera.
    pub name: Option<SourceName>,
    /// Media stream id and track id.
    pub msid: Option<String>,
    /// Camera or screen, as announced.
    pub video_type: Option<VideoType>,
}

/// SSRCs that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Kind of media.
    pub media: Media,
    /// SIM or FID.
    pub semantics: Semantics,
    /// Members; the order has a meaning.
    pub ssrcs: Vec<Ssrc>,
}

/// All sources of one endpoint, or those that are added or removed at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSet {
    /// SSRC → facts.
    pub sources: BTreeMap<Ssrc, SourceFacts>,
    /// Groups.
    pub groups: BTreeSet<Group>,
}

/// Why contents of a Jingle request have no usable sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSources {
    /// A source without an SSRC, or with 0.
    #[error("a source must have an SSRC from 1 to 4294967295")]
    InvalidSsrc,
    /// The same SSRC twice.
    #[error("SSRC {0} is given twice")]
    Duplicate(Ssrc),
    /// Neither SIM nor FID.
    #[error("groups must have the semantics SIM or FID, not {0}")]
    Semantics(Semantics),
}

impl SourceSet {
    /// Reads the sources of all contents.
    ///
    /// # Errors
    /// When a source or group cannot be one.
    pub fn from_contents(contents: &[Content]) -> Result<Self, MalformedSources> {
        let mut set = Self::default();
        for content in contents {
            let media = match content.media_type() {
                MediaType::Audio => Media::Audio,
                MediaType::Video => Media::Video,
                MediaType::Application | MediaType::Other(_) => continue,
            };
            let Some(description) = &content.description else { continue };
            for source in &description.sources {
                let ssrc = source.ssrc.filter(|s| s.0 != 0).ok_or(MalformedSources::InvalidSsrc)?;
                let facts = SourceFacts {
                    media,
                    name: source.name.clone(),
                    msid: source.msid().map(str::to_owned),
                    video_type: source.video_type.clone(),
                };
                if set.sources.insert(ssrc, facts).is_some() {
                    return Err(MalformedSources::Duplicate(ssrc));
                }
            }
            for group in &description.ssrc_groups {
                if !matches!(group.semantics, Semantics::Sim | Semantics::Fid) {
                    return Err(MalformedSources::Semantics(group.semantics.clone()));
                }
                let ssrcs: Vec<Ssrc> = group.ssrcs().collect();
                if !ssrcs.is_empty() {
                    set.groups.insert(Group { media, semantics: group.semantics.clone(), ssrcs });
                }
            }
        }
        Ok(set)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.groups.is_empty()
    }

    /// Whether it has sources of this kind.
    pub fn has(&self, media: Media) -> bool {
        self.sources.values().any(|facts| facts.media == media)
    }

    /// Adds everything of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.sources.extend(other.sources.iter().map(|(s, f)| (*s, f.clone())));
        self.groups.extend(other.groups.iter().cloned());
    }

    /// Takes everything of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        for ssrc in other.sources.keys() {
            self.sources.remove(ssrc);
        }
        for group in &other.groups {
            self.groups.remove(group);
        }
    }

    /// What is in it but not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// Only the given kinds of media.
    #[must_use]
    pub fn only(&self, audio: bool, video: bool) -> Self {
        let wanted = |media| match media {
            Media::Audio => audio,
            Media::Video => video,
        };
        Self {
            sources: self.sources.iter().filter(|(_, f)| wanted(f.media)).map(|(s, f)| (*s, f.clone())).collect(),
            groups: self.groups.iter().filter(|g| wanted(g.media)).cloned().collect(),
        }
    }

    /// Reduces each simulcast group to its first stream with that one's retransmissions: receivers get one stream
    /// whose layers the bridge exchanges underneath.
    #[must_use]
    pub fn without_simulcast(&self) -> Self {
        let mut dropped: BTreeSet<Ssrc> = BTreeSet::new();
        for group in self.groups.iter().filter(|g| g.semantics == Semantics::Sim) {
            dropped.extend(group.ssrcs.iter().skip(1));
        }
        let retransmissions: Vec<Ssrc> = self
            .groups
            .iter()
            .filter(|g| g.semantics == Semantics::Fid && g.ssrcs.first().is_some_and(|s| dropped.contains(s)))
            .flat_map(|g| g.ssrcs.iter().skip(1).copied())
            .collect();
        dropped.extend(retransmissions);
        Self {
            sources: self.sources.iter().filter(|(s, _)| !dropped.contains(s)).map(|(s, f)| (*s, f.clone())).collect(),
            groups: self
                .groups
                .iter()
                .filter(|g| g.semantics != Semantics::Sim && !g.ssrcs.iter().any(|s| dropped.contains(s)))
                .cloned()
                .collect(),
        }
    }
}
