//! Settings: what `conclave.toml` and the command line say, checked key by key, and resolved.

use std::path::{Path, PathBuf};

use focus_core::bridge::selection::Strategy;
use focus_core::config::Authentication;
use jid::BareJid;
use toml::{Table, Value};

/// Top-level tables and keys of the one configuration file. Those of other processes are theirs to check.
const TOP_LEVEL: [&str; 7] = ["auth", "certs", "focus", "host", "videobridge", "web", "xmpp-server"];

/// How long a login of a secure domain stays valid after its last use.
const LOGIN_LIFETIME_MS: u64 = 24 * 60 * 60 * 1_000;

/// Most logins remembered.
const LOGINS_MAX: usize = 10_000;

/// What the process needs, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// What the decisions depend on.
    pub(crate) core: focus_core::config::Config,
    /// Where the XMPP server is.
    pub(crate) xmpp_host: String,
    /// Its port for clients.
    pub(crate) xmpp_port: u16,
    /// Domain of our account.
    pub(crate) account_domain: BareJid,
    /// Local part of our account.
    pub(crate) username: String,
    /// File with our password.
    pub(crate) password_file: PathBuf,
    /// How the connection is protected.
    pub(crate) tls: Tls,
    /// Certificates of authorities that may vouch for the server.
    pub(crate) ca_file: PathBuf,
    /// Where HTTP is served.
    pub(crate) http: Listen,
}

/// How the connection to the XMPP server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Always.
    Required,
    /// When the server offers it; in the clear on this machine only.
    IfPossible,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// A socket file.
    Unix(PathBuf),
    /// An address and port.
    Tcp(std::net::SocketAddr),
}

/// What is wrong with the configuration, in a sentence for its author.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct ConfigError(String);

/// Reads `DATA/conclave.toml`, which may be missing, and applies `--set` overrides.
///
/// # Errors
/// When a key is unknown or a value cannot be used.
pub(crate) fn load(data: &Path, overrides: &[String]) -> Result<Settings, ConfigError> {
    let path = data.join("conclave.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError(format!("{} cannot be read: {error}.", path.display()))),
    };
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        ConfigError(format!("{} is not valid TOML: {}.", path.display(), error.message()))
    })?;
    for assignment in overrides {
        apply(&mut table, assignment)?;
    }
    resolve(data, &table)
}

/// `key.path=value`; the value is TOML, or else taken as text.
fn apply(table: &mut Table, assignment: &str) -> Result<(), ConfigError> {
    let (path, value) = assignment
        .split_once('=')
        .ok_or_else(|| ConfigError(format!("`--set {assignment}` has no value; write it as KEY=VALUE.")))?;
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut names: Vec<&str> = path.split('.').collect();
    let last = names.pop().expect("splitting always gives one part");
    let mut inner = table;
    for name in names {
        inner = inner
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| ConfigError(format!("`{name}` in `--set {assignment}` is a value, not a table.")))?;
    }
    inner.insert(last.to_owned(), value);
    Ok(())
}

/// One table, with the keys that were asked for so far, to tell the unknown ones.
struct Section<'a> {
    name: &'static str,
    table: Option<&'a Table>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    fn new(root: &'a Table, name: &'static str) -> Result<Self, ConfigError> {
        let table = match root.get(name) {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(_) => {
                return Err(ConfigError(format!("`{name}` must be a table; write [{name}] on a line of its own.")));
            }
        };
        Ok(Self { name, table, known: Vec::new() })
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, wanted: &str) -> ConfigError {
        ConfigError(format!("`{}.{key}` must be {wanted}; change or remove it.", self.name))
    }

    fn text(&mut self, key: &'static str, default: &str) -> Result<String, ConfigError> {
        match self.get(key) {
            None => Ok(default.to_owned()),
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(_) => Err(self.wrong(key, "a text in quotes")),
        }
    }

    fn jid(&mut self, key: &'static str, default: &str) -> Result<BareJid, ConfigError> {
        let text = self.text(key, default)?;
        text.parse().map_err(|_| self.wrong(key, "an XMPP address without resource"))
    }

    fn truth(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Boolean(truth)) => Ok(*truth),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn number(&mut self, key: &'static str, default: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
        let wanted = || format!("a number from {least} to {most}");
        match self.get(key) {
            None => Ok(default),
            Some(Value::Integer(number)) => u64::try_from(*number)
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| self.wrong(key, &wanted())),
            Some(_) => Err(self.wrong(key, &wanted())),
        }
    }

    fn size(&mut self, key: &'static str, default: usize, least: usize, most: usize) -> Result<usize, ConfigError> {
        let number = self.number(key, default as u64, least as u64, most as u64)?;
        Ok(usize::try_from(number).expect("within the bounds given as usize"))
    }

    fn finish(self) -> Result<(), ConfigError> {
        let Some(table) = self.table else { return Ok(()) };
        match table.keys().find(|key| !self.known.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(unknown_key(&format!("{}.", self.name), unknown, &self.known)),
        }
    }
}

