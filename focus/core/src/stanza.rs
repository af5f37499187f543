//! Building stanzas and their errors.

use jid::Jid;
use minidom::Element;
use minidom::rxml::{Namespace, NcName};
use protocol::ns;

/// A stanza error to answer with (RFC 6120 §8.3).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {text}", condition.name())]
pub struct Fault {
    /// What is wrong.
    pub condition: Condition,
    /// A sentence for whoever reads logs; may be empty.
    pub text: String,
    /// An application-specific condition.
    pub application: Option<Box<Element>>,
}

impl Fault {
    /// A fault with a sentence.
    pub fn new(condition: Condition, text: impl Into<String>) -> Self {
        Self { condition, text: text.into(), application: None }
    }

    /// Adds an application-specific condition.
    #[must_use]
    pub fn with(mut self, application: Element) -> Self {
        self.application = Some(Box::new(application));
        self
    }

    /// The `<error/>` element.
    pub fn to_element(&self) -> Element {
        let mut error = element(
            "error",
            ns::CLIENT,
            &[("type", self.condition.kind())],
            [Element::bare(self.condition.name(), ns::STANZAS)],
        );
        if !self.text.is_empty() {
            error.append_child(Element::builder("text", ns::STANZAS).append(self.text.as_str()).build());
        }
        if let Some(application) = &self.application {
            error.append_child(Element::clone(application));
        }
        error
    }
}

/// Stanza error conditions the focus answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The request is malformed.
    BadRequest,
    /// The one who asks may not do that.
    Forbidden,
    /// It was there, but is no more.
    Gone,
    /// Something of ours failed.
    InternalServerError,
    /// The addressed does not exist.
    ItemNotFound,
    /// The request does not fit the state of things.
    NotAcceptable,
    /// Nobody may do that.
    NotAllowed,
    /// Sign in first.
    NotAuthorized,
    /// Too much or too often.
    ResourceConstraint,
    /// Known, but not done here.
    FeatureNotImplemented,
    /// Not offered.
    ServiceUnavailable,
}

impl Condition {
    /// Element name of the condition.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::InternalServerError => "internal-server-error",
            Self::ItemNotFound => "item-not-found",
            Self::NotAcceptable => "not-acceptable",
            Self::NotAllowed => "not-allowed",
            Self::NotAuthorized => "not-authorized",
            Self::ResourceConstraint => "resource-constraint",
            Self::FeatureNotImplemented => "feature-not-implemented",
            Self::ServiceUnavailable => "service-unavailable",
        }
    }

    /// What the one who asked should do.
    pub fn kind(self) -> &'static str {
        match self {
            Self::BadRequest | Self::NotAcceptable => "modify",
            Self::Forbidden | Self::NotAuthorized => "auth",
            Self::ResourceConstraint => "wait",
            Self::Gone
            | Self::InternalServerError
            | Self::ItemNotFound
            | Self::NotAllowed
            | Self::FeatureNotImplemented
            | Self::ServiceUnavailable => "cancel",
        }
    }
}

/// An IQ request.
pub fn iq(kind: &str, to: &Jid, id: &str, payload: Element) -> Element {
    element("iq", ns::CLIENT, &[("type", kind), ("to", to.as_str()), ("id", id)], [payload])
}

/// The result of `request`. `None` when the request carries no id or sender to answer to.
pub fn result(request: &Element, payload: Option<Element>) -> Option<Element> {
    let (from, id) = (request.attr("from")?, request.attr("id")?);
    Some(element("iq", ns::CLIENT, &[("type", "result"), ("to", from), ("id", id)], payload))
}

/// The error answer to `request`. `None` when the request carries no id or sender to answer to.
pub fn error(request: &Element, fault: &Fault) -> Option<Element> {
    let (from, id) = (request.attr("from")?, request.attr("id")?);
    Some(element("iq", ns::CLIENT, &[("type", "error"), ("to", from), ("id", id)], [fault.to_element()]))
}

/// An element with attributes and children; an attribute with an empty value is left out.
pub fn element(
    name: &str,
    namespace: &str,
    attributes: &[(&str, &str)],
    children: impl IntoIterator<Item = Element>,
) -> Element {
    let mut element = Element::bare(name, namespace);
    for (name, value) in attributes {
        if !value.is_empty() {
            set(&mut element, name, value);
        }
    }
    for child in children {
        element.append_child(child);
    }
    element
}

/// Sets an attribute.
pub fn set(element: &mut Element, name: &str, value: &str) {
    let name = NcName::try_from(name).expect("attribute names here are literals without colon");
    element.set_attr(Namespace::NONE, name, value);
}
