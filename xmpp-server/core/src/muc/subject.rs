//! The subject of a room (XEP-0045 §8.1).

use jid::FullJid;
use minidom::Element;

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::Role;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Longest subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 4 * 1024;

/// What the room is about, who said so and when.
#[derive(Debug, Default)]
pub struct Subject {
    text: String,
    from: Option<String>,
    stamp_ms: Option<u64>,
}

impl Subject {
    /// A subject the server set itself.
    pub fn by_server(text: &str, room: &str, unix_ms: u64) -> Self {
        Self { text: text.to_owned(), from: Some(room.to_owned()), stamp_ms: Some(unix_ms) }
    }
}

/// The subject a message sets: one with a body or a thread is conversation.
pub(super) fn subject_of(message: &Element) -> Option<String> {
    let subject = message.get_child("subject", NS_CLIENT)?;
    let is_change = !message.has_child("body", NS_CLIENT) && !message.has_child("thread", NS_CLIENT);
    is_change.then(|| subject.text())
}

impl Room {
    /// Ends every join: the subject, even an empty one.
    pub(super) fn send_subject(&self, to: &FullJid, rcx: &mut RoomContext<'_, '_>) {
        let from = self.subject.from.as_deref().unwrap_or(self.jid.as_str());
        let mut message = Element::bare("message", NS_CLIENT)
            .with("type", "groupchat")
            .with("from", from)
            .with("to", to.as_str())
            .child(Element::bare("subject", NS_CLIENT).with_text(self.subject.text.as_str()));
        if let Some(stamp_ms) = self.subject.stamp_ms {
            message.append_child(
                Element::bare("delay", ns::DELAY)
                    .with("from", self.jid.as_str())
                    .with("stamp", crate::datetime::xmpp_datetime(stamp_ms)),
            );
        }
        rcx.cx.out.push(Outbound::element(to.clone(), message));
    }

    /// An occupant sets the subject.
    pub(super) fn set_subject(
        &mut self,
        sender: &SenderContext,
        text: String,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some((id, occupant)) = self.entry(&sender.jid) else {
            return self.refuse(sender, message, Condition::NotAcceptable.into(), rcx);
        };
        let allowed =
            occupant.role == Role::Moderator || (self.config.change_subject && occupant.role >= Role::Participant);
        if !allowed {
            return self.refuse(sender, message, Condition::Forbidden.into(), rcx);
        }
        if text.len() > SUBJECT_BYTES_MAX {
            let error = StanzaError::new(Condition::PolicyViolation).text("This subject is too long.");
            return self.refuse(sender, message, error, rcx);
        }
        let from = occupant.address.to_string();
        self.subject = Subject { text, from: Some(from), stamp_ms: Some(rcx.cx.now.unix_ms) };
        self.reflect(id, message, rcx);
    }

    /// The server sets the subject: those inside see it from the room itself.
    pub(crate) fn set_subject_by_server(&mut self, text: &str, rcx: &mut RoomContext<'_, '_>) {
        self.subject = Subject::by_server(text, self.jid.as_str(), rcx.cx.now.unix_ms);
        let message = Element::bare("message", NS_CLIENT)
            .with("type", "groupchat")
            .with("from", self.jid.as_str())
            .child(Element::bare("subject", NS_CLIENT).with_text(text));
        self.broadcast(&SharedStanza::new(&message), rcx.cx);
    }
}
