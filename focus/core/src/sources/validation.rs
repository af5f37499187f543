//! Which sources an endpoint may have, given everybody else's.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{EndpointId, Ssrc};

use super::source_set::{Group, Media, Semantics, SourceSet};
use crate::config::SourceLimits;

/// All sources of a conference. What is in it is valid.
#[derive(Debug, Clone, Default)]
pub struct ConferenceSources {
    endpoints: BTreeMap<EndpointId, SourceSet>,
    owners: BTreeMap<Ssrc, EndpointId>,
    msids: BTreeMap<String, EndpointId>,
}

/// Why sources were refused. The peer is to blame for each of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Used by this or another endpoint.
    #[error("SSRC {0} is in use")]
    SsrcInUse(Ssrc),
    /// Another endpoint has this stream and track.
    #[error("the msid {0} belongs to another endpoint")]
    MsidInUse(String),
    /// More sources than one endpoint may have.
    #[error("more than {0} SSRCs")]
    TooManySsrcs(usize),
    /// More groups than one endpoint may have.
    #[error("more than {0} SSRC groups")]
    TooManyGroups(usize),
    /// A group names a source that the endpoint does not have.
    #[error("a group names SSRC {0}, which is not declared")]
    UndeclaredInGroup(Ssrc),
    /// An FID group must be a stream and its retransmissions.
    #[error("an FID group must have exactly two SSRCs")]
    FidSize,
    /// A grouped source must say which stream and track it is.
    #[error("SSRC {0} is in a group but has no msid")]
    GroupedWithoutMsid(Ssrc),
    /// All sources of a group are one track.
    #[error("the SSRCs of a group must have the same msid")]
    GroupMsidMismatch,
    /// Different tracks must be different.
    #[error("two groups share the msid {0}")]
    GroupMsidConflict(String),
    /// A source that is to go is not there.
    #[error("SSRC {0} does not belong to the endpoint")]
    NotOwned(Ssrc),
    /// A group that is to go is not there.
    #[error("the group to remove does not exist")]
    NoSuchGroup,
}

impl ConferenceSources {
    /// The sources of one endpoint.
    pub fn of(&self, endpoint: &EndpointId) -> Option<&SourceSet> {
        self.endpoints.get(endpoint)
    }

    /// Everybody's sources in order of endpoint id.
    pub fn iter(&self) -> impl Iterator<Item = (&EndpointId, &SourceSet)> {
        self.endpoints.iter()
    }

    /// Adds sources of an endpoint; all or nothing. Returns what was really added: groups it had already are not.
    ///
    /// # Errors
    /// When a rule would be broken; nothing changes then.
    pub fn try_add(
        &mut self,
        owner: &EndpointId,
        added: &SourceSet,
        limits: &SourceLimits,
    ) -> Result<SourceSet, SourceError> {
        let had = self.endpoints.get(owner).cloned().unwrap_or_default();
        for (ssrc, facts) in &added.sources {
            if self.owners.contains_key(ssrc) {
                return Err(SourceError::SsrcInUse(*ssrc));
            }
            if let Some(msid) = &facts.msid
                && self.msids.get(msid).is_some_and(|other| other != owner)
            {
                return Err(SourceError::MsidInUse(msid.clone()));
            }
        }
        let mut result = had.clone();
        result.extend(added);
        check(&result, limits)?;
        for (ssrc, facts) in &added.sources {
            self.owners.insert(*ssrc, owner.clone());
            if let Some(msid) = &facts.msid {
                self.msids.insert(msid.clone(), owner.clone());
            }
        }
        let really_added = result.without(&had);
        if !result.is_empty() {
            self.endpoints.insert(owner.clone(), result);
        }
        Ok(really_added)
    }

