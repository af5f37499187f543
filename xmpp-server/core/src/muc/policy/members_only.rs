//! A members-only room admits members (XEP-0045 §7.2.6).

use crate::muc::affiliation::Affiliation;
use crate::muc::room::{Room, RoomContext, RoomKind};
use crate::stanza_error::{Condition, StanzaError};

pub(crate) fn check(room: &Room, affiliation: Affiliation, rcx: &RoomContext<'_, '_>) -> Result<(), StanzaError> {
    let members_only = match (room.kind(), rcx.main) {
        (RoomKind::Breakout, Some(main)) => main.config().members_only,
        (RoomKind::Lobby, _) => false,
        _ => room.config().members_only,
    };
    if members_only && affiliation <= Affiliation::None {
        return Err(StanzaError::new(Condition::RegistrationRequired).by(room.jid().to_string()));
    }
    Ok(())
}