fn unknown_key(prefix: &str, key: &str, known: &[&str]) -> ConfigError {
    let nearest = known.iter().min_by_key(|candidate| distance(key, candidate)).copied().unwrap_or_default();
    ConfigError(format!("there is no key `{prefix}{key}`; did you mean `{prefix}{nearest}`? Correct or remove it."))
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn resolve(data: &Path, root: &Table) -> Result<Settings, ConfigError> {
    if let Some(unknown) = root.keys().find(|key| !TOP_LEVEL.contains(&key.as_str())) {
        return Err(unknown_key("", unknown, &TOP_LEVEL));
    }
    let host = match root.get("host") {
        None => "localhost".to_owned(),
        Some(Value::String(host)) if !host.is_empty() => host.to_ascii_lowercase(),
        Some(_) => return Err(ConfigError("`host` must be a name in quotes; change or remove it.".to_owned())),
    };
    let mut core = focus_core::config::Config::new(&host)
        .map_err(|_| ConfigError(format!("`host` is `{host}`, which cannot be the name of a server; correct it.")))?;

    let mut auth = Section::new(root, "auth")?;
    if auth.truth("required", false)? {
        core.authentication = Some(Authentication {
            login_domain: host.clone(),
            lifetime_ms: LOGIN_LIFETIME_MS,
            sessions_max: LOGINS_MAX,
        });
    }
    // The rest of [auth] is the server's to check.

    let mut focus = Section::new(root, "focus")?;
    let seconds = |ms: u64| ms / 1_000;
    let account_domain = focus.jid("account_domain", &format!("auth.{host}"))?;
    core.conference_service = focus.jid("conference_service", core.conference_service.as_str())?;
    core.client_proxy = Some(focus.jid("client_proxy", &format!("focus.{host}"))?);
    core.brewery = focus.jid("brewery", core.brewery.as_str())?;
    core.auto_owner = focus.truth("auto_owner", core.auto_owner)?;
    core.strip_simulcast = focus.truth("strip_simulcast", core.strip_simulcast)?;
    core.ssrc_rewriting = focus.truth("ssrc_rewriting", core.ssrc_rewriting)?;
    core.json_sources = focus.truth("json_sources", core.json_sources)?;
    core.sctp = focus.truth("sctp", core.sctp)?;
    core.codecs.opus_red = focus.truth("opus_red", core.codecs.opus_red)?;
    core.codecs.av1 = focus.truth("av1", core.codecs.av1)?;
    core.codecs.vp8 = focus.truth("vp8", core.codecs.vp8)?;
    core.codecs.h264 = focus.truth("h264", core.codecs.h264)?;
    core.codecs.vp9 = focus.truth("vp9", core.codecs.vp9)?;
    core.codecs.mid = focus.truth("mid", core.codecs.mid)?;
    core.initial_timeout_ms = 1_000 * focus.number("initial_timeout_s", seconds(core.initial_timeout_ms), 1, 3_600)?;
    core.single_participant_timeout_ms =
        1_000 * focus.number("single_participant_timeout_s", seconds(core.single_participant_timeout_ms), 1, 86_400)?;
    core.participants_min = focus.size("participants_min", core.participants_min, 1, 100)?;
    core.conferences_max = focus.size("conferences_max", core.conferences_max, 1, 1_000_000)?;
    core.members_max = focus.size("members_max", core.members_max, 2, 100_000)?;
    let sources = &mut core.sources;
    sources.ssrcs_per_endpoint_max = focus.size("ssrcs_max", sources.ssrcs_per_endpoint_max, 1, 1_000)?;
    sources.groups_per_endpoint_max = focus.size("ssrc_groups_max", sources.groups_per_endpoint_max, 1, 1_000)?;
    sources.audio_senders_max = focus.size("audio_senders_max", sources.audio_senders_max, 1, 999_999)?;
    sources.video_senders_max = focus.size("video_senders_max", sources.video_senders_max, 1, 999_999)?;
    core.local_region = match focus.get("local_region") {
        None => None,
        Some(Value::String(region)) => Some(region.clone()),
        Some(_) => return Err(focus.wrong("local_region", "a text in quotes")),
    };
    core.bridge.strategy = match focus.text("bridge_selection", "single-bridge")?.as_str() {
        "single-bridge" => Strategy::SingleBridge,
        "region-based" => Strategy::RegionBased,
        _ => return Err(focus.wrong("bridge_selection", "\"single-bridge\" or \"region-based\"")),
    };
    core.trusted_domains = match focus.get("trusted_domains") {
        None => Default::default(),
        Some(value) => value
            .as_array()
            .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>())
            .ok_or_else(|| focus.wrong("trusted_domains", "a list of names in quotes"))?,
    };
    let tls = match focus.text("tls", "required")?.as_str() {
        "required" => Tls::Required,
        "if-possible" => Tls::IfPossible,
        _ => return Err(focus.wrong("tls", "\"required\" or \"if-possible\"")),
    };
    let http = focus.text("http", "unix:run/focus.sock")?;
    let http = match http.strip_prefix("unix:") {
        Some(path) => Listen::Unix(data.join(path)),
        None => Listen::Tcp(http.parse().map_err(|_| focus.wrong("http", "\"unix:PATH\" or \"ADDRESS:PORT\""))?),
    };
    let settings = Settings {
        xmpp_host: focus.text("xmpp_host", "127.0.0.1")?,
        xmpp_port: u16::try_from(focus.number("xmpp_port", 5_222, 1, 65_535)?).expect("within 16 bits"),
        account_domain,
        username: focus.text("username", "focus")?,
        password_file: data.join(focus.text("password_file", "secrets/focus.password")?),
        tls,
        ca_file: data.join(focus.text("ca_file", "certs/ca.pem")?),
        http,
        core,
    };
    focus.finish()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, overrides: &[&str]) -> Result<Settings, String> {
        let mut table: Table = text.parse().unwrap();
        for assignment in overrides {
            apply(&mut table, assignment).map_err(|e| e.to_string())?;
        }
        resolve(Path::new("data"), &table).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_follow_the_host() {
        let settings = resolved("host = \"Meet.Example.org\"\n[xmpp-server]\nanything = 1", &[]).unwrap();
        assert_eq!(settings.core.brewery.as_str(), "jvbbrewery@internal.auth.meet.example.org");
        assert_eq!(settings.account_domain.as_str(), "auth.meet.example.org");
        assert_eq!(settings.http, Listen::Unix("data/run/focus.sock".into()));
        assert_eq!((settings.xmpp_port, settings.core.authentication), (5222, None));
    }

    #[test]
    fn the_command_line_wins() {
        let settings = resolved(
            "[focus]\nxmpp_port = 1\n[auth]\nrequired = false\nscram_iterations = 1",
            &["focus.xmpp_port=6000", "auth.required=true", "focus.http=127.0.0.1:8888", "focus.opus_red=true"],
        )
        .unwrap();
        assert_eq!(settings.xmpp_port, 6000);
        assert_eq!(settings.core.authentication.unwrap().login_domain, "localhost");
        assert_eq!(settings.http, Listen::Tcp("127.0.0.1:8888".parse().unwrap()));
        assert!(settings.core.codecs.opus_red);
    }

    #[test]
    fn mistakes_are_named_with_the_way_out() {
        for (text, sentence) in [
            (
                "[focus]\nxmp_port = 1",
                "there is no key `focus.xmp_port`; did you mean `focus.xmpp_port`? Correct or remove it.",
            ),
            ("hots = \"a\"", "there is no key `hots`; did you mean `host`? Correct or remove it."),
            ("[focus]\nsctp = \"yes\"", "`focus.sctp` must be true or false; change or remove it."),
            ("[focus]\nxmpp_port = 70000", "`focus.xmpp_port` must be a number from 1 to 65535; change or remove it."),
            (
                "[focus]\nbrewery = \"@\"",
                "`focus.brewery` must be an XMPP address without resource; change or remove it.",
            ),
            ("focus = 1", "`focus` must be a table; write [focus] on a line of its own."),
            ("[focus]\ntls = \"no\"", "`focus.tls` must be \"required\" or \"if-possible\"; change or remove it."),
            ("host = \"a b\"", "`host` is `a b`, which cannot be the name of a server; correct it."),
        ] {
            assert_eq!(resolved(text, &[]).unwrap_err(), sentence, "{text}");
        }
        assert!(resolved("", &["focus"]).unwrap_err().contains("KEY=VALUE"));
        assert!(resolved("host = \"a\"", &["host.x=1"]).unwrap_err().contains("not a table"));
    }
}
