//! What is counted, for statistics and metrics.

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Conference requests.
    pub conference_requests: u64,
    /// Conferences created.
    pub conferences_created: u64,
    /// Participants that joined a conference.
    pub participants: u64,
    /// Participants moved to another bridge.
    pub participants_moved: u64,
    /// Bridges taken out of a conference because they failed.
    pub bridges_removed: u64,
    /// Restarts asked for because ICE failed (the older way).
    pub participants_ice_failed: u64,
    /// Restarts asked for.
    pub participants_restart_requested: u64,
    /// session-initiate sent.
    pub session_initiate_sent: u64,
    /// session-terminate sent.
    pub session_terminate_sent: u64,
    /// source-add sent.
    pub source_add_sent: u64,
    /// source-remove sent.
    pub source_remove_sent: u64,
    /// session-accept received.
    pub session_accept_received: u64,
    /// session-terminate received.
    pub session_terminate_received: u64,
    /// session-info received.
    pub session_info_received: u64,
    /// transport-info received.
    pub transport_info_received: u64,
    /// source-add received.
    pub source_add_received: u64,
    /// source-remove received.
    pub source_remove_received: u64,
    /// Requests of peers answered with an error.
    pub requests_refused: u64,
    /// Connections to the XMPP server lost.
    pub xmpp_disconnects: u64,
}
