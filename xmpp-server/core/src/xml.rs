//! Writing elements as XML 1.0, and building them without ceremony.
//!
//! Our own writer because a stanza is written for every recipient and because it must not depend
//! on which prefixes a peer declared: namespaces are always declared in the default form, so what
//! is written is well-formed wherever it is placed.

use minidom::{Element, Node};
use rxml::{Namespace, NcName};

/// Namespace bound to the `xml` prefix.
const NS_XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Attribute access by plain names.
pub trait ElementExt: Sized {
    /// The element with attribute `name` set. `name` is a literal of ours, hence valid.
    #[must_use]
    fn with(self, name: &'static str, value: impl Into<String>) -> Self;
    /// The element with attribute `name` set if there is a value.
    #[must_use]
    fn with_opt(self, name: &'static str, value: Option<impl Into<String>>) -> Self;
    /// The element with one more child.
    #[must_use]
    fn child(self, child: Self) -> Self;
    /// The element with text appended.
    #[must_use]
    fn with_text(self, text: impl Into<String>) -> Self;
    /// Sets or replaces attribute `name`.
    fn put(&mut self, name: &'static str, value: impl Into<String>);
    /// Removes attribute `name`.
    fn take(&mut self, name: &'static str) -> Option<String>;
}

impl ElementExt for Element {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.put(name, value);
        self
    }

    fn with_opt(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn child(mut self, child: Self) -> Self {
        self.append_child(child);
        self
    }

    fn with_text(mut self, text: impl Into<String>) -> Self {
        self.append_text(text);
        self
    }

    fn put(&mut self, name: &'static str, value: impl Into<String>) {
        let name = NcName::try_from(name).expect("an attribute name of ours is a valid name");
        self.attrs_mut().insert(Namespace::NONE, name, value.into());
    }

    fn take(&mut self, name: &'static str) -> Option<String> {
        self.attrs_mut().remove(&Namespace::NONE, name)
    }
}

/// Appends `element` to `out`. `parent_ns` is the default namespace where it is placed; the
/// element declares its own only if that differs.
pub fn write(element: &Element, parent_ns: &str, out: &mut String) {
    out.push('<');
    out.push_str(element.name());
    if element.has_ns(parent_ns) {
        write_attributes(element, out);
        write_content(element, parent_ns, out);
    } else {
        let ns = element.ns();
        write_namespace(&ns, out);
        write_attributes(element, out);
        write_content(element, &ns, out);
    }
}

/// The element as a document of its own.
pub fn to_string(element: &Element) -> String {
    let mut out = String::with_capacity(256);
    write(element, "", &mut out);
    out
}

/// Appends a default namespace declaration.
pub fn write_namespace(ns: &str, out: &mut String) {
    out.push_str(" xmlns='");
    escape_attribute(ns, out);
    out.push('\'');
}

/// Appends one attribute without a namespace.
pub fn write_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape_attribute(value, out);
    out.push('\'');
}

/// Appends the attributes of `element`, declaring prefixes for those in a namespace.
pub fn write_attributes(element: &Element, out: &mut String) {
    for (index, ((ns, name), value)) in element.attrs().iter().enumerate() {
        if ns.is_none() {
            write_attribute(name.as_str(), value, out);
        } else if ns.as_str() == NS_XML {
            write_attribute(&format!("xml:{}", name.as_str()), value, out);
        } else {
            write_attribute(&format!("xmlns:a{index}"), ns.as_str(), out);
            write_attribute(&format!("a{index}:{}", name.as_str()), value, out);
        }
    }
}

/// Appends the children of `element`, whose own namespace is `ns`.
pub fn write_children(element: &Element, ns: &str, out: &mut String) {
    for node in element.nodes() {
        match node {
            Node::Element(child) => write(child, ns, out),
            Node::Text(text) => escape_text(text, out),
        }
    }
}

fn write_content(element: &Element, ns: &str, out: &mut String) {
    if element.nodes().next().is_none() {
        out.push_str("/>");
    } else {
        out.push('>');
        write_children(element, ns, out);
        out.push_str("</");
        out.push_str(element.name());
        out.push('>');
    }
}

/// Appends `text` as element content.
pub fn escape_text(text: &str, out: &mut String) {
    escape(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        // A bare CR would be read back as LF.
        b'\r' => Some("&#xd;"),
        _ => None,
    });
}

/// Appends `text` as the value of an attribute in single quotes.
pub fn escape_attribute(text: &str, out: &mut String) {
    escape(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\'' => Some("&apos;"),
        b'"' => Some("&quot;"),
        // Attribute values are normalised when read: these three would become spaces.
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xa;"),
        b'\r' => Some("&#xd;"),
        _ => None,
    });
}

fn escape(text: &str, out: &mut String, replacement: impl Fn(u8) -> Option<&'static str>) {
    let mut rest = 0;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(entity) = replacement(byte) {
            out.push_str(&text[rest..at]);
            out.push_str(entity);
            rest = at + 1;
        }
    }
    out.push_str(&text[rest..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_namespaces_only_where_they_change() {
        let element = Element::bare("iq", "jabber:client")
            .with("id", "a'b<\n")
            .child(Element::bare("query", "x:y").child(Element::bare("item", "x:y").with_text("1 < 2 & 3")));
        assert_eq!(
            to_string(&element),
            "<iq xmlns='jabber:client' id='a&apos;b&lt;&#xa;'><query xmlns='x:y'><item>1 &lt; 2 &amp; 3</item></query></iq>"
        );
        assert_eq!(to_string(&element).parse::<Element>().ok(), Some(element));
    }

    #[test]
    fn attributes_in_a_namespace_survive() {
        let text = "<a xmlns='n' xmlns:p='q' p:k='v' xml:lang='en'><p:b/></a>";
        let element: Element = text.parse().expect("well-formed");
        let again: Element = to_string(&element).parse().expect("what we write is well-formed");
        assert_eq!(again.attr_ns("q", "k"), Some("v"));
        assert_eq!(again.attr_ns(NS_XML, "lang"), Some("en"));
        assert!(again.has_child("b", "q"));
    }
}
