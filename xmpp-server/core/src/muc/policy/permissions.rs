//! What a moderator of a meeting is told it may do.

use minidom::Element;

use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomKind};
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::xml::{self, ElementExt};

const PERMISSIONS: [&str; 7] =
    ["recording", "livestreaming", "transcription", "outbound-call", "create-polls", "send-groupchat", "flip"];

/// Children of the occupant's own presence when it has just become a moderator; empty where this does not apply.
pub(crate) fn children(room: &Room, occupant: &Occupant) -> String {
    let mut out = String::new();
    if room.kind() != RoomKind::Conference || !room.has_meeting_features() || occupant.is_admin {
        return out;
    }
    let mut permissions = Element::bare("permissions", ns::JITMEET);
    for name in PERMISSIONS {
        permissions.append_child(Element::bare("p", ns::JITMEET).with("name", name).with("val", "true"));
    }
    xml::write(&permissions, NS_CLIENT, &mut out);
    out
}
