//! The server as one value: connections become sessions, sessions send stanzas, stanzas find
//! their recipients. One input at a time, effects appended in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jid::{BareJid, ResourcePart};
use minidom::Element;
use rand::CryptoRng;

use crate::account::{PasswordPolicy, ScramHash};
use crate::account_request::{AccountAnswer, AccountRequest, Ticket};
use crate::component::{Component, Context, Now, Outbound, SenderContext};
use crate::contacts::Contacts;
use crate::hosts::{HostKind, Hosts};
use crate::own_account::PendingChange;
use crate::random;
use crate::session::{ConnectionId, Managed, ResumptionToken, Session, SessionId, SessionTable};
use crate::stanza::{NS_CLIENT, WireStanza};
use crate::stream::framing::{Frame, is_stanza};
use crate::stream::limits::{FailureLimit, StreamLimits, UNAUTHENTICATED_TIME_MAX_MS};
use crate::stream::negotiation::{
    Environment, Guesses, Identity, NS_BIND, Negotiation, Opened, Step, closing, sm_failed,
};
use crate::stream::resumption::{Acknowledgement, HIBERNATION_MAX_MS, NS_SM, SERVICE_HIBERNATION_MAX_MS};
use crate::stream::{StreamCondition, StreamError};
use crate::xml::{self, ElementExt};

/// Sessions of one account or guest at a time.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 64;
/// Changes of password of one account within [`PASSWORD_CHANGE_WINDOW_MS`].
pub const PASSWORD_CHANGES_MAX: u32 = 10;
/// See [`PASSWORD_CHANGES_MAX`].
pub const PASSWORD_CHANGE_WINDOW_MS: u64 = 10 * 60_000;

/// What the server needs to know from the start.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The hosts.
    pub hosts: Hosts,
    /// Server administrators: owners of every room.
    pub admins: BTreeSet<BareJid>,
    /// Which passwords people may choose.
    pub policy: PasswordPolicy,
    /// Iterations claimed for names that don't exist; those of new accounts.
    pub iterations: u32,
    /// A secret of this server, for answers about names that don't exist.
    pub server_secret: [u8; 32],
    /// Sustained speed of a guest or member.
    pub client_bytes_per_s: u32,
}

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A connection was accepted.
    Opened(ConnectionId, Opened),
    /// It said something.
    Frame(ConnectionId, Frame),
    /// It said something that is no XMPP.
    Broken(ConnectionId, StreamError),
    /// TLS, begun by [`Effect::StartTls`], is in place.
    Encrypted(ConnectionId),
    /// More waits to be written than the peer reads.
    Congested(ConnectionId),
    /// It is gone.
    Closed(ConnectionId),
    /// The account store answered.
    Answer(Ticket, AccountAnswer),
    /// An account's password was changed from outside: its streams end.
    PasswordChanged(BareJid),
    /// An account was removed from outside: its streams end.
    AccountDeleted(BareJid),
    /// The server stops.
    Shutdown,
}

/// What the shell has to do, in this order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write on a connection. On WebSocket this is one frame.
    Write(ConnectionId, Output),
    /// The next bytes of the connection begin a new stream.
    RestartParser(ConnectionId),
    /// Begin TLS once everything before is written. What was read and not parsed is dropped.
    StartTls(ConnectionId),
    /// Limits from now on.
    SetLimits(ConnectionId, StreamLimits),
    /// Write what is left, then close.
    Close(ConnectionId),
    /// Ask the account store.
    Ask(Ticket, AccountRequest),
}

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Anything that is no stanza.
    Text(String),
    /// A stanza, possibly shared with other recipients.
    Stanza(WireStanza),
}

impl Output {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Stanza(stanza) => stanza.len(),
        }
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Figures for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Stanzas received from sessions.
    pub stanzas_in: u64,
    /// Stanzas delivered to sessions.
    pub stanzas_out: u64,
    /// Sessions bound.
    pub bound: u64,
    /// Sessions resumed.
    pub resumed: u64,
    /// Streams ended with an error by us.
    pub stream_errors: u64,
    /// Failed authentications.
    pub sasl_failures: u64,
}

