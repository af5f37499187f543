//! A room password (XEP-0045 §7.2.5).

use subtle::ConstantTimeEq;

use crate::component::SenderContext;
use crate::muc::room::{Room, RoomKind};
use crate::stanza_error::{Condition, StanzaError};

/// Longest password of a room, in bytes.
pub const SECRET_BYTES_MAX: usize = 512;

/// Whether the password given is the room's. A room without one has none to give.
pub(crate) fn is_correct(room: &Room, given: Option<&str>) -> bool {
    let secret = room.config().secret.as_bytes();
    !secret.is_empty() && given.is_some_and(|given| given.as_bytes().ct_eq(secret).into())
}

pub(crate) fn check(
    room: &Room,
    sender: &SenderContext,
    given: Option<&str>,
    approved: bool,
) -> Result<(), StanzaError> {
    let free = sender.is_admin || approved || room.kind() == RoomKind::Lobby || room.config().secret.is_empty();
    if free || is_correct(room, given) {
        return Ok(());
    }
    Err(StanzaError::new(Condition::NotAuthorized).by(room.jid().to_string()))
}
