//! `<content/>` and content groups (XEP-0166 §7.3, XEP-0338).

use minidom::Element;
use xso::{AsXml, FromXml};

use super::rtp::{MediaType, RtpDescription};
use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// Who introduced a content.
    Creator {
        /// The party that sent session-initiate.
        Initiator => "initiator",
        /// The other party.
        Responder => "responder",
    }
}

wire_enum! {
    /// Who may send in a content.
    Senders {
        /// Both parties.
        Both => "both",
        /// Only the initiator.
        Initiator => "initiator",
        /// Only the responder.
        Responder => "responder",
        /// Nobody.
        None => "none",
    }
}

/// One content. Description of RTP is typed; transport and foreign descriptions stay elements because focus and
/// clients relay them, and a typed round trip would drop what the type does not know.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE, name = "content")]
pub struct Content {
    /// Who introduced it. Senders of source-add leave it out.
    #[xml(attribute(default))]
    pub creator: Option<Creator>,

    /// Unique name within the session: `audio`, `video`, `data`.
    #[xml(attribute)]
    pub name: String,

    /// Who may send.
    #[xml(attribute(default))]
    pub senders: Option<Senders>,

    /// The RTP description.
    #[xml(child(default))]
    pub description: Option<RtpDescription>,

    /// Transport and everything else, as received.
    #[xml(element(n = ..))]
    pub other: Vec<Element>,
}

impl Content {
    /// A content of the initiator in which both send, without description and transport.
    pub fn new(name: &str) -> Self {
        Self {
            creator: Some(Creator::Initiator),
            name: name.to_owned(),
            senders: Some(Senders::Both),
            description: None,
            other: Vec::new(),
        }
    }

    /// A content without creator and senders, as source-add and source-remove carry it.
    pub fn bare(name: &str) -> Self {
        Self { creator: None, senders: None, ..Self::new(name) }
    }

    /// The ICE-UDP transport element, if any.
    pub fn transport(&self) -> Option<&Element> {
        self.other.iter().find(|e| e.is("transport", ns::JINGLE_ICE_UDP))
    }

    /// Media of the description, else read from the name.
    pub fn media_type(&self) -> MediaType {
        self.description.as_ref().and_then(|d| d.media.clone()).unwrap_or_else(|| MediaType::from(self.name.as_str()))
    }
}

/// `<group semantics='BUNDLE'/>` naming the contents that share a transport.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_GROUPING, name = "group")]
pub struct ContentGroup {
    /// `BUNDLE`.
    #[xml(attribute)]
    pub semantics: String,

    /// Members in order.
    #[xml(child(n = ..))]
    pub contents: Vec<GroupMember>,
}

/// A reference to a content in a [`ContentGroup`].
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_GROUPING, name = "content")]
pub struct GroupMember {
    /// Name of the content.
    #[xml(attribute)]
    pub name: String,
}

impl ContentGroup {
    /// A BUNDLE of the named contents.
    pub fn bundle<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            semantics: "BUNDLE".to_owned(),
            contents: names.into_iter().map(|name| GroupMember { name: name.to_owned() }).collect(),
        }
    }
}
