//! What a request may ask for.

use jid::BareJid;
use protocol::colibri2::{Condition, ConferenceModify, Endpoint, Failure, Reason, SctpRole, Transport};

use super::answer::SCTP_PORT;

pub(super) fn unsupported(text: &str) -> Failure {
    Failure::new(Condition::FeatureNotImplemented, text).with_reason(Reason::FeatureNotImplemented)
}

pub(super) fn malformed(text: impl Into<String>) -> Failure {
    Failure::new(Condition::BadRequest, text)
}

/// What can be refused before anything is done.
pub(super) fn check(modify: &ConferenceModify) -> Result<(), Failure> {
    if modify.name.as_deref().is_some_and(|name| BareJid::new(name).is_err()) {
        return Err(malformed("The conference name must be a bare address."));
    }
    Ok(())
}

/// What can be refused once the conference is known, before anything is done to it.
pub(super) fn check_content(modify: &ConferenceModify) -> Result<(), Failure> {
    if !modify.endpoints.is_empty() && !modify.relays.is_empty() {
        return Err(unsupported("Endpoints and relays in one request are not supported."));
    }
    if modify.endpoints.len() > 1 && modify.endpoints.iter().any(is_substantial) {
        return Err(unsupported("Creating or updating more than one endpoint in one request is not supported."));
    }
    if modify.relays.iter().any(|relay| !relay.expire) {
        return Err(unsupported("Relays are not supported by this bridge."));
    }
    if modify.connects.as_ref().is_some_and(|connects| !connects.connects.is_empty()) {
        return Err(unsupported("Media export is not supported by this bridge."));
    }
    Ok(())
}

/// Whether unknown endpoints are answered as if all was well: nothing in the request needs them to exist.
pub(super) fn ignores_unknown(modify: &ConferenceModify) -> bool {
    !modify.endpoints.iter().any(is_substantial) && modify.relays.iter().all(|relay| relay.expire)
}

fn is_substantial(endpoint: &Endpoint) -> bool {
    !endpoint.expire
        && (endpoint.create || !endpoint.media.is_empty() || endpoint.transport.is_some() || endpoint.sources.is_some())
}

/// Checks `<sctp/>`; whether data channels are wanted.
pub(super) fn wants_sctp(transport: &Transport, supported: bool) -> Result<bool, Failure> {
    let Some(sctp) = &transport.sctp else { return Ok(false) };
    if !supported {
        return Err(unsupported("SCTP is disabled on this bridge."));
    }
    if sctp.role.as_ref().is_some_and(|role| *role != SctpRole::Server) {
        return Err(unsupported("The SCTP role of an endpoint's bridge must be server."));
    }
    if sctp.port.is_some_and(|port| port != SCTP_PORT) {
        return Err(malformed("The SCTP port must be 5000."));
    }
    Ok(true)
}
