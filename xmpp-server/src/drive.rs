//! The one loop: inputs from connections, timers and the store go into the core, effects go out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jid::BareJid;
use protocol::admin;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use xmpp_server_core::account_request::{AccountAnswer, Ticket};
use xmpp_server_core::component::Now;
use xmpp_server_core::server::{Counters, Effect, Input, Output, Server};
use xmpp_server_core::session::ConnectionId;
use xmpp_server_core::stream::limits::StreamLimits;
use xmpp_server_core::stream::negotiation::Opened;

use crate::store::answer::AccountDesk;

/// Inputs that wait for the loop; connections that send more wait.
const INPUTS_MAX: usize = 4096;
/// Inputs handled before effects are handed out.
const BATCH_MAX: usize = 256;
/// Bytes that may wait for a guest or member who does not read.
pub(crate) const OUTBOUND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that may wait for a service account.
pub(crate) const SERVICE_OUTBOUND_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a connection is told to do, in order.
#[derive(Debug)]
pub(crate) enum Command {
    Write(Output),
    RestartParser,
    StartTls,
    SetLimits(StreamLimits),
    Close,
}

/// What happens outside the core.
pub(crate) enum Event {
    Opened(ConnectionId, Opened, ConnectionHandle),
    Input(Input),
    Ask(Question),
}

/// What other parts of the process want to know of the core.
pub(crate) enum Question {
    Sessions(oneshot::Sender<Vec<admin::Session>>),
    Figures(oneshot::Sender<Figures>),
}

/// For metrics and health.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) sessions: usize,
    pub(crate) hibernating: usize,
    pub(crate) connections: usize,
    pub(crate) counters: Counters,
}

/// The loop's end of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    commands: mpsc::UnboundedSender<Command>,
    queued_bytes: Arc<AtomicUsize>,
    queued_bytes_max: usize,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) receiver: mpsc::UnboundedReceiver<Command>,
    queued_bytes: Arc<AtomicUsize>,
}

impl Commands {
    /// So much was taken from the queue and is being written.
    pub(crate) fn written(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How connections and others reach the loop.
#[derive(Clone)]
pub(crate) struct Driver {
    events: mpsc::Sender<Event>,
    next_connection: Arc<AtomicU64>,
}

impl Driver {
    /// Announces a connection.
    pub(crate) async fn open(&self, opened: Opened) -> Option<(ConnectionId, Commands)> {
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let (commands, receiver) = mpsc::unbounded_channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let handle = ConnectionHandle {
            commands,
            queued_bytes: Arc::clone(&queued_bytes),
            queued_bytes_max: OUTBOUND_BYTES_MAX,
        };
        self.events.send(Event::Opened(id, opened, handle)).await.ok()?;
        Some((id, Commands { receiver, queued_bytes }))
    }

    /// Hands an input to the core. `false` if the process ends.
    pub(crate) async fn input(&self, input: Input) -> bool {
        self.events.send(Event::Input(input)).await.is_ok()
    }

    /// The bound sessions.
    pub(crate) async fn sessions(&self) -> Vec<admin::Session> {
        let (answer, sessions) = oneshot::channel();
        // Without the loop there are no sessions.
        if self.events.send(Event::Ask(Question::Sessions(answer))).await.is_err() {
            return Vec::new();
        }
        sessions.await.unwrap_or_default()
    }

    /// Figures; `None` if the process ends.
    pub(crate) async fn figures(&self) -> Option<Figures> {
        let (answer, figures) = oneshot::channel();
        self.events.send(Event::Ask(Question::Figures(answer))).await.ok()?;
        figures.await.ok()
    }

    /// An account's password was changed outside its streams.
    pub(crate) async fn password_changed(&self, account: BareJid) {
        self.input(Input::PasswordChanged(account)).await;
    }

    /// An account was removed outside its streams.
    pub(crate) async fn account_deleted(&self, account: BareJid) {
        self.input(Input::AccountDeleted(account)).await;
    }
}

/// What the loop owns.
pub(crate) struct Drive {
    server: Server,
    desk: AccountDesk,
    events: mpsc::Receiver<Event>,
    answers: mpsc::UnboundedReceiver<(Ticket, AccountAnswer)>,
    connections: HashMap<ConnectionId, ConnectionHandle>,
    congested: Vec<ConnectionId>,
    random: StdRng,
    started: Instant,
}

impl Drive {
    /// The loop and the way to reach it.
    pub(crate) fn new(
        server: Server,
        desk: AccountDesk,
        answers: mpsc::UnboundedReceiver<(Ticket, AccountAnswer)>,
    ) -> (Self, Driver) {
        let (sender, events) = mpsc::channel(INPUTS_MAX);
        let drive = Self {
            server,
            desk,
            events,
            answers,
            connections: HashMap::new(),
            congested: Vec::new(),
            random: StdRng::from_rng(&mut rand::rng()),
            started: Instant::now(),
        };
        (drive, Driver { events: sender, next_connection: Arc::new(AtomicU64::new(1)) })
    }

    fn now(&self) -> Now {
        let milliseconds = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Now {
            monotonic_ms: milliseconds(self.started.elapsed()),
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds),
        }
    }

    /// Runs until every [`Driver`] is gone or `stop` says so; then tells every peer and waits a
    /// moment for them to hear it.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut events = Vec::with_capacity(BATCH_MAX);
        let mut effects = Vec::new();
        loop {
            let deadline = self
                .server
                .next_deadline()
                .map(|at_ms| tokio::time::Instant::from_std(self.started + std::time::Duration::from_millis(at_ms)));
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut answer = None;
            tokio::select! {
                biased;
                _ = &mut stop => break,
                received = self.answers.recv() => answer = received,
                count = self.events.recv_many(&mut events, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                }
                () = timer => {}
            }
            let now = self.now();
            if let Some((ticket, answer)) = answer {
                self.server.handle(Input::Answer(ticket, answer), now, &mut self.random, &mut effects);
                self.carry_out(&mut effects);
            }
            for event in events.drain(..) {
                self.event(event, now, &mut effects);
                self.carry_out(&mut effects);
            }
            if self.server.next_deadline().is_some_and(|at| at <= now.monotonic_ms) {
                self.server.handle_timeout(now, &mut self.random, &mut effects);
                self.carry_out(&mut effects);
            }
            while let Some(connection) = self.congested.pop() {
                self.server.handle(Input::Congested(connection), now, &mut self.random, &mut effects);
                self.carry_out(&mut effects);
            }
        }
        let now = self.now();
        self.server.handle(Input::Shutdown, now, &mut self.random, &mut effects);
        self.carry_out(&mut effects);
        let all_closed = async {
            for handle in self.connections.values() {
                handle.commands.closed().await;
            }
        };
        // Who does not listen within a moment won't listen at all.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), all_closed).await;
    }

