//! Building requests and answers (RFC 6120 §8.2.3).

use minidom::Element;
use protocol::ns;
use rxml::xml_ncname;

/// Type of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IqType {
    /// Asks.
    Get,
    /// Changes.
    Set,
}

/// A request; its id is given when it is sent.
pub fn request(kind: IqType, to: Option<&str>, payload: Element) -> Element {
    let mut iq = Element::builder("iq", ns::CLIENT).attr(
        xml_ncname!("type").to_owned(),
        match kind {
            IqType::Get => "get",
            IqType::Set => "set",
        },
    );
    if let Some(to) = to {
        iq = iq.attr(xml_ncname!("to").to_owned(), to);
    }
    iq.append(payload).build()
}

/// The answer to `request`: addresses swapped, same id.
pub fn result(request: &Element, payload: Option<Element>) -> Element {
    let mut iq = answer(request, "result");
    if let Some(payload) = payload {
        iq.append_child(payload);
    }
    iq
}

/// The refusal of `request`; `error` is an `<error xmlns='jabber:client'/>`.
pub fn error(request: &Element, error: Element) -> Element {
    let mut iq = answer(request, "error");
    iq.append_child(error);
    iq
}

/// The refusal of `request` with nothing but a type and a condition (RFC 6120 §8.3), for example `cancel` and
/// `service-unavailable`.
pub fn simple_error(request: &Element, kind: &str, condition: &str) -> Element {
    error(
        request,
        Element::builder("error", ns::CLIENT)
            .attr(xml_ncname!("type").to_owned(), kind)
            .append(Element::bare(condition, ns::STANZAS))
            .build(),
    )
}

/// Whether a stanza is a request, which must be answered.
pub fn is_request(stanza: &Element) -> bool {
    stanza.is("iq", ns::CLIENT) && matches!(stanza.attr("type"), Some("get" | "set"))
}

/// The payload of a request or result.
pub fn payload(iq: &Element) -> Option<&Element> {
    iq.children().find(|child| !child.is("error", ns::CLIENT))
}

fn answer(request: &Element, kind: &str) -> Element {
    let mut iq = Element::builder("iq", ns::CLIENT).attr(xml_ncname!("type").to_owned(), kind);
    if let Some(id) = request.attr("id") {
        iq = iq.attr(xml_ncname!("id").to_owned(), id);
    }
    if let Some(from) = request.attr("from") {
        iq = iq.attr(xml_ncname!("to").to_owned(), from);
    }
    if let Some(to) = request.attr("to") {
        iq = iq.attr(xml_ncname!("from").to_owned(), to);
    }
    iq.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_swap_addresses_and_keep_the_id() {
        let request: Element =
            "<iq xmlns='jabber:client' type='get' id='7' from='a@b/c' to='d@e/f'><x xmlns='x'/></iq>".parse().unwrap();
        assert!(is_request(&request));
        let result = result(&request, None);
        assert_eq!(
            [result.attr("type"), result.attr("id"), result.attr("to"), result.attr("from")],
            [Some("result"), Some("7"), Some("a@b/c"), Some("d@e/f")]
        );
        let error = simple_error(&request, "cancel", "service-unavailable");
        assert!(error.get_child("error", ns::CLIENT).unwrap().has_child("service-unavailable", ns::STANZAS));
        assert!(!is_request(&error));
        assert_eq!(payload(&request).unwrap().ns(), "x");
        assert_eq!(payload(&error), None);
    }
}
