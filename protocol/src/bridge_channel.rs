//! Messages between client and bridge (and between bridges): JSON objects told apart by `colibriClass`.
//!
//! They travel as text on a data channel or a WebSocket. A class nobody knows is a value ([`Message::Unknown`]), not
//! an error; a known class of the wrong shape is an error that costs its sender that message only.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::ids::{EndpointId, SourceName, Ssrc};
use crate::jingle::source::VideoType;

/// Longest message accepted, in bytes.
pub const MESSAGE_LEN_MAX: usize = 256 * 1024;

/// Field that names the class.
const CLASS: &str = "colibriClass";

/// Why a text is not a message.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`MESSAGE_LEN_MAX`].
    #[error("the message is longer than {MESSAGE_LEN_MAX} bytes")]
    TooLong,
    /// Not a JSON object, or a known class of the wrong shape.
    #[error("the message is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// An object without a text in `colibriClass`.
    #[error("the message has no colibriClass")]
    NoClass,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $class:ident,)+) => {
        /// Any message.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message {
            $($(#[$doc])* $class($class),)+
            /// A class this version does not know, complete.
            Unknown(Map<String, Value>),
        }

        impl Message {
            /// Reads a message.
            ///
            /// # Errors
            /// When the text is too long, no JSON object, without class, or of a known class but the wrong shape.
            pub fn parse(text: &str) -> Result<Self, ParseError> {
                if text.len() > MESSAGE_LEN_MAX {
                    return Err(ParseError::TooLong);
                }
                let mut object: Map<String, Value> = serde_json::from_str(text)?;
                let Some(Value::String(class)) = object.get(CLASS) else {
                    return Err(ParseError::NoClass);
                };
                match class.as_str() {
                    $(stringify!($class) => {
                        object.remove(CLASS);
                        Ok(Self::$class(serde_json::from_value(Value::Object(object))?))
                    })+
                    _ => Ok(Self::Unknown(object)),
                }
            }

            /// The `colibriClass`.
            pub fn class(&self) -> &str {
                match self {
                    $(Self::$class(_) => stringify!($class),)+
                    Self::Unknown(object) => object.get(CLASS).and_then(Value::as_str).unwrap_or_default(),
                }
            }

            /// The wire form, class first.
            pub fn to_json(&self) -> String {
                match self {
                    $(Self::$class(message) => tagged(stringify!($class), message),)+
                    Self::Unknown(object) => Value::Object(object.clone()).to_string(),
                }
            }
        }

        $(impl From<$class> for Message {
            fn from(message: $class) -> Self {
                Self::$class(message)
            }
        })+
    };
}

messages! {
    /// Client → bridge: asks for a [`ServerHello`].
    ClientHello,
    /// Client → bridge: what video it wants.
    ReceiverVideoConstraints,
    /// Client → bridge: lastN, as older clients say it.
    LastNChangedEvent,
    /// Client → bridge: what a source shows.
    SourceVideoTypeMessage,
    /// Client → bridge: what the first video source shows, as older clients say it.
    VideoTypeMessage,
    /// Between clients, through the bridge.
    EndpointMessage,
    /// Statistics of a client for the others.
    EndpointStats,
    /// Client → bridge: what audio it wants.
    ReceiverAudioSubscription,
    /// Bridge → client: greeting.
    ServerHello,
    /// Bridge → client: how much of a source anybody wants.
    SenderSourceConstraints,
    /// Bridge → client: which sources are being forwarded to it.
    ForwardedSources,
    /// Bridge → client: who speaks.
    DominantSpeakerEndpointChangeEvent,
    /// Bridge → client: whether media of an endpoint arrives.
    EndpointConnectivityStatusChangeEvent,
    /// Bridge → client: which video source is on which SSRC.
    VideoSourcesMap,
    /// Bridge → client: which audio source is on which SSRC.
    AudioSourcesMap,
    /// Bridge → client: estimates.
    ConnectionStats,
    /// Bridge → client: a translated source starts or stops.
    SyntheticSourceSendingChangeEvent,
    /// Bridge → bridge: a receiver over there wants a source.
    AddReceiver,
    /// Bridge → bridge: a receiver over there has gone.
    RemoveReceiver,
}

