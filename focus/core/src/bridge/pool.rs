//! The bridges that advertise themselves in the brewery.

use std::collections::{BTreeMap, VecDeque};

use jid::{FullJid, Jid};
use protocol::presence::bridge_stats::BridgeStats;

use super::health::Health;
use crate::config::BridgeConfig;

/// Most recent additions remembered per bridge; more do not raise its estimated stress further.
pub const RECENT_ADDITIONS_MAX: usize = 1_000;

/// One bridge.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Address in the brewery room; bridges are told apart by it.
    pub occupant: FullJid,
    /// Real address: a bridge that comes back under another one was restarted and has forgotten everything.
    pub real_jid: Option<Jid>,
    /// Reported load, 0 to 1 and above.
    pub stress: f64,
    /// Reported stress per participant.
    pub average_participant_stress: Option<f64>,
    /// Finishes its conferences, then stops. Stays set until the bridge leaves.
    pub graceful_shutdown: bool,
    /// Stops now. Stays set until the bridge leaves.
    pub shutting_down: bool,
    /// Takes conferences only when nobody else can.
    pub drain: bool,
    /// Version with release.
    pub version: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// Id towards other bridges.
    pub relay_id: Option<String>,
    /// Whether it opens data channels; until it refuses once.
    pub sctp: bool,
    /// Operational or not.
    pub health: Health,
    /// Endpoints we have on it.
    pub endpoints: usize,
    recent_additions_ms: VecDeque<u64>,
}

impl Bridge {
    fn new(occupant: FullJid) -> Self {
        Self {
            occupant,
            real_jid: None,
            stress: 0.0,
            average_participant_stress: None,
            graceful_shutdown: false,
            shutting_down: false,
            drain: true,
            version: None,
            region: None,
            relay_id: None,
            sctp: true,
            health: Health::default(),
            endpoints: 0,
            recent_additions_ms: VecDeque::new(),
        }
    }

    fn update(&mut self, stats: &BridgeStats) {
        self.stress = stats.number("stress_level").unwrap_or(0.0);
        self.average_participant_stress = stats.number("average_participant_stress");
        self.graceful_shutdown |= stats.flag("graceful_shutdown") == Some(true);
        self.shutting_down |= stats.flag("shutting_down") == Some(true);
        // COMPAT(jitsi-videobridge): a bridge counts as draining until it has sent statistics.
        self.drain = stats.flag("drain").unwrap_or(false);
        self.version = match (stats.get("version"), stats.get("release")) {
            (Some(version), Some(release)) => Some(format!("{version}-{release}")),
            (version, _) => version.map(str::to_owned),
        };
        self.region = stats.get("region").map(str::to_owned);
        self.relay_id = stats.get("relay_id").map(str::to_owned);
    }

    /// Reported stress plus what those we just placed there will add.
    pub fn corrected_stress(&self, config: &BridgeConfig, now_ms: u64) -> f64 {
        let recent = self.recent_additions_ms.iter().filter(|&&at| now_ms < at + config.rampup_ms).count();
        let each = self.average_participant_stress.unwrap_or(config.average_participant_stress);
        #[expect(clippy::cast_precision_loss, reason = "a count of at most a thousand")]
        let added = recent as f64 * each;
        self.stress + added
    }

    /// Counts an endpoint placed on it.
    pub fn endpoint_added(&mut self, config: &BridgeConfig, now_ms: u64) {
        self.endpoints += 1;
        while self.recent_additions_ms.len() >= RECENT_ADDITIONS_MAX
            || self.recent_additions_ms.front().is_some_and(|&at| at + config.rampup_ms <= now_ms)
        {
            self.recent_additions_ms.pop_front();
        }
        self.recent_additions_ms.push_back(now_ms);
    }

    /// Counts an endpoint taken from it.
    pub fn endpoint_removed(&mut self) {
        self.endpoints = self.endpoints.saturating_sub(1);
    }

    /// Whether new endpoints may be placed on it at all.
    pub fn is_usable(&self, now_ms: u64) -> bool {
        self.health.is_operational(now_ms) && !self.shutting_down
    }
}

/// What a presence changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolChange {
    /// A new bridge.
    Added(FullJid),
    /// One that was started anew without leaving.
    Restarted(FullJid),
    /// One that is to be left at once.
    ShuttingDown(FullJid),
    /// Only numbers.
    Updated,
    /// Nothing: no bridge, or too many.
    Ignored,
}

/// All bridges by address.
#[derive(Debug, Clone, Default)]
pub struct BridgePool {
    bridges: BTreeMap<FullJid, Bridge>,
    /// Bridges that left without shutting down, since the start.
    pub lost: u64,
}

