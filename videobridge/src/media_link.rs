//! What control and media say to one another. Control never waits for media, except for figures.

use std::collections::BTreeMap;

use protocol::ids::{ConferenceId, EndpointId};
use tokio::sync::{mpsc, oneshot};
use videobridge_core::colibri::{Command, EndpointActivity};
use videobridge_core::conference::ConferenceStats;

/// Messages on their way to a bridge channel; a client that does not read loses its channel when they are full.
pub(crate) const CHANNEL_QUEUE_MAX: usize = 256;

/// From control to media. Order matters, per conference.
#[derive(Debug)]
pub(crate) enum ToMedia {
    /// A change the focus asked for.
    Command(Command),
    /// A client opened its bridge channel over a WebSocket; it replaces any other one of that endpoint (whose
    /// `messages` are dropped).
    SocketOpened {
        conference: ConferenceId,
        endpoint: EndpointId,
        /// Unique in the process: a late word of an old socket must not touch a new one.
        socket: u64,
        /// Takes what the bridge says. Dropping it closes the socket.
        messages: mpsc::Sender<String>,
    },
    /// A client said something over its WebSocket.
    SocketMessage { conference: ConferenceId, endpoint: EndpointId, socket: u64, text: String },
    /// A WebSocket is gone.
    SocketClosed { conference: ConferenceId, endpoint: EndpointId, socket: u64 },
    /// Figures are wanted.
    Snapshot(oneshot::Sender<Snapshot>),
}

/// Figures about everything.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// By internal id.
    pub(crate) conferences: BTreeMap<ConferenceId, ConferenceSnapshot>,
    /// Since start.
    pub(crate) totals: Totals,
}

/// Figures about one conference.
#[derive(Debug, Default)]
pub(crate) struct ConferenceSnapshot {
    /// Of its media.
    pub(crate) stats: ConferenceStats,
    /// Of its endpoints' transports.
    pub(crate) endpoints: BTreeMap<EndpointId, EndpointSnapshot>,
}

/// Figures about one endpoint's transport.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndpointSnapshot {
    /// For letting go of silent endpoints.
    pub(crate) activity: EndpointActivity,
    /// A path works.
    pub(crate) ice_connected: bool,
    /// Keys are agreed.
    pub(crate) dtls_connected: bool,
    /// A bridge channel is open.
    pub(crate) channel_open: bool,
}

/// Sums since start, of endpoints that are gone too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) ice_succeeded: u64,
    pub(crate) ice_failed: u64,
    pub(crate) dtls_failed: u64,
    pub(crate) data_channel_messages_received: u64,
    pub(crate) data_channel_messages_sent: u64,
    pub(crate) dominant_speaker_changes: u64,
    pub(crate) keyframes_received: u64,
}

impl Totals {
    /// Adds those of another worker.
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets_received += other.packets_received;
        self.packets_sent += other.packets_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.ice_succeeded += other.ice_succeeded;
        self.ice_failed += other.ice_failed;
        self.dtls_failed += other.dtls_failed;
        self.data_channel_messages_received += other.data_channel_messages_received;
        self.data_channel_messages_sent += other.data_channel_messages_sent;
        self.dominant_speaker_changes += other.dominant_speaker_changes;
        self.keyframes_received += other.keyframes_received;
    }
}
