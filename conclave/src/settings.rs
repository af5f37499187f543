//! What the supervisor itself needs of conclave.toml. Each process checks its own section.

use serde::Deserialize;

use crate::cli::Run;
use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// Tables and keys that may stand at the top level of conclave.toml.
const TOP_LEVEL: [&str; 7] = ["host", "auth", "certs", "focus", "videobridge", "web", "xmpp-server"];

/// As written, before defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    host: Option<String>,
    certs: RawCerts,
}

#[derive(Debug, Default, Deserialize)]
/// The server checks this section key by key.
#[serde(default)]
struct RawCerts {
    names: Vec<String>,
}

/// Resolved settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The domain served.
    pub(crate) host: String,
    /// Further names and addresses of the certificate.
    pub(crate) certificate_names: Vec<String>,
}

impl Settings {
    /// Reads conclave.toml (absent: all defaults); `run` overrides it.
    pub(crate) fn read(data: &DataDirectory, run: &Run) -> Result<Self, Failure> {
        let path = data.configuration();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::here(format!("cannot read {}: {error}", path.display()))),
        };
        let raw = parse(&text).map_err(|reason| Failure::configuration(format!("{}: {reason}", path.display())))?;
        let host = run.host.clone().or(raw.host).unwrap_or_else(|| "localhost".to_owned());
        Ok(Self { host: host.to_ascii_lowercase(), certificate_names: raw.certs.names })
    }
}

fn parse(text: &str) -> Result<Raw, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| format!("not TOML: {}", error.message()))?;
    for key in table.keys() {
        if !TOP_LEVEL.contains(&key.as_str()) {
            let nearest = nearest(key, &TOP_LEVEL);
            return Err(format!("there is no key `{key}`; did you mean `{nearest}`? Correct or remove it."));
        }
    }
    Raw::deserialize(table).map_err(|error| format!("{}; correct the value.", error.message().trim_end()))
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
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_means_all_defaults() {
        assert!(parse("").is_ok());
        assert!(parse(include_str!("conclave.toml")).is_ok());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = parse("[video-bridge]\nmedia_port = 1").map(|_| ()).unwrap_err();
        assert_eq!(error, "there is no key `video-bridge`; did you mean `videobridge`? Correct or remove it.");
    }

    #[test]
    fn the_first_configuration_with_every_key_live_names_only_known_tables() {
        let live: String = include_str!("conclave.toml")
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .filter(|line| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
            .map(|line| format!("{line}\n"))
            .collect();
        let raw = parse(&live).expect("all keys known");
        assert_eq!(raw.certs.names, ["192.168.1.7"]);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        assert!(parse("host = 5").is_err());
        assert!(parse("host = ").is_err());
    }
}
