//! Every metric of this process, declared once, in the text form of Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::certificates::Certificates;
use crate::config::HttpAddress;
use crate::drive::{Driver, Figures};
use crate::listen::socket;

enum Kind {
    Gauge,
    Counter,
}

struct Metric {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Figures) -> u64,
}

const METRICS: [Metric; 9] = [
    Metric {
        name: "conclave_xmpp_connections",
        help: "Connections open at present.",
        kind: Kind::Gauge,
        value: |figures| figures.connections as u64,
    },
    Metric {
        name: "conclave_xmpp_sessions",
        help: "Sessions bound at present, hibernating ones included.",
        kind: Kind::Gauge,
        value: |figures| figures.sessions as u64,
    },
    Metric {
        name: "conclave_xmpp_sessions_hibernating",
        help: "Sessions that wait for their peer to come back.",
        kind: Kind::Gauge,
        value: |figures| figures.hibernating as u64,
    },
    Metric {
        name: "conclave_xmpp_sessions_bound_total",
        help: "Sessions bound since the start.",
        kind: Kind::Counter,
        value: |figures| figures.counters.bound,
    },
    Metric {
        name: "conclave_xmpp_sessions_resumed_total",
        help: "Sessions resumed since the start.",
        kind: Kind::Counter,
        value: |figures| figures.counters.resumed,
    },
    Metric {
        name: "conclave_xmpp_stanzas_received_total",
        help: "Stanzas received from sessions.",
        kind: Kind::Counter,
        value: |figures| figures.counters.stanzas_in,
    },
    Metric {
        name: "conclave_xmpp_stanzas_sent_total",
        help: "Stanzas delivered to sessions.",
        kind: Kind::Counter,
        value: |figures| figures.counters.stanzas_out,
    },
    Metric {
        name: "conclave_xmpp_stream_errors_total",
        help: "Streams ended with an error by this server.",
        kind: Kind::Counter,
        value: |figures| figures.counters.stream_errors,
    },
    Metric {
        name: "conclave_xmpp_sasl_failures_total",
        help: "Failed attempts to sign in.",
        kind: Kind::Counter,
        value: |figures| figures.counters.sasl_failures,
    },
];

/// Serves `/metrics` in plain HTTP where the administrator said so.
pub(crate) async fn serve(
    address: HttpAddress,
    driver: Driver,
    certificates: Arc<Certificates>,
) -> std::io::Result<()> {
    let router = Router::new().route("/metrics", get(answer)).with_state((driver, certificates));
    match address {
        HttpAddress::Tcp(address) => axum::serve(tokio::net::TcpListener::bind(address).await?, router).await,
        HttpAddress::Unix(path) => axum::serve(socket::listen_unix(&path)?, router).await,
    }
}

async fn answer(State((driver, certificates)): State<(Driver, Arc<Certificates>)>) -> Response {
    match driver.figures().await {
        Some(figures) => {
            let text = exposition(&figures) + &certificate_expiry(certificates.validity());
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn exposition(figures: &Figures) -> String {
    let mut out = String::new();
    for Metric { name, help, kind, value } in &METRICS {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {}", value(figures))
            .expect("writing to a string cannot fail");
    }
    out
}

/// When the served certificate ends: an alert compares it with `time()`.
fn certificate_expiry(validity: certs::Validity) -> String {
    let name = "conclave_certificate_expiry_timestamp_seconds";
    let help = "Last valid moment of the certificate in use, in seconds since 1970.";
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}\n", validity.not_after_unix_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_certificate_is_a_gauge() {
        let validity = certs::Validity { not_before_unix_s: 1, not_after_unix_s: 1_900_000_000 };
        let text = certificate_expiry(validity);
        assert!(text.ends_with(" gauge\nconclave_certificate_expiry_timestamp_seconds 1900000000\n"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn figures_have_help_type_and_value() {
        let figures = Figures { sessions: 3, ..Figures::default() };
        let text = exposition(&figures);
        assert!(text.contains("# TYPE conclave_xmpp_sessions gauge\nconclave_xmpp_sessions 3\n"), "{text}");
        assert_eq!(text.lines().count(), METRICS.len() * 3);
    }
}
