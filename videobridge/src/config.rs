//! The bridge's part of the configuration file, and what the command line overrides.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

/// Tables and keys that may stand at the top level of the file; each process checks its own.
const TOP_LEVEL: [&str; 7] = ["host", "auth", "certs", "focus", "videobridge", "web", "xmpp-server"];

/// Keys of `[videobridge]`.
const KEYS: [&str; 19] = [
    "advertise",
    "advertise_private",
    "brewery",
    "listen",
    "media_port",
    "nickname",
    "password",
    "region",
    "rest",
    "sctp",
    "stats_interval_ms",
    "tls",
    "trust",
    "username",
    "websocket_domain",
    "websocket_tls",
    "xmpp_domain",
    "xmpp_host",
    "xmpp_port",
];

/// Longest interval of presence: a focus that watches presence gives a bridge up after 45 s.
const STATS_INTERVAL_MS_MAX: u64 = 40_000;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path} is not TOML: {reason}", path = path.display())]
    NotToml { path: PathBuf, reason: String },
    #[error("there is no key `{key}`; did you mean `{nearest}`? Correct or remove it.")]
    UnknownKey { key: String, nearest: String },
    #[error("the value of `{key}` is not valid: {reason}; correct it.")]
    Value { key: &'static str, reason: String },
    #[error("`--set {0}` must have the form key.path=value.")]
    Override(String),
    #[error("{0}; correct the value.")]
    Type(String),
}

/// As written, before defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    host: Option<String>,
    videobridge: RawBridge,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawBridge {
    advertise: Vec<String>,
    advertise_private: Option<bool>,
    brewery: Option<String>,
    listen: Option<String>,
    media_port: Option<u16>,
    nickname: Option<String>,
    password: Option<String>,
    region: Option<String>,
    rest: Option<bool>,
    sctp: Option<bool>,
    stats_interval_ms: Option<u64>,
    tls: Option<String>,
    trust: Option<String>,
    username: Option<String>,
    websocket_domain: Option<String>,
    websocket_tls: Option<bool>,
    xmpp_domain: Option<String>,
    xmpp_host: Option<String>,
    xmpp_port: Option<u16>,
}

/// Resolved settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// UDP port of media; 0 lets the system choose.
    pub(crate) media_port: u16,
    /// Addresses to tell clients instead of those of the interfaces.
    pub(crate) advertise: Vec<Advertise>,
    /// Tell private addresses to everybody.
    pub(crate) advertise_private: bool,
    /// Offer data channels.
    pub(crate) sctp: bool,
    /// Where the HTTP interface listens.
    pub(crate) listen: Listen,
    /// Whether the HTTP interface takes colibri2 requests and gives statistics.
    pub(crate) rest: bool,
    /// The beginning of bridge-channel URLs up to `/colibri-ws`.
    pub(crate) websocket_origin: String,
    /// Where the bridge is, for the focus to choose by.
    pub(crate) region: Option<String>,
    /// Time between presences.
    pub(crate) stats_interval_ms: u64,
    /// The connection to the XMPP server.
    pub(crate) xmpp: Xmpp,
}

/// An address to tell clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advertise {
    pub(crate) ip: IpAddr,
    /// Differs from the port of media when a router maps it.
    pub(crate) port: Option<u16>,
}

/// Where the HTTP interface listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// A Unix socket, relative to the data directory.
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// The connection to the XMPP server.
#[derive(Clone)]
pub(crate) struct Xmpp {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) domain: String,
    pub(crate) username: String,
    /// Read from `secrets/jvb.password` when absent.
    pub(crate) password: Option<String>,
    /// Address of the room in which bridges are found.
    pub(crate) brewery: String,
    /// Name there, and in bridge-channel URLs; made up when absent.
    pub(crate) nickname: Option<String>,
    /// Go on in the clear with a server on this machine that offers no TLS, as the reference does.
    pub(crate) tls_if_possible: bool,
    /// Accept any certificate instead of asking for one of the local authority.
    pub(crate) trusts_anyone: bool,
}

