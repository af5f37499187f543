//! Which bridge to take: a pure function of the pool and the wish.

use jid::FullJid;

use super::pool::{Bridge, BridgePool};
use crate::config::BridgeConfig;

/// How the first bridge of a conference is chosen. All participants of a conference share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The least loaded of the participant's region, else the least loaded.
    SingleBridge,
    /// The least loaded of the participant's region while it is not overloaded, else the least loaded.
    RegionBased,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The bridge the conference has.
    pub current: Option<&'a FullJid>,
    /// Where the participant is.
    pub region: Option<&'a str>,
}

/// Chooses. `None` when no bridge can take the conference.
pub fn select(pool: &BridgePool, wish: &Wish<'_>, config: &BridgeConfig, now_ms: u64) -> Option<FullJid> {
    let current = wish.current.and_then(|jid| pool.get(jid));
    if let Some(current) = current.filter(|bridge| bridge.is_usable(now_ms)) {
        return Some(current.occupant.clone());
    }
    let stress = |bridge: &Bridge| bridge.corrected_stress(config, now_ms);
    let mut usable: Vec<&Bridge> = pool.iter().filter(|bridge| bridge.is_usable(now_ms)).collect();
    prefer(&mut usable, |bridge| !bridge.drain);
    prefer(&mut usable, |bridge| !bridge.graceful_shutdown);
    if let Some(region) = wish.region {
        prefer(&mut usable, |bridge| {
            bridge.region.as_deref() == Some(region)
                && (config.strategy == Strategy::SingleBridge || stress(bridge) < config.stress_threshold)
        });
    }
    usable
        .into_iter()
        .min_by(|a, b| stress(a).total_cmp(&stress(b)))
        // With nothing better, the bridge the conference has may just have been slow to answer once.
        .or(current.filter(|bridge| !bridge.shutting_down))
        .map(|bridge| bridge.occupant.clone())
}

/// Keeps those that have the quality, unless none has.
fn prefer(bridges: &mut Vec<&Bridge>, has_quality: impl Fn(&Bridge) -> bool) {
    if bridges.iter().any(|bridge| has_quality(bridge)) {
        bridges.retain(|bridge| has_quality(bridge));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::presence::bridge_stats::BridgeStats;

    /// Each bridge as `name stress [region=…] [drain] [graceful] [stopping] [failed]`.
    fn chosen(bridges: &[&str], current: Option<&str>, region: Option<&str>) -> Option<String> {
        let config = BridgeConfig { strategy: Strategy::RegionBased, ..BridgeConfig::default() };
        let jid = |name: &str| -> FullJid { format!("b@x/{name}").parse().unwrap() };
        let mut pool = BridgePool::default();
        for line in bridges {
            let words: Vec<&str> = line.split(' ').collect();
            let mut stats = BridgeStats::default().with("stress_level", words[1]);
            for word in &words[2..] {
                stats = match *word {
                    "drain" => stats.with("drain", true),
                    "graceful" => stats.with("graceful_shutdown", true),
                    "stopping" => stats.with("shutting_down", true),
                    other => match other.strip_prefix("region=") {
                        Some(region) => stats.with("region", region),
                        None => stats,
                    },
                };
            }
            pool.advertise(&jid(words[0]), None, &stats, &config, 0);
            if words.contains(&"failed") {
                pool.get_mut(&jid(words[0])).unwrap().health.fail(60_000, 0);
            }
        }
        let current = current.map(jid);
        let wish = Wish { current: current.as_ref(), region };
        select(&pool, &wish, &config, 1).map(|jid| jid.resource().as_str().to_owned())
    }

    #[test]
    fn table() {
        for (bridges, current, region, expected) in [
            (&[][..], None, None, None),
            (&["a 0.5", "b 0.2"][..], None, None, Some("b")),
            (&["a 0.5", "b 0.2"][..], Some("a"), None, Some("a")),
            (&["a 0.5 failed", "b 0.9"][..], Some("a"), None, Some("b")),
            (&["a 0.5 failed"][..], Some("a"), None, Some("a")),
            (&["a 0.5 failed"][..], None, None, None),
            (&["a 0.5 stopping"][..], Some("a"), None, None),
            (&["a 0.1 drain", "b 0.9"][..], None, None, Some("b")),
            (&["a 0.1 drain"][..], None, None, Some("a")),
            (&["a 0.1 graceful", "b 0.9"][..], None, None, Some("b")),
            (&["a 0.5 region=eu", "b 0.1 region=us"][..], None, Some("eu"), Some("a")),
            (&["a 0.9 region=eu", "b 0.1 region=us"][..], None, Some("eu"), Some("b")),
            (&["a 0.5", "b 0.1 region=us"][..], None, Some("asia"), Some("b")),
        ] {
            assert_eq!(chosen(bridges, current, region).as_deref(), expected, "{bridges:?} {current:?} {region:?}");
        }
    }
}
