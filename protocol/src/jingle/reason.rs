//! `<reason/>`: why a session ends (XEP-0166 §7.4).

use minidom::Element;
use xso::{AsXml, FromXml};

use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// The condition of a reason.
    ReasonCondition {
        /// Nothing went wrong.
        Success => "success",
        /// Idle for too long.
        Expired => "expired",
        /// The other side went away.
        Gone => "gone",
        /// Something failed.
        GeneralError => "general-error",
        /// ICE or DTLS failed.
        ConnectivityError => "connectivity-error",
        /// The user declined.
        Decline => "decline",
        /// The user cancelled.
        Cancel => "cancel",
        /// The user was busy.
        Busy => "busy",
        /// Took too long.
        Timeout => "timeout",
    }
}

/// `<reason/>`, keeping every child it came with.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE, name = "reason")]
pub struct Reason {
    #[xml(element(n = ..))]
    children: Vec<Element>,
}

impl Reason {
    /// A reason with a text for people.
    pub fn new(condition: &ReasonCondition, text: &str) -> Self {
        let mut children = vec![Element::bare(condition.as_str(), ns::JINGLE)];
        if !text.is_empty() {
            children.push(Element::builder("text", ns::JINGLE).append(text).build());
        }
        Self { children }
    }

    /// The condition, if there is one.
    pub fn condition(&self) -> Option<ReasonCondition> {
        self.children
            .iter()
            .find(|e| e.has_ns(ns::JINGLE) && e.name() != "text")
            .map(|e| ReasonCondition::from(e.name()))
    }

    /// The text for people, if there is one.
    pub fn text(&self) -> Option<String> {
        self.children.iter().find(|e| e.is("text", ns::JINGLE)).map(Element::text)
    }
}
