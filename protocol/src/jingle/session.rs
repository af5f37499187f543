//! `<jingle/>` (XEP-0166) with what Jitsi puts into it.

use jid::Jid;
use minidom::Element;
use xso::{AsXml, FromXml};

use super::content::{Content, ContentGroup};
use super::reason::Reason;
use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// What a Jingle request wants.
    Action {
        /// Offer.
        SessionInitiate => "session-initiate",
        /// Answer.
        SessionAccept => "session-accept",
        /// Free information about the session.
        SessionInfo => "session-info",
        /// End, or with `<bridge-session restart='true'/>` a new start.
        SessionTerminate => "session-terminate",
        /// New sources.
        SourceAdd => "source-add" | "addsource",
        /// Sources that went away.
        SourceRemove => "source-remove" | "removesource",
        /// Candidates, or new ICE credentials.
        TransportInfo => "transport-info",
        /// A new transport in place of the old one.
        TransportReplace => "transport-replace",
        /// The answer to it.
        TransportAccept => "transport-accept",
        /// Its refusal.
        TransportReject => "transport-reject",
        /// Direction change, between two clients only.
        ContentModify => "content-modify",
        /// A new content.
        ContentAdd => "content-add",
        /// A content that went away.
        ContentRemove => "content-remove",
    }
}

/// The payload of a Jingle IQ.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE, name = "jingle")]
pub struct Jingle {
    /// What is asked.
    #[xml(attribute)]
    pub action: Action,

    /// Session id, chosen by the initiator.
    #[xml(attribute)]
    pub sid: String,

    /// Address of the initiator. The focus gives its real address; clients answer with its room address.
    #[xml(attribute(default))]
    pub initiator: Option<Jid>,

    /// Address of the responder.
    #[xml(attribute(default))]
    pub responder: Option<Jid>,

    /// Contents in order; the order is that of the m-lines.
    #[xml(child(n = ..))]
    pub contents: Vec<Content>,

    /// The bundle.
    #[xml(child(default))]
    pub group: Option<ContentGroup>,

    /// Why the session ends.
    #[xml(child(default))]
    pub reason: Option<Reason>,

    /// Whether the invited start muted.
    #[xml(child(default))]
    pub start_muted: Option<StartMuted>,

    /// Which allocation on which bridge this is about.
    #[xml(child(default))]
    pub bridge_session: Option<BridgeSession>,

    /// ICE state as old clients report it.
    #[xml(child(default))]
    pub ice_state: Option<IceState>,

    /// Compact sources.
    #[xml(child(default))]
    pub json_message: Option<JsonMessage>,

    /// Everything else, as received.
    #[xml(element(n = ..))]
    pub other: Vec<Element>,
}

impl Jingle {
    /// A request without content.
    pub fn new(action: Action, sid: &str) -> Self {
        Self {
            action,
            sid: sid.to_owned(),
            initiator: None,
            responder: None,
            contents: Vec::new(),
            group: None,
            reason: None,
            start_muted: None,
            bridge_session: None,
            ice_state: None,
            json_message: None,
            other: Vec::new(),
        }
    }
}

/// `<startmuted/>` in an offer.
#[derive(FromXml, AsXml, Debug, Clone, Copy, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET_START_MUTED, name = "startmuted")]
pub struct StartMuted {
    /// Microphone off at first.
    #[xml(attribute(default))]
    pub audio: bool,
    /// Camera off at first.
    #[xml(attribute(default))]
    pub video: bool,
}

/// `<bridge-session/>`: one allocation of the focus on one bridge; clients quote it when they ask for a restart.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "bridge-session")]
pub struct BridgeSession {
    /// Identifier made by the focus.
    #[xml(attribute(default))]
    pub id: Option<String>,
    /// Region of the bridge.
    #[xml(attribute(default))]
    pub region: Option<String>,
    /// In session-terminate: start again.
    #[xml(attribute(default))]
    pub restart: Option<bool>,
    /// In session-info: restart ICE in place.
    #[xml(attribute(name = "ice-restart", default))]
    pub ice_restart: Option<bool>,
}

/// `<ice-state>failed</ice-state>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "ice-state")]
pub struct IceState {
    /// The state, as the browser names it.
    #[xml(text)]
    pub state: String,
}

/// `<json-message/>`: JSON in Jingle or in a message.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET, name = "json-message")]
pub struct JsonMessage {
    /// The room, where the sender is a component.
    #[xml(attribute(default))]
    pub room: Option<String>,
    /// The JSON text.
    #[xml(text)]
    pub json: String,
}
