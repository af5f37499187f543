//! Roles and affiliations (XEP-0045 §5).

use std::fmt;

/// Long-lived standing of an account in a room, lowest first (XEP-0045 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affiliation {
    /// Banned.
    Outcast,
    /// Nothing known.
    None,
    /// May enter a members-only room.
    Member,
    /// May ban, grant membership and voice.
    Admin,
    /// May configure and destroy the room.
    Owner,
}

impl Affiliation {
    /// The value of attribute `affiliation`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads the value of attribute `affiliation`.
    pub fn parse(value: &str) -> Option<Self> {
        [Self::Outcast, Self::None, Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|affiliation| affiliation.as_str() == value)
    }

    /// The role this affiliation enters with (XEP-0045 §5.1.2).
    pub fn initial_role(self, moderated: bool) -> Role {
        match self {
            Self::Owner | Self::Admin => Role::Moderator,
            Self::Member => Role::Participant,
            Self::None if moderated => Role::Visitor,
            Self::None => Role::Participant,
            Self::Outcast => Role::None,
        }
    }
}

impl fmt::Display for Affiliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Standing of an occupant for the length of a visit, lowest first (XEP-0045 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Not in the room.
    None,
    /// May listen.
    Visitor,
    /// May speak.
    Participant,
    /// May kick and give or take voice.
    Moderator,
}

impl Role {
    /// The value of attribute `role`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    /// Reads the value of attribute `role`.
    pub fn parse(value: &str) -> Option<Self> {
        [Self::None, Self::Visitor, Self::Participant, Self::Moderator].into_iter().find(|role| role.as_str() == value)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
