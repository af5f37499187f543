//! What the focus tells about itself: statistics and internal state as JSON.

use serde_json::{Value, json};

use crate::conference::Conference;
use crate::focus::Focus;
use crate::room::RoomState;

impl Focus {
    /// Statistics under the names Jicofo uses on `/stats`.
    pub fn stats(&self, now_ms: u64) -> Value {
        let counters = self.counters();
        let sizes: Vec<usize> = self.conferences().map(|c| c.participants.len()).collect();
        let pairs: usize = sizes.iter().map(|n| n * n).sum();
        let pool = self.pool();
        let operational = pool.iter().filter(|b| b.is_usable(now_ms)).count();
        let versions: std::collections::BTreeSet<_> = pool.iter().filter_map(|b| b.version.as_deref()).collect();
        json!({
            "conferences": sizes.len(),
            "participants": sizes.iter().sum::<usize>(),
            "largest_conference": sizes.iter().max().copied().unwrap_or(0),
            "endpoint_pairs": pairs,
            "conference_sizes": sizes,
            "total_conferences_created": counters.conferences_created,
            "total_participants": counters.participants,
            "conference_requests": counters.conference_requests,
            "bridge_selector": {
                "bridge_count": pool.len(),
                "operational_bridge_count": operational,
                "in_shutdown_bridge_count": pool.iter().filter(|b| b.graceful_shutdown).count(),
                "lost_bridges": pool.lost,
                "bridge_version_count": versions.len(),
            },
            "bridge_failures": {
                "participants_moved": counters.participants_moved,
                "bridges_removed": counters.bridges_removed,
            },
            "participant_notifications": {
                "ice_failed": counters.participants_ice_failed,
                "request_restart": counters.participants_restart_requested,
            },
            "jingle": {
                "sent": {
                    "SESSION_INITIATE": counters.session_initiate_sent,
                    "SESSION_TERMINATE": counters.session_terminate_sent,
                    "SOURCEADD": counters.source_add_sent,
                    "SOURCEREMOVE": counters.source_remove_sent,
                },
                "received": {
                    "SESSION_ACCEPT": counters.session_accept_received,
                    "SESSION_TERMINATE": counters.session_terminate_received,
                    "SESSION_INFO": counters.session_info_received,
                    "TRANSPORT_INFO": counters.transport_info_received,
                    "SOURCEADD": counters.source_add_received,
                    "SOURCEREMOVE": counters.source_remove_received,
                },
            },
            "xmpp_disconnects": counters.xmpp_disconnects,
            "healthy": self.health(now_ms).is_ok(),
            "version": self.config().version,
        })
    }

    /// Internal state for people who look for a fault. `full` includes the participants.
    pub fn debug(&self, full: bool, now_ms: u64) -> Value {
        let bridges: serde_json::Map<String, Value> = self
            .pool()
            .iter()
            .map(|bridge| {
                let state = json!({
                    "operational": bridge.is_usable(now_ms),
                    "stress": bridge.stress,
                    "corrected_stress": bridge.corrected_stress(&self.config().bridge, now_ms),
                    "version": bridge.version,
                    "region": bridge.region,
                    "relay_id": bridge.relay_id,
                    "drain": bridge.drain,
                    "graceful_shutdown": bridge.graceful_shutdown,
                    "shutting_down": bridge.shutting_down,
                    "sctp": bridge.sctp,
                    "endpoints": bridge.endpoints,
                });
                (bridge.occupant.to_string(), state)
            })
            .collect();
        let conferences: serde_json::Map<String, Value> =
            self.conferences().map(|c| (c.room.to_string(), c.debug(full, now_ms))).collect();
        json!({
            "health": self.health(now_ms).err(),
            "bridges": bridges,
            "conferences": conferences,
        })
    }
}

impl Conference {
    /// Internal state of one conference.
    pub fn debug(&self, full: bool, now_ms: u64) -> Value {
        let state = match &self.state {
            RoomState::Joining(_) => "joining",
            RoomState::AwaitingMetadata { .. } => "awaiting metadata",
            RoomState::Joined => "joined",
        };
        let mut value = json!({
            "state": state,
            "meeting_id": self.meeting_id,
            "breakout_of": self.breakout_of.as_ref().map(|room| room.as_str()),
            "age_s": now_ms.saturating_sub(self.created_ms) / 1_000,
            "participants": self.participants.len(),
            "bridge": self.bridge.as_ref().map(|b| json!({
                "id": b.id, "jid": b.bridge.to_string(), "region": b.region, "endpoints": b.endpoints.len(),
            })),
        });
        if full {
            let participants: serde_json::Map<String, Value> = self
                .participants
                .values()
                .map(|p| {
                    let sources = self.sources.of(&p.member.endpoint);
                    let state = json!({
                        "role": format!("{:?}", p.member.role),
                        "region": p.member.region,
                        "codecs": p.member.codecs,
                        "invite": p.invite.name(),
                        "sources": sources.map_or(0, |s| s.sources.len()),
                        "ssrc_rewriting": p.invite.session().map(|s| s.ssrc_rewriting),
                    });
                    (p.member.endpoint.to_string(), state)
                })
                .collect();
            value["endpoints"] = Value::Object(participants);
        }
        value
    }
}