    fn event(&mut self, event: Event, now: Now, effects: &mut Vec<Effect>) {
        match event {
            Event::Opened(id, opened, handle) => {
                self.connections.insert(id, handle);
                self.server.handle(Input::Opened(id, opened), now, &mut self.random, effects);
            }
            Event::Input(input) => {
                if let Input::Closed(connection) = &input {
                    self.connections.remove(connection);
                }
                self.server.handle(input, now, &mut self.random, effects);
            }
            Event::Ask(Question::Sessions(answer)) => {
                let sessions = self.server.sessions().iter().map(|(_, session)| admin::Session {
                    address: session.context.jid.to_string(),
                    transport: session.transport.as_str().to_owned(),
                    hibernating: session.connection.is_none(),
                    age_s: now.monotonic_ms.saturating_sub(session.bound_at_ms) / 1000,
                });
                // Who asked may be gone.
                let _ = answer.send(sessions.collect());
            }
            Event::Ask(Question::Figures(answer)) => {
                let sessions = self.server.sessions();
                let _ = answer.send(Figures {
                    sessions: sessions.len(),
                    hibernating: sessions.iter().filter(|(_, session)| session.connection.is_none()).count(),
                    connections: self.connections.len(),
                    counters: self.server.counters(),
                });
            }
        }
    }

    fn carry_out(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            let (connection, command) = match effect {
                Effect::Ask(ticket, request) => {
                    self.desk.ask(ticket, request);
                    continue;
                }
                Effect::Write(connection, output) => (connection, Command::Write(output)),
                Effect::RestartParser(connection) => (connection, Command::RestartParser),
                Effect::StartTls(connection) => (connection, Command::StartTls),
                Effect::SetLimits(connection, limits) => (connection, Command::SetLimits(limits)),
                Effect::Close(connection) => (connection, Command::Close),
            };
            let Some(handle) = self.connections.get_mut(&connection) else {
                continue;
            };
            match &command {
                Command::Write(output) => {
                    let queued = handle.queued_bytes.fetch_add(output.len(), Ordering::Relaxed) + output.len();
                    if queued > handle.queued_bytes_max && !self.congested.contains(&connection) {
                        self.congested.push(connection);
                    }
                }
                Command::SetLimits(limits) if *limits == StreamLimits::SERVICE => {
                    handle.queued_bytes_max = SERVICE_OUTBOUND_BYTES_MAX;
                }
                _ => {}
            }
            // A connection that is gone says so by itself.
            let _ = handle.commands.send(command);
        }
    }
}
