//! The JSON form of colibri2, as the REST interface of a bridge takes and gives it.
//!
//! Arrays have plural names. Numbers may come as texts (the reference writes codec and candidate fields so), booleans
//! may not.

use serde_json::{Map, Value, json};

use super::{
    Capability, CapabilityName, ConferenceModified, ConferenceModify, Connect, ConnectExports, ConnectRequests,
    Connects, Endpoint, ExtmapAllowMixed, ForceMute, HttpHeader, InitialLastN, Media, MediaSource, Ping, Relay,
    RelayEndpoints, Sctp, SctpRole, Sources, Transport,
};
use crate::ids::{EndpointId, MeetingId, RelayId, SourceName, Ssrc};
use crate::jingle::rtp::{MediaType, Parameter, PayloadType, RtcpFeedback, RtpHeaderExtension};
use crate::jingle::source::{Semantics, Source, SsrcGroup, VideoType};
use crate::jingle::transport::{Candidate, CandidateType, Fingerprint, IceUdpTransport, Setup, WebSocket};

/// Why JSON is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A field has the wrong type or value.
    #[error("field {0:?} is not valid")]
    Field(&'static str),
    /// A required field is missing.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
}

type Parsed<T> = Result<T, JsonError>;

/// Reads a request. `meeting_id` stands in for (and wins over) the field `meeting-id`, as the path of a PATCH does.
///
/// # Errors
/// When a required field is missing or a field has the wrong type.
pub fn parse_conference_modify(value: &Value, meeting_id: Option<&MeetingId>) -> Parsed<ConferenceModify> {
    let object = Object::new(value, "request")?;
    let meeting_id = match meeting_id {
        Some(meeting_id) => meeting_id.clone(),
        None => object.required("meeting-id", |text| MeetingId::new(text).ok())?,
    };
    Ok(ConferenceModify {
        meeting_id,
        name: object.text("name")?,
        create: object.flag("create")?,
        expire: object.flag("expire")?,
        rtcstats_enabled: object.boolean("rtcstats-enabled")?,
        endpoints: object.list("endpoints", endpoint)?,
        relays: object.list("relays", relay)?,
        connects: match object.get("connects") {
            Some(_) => Some(Connects { connects: object.list("connects", connect)? }),
            None => None,
        },
    })
}

/// Writes an answer.
pub fn conference_modified(answer: &ConferenceModified) -> Value {
    let mut object = Map::new();
    if !answer.endpoints.is_empty() {
        object.insert("endpoints".into(), answer.endpoints.iter().map(endpoint_json).collect());
    }
    if !answer.relays.is_empty() {
        object.insert("relays".into(), answer.relays.iter().map(relay_json).collect());
    }
    if let Some(sources) = &answer.sources {
        object.insert("sources".into(), sources_json(sources));
    }
    Value::Object(object)
}

/// A JSON object read field by field.
#[derive(Clone, Copy)]
struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    fn new(value: &'a Value, field: &'static str) -> Parsed<Self> {
        value.as_object().map(Self).ok_or(JsonError::Field(field))
    }

    fn get(self, field: &'static str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text, or a number written as one.
    fn text(self, field: &'static str) -> Parsed<Option<String>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(JsonError::Field(field)),
        }
    }

    fn parsed<T>(self, field: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Parsed<Option<T>> {
        match self.text(field)? {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or(JsonError::Field(field)),
        }
    }

    fn required<T>(self, field: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Parsed<T> {
        self.parsed(field, parse)?.ok_or(JsonError::Missing(field))
    }

    fn number<T: core::str::FromStr>(self, field: &'static str) -> Parsed<Option<T>> {
        self.parsed(field, |text| text.parse().ok())
    }

    fn boolean(self, field: &'static str) -> Parsed<Option<bool>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(JsonError::Field(field)),
        }
    }

    fn flag(self, field: &'static str) -> Parsed<bool> {
        Ok(self.boolean(field)?.unwrap_or(false))
    }

    fn list<T>(self, field: &'static str, item: impl Fn(&Value) -> Parsed<T>) -> Parsed<Vec<T>> {
        match self.get(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(item).collect(),
            Some(_) => Err(JsonError::Field(field)),
        }
    }

    fn child<T>(self, field: &'static str, child: impl FnOnce(Self) -> Parsed<T>) -> Parsed<Option<T>> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => child(Self::new(value, field)?).map(Some),
        }
    }
}

