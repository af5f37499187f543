//! `<stats/>`: what a bridge tells about itself in brewery presence.

use xso::{AsXml, FromXml};

use crate::ns;

/// Named values. A presence with this element in a brewery room is what makes an occupant a bridge.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI, name = "stats")]
pub struct BridgeStats {
    /// In the order sent.
    #[xml(child(n = ..))]
    pub stats: Vec<BridgeStat>,
}

/// One `<stat name='' value=''/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI, name = "stat")]
pub struct BridgeStat {
    /// Name.
    #[xml(attribute)]
    pub name: String,
    /// Value as text.
    #[xml(attribute(default))]
    pub value: String,
}

impl BridgeStats {
    /// The text of a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.stats.iter().find(|s| s.name == name).map(|s| s.value.as_str())
    }

    /// A numeric value.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok().filter(|n: &f64| n.is_finite())
    }

    /// A boolean value.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|v| v == "true")
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.stats.push(BridgeStat { name: name.to_owned(), value: value.to_string() });
        self
    }
}
