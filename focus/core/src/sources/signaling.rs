//! Telling one participant about the sources of the others: what it should know, what it was told, the difference.

use std::collections::BTreeMap;

use super::source_set::SourceSet;

/// Owner → sources. The bridge's own sources have the owner `jvb`.
pub type SourcesByOwner = BTreeMap<String, SourceSet>;

/// The owner under which the bridge's own sources are signalled.
pub const BRIDGE_OWNER: &str = "jvb";

/// What one participant was told.
#[derive(Debug, Clone, Default)]
pub struct Signaling {
    told: SourcesByOwner,
}

/// One flush: first the removal, then the addition; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// For source-remove.
    pub removed: SourcesByOwner,
    /// For source-add.
    pub added: SourcesByOwner,
}

impl Signaling {
    /// A new offer told this and nothing else.
    pub fn reset(&mut self, offered: SourcesByOwner) {
        self.told = offered;
    }

    /// An endpoint left. Clients infer from the room that its sources are gone, so nothing is sent.
    pub fn forget(&mut self, owner: &str) {
        self.told.remove(owner);
    }

    /// What has to be sent so that the participant knows `wanted`; afterwards it counts as told.
    pub fn flush(&mut self, wanted: SourcesByOwner) -> Difference {
        let difference = Difference { removed: minus(&self.told, &wanted), added: minus(&wanted, &self.told) };
        self.told = wanted;
        difference
    }
}

fn minus(all: &SourcesByOwner, known: &SourcesByOwner) -> SourcesByOwner {
    let nothing = SourceSet::default();
    all.iter()
        .map(|(owner, set)| (owner.clone(), set.without(known.get(owner).unwrap_or(&nothing))))
        .filter(|(_, set)| !set.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::source_set::{Media, SourceFacts};
    use protocol::ids::Ssrc;

    fn set(ssrcs: &[u32]) -> SourceSet {
        let facts = SourceFacts { media: Media::Audio, name: None, msid: None, video_type: None };
        SourceSet { sources: ssrcs.iter().map(|s| (Ssrc(*s), facts.clone())).collect(), ..SourceSet::default() }
    }

    fn by_owner(list: &[(&str, &[u32])]) -> SourcesByOwner {
        list.iter().map(|(owner, ssrcs)| ((*owner).to_owned(), set(ssrcs))).collect()
    }

    #[test]
    fn changes_between_flushes_coalesce() {
        let mut signaling = Signaling::default();
        signaling.reset(by_owner(&[("a", &[1, 2])]));
        // 2 went, 3 came and went again, 4 came.
        let difference = signaling.flush(by_owner(&[("a", &[1]), ("b", &[4])]));
        assert_eq!(difference.removed, by_owner(&[("a", &[2])]));
        assert_eq!(difference.added, by_owner(&[("b", &[4])]));
        assert_eq!(signaling.flush(by_owner(&[("a", &[1]), ("b", &[4])])), Difference::default());
    }

    #[test]
    fn whoever_left_is_not_signalled() {
        let mut signaling = Signaling::default();
        signaling.reset(by_owner(&[("a", &[1])]));
        signaling.forget("a");
        assert_eq!(signaling.flush(SourcesByOwner::new()), Difference::default());
    }
}
