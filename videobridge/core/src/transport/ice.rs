//! A full ICE agent (RFC 8445) for one endpoint, on `rtc-ice`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use bytes::BytesMut;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_ice::Agent;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::candidate_peer_reflexive::CandidatePeerReflexiveConfig;
use rtc_ice::candidate::{Candidate, CandidateConfig};
use rtc_ice::state::ConnectionState;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol;

use super::connection::Transmit;
use super::stun::{self, Verdict};

/// Candidates taken from one peer's signalling; further ones are ignored. A laptop with many networks has about 20.
pub const REMOTE_CANDIDATES_MAX: usize = 32;
/// Further addresses that one peer may send authentic checks from (peer-reflexive candidates).
pub const REFLEXIVE_CANDIDATES_MAX: usize = 32;
/// Addresses of one peer that its packets are believed from; the one heard of longest ago gives way.
const VALIDATED_MAX: usize = 32;
/// Pace of checks until connected. Browsers wait for ours when they have no candidate we can reach.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Pairs that are checked at that pace; more of them are checked as much less often (RFC 8445 §14).
const PAIRS_AT_FULL_PACE: u32 = 4;
/// After this long without a path, checks go on at the slow pace only.
const FULL_PACE_FOR: Duration = Duration::from_secs(5);
/// The slow pace, and how often a path that works is looked at.
const SLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Without an answer for this long the endpoint is reported as interrupted.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(8);
/// Without an answer for this much longer the transport has failed (RFC 7675: consent lasts 30 s).
const FAILED_AFTER: Duration = Duration::from_secs(22);
const MDNS_PORT: u16 = 5353;
const KEEPALIVE: Duration = Duration::from_millis(2_500);
/// Checks of one pair before it is given up. Peers answer only once they know our credentials,
/// which travel through two servers.
const CHECKS_MAX: u16 = 400;

/// Username fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Username fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

/// Where a peer may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// Address and port, UDP.
    pub address: SocketAddr,
    /// As signalled.
    pub priority: u32,
    /// As signalled.
    pub kind: RemoteCandidateKind,
}

/// Types of candidates (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteCandidateKind {
    /// An address of the peer's own interface.
    Host,
    /// Seen by a STUN server, by us, or a relay's.
    Reflexive,
}

/// What became of the connection since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IceChange {
    Connected,
    Disconnected,
    Failed,
}

pub(super) struct Ice {
    agent: Agent,
    controlling: bool,
    locals: Vec<SocketAddr>,
    remote: Option<Credentials>,
    /// Local and remote address that media goes between.
    selected: Option<(SocketAddr, SocketAddr)>,
    connected: bool,
    /// Checks requests to us.
    key: hmac::Key,
    /// Where authentic checks or answers came from, the newest last.
    validated: Vec<SocketAddr>,
    /// When checks began, and when the agent had its last turn.
    began: Instant,
    last_turn: Instant,
    /// Something happened that the agent may go on from.
    eager: bool,
}

impl Ice {
    pub(super) fn new(
        local: &Credentials,
        controlling: bool,
        locals: &[SocketAddr],
        now: Instant,
    ) -> Result<Self, String> {
        let config = AgentConfig {
            local_ufrag: local.ufrag.clone(),
            local_pwd: local.pwd.clone(),
            is_controlling: controlling,
            check_interval: CHECK_INTERVAL,
            disconnected_timeout: Some(DISCONNECTED_AFTER),
            failed_timeout: Some(FAILED_AFTER),
            keepalive_interval: Some(KEEPALIVE),
            max_binding_requests: Some(CHECKS_MAX),
            host_acceptance_min_wait: Some(Duration::ZERO),
            srflx_acceptance_min_wait: Some(Duration::ZERO),
            // A browser behind a router is peer-reflexive: the library's second of waiting is not for us.
            prflx_acceptance_min_wait: Some(Duration::ZERO),
            relay_acceptance_min_wait: Some(Duration::ZERO),
            ..AgentConfig::default()
        };
        let mut agent =
            Agent::new(now, Arc::new(config), Arc::new(AwsLcRsProvider::new())).map_err(|e| e.to_string())?;
        for address in locals {
            let candidate = host_candidate(*address, 0).ok_or_else(|| format!("{address} cannot be a candidate"))?;
            agent.add_local_candidate(candidate).map_err(|e| e.to_string())?;
        }
        Ok(Self {
            agent,
            controlling,
            locals: locals.to_vec(),
            remote: None,
            selected: None,
            connected: false,
            key: stun::key(&local.pwd),
            validated: Vec::new(),
            began: now,
            last_turn: now,
            eager: false,
        })
    }