fn endpoint(value: &Value) -> Parsed<Endpoint> {
    let object = Object::new(value, "endpoints")?;
    Ok(Endpoint {
        id: object.required("id", |text| EndpointId::new(text).ok())?,
        create: object.flag("create")?,
        expire: object.flag("expire")?,
        stats_id: object.text("stats-id")?,
        muc_role: object.text("muc-role")?,
        diarize: object.flag("diarize")?,
        media: object.list("medias", media)?,
        transport: object.child("transport", transport)?,
        sources: sources(object)?,
        force_mute: object
            .child("force-mute", |mute| Ok(ForceMute { audio: mute.flag("audio")?, video: mute.flag("video")? }))?,
        initial_last_n: object.child("initial-last-n", |last_n| {
            Ok(InitialLastN { value: last_n.number("value")?.ok_or(JsonError::Missing("value"))? })
        })?,
        capabilities: object.list("capabilities", |name| {
            let name = name.as_str().ok_or(JsonError::Field("capabilities"))?;
            Ok(Capability::from(CapabilityName::from(name)))
        })?,
    })
}

fn relay(value: &Value) -> Parsed<Relay> {
    let object = Object::new(value, "relays")?;
    Ok(Relay {
        id: object.required("id", |text| RelayId::new(text).ok())?,
        mesh_id: object.text("mesh-id")?,
        create: object.flag("create")?,
        expire: object.flag("expire")?,
        media: object.list("medias", media)?,
        transport: object.child("transport", transport)?,
        endpoints: match object.get("endpoints") {
            Some(_) => Some(RelayEndpoints { endpoints: object.list("endpoints", endpoint)? }),
            None => None,
        },
    })
}

fn connect(value: &Value) -> Parsed<Connect> {
    let object = Object::new(value, "connects")?;
    let names = |field| object.list(field, |name| name.as_str().map(str::to_owned).ok_or(JsonError::Field(field)));
    Ok(Connect {
        url: object.text("url")?.ok_or(JsonError::Missing("url"))?,
        protocol: object.text("protocol")?,
        kind: object.text("type")?,
        audio: object.flag("audio")?,
        video: object.flag("video")?,
        http_headers: object
            .child("headers", |headers| {
                headers
                    .0
                    .iter()
                    .map(|(name, value)| {
                        Ok(HttpHeader {
                            name: name.clone(),
                            value: value.as_str().ok_or(JsonError::Field("headers"))?.to_owned(),
                        })
                    })
                    .collect()
            })?
            .unwrap_or_default(),
        ping: object
            .child("ping", |ping| Ok(Ping { interval: ping.number("interval")?, timeout: ping.number("timeout")? }))?,
        exports: match object.get("exports") {
            Some(_) => Some(ConnectExports { names: names("exports")? }),
            None => None,
        },
        requests: match object.get("requests") {
            Some(_) => Some(ConnectRequests { names: names("requests")? }),
            None => None,
        },
    })
}

fn media(value: &Value) -> Parsed<Media> {
    let object = Object::new(value, "medias")?;
    Ok(Media {
        media_type: object.required("type", |text| Some(MediaType::from(text)))?,
        payload_types: object.list("payload-types", payload_type)?,
        header_extensions: object.list("rtp-hdrexts", |value| {
            let extension = Object::new(value, "rtp-hdrexts")?;
            Ok(RtpHeaderExtension {
                id: extension.number("id")?.ok_or(JsonError::Missing("id"))?,
                uri: extension.text("uri")?.ok_or(JsonError::Missing("uri"))?,
                senders: extension.text("senders")?,
            })
        })?,
        extmap_allow_mixed: object.flag("extmap-allow-mixed")?.then_some(ExtmapAllowMixed),
    })
}

fn payload_type(value: &Value) -> Parsed<PayloadType> {
    let object = Object::new(value, "payload-types")?;
    Ok(PayloadType {
        id: object.number("id")?.ok_or(JsonError::Missing("id"))?,
        name: object.text("name")?,
        clockrate: object.number("clockrate")?,
        channels: object.number("channels")?,
        maxptime: object.text("maxptime")?,
        ptime: object.text("ptime")?,
        parameters: object
            .child("parameters", |parameters| {
                parameters
                    .0
                    .keys()
                    .map(|name| {
                        let value = match &parameters.0[name] {
                            Value::String(text) => text.clone(),
                            Value::Number(number) => number.to_string(),
                            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                                return Err(JsonError::Field("parameters"));
                            }
                        };
                        Ok(Parameter {
                            // COMPAT(jvb): a parameter without a name has the key "null".
                            name: (name != "null").then(|| name.clone()),
                            value,
                        })
                    })
                    .collect()
            })?
            .unwrap_or_default(),
        feedback: object.list("rtcp-fbs", |value| {
            let feedback = Object::new(value, "rtcp-fbs")?;
            Ok(RtcpFeedback {
                kind: feedback.text("type")?.ok_or(JsonError::Missing("type"))?,
                subtype: feedback.text("subtype")?,
            })
        })?,
        other: Vec::new(),
    })
}

