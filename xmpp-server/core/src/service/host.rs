//! What the main domain and the domain of service accounts answer for themselves: identity, ping, version, time,
//! external services.

use minidom::Element;

use crate::component::{Component, Context, Outbound, SenderContext};
use crate::datetime::xmpp_datetime;
use crate::muc::room::refuse;
use crate::muc::settings::Settings;
use crate::ns;
use crate::service::{
    av_moderation, breakout, end_conference, external_services, lobby, polls, room_metadata, speaker_stats,
};
use crate::stanza::NS_CLIENT;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// `type` of the identity under which each service is found on the main domain, and its label.
///
/// COMPAT(lib-jitsi-meet, jicofo): the address is read from the identity's `name`, and a feature whose identity is
/// missing is switched off.
const COMPONENTS: [(&str, &str); 7] = [
    ("lobbyrooms", lobby::LABEL),
    ("breakout_rooms", breakout::LABEL),
    ("av_moderation", av_moderation::LABEL),
    ("room_metadata", room_metadata::LABEL),
    ("speakerstats", speaker_stats::LABEL),
    ("end_conference", end_conference::LABEL),
    ("polls", polls::LABEL),
];

/// The server's own answers.
#[derive(Debug)]
pub struct Host {
    settings: Settings,
    /// Features of others that answer on this address: roster, registration, …
    features: Vec<String>,
    started_unix_ms: Option<u64>,
}

impl Host {
    /// `features` are announced beside those answered here.
    pub fn new(settings: Settings, features: Vec<String>) -> Self {
        Self { settings, features, started_unix_ms: None }
    }

    /// The answer to a request at `domain`; an error when it is for somebody else.
    pub fn answer(&mut self, domain: &str, iq: &Element, cx: &Context<'_>) -> Result<Option<Element>, StanzaError> {
        self.started_unix_ms.get_or_insert(cx.now.unix_ms);
        let payload = iq.children().next().ok_or(Condition::BadRequest)?;
        let is_get = iq.attr("type") == Some("get");
        if payload.is("ping", ns::PING) && is_get {
            return Ok(None);
        }
        if payload.is("query", ns::DISCO_INFO) && is_get {
            if payload.attr("node").is_some_and(|node| !node.is_empty()) {
                return Err(Condition::ItemNotFound.into());
            }
            return Ok(Some(self.info(domain)));
        }
        if payload.is("query", ns::DISCO_ITEMS) && is_get {
            return Ok(Some(self.items(domain)));
        }
        if payload.is("query", ns::VERSION) && is_get {
            let text = |name: &'static str, text: &str| Element::bare(name, ns::VERSION).with_text(text);
            return Ok(Some(
                Element::bare("query", ns::VERSION)
                    .child(text("name", &self.settings.software_name))
                    .child(text("version", &self.settings.software_version)),
            ));
        }
        if payload.is("time", ns::TIME) && is_get {
            return Ok(Some(
                Element::bare("time", ns::TIME)
                    .child(Element::bare("tzo", ns::TIME).with_text("+00:00"))
                    .child(Element::bare("utc", ns::TIME).with_text(xmpp_datetime(cx.now.unix_ms))),
            ));
        }
        for namespace in [ns::EXTDISCO_2, ns::EXTDISCO_1] {
            if payload.is("services", namespace) && is_get && self.offers_services() {
                return Ok(Some(external_services::services(&self.settings.external_services, namespace, cx.now)));
            }
        }
        // RFC 3921 sessions mean nothing any more, but are still asked for.
        if payload.is("session", "urn:ietf:params:xml:ns:xmpp-session") {
            return Ok(None);
        }
        Err(Condition::ServiceUnavailable.into())
    }

    fn offers_services(&self) -> bool {
        !self.settings.external_services.is_empty()
    }

