//! The server as one value: connections become sessions, sessions send stanzas, stanzas find
//! their recipients. One input at a time, effects appended in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jid::{BareJid, ResourcePart};
use rand::CryptoRng;

use crate::account::PasswordPolicy;
use crate::account_request::{AccountAnswer, AccountRequest, Ticket};
use crate::component::{Component, Context, Now, Outbound};
use crate::contacts::Contacts;
use crate::hosts::Hosts;
use crate::managed_stream::token_hash;
use crate::own_account::PendingChange;
use crate::session::{ConnectionId, SessionId, SessionTable};
use crate::stanza::WireStanza;
use crate::stream::framing::Frame;
use crate::stream::guesses::Guesses;
use crate::stream::limits::{FailureLimit, StreamLimits, UNAUTHENTICATED_TIME_MAX_MS};
use crate::stream::negotiation::{Environment, Identity, Negotiation, Opened, Step, closing};
use crate::stream::{StreamCondition, StreamError};

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
    pub(crate) connections: HashMap<ConnectionId, Connection>,
    pub(crate) guesses: Guesses,
    pub(crate) pending: BTreeMap<Ticket, Pending>,
    pub(crate) deadlines: BTreeSet<(u64, Deadline)>,
    pub(crate) next_session: u64,
    pub(crate) next_ticket: u64,
    pub(crate) counters: Counters,
}

#[derive(Debug)]
pub(crate) enum Connection {
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
pub(crate) enum Deadline {
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

    pub(crate) fn fail_connection(&mut self, connection: ConnectionId, error: StreamError, turn: &mut Turn<'_>) {
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

pub(crate) fn write_text(connection: ConnectionId, text: String, turn: &mut Turn<'_>) {
    turn.out.push(Effect::Write(connection, Output::Text(text)));
}

pub(crate) fn password_changed() -> StreamError {
    StreamError::new(StreamCondition::Reset, "Password changed")
}

pub(crate) fn account_deleted() -> StreamError {
    StreamError::new(StreamCondition::NotAuthorized, "Account deleted")
}
