//! What a room says about itself to those who ask (XEP-0030, XEP-0128).

use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::Affiliation;
use crate::muc::room::{Room, RoomContext, RoomKind};
use crate::ns;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

impl Room {
    /// disco#info. Meetings tell nothing to those outside: their names are their keys.
    pub(super) fn disco_info(
        &self,
        sender: &SenderContext,
        query: &Element,
        rcx: &RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        if query.attr("node").is_some_and(|node| !node.is_empty()) {
            return Err(Condition::ItemNotFound.into());
        }
        self.check_may_look(sender, rcx)?;
        let config = &self.config;
        let mut answer = Element::bare("query", ns::DISCO_INFO).child(
            Element::bare("identity", ns::DISCO_INFO)
                .with("category", "conference")
                .with("type", "text")
                .with_opt("name", Some(config.name.as_str()).filter(|name| !name.is_empty())),
        );
        let members_only = match rcx.main {
            Some(main) if self.kind == RoomKind::Breakout => main.config.members_only,
            _ => config.members_only,
        };
        let features = [
            ns::MUC,
            ns::MUC_STABLE_ID,
            ns::MUC_SELF_PING,
            ns::OCCUPANT_ID,
            if config.secret.is_empty() { "muc_unsecured" } else { "muc_passwordprotected" },
            if members_only { "muc_membersonly" } else { "muc_open" },
            if config.moderated { "muc_moderated" } else { "muc_unmoderated" },
            if config.public { "muc_public" } else { "muc_hidden" },
            if config.persistent { "muc_persistent" } else { "muc_temporary" },
            if config.whois_anyone { "muc_nonanonymous" } else { "muc_semianonymous" },
        ];
        for feature in features {
            answer.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", feature));
        }
        answer.append_child(self.info_form());
        Ok(Some(answer))
    }

    /// disco#items: those inside, for those inside.
    pub(super) fn disco_items(
        &self,
        sender: &SenderContext,
        query: &Element,
        rcx: &RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        if query.attr("node").is_some_and(|node| !node.is_empty()) {
            return Err(Condition::ItemNotFound.into());
        }
        self.check_may_look(sender, rcx)?;
        let mut answer = Element::bare("query", ns::DISCO_ITEMS);
        if self.kind != RoomKind::Lobby {
            for occupant in self.occupants.values() {
                answer.append_child(Element::bare("item", ns::DISCO_ITEMS).with("jid", occupant.address.as_str()));
            }
        }
        Ok(Some(answer))
    }

    fn check_may_look(&self, sender: &SenderContext, rcx: &RoomContext<'_, '_>) -> Result<(), StanzaError> {
        let is_inside = self.by_session.contains_key(&sender.jid);
        let is_owner = || self.affiliation(&sender.jid.to_bare(), rcx) == Affiliation::Owner;
        // A lobby is asked by those about to enter it.
        if is_inside || self.config.public || self.kind == RoomKind::Lobby || is_owner() {
            return Ok(());
        }
        Err(Condition::Forbidden.into())
    }
}