    /// Removes sources of an endpoint; all or nothing. Groups that touch a removed source go too. Returns what was
    /// removed, with the facts as they were known.
    ///
    /// # Errors
    /// When something is not there or what is left would break a rule; nothing changes then.
    pub fn try_remove(
        &mut self,
        owner: &EndpointId,
        removed: &SourceSet,
        limits: &SourceLimits,
    ) -> Result<SourceSet, SourceError> {
        let had = self.endpoints.get(owner).cloned().unwrap_or_default();
        let mut gone = SourceSet::default();
        for ssrc in removed.sources.keys() {
            let facts = had.sources.get(ssrc).ok_or(SourceError::NotOwned(*ssrc))?;
            gone.sources.insert(*ssrc, facts.clone());
        }
        for group in &removed.groups {
            if !had.groups.contains(group) {
                return Err(SourceError::NoSuchGroup);
            }
        }
        let touched = |g: &&Group| removed.groups.contains(*g) || g.ssrcs.iter().any(|s| gone.sources.contains_key(s));
        gone.groups = had.groups.iter().filter(touched).cloned().collect();
        let rest = had.without(&gone);
        check(&rest, limits)?;
        self.replace(owner, rest);
        Ok(gone)
    }

    /// Forgets an endpoint and returns what it had.
    pub fn remove_endpoint(&mut self, owner: &EndpointId) -> SourceSet {
        let had = self.endpoints.get(owner).cloned().unwrap_or_default();
        self.replace(owner, SourceSet::default());
        had
    }

    fn replace(&mut self, owner: &EndpointId, rest: SourceSet) {
        self.owners.retain(|_, o| o != owner);
        self.msids.retain(|_, o| o != owner);
        for (ssrc, facts) in &rest.sources {
            self.owners.insert(*ssrc, owner.clone());
            if let Some(msid) = &facts.msid {
                self.msids.insert(msid.clone(), owner.clone());
            }
        }
        if rest.is_empty() {
            self.endpoints.remove(owner);
        } else {
            self.endpoints.insert(owner.clone(), rest);
        }
    }
}

/// The rules that concern the sources of one endpoint among themselves.
fn check(set: &SourceSet, limits: &SourceLimits) -> Result<(), SourceError> {
    if set.sources.len() > limits.ssrcs_per_endpoint_max {
        return Err(SourceError::TooManySsrcs(limits.ssrcs_per_endpoint_max));
    }
    if set.groups.len() > limits.groups_per_endpoint_max {
        return Err(SourceError::TooManyGroups(limits.groups_per_endpoint_max));
    }
    for group in &set.groups {
        if group.semantics == Semantics::Fid && group.ssrcs.len() != 2 {
            return Err(SourceError::FidSize);
        }
        let mut msid: Option<&str> = None;
        for ssrc in &group.ssrcs {
            let facts = set.sources.get(ssrc).ok_or(SourceError::UndeclaredInGroup(*ssrc))?;
            let this = facts.msid.as_deref().ok_or(SourceError::GroupedWithoutMsid(*ssrc))?;
            if msid.is_some_and(|other| other != this) {
                return Err(SourceError::GroupMsidMismatch);
            }
            msid = Some(this);
        }
    }
    check_tracks(set)
}

