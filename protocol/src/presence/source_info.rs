//! `<SourceInfo/>`: what a participant's sources do, as JSON text in its room presence.

use std::collections::BTreeMap;

use minidom::Element;
use serde::{Deserialize, Serialize};

/// Most sources read from one presence; the rest is ignored.
pub const SOURCES_MAX: usize = 64;

/// Source name → state. Also stands for the older `<audiomuted/>`/`<videomuted/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceInfo(pub BTreeMap<String, SourceState>);

/// State of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Whether nothing is sent.
    #[serde(default)]
    pub muted: bool,
    /// `desktop` for a screen; absent for a camera.
    #[serde(rename = "videoType", default, skip_serializing_if = "Option::is_none")]
    pub video_type: Option<String>,
}

impl SourceInfo {
    /// Reads it from a presence. `None` when the presence says nothing about sources or the JSON is broken.
    ///
    /// COMPAT(lib-jitsi-meet): the element has no namespace of its own, so it is found by local name.
    pub fn from_presence(presence: &Element) -> Option<Self> {
        let element = presence.children().find(|e| e.name() == "SourceInfo")?;
        let mut info: Self = serde_json::from_str(&element.text()).ok()?;
        while info.0.len() > SOURCES_MAX {
            info.0.pop_last();
        }
        Some(info)
    }

    /// The presence child, in the namespace clients use for it (that of the stanza).
    pub fn to_element(&self) -> Element {
        let json = serde_json::to_string(self).expect("a map of plain values serialises");
        Element::builder("SourceInfo", crate::ns::CLIENT).append(json).build()
    }

    /// Whether a microphone is on.
    pub fn sends_audio(&self) -> bool {
        self.0.iter().any(|(name, state)| !state.muted && is_of_kind(name, 'a'))
    }

    /// Whether a camera or screen is on.
    pub fn sends_video(&self) -> bool {
        self.0.iter().any(|(name, state)| !state.muted && is_of_kind(name, 'v'))
    }
}

/// Source names end in `-a` or `-v` and a number.
fn is_of_kind(name: &str, kind: char) -> bool {
    name.rsplit_once('-').is_some_and(|(_, tail)| tail.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(child: &str) -> Element {
        format!("<presence xmlns='jabber:client'>{child}</presence>").parse().unwrap()
    }

    #[test]
    fn muted_and_desktop() {
        let p = presence(
            r#"<SourceInfo>{"ab-a0":{"muted":true},"ab-v1":{"muted":false,"videoType":"desktop"},"ab-v0":{}}</SourceInfo>"#,
        );
        let info = SourceInfo::from_presence(&p).unwrap();
        assert!(!info.sends_audio());
        assert!(info.sends_video());
        assert_eq!(info.0["ab-v1"].video_type.as_deref(), Some("desktop"));
        assert!(!info.0["ab-v0"].muted);
        let again = presence("");
        assert_eq!(SourceInfo::from_presence(&again), None);
        let mut with = again;
        with.append_child(info.to_element());
        assert_eq!(SourceInfo::from_presence(&with), Some(info));
    }

    #[test]
    fn broken_json_counts_as_absent_and_the_number_is_bounded() {
        assert_eq!(SourceInfo::from_presence(&presence("<SourceInfo>{</SourceInfo>")), None);
        let many: Vec<String> = (0..SOURCES_MAX + 9).map(|i| format!(r#""ab-v{i}":{{}}"#)).collect();
        let p = presence(&format!("<SourceInfo>{{{}}}</SourceInfo>", many.join(",")));
        assert_eq!(SourceInfo::from_presence(&p).unwrap().0.len(), SOURCES_MAX);
    }
}