impl BridgePool {
    /// A presence with statistics.
    pub fn advertise(
        &mut self,
        occupant: &FullJid,
        real_jid: Option<&Jid>,
        stats: &BridgeStats,
        config: &BridgeConfig,
        now_ms: u64,
    ) -> PoolChange {
        if let Some(bridge) = self.bridges.get_mut(occupant) {
            if bridge.real_jid.is_some() && real_jid.is_some() && bridge.real_jid.as_ref() != real_jid {
                let mut fresh = Bridge::new(occupant.clone());
                fresh.real_jid = real_jid.cloned();
                fresh.update(stats);
                fresh.health.first_check(now_ms);
                *bridge = fresh;
                return PoolChange::Restarted(occupant.clone());
            }
            let was = bridge.shutting_down;
            bridge.update(stats);
            return if bridge.shutting_down && !was {
                PoolChange::ShuttingDown(occupant.clone())
            } else {
                PoolChange::Updated
            };
        }
        if self.bridges.len() >= config.bridges_max {
            return PoolChange::Ignored;
        }
        let mut bridge = Bridge::new(occupant.clone());
        bridge.real_jid = real_jid.cloned();
        bridge.update(stats);
        bridge.health.first_check(now_ms);
        self.bridges.insert(occupant.clone(), bridge);
        PoolChange::Added(occupant.clone())
    }

    /// It left the brewery. Returns it if it was a bridge.
    pub fn remove(&mut self, occupant: &FullJid) -> Option<Bridge> {
        let bridge = self.bridges.remove(occupant)?;
        if !bridge.graceful_shutdown && !bridge.shutting_down {
            self.lost += 1;
        }
        Some(bridge)
    }

    /// Forgets all: the brewery is gone.
    pub fn clear(&mut self) {
        self.bridges.clear();
    }

    /// One of them.
    pub fn get(&self, occupant: &FullJid) -> Option<&Bridge> {
        self.bridges.get(occupant)
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, occupant: &FullJid) -> Option<&mut Bridge> {
        self.bridges.get_mut(occupant)
    }

    /// All in order of address.
    pub fn iter(&self) -> impl Iterator<Item = &Bridge> {
        self.bridges.values()
    }

    /// All, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Bridge> {
        self.bridges.values_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bridges.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bridges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(n: usize) -> FullJid {
        format!("brewery@x/jvb{n}").parse().unwrap()
    }

    #[test]
    fn statistics_and_stickiness() {
        let config = BridgeConfig::default();
        let mut pool = BridgePool::default();
        let stats = BridgeStats::default().with("stress_level", 0.1).with("version", "2").with("release", "r");
        assert_eq!(pool.advertise(&jid(1), None, &stats, &config, 0), PoolChange::Added(jid(1)));
        let bridge = pool.get_mut(&jid(1)).unwrap();
        assert_eq!(bridge.version.as_deref(), Some("2-r"));
        bridge.endpoint_added(&config, 0);
        assert!((bridge.corrected_stress(&config, 19_999) - 0.11).abs() < 1e-9);
        assert!((bridge.corrected_stress(&config, 20_000) - 0.1).abs() < 1e-9);
        let ending = BridgeStats::default().with("shutting_down", true);
        assert_eq!(pool.advertise(&jid(1), None, &ending, &config, 0), PoolChange::ShuttingDown(jid(1)));
        pool.advertise(&jid(1), None, &stats, &config, 0);
        assert!(pool.get(&jid(1)).unwrap().shutting_down, "sticky");
        pool.remove(&jid(1));
        assert_eq!(pool.lost, 0);
        pool.advertise(&jid(2), None, &stats, &config, 0);
        pool.remove(&jid(2));
        assert_eq!(pool.lost, 1);
    }

    #[test]
    fn the_number_is_bounded() {
        let config = BridgeConfig { bridges_max: 2, ..BridgeConfig::default() };
        let mut pool = BridgePool::default();
        for n in 0..2 {
            pool.advertise(&jid(n), None, &BridgeStats::default(), &config, 0);
        }
        assert_eq!(pool.advertise(&jid(9), None, &BridgeStats::default(), &config, 0), PoolChange::Ignored);
        let bridge = pool.get_mut(&jid(0)).unwrap();
        for _ in 0..RECENT_ADDITIONS_MAX + 5 {
            bridge.endpoint_added(&config, 0);
        }
        assert_eq!(bridge.recent_additions_ms.len(), RECENT_ADDITIONS_MAX);
    }
}
