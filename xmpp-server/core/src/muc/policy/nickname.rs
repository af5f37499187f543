//! What a nickname in a meeting may look like: it is the endpoint id everywhere else.

use crate::component::SenderContext;
use crate::muc::room::Room;
use crate::muc::settings::{FOCUS_NICK, Settings};
use crate::stanza_error::{Condition, ErrorType, StanzaError};

/// Longest nickname, in bytes.
pub const NICK_BYTES_MAX: usize = 128;

pub(crate) fn check(room: &Room, sender: &SenderContext, nick: &str, settings: &Settings) -> Result<(), StanzaError> {
    if nick.trim().is_empty() {
        return Err(StanzaError::new(Condition::NotAllowed).of_type(ErrorType::Modify));
    }
    if nick.len() > NICK_BYTES_MAX {
        return Err(StanzaError::new(Condition::NotAcceptable).text("This nickname is too long."));
    }
    if sender.is_admin {
        return Ok(());
    }
    if nick == FOCUS_NICK {
        return Err(Condition::Conflict.into());
    }
    let mut characters = nick.chars();
    let is_plain = characters.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if settings.strict_nicknames && room.has_meeting_features() && !is_plain {
        return Err(StanzaError::new(Condition::NotAllowed).text("Invalid resource"));
    }
    Ok(())
}