impl std::fmt::Debug for Xmpp {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xmpp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads `conclave.toml` in `data` (absent: all defaults) and applies `key.path=value` overrides.
    pub(crate) fn read(data: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let path = data.join("conclave.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(reason) => return Err(ConfigError::Unreadable { path, reason }),
        };
        let table =
            text.parse::<Table>().map_err(|error| ConfigError::NotToml { path, reason: error.message().to_owned() })?;
        Self::resolve(table, overrides)
    }

    fn resolve(mut table: Table, overrides: &[String]) -> Result<Self, ConfigError> {
        for setting in overrides {
            apply(&mut table, setting)?;
        }
        check_keys(&table, "", &TOP_LEVEL)?;
        if let Some(Value::Table(bridge)) = table.get("videobridge") {
            check_keys(bridge, "videobridge.", &KEYS)?;
        }
        let raw = Raw::deserialize(table).map_err(|error| ConfigError::Type(error.message().trim_end().to_owned()))?;
        let host = raw.host.unwrap_or_else(|| "localhost".to_owned()).to_ascii_lowercase();
        let raw = raw.videobridge;
        let advertise = raw.advertise.iter().map(|text| parse_advertise(text)).collect::<Result<_, _>>()?;
        let listen = parse_listen(raw.listen.as_deref().unwrap_or("unix:run/videobridge.sock"))?;
        let stats_interval_ms = raw.stats_interval_ms.unwrap_or(5_000);
        if !(100..=STATS_INTERVAL_MS_MAX).contains(&stats_interval_ms) {
            return Err(ConfigError::Value {
                key: "videobridge.stats_interval_ms",
                reason: format!("it must be from 100 to {STATS_INTERVAL_MS_MAX}"),
            });
        }
        let scheme = if raw.websocket_tls.unwrap_or(true) { "wss" } else { "ws" };
        let domain = raw.websocket_domain.unwrap_or_else(|| format!("{host}:8443"));
        let tls_if_possible = match raw.tls.as_deref().unwrap_or("required") {
            "required" => false,
            "if-possible" => true,
            _ => {
                return Err(ConfigError::Value {
                    key: "videobridge.tls",
                    reason: "it must be \"required\" or \"if-possible\"".to_owned(),
                });
            }
        };
        let trusts_anyone = match raw.trust.as_deref().unwrap_or("ca") {
            "ca" => false,
            "any" => true,
            _ => {
                return Err(ConfigError::Value {
                    key: "videobridge.trust",
                    reason: "it must be \"ca\" or \"any\"".to_owned(),
                });
            }
        };
        Ok(Self {
            media_port: raw.media_port.unwrap_or(10_000),
            advertise,
            advertise_private: raw.advertise_private.unwrap_or(true),
            sctp: raw.sctp.unwrap_or(true),
            rest: raw.rest.unwrap_or(matches!(listen, Listen::Unix(_))),
            listen,
            websocket_origin: format!("{scheme}://{domain}"),
            region: raw.region,
            stats_interval_ms,
            xmpp: Xmpp {
                host: raw.xmpp_host.unwrap_or_else(|| "127.0.0.1".to_owned()),
                port: raw.xmpp_port.unwrap_or(5222),
                domain: raw.xmpp_domain.unwrap_or_else(|| format!("auth.{host}")),
                username: raw.username.unwrap_or_else(|| "jvb".to_owned()),
                password: raw.password,
                brewery: raw.brewery.unwrap_or_else(|| format!("jvbbrewery@internal.auth.{host}")),
                nickname: raw.nickname,
                tls_if_possible,
                trusts_anyone,
            },
        })
    }
}

/// Sets one key. The value is TOML; what is none is a bare string.
fn apply(table: &mut Table, setting: &str) -> Result<(), ConfigError> {
    let malformed = || ConfigError::Override(setting.to_owned());
    let (path, text) = setting.split_once('=').ok_or_else(malformed)?;
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or_else(malformed)?;
    let mut at = table;
    for key in keys {
        let next = at.entry(key).or_insert_with(|| Value::Table(Table::new()));
        at = next.as_table_mut().ok_or_else(malformed)?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

fn check_keys(table: &Table, prefix: &str, known: &[&str]) -> Result<(), ConfigError> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(ConfigError::UnknownKey {
            key: format!("{prefix}{key}"),
            nearest: format!("{prefix}{}", nearest(key, known)),
        }),
    }
}

