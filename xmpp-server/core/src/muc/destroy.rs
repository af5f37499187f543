//! The end of a room (XEP-0045 §10.9).

use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::Affiliation;
use crate::muc::presence::Notice;
use crate::muc::room::{Room, RoomContext, RoomEvent};
use crate::ns;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::{self, ElementExt};

impl Room {
    /// `<query xmlns='…#owner'>` of type set: the configuration, or the end.
    pub(super) fn handle_owner_set(
        &mut self,
        sender: &SenderContext,
        query: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        if self.affiliation(&sender.jid.to_bare(), rcx) < Affiliation::Owner {
            return Err(StanzaError::new(Condition::Forbidden).text("Only owners can configure rooms"));
        }
        let Some(destroy) = query.get_child("destroy", ns::MUC_OWNER) else {
            return self.submit_config(sender, query, rcx);
        };
        let reason = destroy.get_child("reason", ns::MUC_OWNER).map(Element::text);
        let alternate = destroy.attr("jid").and_then(|jid| jid::BareJid::new(jid).ok());
        self.destroy(alternate.as_ref(), reason.as_deref(), rcx);
        Ok(None)
    }

    /// Sends everybody away. With `alternate` clients go there at once.
    pub(crate) fn destroy(
        &mut self,
        alternate: Option<&jid::BareJid>,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let mut element = Element::bare("destroy", ns::MUC_USER).with_opt("jid", alternate.map(|jid| jid.as_str()));
        if let Some(reason) = reason {
            element.append_child(Element::bare("reason", ns::MUC_USER).with_text(reason));
        }
        let mut destroy = String::new();
        xml::write(&element, ns::MUC_USER, &mut destroy);
        let notice = Notice { unavailable: true, destroy: &destroy, ..Notice::default() };
        let occupants = std::mem::take(&mut self.occupants);
        self.by_nick.clear();
        self.by_session.clear();
        for mut occupant in occupants.into_values() {
            let affiliation = self.affiliation(&occupant.account, rcx);
            occupant.role = crate::muc::affiliation::Role::None;
            // Each is told of its own end only; the others are gone with the room.
            self.tell_self(&occupant, affiliation, &notice, rcx);
            rcx.events.push(RoomEvent::Left { session: occupant.session });
        }
        for waiting in self.take_waiting() {
            self.refuse(&waiting.sender, &waiting.presence, crate::muc::policy::creation::refusal(), rcx);
        }
        self.config.persistent = false;
        rcx.events.push(RoomEvent::Destroyed);
    }
}
