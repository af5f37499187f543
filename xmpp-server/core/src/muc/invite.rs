//! Mediated invitations (XEP-0045 §7.8.2).

use jid::Jid;
use minidom::Element;

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::room::{AFFILIATIONS_MAX, Room, RoomContext, RoomEvent};
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Most people invited by one message.
pub const INVITES_MAX: usize = 100;

impl Room {
    /// Passes invitations on. In a members-only room they make members first.
    ///
    /// COMPAT(lib-jitsi-meet): admitting everybody in a lobby is one message with many `<invite/>`.
    pub(super) fn invite(
        &mut self,
        sender: &SenderContext,
        x: &Element,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some(occupant) = self.occupant(&sender.jid) else {
            return self.refuse(sender, message, Condition::NotAcceptable.into(), rcx);
        };
        let (nick, is_moderator) = (occupant.nick().to_owned(), occupant.role == Role::Moderator);
        let affiliation = self.affiliation(&occupant.account, rcx);
        let grants = self.config.members_only;
        let allowed =
            !grants || is_moderator || (self.config.allow_member_invites && affiliation >= Affiliation::Member);
        if !allowed {
            return self.refuse(sender, message, Condition::Forbidden.into(), rcx);
        }
        let invites: Vec<&Element> = x.children().filter(|child| child.is("invite", ns::MUC_USER)).collect();
        if invites.len() > INVITES_MAX {
            let error = StanzaError::new(Condition::PolicyViolation).text("Too many people invited at once.");
            return self.refuse(sender, message, error, rcx);
        }
        for invite in invites {
            let Some(to) = invite.attr("to").and_then(|to| Jid::new(to).ok()) else {
                self.refuse(sender, message, Condition::JidMalformed.into(), rcx);
                continue;
            };
            let account = to.to_bare();
            if grants && self.affiliation(&account, rcx) == Affiliation::None {
                if self.affiliations.len() >= AFFILIATIONS_MAX {
                    self.refuse(sender, message, Condition::ResourceConstraint.into(), rcx);
                    continue;
                }
                let reason = format!("Invited by {}", sender.jid);
                self.affiliations.insert(account.clone(), (Affiliation::Member, None));
                self.announce_affiliation(&account, Affiliation::Member, Some(&reason), rcx);
            }
            if self.lobby.is_some() && is_moderator && self.affiliations.contains_key(&account) {
                self.approved.insert(account.clone());
                rcx.events.push(RoomEvent::Invited { actor: nick.clone(), account });
            }
            let reason = invite.get_child("reason", ns::MUC_USER).map(Element::text).unwrap_or_default();
            // COMPAT(lib-jitsi-meet): it takes an invitation only from the room's bare address, and one with a
            // password for an approval it did not ask for.
            let mut invitation = Element::bare("message", NS_CLIENT)
                .with("from", self.jid.as_str())
                .with("to", to.as_str())
                .with_opt("id", message.attr("id"))
                .child(
                    Element::bare("x", ns::MUC_USER).child(
                        Element::bare("invite", ns::MUC_USER)
                            .with("from", sender.jid.as_str())
                            .child(Element::bare("reason", ns::MUC_USER).with_text(reason.as_str())),
                    ),
                )
                .child(Element::bare("x", ns::CONFERENCE).with("jid", self.jid.as_str()))
                .child(
                    Element::bare("body", NS_CLIENT)
                        .with_text(format!("{} invited you to the room {}", sender.jid, self.jid)),
                );
            if let Some(lang) = message.attr_ns(rxml::Namespace::XML.as_str(), "lang") {
                invitation.attrs_mut().insert(
                    rxml::Namespace::XML,
                    rxml::NcName::try_from("lang").expect("a valid name"),
                    lang.to_owned(),
                );
            }
            rcx.cx.out.push(Outbound::element(to, invitation));
        }
    }

    /// Tells an inviter that its invitation was declined.
    pub(super) fn decline(
        &mut self,
        sender: &SenderContext,
        decline: &Element,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let inviter = decline.attr("to").and_then(|to| Jid::new(to).ok()).filter(|to| {
            self.occupants
                .values()
                .any(|occupant| occupant.session.as_str() == to.as_str() || occupant.account.as_str() == to.as_str())
        });
        let Some(inviter) = inviter else {
            return self.refuse(sender, message, Condition::ItemNotFound.into(), rcx);
        };
        let reason = decline.get_child("reason", ns::MUC_USER).map(Element::text).unwrap_or_default();
        let answer =
            Element::bare("message", NS_CLIENT).with("from", self.jid.as_str()).with("to", inviter.as_str()).child(
                Element::bare("x", ns::MUC_USER).child(
                    Element::bare("decline", ns::MUC_USER)
                        .with("from", sender.jid.to_bare().to_string())
                        .child(Element::bare("reason", ns::MUC_USER).with_text(reason)),
                ),
            );
        rcx.cx.out.push(Outbound::element(inviter, answer));
    }
}
