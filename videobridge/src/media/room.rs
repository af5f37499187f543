//! A conference with the transports of its endpoints.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::ids::{ConferenceId, EndpointId};
use tokio::sync::mpsc;
use videobridge_core::conference::Conference;
use videobridge_core::egress::EndpointIndex;
use videobridge_core::transport::Transport;

use super::egress::Run;
use super::socket::Path;

/// A conference and its endpoints, by index.
pub(super) struct Room {
    pub(super) id: ConferenceId,
    pub(super) conference: Conference,
    pub(super) members: Vec<Option<Member>>,
    /// When its next call is scheduled.
    pub(super) scheduled: Option<Instant>,
    /// Endpoints with something to flush or to drain.
    pub(super) touched: Vec<EndpointIndex>,
    /// On the worker's list of rooms to be flushed.
    pub(super) dirty: bool,
}

/// An endpoint on this worker.
pub(super) struct Member {
    pub(super) id: EndpointId,
    pub(super) ufrag: String,
    pub(super) transport: Transport,
    /// Sealed packets waiting to leave.
    pub(super) run: Run,
    /// The bridge channel, when it is a WebSocket: its number and its queue.
    pub(super) websocket: Option<(u64, mpsc::Sender<String>)>,
    /// The WebSocket's queue was full; the conference must hear of it.
    pub(super) websocket_overrun: bool,
    /// Addresses in the worker's table.
    pub(super) addresses: Vec<SocketAddr>,
    /// On the list of endpoints to be flushed.
    pub(super) touched: bool,
    pub(super) scheduled: Option<Instant>,
    pub(super) last_activity: Option<Instant>,
    pub(super) told_alive: Option<Instant>,
    pub(super) ice_failed: bool,
    pub(super) dtls_up: bool,
}

impl Member {
    pub(super) fn new(id: EndpointId, ufrag: String, transport: Transport) -> Self {
        Self {
            id,
            ufrag,
            transport,
            run: Run::default(),
            websocket: None,
            websocket_overrun: false,
            addresses: Vec::new(),
            touched: false,
            scheduled: None,
            last_activity: None,
            told_alive: None,
            ice_failed: false,
            dtls_up: false,
        }
    }

    pub(super) fn path(&self) -> Option<Path> {
        self.transport.path().map(|(from, to)| Path { from, to })
    }
}

impl Room {
    pub(super) fn new(id: ConferenceId, conference: Conference) -> Self {
        Self { id, conference, members: Vec::new(), scheduled: None, touched: Vec::new(), dirty: false }
    }

    /// Has the endpoint flushed and drained at the end of this turn.
    pub(super) fn touch(&mut self, endpoint: EndpointIndex) {
        if let Some(member) = self.members.get_mut(endpoint.get()).and_then(Option::as_mut)
            && !member.touched
        {
            member.touched = true;
            self.touched.push(endpoint);
        }
    }

    /// One of those to be flushed and drained, no longer marked.
    pub(super) fn take_touched(&mut self) -> Option<EndpointIndex> {
        let endpoint = self.touched.pop()?;
        if let Some(member) = self.member(endpoint) {
            member.touched = false;
        }
        Some(endpoint)
    }

    pub(super) fn member(&mut self, endpoint: EndpointIndex) -> Option<&mut Member> {
        self.members.get_mut(endpoint.get())?.as_mut()
    }

    pub(super) fn put(&mut self, endpoint: EndpointIndex, member: Member) {
        if self.members.len() <= endpoint.get() {
            self.members.resize_with(endpoint.get() + 1, || None);
        }
        self.members[endpoint.get()] = Some(member);
    }
}
