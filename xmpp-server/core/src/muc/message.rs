//! Messages to a room and, through it, to one of its occupants.

use minidom::{Element, Node};

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::Role;
use crate::muc::history;
use crate::muc::occupant::OccupantId;
use crate::muc::policy::moderation;
use crate::muc::room::{Room, RoomContext, RoomKind};
use crate::muc::subject::subject_of;
use crate::ns;
use crate::stanza::{NS_CLIENT, NS_STANZA_ERRORS, SharedStanza};
use crate::stanza_error::{Condition, ErrorType, StanzaError};
use crate::xml::ElementExt;

/// Conditions after which an occupant counts as gone (XEP-0045 §18.1.2 lets the service decide).
const GONE: [&str; 10] = [
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "recipient-unavailable",
    "redirect",
    "remote-server-not-found",
    "remote-server-timeout",
    "service-unavailable",
    "malformed-error",
];

impl Room {
    pub(super) fn handle_message(
        &mut self,
        sender: &SenderContext,
        nick: Option<&str>,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        match (message.attr("type"), nick) {
            (Some("error"), _) => {
                let id = self.by_session.get(&sender.jid).copied();
                if let (Some(id), true) = (id, says_gone(message)) {
                    self.remove_unreachable(id, message, rcx);
                }
            }
            (Some("groupchat"), None) => self.groupchat(sender, message, rcx),
            (Some("groupchat"), Some(_)) => {
                self.refuse(sender, message, StanzaError::new(Condition::BadRequest).of_type(ErrorType::Modify), rcx)
            }
            (_, Some(nick)) => self.private_message(sender, nick, message, rcx),
            (_, None) => self.message_to_room(sender, message, rcx),
        }
    }

    fn groupchat(&mut self, sender: &SenderContext, message: &Element, rcx: &mut RoomContext<'_, '_>) {
        let Some((id, occupant)) = self.entry(&sender.jid) else {
            return self.refuse(sender, message, Condition::NotAcceptable.into(), rcx);
        };
        if let Some(text) = subject_of(message) {
            return self.set_subject(sender, text, message, rcx);
        }
        if occupant.role < Role::Participant || !moderation::allows_message(self, occupant, None) {
            return self.refuse(sender, message, Condition::Forbidden.into(), rcx);
        }
        self.reflect(id, message, rcx);
    }

    /// Sends a groupchat message to everybody, its author included.
    pub(super) fn reflect(&mut self, from: OccupantId, message: &Element, rcx: &mut RoomContext<'_, '_>) {
        let Some(from) = self.occupants.get(&from) else {
            return;
        };
        let mut copy = Element::bare("message", NS_CLIENT);
        for ((attribute_ns, name), value) in message.attrs() {
            copy.attrs_mut().insert(attribute_ns.clone(), name.clone(), value.clone());
        }
        copy.take("to");
        copy.put("from", from.address.as_str());
        copy.put("type", "groupchat");
        if copy.attr("id").is_none() {
            copy.put("id", crate::random::token(rcx.cx.random));
        }
        for node in message.nodes() {
            if let Node::Element(child) = node
                && self.is_forged(child)
            {
                continue;
            }
            copy.append_node(node.clone());
        }
        copy.append_child(Element::bare("occupant-id", ns::OCCUPANT_ID).with("id", from.occupant_id.as_str()));
        if history::is_kept(&copy) {
            self.history.keep(&copy, self.config.history_length, rcx.cx.now.unix_ms);
        }
        self.broadcast(&SharedStanza::new(&copy), rcx.cx);
    }

    /// Children of a groupchat message that would pass for the room's own word, or for another display name.
    fn is_forged(&self, child: &Element) -> bool {
        child.is("nick", ns::NICK)
            || child.ns() == ns::MUC_USER
            || child.ns() == ns::OCCUPANT_ID
            || (child.is("delay", ns::DELAY) && child.attr("from") == Some(self.jid.as_str()))
    }

    fn private_message(
        &mut self,
        sender: &SenderContext,
        nick: &str,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some(from) = self.occupant(&sender.jid) else {
            return self.refuse(sender, message, Condition::NotAcceptable.into(), rcx);
        };
        let Some(to) = self.occupant_by_nick(nick) else {
            return self.refuse(sender, message, Condition::ItemNotFound.into(), rcx);
        };
        if !moderation::allows_message(self, from, Some(to)) {
            return self.refuse(sender, message, Condition::Forbidden.into(), rcx);
        }
        let mut copy = message.clone().with("from", from.address.as_str()).with("to", to.session.as_str());
        copy.remove_child("x", ns::MUC_USER);
        copy.append_child(Element::bare("x", ns::MUC_USER));
        let to = to.session.clone();
        rcx.cx.out.push(Outbound::element(to, copy));
    }

    /// A message to the room that is not for everybody: invitations and answers to them.
    fn message_to_room(&mut self, sender: &SenderContext, message: &Element, rcx: &mut RoomContext<'_, '_>) {
        let x = message.get_child("x", ns::MUC_USER);
        if let Some(x) = x.filter(|x| x.has_child("invite", ns::MUC_USER)) {
            return self.invite(sender, x, message, rcx);
        }
        if let Some(decline) = x.and_then(|x| x.get_child("decline", ns::MUC_USER)) {
            return self.decline(sender, decline, message, rcx);
        }
        // An old-style message without a type to a brewery or a meeting means nothing to us.
        let error = match self.kind {
            RoomKind::Brewery => Condition::ServiceUnavailable,
            _ => Condition::BadRequest,
        };
        self.refuse(sender, message, error.into(), rcx);
    }
}

fn says_gone(message: &Element) -> bool {
    message.get_child("error", NS_CLIENT).is_some_and(|error| {
        error.children().any(|child| child.ns() == NS_STANZA_ERRORS && GONE.contains(&child.name()))
    })
}
