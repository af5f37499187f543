//! Sources in compact JSON: what the focus puts into `<json-message/>` for clients that announce
//! `http://jitsi.org/json-encoded-sources`.
//!
//! Per owner an array `[video sources, video groups, audio sources, audio groups]`; trailing empty arrays may be left
//! out by a sender.

use std::collections::BTreeMap;

use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The whole message: owner → its sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonSources {
    /// Owners in order of their id.
    pub sources: BTreeMap<String, JsonEndpointSources>,
}

/// Sources of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonEndpointSources {
    /// Video sources.
    pub video: Vec<JsonSource>,
    /// Groups of video sources.
    pub video_groups: Vec<JsonSsrcGroup>,
    /// Audio sources.
    pub audio: Vec<JsonSource>,
    /// Groups of audio sources.
    pub audio_groups: Vec<JsonSsrcGroup>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonSource {
    /// SSRC.
    #[serde(rename = "s", deserialize_with = "number_or_text")]
    pub ssrc: u32,
    /// Source name.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Media stream id and track id.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub msid: Option<String>,
    /// `d` for a desktop; absent for a camera and for audio.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub video_type: Option<String>,
}

/// `["s", ssrc, …]` (SIM) or `["f", ssrc, …]` (FID).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonSsrcGroup {
    /// `s` or `f`.
    pub semantics: String,
    /// Members, first one leading.
    pub ssrcs: Vec<u32>,
}

impl Serialize for JsonEndpointSources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let with_audio_groups = !self.audio_groups.is_empty();
        let mut seq = serializer.serialize_seq(Some(if with_audio_groups { 4 } else { 3 }))?;
        seq.serialize_element(&self.video)?;
        seq.serialize_element(&self.video_groups)?;
        seq.serialize_element(&self.audio)?;
        if with_audio_groups {
            seq.serialize_element(&self.audio_groups)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for JsonEndpointSources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = JsonEndpointSources;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of up to four arrays")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let video = seq.next_element()?.unwrap_or_default();
                let video_groups = seq.next_element()?.unwrap_or_default();
                let audio = seq.next_element()?.unwrap_or_default();
                let audio_groups = seq.next_element()?.unwrap_or_default();
                Ok(JsonEndpointSources { video, video_groups, audio, audio_groups })
            }
        }
        deserializer.deserialize_seq(Parts)
    }
}

impl Serialize for JsonSsrcGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(1 + self.ssrcs.len()))?;
        seq.serialize_element(&self.semantics)?;
        for ssrc in &self.ssrcs {
            seq.serialize_element(ssrc)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for JsonSsrcGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = JsonSsrcGroup;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of a letter and SSRCs")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let semantics: String = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut ssrcs = Vec::new();
                while let Some(NumberOrText(ssrc)) = seq.next_element()? {
                    ssrcs.push(ssrc);
                }
                Ok(JsonSsrcGroup { semantics, ssrcs })
            }
        }
        deserializer.deserialize_seq(Parts)
    }
}

/// COMPAT(lib-jitsi-meet): SSRCs appear as numbers and as decimal text.
struct NumberOrText(u32);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text(deserializer).map(Self)
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(n) => Ok(n),
        Either::Text(t) => t.parse().map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From an offer of Jicofo with SSRC rewriting.
    const FEEDBACK_SOURCES: &str = r#"{"sources":{"jvb":[[{"s":2306149258,"n":"jvb-v0","m":"mixedmslabel mixedlabelvideo0"}],[],[{"s":1617311560,"n":"jvb-a0","m":"mixedmslabel mixedlabelaudio0"}]]}}"#;

    #[test]
    fn recorded_offer_survives_byte_for_byte() {
        let parsed: JsonSources = serde_json::from_str(FEEDBACK_SOURCES).unwrap();
        assert_eq!(parsed.sources["jvb"].audio[0].ssrc, 1_617_311_560);
        assert_eq!(serde_json::to_string(&parsed).unwrap(), FEEDBACK_SOURCES);
    }

    #[test]
    fn groups_and_left_out_tails() {
        let text = r#"{"sources":{"ab":[[{"s":"11","n":"ab-v0","v":"d"},{"s":12}],[["f",11,"12"]]]}}"#;
        let parsed: JsonSources = serde_json::from_str(text).unwrap();
        let ab = &parsed.sources["ab"];
        assert_eq!(ab.video[0].video_type.as_deref(), Some("d"));
        assert_eq!(ab.video_groups[0].ssrcs, [11, 12]);
        assert!(ab.audio.is_empty());
        assert_eq!(
            serde_json::to_string(&parsed).unwrap(),
            r#"{"sources":{"ab":[[{"s":11,"n":"ab-v0","v":"d"},{"s":12}],[["f",11,12]],[]]}}"#
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            r#"{"sources":{"a":[[{"s":-1}]]}}"#,
            r#"{"sources":{"a":[[],[[]]]}}"#,
            r#"{"sources":{"a":3}}"#,
            r#"{"sources":{"a":[[{"s":4294967296}]]}}"#,
        ] {
            assert!(serde_json::from_str::<JsonSources>(bad).is_err(), "{bad}");
        }
    }
}
