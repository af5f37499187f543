//! Reading a table key by key; what is left over at the end was misspelt.

use std::ops::RangeInclusive;

use thiserror::Error;
use toml::{Table, Value};

/// A mistake in the configuration: one sentence naming the key and the remedy.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct ConfigError(String);

impl ConfigError {
    pub(super) fn new(sentence: String) -> Self {
        Self(sentence)
    }
}

/// One table and the keys asked of it so far.
#[derive(Debug)]
pub(super) struct Section {
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Section {
    pub(super) fn root(text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            ConfigError::new(format!("conclave.toml is not valid TOML: {}", error.to_string().trim_end()))
        })?;
        for assignment in overrides {
            apply(&mut table, assignment)?;
        }
        Ok(Self { path: String::new(), table, known: Vec::new() })
    }

    /// Nothing is written in it.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn wrong(&self, key: &str, expected: &str) -> ConfigError {
        ConfigError::new(format!("{} must be {expected}.", self.name(key)))
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    pub(super) fn string(&mut self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text in quotes")),
        }
    }

    pub(super) fn required_string(&mut self, key: &'static str) -> Result<String, ConfigError> {
        self.string(key)?.ok_or_else(|| self.wrong(key, "given"))
    }

    pub(super) fn one_of(&mut self, key: &'static str, choices: &[&str]) -> Result<String, ConfigError> {
        self.string(key)?
            .filter(|text| choices.contains(&text.as_str()))
            .ok_or_else(|| self.wrong(key, &format!("one of {}", choices.join(", "))))
    }

    pub(super) fn strings(&mut self, key: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text),
                    _ => Err(self.wrong(key, "a list of texts")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(self.wrong(key, "a list of texts")),
        }
    }

    pub(super) fn bool(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Boolean(value)) => Ok(value),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Integer(value)) if u64::try_from(value).is_ok_and(|value| range.contains(&value)) => {
                Ok(value.unsigned_abs())
            }
            Some(_) => Err(self.wrong(key, &format!("a number from {} to {}", range.start(), range.end()))),
        }
    }

    pub(super) fn port(&mut self, key: &'static str, default: u16) -> Result<u16, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Integer(value)) if u16::try_from(value).is_ok() => Ok(value.unsigned_abs() as u16),
            Some(_) => Err(self.wrong(key, "a port number from 0 to 65535")),
        }
    }

    pub(super) fn section(&mut self, key: &'static str) -> Result<Self, ConfigError> {
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => return Err(self.wrong(key, "a section")),
        };
        Ok(Self { path: self.name(key), table, known: Vec::new() })
    }

    pub(super) fn sections(&mut self, key: &'static str) -> Result<Vec<Self>, ConfigError> {
        let values = match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.wrong(key, "a list of sections")),
        };
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Table(table) => {
                    Ok(Self { path: format!("{}[{index}]", self.name(key)), table, known: Vec::new() })
                }
                _ => Err(self.wrong(key, "a list of sections")),
            })
            .collect()
    }

    pub(super) fn json_object(
        &mut self,
        key: &'static str,
    ) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
        match self.take(key) {
            None => Ok(serde_json::Map::new()),
            Some(value @ Value::Table(_)) => match serde_json::to_value(value) {
                Ok(serde_json::Value::Object(map)) => Ok(map),
                _ => Err(self.wrong(key, "a section without dates")),
            },
            Some(_) => Err(self.wrong(key, "a section")),
        }
    }

    pub(super) fn ignore(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.take(key);
        }
    }

    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let Some(unknown) = self.table.keys().next() else {
            return Ok(());
        };
        let nearest = self.known.iter().min_by_key(|known| distance(known, unknown));
        let hint = nearest
            .map_or_else(|| "please remove it.".to_owned(), |nearest| format!("did you mean {}?", self.name(nearest)));
        Err(ConfigError::new(format!("{} is not a known key; {hint}", self.name(unknown))))
    }
}

/// `key.path=value`, the value in TOML syntax or a bare string.
fn apply(table: &mut Table, assignment: &str) -> Result<(), ConfigError> {
    let bad = || ConfigError::new(format!("--set {assignment} is not of the form key.path=value."));
    let (path, text) = assignment.split_once('=').ok_or_else(bad)?;
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| if parsed.len() == 1 { parsed.remove("v") } else { None })
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or_else(bad)?;
    let mut place = table;
    for key in keys {
        let inner = place.entry(key.to_owned()).or_insert_with(|| Value::Table(Table::new()));
        place = inner.as_table_mut().ok_or_else(bad)?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn overrides_take_toml_values_and_bare_strings() {
        let mut table = Table::new();
        for assignment in ["a.b=1", "a.c=true", "d=meet.example", "e=[\"x\"]", "f=\"quoted\"", "g="] {
            apply(&mut table, assignment).expect("valid");
        }
        assert_eq!(
            table,
            "d = 'meet.example'\ne = ['x']\nf = 'quoted'\ng = ''\n[a]\nb = 1\nc = true\n"
                .parse::<Table>()
                .expect("toml")
        );
        assert!(apply(&mut table, "d.x=1").is_err());
    }
}