fn transport(object: Object<'_>) -> Parsed<Transport> {
    Ok(Transport {
        ice_controlling: object.flag("ice-controlling")?,
        use_unique_port: object.flag("use-unique-port")?,
        ice_restart: object.flag("ice-restart")?,
        ice_udp: object.child("transport", ice_udp)?,
        sctp: object.child("sctp", |sctp| {
            Ok(Sctp { port: sctp.number("port")?, role: sctp.text("role")?.map(|role| SctpRole::from(role.as_str())) })
        })?,
    })
}

fn ice_udp(object: Object<'_>) -> Parsed<IceUdpTransport> {
    Ok(IceUdpTransport {
        pwd: object.text("pwd")?,
        ufrag: object.text("ufrag")?,
        ice_generation: object.number("ice-generation")?,
        rtcp_mux: object.flag("rtcp-mux")?,
        fingerprints: object.list("fingerprints", |value| {
            let fingerprint = Object::new(value, "fingerprints")?;
            Ok(Fingerprint {
                hash: fingerprint.text("hash")?.ok_or(JsonError::Missing("hash"))?,
                setup: fingerprint.text("setup")?.map(|setup| Setup::from(setup.as_str())),
                required: fingerprint.boolean("required")?,
                cryptex: fingerprint.boolean("cryptex")?,
                value: fingerprint.text("fingerprint")?.ok_or(JsonError::Missing("fingerprint"))?,
            })
        })?,
        web_sockets: object.list("web-sockets", |value| {
            let url = value.as_str().ok_or(JsonError::Field("web-sockets"))?;
            Ok(WebSocket { url: url.to_owned(), active: None })
        })?,
        sctp_map: None,
        candidates: object.list("candidates", candidate)?,
    })
}

/// A candidate of which only address and port are certain to be there.
fn candidate(value: &Value) -> Parsed<Candidate> {
    let object = Object::new(value, "candidates")?;
    Ok(Candidate {
        component: object.number("component")?.unwrap_or(1),
        foundation: object.text("foundation")?.unwrap_or_else(|| "1".to_owned()),
        generation: object.number("generation")?,
        id: object.text("id")?,
        ip: object.text("ip")?.ok_or(JsonError::Missing("ip"))?,
        network: object.number("network")?,
        port: object.number("port")?.ok_or(JsonError::Missing("port"))?,
        priority: object.number("priority")?.unwrap_or(0),
        protocol: object.text("protocol")?.unwrap_or_else(|| "udp".to_owned()),
        rel_addr: object.text("rel-addr")?,
        rel_port: object.number("rel-port")?,
        tcptype: object.text("tcptype")?,
        kind: CandidateType::from(object.text("type")?.as_deref().unwrap_or("host")),
    })
}

fn sources(object: Object<'_>) -> Parsed<Option<Sources>> {
    if object.get("sources").is_none() {
        return Ok(None);
    }
    let media_sources = object.list("sources", |value| {
        let media_source = Object::new(value, "sources")?;
        Ok(MediaSource {
            media_type: media_source.required("type", |text| Some(MediaType::from(text)))?,
            id: media_source.required("id", |text| SourceName::new(text).ok())?,
            synthetic: media_source.flag("synthetic")?,
            sources: media_source.list("sources", source)?,
            ssrc_groups: media_source.list("ssrc-groups", |value| {
                let group = Object::new(value, "ssrc-groups")?;
                Ok(SsrcGroup {
                    semantics: group.required("semantics", |text| Some(Semantics::from(text)))?,
                    sources: group.list("sources", source)?,
                })
            })?,
        })
    })?;
    Ok(Some(Sources { media_sources }))
}

