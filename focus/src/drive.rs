//! The one loop: stanzas, HTTP requests and time go into the core, its effects go out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use focus_core::context::{Effect, Effects};
use focus_core::focus::Focus;
use focus_core::stanza::{Condition, Fault};
use protocol::conference_request::ConferenceIq;
use tokio::sync::{mpsc, oneshot};
use xmpp_client::{Event, Handle};

/// Most HTTP requests that wait for the loop; further ones wait at their sockets.
pub(crate) const QUERIES_MAX: usize = 256;

/// Most HTTP conference requests that wait for a room; further ones are refused.
const WAITING_MAX: usize = 4_096;

/// Events taken at once before effects are carried out.
const BATCH_MAX: usize = 64;

/// What HTTP asks of the loop.
#[derive(Debug)]
pub(crate) enum Query {
    /// A conference.
    Conference(Box<ConferenceIq>, oneshot::Sender<Result<ConferenceIq, Fault>>),
    /// Something about the focus itself; the function runs in the loop.
    Inspect(Inspect),
}

/// Reads the focus at a time in milliseconds.
type Read = dyn FnOnce(&Focus, u64) + Send;

/// A question to the focus.
pub(crate) struct Inspect(Box<Read>);

impl std::fmt::Debug for Inspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inspect")
    }
}

impl Query {
    /// A question that `read` answers.
    pub(crate) fn inspect<T: Send + 'static>(
        read: impl FnOnce(&Focus, u64) -> T + Send + 'static,
    ) -> (Self, oneshot::Receiver<T>) {
        let (answer, answered) = oneshot::channel();
        let act = move |focus: &Focus, now_ms: u64| {
            // Whoever asked may have hung up.
            let _ = answer.send(read(focus, now_ms));
        };
        (Self::Inspect(Inspect(Box::new(act))), answered)
    }
}

/// Everything the loop owns.
pub(crate) struct Drive {
    focus: Focus,
    handle: Handle,
    events: mpsc::Receiver<Event>,
    queries: mpsc::Receiver<Query>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<ConferenceIq, Fault>>>,
    next_token: u64,
    started: Instant,
    last_reason: Option<String>,
    effects: Effects,
}

impl Drive {
    /// A loop that is not running yet.
    pub(crate) fn new(
        focus: Focus,
        handle: Handle,
        events: mpsc::Receiver<Event>,
        queries: mpsc::Receiver<Query>,
    ) -> Self {
        Self {
            focus,
            handle,
            events,
            queries,
            waiting: BTreeMap::new(),
            next_token: 0,
            started: Instant::now(),
            last_reason: None,
            effects: Effects::new(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs until `stop` is done, then ends all conferences.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let due = self.focus.deadline_ms().map(|at| self.started + Duration::from_millis(at));
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => break,
                event = self.events.recv() => match event {
                    Some(event) => self.events_arrived(event),
                    None => break,
                },
                Some(query) = self.queries.recv() => self.query(query),
                () = timer => {}
            }
            let now_ms = self.now_ms();
            self.focus.tick(now_ms, &mut self.effects);
            self.carry_out();
        }
        let now_ms = self.now_ms();
        self.focus.shutdown(now_ms, &mut self.effects);
        self.carry_out();
        self.handle.close().await;
    }

    fn events_arrived(&mut self, first: Event) {
        let mut next = Some(first);
        for _ in 0..BATCH_MAX {
            let Some(event) = next else { return };
            self.event(event);
            next = self.events.try_recv().ok();
        }
        if let Some(event) = next {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        let now_ms = self.now_ms();
        match event {
            Event::Online { resumed: true, .. } => {
                self.last_reason = None;
                tracing::info!("resumed the connection to the XMPP server");
                self.focus.resumed(now_ms);
            }
            Event::Online { jid, resumed: false } => {
                self.last_reason = None;
                tracing::info!("connected to the XMPP server");
                self.focus.connected(jid, now_ms, &mut self.effects);
            }
            Event::Stanza(stanza) => self.focus.stanza(&stanza, now_ms, &mut self.effects),
            Event::Disconnected(reason) => {
                // Attempts repeat quickly; only a new reason is news.
                let reason = reason.to_string();
                if self.last_reason.as_ref() != Some(&reason) {
                    tracing::warn!("not connected to the XMPP server: {reason}; trying again");
                    self.last_reason = Some(reason);
                }
                self.focus.disconnected();
            }
        }
    }

    fn query(&mut self, query: Query) {
        let now_ms = self.now_ms();
        match query {
            Query::Inspect(Inspect(read)) => read(&self.focus, now_ms),
            Query::Conference(request, answer) => {
                // Whoever hung up meanwhile needs no place.
                self.waiting.retain(|_, waiting| !waiting.is_closed());
                if self.waiting.len() >= WAITING_MAX {
                    let text = "Too many requests at the moment. Try again soon.";
                    let _ = answer.send(Err(Fault::new(Condition::ResourceConstraint, text)));
                    return;
                }
                let token = self.next_token;
                self.next_token += 1;
                self.waiting.insert(token, answer);
                self.focus.http_request(token, &request, now_ms, &mut self.effects);
            }
        }
    }

    fn carry_out(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send(stanza) => {
                    if let Err(error) = self.handle.send(stanza) {
                        // Offline, everything is done anew after the next login; a full queue means the same soon.
                        tracing::debug!(%error, "a stanza was not sent");
                    }
                }
                Effect::HttpAnswer { token, answer } => {
                    if let Some(waiting) = self.waiting.remove(&token) {
                        let _ = waiting.send(answer);
                    }
                }
            }
        }
    }
}
