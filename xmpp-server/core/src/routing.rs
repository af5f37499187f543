//! Where a stanza goes (RFC 6120 §10, RFC 6121 §8).

use jid::{FullJid, Jid};
use minidom::Element;

use crate::component::{Outbound, Outgoing, SenderContext};
use crate::server::{Server, Turn};
use crate::session::SessionId;
use crate::stanza::{NS_CLIENT, WireStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::stream::resumption::Acknowledgement;
use crate::xml::ElementExt;

/// What an address means to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// A component with this index.
    Component(usize),
    /// An account or guest of a host of ours, all its resources or one.
    Account,
    /// Nobody here.
    Elsewhere,
}

impl Server {
    fn target(&self, to: &Jid) -> Target {
        let domain = to.domain().as_str();
        if to.node().is_some() && self.settings.hosts.kind(domain).is_some() {
            return Target::Account;
        }
        self.components
            .iter()
            .position(|component| component.serves(domain))
            .map_or(Target::Elsewhere, Target::Component)
    }

    /// A stanza arrived from a session.
    pub(crate) fn session_stanza(&mut self, id: SessionId, mut stanza: Element, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let context = session.context.clone();
        // Whatever the peer claims, it is who it is (RFC 6120 §8.1.2.1).
        stanza.put("from", context.jid.as_str());
        if stanza.name() == "iq"
            && let Err(error) = check_iq(&stanza)
        {
            return self.refuse(&context, &stanza, &error, turn);
        }
        let to = match stanza.attr("to").map(Jid::new) {
            None => None,
            Some(Ok(to)) => Some(to),
            Some(Err(_)) => {
                return self.refuse(&context, &stanza, &Condition::JidMalformed.into(), turn);
            }
        };
        let own_bare = context.jid.to_bare();
        match to {
            None if stanza.name() == "presence" => self.own_presence(id, stanza, turn),
            Some(ref to) if to.is_bare() && *to == own_bare && stanza.name() == "iq" => {
                self.own_iq(id, &context, &stanza, turn);
            }
            None if stanza.name() == "iq" => self.own_iq(id, &context, &stanza, turn),
            None => {
                stanza.put("to", own_bare.as_str());
                self.route(&context, own_bare.into(), stanza, turn);
            }
            Some(to) => {
                stanza.put("to", to.as_str());
                if stanza.name() == "iq" && to.node().is_none() && self.host_iq(id, &context, &to, &stanza, turn) {
                    return;
                }
                if stanza.name() == "presence" {
                    self.directed_presence(id, &to, &stanza);
                }
                self.route(&context, to, stanza, turn);
            }
        }
    }

    /// Sends a stanza of a session where its address says.
    pub(crate) fn route(&mut self, sender: &SenderContext, to: Jid, stanza: Element, turn: &mut Turn<'_>) {
        match self.target(&to) {
            Target::Component(index) => {
                self.with_component(index, turn, |component, cx| {
                    component.handle(sender, stanza, cx);
                });
            }
            Target::Account => {
                if let Some(error) = self.deliver_to_account(&to, &stanza, turn) {
                    self.refuse(sender, &stanza, &error, turn);
                }
            }
            Target::Elsewhere => {
                self.refuse(sender, &stanza, &Condition::RemoteServerNotFound.into(), turn);
            }
        }
    }

    /// Delivers to an account of ours. Returns what the sender is to be told if nobody is there.
    fn deliver_to_account(&mut self, to: &Jid, stanza: &Element, turn: &mut Turn<'_>) -> Option<StanzaError> {
        if let Some(id) = to.is_full().then(|| self.sessions.by_address(to.as_str())).flatten() {
            self.send(id, WireStanza::new(stanza), turn);
            return None;
        }
        let bare = to.to_bare();
        let unavailable = || Some(StanzaError::new(Condition::ServiceUnavailable));
        match stanza.name() {
            "presence" => {
                match stanza.attr("type") {
                    Some("subscribe" | "subscribed" | "unsubscribe" | "unsubscribed") => {
                        self.subscription(stanza, &bare, turn);
                    }
                    None | Some("unavailable") if to.is_bare() => {
                        for id in self.available(bare.as_str()) {
                            self.send(id, WireStanza::new(stanza), turn);
                        }
                    }
                    _ => {}
                }
                None
            }
            "message" => {
                // A chat goes on with whichever resource is there; what is for one resource only
                // (errors, groupchat) does not (RFC 6121 §8.5.3.2).
                let kind = stanza.attr("type").unwrap_or("normal");
                if to.is_full() && kind != "chat" && kind != "normal" {
                    return (kind != "error").then(|| Condition::ServiceUnavailable.into());
                }
                if kind == "error" {
                    return None;
                }
                let recipients: Vec<SessionId> = self
                    .available(bare.as_str())
                    .into_iter()
                    .filter(|id| {
                        self.sessions
                            .get(*id)
                            .and_then(crate::session::Session::priority)
                            .is_some_and(|priority| priority >= 0)
                    })
                    .collect();
                if recipients.is_empty() || kind == "groupchat" {
                    return unavailable();
                }
                for id in recipients {
                    self.send(id, WireStanza::new(stanza), turn);
                }
                None
            }
            _ => match stanza.attr("type") {
                Some("get" | "set") => unavailable(),
                _ => None,
            },
        }
    }