/// A source; one that is nothing but an SSRC may be a bare number.
fn source(value: &Value) -> Parsed<Source> {
    if let Some(ssrc) = value.as_u64() {
        return u32::try_from(ssrc).map(|ssrc| Source::new(Ssrc(ssrc))).map_err(|_| JsonError::Field("ssrc"));
    }
    let object = Object::new(value, "sources")?;
    let mut source = Source::new(Ssrc(object.number("ssrc")?.ok_or(JsonError::Missing("ssrc"))?));
    source.rid = object.text("rid")?;
    source.name = object.parsed("name", |text| SourceName::new(text).ok())?;
    source.video_type = object.text("videoType")?.map(|text| VideoType::from(text.as_str()));
    Ok(source)
}

fn endpoint_json(endpoint: &Endpoint) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), json!(endpoint.id));
    if let Some(transport) = &endpoint.transport {
        object.insert("transport".into(), transport_json(transport));
    }
    if let Some(sources) = &endpoint.sources {
        object.insert("sources".into(), sources_json(sources));
    }
    Value::Object(object)
}

fn relay_json(relay: &Relay) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), json!(relay.id));
    if let Some(transport) = &relay.transport {
        object.insert("transport".into(), transport_json(transport));
    }
    Value::Object(object)
}

fn transport_json(transport: &Transport) -> Value {
    let mut object = Map::new();
    if transport.ice_controlling {
        object.insert("ice-controlling".into(), json!(true));
    }
    if let Some(ice_udp) = &transport.ice_udp {
        object.insert("transport".into(), ice_udp_json(ice_udp));
    }
    if let Some(sctp) = &transport.sctp {
        let mut fields = Map::new();
        insert(&mut fields, "port", sctp.port);
        insert(&mut fields, "role", sctp.role.as_ref().map(SctpRole::as_str));
        object.insert("sctp".into(), Value::Object(fields));
    }
    Value::Object(object)
}

fn ice_udp_json(transport: &IceUdpTransport) -> Value {
    let mut object = Map::new();
    insert(&mut object, "ufrag", transport.ufrag.as_deref());
    insert(&mut object, "pwd", transport.pwd.as_deref());
    insert(&mut object, "ice-generation", transport.ice_generation);
    if transport.rtcp_mux {
        object.insert("rtcp-mux".into(), json!(true));
    }
    let fingerprints = transport.fingerprints.iter().map(|fingerprint| {
        let mut fields = Map::new();
        fields.insert("fingerprint".into(), json!(fingerprint.value));
        fields.insert("hash".into(), json!(fingerprint.hash));
        insert(&mut fields, "setup", fingerprint.setup.as_ref().map(Setup::as_str));
        insert(&mut fields, "cryptex", fingerprint.cryptex);
        Value::Object(fields)
    });
    object.insert("fingerprints".into(), fingerprints.collect());
    if !transport.web_sockets.is_empty() {
        object.insert("web-sockets".into(), transport.web_sockets.iter().map(|w| json!(w.url)).collect());
    }
    object.insert("candidates".into(), transport.candidates.iter().map(candidate_json).collect());
    Value::Object(object)
}

/// COMPAT(jvb): every field is a text.
fn candidate_json(candidate: &Candidate) -> Value {
    let mut object = Map::new();
    let text = |value: &dyn core::fmt::Display| Some(value.to_string());
    insert(&mut object, "id", candidate.id.clone());
    insert(&mut object, "foundation", text(&candidate.foundation));
    insert(&mut object, "component", text(&candidate.component));
    insert(&mut object, "protocol", text(&candidate.protocol));
    insert(&mut object, "priority", text(&candidate.priority));
    insert(&mut object, "ip", text(&candidate.ip));
    insert(&mut object, "port", text(&candidate.port));
    insert(&mut object, "type", text(&candidate.kind));
    insert(&mut object, "rel-addr", candidate.rel_addr.clone());
    insert(&mut object, "rel-port", candidate.rel_port.map(|port| port.to_string()));
    insert(&mut object, "generation", candidate.generation.map(|generation| generation.to_string()));
    insert(&mut object, "network", candidate.network.map(|network| network.to_string()));
    Value::Object(object)
}