fn tagged<T: Serialize>(class: &str, message: &T) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        #[serde(rename = "colibriClass")]
        class: &'a str,
        #[serde(flatten)]
        message: &'a T,
    }
    serde_json::to_string(&Tagged { class, message }).expect("messages have text keys only")
}

/// Asks for a [`ServerHello`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientHello {}

/// What a receiver wants of video. An absent field keeps what was said before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverVideoConstraints {
    /// Number of video sources; -1 is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_n: Option<i32>,
    /// Sources that come before others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_sources: Option<Vec<SourceName>>,
    /// Sources that come first, and as good as possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_stage_sources: Option<Vec<SourceName>>,
    /// For sources not in `constraints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_constraints: Option<VideoConstraints>,
    /// Per source; replaces the whole map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<BTreeMap<SourceName, VideoConstraints>>,
    /// Bandwidth to assume instead of the estimate, in bits per second; -1 takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed_bandwidth_bps: Option<i64>,
}

/// How much of one source is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoConstraints {
    /// Height in pixels (the smaller dimension); 0 is nothing, -1 no limit.
    pub max_height: i32,
    /// Frames per second; -1 no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_frame_rate: Option<f64>,
}

impl VideoConstraints {
    /// Limits the height only.
    pub const fn height(max_height: i32) -> Self {
        Self { max_height, max_frame_rate: None }
    }
}

/// lastN alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastNChangedEvent {
    /// Number of video sources; -1 is all.
    pub last_n: i32,
}

/// What a source shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceVideoTypeMessage {
    /// Which source; it may not have been signalled yet.
    pub source_name: SourceName,
    /// What it shows.
    #[serde(with = "lower_case")]
    pub video_type: VideoType,
    /// Owner, on links between bridges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<EndpointId>,
}

/// What the source `<endpoint>-v0` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoTypeMessage {
    /// What it shows.
    #[serde(with = "lower_case")]
    pub video_type: VideoType,
}

/// Anything clients say to one another. Everything but `from` passes through as it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMessage {
    /// Sender: set by the bridge, never believed from a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Receiver; empty or absent is everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// All other fields, `msgPayload` among them.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Statistics of a client. Everything but `from` passes through as it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointStats {
    /// Sender: set by the bridge, never believed from a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// All other fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// What a receiver wants of audio: excluded wins over included wins over all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiverAudioSubscription {
    /// Everything, except synthetic sources.
    pub all: bool,
    /// In any case.
    pub include: Vec<SourceName>,
    /// In no case.
    pub exclude: Vec<SourceName>,
}

impl<'de> Deserialize<'de> for ReceiverAudioSubscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Both forms: the present one and that of older clients.
        #[derive(Deserialize)]
        struct Wire {
            all: Option<bool>,
            #[serde(default)]
            include: Vec<SourceName>,
            #[serde(default)]
            exclude: Vec<SourceName>,
            mode: Option<String>,
            #[serde(default)]
            list: Vec<SourceName>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let Some(mode) = wire.mode else {
            return Ok(Self {
                all: wire.all.ok_or_else(|| serde::de::Error::missing_field("all"))?,
                include: wire.include,
                exclude: wire.exclude,
            });
        };
        let (all, include, exclude) = match mode.to_ascii_lowercase().as_str() {
            "all" => (true, Vec::new(), Vec::new()),
            "none" => (false, Vec::new(), Vec::new()),
            "include" => (false, wire.list, Vec::new()),
            "exclude" => (true, Vec::new(), wire.list),
            other => return Err(serde::de::Error::unknown_variant(other, &["All", "None", "Include", "Exclude"])),
        };
        Ok(Self { all, include, exclude })
    }
}

