//! What the focus publishes in its own room presence.

use xso::{AsXml, FromXml};

use crate::ns;

/// `<conference-properties/>`. Always the whole set: clients forget what is missing.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "conference-properties")]
pub struct ConferenceProperties {
    /// The properties.
    #[xml(child(n = ..))]
    pub properties: Vec<ConferenceProperty>,
}

/// One `<property key='' value=''/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "property")]
pub struct ConferenceProperty {
    /// For example `bridge-count`.
    #[xml(attribute)]
    pub key: String,
    /// Its value.
    #[xml(attribute)]
    pub value: String,
}

impl ConferenceProperties {
    /// The value of a property.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.key == key).map(|p| p.value.as_str())
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.properties.push(ConferenceProperty { key: key.to_owned(), value: value.to_string() });
        self
    }
}

/// `<versions/>`: which software takes part.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET, name = "versions")]
pub struct Versions {
    /// One per component.
    #[xml(child(n = ..))]
    pub components: Vec<ComponentVersion>,
}

/// `<component name='focus'>1.0</component>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET, name = "component")]
pub struct ComponentVersion {
    /// Name, for example `focus`.
    #[xml(attribute)]
    pub name: String,
    /// Version.
    #[xml(text)]
    pub version: String,
}

/// `<etherpad/>`: the document shared by the room.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET_ETHERPAD, name = "etherpad")]
pub struct Etherpad {
    /// Its name.
    #[xml(text)]
    pub document: String,
}

/// `<bridgeNotAvailable/>`: no bridge can take the conference at the moment.
#[derive(FromXml, AsXml, Debug, Clone, Default, PartialEq, Eq)]
#[xml(namespace = ns::FOCUS, name = "bridgeNotAvailable")]
pub struct BridgeNotAvailable;

#[cfg(test)]
mod tests {
    use super::*;
    use minidom::Element;

    /// From Jicofo's presence in a room.
    const RECORDED: &str = "<conference-properties xmlns='http://jitsi.org/protocol/focus'>\
        <property key='support-terminate-restart' value='true'/></conference-properties>";

    #[test]
    fn recorded_properties_and_versions() {
        let parsed = ConferenceProperties::try_from(RECORDED.parse::<Element>().unwrap()).unwrap();
        assert_eq!(parsed.get("support-terminate-restart"), Some("true"));
        assert_eq!(parsed, ConferenceProperties::default().with("support-terminate-restart", true));
        let versions: Element =
            "<versions xmlns='http://jitsi.org/jitmeet'><component name='focus'>1.1.SNAPSHOT</component></versions>"
                .parse()
                .unwrap();
        let parsed = Versions::try_from(versions.clone()).unwrap();
        assert_eq!(parsed.components[0].version, "1.1.SNAPSHOT");
        assert_eq!(Element::from(parsed), versions);
    }
}
