//! Statistics of the bridge, declared once: for presence, `/colibri/stats` and `/metrics`.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use protocol::presence::bridge_stats::BridgeStats;
use serde_json::{Map, Value, json};

use crate::control::{Control, VERSION};
use crate::media_link::Snapshot;

/// Share of the machine's time from which the bridge counts as fully loaded.
const CPU_LIMIT: f64 = 0.9;

/// Stress one more participant is assumed to add.
const PARTICIPANT_STRESS: f64 = 0.01;

/// What presence tells: the rest is for people and comes over HTTP.
const IN_PRESENCE: [&str; 11] = [
    "average_participant_stress",
    "colibri2",
    "current_timestamp",
    "drain",
    "graceful_shutdown",
    "healthy",
    "region",
    "shutting_down",
    "stress_level",
    "version",
    "release",
];

/// How much of the machine is in use, from `/proc/stat`.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Mutex<LoadState>,
}

#[derive(Debug, Default)]
struct LoadState {
    busy: u64,
    total: u64,
    stress: f64,
    measured: Option<Instant>,
}

impl Load {
    /// Load over the limit, 0 is idle, from 1 on overloaded. Measured at most once a second.
    pub(crate) fn stress(&self) -> f64 {
        let mut state = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.measured.is_some_and(|at| now.saturating_duration_since(at).as_millis() < 1_000) {
            return state.stress;
        }
        if let Some((busy, total)) = std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(cpu_times) {
            let elapsed = total.saturating_sub(state.total);
            if state.measured.is_some() && elapsed > 0 {
                let load = busy.saturating_sub(state.busy) as f64 / elapsed as f64;
                state.stress = load / CPU_LIMIT;
            }
            state.busy = busy;
            state.total = total;
            state.measured = Some(now);
        }
        state.stress
    }
}

/// Busy (steal included) and total time of all processors.
fn cpu_times(stat: &str) -> Option<(u64, u64)> {
    let times: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal (guest times are part of user)
    let total: u64 = times.iter().take(8).sum();
    let idle = times.get(3)? + times.get(4)?;
    Some((total - idle, total))
}

/// All statistics, named as the reference names them.
pub(crate) fn statistics(control: &Control, snapshot: &Snapshot) -> Map<String, Value> {
    let relaxed = Ordering::Relaxed;
    let counters = &control.counters;
    let (conferences, endpoints, visitors, largest) = control.read(|colibri| {
        (colibri.conference_count(), colibri.endpoint_count(), colibri.visitor_count(), colibri.largest_conference())
    });
    let members = || snapshot.conferences.values().flat_map(|conference| &conference.stats.endpoints);
    let transports = || snapshot.conferences.values().flat_map(|conference| conference.endpoints.values());
    let rtts: Vec<f64> = members().filter_map(|member| member.rtt_us).map(|rtt| rtt as f64 / 1e3).collect();
    let rtt = if rtts.is_empty() { 0.0 } else { rtts.iter().sum::<f64>() / rtts.len() as f64 };
    let losses: Vec<f64> = members().map(|member| member.outgoing_loss).collect();
    let loss = if losses.is_empty() { 0.0 } else { losses.iter().sum::<f64>() / losses.len() as f64 };
    let totals = &snapshot.totals;
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| {
        map.insert(name.to_owned(), value);
    };
    put("conferences", json!(conferences));
    put("endpoints", json!(endpoints));
    put("participants", json!(endpoints));
    put("local_endpoints", json!(endpoints));
    put("local_active_endpoints", json!(transports().filter(|transport| transport.dtls_connected).count()));
    put("octo_endpoints", json!(0));
    put("octo_conferences", json!(0));
    put("visitors", json!(visitors));
    put("largest_conference", json!(largest));
    put("bit_rate_download", json!(members().map(|member| member.receive_bps).sum::<u64>() / 1_000));
    put("bit_rate_upload", json!(members().map(|member| member.send_bps).sum::<u64>() / 1_000));
    put("rtt_aggregate", json!(rtt));
    put("outgoing_loss", json!(loss));
    put("overall_loss", json!(loss));
    put("total_conferences_created", json!(counters.conferences_created.load(relaxed)));
    put("total_conferences_completed", json!(counters.conferences_completed.load(relaxed)));
    put("total_participants", json!(counters.endpoints_created.load(relaxed)));
    put("total_colibri_web_socket_messages_received", json!(counters.socket_messages_received.load(relaxed)));
    put("total_colibri_web_socket_messages_sent", json!(counters.socket_messages_sent.load(relaxed)));
    put("total_data_channel_messages_received", json!(totals.data_channel_messages_received));
    put("total_data_channel_messages_sent", json!(totals.data_channel_messages_sent));
    put("total_packets_received", json!(totals.packets_received));
    put("total_packets_sent", json!(totals.packets_sent));
    put("total_bytes_received", json!(totals.bytes_received));
    put("total_bytes_sent", json!(totals.bytes_sent));
    put("total_ice_succeeded", json!(totals.ice_succeeded));
    put("total_ice_failed", json!(totals.ice_failed));
    put("endpoints_ice_failed", json!(totals.ice_failed));
    put("dtls_failed_endpoints", json!(totals.dtls_failed));
    put("total_dominant_speaker_changes", json!(totals.dominant_speaker_changes));
    put("total_keyframes_received", json!(totals.keyframes_received));
    put("muc_clients_configured", json!(1));
    put("mucs_configured", json!(1));
    put("muc_clients_connected", json!(u8::from(control.is_xmpp_connected())));
    put("mucs_joined", json!(u8::from(control.is_brewery_joined())));
    put("stress_level", json!(control.load.stress()));
    put("average_participant_stress", json!(PARTICIPANT_STRESS));
    put("drain", json!(control.is_draining()));
    put("graceful_shutdown", json!(false));
    put("shutting_down", json!(false));
    put("healthy", json!(control.health().is_ok()));
    put("colibri2", json!(true));
    put("current_timestamp", json!(timestamp(SystemTime::now())));
    put("version", json!(VERSION));
    if let Some(region) = &control.about.region {
        put("region", json!(region));
    }
    map
}

