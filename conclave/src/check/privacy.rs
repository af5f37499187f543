//! Settings by which more is kept, or told to others, than by default. What is kept and for how
//! long is the matter of the privacy report; this check only names what departs from it.

use std::net::IpAddr;

use super::Report;
use super::settings::File;
use crate::commands::status;
use crate::data_directory::DataDirectory;

const CHECK: &str = "privacy";
/// Keys of `/config.js` with which Jitsi's client sends what people do to somebody.
const TELLING_KEYS: [&str; 8] = [
    "analytics",
    "rtcstatsEnabled",
    "rtcstatsEndpoint",
    "callStatsID",
    "callStatsSecret",
    "amplitudeAPPKey",
    "googleAnalyticsTrackingId",
    "gravatarBaseURL",
];
/// Log levels at which addresses and names are written.
const TELLING_LEVELS: [&str; 2] = ["debug", "trace"];

pub(super) async fn check(data: &DataDirectory, report: &mut Report) {
    let file = File::read(data);
    let mut findings = Vec::new();
    findings.extend(told_by_browsers(&file));
    findings.extend(told_by_services(&file));
    findings.extend(told_by_figures(&file));
    if let Some(level) = log_level(data).await {
        findings.push(format!(
            "the running server logs at level {level}, which writes addresses and names; start it without CONCLAVE_LOG when you are done."
        ));
    }
    if findings.is_empty() {
        report.ok(CHECK, "nothing is kept or told beyond the default.");
    }
    for finding in findings {
        report.warning(CHECK, finding);
    }
}

fn told_by_browsers(file: &File) -> Vec<String> {
    let config = file.value("web", "config").and_then(toml::Value::as_table);
    let telling =
        |key: &str| config.and_then(|config| config.get(key)).is_some_and(|value| value.as_bool() != Some(false));
    TELLING_KEYS
        .iter()
        .filter(|key| telling(key))
        .map(|key| format!("web.config.{key} makes browsers tell others what people do; remove it unless they agreed."))
        .collect()
}

/// A STUN or TURN server learns the addresses of all who ask it.
fn told_by_services(file: &File) -> Vec<String> {
    let host = file.host();
    let foreign = |name: &str| {
        let local = name == host || name.ends_with(&format!(".{host}"));
        let parent = host.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
        let beside = parent.is_some_and(|parent| name.ends_with(&format!(".{parent}")));
        let private = name.parse::<IpAddr>().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_private() || address.is_loopback(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        });
        !(local || beside || private || name == "localhost")
    };
    let services = file.external_services().into_iter().filter(|service| foreign(&service.host));
    services
        .map(|service| {
            format!(
                "the {} server {} learns the addresses of everybody in a call; run your own, or be sure who runs it.",
                service.kind, service.host
            )
        })
        .collect()
}

fn told_by_figures(file: &File) -> Option<String> {
    let address = file.text("xmpp-server", "metrics_listen")?;
    let ip = address.parse::<std::net::SocketAddr>().ok()?.ip();
    (!ip.is_loopback()).then(|| {
        format!("figures on how many people meet are readable by anyone who reaches {address}; listen on 127.0.0.1.")
    })
}

/// The level of the running supervisor's log, when it tells more than by default.
async fn log_level(data: &DataDirectory) -> Option<&'static str> {
    let pid = status::read(data).await?.pid;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let filter = environment.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(b"CONCLAVE_LOG="))?;
    let filter = String::from_utf8_lossy(filter).to_ascii_lowercase();
    TELLING_LEVELS.into_iter().find(|level| filter.contains(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::of(text.parse().expect("TOML"))
    }

    #[test]
    fn by_default_nothing_is_told() {
        let file = file("");
        assert!(told_by_browsers(&file).is_empty() && told_by_services(&file).is_empty());
        assert_eq!(told_by_figures(&file), None);
    }

    #[test]
    fn what_tells_others_is_named() {
        let file = file(
            "host = 'meet.example.org'\n[xmpp-server]\nmetrics_listen = '0.0.0.0:9090'\n\
             [[xmpp-server.external_services]]\ntype = 'stun'\nhost = 'stun.elsewhere.example'\n\
             [[xmpp-server.external_services]]\ntype = 'turn'\nhost = 'turn.example.org'\n\
             [web.config]\nanalytics = { googleAnalyticsTrackingId = 'x' }\nrtcstatsEnabled = false\n",
        );
        assert_eq!(told_by_browsers(&file).len(), 1);
        let services = told_by_services(&file);
        assert_eq!(services.len(), 1, "{services:?}");
        assert!(services[0].contains("stun.elsewhere.example"));
        assert!(told_by_figures(&file).expect("open to all").contains("0.0.0.0:9090"));
    }
}
