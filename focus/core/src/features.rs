//! What a participant's software can do (XEP-0030, XEP-0115), and remembering it by hash.

use std::collections::{BTreeMap, BTreeSet};

use minidom::Element;
use minidom::rxml::Namespace;
use protocol::ns;
use xmpp_parsers::caps::hash_caps;
use xmpp_parsers::hashes::Algo;

/// Most hashes remembered.
pub const CAPS_MAX: usize = 1_000;

/// Most features read from one answer; the rest is ignored.
pub const FEATURES_MAX: usize = 200;

/// The features that change what is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// RTP audio.
    pub audio: bool,
    /// RTP video.
    pub video: bool,
    /// Data channels over SCTP.
    pub sctp: bool,
    /// Retransmission payloads.
    pub rtx: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
    /// Receiver-estimated bitrate.
    pub remb: bool,
    /// Redundant Opus.
    pub opus_red: bool,
    /// Sources as JSON.
    pub json_sources: bool,
    /// SSRCs rewritten by the bridge.
    pub ssrc_rewriting: bool,
    /// Obeys a mute although it is a gateway.
    pub audio_mute: bool,
}

impl Features {
    /// What is assumed of a participant that does not answer.
    pub const UNKNOWN: Self = Self {
        audio: true,
        video: true,
        sctp: true,
        rtx: false,
        transport_cc: false,
        remb: false,
        opus_red: false,
        json_sources: false,
        ssrc_rewriting: false,
        audio_mute: false,
    };

    /// Reads the answer to a disco#info request.
    pub fn from_query(query: &Element) -> Self {
        let vars: BTreeSet<&str> = query
            .children()
            .filter(|e| e.is("feature", ns::DISCO_INFO))
            .filter_map(|e| e.attr("var"))
            .take(FEATURES_MAX)
            .collect();
        let has = |var: &str| vars.contains(var);
        Self {
            audio: has(ns::JINGLE_RTP_AUDIO),
            video: has(ns::JINGLE_RTP_VIDEO),
            sctp: has(ns::JINGLE_DTLS_SCTP),
            rtx: has(ns::RFC_4588),
            transport_cc: has(ns::FEATURE_TCC),
            remb: has(ns::FEATURE_REMB),
            opus_red: has(ns::FEATURE_OPUS_RED),
            json_sources: has(ns::FEATURE_JSON_SOURCES),
            ssrc_rewriting: has(ns::FEATURE_SSRC_REWRITING),
            audio_mute: has("http://jitsi.org/protocol/audio-mute"),
        }
    }
}

/// The `<c/>` of a presence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caps {
    /// Name of the software.
    pub node: String,
    /// Hash over what it can do.
    pub ver: String,
}

impl Caps {
    /// Reads it from a presence. Only SHA-1 hashes are used, as all of Jitsi does.
    pub fn from_presence(presence: &Element) -> Option<Self> {
        let c = presence.get_child("c", ns::CAPS)?;
        if c.attr("hash") != Some("sha-1") {
            return None;
        }
        Some(Self { node: c.attr("node")?.to_owned(), ver: c.attr("ver")?.to_owned() })
    }

    /// The node to ask about.
    pub fn query_node(&self) -> String {
        format!("{}#{}", self.node, self.ver)
    }

    /// Whether the hash is really one over this answer: only then it may stand for other participants with the same
    /// hash.
    pub fn matches(&self, query: &Element) -> bool {
        hash_caps(verification_string(query).as_bytes(), Algo::Sha_1).is_ok_and(|hash| hash.to_base64() == self.ver)
    }
}