/// The few that the focus reads.
pub(crate) fn presence(statistics: &Map<String, Value>) -> BridgeStats {
    let mut stats = BridgeStats::default();
    for (name, value) in statistics.iter().filter(|(name, _)| IN_PRESENCE.contains(&name.as_str())) {
        stats = match value {
            Value::String(text) => stats.with(name, text),
            other => stats.with(name, other),
        };
    }
    stats
}

/// Text exposition for Prometheus: counters for names that begin with `total_`, gauges for other numbers.
pub(crate) fn exposition(statistics: &Map<String, Value>, open_metrics: bool) -> String {
    let mut text = String::new();
    for (name, value) in statistics {
        let number = match value {
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => u8::from(*flag).to_string(),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => continue,
        };
        let (name, kind) = match name.strip_prefix("total_") {
            Some(name) => (format!("jitsi_jvb_{name}"), "counter"),
            None => (format!("jitsi_jvb_{name}"), "gauge"),
        };
        let suffix = if kind == "counter" { "_total" } else { "" };
        // In the older format the suffix is part of the name.
        let declared = if open_metrics { name.clone() } else { format!("{name}{suffix}") };
        text.push_str(&format!("# TYPE {declared} {kind}\n{name}{suffix} {number}\n"));
    }
    if open_metrics {
        text.push_str("# EOF\n");
    }
    text
}

/// `yyyy-MM-dd HH:mm:ss.SSS` in UTC.
fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a date of the Gregorian calendar, counted in eras of 400 years that begin on 1 March.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timestamps_are_utc() {
        let at = |seconds, millis| timestamp(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis));
        assert_eq!(at(0, 0), "1970-01-01 00:00:00.000");
        assert_eq!(at(951_782_400, 5), "2000-02-29 00:00:00.005");
        assert_eq!(at(1_795_475_440, 288), "2026-11-23 23:10:40.288");
    }

    #[test]
    fn processor_times_count_steal_as_busy() {
        assert_eq!(cpu_times("cpu  10 1 5 80 4 0 0 3 9 9\ncpu0 1"), Some((19, 103)));
        assert_eq!(cpu_times("intr 1"), None);
    }

    #[test]
    fn counters_and_gauges_are_told_apart() {
        let mut map = Map::new();
        map.insert("total_packets_sent".into(), json!(7));
        map.insert("conferences".into(), json!(1));
        map.insert("version".into(), json!("x"));
        let text = exposition(&map, true);
        assert!(text.contains("# TYPE jitsi_jvb_packets_sent counter\njitsi_jvb_packets_sent_total 7\n"), "{text}");
        assert!(text.contains("# TYPE jitsi_jvb_conferences gauge\njitsi_jvb_conferences 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n") && !text.contains("version"));
        assert!(exposition(&map, false).contains("# TYPE jitsi_jvb_packets_sent_total counter\n"));
    }
}
