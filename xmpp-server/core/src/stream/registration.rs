//! Registration by invite on a stream that has not signed in (XEP-0077, XEP-0445).

use jid::{BareJid, NodePart};
use minidom::Element;

use super::limits::address_key;
use super::negotiation::{Environment, Negotiation, State, Step, result, unaddressed};
use super::{StreamCondition, StreamError};
use crate::account::ScramHash;
use crate::account_request::{AccountRequest, InviteHash};
use crate::hosts::HostKind;
use crate::service::register::{self, NS_REGISTER, RegisterSet};
use crate::stanza_error::{Condition, ErrorType, StanzaError};
use crate::xml::ElementExt;

impl Negotiation {
    /// Registration and invites; nothing else is served before authentication.
    pub(super) fn unauthenticated_iq(&mut self, iq: Element, env: &mut Environment<'_>, out: &mut Vec<Step>) {
        match self.registration(&iq, env) {
            Ok(Registration::Answer(answer)) => out.push(Step::Send(unaddressed(answer))),
            Ok(Registration::Ask(request, state)) => {
                out.push(Step::Ask(request));
                self.state = *state;
            }
            Ok(Registration::NotServed) => {
                let error =
                    StreamError::new(StreamCondition::NotAuthorized, "Please sign in before sending anything else.");
                self.end(Some(error), out);
            }
            Err(error) => out.push(Step::Send(unaddressed(error.answer(&iq, "")))),
        }
    }

    fn registration(&self, iq: &Element, env: &mut Environment<'_>) -> Result<Registration, StanzaError> {
        let is_set = iq.attr("type") == Some("set");
        let Some(payload) = iq.children().next() else {
            return Ok(Registration::NotServed);
        };
        let is_preauth = payload.is("preauth", register::NS_PREAUTH);
        if !is_preauth && !payload.is("query", NS_REGISTER) {
            return Ok(Registration::NotServed);
        }
        if !self.opened.encrypted {
            return Err(
                StanzaError::new(Condition::PolicyViolation).text("Please switch to an encrypted connection first.")
            );
        }
        let Some((host, HostKind::Main)) = &self.host else {
            return Err(register::invite_needed());
        };
        if is_preauth {
            let token = payload.attr("token").unwrap_or_default();
            if !is_set || token.is_empty() {
                return Err(Condition::BadRequest.into());
            }
            let address = address_key(self.opened.address);
            if env.guesses.invites_by_address.is_exhausted(&address, env.now.monotonic_ms) {
                return Err(register::too_many_tries());
            }
            let invite = invite_hash(token);
            return Ok(Registration::Ask(
                AccountRequest::CheckInvite { invite },
                Box::new(State::AwaitingInvite { invite, request: iq.clone() }),
            ));
        }
        let Some((invite, offer)) = &self.invite else {
            return Err(register::invite_needed());
        };
        let fixed_name = offer.account.as_ref().and_then(|account| account.node()).map(|node| node.as_str());
        if !is_set {
            return Ok(Registration::Answer(result(iq).child(register::registration_form(fixed_name))));
        }
        let RegisterSet::Set { username, password, .. } = RegisterSet::parse(payload)? else {
            return Err(StanzaError::new(Condition::RegistrationRequired));
        };
        let unusable_name = || {
            StanzaError::new(Condition::NotAcceptable)
                .of_type(ErrorType::Modify)
                .text("Please choose a user name of letters and digits, without spaces.")
        };
        let node = NodePart::new(&username).map_err(|_| unusable_name())?;
        if !register::is_account_name(node.as_str()) {
            return Err(unusable_name());
        }
        if fixed_name.is_some_and(|fixed| fixed != node.as_str()) {
            return Err(StanzaError::new(Condition::NotAcceptable)
                .of_type(ErrorType::Modify)
                .text("This invite is for another user name."));
        }
        let password = register::check_password(&env.policy, node.as_str(), &password)?;
        let account = BareJid::new(&format!("{}@{host}", node.as_str())).map_err(|_| unusable_name())?;
        Ok(Registration::Ask(
            AccountRequest::Register { account: account.clone(), password, invite: *invite },
            Box::new(State::AwaitingRegistration { account, request: iq.clone() }),
        ))
    }
}

enum Registration {
    Answer(Element),
    Ask(AccountRequest, Box<State>),
    NotServed,
}

/// SHA-256 of an invite's token.
pub fn invite_hash(token: &str) -> InviteHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(&ScramHash::Sha256.hash(token.as_bytes()));
    hash
}
