//! An occupant of a room, as its presence tells.

use jid::{FullJid, Jid};
use minidom::Element;
use protocol::ids::EndpointId;
use protocol::ns;
use protocol::presence::participant;
use protocol::presence::source_info::SourceInfo;

use crate::features::{Caps, Features};

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Watches only.
    Visitor,
    /// Takes part.
    Participant,
    /// Moderates.
    Moderator,
    /// Owns the room.
    Owner,
}

impl Role {
    /// Whether it moderates.
    pub fn is_moderator(self) -> bool {
        self >= Self::Moderator
    }
}

/// The `<x xmlns='…muc#user'/>` of a presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MucItem {
    /// Role and affiliation in one.
    pub role: Role,
    /// Real address, where the room shows it.
    pub real_jid: Option<Jid>,
    /// Status codes.
    pub codes: Vec<u16>,
    /// Whether the room was destroyed.
    pub destroyed: bool,
}

impl MucItem {
    /// Reads it. A missing item counts as a visitor without address.
    pub fn from_presence(presence: &Element) -> Self {
        let x = presence.get_child("x", ns::MUC_USER);
        let item = x.and_then(|x| x.get_child("item", ns::MUC_USER));
        let attr = |name: &'static str| item.and_then(|item| item.attr(name));
        let role = match (attr("affiliation"), attr("role")) {
            (Some("owner"), _) => Role::Owner,
            (Some("admin"), _) | (_, Some("moderator")) => Role::Moderator,
            (_, Some("participant")) => Role::Participant,
            _ => Role::Visitor,
        };
        Self {
            role,
            real_jid: attr("jid").and_then(|jid| jid.parse().ok()),
            codes: x
                .into_iter()
                .flat_map(Element::children)
                .filter(|e| e.name() == "status")
                .filter_map(|e| e.attr("code")?.parse().ok())
                .collect(),
            destroyed: x.is_some_and(|x| x.has_child("destroy", ns::MUC_USER)),
        }
    }

    /// Whether the presence is about the receiver itself.
    pub fn is_own(&self) -> bool {
        self.codes.contains(&110)
    }
}

/// Software that is not a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robot {
    /// Records or streams.
    Jibri,
    /// Telephony.
    Jigasi,
    /// Transcribes.
    Transcriber,
}

/// One occupant. What its presence says now; features are learnt apart.
#[derive(Debug, Clone)]
pub struct Member {
    /// Nickname, which is the endpoint id.
    pub endpoint: EndpointId,
    /// Address in the room.
    pub occupant: FullJid,
    /// Real address.
    pub real_jid: Option<Jid>,
    /// Rights.
    pub role: Role,
    /// Whether it is not a person. Believed only of trusted domains.
    pub robot: Option<Robot>,
    /// Where it is.
    pub region: Option<String>,
    /// Name for statistics.
    pub stats_id: Option<String>,
    /// Codecs it prefers.
    pub codecs: Vec<String>,
    /// Whether a microphone is on.
    pub sends_audio: bool,
    /// Whether a camera or screen is on.
    pub sends_video: bool,
    /// `switch_room` while it moves to a breakout room.
    pub status: Option<String>,
    /// Its capabilities hash.
    pub caps: Option<Caps>,
    /// What it can do, once known.
    pub features: Option<Features>,
    /// The how-manieth to join; elections go by it.
    pub order: u64,
}

impl Member {
    /// A newcomer.
    pub fn new(endpoint: EndpointId, occupant: FullJid, order: u64) -> Self {
        Self {
            endpoint,
            occupant,
            real_jid: None,
            role: Role::Visitor,
            robot: None,
            region: None,
            stats_id: None,
            codecs: Vec::new(),
            sends_audio: false,
            sends_video: false,
            status: None,
            caps: None,
            features: None,
            order,
        }
    }

    /// Takes over what a presence says. Presence is a full snapshot: what is missing is unset.
    pub fn update(&mut self, presence: &Element, item: &MucItem, trusts: impl Fn(&str) -> bool) {
        self.role = item.role;
        self.real_jid = item.real_jid.clone();
        self.region = participant::region(presence);
        self.stats_id = participant::stats_id(presence);
        self.codecs = participant::codec_list(presence);
        self.status = participant::status(presence);
        match SourceInfo::from_presence(presence) {
            Some(info) => {
                self.sends_audio = info.sends_audio();
                self.sends_video = info.sends_video();
            }
            None => {
                self.sends_audio = participant::legacy_muted(presence, "audiomuted") == Some(false);
                self.sends_video = participant::legacy_muted(presence, "videomuted") == Some(false);
            }
        }
        self.caps = Caps::from_presence(presence);
        self.robot = None;
        if item.real_jid.as_ref().is_some_and(|jid| trusts(jid.domain().as_str())) {
            self.robot = participant::features(presence).iter().find_map(|var| match var.as_str() {
                ns::JIBRI => Some(Robot::Jibri),
                ns::JIGASI => Some(Robot::Jigasi),
                "http://jitsi.org/protocol/transcriber" => Some(Robot::Transcriber),
                _ => None,
            });
        }
    }

    /// Whether it takes part in elections and counts.
    pub fn is_person(&self) -> bool {
        self.robot.is_none() && self.role != Role::Visitor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(item: &str, children: &str, trusted: &str) -> Member {
        let presence: Element = format!(
            "<presence xmlns='jabber:client'>{children}<x xmlns='http://jabber.org/protocol/muc#user'>{item}</x></presence>"
        )
        .parse()
        .unwrap();
        let mut member = Member::new(EndpointId::new("ab").unwrap(), "r@c.x/ab".parse().unwrap(), 0);
        member.update(&presence, &MucItem::from_presence(&presence), |domain| domain == trusted);
        member
    }

    #[test]
    fn roles() {
        for (item, role) in [
            ("<item affiliation='owner' role='moderator'/>", Role::Owner),
            ("<item affiliation='admin' role='moderator'/>", Role::Moderator),
            ("<item affiliation='none' role='moderator'/>", Role::Moderator),
            ("<item affiliation='member' role='participant'/>", Role::Participant),
            ("<item affiliation='none' role='visitor'/>", Role::Visitor),
            ("<item role='of my own'/>", Role::Visitor),
            ("", Role::Visitor),
        ] {
            assert_eq!(member(item, "", "").role, role, "{item}");
        }
    }

    #[test]
    fn robots_are_believed_of_trusted_domains_only() {
        let item = "<item role='participant' jid='rec@hidden.x/y'/>";
        let features = "<features><feature var='http://jitsi.org/protocol/jibri'/></features>";
        assert_eq!(member(item, features, "hidden.x").robot, Some(Robot::Jibri));
        assert_eq!(member(item, features, "x").robot, None);
        assert_eq!(member("<item role='participant'/>", features, "hidden.x").robot, None);
    }
}
