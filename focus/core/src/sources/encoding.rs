//! Sources on the wire: Jingle contents for most receivers, compact JSON for those that can, media sources for bridges.

use minidom::Element;
use protocol::ids::{EndpointId, Ssrc};
use protocol::jingle::content::Content;
use protocol::jingle::json_sources::{JsonEndpointSources, JsonSource, JsonSources, JsonSsrcGroup};
use protocol::jingle::rtp::{MediaType, RtpDescription};
use protocol::jingle::source::{Source, SsrcGroup, VideoType};
use protocol::ns;

use super::signaling::SourcesByOwner;
use super::source_set::{Group, Media, Semantics, SourceFacts, SourceSet};
use crate::stanza::element;

/// The compact JSON text.
pub fn to_json(sources: &SourcesByOwner) -> String {
    let sources = sources.iter().map(|(owner, set)| (owner.clone(), json_of(set))).collect();
    serde_json::to_string(&JsonSources { sources }).expect("plain values serialise")
}

fn json_of(set: &SourceSet) -> JsonEndpointSources {
    let of = |media| -> Vec<JsonSource> {
        set.sources
            .iter()
            .filter(|(_, facts)| facts.media == media)
            .map(|(ssrc, facts)| JsonSource {
                ssrc: ssrc.0,
                name: facts.name.as_ref().map(ToString::to_string),
                msid: facts.msid.clone(),
                video_type: (facts.video_type == Some(VideoType::Desktop)).then(|| "d".to_owned()),
            })
            .collect()
    };
    let groups = |media| -> Vec<JsonSsrcGroup> {
        set.groups
            .iter()
            .filter(|group| group.media == media)
            .map(|group| JsonSsrcGroup {
                semantics: if group.semantics == Semantics::Sim { "s" } else { "f" }.to_owned(),
                ssrcs: group.ssrcs.iter().map(|s| s.0).collect(),
            })
            .collect()
    };
    JsonEndpointSources {
        video: of(Media::Video),
        video_groups: groups(Media::Video),
        audio: of(Media::Audio),
        audio_groups: groups(Media::Audio),
    }
}

/// Contents `audio` and `video` with the sources, for source-add and source-remove. A kind without sources has none.
pub fn to_contents(sources: &SourcesByOwner) -> Vec<Content> {
    [Media::Audio, Media::Video]
        .into_iter()
        .filter(|media| sources.values().any(|set| set.has(*media) || set.groups.iter().any(|g| g.media == *media)))
        .map(|media| {
            let mut description = RtpDescription::new(MediaType::from(media.as_str()));
            add_to_description(&mut description, media, sources);
            Content { description: Some(description), ..Content::bare(media.as_str()) }
        })
        .collect()
}

/// Puts the sources of one kind into a description.
pub fn add_to_description(description: &mut RtpDescription, media: Media, sources: &SourcesByOwner) {
    for (owner, set) in sources {
        for (ssrc, facts) in set.sources.iter().filter(|(_, f)| f.media == media) {
            description.sources.push(source(*ssrc, facts).with_owner(owner.as_str()));
        }
        description.ssrc_groups.extend(set.groups.iter().filter(|g| g.media == media).map(group));
    }
}

fn source(ssrc: Ssrc, facts: &SourceFacts) -> Source {
    let mut source = Source::new(ssrc);
    source.name = facts.name.clone();
    source.video_type = facts.video_type.clone();
    match &facts.msid {
        Some(msid) => source.with_msid(msid.as_str()),
        None => source,
    }
}

fn group(group: &Group) -> SsrcGroup {
    SsrcGroup::new(group.semantics.clone(), group.ssrcs.iter().copied())
}

