//! Asking the focus for a conference: IQ to the client proxy or to the focus, JSON over HTTP; and the login URL and
//! logout that go with a secure domain.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use xso::{AsXml, FromXml};

use crate::ns;

/// `<conference xmlns='http://jitsi.org/protocol/focus'/>`, request and answer alike.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "conference")]
pub struct ConferenceIq {
    /// Address of the room.
    #[xml(attribute(default))]
    pub room: Option<String>,
    /// Answer: whether the focus is in the room.
    #[xml(attribute(default))]
    pub ready: Option<bool>,
    /// Answer: bare address of the focus; clients recognise the focus in the room by it.
    #[xml(attribute(default))]
    pub focusjid: Option<String>,
    /// Authentication session of a secure domain.
    #[xml(attribute(name = "session-id", default))]
    pub session_id: Option<String>,
    /// Random per browser; an authentication session is bound to it.
    #[xml(attribute(name = "machine-uid", default))]
    pub machine_uid: Option<String>,
    /// Answer: who the authentication session belongs to.
    #[xml(attribute(default))]
    pub identity: Option<String>,
    /// JSON Web Token of the user.
    #[xml(attribute(default))]
    pub token: Option<String>,
    /// Answer: the visitor node to go to.
    #[xml(attribute(default))]
    pub vnode: Option<String>,
    /// Named properties.
    #[xml(child(n = ..))]
    pub properties: Vec<Property>,
}

/// `<property name='' value=''/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "property")]
pub struct Property {
    /// Name.
    #[xml(attribute)]
    pub name: String,
    /// Value.
    #[xml(attribute(default))]
    pub value: String,
}

impl ConferenceIq {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }
}

/// The same over HTTP. Property values may arrive as numbers or booleans and become text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConferenceJson {
    /// Address of the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Answer: whether the focus is in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Answer: bare address of the focus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus_jid: Option<String>,
    /// Authentication session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Random per browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_uid: Option<String>,
    /// Answer: who the authentication session belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Answer: the visitor node to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vnode: Option<String>,
    /// Named properties.
    #[serde(default, deserialize_with = "text_values", skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl From<ConferenceJson> for ConferenceIq {
    fn from(json: ConferenceJson) -> Self {
        Self {
            room: json.room,
            ready: json.ready,
            focusjid: json.focus_jid,
            session_id: json.session_id,
            machine_uid: json.machine_uid,
            identity: json.identity,
            token: None,
            vnode: json.vnode,
            properties: json.properties.into_iter().map(|(name, value)| Property { name, value }).collect(),
        }
    }
}

impl From<ConferenceIq> for ConferenceJson {
    fn from(iq: ConferenceIq) -> Self {
        Self {
            room: iq.room,
            ready: iq.ready,
            focus_jid: iq.focusjid,
            session_id: iq.session_id,
            machine_uid: iq.machine_uid,
            identity: iq.identity,
            vnode: iq.vnode,
            properties: iq.properties.into_iter().map(|p| (p.name, p.value)).collect(),
        }
    }
}

fn text_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect())
}

/// `<login-url/>`: where to sign in for a room of a secure domain.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "login-url")]
pub struct LoginUrl {
    /// Address of the room.
    #[xml(attribute(default))]
    pub room: Option<String>,
    /// Whether the page opens in a window of its own.
    #[xml(attribute(default))]
    pub popup: Option<bool>,
    /// Random per browser.
    #[xml(attribute(name = "machine-uid", default))]
    pub machine_uid: Option<String>,
    /// Answer: the page.
    #[xml(attribute(default))]
    pub url: Option<String>,
}

/// `<logout/>`: ends an authentication session.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "logout")]
pub struct Logout {
    /// The session to end.
    #[xml(attribute(name = "session-id", default))]
    pub session_id: Option<String>,
    /// Answer: where to go next.
    #[xml(attribute(name = "logout-url", default))]
    pub logout_url: Option<String>,
}

/// `<session-invalid/>`: application condition beside `not-acceptable` for an unknown authentication session.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "session-invalid")]
pub struct SessionInvalid;

#[cfg(test)]
mod tests {
    use super::*;
    use minidom::Element;

    #[test]
    fn recorded_request_and_answer() {
        let request: Element = "<conference machine-uid='8856' xmlns='http://jitsi.org/protocol/focus' \
            room='r@conference.meet.localhost'><property name='rtcstatsEnabled' value='false'/>\
            <property name='visitors-version' value='1'/></conference>"
            .parse()
            .unwrap();
        let iq = ConferenceIq::try_from(request.clone()).unwrap();
        assert_eq!(iq.property("visitors-version"), Some("1"));
        assert_eq!(Element::from(iq), request);
    }

    #[test]
    fn json_coerces_values_and_omits_empty_fields() {
        let request: ConferenceJson = serde_json::from_str(
            r#"{"room":"r@c","machineUid":"0a","unknown":1,"properties":{"visitors-version":1,"rtcstatsEnabled":false}}"#,
        )
        .unwrap();
        assert_eq!(request.properties["visitors-version"], "1");
        assert_eq!(request.properties["rtcstatsEnabled"], "false");
        let answer = ConferenceJson {
            room: Some("r@c".into()),
            ready: Some(true),
            focus_jid: Some("focus@auth.x".into()),
            ..ConferenceJson::default()
        };
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"room":"r@c","ready":true,"focusJid":"focus@auth.x"}"#);
    }

    #[test]
    fn recorded_http_answer() {
        let text = include_str!("../fixtures/http-conference-request.response.json");
        let answer: ConferenceJson = serde_json::from_str(text).unwrap();
        assert_eq!(answer.focus_jid.as_deref(), Some("focus@auth.meet.localhost"));
        assert_eq!(ConferenceJson::from(ConferenceIq::from(answer.clone())), answer);
    }
}
