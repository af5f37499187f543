//! Those who are not members of a meeting with a lobby are sent there.

use minidom::Element;

use crate::muc::affiliation::Affiliation;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::stanza_error::{Condition, ErrorType, StanzaError};
use crate::xml::ElementExt;

/// Whether a join is refused, and how. `knows_password` lets a knocker in.
pub(crate) fn check(
    room: &Room,
    affiliation: Affiliation,
    display_name: Option<&str>,
    knows_password: bool,
    rcx: &RoomContext<'_, '_>,
) -> Result<(), StanzaError> {
    let Some(lobby) = &room.lobby else {
        return Ok(());
    };
    if affiliation != Affiliation::None || knows_password {
        return Ok(());
    }
    if rcx.settings.lobby_display_name_required && display_name.is_none() {
        return Err(StanzaError::new(Condition::NotAcceptable)
            .of_type(ErrorType::Modify)
            .legacy_code("406")
            .application(Element::bare("displayname-required", ns::JITMEET).with("lobby", "true")));
    }
    Err(StanzaError::new(Condition::RegistrationRequired)
        .legacy_code("407")
        .application(Element::bare("lobbyroom", ns::JITMEET).with_text(lobby.as_str())))
}

/// What stands beside the error of a refused join.
///
/// COMPAT(lib-jitsi-meet): older clients look for the address outside of the error.
pub(crate) fn extend_answer(room: &Room, error: &StanzaError, answer: &mut Element) {
    let Some(lobby) = &room.lobby else { return };
    match error.condition() {
        Condition::RegistrationRequired => {
            answer.append_child(Element::bare("lobbyroom", NS_CLIENT).with_text(lobby.as_str()));
            answer.append_child(Element::bare("x", ns::MUC));
        }
        Condition::NotAcceptable => {
            answer.append_child(Element::bare("x", ns::MUC));
        }
        _ => {}
    }
}