/// The server.
pub struct Server {
    pub(crate) settings: ServerSettings,
    pub(crate) components: Vec<Box<dyn Component>>,
    pub(crate) sessions: SessionTable,
    pub(crate) contacts: Contacts,
    pub(crate) password_changes: FailureLimit,
    connections: HashMap<ConnectionId, Connection>,
    guesses: Guesses,
    pending: BTreeMap<Ticket, Pending>,
    deadlines: BTreeSet<(u64, Deadline)>,
    next_session: u64,
    next_ticket: u64,
    counters: Counters,
}

#[derive(Debug)]
enum Connection {
    Negotiating(Box<Negotiation>),
    Bound(SessionId),
    /// Told to close; what still arrives is ignored.
    Closing,
}

/// Why a ticket was issued.
#[derive(Debug)]
pub(crate) enum Pending {
    Negotiation(ConnectionId),
    RosterForBind(ConnectionId, Identity, Option<ResourcePart>, String),
    RosterForSubscription(BareJid),
    Change(PendingChange),
    /// Written for durability; nobody waits for it.
    RosterWrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Unauthenticated(ConnectionId),
    Hibernation(SessionId),
}

/// What one input may use and add to.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) random: &'a mut dyn CryptoRng,
    pub(crate) out: &'a mut Vec<Effect>,
    /// Stanzas on their way to somebody, in order.
    pub(crate) queue: VecDeque<Outbound>,
}

impl Server {
    /// A server without connections. Components are asked for their addresses in this order.
    pub fn new(settings: ServerSettings, components: Vec<Box<dyn Component>>) -> Self {
        Self {
            settings,
            components,
            sessions: SessionTable::default(),
            contacts: Contacts::default(),
            password_changes: FailureLimit::new(PASSWORD_CHANGES_MAX, PASSWORD_CHANGE_WINDOW_MS),
            connections: HashMap::new(),
            guesses: Guesses::new(),
            pending: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_session: 0,
            next_ticket: 0,
            counters: Counters::default(),
        }
    }

    /// The bound sessions.
    pub fn sessions(&self) -> &SessionTable {
        &self.sessions
    }

    /// Figures since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Handles one input.
    pub fn handle(&mut self, input: Input, now: Now, random: &mut dyn CryptoRng, out: &mut Vec<Effect>) {
        let mut turn = Turn { now, random, out, queue: VecDeque::new() };
        match input {
            Input::Opened(connection, opened) => {
                self.connections.insert(connection, Connection::Negotiating(Box::new(Negotiation::new(opened))));
                self.deadlines
                    .insert((now.monotonic_ms + UNAUTHENTICATED_TIME_MAX_MS, Deadline::Unauthenticated(connection)));
            }
            Input::Frame(connection, frame) => self.frame(connection, frame, &mut turn),
            Input::Broken(connection, error) => self.fail_connection(connection, error, &mut turn),
            Input::Encrypted(connection) => {
                if let Some(Connection::Negotiating(negotiation)) = self.connections.get_mut(&connection) {
                    negotiation.encrypted();
                }
            }
            Input::Congested(connection) => {
                let error =
                    StreamError::new(StreamCondition::ResourceConstraint, "Too much is waiting to be read by you.");
                match self.connections.get(&connection) {
                    // What it missed can't be made up for by resuming.
                    Some(Connection::Bound(session)) => {
                        self.end_session(*session, Some(error), &mut turn);
                    }
                    _ => self.fail_connection(connection, error, &mut turn),
                }
            }
            Input::Closed(connection) => self.connection_lost(connection, &mut turn),
            Input::Answer(ticket, answer) => self.answer(ticket, answer, &mut turn),
            Input::PasswordChanged(account) => {
                self.end_account(&account, None, &password_changed(), &mut turn);
            }
            Input::AccountDeleted(account) => {
                self.contacts.forget(&account);
                self.end_account(&account, None, &account_deleted(), &mut turn);
            }
            Input::Shutdown => self.shutdown(&mut turn),
        }
        self.deliver(&mut turn);
    }

