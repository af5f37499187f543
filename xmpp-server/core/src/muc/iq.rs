//! Requests to a room, and requests between occupants that pass through it.

use minidom::Element;

use crate::component::{Outbound, SenderContext};
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::stanza_error::Condition;
use crate::xml::ElementExt;

impl Room {
    pub(super) fn handle_iq(
        &mut self,
        sender: &SenderContext,
        nick: Option<&str>,
        iq: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        if let Some(nick) = nick {
            return self.relay_iq(sender, nick, iq, rcx);
        }
        let result = match (iq.attr("type"), iq.children().next()) {
            (Some("result" | "error"), _) => return,
            (Some("get"), Some(query)) if query.is("query", ns::DISCO_INFO) => self.disco_info(sender, query, rcx),
            (Some("get"), Some(query)) if query.is("query", ns::DISCO_ITEMS) => self.disco_items(sender, query, rcx),
            (Some("get"), Some(ping)) if ping.is("ping", ns::PING) => Ok(None),
            (Some("get"), Some(query)) if query.is("query", ns::MUC_OWNER) => self.config_form(sender, rcx),
            (Some("set"), Some(query)) if query.is("query", ns::MUC_OWNER) => self.handle_owner_set(sender, query, rcx),
            (Some("get"), Some(query)) if query.is("query", ns::MUC_ADMIN) => self.list(sender, query, rcx),
            (Some("set"), Some(query)) if query.is("query", ns::MUC_ADMIN) => self.handle_admin_set(sender, query, rcx),
            (Some("get" | "set"), Some(_)) => Err(Condition::ServiceUnavailable.into()),
            _ => Err(Condition::BadRequest.into()),
        };
        match result {
            Ok(payload) => {
                let mut answer = Element::bare("iq", NS_CLIENT)
                    .with("type", "result")
                    .with_opt("id", iq.attr("id"))
                    .with("from", self.jid.as_str())
                    .with("to", sender.jid.as_str());
                if let Some(payload) = payload {
                    answer.append_child(payload);
                }
                rcx.cx.out.push(Outbound::element(sender.jid.clone(), answer));
            }
            Err(error) => self.refuse(sender, iq, error, rcx),
        }
    }

    /// A request or answer from one occupant to another. A nickname is one session here, so its address is enough to
    /// find the way back and ids pass unchanged.
    fn relay_iq(&mut self, sender: &SenderContext, nick: &str, iq: &Element, rcx: &mut RoomContext<'_, '_>) {
        let Some(from) = self.occupant(&sender.jid) else {
            return self.refuse(sender, iq, Condition::NotAcceptable.into(), rcx);
        };
        let Some(to) = self.occupant_by_nick(nick) else {
            return self.refuse(sender, iq, Condition::ItemNotFound.into(), rcx);
        };
        let is_request = matches!(iq.attr("type"), Some("get" | "set"));
        if to.session == from.session && is_request && iq.children().any(|child| child.is("ping", ns::PING)) {
            // XEP-0410: being inside is all the asker wants to know.
            let answer = Element::bare("iq", NS_CLIENT)
                .with("type", "result")
                .with_opt("id", iq.attr("id"))
                .with("from", from.address.as_str())
                .with("to", sender.jid.as_str());
            rcx.cx.out.push(Outbound::element(sender.jid.clone(), answer));
            return;
        }
        if !crate::muc::policy::moderation::allows_message(self, from, Some(to)) {
            return self.refuse(sender, iq, Condition::Forbidden.into(), rcx);
        }
        let copy = iq.clone().with("from", from.address.as_str()).with("to", to.session.as_str());
        let to = to.session.clone();
        rcx.cx.out.push(Outbound::element(to, copy));
    }
}
