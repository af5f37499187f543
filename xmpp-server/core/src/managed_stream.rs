//! Sessions and their connections (XEP-0198): what is sent and acknowledged, what happens when a
//! connection is lost, and how its session finds another.

use minidom::Element;

use crate::account::ScramHash;
use crate::hosts::HostKind;
use crate::random;
use crate::server::{Connection, Deadline, Effect, Output, Server, Turn, write_text};
use crate::session::{ConnectionId, Managed, ResumptionToken, SessionId};
use crate::stanza::WireStanza;
use crate::stream::framing::{Frame, is_stanza};
use crate::stream::negotiation::{Identity, closing, sm_failed};
use crate::stream::resumption::{Acknowledgement, HIBERNATION_MAX_MS, NS_SM, SERVICE_HIBERNATION_MAX_MS};
use crate::stream::{StreamCondition, StreamError};
use crate::xml;

impl Server {
    pub(crate) fn bound_frame(&mut self, id: SessionId, frame: Frame, turn: &mut Turn<'_>) {
        match frame {
            Frame::Stanza(element) if is_stanza(&element) => {
                self.counters.stanzas_in += 1;
                if let Some(managed) = self.sessions.get_mut(id).and_then(|session| session.managed.as_mut()) {
                    managed.acknowledgement.count_received();
                }
                self.session_stanza(id, element, turn);
            }
            Frame::Stanza(element) if element.has_ns(NS_SM) => {
                self.management(id, &element, turn);
            }
            Frame::Stanza(_) => {
                let error = StreamCondition::UnsupportedStanzaType.into();
                self.counters.stream_errors += 1;
                self.end_session(id, Some(error), turn);
            }
            Frame::Open(_) => {
                self.counters.stream_errors += 1;
                let error = StreamCondition::NotWellFormed.into();
                self.end_session(id, Some(error), turn);
            }
            // An orderly end is final: nothing is kept for resumption.
            Frame::Close => self.end_session(id, None, turn),
        }
    }

    /// Hands one stanza to a session. Whatever happens to it later is the stream's matter.
    pub(crate) fn send(&mut self, id: SessionId, stanza: WireStanza, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        self.counters.stanzas_out += 1;
        let mut ask = false;
        if let Some(managed) = session.managed.as_mut() {
            if managed.acknowledgement.sent(stanza.clone()).is_err() {
                let error =
                    StreamError::new(StreamCondition::ResourceConstraint, "Too many stanzas were not acknowledged.");
                self.counters.stream_errors += 1;
                return self.end_session(id, Some(error), turn);
            }
            ask = session.connection.is_some() && managed.acknowledgement.take_request();
        }
        if let Some(connection) = session.connection {
            turn.out.push(Effect::Write(connection, Output::Stanza(stanza)));
            if ask {
                write_text(connection, format!("<r xmlns='{NS_SM}'/>"), turn);
            }
        }
    }

    /// Stream management after bind (XEP-0198 §3, §4).
    pub(crate) fn management(&mut self, id: SessionId, element: &Element, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(connection) = session.connection else {
            return;
        };
        match (element.name(), session.managed.as_mut()) {
            ("enable", None) => {
                let wants_resumption = matches!(element.attr("resume"), Some("true" | "1"));
                let token = wants_resumption.then(|| {
                    // COMPAT(lib-jitsi-meet): the token goes into a URL as it is.
                    random::token(turn.random)
                });
                let answer = match &token {
                    Some(token) => format!(
                        "<enabled xmlns='{NS_SM}' id='{token}' resume='true' max='{}'/>",
                        hibernation_max_ms(session.host) / 1000
                    ),
                    None => format!("<enabled xmlns='{NS_SM}'/>"),
                };
                let token = token.map(|token| token_hash(&token));
                session.managed = Some(Managed { acknowledgement: Acknowledgement::new(session.is_service()), token });
                if let Some(token) = token {
                    self.sessions.set_token(id, token);
                }
                write_text(connection, answer, turn);
            }
            ("enable", Some(_)) | ("resume", _) => {
                write_text(connection, sm_failed("unexpected-request", None), turn);
            }
            ("r", Some(managed)) => {
                let h = managed.acknowledgement.received();
                write_text(connection, format!("<a xmlns='{NS_SM}' h='{h}'/>"), turn);
            }
            ("a", Some(managed)) => {
                let Some(h) = element.attr("h").and_then(|h| h.parse().ok()) else {
                    return self.end_session(id, Some(StreamCondition::PolicyViolation.into()), turn);
                };
                if let Err(error) = managed.acknowledgement.acknowledged(h) {
                    let mut stream_error = StreamError::new(
                        StreamCondition::UndefinedCondition,
                        format!("You acknowledged {} stanzas, but {} were sent.", error.h, error.sent),
                    );
                    stream_error.application = Some("<handled-count-too-high xmlns='urn:xmpp:sm:3'/>");
                    self.counters.stream_errors += 1;
                    self.end_session(id, Some(stream_error), turn);
                }
            }
            _ => {
                let error = StreamCondition::UnsupportedStanzaType.into();
                self.counters.stream_errors += 1;
                self.end_session(id, Some(error), turn);
            }
        }
    }

