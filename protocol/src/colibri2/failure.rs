//! Why a bridge refuses a request: stanza error condition and colibri2 reason.

use minidom::Element;

use crate::ids::EndpointId;
use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// `reason` of `<error xmlns='jitsi:colibri2'/>`; the focus decides by it.
    Reason {
        /// Create of a conference that exists.
        ConferenceAlreadyExists => "conference_already_exists",
        /// The conference does not exist.
        ConferenceNotFound => "conference_not_found",
        /// The endpoint does not exist.
        UnknownEndpoint => "unknown_endpoint",
        /// The bridge takes no new conferences.
        GracefulShutdown => "graceful_shutdown",
        /// The bridge cannot do this.
        FeatureNotImplemented => "feature_not_implemented",
        /// No reason was given.
        Unspecified => "unspecified",
    }
}

wire_enum! {
    /// Stanza error conditions a bridge uses, RFC 6120 §8.3.3.
    Condition {
        /// The request is malformed.
        BadRequest => "bad-request",
        /// It exists already.
        Conflict => "conflict",
        /// Not supported.
        FeatureNotImplemented => "feature-not-implemented",
        /// The sender may not.
        Forbidden => "forbidden",
        /// It does not exist.
        ItemNotFound => "item-not-found",
        /// The bridge failed.
        InternalServerError => "internal-server-error",
        /// Not now.
        ServiceUnavailable => "service-unavailable",
    }
}

/// `<error/>` of a refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{condition}: {text}")]
pub struct Failure {
    /// Stanza error condition.
    pub condition: Condition,
    /// Colibri2 reason, where there is one.
    pub reason: Option<Reason>,
    /// The endpoint it is about.
    pub endpoint: Option<EndpointId>,
    /// For people.
    pub text: String,
}

impl Failure {
    /// Without reason and endpoint.
    pub fn new(condition: Condition, text: impl Into<String>) -> Self {
        Self { condition, reason: None, endpoint: None, text: text.into() }
    }

    /// Adds the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds the endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: EndpointId) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// `<error xmlns='jabber:client'/>`.
    pub fn to_element(&self) -> Element {
        let kind = match self.condition {
            Condition::BadRequest => "modify",
            Condition::Forbidden => "auth",
            _ => "cancel",
        };
        let mut error = Element::builder("error", ns::CLIENT)
            .attr(xso::exports::rxml::xml_ncname!("type").to_owned(), kind)
            .append(Element::builder(self.condition.as_str(), ns::STANZAS).build());
        if !self.text.is_empty() {
            error = error.append(Element::builder("text", ns::STANZAS).append(self.text.clone()).build());
        }
        if let Some(reason) = &self.reason {
            error = error.append(
                Element::builder("error", ns::COLIBRI2)
                    .attr(xso::exports::rxml::xml_ncname!("reason").to_owned(), reason.as_str())
                    .build(),
            );
        }
        if let Some(endpoint) = &self.endpoint {
            error = error.append(
                Element::builder("endpoint", ns::COLIBRI2)
                    .attr(xso::exports::rxml::xml_ncname!("id").to_owned(), endpoint.as_str())
                    .build(),
            );
        }
        error.build()
    }

    /// Reads an `<error/>` of any stanza namespace; what is missing stays empty, an endpoint that is no
    /// [`EndpointId`] is left out.
    pub fn from_element(error: &Element) -> Self {
        let mut failure = Self::new(Condition::Other(String::new()), "");
        for child in error.children() {
            if child.ns() == ns::STANZAS {
                if child.name() == "text" {
                    failure.text = child.text();
                } else {
                    failure.condition = Condition::from(child.name());
                }
            } else if child.is("error", ns::COLIBRI2) {
                failure.reason = child.attr("reason").map(Reason::from);
            } else if child.is("endpoint", ns::COLIBRI2) {
                failure.endpoint = child.attr("id").and_then(|id| EndpointId::new(id).ok());
            }
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_round_trip() {
        let failure = Failure::new(Condition::ItemNotFound, "Unknown endpoint 79f0273d")
            .with_reason(Reason::UnknownEndpoint)
            .with_endpoint(EndpointId::new("79f0273d").unwrap());
        let element = failure.to_element();
        assert_eq!(element.attr("type"), Some("cancel"));
        assert_eq!(Failure::from_element(&element), failure);
    }

    #[test]
    fn a_recorded_failure_is_understood() {
        let element: Element = "<error xmlns='jabber:client' type='cancel'>\
            <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>Conference not found for ID: 7a3e</text>\
            <error xmlns='jitsi:colibri2' reason='conference_not_found'/></error>"
            .parse()
            .unwrap();
        assert_eq!(
            Failure::from_element(&element),
            Failure::new(Condition::ItemNotFound, "Conference not found for ID: 7a3e")
                .with_reason(Reason::ConferenceNotFound)
        );
    }
}
