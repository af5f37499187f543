//! What all control surfaces share: the conferences, the way to media, and the state of the process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::colibri2::{Condition, ConferenceModified, ConferenceModify, Failure};
use protocol::ids::{ConferenceId, EndpointId};
use rand::rngs::StdRng;
use tokio::sync::{Notify, mpsc, oneshot};
use videobridge_core::colibri::{Colibri, Command, Settings};

use crate::figures::Load;
use crate::media_link::{Snapshot, ToMedia};

/// Time media may take to give figures.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often silent endpoints and empty conferences are looked for.
pub(crate) const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// Version told to the focus; bridges of one conference must agree in it. COMPAT(jicofo): the form of the reference.
pub(crate) const VERSION: &str = concat!("2.3-conclave-", env!("CARGO_PKG_VERSION"));

/// Shared by all control surfaces.
pub(crate) struct Control {
    state: Mutex<State>,
    media: mpsc::Sender<ToMedia>,
    next_socket: AtomicU64,
    /// Wakes whoever publishes figures.
    pub(crate) changed: Notify,
    pub(crate) counters: Counters,
    pub(crate) load: Load,
    pub(crate) about: About,
    drain: AtomicBool,
    xmpp_connected: AtomicBool,
    brewery_joined: AtomicBool,
}

/// What does not change after start.
pub(crate) struct About {
    /// Identifies this process in bridge-channel URLs.
    pub(crate) server_id: String,
    pub(crate) region: Option<String>,
    pub(crate) rest: bool,
    /// Addresses told to clients.
    pub(crate) addresses: Vec<SocketAddr>,
}

struct State {
    colibri: Colibri,
    random: StdRng,
}

/// Sums since start that media does not know.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) conferences_created: AtomicU64,
    pub(crate) conferences_completed: AtomicU64,
    pub(crate) endpoints_created: AtomicU64,
    pub(crate) socket_messages_received: AtomicU64,
    pub(crate) socket_messages_sent: AtomicU64,
    pub(crate) xmpp_disconnects: AtomicU64,
}

impl Control {
    pub(crate) fn new(settings: Settings, about: About, media: mpsc::Sender<ToMedia>, random: StdRng) -> Self {
        Self {
            state: Mutex::new(State { colibri: Colibri::new(settings), random }),
            media,
            next_socket: AtomicU64::new(1),
            changed: Notify::new(),
            counters: Counters::default(),
            load: Load::default(),
            about,
            drain: AtomicBool::new(false),
            xmpp_connected: AtomicBool::new(false),
            brewery_joined: AtomicBool::new(false),
        }
    }

    /// Carries out a colibri2 request. Requests are carried out and media is told in one order, that of the calls.
    pub(crate) fn modify(&self, modify: &ConferenceModify) -> Result<ConferenceModified, Failure> {
        let mut state = self.lock();
        let State { colibri, random } = &mut *state;
        // Every request may make a handful of commands; a media side that is so far behind is of no use.
        if self.media.capacity() < COMMANDS_PER_REQUEST_MAX.min(self.media.max_capacity() / 2) {
            return Err(Failure::new(Condition::InternalServerError, "The media side of the bridge does not keep up."));
        }
        let outcome = colibri.handle(modify, Instant::now(), random);
        self.tell_media(outcome.commands)?;
        if let Err(failure) = &outcome.answer {
            tracing::info!(condition = %failure.condition, reason = ?failure.reason, "a colibri2 request was refused");
        }
        outcome.answer
    }

    /// Ends what is silent or empty.
    pub(crate) async fn expire(&self) {
        let Some(snapshot) = self.snapshot().await else { return };
        let mut state = self.lock();
        let commands = state.colibri.expire(Instant::now(), |conference, endpoint| {
            let known = snapshot.conferences.get(conference).and_then(|known| known.endpoints.get(endpoint));
            known.map_or_else(Default::default, |known| known.activity)
        });
        if self.tell_media(commands).is_err() {
            tracing::error!("the media side does not take commands");
        }
    }

    /// Reads from the conferences.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Colibri) -> T) -> T {
        read(&self.lock().colibri)
    }

    /// Figures of media; `None` when it does not answer.
    pub(crate) async fn snapshot(&self) -> Option<Snapshot> {
        let (answer, answered) = oneshot::channel();
        self.media.try_send(ToMedia::Snapshot(answer)).ok()?;
        tokio::time::timeout(SNAPSHOT_TIMEOUT, answered).await.ok()?.ok()
    }

    /// A client opened a bridge channel over a WebSocket. Gives its number.
    pub(crate) async fn socket_opened(
        &self,
        conference: &ConferenceId,
        endpoint: &EndpointId,
        messages: mpsc::Sender<String>,
    ) -> u64 {
        let socket = self.next_socket.fetch_add(1, Ordering::Relaxed);
        let (conference, endpoint) = (conference.clone(), endpoint.clone());
        self.to_media(ToMedia::SocketOpened { conference, endpoint, socket, messages }).await;
        socket
    }

    /// Tells media, waiting for room: whoever sends too much waits for it.
    pub(crate) async fn to_media(&self, message: ToMedia) {
        if self.media.send(message).await.is_err() {
            tracing::error!("the media side has ended");
        }
    }

    /// Whether the bridge can do its work, and if not, why.
    pub(crate) fn health(&self) -> Result<(), &'static str> {
        if self.media.is_closed() {
            return Err("the media side has ended");
        }
        if self.about.addresses.is_empty() {
            return Err("there is no address to tell clients");
        }
        Ok(())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.load(Ordering::Relaxed)
    }

    pub(crate) fn set_draining(&self, drain: bool) {
        self.drain.store(drain, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(crate) fn set_xmpp_connected(&self, connected: bool) {
        self.xmpp_connected.store(connected, Ordering::Relaxed);
        if !connected {
            self.counters.xmpp_disconnects.fetch_add(1, Ordering::Relaxed);
            self.brewery_joined.store(false, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_brewery_joined(&self, joined: bool) {
        self.brewery_joined.store(joined, Ordering::Relaxed);
    }

    pub(crate) fn is_xmpp_connected(&self) -> bool {
        self.xmpp_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn is_brewery_joined(&self) -> bool {
        self.brewery_joined.load(Ordering::Relaxed)
    }

    fn tell_media(&self, commands: Vec<Command>) -> Result<(), Failure> {
        for command in commands {
            let counter = match &command {
                Command::CreateConference { .. } => Some(&self.counters.conferences_created),
                Command::ExpireConference { .. } => Some(&self.counters.conferences_completed),
                Command::CreateEndpoint { .. } => Some(&self.counters.endpoints_created),
                _ => None,
            };
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            self.media.try_send(ToMedia::Command(command)).map_err(|_| {
                Failure::new(Condition::InternalServerError, "The media side of the bridge does not keep up.")
            })?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left the conferences consistent enough: every step is complete in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room needed in the queue before a request is carried out: endpoints of one request are bounded by stanza size.
const COMMANDS_PER_REQUEST_MAX: usize = 1_024;