fn sources_json(sources: &Sources) -> Value {
    let media_source = |media_source: &MediaSource| {
        let mut object = Map::new();
        object.insert("type".into(), json!(media_source.media_type.as_str()));
        object.insert("id".into(), json!(media_source.id));
        object.insert("sources".into(), media_source.sources.iter().map(source_json).collect());
        if !media_source.ssrc_groups.is_empty() {
            let groups = media_source.ssrc_groups.iter().map(|group| {
                json!({
                    "semantics": group.semantics.as_str(),
                    "sources": group.sources.iter().map(source_json).collect::<Vec<_>>(),
                })
            });
            object.insert("ssrc-groups".into(), groups.collect());
        }
        Value::Object(object)
    };
    sources.media_sources.iter().map(media_source).collect()
}

fn source_json(source: &Source) -> Value {
    match (&source.ssrc, &source.name, &source.video_type) {
        (Some(ssrc), None, None) => json!(ssrc),
        (ssrc, name, video_type) => {
            let mut object = Map::new();
            insert(&mut object, "ssrc", ssrc.map(|ssrc| ssrc.0));
            insert(&mut object, "name", name.as_ref().map(SourceName::as_str));
            insert(&mut object, "videoType", video_type.as_ref().map(VideoType::as_str));
            Value::Object(object)
        }
    }
}

fn insert<T: serde::Serialize>(object: &mut Map<String, Value>, field: &str, value: Option<T>) {
    if let Some(value) = value {
        object.insert(field.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_texts_for_numbers() {
        let request = json!({
            "meeting-id": "beccf2ed-5441-4bfe-96d6-f0f3a6796378",
            "name": "load@conf.example",
            "create": true,
            "endpoints": [{
                "id": "a1", "create": true, "capabilities": ["source-names"],
                "medias": [{
                    "type": "audio",
                    "payload-types": [{"name": "opus", "id": "111", "channels": "2", "clockrate": "48000",
                        "parameters": {"minptime": "10"}, "rtcp-fbs": [{"type": "transport-cc"}]}],
                    "rtp-hdrexts": [{"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1}],
                    "extmap-allow-mixed": true
                }],
                "transport": {"ice-controlling": true, "sctp": {}},
                "sources": [{"type": "video", "id": "a1-v0",
                    "sources": [{"ssrc": 1001, "name": "a1-v0"}, 1002],
                    "ssrc-groups": [{"semantics": "FID", "sources": [1001, 1002]}]}],
                "force-mute": {"audio": true},
                "initial-last-n": {"value": 13}
            }]
        });
        let modify = parse_conference_modify(&request, None).unwrap();
        let endpoint = &modify.endpoints[0];
        assert!(modify.create && endpoint.create);
        assert_eq!(endpoint.media[0].payload_types[0].channels, Some(2));
        assert_eq!(endpoint.media[0].header_extensions[0].id, 1);
        assert!(endpoint.transport.as_ref().unwrap().sctp.is_some());
        let sources = &endpoint.sources.as_ref().unwrap().media_sources[0];
        assert_eq!(sources.sources[1].ssrc, Some(Ssrc(1002)));
        assert_eq!(sources.ssrc_groups[0].ssrcs().collect::<Vec<_>>(), [Ssrc(1001), Ssrc(1002)]);
        assert_eq!(endpoint.force_mute, Some(ForceMute { audio: true, video: false }));
        assert_eq!(endpoint.initial_last_n.unwrap().value, 13);
    }

    #[test]
    fn the_path_names_the_meeting() {
        let of_path = MeetingId::new("m").unwrap();
        assert_eq!(parse_conference_modify(&json!({}), Some(&of_path)), Ok(ConferenceModify::new(of_path.clone())));
        assert_eq!(parse_conference_modify(&json!({}), None), Err(JsonError::Missing("meeting-id")));
    }

    #[test]
    fn wrong_types_are_named() {
        let parse = |request: Value| parse_conference_modify(&request, None).unwrap_err();
        assert_eq!(parse(json!([])), JsonError::Field("request"));
        assert_eq!(parse(json!({"meeting-id": "m", "create": "true"})), JsonError::Field("create"));
        assert_eq!(parse(json!({"meeting-id": "m", "endpoints": {}})), JsonError::Field("endpoints"));
        assert_eq!(parse(json!({"meeting-id": "m", "endpoints": [{"id": ""}]})), JsonError::Field("id"));
    }

    #[test]
    fn connects_absent_and_empty_differ() {
        let parse = |request: Value| parse_conference_modify(&request, None).unwrap().connects;
        assert_eq!(parse(json!({"meeting-id": "m"})), None);
        assert_eq!(parse(json!({"meeting-id": "m", "connects": []})), Some(Connects::default()));
    }
}
