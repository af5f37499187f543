//! A meeting takes only so many people; administrators do not count.

use crate::component::SenderContext;
use crate::muc::room::{Room, RoomKind};
use crate::muc::settings::Settings;
use crate::stanza_error::{Condition, StanzaError};

/// Most occupants of any room: every presence goes to all of them.
pub const OCCUPANTS_MAX: usize = 5_000;

pub(crate) fn check(room: &Room, sender: &SenderContext, settings: &Settings) -> Result<(), StanzaError> {
    if sender.is_admin {
        return Ok(());
    }
    let max = match (room.kind(), settings.occupants_max) {
        (RoomKind::Conference | RoomKind::Breakout, Some(max)) => max.min(OCCUPANTS_MAX),
        _ => OCCUPANTS_MAX,
    };
    let inside = room.occupants().filter(|occupant| !occupant.is_admin).count();
    if inside >= max {
        // COMPAT(lib-jitsi-meet): this condition is its "the meeting is full".
        return Err(StanzaError::new(Condition::ServiceUnavailable).text("This meeting is full."));
    }
    Ok(())
}
