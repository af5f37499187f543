//! One participant of a room.

use std::fmt;

use jid::{BareJid, FullJid, Jid};
use minidom::{Element, Node};

use crate::muc::affiliation::Role;
use crate::ns;
use crate::stanza::NS_CLIENT;
use crate::xml;

/// Order of arrival in a room; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OccupantId(pub u64);

impl fmt::Display for OccupantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A session in a room under a nickname.
#[derive(Debug, Clone)]
pub struct Occupant {
    /// Address of the session; where stanzas for the occupant go.
    pub session: FullJid,
    /// Account of the session.
    pub account: BareJid,
    /// `room@service/nick`.
    pub address: Jid,
    /// Standing during this visit.
    pub role: Role,
    /// A server administrator.
    pub is_admin: bool,
    /// XEP-0421 identifier, base64.
    pub occupant_id: String,
    /// Last full presence: newcomers receive it.
    pub presence: PresencePayload,
}

impl Occupant {
    /// The nickname.
    pub fn nick(&self) -> &str {
        self.address.resource().map_or("", |nick| nick.as_str())
    }

    /// What the occupant calls itself (XEP-0172), if anything.
    pub fn display_name(&self) -> Option<&str> {
        self.presence.display_name.as_deref()
    }
}

/// What an occupant said in its presence, ready to be repeated to others.
#[derive(Debug, Clone, Default)]
pub struct PresencePayload {
    /// `id` attribute.
    pub id: Option<String>,
    /// `xml:lang` attribute.
    pub lang: Option<String>,
    /// Children and text, serialised within `jabber:client`, in the order in which they came.
    pub children: String,
    /// XEP-0172 display name.
    pub display_name: Option<String>,
}

/// Children that only the server may put into a presence: another's word for them would be believed.
fn is_reserved(child: &Element, from_admin: bool) -> bool {
    if child.ns() == ns::MUC || child.ns() == ns::MUC_USER || child.ns() == ns::OCCUPANT_ID {
        return true;
    }
    !from_admin
        && match child.name() {
            "identity" | "jibri-recording-status" | "transcription-status" => true,
            "permissions" => child.ns() == ns::JITMEET,
            _ => false,
        }
}

impl PresencePayload {
    /// Takes what may be relayed from a presence: everything but the room's own extensions and what only the server
    /// may say. `region` replaces the sender's own, when a front proxy determined one.
    pub fn read(presence: &Element, from_admin: bool, region: Option<&str>) -> Self {
        let mut children = String::with_capacity(512);
        let mut display_name = None;
        for node in presence.nodes() {
            match node {
                Node::Element(child) => {
                    if is_reserved(child, from_admin) || (region.is_some() && child.name() == REGION) {
                        continue;
                    }
                    if child.is("nick", ns::NICK) {
                        display_name = Some(child.text()).filter(|name| !name.trim().is_empty());
                    }
                    xml::write(child, NS_CLIENT, &mut children);
                }
                Node::Text(text) => xml::escape_text(text, &mut children),
            }
        }
        if let Some(region) = region {
            xml::write(&Element::builder(REGION, NS_CLIENT).append(region).build(), NS_CLIENT, &mut children);
        }
        Self {
            id: presence.attr("id").map(str::to_owned),
            lang: presence.attr_ns(rxml::Namespace::XML.as_str(), "lang").map(str::to_owned),
            children,
            display_name,
        }
    }
}

/// Presence child in which Jitsi's clients say where they are.
const REGION: &str = "jitsi_participant_region";