/// Greeting of the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHello {
    /// Version of the bridge, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How much of a source anybody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SenderSourceConstraints {
    /// Which source of the client.
    pub source_name: SourceName,
    /// Height in pixels (the smaller dimension); 0 is nothing, -1 no limit.
    pub max_height: i32,
}

/// Sources with video being forwarded to this client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardedSources {
    /// The complete set.
    pub forwarded_sources: Vec<SourceName>,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DominantSpeakerEndpointChangeEvent {
    /// Who speaks now.
    pub dominant_speaker_endpoint: EndpointId,
    /// Who spoke before, latest first.
    #[serde(default)]
    pub previous_speakers: Vec<EndpointId>,
    /// Nobody has spoken for a while.
    #[serde(default)]
    pub silence: bool,
}

/// Whether media of an endpoint arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointConnectivityStatusChangeEvent {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// Whether it does. COMPAT(jvb): a text on the wire.
    #[serde(with = "bool_text")]
    pub active: bool,
}

/// Which video source is on which SSRC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoSourcesMap {
    /// What has changed; everything when the channel opens.
    pub mapped_sources: Vec<VideoSourceMapping>,
}

/// One entry of a [`VideoSourcesMap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoSourceMapping {
    /// The source.
    pub source: SourceName,
    /// Whose it is.
    pub owner: EndpointId,
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// SSRC of its retransmissions; -1 when there are none.
    pub rtx: i64,
    /// What it shows. COMPAT(jvb): upper case in maps, lower case from clients.
    #[serde(with = "upper_case")]
    pub video_type: VideoType,
    /// RTP mid stamped on its packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

/// Which audio source is on which SSRC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioSourcesMap {
    /// What has changed; everything when the channel opens.
    pub mapped_sources: Vec<AudioSourceMapping>,
}

/// One entry of an [`AudioSourcesMap`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioSourceMapping {
    /// The source.
    pub source: SourceName,
    /// Whose it is.
    pub owner: EndpointId,
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// RTP mid stamped on its packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

/// Estimates of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStats {
    /// Bandwidth from the bridge to this client, in bits per second.
    pub estimated_downlink_bandwidth: u64,
}

/// A translated source starts or stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyntheticSourceSendingChangeEvent {
    /// Which source.
    pub source_name: SourceName,
    /// Whether it sends.
    pub sending: bool,
    /// RTP timestamp of the change.
    pub timestamp: u32,
}

/// A receiver behind another bridge wants a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddReceiver {
    /// Relay id of that bridge.
    pub bridge_id: String,
    /// Which source.
    pub source_name: SourceName,
    /// How much of it.
    pub video_constraints: VideoConstraints,
}

/// A receiver behind another bridge has gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveReceiver {
    /// Relay id of that bridge.
    pub bridge_id: String,
    /// Which endpoint it wanted to see.
    pub endpoint_id: EndpointId,
}

mod lower_case {
    use super::{Deserialize, Deserializer, Serializer, VideoType};

    pub(super) fn serialize<S: Serializer>(value: &VideoType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VideoType, D::Error> {
        match VideoType::from(String::deserialize(deserializer)?.to_ascii_lowercase().as_str()) {
            VideoType::Other(text) => Err(serde::de::Error::custom(format_args!("unknown videoType {text:?}"))),
            known => Ok(known),
        }
    }
}

mod upper_case {
    use super::{Deserializer, Serializer, VideoType};