/// Groups connected by common SSRCs are one track; two tracks of one kind must not share an msid.
fn check_tracks(set: &SourceSet) -> Result<(), SourceError> {
    for media in [Media::Audio, Media::Video] {
        let mut tracks: Vec<BTreeSet<Ssrc>> = Vec::new();
        for group in set.groups.iter().filter(|g| g.media == media) {
            let mut track: BTreeSet<Ssrc> = group.ssrcs.iter().copied().collect();
            tracks.retain(|other| {
                let connected = !other.is_disjoint(&track);
                if connected {
                    track.extend(other);
                }
                !connected
            });
            tracks.push(track);
        }
        let mut msids = BTreeSet::new();
        for track in &tracks {
            let msid = track.iter().find_map(|ssrc| set.sources.get(ssrc)?.msid.as_deref());
            if let Some(msid) = msid
                && !msids.insert(msid)
            {
                return Err(SourceError::GroupMsidConflict(msid.to_owned()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::source_set::SourceFacts;

    fn id(text: &str) -> EndpointId {
        EndpointId::new(text).unwrap()
    }

    /// `v11=m v12=m fid:11,12 a21=n`
    fn set(text: &str) -> SourceSet {
        let mut set = SourceSet::default();
        let ssrcs = |list: &str| list.split(',').map(|s| Ssrc(s.parse().unwrap())).collect();
        for word in text.split_whitespace() {
            if let Some((semantics, list)) = word.split_once(':') {
                set.groups.insert(Group {
                    media: Media::Video,
                    semantics: Semantics::from(semantics.to_uppercase().as_str()),
                    ssrcs: ssrcs(list),
                });
            } else {
                let (ssrc, msid) = word[1..].split_once('=').unwrap();
                let facts = SourceFacts {
                    media: if word.starts_with('a') { Media::Audio } else { Media::Video },
                    name: None,
                    msid: (!msid.is_empty()).then(|| msid.to_owned()),
                    video_type: None,
                };
                set.sources.insert(Ssrc(ssrc.parse().unwrap()), facts);
            }
        }
        set
    }

    fn add(have: &[(&str, &str)], owner: &str, what: &str) -> Result<SourceSet, SourceError> {
        let mut all = ConferenceSources::default();
        let limits = SourceLimits::default();
        for (owner, sources) in have {
            all.try_add(&id(owner), &set(sources), &limits).unwrap();
        }
        let before = all.clone();
        let result = all.try_add(&id(owner), &set(what), &limits);
        if result.is_err() {
            assert_eq!(all.endpoints, before.endpoints, "nothing changes on error");
            assert_eq!(all.owners, before.owners);
        }
        result
    }

    #[test]
    fn what_may_be_added() {
        let simulcast = "v1=m v2=m v3=m v4=m v5=m v6=m sim:1,3,5 fid:1,2 fid:3,4 fid:5,6 a9=n";
        for (have, owner, what) in [
            (&[][..], "a", simulcast),
            (&[("a", simulcast)][..], "b", "a10=x v11=y"),
            (&[("a", "a1=same")][..], "a", "v2=same"),
            (&[][..], "a", "a1= v2="),
        ] {
            assert_eq!(add(have, owner, what), Ok(set(what)), "{what}");
        }
    }

    #[test]
    fn what_may_not() {
        let many: String = (1..=21).map(|n| format!("a{n}= ")).collect();
        let many_groups: String = (1..=7)
            .flat_map(|a| (8..=10).map(move |b| format!("fid:{a},{b} ")))
            .chain((1..=10).map(|n| format!("v{n}=m ")))
            .collect();
        for (have, owner, what, error) in [
            (&[("a", "a1=x")][..], "b", "a1=y", SourceError::SsrcInUse(Ssrc(1))),
            (&[("a", "a1=x")][..], "a", "a1=x", SourceError::SsrcInUse(Ssrc(1))),
            (&[("a", "a1=x")][..], "b", "a2=x", SourceError::MsidInUse("x".into())),
            (&[][..], "a", &many, SourceError::TooManySsrcs(20)),
            (&[][..], "a", &many_groups, SourceError::TooManyGroups(20)),
            (&[][..], "a", "v1=m fid:1,2", SourceError::UndeclaredInGroup(Ssrc(2))),
            (&[][..], "a", "v1=m v2=m v3=m fid:1,2,3", SourceError::FidSize),
            (&[][..], "a", "v1= v2=m fid:1,2", SourceError::GroupedWithoutMsid(Ssrc(1))),
            (&[][..], "a", "v1=k v2=m fid:1,2", SourceError::GroupMsidMismatch),
            (&[][..], "a", "v1=m v2=m v3=m v4=m fid:1,2 fid:3,4", SourceError::GroupMsidConflict("m".into())),
        ] {
            assert_eq!(add(have, owner, what), Err(error), "{what}");
        }
    }

    #[test]
    fn removal_takes_groups_along_and_needs_ownership() {
        let mut all = ConferenceSources::default();
        let limits = SourceLimits::default();
        all.try_add(&id("a"), &set("v1=m v2=m fid:1,2 a3=n"), &limits).unwrap();
        all.try_add(&id("b"), &set("a4=o"), &limits).unwrap();
        assert_eq!(all.try_remove(&id("b"), &set("a3=n"), &limits), Err(SourceError::NotOwned(Ssrc(3))));
        assert_eq!(all.try_remove(&id("a"), &set("fid:2,1"), &limits), Err(SourceError::NoSuchGroup));
        let gone = all.try_remove(&id("a"), &set("v1= v2="), &limits).unwrap();
        assert_eq!(gone, set("v1=m v2=m fid:1,2"), "the facts are those known");
        all.try_add(&id("b"), &set("v1=m"), &limits).unwrap();
        assert_eq!(all.remove_endpoint(&id("a")), set("a3=n"));
        assert!(all.of(&id("a")).is_none());
    }
}
