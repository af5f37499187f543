//! Stream errors (RFC 6120 §4.9): the last thing a peer hears on a stream.

use std::borrow::Cow;

use crate::xml;

const NS_STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// Defined conditions (RFC 6120 §4.9.3) this server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamCondition {
    /// A new stream took the resource of this one.
    Conflict,
    /// The peer was silent for too long.
    ConnectionTimeout,
    /// The host of the stream is not served here.
    HostUnknown,
    /// A stream or stanza in a namespace that has no place here.
    InvalidNamespace,
    /// Stanzas before authentication, or the account is gone.
    NotAuthorized,
    /// Not XML, or not well-formed.
    NotWellFormed,
    /// A limit was exceeded.
    PolicyViolation,
    /// The credentials of the account changed.
    Reset,
    /// The peer does not read what it is sent.
    ResourceConstraint,
    /// Comments, processing instructions, DTDs, entities.
    RestrictedXml,
    /// The server stops.
    SystemShutdown,
    /// A condition without a name of its own.
    UndefinedCondition,
    /// Not UTF-8.
    UnsupportedEncoding,
    /// A top-level element that is not a stanza.
    UnsupportedStanzaType,
    /// Not version 1.0.
    UnsupportedVersion,
}

impl StreamCondition {
    /// The element name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostUnknown => "host-unknown",
            Self::InvalidNamespace => "invalid-namespace",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }
}

/// Why a stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The defined condition.
    pub condition: StreamCondition,
    /// A sentence for people.
    pub text: Cow<'static, str>,
    /// An application-specific condition, serialised.
    pub application: Option<&'static str>,
}

impl StreamError {
    /// A condition with a sentence.
    pub fn new(condition: StreamCondition, text: impl Into<Cow<'static, str>>) -> Self {
        Self { condition, text: text.into(), application: None }
    }

    /// `<stream:error/>` with its namespaces, good inside a stream and as a WebSocket frame.
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<stream:error xmlns:stream='http://etherx.jabber.org/streams'><");
        out.push_str(self.condition.as_str());
        xml::write_namespace(NS_STREAM_ERRORS, &mut out);
        out.push_str("/>");
        if !self.text.is_empty() {
            out.push_str("<text");
            xml::write_namespace(NS_STREAM_ERRORS, &mut out);
            out.push_str(" xml:lang='en'>");
            xml::escape_text(&self.text, &mut out);
            out.push_str("</text>");
        }
        if let Some(application) = self.application {
            out.push_str(application);
        }
        out.push_str("</stream:error>");
        out
    }
}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> Self {
        Self::new(condition, "")
    }
}
