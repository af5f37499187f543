//! Identifiers as types, checked where they enter.
//!
//! All text identifiers are shared strings: a clone costs a reference count, so they may be passed freely on the
//! media path.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest text identifier accepted, in bytes. Real ones are 8 (endpoint) to 36 (meeting) bytes long.
pub const ID_LEN_MAX: usize = 128;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("an identifier must not be empty")]
    Empty,
    /// The text is longer than [`ID_LEN_MAX`] bytes.
    #[error("an identifier must not be longer than {ID_LEN_MAX} bytes")]
    TooLong,
    /// The text holds a character that cannot stand in a URL path segment even when escaped by careless peers.
    #[error("an identifier must not contain control characters or any of / ? #")]
    Character,
    /// The text is not an unsigned 32-bit number.
    #[error("an SSRC must be a number from 0 to 4294967295")]
    Number,
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        Err(InvalidId::Empty)
    } else if text.len() > ID_LEN_MAX {
        Err(InvalidId::TooLong)
    } else if text.chars().any(|c| c.is_control() || matches!(c, '/' | '?' | '#')) {
        Err(InvalidId::Character)
    } else {
        Ok(())
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps `text`.
            ///
            /// # Errors
            /// When the text is empty, longer than [`ID_LEN_MAX`] or holds a forbidden character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl core::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;
            fn try_from(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl xso::FromXmlText for $name {
            fn from_xml_text(text: String) -> Result<Self, xso::error::Error> {
                Self::new(text).map_err(xso::error::Error::text_parse_error)
            }
        }

        impl xso::AsXmlText for $name {
            fn as_xml_text(&self) -> Result<Cow<'_, str>, xso::error::Error> {
                Ok(Cow::Borrowed(&self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id! {
    /// One client in a conference: equals its room nickname; browsers use 8 hexadecimal digits.
    EndpointId
}
text_id! {
    /// A conference inside one bridge: a random text that appears in bridge-channel URLs.
    /// Not the [`MeetingId`].
    ConferenceId
}
text_id! {
    /// A meeting as the focus knows it, the same on all its bridges: a UUID.
    MeetingId
}
text_id! {
    /// One audio or video source: `<endpoint>-a0`, `<endpoint>-v0`, `<endpoint>-v1`, …
    SourceName
}
text_id! {
    /// A bridge as the other end of a bridge-to-bridge link.
    RelayId
}

impl SourceName {
    /// The name clients give to the audio source number `index` of `endpoint`.
    ///
    /// # Errors
    /// When the endpoint id is so long that the name exceeds [`ID_LEN_MAX`].
    pub fn audio(endpoint: &EndpointId, index: usize) -> Result<Self, InvalidId> {
        Self::new(format!("{endpoint}-a{index}"))
    }

    /// The name clients give to the video source number `index` of `endpoint`.
    ///
    /// # Errors
    /// When the endpoint id is so long that the name exceeds [`ID_LEN_MAX`].
    pub fn video(endpoint: &EndpointId, index: usize) -> Result<Self, InvalidId> {
        Self::new(format!("{endpoint}-v{index}"))
    }
}

/// A synchronisation source of RTP, RFC 3550 §3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Ssrc {
    fn from(ssrc: u32) -> Self {
        Self(ssrc)
    }
}

impl FromStr for Ssrc {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(Self).map_err(|_| InvalidId::Number)
    }
}

impl xso::FromXmlText for Ssrc {
    fn from_xml_text(text: String) -> Result<Self, xso::error::Error> {
        text.parse().map_err(|error: InvalidId| xso::error::Error::text_parse_error(error))
    }
}

impl xso::AsXmlText for Ssrc {
    fn as_xml_text(&self) -> Result<Cow<'_, str>, xso::error::Error> {
        Ok(Cow::Owned(self.0.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_are_checked() {
        assert_eq!(EndpointId::new("79f0273d").unwrap().as_str(), "79f0273d");
        assert_eq!(EndpointId::new(""), Err(InvalidId::Empty));
        assert_eq!(EndpointId::new("a/b"), Err(InvalidId::Character));
        assert_eq!(EndpointId::new("a\nb"), Err(InvalidId::Character));
        assert!(EndpointId::new("a".repeat(ID_LEN_MAX)).is_ok());
        assert_eq!(EndpointId::new("a".repeat(ID_LEN_MAX + 1)), Err(InvalidId::TooLong));
    }

    #[test]
    fn source_names_follow_the_clients() {
        let endpoint = EndpointId::new("79f0273d").unwrap();
        assert_eq!(SourceName::audio(&endpoint, 0).unwrap(), "79f0273d-a0");
        assert_eq!(SourceName::video(&endpoint, 1).unwrap(), "79f0273d-v1");
    }

    #[test]
    fn ssrc_is_the_whole_32_bit_range() {
        assert_eq!("4294967295".parse(), Ok(Ssrc(u32::MAX)));
        assert_eq!("4294967296".parse::<Ssrc>(), Err(InvalidId::Number));
        assert_eq!("-1".parse::<Ssrc>(), Err(InvalidId::Number));
    }

    #[test]
    fn json_refuses_what_text_refuses() {
        assert!(serde_json::from_str::<EndpointId>("\"ab\"").is_ok());
        assert!(serde_json::from_str::<EndpointId>("\"\"").is_err());
        assert!(serde_json::from_str::<EndpointId>("7").is_err());
    }
}
