//! What the decisions depend on, resolved by the shell.

use std::collections::BTreeSet;

use jid::BareJid;

use crate::bridge::selection::Strategy;

/// Settings of the focus. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Main domain of the service: asked for its components.
    pub domain: BareJid,
    /// Service that hosts meeting rooms. Requests for rooms elsewhere are refused.
    pub conference_service: BareJid,
    /// Component that forwards requests of clients with their address in the resource.
    pub client_proxy: Option<BareJid>,
    /// Room in which bridges advertise themselves.
    pub brewery: BareJid,
    /// Nickname in rooms. COMPAT(lib-jitsi-meet): anything but `focus` is taken for another participant.
    pub nick: String,
    /// Domains whose members are believed when they say that they record, transcribe or dial.
    pub trusted_domains: BTreeSet<String>,
    /// Secure domain, when only members may open rooms.
    pub authentication: Option<Authentication>,
    /// Whether somebody in the room is always made its owner.
    pub auto_owner: bool,
    /// How long an empty room is kept after a request.
    pub initial_timeout_ms: u64,
    /// How long a lone participant keeps its session.
    pub single_participant_timeout_ms: u64,
    /// From how many participants on sessions are started.
    pub participants_min: usize,
    /// Bounds on sources.
    pub sources: SourceLimits,
    /// Signal simulcast groups to others as their first stream only.
    pub strip_simulcast: bool,
    /// Let bridges rewrite SSRCs for clients that can.
    pub ssrc_rewriting: bool,
    /// Send sources as JSON to clients that can.
    pub json_sources: bool,
    /// Offer a bridge channel over SCTP.
    pub sctp: bool,
    /// Codecs and header extensions to offer.
    pub codecs: Codecs,
    /// Region that participants without one are taken to be in.
    pub local_region: Option<String>,
    /// How bridges are judged and chosen.
    pub bridge: BridgeConfig,
    /// How long a reply is waited for.
    pub reply_timeout_ms: u64,
    /// Limit on restarts that a participant asks for.
    pub restart_limits: RateLimits,
    /// Most conferences at a time.
    pub conferences_max: usize,
    /// Most members of one conference that are tracked.
    pub members_max: usize,
    /// Version told to others.
    pub version: String,
}

/// Who may open rooms.
#[derive(Debug, Clone, PartialEq)]
pub struct Authentication {
    /// Members of this domain are signed in.
    pub login_domain: String,
    /// How long a login stays valid after its last use.
    pub lifetime_ms: u64,
    /// Most logins remembered.
    pub sessions_max: usize,
}

/// Bounds on what one participant and all together may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// Most SSRCs of one endpoint.
    pub ssrcs_per_endpoint_max: usize,
    /// Most groups of one endpoint.
    pub groups_per_endpoint_max: usize,
    /// From how many unmuted microphones on nobody may add another.
    pub audio_senders_max: usize,
    /// From how many unmuted cameras and screens on nobody may add another.
    pub video_senders_max: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            ssrcs_per_endpoint_max: 20,
            groups_per_endpoint_max: 20,
            audio_senders_max: 999_999,
            video_senders_max: 999_999,
        }
    }
}

/// Codecs and header extensions to offer. Payload types and ids are those clients know from Jicofo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codecs {
    /// Redundant Opus. In-band FEC is not offered beside it.
    pub opus_red: bool,
    /// AV1.
    pub av1: bool,
    /// VP8.
    pub vp8: bool,
    /// H.264.
    pub h264: bool,
    /// VP9.
    pub vp9: bool,
    /// Media identification in packets.
    pub mid: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
}

impl Default for Codecs {
    fn default() -> Self {
        Self { opus_red: false, av1: true, vp8: true, h264: true, vp9: true, mid: true, transport_cc: true }
    }
}

/// How bridges are judged and chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct BridgeConfig {
    /// How the bridge of a conference is chosen.
    pub strategy: Strategy,
    /// Stress that one more participant is expected to add.
    pub average_participant_stress: f64,
    /// How long a new participant counts on top of reported stress.
    pub rampup_ms: u64,
    /// From which stress on a bridge is overloaded.
    pub stress_threshold: f64,
    /// How long a failed bridge stays out.
    pub failure_reset_ms: u64,
    /// Pause between health checks of one bridge.
    pub health_interval_ms: u64,
    /// Most bridges tracked.
    pub bridges_max: usize,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::SingleBridge,
            average_participant_stress: 0.01,
            rampup_ms: 20_000,
            stress_threshold: 0.8,
            failure_reset_ms: 60_000,
            health_interval_ms: 10_000,
            bridges_max: 1_000,
        }
    }
}

/// At most so many in so long, with so much between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Least time between two.
    pub interval_min_ms: u64,
    /// Most within the period.
    pub requests_max: usize,
    /// The period.
    pub period_ms: u64,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { interval_min_ms: 5_000, requests_max: 5, period_ms: 60_000 }
    }
}

impl Config {
    /// The defaults for a service on `domain`.
    ///
    /// # Errors
    /// When a service address cannot be made from the domain.
    pub fn new(domain: &str) -> Result<Self, jid::Error> {
        Ok(Self {
            domain: domain.parse()?,
            conference_service: format!("conference.{domain}").parse()?,
            client_proxy: Some(format!("focus.{domain}").parse()?),
            brewery: format!("jvbbrewery@internal.auth.{domain}").parse()?,
            nick: "focus".to_owned(),
            trusted_domains: BTreeSet::new(),
            authentication: None,
            auto_owner: true,
            initial_timeout_ms: 15_000,
            single_participant_timeout_ms: 20_000,
            participants_min: 2,
            sources: SourceLimits::default(),
            strip_simulcast: true,
            ssrc_rewriting: true,
            json_sources: true,
            sctp: true,
            codecs: Codecs::default(),
            local_region: None,
            bridge: BridgeConfig::default(),
            reply_timeout_ms: 15_000,
            restart_limits: RateLimits::default(),
            conferences_max: 10_000,
            members_max: 1_000,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
