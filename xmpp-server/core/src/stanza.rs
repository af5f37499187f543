//! Stanzas ready for the wire: serialised once, however many receive them.

use std::sync::Arc;

use bytes::Bytes;
use jid::Jid;
use minidom::Element;

use crate::xml;

/// Namespace of stanzas between client and server (RFC 6120 §4.8.2).
pub const NS_CLIENT: &str = "jabber:client";
/// Namespace of stanza error conditions (RFC 6120 §8.3.2).
pub const NS_STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// A stanza for many recipients. Everything but `to` is serialised once and shared.
#[derive(Debug, Clone)]
pub struct SharedStanza {
    /// `<presence xmlns='jabber:client' from='…'`: the start tag up to where `to` is written.
    head: Arc<str>,
    /// The rest: `>`, children, end tag; or `/>`.
    tail: Bytes,
}

impl SharedStanza {
    /// Serialises `stanza`; its `to`, if any, is left out.
    pub fn new(stanza: &Element) -> Self {
        let (head, tail) = split(stanza);
        Self { head: head.into(), tail: Bytes::from(tail) }
    }

    /// A stanza whose text was put together by hand: `head` is the start tag without its end and
    /// without `to`, `tail` the rest from `>` or `/>` on.
    pub fn from_text(head: &str, tail: String) -> Self {
        Self { head: head.into(), tail: Bytes::from(tail) }
    }

    /// The stanza addressed to one recipient. The children are shared, not copied.
    pub fn addressed(&self, to: &Jid) -> WireStanza {
        let to = to.as_str();
        let mut head = String::with_capacity(self.head.len() + to.len() + 6);
        head.push_str(&self.head);
        xml::write_attribute("to", to, &mut head);
        WireStanza { head: Bytes::from(head), tail: self.tail.clone() }
    }

    /// The stanza as an element without `to`, for the rare recipient that reads it here.
    pub fn to_element(&self) -> Element {
        let mut text = String::with_capacity(self.head.len() + self.tail.len());
        text.push_str(&self.head);
        text.push_str(std::str::from_utf8(&self.tail).expect("serialised from strings"));
        text.parse().expect("serialised by our own writer")
    }
}

/// One stanza for one recipient, serialised: a complete XML document in `jabber:client`, good for
/// a TCP stream and for one WebSocket frame alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireStanza {
    /// The start tag up to and including the address.
    pub head: Bytes,
    /// The rest, possibly shared with other recipients.
    pub tail: Bytes,
}

impl WireStanza {
    /// Serialises a stanza as it is.
    pub fn new(stanza: &Element) -> Self {
        Self { head: Bytes::from(xml::to_string(stanza)), tail: Bytes::new() }
    }

    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn split(stanza: &Element) -> (String, String) {
    let mut head = String::with_capacity(192);
    head.push('<');
    head.push_str(stanza.name());
    let ns = stanza.ns();
    xml::write_namespace(&ns, &mut head);
    let mut without_to = Element::bare(stanza.name(), ns.clone());
    for ((attribute_ns, name), value) in stanza.attrs() {
        if !(attribute_ns.is_none() && name.as_str() == "to") {
            without_to.attrs_mut().insert(attribute_ns.clone(), name.clone(), value.clone());
        }
    }
    xml::write_attributes(&without_to, &mut head);
    let mut tail = String::with_capacity(256);
    if stanza.nodes().next().is_none() {
        tail.push_str("/>");
    } else {
        tail.push('>');
        xml::write_children(stanza, &ns, &mut tail);
        tail.push_str("</");
        tail.push_str(stanza.name());
        tail.push('>');
    }
    (head, tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::ElementExt;

    #[test]
    fn a_broadcast_differs_only_in_its_address() {
        let presence = Element::bare("presence", NS_CLIENT)
            .with("from", "r@conference.d/n")
            .with("to", "nobody@d")
            .child(Element::bare("x", "urn:x").with_text("<y>"));
        let shared = SharedStanza::new(&presence);
        let to = Jid::new("a@d/it's").expect("valid");
        let wire = shared.addressed(&to);
        let text = [&wire.head[..], &wire.tail[..]].concat();
        let read: Element = std::str::from_utf8(&text).expect("text").parse().expect("well-formed");
        assert_eq!(read, presence.clone().with("to", "a@d/it's"));
        let mut expected = presence;
        expected.take("to");
        assert_eq!(shared.to_element(), expected);
    }

    #[test]
    fn an_empty_stanza_is_closed() {
        let shared = SharedStanza::new(&Element::bare("presence", NS_CLIENT));
        let wire = shared.addressed(&Jid::new("a@d").expect("valid"));
        assert_eq!([&wire.head[..], &wire.tail[..]].concat(), b"<presence xmlns='jabber:client' to='a@d'/>");
    }
}
