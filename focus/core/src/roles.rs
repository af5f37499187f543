//! Who owns the room.

use minidom::Element;
use protocol::ids::EndpointId;
use protocol::ns;

use crate::conference::Conference;
use crate::context::{Awaited, Context};
use crate::member::Role;
use crate::room::RoomState;
use crate::stanza::element;

impl Conference {
    /// Makes sure that somebody moderates: without sign-in one person is always owner, with sign-in everybody who
    /// signed in is.
    pub fn elect_owner(&mut self, ctx: &mut Context<'_>) {
        if self.state != RoomState::Joined || self.ended {
            return;
        }
        if let Some(authentication) = &ctx.config.authentication {
            let members: Vec<EndpointId> = self
                .participants
                .iter()
                .filter(|(_, p)| {
                    let real_jid = p.member.real_jid.as_ref();
                    p.member.is_person()
                        && p.member.role != Role::Owner
                        && !p.owner_granted
                        && real_jid.is_some_and(|jid| jid.domain().as_str() == authentication.login_domain)
                })
                .map(|(endpoint, _)| endpoint.clone())
                .collect();
            for endpoint in members {
                self.grant_owner(&endpoint, ctx);
                if let Some(participant) = self.participants.get_mut(&endpoint) {
                    participant.owner_granted = true;
                }
            }
            return;
        }
        // In breakout rooms the moderators of the main room moderate.
        if !ctx.config.auto_owner || self.breakout_of.is_some() {
            return;
        }
        if self.elected_owner.as_ref().is_some_and(|elected| self.participants.contains_key(elected)) {
            return;
        }
        let people = || self.participants.values().filter(|p| p.member.is_person());
        let elected = people()
            .find(|p| p.member.role == Role::Owner)
            .or_else(|| people().min_by_key(|p| p.member.order))
            .map(|p| (p.member.endpoint.clone(), p.member.role));
        self.elected_owner = elected.as_ref().map(|(endpoint, _)| endpoint.clone());
        if let Some((endpoint, role)) = elected
            && role != Role::Owner
        {
            self.grant_owner(&endpoint, ctx);
        }
    }

    fn grant_owner(&self, endpoint: &EndpointId, ctx: &mut Context<'_>) {
        let Some(jid) = self.participants.get(endpoint).and_then(|p| p.member.real_jid.as_ref()) else { return };
        let bare = jid.to_bare();
        let item: Element = element("item", ns::MUC_ADMIN, &[("affiliation", "owner"), ("jid", bare.as_str())], []);
        let query = element("query", ns::MUC_ADMIN, &[], [item]);
        ctx.request("set", self.room.clone(), query, Awaited::Affiliation);
    }
}