    /// The available sessions of an account.
    pub(crate) fn available(&self, account: &str) -> Vec<SessionId> {
        self.sessions
            .by_account(account)
            .iter()
            .copied()
            .filter(|id| self.sessions.get(*id).is_some_and(|session| session.presence.is_some()))
            .collect()
    }

    /// Tells the sender of a stanza that it was refused; answers are never answered.
    pub(crate) fn refuse(
        &mut self,
        sender: &SenderContext,
        stanza: &Element,
        error: &StanzaError,
        turn: &mut Turn<'_>,
    ) {
        let answerable = match stanza.name() {
            "iq" => !matches!(stanza.attr("type"), Some("result" | "error")),
            _ => stanza.attr("type") != Some("error"),
        };
        if answerable {
            let answer = error.answer(stanza, sender.jid.as_str());
            turn.queue.push_back(Outbound::element(sender.jid.clone(), answer));
        }
    }

    /// Delivers everything that is on its way, in order.
    pub(crate) fn deliver(&mut self, turn: &mut Turn<'_>) {
        while let Some(outbound) = turn.queue.pop_front() {
            self.deliver_one(outbound, turn);
        }
    }

    fn deliver_one(&mut self, Outbound { to, stanza }: Outbound, turn: &mut Turn<'_>) {
        if to.is_full()
            && let Some(id) = self.sessions.by_address(to.as_str())
        {
            let wire = match stanza {
                Outgoing::Shared(shared) => shared.addressed(&to),
                Outgoing::Element(mut element) => {
                    element.put("to", to.as_str());
                    WireStanza::new(&element)
                }
            };
            return self.send(id, wire, turn);
        }
        let mut element = match stanza {
            Outgoing::Shared(shared) => shared.to_element(),
            Outgoing::Element(element) => element,
        };
        element.put("to", to.as_str());
        if self.target(&to) != Target::Account {
            tracing::debug!("a component's stanza is addressed to nobody's session");
            return;
        }
        let Some(error) = self.deliver_to_account(&to, &element, turn) else {
            return;
        };
        // The component that asked in the name of an occupant learns that nobody is there.
        let answerable = element.name() == "iq" && matches!(element.attr("type"), Some("get" | "set"));
        let asker = element.attr("from").and_then(|from| Jid::new(from).ok());
        if let (true, Some(asker), Ok(sender)) = (answerable, asker, FullJid::try_from(to)) {
            let answer = error.answer(&element, asker.as_str());
            let context = SenderContext {
                jid: sender,
                is_admin: false,
                is_authenticated: false,
                params: std::sync::Arc::default(),
            };
            if let Target::Component(index) = self.target(&asker) {
                self.with_component(index, turn, |component, cx| {
                    component.handle(&context, answer, cx);
                });
            }
        }
    }

    /// Answers the requests a session that is gone never confirmed (XEP-0198 §4): whoever waits
    /// for an answer shall not wait in vain.
    pub(crate) fn bounce(&mut self, context: &SenderContext, acknowledgement: Acknowledgement, turn: &mut Turn<'_>) {
        for stanza in acknowledgement.into_unacked() {
            if !stanza.head.starts_with(b"<iq ") {
                continue;
            }
            let text = [&stanza.head[..], &stanza.tail[..]].concat();
            let element: Element = std::str::from_utf8(&text)
                .expect("serialised from strings")
                .parse()
                .expect("serialised by our own writer");
            let from = element.attr("from").and_then(|from| Jid::new(from).ok());
            if let (Some("get" | "set"), Some(from)) = (element.attr("type"), from) {
                let error = StanzaError::new(Condition::RecipientUnavailable);
                let mut answer = error.answer(&element, from.as_str());
                answer.put("from", context.jid.as_str());
                self.route(context, from, answer, turn);
            }
        }
    }
}

/// What every request must have (RFC 6120 §8.2.3).
fn check_iq(iq: &Element) -> Result<(), StanzaError> {
    let children = iq.children().count();
    let valid = iq.attr("id").is_some_and(|id| !id.is_empty())
        && match iq.attr("type") {
            Some("get" | "set") => children == 1,
            Some("result") => children <= 1,
            Some("error") => true,
            _ => false,
        };
    if valid { Ok(()) } else { Err(Condition::BadRequest.into()) }
}

/// An `iq` of type `result` to a session.
pub(crate) fn result(request: &Element, to: &SenderContext) -> Element {
    Element::bare("iq", NS_CLIENT)
        .with("type", "result")
        .with_opt("id", request.attr("id"))
        .with_opt("from", request.attr("to"))
        .with("to", to.jid.as_str())
}
