//! What a check needs of conclave.toml, with defaults; mistakes in it are the matter of `check config`.

use crate::data_directory::DataDirectory;

/// The file as it is.
pub(super) struct File(toml::Table);

impl File {
    pub(super) fn read(data: &DataDirectory) -> Self {
        Self(std::fs::read_to_string(data.configuration()).unwrap_or_default().parse().unwrap_or_default())
    }

    #[cfg(test)]
    pub(super) fn of(table: toml::Table) -> Self {
        Self(table)
    }

    /// The name people reach this server by.
    pub(super) fn host(&self) -> String {
        self.0.get("host").and_then(toml::Value::as_str).unwrap_or("localhost").to_ascii_lowercase()
    }

    pub(super) fn value(&self, section: &str, key: &str) -> Option<&toml::Value> {
        self.0.get(section)?.get(key)
    }

    pub(super) fn text(&self, section: &str, key: &str) -> Option<&str> {
        self.value(section, key)?.as_str()
    }

    pub(super) fn port(&self, section: &str, key: &str, default: u16) -> u16 {
        let port = self.value(section, key).and_then(toml::Value::as_integer);
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
    }

    pub(super) fn texts(&self, section: &str, key: &str) -> Vec<&str> {
        let list = self.value(section, key).and_then(toml::Value::as_array);
        list.into_iter().flatten().filter_map(toml::Value::as_str).collect()
    }

    /// The STUN and TURN servers told to clients.
    pub(super) fn external_services(&self) -> Vec<ExternalService> {
        let list = self.value("xmpp-server", "external_services").and_then(toml::Value::as_array);
        list.into_iter().flatten().filter_map(ExternalService::of).collect()
    }
}

/// A STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExternalService {
    /// `stun`, `turn` or `turns`.
    pub(super) kind: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tcp: bool,
    /// Shared with the TURN server; clients get credentials made of it.
    pub(super) secret: Option<String>,
}

impl ExternalService {
    fn of(value: &toml::Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let port = value.get("port").and_then(toml::Value::as_integer).and_then(|port| u16::try_from(port).ok());
        let kind = text("type")?;
        let tcp = text("transport").is_some_and(|transport| transport == "tcp") || kind == "turns";
        Some(Self { kind, host: text("host")?, port: port.unwrap_or(3478), tcp, secret: text("secret") })
    }
}
