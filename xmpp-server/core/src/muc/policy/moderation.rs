//! Who may act on whom, and who sees whom in a lobby.

use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomKind};
use crate::stanza_error::{Condition, StanzaError};

/// In a lobby everybody sees the moderators, and only they see those who wait.
pub(crate) fn hides_presence(room: &Room, viewer: &Occupant, about: &Occupant) -> bool {
    room.kind() == RoomKind::Lobby
        && viewer.role != Role::Moderator
        && about.role != Role::Moderator
        && viewer.session != about.session
}

/// Whether a message in a lobby may pass: to or from a moderator.
pub(crate) fn allows_message(room: &Room, from: &Occupant, to: Option<&Occupant>) -> bool {
    room.kind() != RoomKind::Lobby || from.role == Role::Moderator || to.is_some_and(|to| to.role == Role::Moderator)
}

/// Whether an occupant may change the role of another (XEP-0045 §8.2–8.5, §9.6).
pub(crate) fn check_role(
    actor: &Occupant,
    actor_affiliation: Affiliation,
    target: &Occupant,
    target_affiliation: Affiliation,
    role: Role,
) -> Result<(), StanzaError> {
    let refused = Err(Condition::NotAllowed.into());
    if actor.role != Role::Moderator || (target.is_admin && !actor.is_admin) {
        return refused;
    }
    // An owner may remove an owner: with everybody's host an owner, nobody could be sent away otherwise.
    if target_affiliation > actor_affiliation {
        return refused;
    }
    // Nobody below an admin makes moderators, and an owner or admin does not lose the role it enters with.
    let touches_moderator = role == Role::Moderator || target.role == Role::Moderator;
    if role != Role::None && touches_moderator {
        if actor_affiliation < Affiliation::Admin {
            return refused;
        }
        if role != Role::Moderator && target_affiliation >= Affiliation::Admin {
            return refused;
        }
    }
    Ok(())
}

/// Whether an account may change the affiliation of another (XEP-0045 §5.2.2).
pub(crate) fn check_affiliation(
    actor: Affiliation,
    target: Affiliation,
    target_is_server_admin: bool,
    new: Affiliation,
) -> Result<(), StanzaError> {
    if target_is_server_admin && new != Affiliation::Owner {
        return Err(Condition::NotAcceptable.into());
    }
    let allowed = match actor {
        Affiliation::Owner => true,
        Affiliation::Admin => target < Affiliation::Admin && new < Affiliation::Admin,
        Affiliation::Member | Affiliation::None | Affiliation::Outcast => false,
    };
    if allowed { Ok(()) } else { Err(Condition::NotAllowed.into()) }
}
