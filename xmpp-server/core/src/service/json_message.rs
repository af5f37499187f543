//! `<json-message/>`: how Jitsi's services speak to clients and the focus.

use minidom::Element;
use serde_json::Value;

use crate::ns;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::xml::ElementExt;

/// A message from a service. It has no type and no body: clients and focus ignore it otherwise.
pub(crate) fn from_service(service: &str, room: Option<&str>, json: &Value) -> SharedStanza {
    SharedStanza::new(&Element::bare("message", NS_CLIENT).with("from", service).child(payload(room, json)))
}

/// A message that an occupant appears to send to its room.
pub(crate) fn from_occupant(address: &str, json: &Value) -> SharedStanza {
    SharedStanza::new(
        &Element::bare("message", NS_CLIENT).with("from", address).with("type", "groupchat").child(payload(None, json)),
    )
}

fn payload(room: Option<&str>, json: &Value) -> Element {
    Element::bare("json-message", ns::JITMEET).with_opt("room", room).with_text(json.to_string())
}
