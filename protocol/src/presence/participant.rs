//! The small facts a participant tells about itself in room presence: region, codecs, statistics id, features, status.
//!
//! COMPAT(lib-jitsi-meet): most of these elements have no namespace of their own and inherit that of the stanza, so
//! they are found by local name.

use minidom::Element;

/// Most codecs or features read from one presence; the rest is ignored.
pub const LIST_MAX: usize = 64;

/// Longest text taken from one of these elements, in bytes; longer ones are ignored.
pub const TEXT_BYTES_MAX: usize = 256;

/// `<jitsi_participant_region>`: where the participant is, to choose a near bridge.
pub fn region(presence: &Element) -> Option<String> {
    text_of(presence, "jitsi_participant_region")
}

/// `<stats-id>`: a random name under which statistics are kept.
pub fn stats_id(presence: &Element) -> Option<String> {
    text_of(presence, "stats-id")
}

/// `<status>`: free text. `switch_room` means the participant moves to a breakout room.
pub fn status(presence: &Element) -> Option<String> {
    text_of(presence, "status")
}

/// `<jitsi_participant_codecList>` in order of preference, lower case. `vp8` is always in it, because every client
/// decodes it and some forget to say so. The older `<jitsi_participant_codecType>` names a single one.
pub fn codec_list(presence: &Element) -> Vec<String> {
    let text = text_of(presence, "jitsi_participant_codecList")
        .or_else(|| text_of(presence, "jitsi_participant_codecType"))
        .unwrap_or_default();
    let mut codecs: Vec<String> = text
        .split(',')
        .map(|codec| codec.trim().to_ascii_lowercase())
        .filter(|codec| !codec.is_empty())
        .take(LIST_MAX)
        .collect();
    if !codecs.iter().any(|codec| codec == "vp8") {
        codecs.push("vp8".to_owned());
    }
    codecs
}

/// `<features><feature var='…'/></features>`: features announced in presence instead of disco#info.
pub fn features(presence: &Element) -> Vec<String> {
    presence
        .children()
        .filter(|e| e.name() == "features")
        .flat_map(Element::children)
        .filter(|e| e.name() == "feature")
        .filter_map(|e| e.attr("var"))
        .take(LIST_MAX)
        .map(str::to_owned)
        .collect()
}

/// `<audiomuted>` or `<videomuted>` of clients that do not send SourceInfo: whether that medium is muted.
pub fn legacy_muted(presence: &Element, name: &str) -> Option<bool> {
    text_of(presence, name).map(|text| text == "true")
}

fn text_of(presence: &Element, name: &str) -> Option<String> {
    let text = presence.children().find(|e| e.name() == name)?.text();
    (text.len() <= TEXT_BYTES_MAX && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(children: &str) -> Element {
        format!("<presence xmlns='jabber:client'>{children}</presence>").parse().unwrap()
    }

    #[test]
    fn facts_are_read_by_local_name() {
        let p = presence(
            "<jitsi_participant_region>eu</jitsi_participant_region><stats-id>Ann-x1</stats-id>\
             <jitsi_participant_codecList>AV1, vp9</jitsi_participant_codecList>\
             <features><feature var='https://jitsi.org/meet/e2ee'/></features><audiomuted>true</audiomuted>",
        );
        assert_eq!(region(&p).as_deref(), Some("eu"));
        assert_eq!(stats_id(&p).as_deref(), Some("Ann-x1"));
        assert_eq!(codec_list(&p), ["av1", "vp9", "vp8"]);
        assert_eq!(features(&p), ["https://jitsi.org/meet/e2ee"]);
        assert_eq!(legacy_muted(&p, "audiomuted"), Some(true));
        assert_eq!(legacy_muted(&p, "videomuted"), None);
    }

    #[test]
    fn lists_and_texts_are_bounded() {
        let many = vec!["x"; LIST_MAX + 5].join(",");
        let p = presence(&format!(
            "<jitsi_participant_codecList>{many}</jitsi_participant_codecList><stats-id>{}</stats-id>\
             <features>{}</features>",
            "y".repeat(TEXT_BYTES_MAX + 1),
            "<feature var='z'/>".repeat(LIST_MAX + 5),
        ));
        assert_eq!(codec_list(&p).len(), LIST_MAX + 1, "vp8 comes on top");
        assert_eq!(stats_id(&p), None);
        assert_eq!(features(&p).len(), LIST_MAX);
    }
}