/// The known word with the fewest edits to `word`.
fn nearest<'a>(word: &str, known: &[&'a str]) -> &'a str {
    known.iter().copied().min_by_key(|candidate| edits(word, candidate)).unwrap_or_default()
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// `ADDRESS`, or `ADDRESS#PORT` where a router maps the port.
fn parse_advertise(text: &str) -> Result<Advertise, ConfigError> {
    let (ip, port) = match text.split_once('#') {
        Some((ip, port)) => (ip, Some(port.parse::<u16>())),
        None => (text, None),
    };
    match (ip.parse(), port.transpose()) {
        (Ok(ip), Ok(port)) => Ok(Advertise { ip, port }),
        _ => Err(ConfigError::Value {
            key: "videobridge.advertise",
            reason: format!("{text:?} is not an address, or an address, # and a port"),
        }),
    }
}

fn parse_listen(text: &str) -> Result<Listen, ConfigError> {
    match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => Ok(Listen::Unix(path.into())),
        _ => text.parse().map(Listen::Tcp).map_err(|_| ConfigError::Value {
            key: "videobridge.listen",
            reason: "it must be unix:PATH or IP:PORT".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, overrides: &[&str]) -> Result<Config, String> {
        let overrides: Vec<String> = overrides.iter().map(|&setting| setting.to_owned()).collect();
        Config::resolve(text.parse().unwrap(), &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_a_default() {
        let config = config("", &[]).unwrap();
        assert_eq!(config.media_port, 10_000);
        assert_eq!(config.listen, Listen::Unix("run/videobridge.sock".into()));
        assert_eq!(config.websocket_origin, "wss://localhost:8443");
        assert_eq!(config.xmpp.domain, "auth.localhost");
        assert_eq!(config.xmpp.brewery, "jvbbrewery@internal.auth.localhost");
        assert!(config.rest && config.sctp && !config.xmpp.trusts_anyone);
    }

    #[test]
    fn the_command_line_wins() {
        let config = config(
            "host = \"Meet.Example\"\n[videobridge]\nmedia_port = 1",
            &[
                "videobridge.media_port=0",
                "videobridge.websocket_domain=meet.example:443",
                "videobridge.advertise=[\"203.0.113.5#20000\"]",
                "videobridge.listen=127.0.0.1:8080",
                "xmpp-server.https_port=8443",
            ],
        )
        .unwrap();
        assert_eq!(config.media_port, 0);
        assert_eq!(config.websocket_origin, "wss://meet.example:443");
        assert_eq!(config.advertise, [Advertise { ip: "203.0.113.5".parse().unwrap(), port: Some(20_000) }]);
        assert_eq!(config.listen, Listen::Tcp("127.0.0.1:8080".parse().unwrap()));
        assert!(!config.rest, "on a port it is asked for explicitly");
        assert_eq!(config.xmpp.domain, "auth.meet.example");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            config("[videobridge]\nmedia_prot = 1", &[]).unwrap_err(),
            "there is no key `videobridge.media_prot`; did you mean `videobridge.media_port`? Correct or remove it."
        );
        assert!(config("[video-bridge]", &[]).unwrap_err().contains("did you mean `videobridge`"));
        assert!(config("", &["videobridge.listen=nowhere"]).unwrap_err().contains("unix:PATH or IP:PORT"));
        assert!(config("", &["videobridge.advertise=[\"x\"]"]).unwrap_err().contains("videobridge.advertise"));
        assert!(config("", &["videobridge.stats_interval_ms=60000"]).unwrap_err().contains("40000"));
        assert!(config("", &["nothing"]).unwrap_err().contains("key.path=value"));
        assert!(config("[videobridge]\nmedia_port = \"x\"", &[]).is_err());
    }
}
