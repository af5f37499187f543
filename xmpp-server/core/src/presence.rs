//! What a session says about its own availability (RFC 6121 §4).

use jid::Jid;
use minidom::Element;

use crate::component::Outbound;
use crate::server::{Server, Turn};
use crate::session::{DIRECTED_PRESENCES_MAX, SessionId};
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::Condition;
use crate::xml::ElementExt;

impl Server {
    /// Presence without an address: to everybody who may see it.
    pub(crate) fn own_presence(&mut self, id: SessionId, stanza: Element, turn: &mut Turn<'_>) {
        match stanza.attr("type") {
            None => self.became_available(id, stanza, turn),
            Some("unavailable") => {
                let Some(session) = self.sessions.get(id) else {
                    return;
                };
                let directed: Vec<Jid> = session.directed.iter().cloned().collect();
                let context = session.context.clone();
                for to in directed {
                    let mut copy = stanza.clone();
                    copy.put("to", to.as_str());
                    self.route(&context, to, copy, turn);
                }
                if let Some(session) = self.sessions.get_mut(id) {
                    session.directed.clear();
                }
                self.broadcast_unavailable(id, &stanza, turn);
            }
            Some(_) => {
                if let Some(session) = self.sessions.get(id) {
                    let context = session.context.clone();
                    self.refuse(&context, &stanza, &Condition::BadRequest.into(), turn);
                }
            }
        }
    }

    fn became_available(&mut self, id: SessionId, stanza: Element, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let is_first = session.presence.replace(stanza.clone()).is_none();
        let context = session.context.clone();
        let account = session.account();
        let shared = SharedStanza::new(&stanza);
        // The account's own resources, this one included, and contacts that may see it.
        for other in self.available(account.as_str()) {
            if let Some(other) = self.sessions.get(other) {
                turn.queue.push_back(Outbound::shared(other.context.jid.clone(), &shared));
            }
        }
        for contact in self.contacts.seeing(&account) {
            turn.queue.push_back(Outbound::shared(contact, &shared));
        }
        if is_first {
            self.show_presences(id, turn);
            for index in 0..self.components.len() {
                self.with_component(index, turn, |component, cx| {
                    component.session_available(&context, true, cx);
                });
            }
        }
    }

    /// A session that just became available learns who else is.
    fn show_presences(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let own = session.context.jid.clone();
        let account = session.account();
        let mut seen = vec![account.clone()];
        seen.extend(self.contacts.seen_by(&account));
        for contact in seen {
            for other in self.available(contact.as_str()) {
                if other == id {
                    continue;
                }
                let presence = self.sessions.get(other).and_then(|other| other.presence.clone());
                if let Some(presence) = presence {
                    turn.queue.push_back(Outbound::element(own.clone(), presence));
                }
            }
        }
        for request in self.contacts.waiting_for(&account) {
            let stanza = Element::bare("presence", NS_CLIENT).with("type", "subscribe").with("from", request.as_str());
            turn.queue.push_back(Outbound::element(own.clone(), stanza));
        }
    }

    /// A session ends; if it was available, everybody who saw that learns it.
    pub(crate) fn became_unavailable(&mut self, id: SessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.presence.is_none() {
            return;
        }
        let stanza =
            Element::bare("presence", NS_CLIENT).with("type", "unavailable").with("from", session.context.jid.as_str());
        self.broadcast_unavailable(id, &stanza, turn);
    }

    fn broadcast_unavailable(&mut self, id: SessionId, stanza: &Element, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let was_available = session.presence.take().is_some();
        let context = session.context.clone();
        let account = session.account();
        if !was_available {
            return;
        }
        let shared = SharedStanza::new(stanza);
        for other in self.available(account.as_str()) {
            if let Some(other) = self.sessions.get(other) {
                turn.queue.push_back(Outbound::shared(other.context.jid.clone(), &shared));
            }
        }
        for contact in self.contacts.seeing(&account) {
            turn.queue.push_back(Outbound::shared(contact, &shared));
        }
        for index in 0..self.components.len() {
            self.with_component(index, turn, |component, cx| {
                component.session_available(&context, false, cx);
            });
        }
    }

    /// Remembers whom a session told about itself, to take it back with its last word.
    pub(crate) fn directed_presence(&mut self, id: SessionId, to: &Jid, stanza: &Element) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match stanza.attr("type") {
            None if session.directed.len() < DIRECTED_PRESENCES_MAX => {
                session.directed.insert(to.clone());
            }
            Some("unavailable") => {
                session.directed.remove(to);
            }
            _ => {}
        }
    }
}