    /// When [`Server::handle_timeout`] wants to be called, in [`Now::monotonic_ms`].
    pub fn next_deadline(&self) -> Option<u64> {
        let own = self.deadlines.first().map(|(at, _)| *at);
        self.components.iter().filter_map(|component| component.next_deadline()).chain(own).min()
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Now, random: &mut dyn CryptoRng, out: &mut Vec<Effect>) {
        let mut turn = Turn { now, random, out, queue: VecDeque::new() };
        while let Some((at, deadline)) = self.deadlines.first().copied() {
            if at > now.monotonic_ms {
                break;
            }
            self.deadlines.remove(&(at, deadline));
            match deadline {
                Deadline::Unauthenticated(connection) => {
                    if matches!(self.connections.get(&connection), Some(Connection::Negotiating(_))) {
                        let error = StreamError::new(StreamCondition::ConnectionTimeout, "Signing in took too long.");
                        self.fail_connection(connection, error, &mut turn);
                    }
                }
                Deadline::Hibernation(session) => {
                    let ended = self
                        .sessions
                        .get(session)
                        .is_some_and(|session| session.connection.is_none() && session.hibernates_until_ms == Some(at));
                    if ended {
                        self.end_session(session, None, &mut turn);
                    }
                }
            }
        }
        for index in 0..self.components.len() {
            if self.components[index].next_deadline().is_some_and(|at| at <= now.monotonic_ms) {
                self.with_component(index, &mut turn, |component, cx| {
                    component.handle_timeout(cx);
                });
            }
        }
        self.deliver(&mut turn);
    }

    // ---- Connections.

    fn frame(&mut self, connection: ConnectionId, frame: Frame, turn: &mut Turn<'_>) {
        match self.connections.get(&connection) {
            Some(Connection::Negotiating(_)) => {
                self.negotiate(connection, turn, |negotiation, env, steps| {
                    negotiation.handle(frame, env, steps);
                });
            }
            Some(Connection::Bound(session)) => self.bound_frame(*session, frame, turn),
            Some(Connection::Closing) | None => {}
        }
    }

    fn negotiate(
        &mut self,
        connection: ConnectionId,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut Negotiation, &mut Environment<'_>, &mut Vec<Step>),
    ) {
        let Some(Connection::Negotiating(negotiation)) = self.connections.get_mut(&connection) else {
            return;
        };
        let sessions = &self.sessions;
        let adopt = |previd: &str| {
            let session = sessions.get(sessions.by_token(&token_hash(previd))?)?;
            (!session.context.is_authenticated).then(|| session.account())
        };
        let mut steps = Vec::new();
        let mut env = Environment {
            hosts: &self.settings.hosts,
            now: turn.now,
            random: &mut *turn.random,
            guesses: &mut self.guesses,
            server_secret: &self.settings.server_secret,
            iterations: self.settings.iterations,
            policy: self.settings.policy,
            adopt: &adopt,
        };
        act(negotiation, &mut env, &mut steps);
        for step in steps {
            self.step(connection, step, turn);
        }
    }

    fn step(&mut self, connection: ConnectionId, step: Step, turn: &mut Turn<'_>) {
        match step {
            Step::Send(text) => {
                if text.starts_with("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'") {
                    self.counters.sasl_failures += 1;
                }
                turn.out.push(Effect::Write(connection, Output::Text(text)));
            }
            Step::RestartParser => turn.out.push(Effect::RestartParser(connection)),
            Step::StartTls => turn.out.push(Effect::StartTls(connection)),
            Step::SetLimits(limits) => turn.out.push(Effect::SetLimits(connection, limits)),
            Step::Ask(request) => {
                self.ask(request, Pending::Negotiation(connection), turn);
            }
            Step::Bind { identity, resource, id } => self.prepare_bind(connection, identity, resource, id, turn),
            Step::Resume { identity, previd, h } => self.resume(connection, &identity, &previd, h, turn),
            Step::PasswordReset(account) => {
                self.end_account(&account, None, &password_changed(), turn);
            }
            Step::End => {
                self.connections.insert(connection, Connection::Closing);
                turn.out.push(Effect::Close(connection));
            }
        }
    }

    fn fail_connection(&mut self, connection: ConnectionId, error: StreamError, turn: &mut Turn<'_>) {
        self.counters.stream_errors += 1;
        match self.connections.get(&connection) {
            Some(Connection::Negotiating(_)) => {
                self.negotiate(connection, turn, |negotiation, env, steps| {
                    negotiation.fail(error, env, steps);
                });
            }
            // A peer that breaks the rules does not get to resume.
            Some(Connection::Bound(session)) => self.end_session(*session, Some(error), turn),
            Some(Connection::Closing) | None => {}
        }
    }

