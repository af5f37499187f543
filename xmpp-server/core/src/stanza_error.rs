//! Stanza errors (RFC 6120 §8.3): what is sent back when a stanza is refused.

use std::borrow::Cow;

use minidom::Element;

use crate::stanza::{NS_CLIENT, NS_STANZA_ERRORS};
use crate::xml::ElementExt;

/// `type` of an `<error/>` (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Retry after changing the data.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

/// Defined conditions (RFC 6120 §8.3.3) this server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The data cannot be understood.
    BadRequest,
    /// Something with this name is there already.
    Conflict,
    /// Not implemented by the addressed entity.
    FeatureNotImplemented,
    /// The sender lacks the privilege.
    Forbidden,
    /// The server failed.
    InternalServerError,
    /// Nothing is at this address.
    ItemNotFound,
    /// The address is not valid.
    JidMalformed,
    /// Understood, but not acceptable here.
    NotAcceptable,
    /// Nobody may do this here.
    NotAllowed,
    /// Credentials are missing or wrong.
    NotAuthorized,
    /// A limit of the server was reached by this peer.
    PolicyViolation,
    /// The recipient is gone for now.
    RecipientUnavailable,
    /// Only registered users may do this.
    RegistrationRequired,
    /// The domain is not here, and this server talks to no other.
    RemoteServerNotFound,
    /// The server has no room for more.
    ResourceConstraint,
    /// The service is not offered.
    ServiceUnavailable,
    /// Not expected at this point.
    UnexpectedRequest,
}

impl Condition {
    fn parts(self) -> (&'static str, ErrorType) {
        match self {
            Self::BadRequest => ("bad-request", ErrorType::Modify),
            Self::Conflict => ("conflict", ErrorType::Cancel),
            Self::FeatureNotImplemented => ("feature-not-implemented", ErrorType::Cancel),
            Self::Forbidden => ("forbidden", ErrorType::Auth),
            Self::InternalServerError => ("internal-server-error", ErrorType::Cancel),
            Self::ItemNotFound => ("item-not-found", ErrorType::Cancel),
            Self::JidMalformed => ("jid-malformed", ErrorType::Modify),
            Self::NotAcceptable => ("not-acceptable", ErrorType::Cancel),
            Self::NotAllowed => ("not-allowed", ErrorType::Cancel),
            Self::NotAuthorized => ("not-authorized", ErrorType::Auth),
            Self::PolicyViolation => ("policy-violation", ErrorType::Modify),
            Self::RecipientUnavailable => ("recipient-unavailable", ErrorType::Wait),
            Self::RegistrationRequired => ("registration-required", ErrorType::Auth),
            Self::RemoteServerNotFound => ("remote-server-not-found", ErrorType::Cancel),
            Self::ResourceConstraint => ("resource-constraint", ErrorType::Wait),
            Self::ServiceUnavailable => ("service-unavailable", ErrorType::Cancel),
            Self::UnexpectedRequest => ("unexpected-request", ErrorType::Wait),
        }
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct StanzaError {
    condition: Condition,
    error_type: ErrorType,
    text: Option<Cow<'static, str>>,
    by: Option<String>,
    code: Option<&'static str>,
    application: Vec<Element>,
}

impl StanzaError {
    /// The condition with its customary type.
    pub fn new(condition: Condition) -> Self {
        Self { condition, error_type: condition.parts().1, text: None, by: None, code: None, application: Vec::new() }
    }

    /// With another type than the customary one.
    #[must_use]
    pub fn of_type(mut self, error_type: ErrorType) -> Self {
        self.error_type = error_type;
        self
    }

    /// With a sentence for people.
    #[must_use]
    pub fn text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// With the entity that refused, when it is not the addressed one.
    #[must_use]
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// With a code of the time before defined conditions; some clients still look at it.
    #[must_use]
    pub fn legacy_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// With an application-specific condition.
    #[must_use]
    pub fn application(mut self, element: Element) -> Self {
        self.application.push(element);
        self
    }

    /// The defined condition.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// `<error/>`.
    pub fn to_element(&self) -> Element {
        let mut error = Element::bare("error", NS_CLIENT)
            .with("type", self.error_type.as_str())
            .with_opt("code", self.code)
            .with_opt("by", self.by.clone())
            .child(Element::bare(self.condition.parts().0, NS_STANZA_ERRORS));
        if let Some(text) = &self.text {
            error.append_child(Element::bare("text", NS_STANZA_ERRORS).with_text(text.clone()));
        }
        for element in &self.application {
            error.append_child(element.clone());
        }
        error
    }

    /// The answer to `stanza`: same name and id, type `error`, from where it was sent to.
    pub fn answer(&self, stanza: &Element, to: &str) -> Element {
        Element::bare(stanza.name(), NS_CLIENT)
            .with("type", "error")
            .with_opt("id", stanza.attr("id"))
            .with_opt("from", stanza.attr("to"))
            .with("to", to)
            .child(self.to_element())
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}