    /// disco#info of a domain.
    pub fn info(&self, domain: &str) -> Element {
        let identity = |category: &str, kind: &str, name: &str| {
            Element::bare("identity", ns::DISCO_INFO).with("category", category).with("type", kind).with("name", name)
        };
        let mut query =
            Element::bare("query", ns::DISCO_INFO).child(identity("server", "im", &self.settings.software_name));
        if domain == self.settings.host {
            for (kind, label) in COMPONENTS {
                query.append_child(identity("component", kind, &self.settings.service(label)));
            }
        }
        let mut features = vec![ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VERSION, ns::TIME];
        if self.offers_services() {
            features.extend([ns::EXTDISCO_2, ns::EXTDISCO_1]);
        }
        for feature in features.into_iter().chain(self.features.iter().map(String::as_str)) {
            query.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", feature));
        }
        query
    }

    fn items(&self, domain: &str) -> Element {
        let mut query = Element::bare("query", ns::DISCO_ITEMS);
        if domain == self.settings.host {
            query.append_child(Element::bare("item", ns::DISCO_ITEMS).with("jid", self.settings.service("conference")));
        }
        query
    }
}

impl Component for Host {
    fn serves(&self, domain: &str) -> bool {
        // Guests of a host that asks members to sign in have a host of their own.
        domain == self.settings.host
            || domain == self.settings.auth_host
            || domain.strip_prefix("guest.") == Some(&self.settings.host)
    }

    /// Tells a browser that comes for a room what it would ask next anyway.
    ///
    /// COMPAT(lib-jitsi-meet): it takes identities, features and external services from a message of the server's that
    /// arrives before it asks, and saves those round trips.
    fn session_bound(&mut self, session: &SenderContext, cx: &mut Context<'_>) {
        if session.params.room.is_none() || session.is_admin {
            return;
        }
        let mut info = self.info(&self.settings.host);
        info.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", ns::BREAKOUT_RENAME));
        let mut message = Element::bare("message", NS_CLIENT)
            .with("from", self.settings.host.as_str())
            .with("to", session.jid.as_str())
            .child(info);
        if self.offers_services() {
            message.append_child(external_services::services(&self.settings.external_services, ns::EXTDISCO_2, cx.now));
        }
        cx.out.push(Outbound::element(session.jid.clone(), message));
    }

    fn handle(&mut self, sender: &SenderContext, stanza: Element, cx: &mut Context<'_>) {
        if stanza.name() != "iq" || matches!(stanza.attr("type"), Some("result" | "error")) {
            return;
        }
        let domain = stanza.attr("to").unwrap_or_default().to_owned();
        match self.answer(&domain, &stanza, cx) {
            Ok(payload) => answer(sender, &stanza, payload, cx),
            Err(error) => refuse(sender, &stanza, &error, cx),
        }
    }
}

/// Sends the result of a request, from where it was sent to.
pub(crate) fn answer(sender: &SenderContext, iq: &Element, payload: Option<Element>, cx: &mut Context<'_>) {
    let mut result = Element::bare("iq", NS_CLIENT)
        .with("type", "result")
        .with_opt("id", iq.attr("id"))
        .with_opt("from", iq.attr("to"))
        .with("to", sender.jid.as_str());
    if let Some(payload) = payload {
        result.append_child(payload);
    }
    cx.out.push(Outbound::element(sender.jid.clone(), result));
}

/// disco#info of a service that is no room service.
pub(crate) fn answer_service_info(sender: &SenderContext, iq: &Element, features: &[&str], cx: &mut Context<'_>) {
    let mut query = Element::bare("query", ns::DISCO_INFO);
    let node = iq.get_child("query", ns::DISCO_INFO).and_then(|query| query.attr("node"));
    if let Some(node) = node {
        query.put("node", node);
    } else {
        query.append_child(
            Element::bare("identity", ns::DISCO_INFO).with("category", "component").with("type", "generic"),
        );
        query.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", ns::DISCO_INFO));
    }
    for feature in features {
        query.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", *feature));
    }
    answer(sender, iq, Some(query), cx);
}
