//! A session from its bind to its end (RFC 6120 §7).

use std::collections::BTreeSet;
use std::sync::Arc;

use jid::{BareJid, ResourcePart};
use minidom::Element;

use crate::account_request::AccountRequest;
use crate::component::SenderContext;
use crate::hosts::HostKind;
use crate::random;
use crate::server::{Connection, Deadline, Effect, Pending, SESSIONS_PER_ACCOUNT_MAX, Server, Turn, write_text};
use crate::session::{ConnectionId, Session, SessionId};
use crate::stanza::NS_CLIENT;
use crate::stream::limits::StreamLimits;
use crate::stream::negotiation::{Identity, NS_BIND, closing};
use crate::stream::{StreamCondition, StreamError};
use crate::xml::{self, ElementExt};

impl Server {
    pub(crate) fn prepare_bind(
        &mut self,
        connection: ConnectionId,
        identity: Identity,
        resource: Option<ResourcePart>,
        id: String,
        turn: &mut Turn<'_>,
    ) {
        let has_contacts = identity.host == HostKind::Main && identity.is_authenticated;
        if has_contacts && !self.contacts.is_loaded(&identity.account) {
            let request = AccountRequest::LoadRoster { account: identity.account.clone() };
            let pending = Pending::RosterForBind(connection, identity, resource, id);
            return self.ask(request, pending, turn);
        }
        self.bind(connection, &identity, resource, &id, turn);
    }

    pub(crate) fn bind(
        &mut self,
        connection: ConnectionId,
        identity: &Identity,
        resource: Option<ResourcePart>,
        id: &str,
        turn: &mut Turn<'_>,
    ) {
        let Some(Connection::Negotiating(negotiation)) = self.connections.get(&connection) else {
            return;
        };
        let opened = negotiation.connection().clone();
        let jid = match resource {
            Some(resource) => identity.account.with_resource(&resource),
            None => identity
                .account
                .with_resource_str(&random::token(turn.random)[..12])
                .expect("hexadecimal digits are a resource"),
        };
        // A guest who took over a name and binds anew gave up the old session; a member's new
        // stream with the same resource replaces the old one (RFC 6120 §7.7.2.2).
        let account_sessions = self.sessions.by_account(identity.account.as_str()).to_vec();
        let replaced: Vec<SessionId> = if identity.is_authenticated {
            self.sessions.by_address(jid.as_str()).into_iter().collect()
        } else {
            account_sessions
        };
        let conflict = StreamError::new(StreamCondition::Conflict, "A new connection took the place of this one.");
        for session in replaced {
            self.end_session(session, Some(conflict.clone()), turn);
        }
        if !self.settings.admins.contains(&identity.account)
            && self.sessions.by_account(identity.account.as_str()).len() >= SESSIONS_PER_ACCOUNT_MAX
        {
            let error = StreamError::new(StreamCondition::ResourceConstraint, "This account has too many connections.");
            return self.fail_connection(connection, error, turn);
        }
        self.next_session += 1;
        let session_id = SessionId(self.next_session);
        let context = SenderContext {
            is_admin: self.settings.admins.contains(&identity.account),
            is_authenticated: identity.is_authenticated,
            params: Arc::clone(&opened.params),
            jid: jid.clone(),
        };
        self.sessions.insert(
            session_id,
            Session {
                context: context.clone(),
                host: identity.host,
                connection: Some(connection),
                transport: opened.transport,
                presence: None,
                directed: BTreeSet::new(),
                wants_roster: false,
                managed: None,
                bound_at_ms: turn.now.monotonic_ms,
                hibernates_until_ms: None,
            },
        );
        self.counters.bound += 1;
        self.attach(connection, session_id, identity.host, turn);
        let result = Element::bare("iq", NS_CLIENT)
            .with("type", "result")
            .with("id", id)
            .child(Element::bare("bind", NS_BIND).child(Element::bare("jid", NS_BIND).with_text(jid.as_str())));
        write_text(connection, xml::to_string(&result), turn);
        for index in 0..self.components.len() {
            self.with_component(index, turn, |component, cx| {
                component.session_bound(&context, cx);
            });
        }
    }

    pub(crate) fn attach(&mut self, connection: ConnectionId, session: SessionId, host: HostKind, turn: &mut Turn<'_>) {
        self.connections.insert(connection, Connection::Bound(session));
        let limits = if host == HostKind::Service {
            StreamLimits::SERVICE
        } else {
            StreamLimits::client(self.settings.client_bytes_per_s)
        };
        turn.out.push(Effect::SetLimits(connection, limits));
    }

    /// Ends every session of an account but one.
    pub(crate) fn end_account(
        &mut self,
        account: &BareJid,
        except: Option<SessionId>,
        error: &StreamError,
        turn: &mut Turn<'_>,
    ) {
        for session in self.sessions.by_account(account.as_str()).to_vec() {
            if Some(session) != except {
                self.end_session(session, Some(error.clone()), turn);
            }
        }
    }

    /// Ends a session for good: its peer is told why, everybody else that it is gone.
    pub(crate) fn end_session(&mut self, id: SessionId, error: Option<StreamError>, turn: &mut Turn<'_>) {
        self.became_unavailable(id, turn);
        let Some(session) = self.sessions.remove(id) else {
            return;
        };
        if let Some(connection) = session.connection {
            if let Some(error) = error {
                write_text(connection, error.to_xml(), turn);
            }
            write_text(connection, closing(session.transport).to_owned(), turn);
            turn.out.push(Effect::Close(connection));
            self.connections.insert(connection, Connection::Closing);
        }
        if let Some(at) = session.hibernates_until_ms {
            self.deadlines.remove(&(at, Deadline::Hibernation(id)));
        }
        let context = session.context;
        if let Some(managed) = session.managed {
            self.bounce(&context, managed.acknowledgement, turn);
        }
        for index in 0..self.components.len() {
            self.with_component(index, turn, |component, cx| {
                component.session_gone(&context, cx);
            });
        }
        self.forget_contacts_if_unused(&context.jid.to_bare());
    }

    /// Lists are held for members with a session, and for those about to have one: what they are
    /// being given was read before the latest changes.
    pub(crate) fn forget_contacts_if_unused(&mut self, account: &BareJid) {
        let about_to_bind = self
            .pending
            .values()
            .any(|pending| matches!(pending, Pending::RosterForBind(_, identity, ..) if identity.account == *account));
        if !about_to_bind && self.sessions.by_account(account.as_str()).is_empty() {
            self.contacts.forget(account);
        }
    }
}