    pub(super) fn serialize<S: Serializer>(value: &VideoType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.as_str().to_ascii_uppercase())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VideoType, D::Error> {
        super::lower_case::deserialize(deserializer)
    }
}

mod bool_text {
    use super::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde calls")]
    pub(super) fn serialize<S: Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if *value { "true" } else { "false" })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(serde::de::Error::unknown_variant(other, &["true", "false"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of real clients and a real bridge, one a line.
    const RECORDED: &str = include_str!("../fixtures/bridge-channel.jsonl");

    #[test]
    fn recorded_messages_survive() {
        let mut classes = std::collections::BTreeSet::new();
        for line in RECORDED.lines() {
            let message = Message::parse(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(!matches!(message, Message::Unknown(_)), "{line}");
            let before: Value = serde_json::from_str(line).unwrap();
            let after: Value = serde_json::from_str(&message.to_json()).unwrap();
            assert_eq!(before, after);
            classes.insert(message.class().to_owned());
        }
        assert_eq!(classes.len(), 10, "{classes:?}");
    }

    #[test]
    fn the_class_comes_first() {
        assert_eq!(Message::from(ServerHello::default()).to_json(), r#"{"colibriClass":"ServerHello"}"#);
        let active = EndpointConnectivityStatusChangeEvent { endpoint: EndpointId::new("a").unwrap(), active: false };
        assert_eq!(
            Message::from(active).to_json(),
            r#"{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"a","active":"false"}"#
        );
    }

    #[test]
    fn endpoint_messages_keep_what_nobody_knows() {
        let text = r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{"n":1,"x":[null,1.5]},"extra":true}"#;
        let Ok(Message::EndpointMessage(mut message)) = Message::parse(text) else { panic!("not an EndpointMessage") };
        message.from = Some("a".to_owned());
        let after: Value = serde_json::from_str(&Message::from(message).to_json()).unwrap();
        let expected: Value = serde_json::from_str(
            r#"{"colibriClass":"EndpointMessage","from":"a","to":"","msgPayload":{"n":1,"x":[null,1.5]},"extra":true}"#,
        )
        .unwrap();
        assert_eq!(after, expected);
    }

    #[test]
    fn unknown_classes_are_values_and_wrong_shapes_errors() {
        let text = r#"{"colibriClass":"PinnedEndpointChangedEvent","x":1}"#;
        assert!(matches!(Message::parse(text), Ok(message @ Message::Unknown(_)) if message.to_json() == text));
        assert!(matches!(Message::parse(r#"{"colibriClass":"LastNChangedEvent"}"#), Err(ParseError::Json(_))));
        assert!(matches!(Message::parse(r#"{"a":1}"#), Err(ParseError::NoClass)));
        assert!(matches!(Message::parse("[]"), Err(ParseError::Json(_))));
        let long = format!(r#"{{"colibriClass":"ClientHello","a":"{}"}}"#, "a".repeat(MESSAGE_LEN_MAX));
        assert!(matches!(Message::parse(&long), Err(ParseError::TooLong)));
    }

    #[test]
    fn both_forms_of_audio_subscription() {
        let parse = |text: &str| match Message::parse(text) {
            Ok(Message::ReceiverAudioSubscription(subscription)) => {
                (subscription.all, subscription.include.len(), subscription.exclude.len())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            parse(r#"{"colibriClass":"ReceiverAudioSubscription","all":true,"exclude":["a-a0"]}"#),
            (true, 0, 1)
        );
        assert_eq!(
            parse(r#"{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["a-a0"]}"#),
            (false, 1, 0)
        );
        assert_eq!(parse(r#"{"colibriClass":"ReceiverAudioSubscription","mode":"NONE"}"#), (false, 0, 0));
        assert!(Message::parse(r#"{"colibriClass":"ReceiverAudioSubscription"}"#).is_err());
    }

    #[test]
    fn video_types_are_read_in_any_case() {
        let text = r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"DESKTOP"}"#;
        assert!(matches!(
            Message::parse(text),
            Ok(Message::SourceVideoTypeMessage(SourceVideoTypeMessage { video_type: VideoType::Desktop, .. }))
        ));
        let text = r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"smell"}"#;
        assert!(Message::parse(text).is_err());
    }
}