/// `<sources/>` of colibri2: always the complete set of the endpoint, one media source per source name.
pub fn to_media_sources(endpoint: &EndpointId, set: &SourceSet) -> Element {
    let mut by_name: std::collections::BTreeMap<(Media, String), Vec<(Ssrc, &SourceFacts)>> = Default::default();
    let name_of = |facts: &SourceFacts| match (&facts.name, facts.media) {
        (Some(name), _) => name.to_string(),
        (None, Media::Audio) => format!("{endpoint}-a0"),
        (None, Media::Video) => format!("{endpoint}-v0"),
    };
    for (ssrc, facts) in &set.sources {
        by_name.entry((facts.media, name_of(facts))).or_default().push((*ssrc, facts));
    }
    let children = by_name.into_iter().map(|((media, name), members)| {
        let attributes = [("type", media.as_str()), ("id", name.as_str())];
        let mut media_source = element("media-source", ns::COLIBRI2, &attributes, []);
        for (ssrc, facts) in &members {
            let mut plain = Source::new(*ssrc);
            plain.name = facts.name.clone();
            plain.video_type = facts.video_type.clone();
            media_source.append_child(plain.into());
        }
        let belongs = |g: &&Group| g.ssrcs.first().is_some_and(|first| members.iter().any(|(s, _)| s == first));
        for g in set.groups.iter().filter(belongs) {
            media_source.append_child(group(g).into());
        }
        media_source
    });
    element("sources", ns::COLIBRI2, &[], children)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::SourceName;

    fn simulcast() -> SourcesByOwner {
        let facts = |media, name: &str| SourceFacts {
            media,
            name: Some(SourceName::new(name).unwrap()),
            msid: Some(format!("{name} track")),
            video_type: (media == Media::Video).then_some(VideoType::Camera),
        };
        let mut set = SourceSet::default();
        for ssrc in 11..=16 {
            set.sources.insert(Ssrc(ssrc), facts(Media::Video, "ab-v0"));
        }
        set.sources.insert(Ssrc(21), facts(Media::Audio, "ab-a0"));
        for (semantics, ssrcs) in
            [(Semantics::Sim, vec![11, 13, 15]), (Semantics::Fid, vec![11, 12]), (Semantics::Fid, vec![13, 14])]
        {
            set.groups.insert(Group { media: Media::Video, semantics, ssrcs: ssrcs.into_iter().map(Ssrc).collect() });
        }
        SourcesByOwner::from([("ab".to_owned(), set)])
    }

    #[test]
    fn xml_reads_back_as_the_same_set() {
        let all = simulcast();
        assert_eq!(SourceSet::from_contents(&to_contents(&all)).as_ref(), Ok(&all["ab"]));
    }

    #[test]
    fn json_without_simulcast() {
        let mut all = simulcast();
        let set = all["ab"].without_simulcast();
        all.insert("ab".to_owned(), set);
        // 16 is not in any group here, so nothing says that it belongs to a dropped layer.
        assert_eq!(
            to_json(&all),
            r#"{"sources":{"ab":[[{"s":11,"n":"ab-v0","m":"ab-v0 track"},{"s":12,"n":"ab-v0","m":"ab-v0 track"},{"s":16,"n":"ab-v0","m":"ab-v0 track"}],[["f",11,12]],[{"s":21,"n":"ab-a0","m":"ab-a0 track"}]]}}"#
        );
    }

    #[test]
    fn bridges_get_one_media_source_per_name_without_msid() {
        let endpoint = EndpointId::new("ab").unwrap();
        let element = to_media_sources(&endpoint, &simulcast()["ab"]);
        let children: Vec<&Element> = element.children().collect();
        assert_eq!(children.len(), 2);
        assert_eq!((children[0].attr("type"), children[0].attr("id")), (Some("audio"), Some("ab-a0")));
        assert_eq!(children[1].children().count(), 9);
        let mut audio = String::new();
        for_each_text(&element, &mut audio);
        assert!(!audio.contains("msid"));
    }

    fn for_each_text(element: &Element, out: &mut String) {
        out.push_str(element.name());
        for child in element.children() {
            for_each_text(child, out);
        }
    }
}
