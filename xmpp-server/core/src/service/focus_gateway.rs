//! `focus.D`: clients speak to the focus through this address and never learn which session of it answers.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid, Jid};
use minidom::Element;

use crate::component::{Component, Context, Outbound, SenderContext};
use crate::muc::room::refuse;
use crate::ns;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Label of the service's address.
pub const LABEL: &str = "focus";

/// Forwards requests to an available session of the focus, and its answers back.
#[derive(Debug)]
pub struct FocusGateway {
    domain: String,
    target: BareJid,
    /// Available sessions of the target, and how often each was chosen.
    sessions: BTreeMap<FullJid, u64>,
}

impl FocusGateway {
    /// A gateway at `domain` to the account `target`.
    pub fn new(domain: String, target: BareJid) -> Self {
        Self { domain, target, sessions: BTreeMap::new() }
    }

    /// A request of a client. The asker's whole address becomes the resource of the sender the focus sees.
    fn forward(&mut self, sender: &SenderContext, iq: &Element, cx: &mut Context<'_>) -> Result<(), StanzaError> {
        // The least used session: with several, load spreads evenly.
        let (session, uses) =
            self.sessions.iter_mut().min_by_key(|(_, uses)| **uses).ok_or(Condition::ServiceUnavailable)?;
        *uses += 1;
        let copy = iq.clone().with("from", format!("{}/{}", self.domain, sender.jid)).with("to", session.as_str());
        cx.out.push(Outbound::element(session.clone(), copy));
        Ok(())
    }

    /// An answer of the focus, addressed to `focus.D/<full address of the client>`.
    fn give_back(&self, iq: &Element, to: &Jid, cx: &mut Context<'_>) {
        let client = to.resource().and_then(|resource| FullJid::new(resource.as_str()).ok());
        if let Some(client) = client {
            let copy = iq.clone().with("from", self.domain.as_str()).with("to", client.as_str());
            cx.out.push(Outbound::element(client, copy));
        }
    }
}

impl Component for FocusGateway {
    fn serves(&self, domain: &str) -> bool {
        domain == self.domain
    }

    fn handle(&mut self, sender: &SenderContext, stanza: Element, cx: &mut Context<'_>) {
        let is_answer = matches!(stanza.attr("type"), Some("result" | "error"));
        let result = match stanza.name() {
            "iq" if is_answer => {
                let to = stanza.attr("to").and_then(|to| Jid::new(to).ok());
                if let (true, Some(to)) = (sender.jid.to_bare() == self.target, to) {
                    self.give_back(&stanza, &to, cx);
                }
                Ok(())
            }
            "iq" if sender.jid.to_bare() == self.target => Err(Condition::FeatureNotImplemented.into()),
            "iq" if stanza.has_child("query", ns::DISCO_INFO) => {
                super::host::answer_service_info(sender, &stanza, &[], cx);
                Ok(())
            }
            "iq" => self.forward(sender, &stanza, cx),
            "message" => Err(Condition::FeatureNotImplemented.into()),
            // The focus may share its presence with us; nothing is to be said to that.
            _ if sender.jid.to_bare() == self.target => Ok(()),
            _ => Err(Condition::BadRequest.into()),
        };
        if let Err(error) = result {
            refuse(sender, &stanza, &error, cx);
        }
    }

    fn session_available(&mut self, session: &SenderContext, available: bool, _cx: &mut Context<'_>) {
        if session.jid.to_bare() != self.target {
            return;
        }
        if available {
            self.sessions.entry(session.jid.clone()).or_insert(0);
        } else {
            self.sessions.remove(&session.jid);
        }
    }

    fn session_gone(&mut self, session: &SenderContext, _cx: &mut Context<'_>) {
        self.sessions.remove(&session.jid);
    }
}
