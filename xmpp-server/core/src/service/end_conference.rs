//! `endconference.D`: a moderator ends the meeting for everybody.

use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::Role;
use crate::muc::room::{Room, RoomContext};
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "endconference";

impl Room {
    /// Handles `<end_conference/>` of an occupant.
    pub(crate) fn handle_end_conference(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        if !message.children().any(|child| child.name() == "end_conference") {
            return Err(Condition::BadRequest.into());
        }
        let is_moderator = self.occupant(&sender.jid).is_some_and(|occupant| occupant.role == Role::Moderator);
        if !is_moderator {
            return Err(Condition::Forbidden.into());
        }
        self.destroy(None, Some("The meeting has been terminated"), rcx);
        Ok(())
    }
}
