//! Who may open a room: administrators only. Guests ask the focus, which opens it for them.

use crate::component::SenderContext;
use crate::stanza_error::{Condition, StanzaError};

/// The answer to joining a room that does not exist.
///
/// COMPAT(lib-jitsi-meet): it compares this text literally, asks the focus again and retries up to three times.
pub(crate) fn refusal() -> StanzaError {
    StanzaError::new(Condition::NotAllowed).text("Room creation is restricted")
}

/// Whether the sender may bring a room into being by joining it.
pub(crate) fn allows(sender: &SenderContext) -> bool {
    sender.is_admin
}