    fn connection_lost(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
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

    fn shutdown(&mut self, turn: &mut Turn<'_>) {
        let mut connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        connections.sort_unstable();
        for connection in connections {
            let transport = match self.connections.get(&connection) {
                Some(Connection::Negotiating(negotiation)) => negotiation.connection().transport,
                Some(Connection::Bound(session)) => match self.sessions.get(*session) {
                    Some(session) => session.transport,
                    None => continue,
                },
                Some(Connection::Closing) | None => continue,
            };
            let error = StreamError::new(StreamCondition::SystemShutdown, "The server stops.");
            write_text(connection, error.to_xml(), turn);
            write_text(connection, closing(transport).to_owned(), turn);
            turn.out.push(Effect::Close(connection));
            self.connections.insert(connection, Connection::Closing);
        }
    }

    // ---- The account store.

    pub(crate) fn ask(&mut self, request: AccountRequest, pending: Pending, turn: &mut Turn<'_>) {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.pending.insert(ticket, pending);
        turn.out.push(Effect::Ask(ticket, request));
    }

    fn answer(&mut self, ticket: Ticket, answer: AccountAnswer, turn: &mut Turn<'_>) {
        match self.pending.remove(&ticket) {
            Some(Pending::Negotiation(connection)) => {
                self.negotiate(connection, turn, |negotiation, env, steps| {
                    negotiation.answered(answer, env, steps);
                });
            }
            Some(Pending::RosterForBind(connection, identity, resource, id)) => {
                if let AccountAnswer::Roster(items) = answer {
                    self.contacts.loaded(&identity.account, items.unwrap_or_default());
                }
                self.bind(connection, &identity, resource, &id, turn);
                self.forget_contacts_if_unused(&identity.account);
            }
            Some(Pending::RosterForSubscription(account)) => {
                self.roster_arrived(account, answer, turn);
            }
            Some(Pending::Change(change)) => self.change_answered(change, answer, turn),
            Some(Pending::RosterWrite) | None => {}
        }
    }

    // ---- Sessions.

    fn prepare_bind(
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

    fn bind(
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
            account_sessions.clone()
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

    fn attach(&mut self, connection: ConnectionId, session: SessionId, host: HostKind, turn: &mut Turn<'_>) {
        self.connections.insert(connection, Connection::Bound(session));
        let limits = if host == HostKind::Service {
            StreamLimits::SERVICE
        } else {
            StreamLimits::client(self.settings.client_bytes_per_s)
        };
        turn.out.push(Effect::SetLimits(connection, limits));
    }

    fn resume(&mut self, connection: ConnectionId, identity: &Identity, previd: &str, h: u32, turn: &mut Turn<'_>) {
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

    fn bound_frame(&mut self, id: SessionId, frame: Frame, turn: &mut Turn<'_>) {
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

    /// Stream management after bind (XEP-0198 §3, §4).
    fn management(&mut self, id: SessionId, element: &Element, turn: &mut Turn<'_>) {
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

    pub(crate) fn with_component(
        &mut self,
        index: usize,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut dyn Component, &mut Context<'_>),
    ) {
        let mut stanzas = Vec::new();
        let mut cx = Context { now: turn.now, random: &mut *turn.random, out: &mut stanzas };
        act(self.components[index].as_mut(), &mut cx);
        turn.queue.extend(stanzas);
    }
}

fn hibernation_max_ms(host: HostKind) -> u64 {
    match host {
        HostKind::Service => SERVICE_HIBERNATION_MAX_MS,
        HostKind::Main | HostKind::Guest => HIBERNATION_MAX_MS,
    }
}

fn token_hash(token: &str) -> ResumptionToken {
    let mut hash = [0; 32];
    hash.copy_from_slice(&ScramHash::Sha256.hash(token.as_bytes()));
    ResumptionToken(hash)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    xml::escape_attribute(text, &mut out);
    out
}

pub(crate) fn write_text(connection: ConnectionId, text: String, turn: &mut Turn<'_>) {
    turn.out.push(Effect::Write(connection, Output::Text(text)));
}

pub(crate) fn password_changed() -> StreamError {
    StreamError::new(StreamCondition::Reset, "Password changed")
}

pub(crate) fn account_deleted() -> StreamError {
    StreamError::new(StreamCondition::NotAuthorized, "Account deleted")
}