    pub(crate) fn connection_lost(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        let Some(Connection::Bound(id)) = self.connections.remove(&connection) else {
            return;
        };
        let now_ms = turn.now.monotonic_ms;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.connection != Some(connection) {
            return;
        }
        session.connection = None;
        let resumable = session.managed.as_ref().is_some_and(|managed| managed.token.is_some());
        if !resumable {
            return self.end_session(id, None, turn);
        }
        let until = now_ms + hibernation_max_ms(session.host);
        session.hibernates_until_ms = Some(until);
        self.deadlines.insert((until, Deadline::Hibernation(id)));
        // At most one hibernating session of a guest or member is kept; services may have several
        // resources (a pool of bridges under one account).
        if !session.is_service() {
            let account = session.account();
            let older: Vec<SessionId> = self
                .sessions
                .by_account(account.as_str())
                .iter()
                .copied()
                .filter(|other| {
                    *other != id && self.sessions.get(*other).is_some_and(|other| other.connection.is_none())
                })
                .collect();
            for other in older {
                self.end_session(other, None, turn);
            }
        }
    }

    pub(crate) fn resume(
        &mut self,
        connection: ConnectionId,
        identity: &Identity,
        previd: &str,
        h: u32,
        turn: &mut Turn<'_>,
    ) {
        let found = self.sessions.by_token(&token_hash(previd)).filter(|id| {
            self.sessions.get(*id).is_some_and(|session| {
                session.account() == identity.account && session.context.is_authenticated == identity.is_authenticated
            })
        });
        let Some(id) = found else {
            return write_text(connection, sm_failed("item-not-found", None), turn);
        };
        let Some(Connection::Negotiating(negotiation)) = self.connections.get(&connection) else {
            return;
        };
        let transport = negotiation.connection().transport;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let host = session.host;
        let old_transport = session.transport;
        let Some(managed) = session.managed.as_mut() else {
            return;
        };
        if managed.acknowledgement.acknowledged(h).is_err() {
            let received = managed.acknowledgement.received();
            write_text(connection, sm_failed("item-not-found", Some(received)), turn);
            return self.end_session(id, None, turn);
        }
        let old = session.connection.replace(connection);
        session.transport = transport;
        session.hibernates_until_ms = None;
        let resumed = format!(
            "<resumed xmlns='{NS_SM}' h='{}' previd='{}'/>",
            managed.acknowledgement.received(),
            escaped(previd)
        );
        let resent: Vec<WireStanza> = managed.acknowledgement.resend().cloned().collect();
        if let Some(old) = old {
            // The peer came back before we noticed that its old connection is dead.
            let error = StreamError::new(StreamCondition::Conflict, "The session was resumed on another connection.");
            write_text(old, error.to_xml(), turn);
            write_text(old, closing(old_transport).to_owned(), turn);
            turn.out.push(Effect::Close(old));
            self.connections.insert(old, Connection::Closing);
        }
        self.counters.resumed += 1;
        self.attach(connection, id, host, turn);
        write_text(connection, resumed, turn);
        for stanza in resent {
            turn.out.push(Effect::Write(connection, Output::Stanza(stanza)));
        }
    }
}

fn hibernation_max_ms(host: HostKind) -> u64 {
    match host {
        HostKind::Service => SERVICE_HIBERNATION_MAX_MS,
        HostKind::Main | HostKind::Guest => HIBERNATION_MAX_MS,
    }
}

/// What a token is found by.
pub(crate) fn token_hash(token: &str) -> ResumptionToken {
    let mut hash = [0; 32];
    hash.copy_from_slice(&ScramHash::Sha256.hash(token.as_bytes()));
    ResumptionToken(hash)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    xml::escape_attribute(text, &mut out);
    out
}
