use serde::Serialize;

/// One of the three processes, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// Authentication, rooms, the web entry.
    XmppServer,
    /// Forwards media.
    Videobridge,
    /// Allocates conferences.
    Focus,
}

impl Part {
    /// All parts, in starting order.
    pub(crate) const ALL: [Self; 3] = [Self::XmppServer, Self::Videobridge, Self::Focus];

    /// As people and configuration sections call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::XmppServer => "xmpp-server",
            Self::Videobridge => "videobridge",
            Self::Focus => "focus",
        }
    }

    /// File name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::XmppServer => "conclave-xmpp-server",
            Self::Videobridge => "conclave-videobridge",
            Self::Focus => "conclave-focus",
        }
    }
}
