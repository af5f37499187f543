//! Every metric, declared once, under the names Jicofo uses.

use std::fmt::Write as _;

use focus_core::focus::Focus;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Prometheus,
}

impl Format {
    /// OpenMetrics unless only plain text is accepted.
    pub(crate) fn accepted_by(accept: &str) -> Self {
        if accept.contains("text/plain") && !accept.contains("openmetrics") {
            Self::Prometheus
        } else {
            Self::OpenMetrics
        }
    }

    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What all names begin with.
const PREFIX: &str = "jitsi_jicofo_";

struct Text {
    format: Format,
    out: String,
}

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str, suffix: &str) {
        // In OpenMetrics the family has no suffix; in the older format it has that of its samples.
        let family_suffix = if self.format == Format::Prometheus { suffix } else { "" };
        let _ = write!(
            self.out,
            "# TYPE {PREFIX}{name}{family_suffix} {kind}\n# HELP {PREFIX}{name}{family_suffix} {help}\n"
        );
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help, "_total");
        let _ = writeln!(self.out, "{PREFIX}{name}_total {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.head(name, "gauge", help, "");
        let _ = writeln!(self.out, "{PREFIX}{name} {value}");
    }

    fn gauge_by_bridge(&mut self, name: &str, help: &str, values: impl Iterator<Item = (String, usize)>) {
        self.head(name, "gauge", help, "");
        for (bridge, value) in values {
            let bridge = bridge.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(self.out, "{PREFIX}{name}{{jvb=\"{bridge}\"}} {value}");
        }
    }
}

/// All metrics.
pub(crate) fn render(focus: &Focus, format: Format, now_ms: u64) -> String {
    let mut text = Text { format, out: String::new() };
    let counters = focus.counters();
    let sizes: Vec<usize> = focus.conferences().map(|c| c.participants.len()).collect();
    let pool = focus.pool();
    let bridges = || pool.iter();

    text.gauge("conferences", "Conferences now", sizes.len());
    text.gauge("participants_current", "Participants now", sizes.iter().sum());
    text.gauge("participants_pairs", "Sum of the squared sizes of all conferences", sizes.iter().map(|n| n * n).sum());
    text.gauge(
        "largest_conference",
        "Participants in the largest conference",
        sizes.iter().max().copied().unwrap_or(0),
    );
    text.gauge("bridge_selector_bridge_count", "Bridges that advertise themselves", pool.len());
    text.gauge(
        "bridge_selector_bridge_count_operational",
        "Bridges that work",
        bridges().filter(|b| b.is_usable(now_ms)).count(),
    );
    text.gauge(
        "bridge_selector_bridge_count_in_shutdown",
        "Bridges that take no new conferences",
        bridges().filter(|b| b.graceful_shutdown).count(),
    );
    text.gauge_by_bridge(
        "bridge_endpoints",
        "Endpoints placed on a bridge",
        bridges().map(|b| (b.occupant.resource().as_str().to_owned(), b.endpoints)),
    );
    text.gauge("healthy", "Whether a meeting is possible", usize::from(focus.health(now_ms).is_ok()));
    for (name, help, value) in [
        ("conference_requests", "Conference requests", counters.conference_requests),
        ("conference_requests_new", "Conference requests that made a conference", counters.conferences_created),
        ("conferences_created", "Conferences made", counters.conferences_created),
        ("participants", "Participants that joined", counters.participants),
        ("participants_moved", "Participants moved to another bridge", counters.participants_moved),
        ("bridges_removed", "Times a bridge was taken out of a conference", counters.bridges_removed),
        ("participants_ice_failed", "ICE failures reported the older way", counters.participants_ice_failed),
        ("participants_restart_requested", "Restarts asked for", counters.participants_restart_requested),
        ("bridge_selector_lost_bridges", "Bridges that left without shutting down", pool.lost),
        ("jingle_session_initiate_sent", "session-initiate sent", counters.session_initiate_sent),
        ("jingle_session_terminate_sent", "session-terminate sent", counters.session_terminate_sent),
        ("jingle_sourceadd_sent", "source-add sent", counters.source_add_sent),
        ("jingle_sourceremove_sent", "source-remove sent", counters.source_remove_sent),
        ("jingle_session_accept_received", "session-accept received", counters.session_accept_received),
        ("jingle_session_terminate_received", "session-terminate received", counters.session_terminate_received),
        ("jingle_session_info_received", "session-info received", counters.session_info_received),
        ("jingle_transport_info_received", "transport-info received", counters.transport_info_received),
        ("jingle_sourceadd_received", "source-add received", counters.source_add_received),
        ("jingle_sourceremove_received", "source-remove received", counters.source_remove_received),
        ("requests_refused", "Requests of peers answered with an error", counters.requests_refused),
        ("xmpp_disconnects", "Connections to the XMPP server lost", counters.xmpp_disconnects),
    ] {
        text.counter(name, help, value);
    }
    if format == Format::OpenMetrics {
        text.out.push_str("# EOF\n");
    }
    text.out
}

#[cfg(test)]
mod tests {
    use super::*;
    use focus_core::config::Config;
    use focus_core::random::Counting;

    #[test]
    fn both_formats() {
        let focus = Focus::new(Config::new("meet.x").unwrap(), Box::new(Counting(0)));
        let open = render(&focus, Format::accepted_by("*/*"), 0);
        assert!(open.contains("# TYPE jitsi_jicofo_conference_requests counter\n"));
        assert!(open.contains("\njitsi_jicofo_conference_requests_total 0\n"));
        assert!(open.ends_with("# EOF\n"));
        let plain = render(&focus, Format::accepted_by("text/plain;version=0.0.4"), 0);
        assert!(plain.contains("# TYPE jitsi_jicofo_conference_requests_total counter\n"));
        assert!(!plain.contains("EOF"));
    }
}