/// The string a capabilities hash is over (XEP-0115 §5.1). Clients of Jitsi have no identities, which is why the
/// ready-made type for disco#info, that requires one, does not serve here.
fn verification_string(query: &Element) -> String {
    let mut text = String::new();
    let attr = |e: &Element, name: &str| e.attr(name).unwrap_or_default().to_owned();
    let mut identities: Vec<String> = query
        .children()
        .filter(|e| e.is("identity", ns::DISCO_INFO))
        .map(|e| {
            let lang = e.attr_ns(&Namespace::XML, "lang").unwrap_or_default();
            format!("{}/{}/{lang}/{}", attr(e, "category"), attr(e, "type"), attr(e, "name"))
        })
        .collect();
    let mut features: Vec<String> =
        query.children().filter(|e| e.is("feature", ns::DISCO_INFO)).map(|e| attr(e, "var")).collect();
    identities.sort_unstable();
    features.sort_unstable();
    let mut forms: Vec<String> = query
        .children()
        .filter(|e| e.is("x", ns::DATA_FORMS))
        .map(|form| {
            let mut fields: Vec<(bool, String, Vec<String>)> = form
                .children()
                .filter(|e| e.name() == "field")
                .map(|field| {
                    let var = attr(field, "var");
                    let mut values: Vec<String> =
                        field.children().filter(|e| e.name() == "value").map(Element::text).collect();
                    values.sort_unstable();
                    (var != "FORM_TYPE", var, values)
                })
                .collect();
            fields.sort_unstable();
            let mut text = String::new();
            for (is_field, var, values) in fields {
                if is_field {
                    text.push_str(&var);
                    text.push('<');
                }
                for value in values {
                    text.push_str(&value);
                    text.push('<');
                }
            }
            text
        })
        .collect();
    forms.sort_unstable();
    for part in identities.iter().chain(&features) {
        text.push_str(part);
        text.push('<');
    }
    text.push_str(&forms.concat());
    text
}

/// Features by verified hash.
#[derive(Debug, Clone, Default)]
pub struct CapsCache {
    by_ver: BTreeMap<String, Features>,
}

impl CapsCache {
    /// The features behind a hash, if known.
    pub fn get(&self, caps: &Caps) -> Option<Features> {
        self.by_ver.get(&caps.ver).copied()
    }

    /// Remembers an answer if its hash is right. A full cache starts anew: entries are asked for again cheaply.
    pub fn learn(&mut self, caps: &Caps, query: &Element) {
        if caps.matches(query) {
            if self.by_ver.len() >= CAPS_MAX {
                self.by_ver.clear();
            }
            self.by_ver.insert(caps.ver.clone(), Features::from_query(query));
        }
    }

    /// How many hashes are known.
    pub fn len(&self) -> usize {
        self.by_ver.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_ver.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of XEP-0115 §5.2.
    const EXODUS: &str = "<query xmlns='http://jabber.org/protocol/disco#info' \
        node='http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0='>\
        <identity category='client' name='Exodus 0.9.1' type='pc'/>\
        <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>";

    #[test]
    fn a_hash_must_be_right_to_be_remembered() {
        let query: Element = EXODUS.parse().unwrap();
        let mut caps =
            Caps { node: "http://code.google.com/p/exodus".into(), ver: "QgayPKawpkPSDYmwT/WM94uAlu0=".into() };
        let mut cache = CapsCache::default();
        cache.learn(&caps, &query);
        assert!(cache.get(&caps).is_some());
        caps.ver = "I6wkz9idlVNBjhrSfiWQqa2TZ/k=".into();
        cache.learn(&caps, &query);
        assert!(cache.get(&caps).is_none(), "another's hash is not poisoned");
    }

    #[test]
    fn cache_and_answers_are_bounded() {
        let mut cache = CapsCache::default();
        for number in 0..=CAPS_MAX {
            let query: Element = format!(
                "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:number:{number}'/></query>"
            )
            .parse()
            .unwrap();
            let hash = hash_caps(verification_string(&query).as_bytes(), Algo::Sha_1).unwrap();
            cache.learn(&Caps { node: String::new(), ver: hash.to_base64() }, &query);
            assert!(!cache.is_empty() && cache.len() <= CAPS_MAX);
        }
        assert_eq!(cache.len(), 1, "a full cache starts anew");
        let padding: String = (0..FEATURES_MAX).map(|n| format!("<feature var='urn:pad:{n}'/>")).collect();
        let query: Element = format!(
            "<query xmlns='http://jabber.org/protocol/disco#info'>{padding}<feature var='urn:ietf:rfc:4588'/></query>"
        )
        .parse()
        .unwrap();
        assert!(!Features::from_query(&query).rtx, "what comes after the bound is not read");
    }

    #[test]
    fn recorded_client() {
        let query: Element = include_str!("../fixtures/disco-client.xml").trim().parse().unwrap();
        let caps = Caps {
            node: "https://jitsi.org/jitsi-meet".into(),
            ver: query.attr("node").unwrap().split_once('#').unwrap().1.to_owned(),
        };
        assert!(caps.matches(&query));
        let features = Features::from_query(&query);
        assert!(features.audio && features.video && features.rtx && features.ssrc_rewriting && features.json_sources);
        assert!(features.transport_cc && features.sctp && !features.opus_red);
    }
}
