//! Contacts (RFC 6121 §2): the list a member keeps, and who may see whose presence.

use jid::BareJid;
use minidom::Element;

use crate::stanza_error::{Condition, ErrorType, StanzaError};
use crate::xml::ElementExt;

/// Namespace of contact lists.
pub const NS_ROSTER: &str = "jabber:iq:roster";
/// Contacts of one account.
pub const ITEMS_MAX: usize = 2_000;
/// Groups of one contact.
pub const GROUPS_MAX: usize = 32;
/// Length of the name of a contact or group, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// Who sees whose presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The owner of the list sees the contact's presence.
    pub to: bool,
    /// The contact sees the presence of the owner.
    pub from: bool,
    /// The owner asked to see and has no answer yet.
    pub ask: bool,
}

impl Subscription {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match (self.to, self.from) {
            (false, false) => "none",
            (true, false) => "to",
            (false, true) => "from",
            (true, true) => "both",
        }
    }

    /// Reads what [`Subscription::as_str`] wrote.
    pub fn parse(text: &str, ask: bool) -> Option<Self> {
        let (to, from) = match text {
            "none" => (false, false),
            "to" => (true, false),
            "from" => (false, true),
            "both" => (true, true),
            _ => return None,
        };
        Some(Self { to, from, ask })
    }
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterItem {
    /// The contact.
    pub contact: BareJid,
    /// What the owner calls the contact.
    pub name: Option<String>,
    /// Groups the owner put the contact in.
    pub groups: Vec<String>,
    /// Who sees whom.
    pub subscription: Subscription,
    /// The contact asked to see the owner's presence and waits for an answer. Never sent to
    /// clients as part of the list.
    pub pending_in: bool,
}

impl RosterItem {
    /// A contact about whom nothing is known.
    pub fn new(contact: BareJid) -> Self {
        Self { contact, name: None, groups: Vec::new(), subscription: Subscription::default(), pending_in: false }
    }

    /// Whether the item is part of the list, not only a memory of a request (RFC 6121 §3.1.3).
    pub fn is_listed(&self) -> bool {
        self.subscription != Subscription::default() || !self.pending_in
    }

    /// `<item/>`.
    pub fn to_element(&self) -> Element {
        let mut item = Element::bare("item", NS_ROSTER)
            .with("jid", self.contact.as_str())
            .with_opt("name", self.name.clone())
            .with("subscription", self.subscription.as_str())
            .with_opt("ask", self.subscription.ask.then_some("subscribe"));
        for group in &self.groups {
            item.append_child(Element::bare("group", NS_ROSTER).with_text(group.as_str()));
        }
        item
    }
}

/// What a member wants of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterSet {
    /// Add the contact, or change name and groups.
    Update {
        /// Who.
        contact: BareJid,
        /// The name.
        name: Option<String>,
        /// The groups.
        groups: Vec<String>,
    },
    /// Remove the contact and end both subscriptions.
    Remove {
        /// Who.
        contact: BareJid,
    },
}

impl RosterSet {
    /// Reads `<query/>` of a `set` (RFC 6121 §2.1.5, §2.3.3).
    pub fn parse(query: &Element) -> Result<Self, StanzaError> {
        let bad = || StanzaError::new(Condition::BadRequest);
        let mut items = query.children();
        let (Some(item), None) = (items.next(), items.next()) else {
            return Err(bad());
        };
        if !item.is("item", NS_ROSTER) {
            return Err(bad());
        }
        let contact = jid::Jid::new(item.attr("jid").ok_or_else(bad)?).map_err(|_| bad())?.into_bare();
        if item.attr("subscription") == Some("remove") {
            return Ok(Self::Remove { contact });
        }
        let not_acceptable = || StanzaError::new(Condition::NotAcceptable).of_type(ErrorType::Modify);
        let name = item.attr("name").filter(|name| !name.is_empty());
        if name.is_some_and(|name| name.len() > NAME_BYTES_MAX) {
            return Err(not_acceptable());
        }
        let mut groups = Vec::new();
        for group in item.children().filter(|child| child.is("group", NS_ROSTER)) {
            let group = group.text();
            if group.is_empty() || group.len() > NAME_BYTES_MAX || groups.len() >= GROUPS_MAX {
                return Err(not_acceptable());
            }
            if groups.contains(&group) {
                return Err(bad());
            }
            groups.push(group);
        }
        Ok(Self::Update { contact, name: name.map(str::to_owned), groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(item: &str) -> Result<RosterSet, StanzaError> {
        RosterSet::parse(&format!("<query xmlns='jabber:iq:roster'>{item}</query>").parse().expect("well-formed"))
    }

    #[test]
    fn items_come_back_as_they_were_sent() {
        let set = parse("<item jid='bob@d' name='Bob'><group>Work</group></item>").expect("valid");
        let RosterSet::Update { contact, name, groups } = set else { panic!("an update") };
        let item = RosterItem { name, groups, ..RosterItem::new(contact) };
        assert_eq!(
            crate::xml::to_string(&item.to_element()),
            "<item xmlns='jabber:iq:roster' jid='bob@d' name='Bob' subscription='none'><group>Work</group></item>"
        );
        assert!(matches!(parse("<item jid='bob@d' subscription='remove'/>"), Ok(RosterSet::Remove { .. })));
    }

    #[test]
    fn what_rfc_6121_forbids_is_refused() {
        for bad in [
            "",
            "<item/>",
            "<item jid='@'/>",
            "<item jid='a@d'/><item jid='b@d'/>",
            "<item jid='a@d'><group>x</group><group>x</group></item>",
        ] {
            assert_eq!(parse(bad).expect_err("bad").condition(), Condition::BadRequest, "{bad}");
        }
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        let groups: String = (0..=GROUPS_MAX).map(|i| format!("<group>{i}</group>")).collect();
        for bad in [
            format!("<item jid='a@d' name='{long}'/>"),
            format!("<item jid='a@d'><group>{long}</group></item>"),
            "<item jid='a@d'><group/></item>".into(),
            format!("<item jid='a@d'>{groups}</item>"),
        ] {
            assert_eq!(parse(&bad).expect_err("too much").condition(), Condition::NotAcceptable);
        }
    }
}