    pub(super) fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }

    /// Media stays on `path` until a path of this generation works.
    pub(super) fn keep_path(&mut self, path: Option<(SocketAddr, SocketAddr)>) {
        self.selected = path;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Takes the peer's credentials (checks begin) and candidates (checked as they come).
    pub(super) fn set_remote(
        &mut self,
        credentials: Option<&Credentials>,
        candidates: &[RemoteCandidate],
        now: Instant,
    ) {
        for candidate in candidates {
            if self.agent.get_remote_candidates().len() >= REMOTE_CANDIDATES_MAX {
                break;
            }
            if let Some(candidate) = remote_candidate(candidate) {
                // A candidate that cannot be used costs only itself.
                let _ = self.agent.add_remote_candidate(candidate);
            }
        }
        self.eager |= !candidates.is_empty();
        let Some(credentials) = credentials else { return };
        if self.remote.as_ref() == Some(credentials) {
            return;
        }
        self.remote = Some(credentials.clone());
        let Credentials { ufrag, pwd } = credentials.clone();
        let _ = self.agent.start_connectivity_checks(now, self.controlling, ufrag, pwd);
        self.began = now;
        self.turn(now);
    }

    pub(super) fn handle_stun(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        // The agent acts on role conflicts and indications before it has checked who sends them, and takes
        // whatever comes from the port of mDNS for mDNS.
        if stun::judge(datagram, &self.key) == Verdict::Refused || remote.port() == MDNS_PORT {
            return;
        }
        let candidates = self.agent.get_remote_candidates();
        if candidates.len() >= REMOTE_CANDIDATES_MAX + REFLEXIVE_CANDIDATES_MAX
            && !candidates.iter().any(|candidate| candidate.addr() == remote)
        {
            return;
        }
        let message = TaggedBytesMut {
            now,
            transport: context(self.known_local(local), remote),
            message: BytesMut::from(datagram),
        };
        // What is not for us is dropped; the sender learns nothing.
        if self.agent.handle_read(message).is_ok() {
            self.validate(remote);
            self.eager = true;
        }
    }

    /// Whether `remote` has passed a check, so that its other packets may be believed to be the peer's.
    #[inline]
    pub(super) fn is_validated(&self, remote: SocketAddr) -> bool {
        self.selected.is_some_and(|(_, selected)| selected == remote) || self.validated.contains(&remote)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.turn(now);
        }
    }

    /// The agent would like a turn five times a second for ever, and to check all pairs at every one.
    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        let wanted = self.agent.poll_timeout()?;
        let interval = if self.agent.get_selected_candidate_pair().is_some() {
            SLOW_INTERVAL
        } else {
            let pairs = self.agent.get_local_candidates().len() * self.agent.get_remote_candidates().len();
            let pairs = u32::try_from(pairs).unwrap_or(u32::MAX);
            // What just came may be all that was missing to choose a path.
            let at_once = if self.eager { 4 } else { 1 };
            let interval = CHECK_INTERVAL * pairs.div_ceil(PAIRS_AT_FULL_PACE * at_once).max(1);
            let slow = self.last_turn.saturating_duration_since(self.began) > FULL_PACE_FOR;
            if slow && !self.eager { interval.max(SLOW_INTERVAL) } else { interval }
        };
        Some(wanted.max(self.last_turn + interval))
    }

    fn turn(&mut self, now: Instant) {
        self.last_turn = now;
        self.eager = false;
        let _ = self.agent.handle_timeout(now);
    }

    fn validate(&mut self, remote: SocketAddr) {
        match self.validated.iter().position(|known| *known == remote) {
            Some(at) => self.validated[at..].rotate_left(1),
            None => {
                if self.validated.len() >= VALIDATED_MAX {
                    self.validated.remove(0);
                }
                self.validated.push(remote);
            }
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        let message = self.agent.poll_write()?;
        Some(Transmit {
            from: message.transport.local_addr,
            to: message.transport.peer_addr,
            bytes: message.message.to_vec(),
        })
    }

    pub(super) fn poll_change(&mut self) -> Option<IceChange> {
        while self.agent.poll_event().is_some() {}
        let pair = self.agent.get_selected_candidate_pair().map(|(local, remote)| (local.addr(), remote.addr()));
        self.selected = pair.or(self.selected);
        let connected =
            pair.is_some() && matches!(self.agent.state(), ConnectionState::Connected | ConnectionState::Completed);
        if connected != self.connected {
            self.connected = connected;
            let failed = self.agent.state() == ConnectionState::Failed;
            return Some(match (connected, failed) {
                (true, _) => IceChange::Connected,
                (false, true) => IceChange::Failed,
                (false, false) => IceChange::Disconnected,
            });
        }
        None
    }

    pub(super) fn has_failed(&self) -> bool {
        self.agent.state() == ConnectionState::Failed
    }

    /// A datagram to an address that is no candidate (a mapped one, a wildcard) counts for the
    /// first of its family.
    fn known_local(&self, local: SocketAddr) -> SocketAddr {
        if self.locals.contains(&local) {
            return local;
        }
        let same_family = self.locals.iter().find(|known| known.is_ipv4() == local.is_ipv4());
        same_family.copied().unwrap_or(local)
    }
}

fn context(local: SocketAddr, remote: SocketAddr) -> TransportContext {
    TransportContext { local_addr: local, peer_addr: remote, ecn: None, transport_protocol: TransportProtocol::UDP }
}

fn base(address: SocketAddr, priority: u32) -> CandidateConfig {
    CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        priority,
        ..CandidateConfig::default()
    }
}

fn host_candidate(address: SocketAddr, priority: u32) -> Option<Candidate> {
    let config = CandidateHostConfig { base_config: base(address, priority), ..CandidateHostConfig::default() };
    config.new_candidate_host().ok()
}

fn remote_candidate(candidate: &RemoteCandidate) -> Option<Candidate> {
    let RemoteCandidate { address, priority, kind } = *candidate;
    if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() {
        return None;
    }
    match kind {
        RemoteCandidateKind::Host => host_candidate(address, priority),
        RemoteCandidateKind::Reflexive => {
            let config = CandidatePeerReflexiveConfig { base_config: base(address, priority), ..Default::default() };
            config.new_candidate_peer_reflexive().ok()
        }
    }
}
