//! The configuration form (XEP-0045 §10.2): what owners read and what they may submit.

use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::Affiliation;
use crate::muc::config::RoomConfig;
use crate::muc::history::HISTORY_MESSAGES_MAX;
use crate::muc::policy::password::SECRET_BYTES_MAX;
use crate::muc::room::{Room, RoomContext, RoomEvent, RoomKind};
use crate::muc::settings::FOCUS_NICK;
use crate::ns;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Longest name, description or language of a room, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

const ALLOW_MEMBER_INVITES: &str = "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites";

/// A form under construction.
struct Form(Element);

impl Form {
    fn new(form_type: &'static str, kind: &'static str) -> Self {
        Self(
            Element::bare("x", ns::DATA_FORM).with("type", kind).child(
                Element::bare("field", ns::DATA_FORM)
                    .with("type", "hidden")
                    .with("var", "FORM_TYPE")
                    .child(value(form_type)),
            ),
        )
    }

    fn field(&mut self, var: &str, kind: &'static str, label: &'static str, values: &[&str]) {
        let mut field = Element::bare("field", ns::DATA_FORM).with("type", kind).with("var", var).with("label", label);
        for text in values {
            field.append_child(value(text));
        }
        self.0.append_child(field);
    }

    fn boolean(&mut self, var: &str, label: &'static str, on: bool) {
        self.field(var, "boolean", label, &[if on { "1" } else { "0" }]);
    }

    fn choice(
        &mut self,
        var: &str,
        kind: &'static str,
        label: &'static str,
        options: &[(&str, &'static str)],
        chosen: &[&str],
    ) {
        let mut field = Element::bare("field", ns::DATA_FORM).with("type", kind).with("var", var).with("label", label);
        for (option, option_label) in options {
            field
                .append_child(Element::bare("option", ns::DATA_FORM).with("label", *option_label).child(value(option)));
        }
        for text in chosen {
            field.append_child(value(text));
        }
        self.0.append_child(field);
    }
}

fn value(text: &str) -> Element {
    Element::bare("value", ns::DATA_FORM).with_text(text)
}

/// The values of a submitted field, or `None` when the field is absent.
struct Submission<'a>(&'a Element);

impl Submission<'_> {
    fn text(&self, var: &str) -> Option<String> {
        let field =
            self.0.children().find(|field| field.is("field", ns::DATA_FORM) && field.attr("var") == Some(var))?;
        Some(field.get_child("value", ns::DATA_FORM).map(Element::text).unwrap_or_default())
    }

    fn boolean(&self, var: &str) -> Result<Option<bool>, StanzaError> {
        match self.text(var).as_deref() {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false" | "") => Ok(Some(false)),
            Some(_) => Err(invalid(var)),
        }
    }

    fn number(&self, var: &str, max: usize) -> Result<Option<usize>, StanzaError> {
        match self.text(var) {
            None => Ok(None),
            Some(text) => text.parse().map(|number: usize| Some(number.min(max))).map_err(|_| invalid(var)),
        }
    }

    fn bounded(&self, var: &str, bytes_max: usize) -> Result<Option<String>, StanzaError> {
        match self.text(var) {
            Some(text) if text.len() > bytes_max => Err(invalid(var)),
            text => Ok(text),
        }
    }
}

fn invalid(var: &str) -> StanzaError {
    StanzaError::new(Condition::NotAcceptable)
        .of_type(crate::stanza_error::ErrorType::Modify)
        .text(format!("The value of {var} is not acceptable."))
}

impl Room {
    /// The form, for owners.
    pub(super) fn config_form(
        &self,
        sender: &SenderContext,
        rcx: &RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        if self.affiliation(&sender.jid.to_bare(), rcx) < Affiliation::Owner {
            return Err(StanzaError::new(Condition::Forbidden).text("Only owners can configure rooms"));
        }
        let config = &self.config;
        let mut form = Form::new(ns::MUC_ROOMCONFIG, "form");
        form.field("muc#roomconfig_roomname", "text-single", "Title", &[&config.name]);
        form.field("muc#roomconfig_roomdesc", "text-single", "Description", &[&config.description]);
        form.field("muc#roomconfig_lang", "text-single", "Language of the room", &[&config.language]);
        form.boolean("muc#roomconfig_persistentroom", "Keep the room when it is empty", config.persistent);
        form.boolean("muc#roomconfig_publicroom", "List the room", config.public);
        form.field("muc#roomconfig_roomsecret", "text-private", "Password", &[&config.secret]);
        form.boolean("muc#roomconfig_membersonly", "Only members may enter", config.members_only);
        form.boolean(ALLOW_MEMBER_INVITES, "Members may invite new members", config.allow_member_invites);
        form.boolean("muc#roomconfig_changesubject", "Anyone may set the subject", config.change_subject);
        form.boolean("muc#roomconfig_moderatedroom", "Newcomers need permission to speak", config.moderated);
        form.choice(
            "muc#roomconfig_whois",
            "list-single",
            "Who sees the addresses of occupants",
            &[("moderators", "Moderators only"), ("anyone", "Anyone")],
            &[if config.whois_anyone { "anyone" } else { "moderators" }],
        );
        form.field(
            "muc#roomconfig_historylength",
            "text-single",
            "Messages kept for newcomers",
            &[&config.history_length.to_string()],
        );
        form.field(
            "muc#roomconfig_defaulthistorymessages",
            "text-single",
            "Messages sent to a newcomer that does not say how many",
            &[&config.default_history_messages.to_string()],
        );
        form.choice(
            "muc#roomconfig_presencebroadcast",
            "list-multi",
            "Roles whose presence is shown",
            &[("visitor", "Visitor"), ("participant", "Participant"), ("moderator", "Moderator")],
            &["visitor", "participant", "moderator"],
        );
        if self.has_meeting_features() {
            self.meeting_fields(&mut form);
        }
        let mut query = Element::bare("query", ns::MUC_OWNER);
        query.append_child(form.0);
        Ok(Some(query))
    }

    /// What Jitsi's clients and focus read in both forms.
    fn meeting_fields(&self, form: &mut Form) {
        form.field("muc#roominfo_meetingId", "text-single", "The meeting unique id.", &[&self.meeting_id]);
        if let Some(main) = &self.breakout_main {
            // COMPAT(lib-jitsi-meet): any value at all, "0" included, reads as true; so it is left out elsewhere.
            form.field("muc#roominfo_isbreakout", "boolean", "Is this a breakout room?", &["1"]);
            form.field(
                "muc#roominfo_breakout_main_room",
                "text-single",
                "The main room associated with this breakout room",
                &[main.as_str()],
            );
        }
    }

    /// `jabber:x:data` of the room's disco#info.
    pub(super) fn info_form(&self) -> Element {
        let config = &self.config;
        let mut form = Form::new(ns::MUC_ROOMINFO, "result");
        form.field("muc#roominfo_description", "text-single", "Description", &[&config.description]);
        form.field("muc#roominfo_lang", "text-single", "Language", &[&config.language]);
        form.field(
            "muc#roominfo_occupants",
            "text-single",
            "Number of occupants",
            &[&self.occupants.len().to_string()],
        );
        form.field("muc#roomconfig_roomname", "text-single", "Title", &[&config.name]);
        form.boolean("muc#roomconfig_changesubject", "Anyone may set the subject", config.change_subject);
        form.boolean(ALLOW_MEMBER_INVITES, "Members may invite new members", config.allow_member_invites);
        form.boolean(
            "muc#roomconfig_allowinvites",
            "Users may invite others",
            !config.members_only || config.allow_member_invites,
        );
        if self.has_meeting_features() {
            self.meeting_fields(&mut form);
            if let Some(created_ms) = self.created_timestamp_ms {
                form.field(
                    "muc#roominfo_created_timestamp",
                    "text-single",
                    "The meeting created_timestamp.",
                    &[&created_ms.to_string()],
                );
            }
            if let Some(lobby) = &self.lobby {
                form.field("muc#roominfo_lobbyroom", "text-single", "Lobby room jid", &[lobby.as_str()]);
            }
        }
        form.0
    }

    /// Applies a submitted form: only the fields that are in it.
    pub(super) fn submit_config(
        &mut self,
        sender: &SenderContext,
        query: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        let form = query.get_child("x", ns::DATA_FORM).ok_or(Condition::BadRequest)?;
        match form.attr("type") {
            Some("cancel") => return Ok(None),
            Some("submit") => {}
            _ => return Err(Condition::BadRequest.into()),
        }
        let submission = Submission(form);
        let form_type = submission.text("FORM_TYPE");
        let has_fields = form.children().next().is_some();
        if has_fields && form_type.as_deref() != Some(ns::MUC_ROOMCONFIG) {
            return Err(StanzaError::new(Condition::BadRequest)
                .of_type(crate::stanza_error::ErrorType::Cancel)
                .text("Form is not of type room configuration"));
        }
        let new = self.read_config(sender, &submission)?;
        self.apply_config(sender, new, rcx);
        Ok(None)
    }

    fn read_config(&self, sender: &SenderContext, submission: &Submission<'_>) -> Result<RoomConfig, StanzaError> {
        let mut new = self.config.clone();
        if let Some(name) = submission.bounded("muc#roomconfig_roomname", TEXT_BYTES_MAX)? {
            new.name = name;
        }
        if let Some(text) = submission.bounded("muc#roomconfig_roomdesc", TEXT_BYTES_MAX)? {
            new.description = text;
        }
        if let Some(language) = submission.bounded("muc#roomconfig_lang", TEXT_BYTES_MAX)? {
            new.language = language;
        }
        if let Some(secret) = submission.bounded("muc#roomconfig_roomsecret", SECRET_BYTES_MAX)? {
            new.secret = secret;
        }
        if let Some(on) = submission.boolean("muc#roomconfig_membersonly")? {
            new.members_only = on;
        }
        if let Some(on) = submission.boolean(ALLOW_MEMBER_INVITES)? {
            new.allow_member_invites = on;
        }
        if let Some(on) = submission.boolean("muc#roomconfig_changesubject")? {
            new.change_subject = on;
        }
        match submission.text("muc#roomconfig_whois").as_deref() {
            None => {}
            Some("anyone") => new.whois_anyone = true,
            Some("moderators") => new.whois_anyone = false,
            Some(_) => return Err(invalid("muc#roomconfig_whois")),
        }
        if let Some(length) = submission.number("muc#roomconfig_historylength", HISTORY_MESSAGES_MAX)? {
            new.history_length = length;
            new.default_history_messages = new.default_history_messages.min(length);
        }
        if let Some(length) = submission.number("muc#roomconfig_defaulthistorymessages", HISTORY_MESSAGES_MAX)? {
            new.default_history_messages = length.min(new.history_length);
        }
        // A meeting is over when everybody left, is in no list and gives everybody a voice: those stay with the
        // administrators, as does everything in a room of the server's own.
        if sender.is_admin || !self.has_meeting_features() {
            if let Some(on) = submission.boolean("muc#roomconfig_persistentroom")? {
                new.persistent = on && sender.is_admin;
            }
            if let Some(on) = submission.boolean("muc#roomconfig_publicroom")? {
                new.public = on;
            }
            if let Some(on) = submission.boolean("muc#roomconfig_moderatedroom")? {
                new.moderated = on && !self.has_meeting_features();
            }
        }
        Ok(new)
    }

    fn apply_config(&mut self, sender: &SenderContext, new: RoomConfig, rcx: &mut RoomContext<'_, '_>) {
        if new == self.config {
            return;
        }
        let old = std::mem::replace(&mut self.config, new);
        let mut codes = vec!["104"];
        if old.whois_anyone != self.config.whois_anyone {
            codes.push(if self.config.whois_anyone { "172" } else { "173" });
        }
        self.history_trim();
        if old.members_only != self.config.members_only {
            // The lobby of a meeting comes and goes with membership; the focus never toggles it.
            let is_focus = sender.jid.node().is_some_and(|node| node.as_str() == FOCUS_NICK);
            if self.kind == RoomKind::Conference && self.has_meeting_features() && !is_focus {
                let actor = self.occupant(&sender.jid).map_or_else(String::new, |occupant| occupant.nick().to_owned());
                let enabled = self.config.members_only;
                rcx.events.push(RoomEvent::MembersOnly { actor, enabled });
            }
        }
        rcx.events.push(RoomEvent::Configured { codes });
        if self.config.members_only && !old.members_only {
            self.expel_non_members(rcx);
        }
    }

    fn history_trim(&mut self) {
        let length = self.config.history_length;
        self.history.trim(length);
    }

    /// Membership was switched on: those without it have to leave (status 322).
    fn expel_non_members(&mut self, rcx: &mut RoomContext<'_, '_>) {
        let strangers: Vec<_> = self
            .occupants
            .iter()
            .filter(|(_, occupant)| self.affiliation(&occupant.account, rcx) <= Affiliation::None)
            .map(|(id, _)| *id)
            .collect();
        for id in strangers {
            self.expel(id, "322", None, None, rcx);
        }
    }
}
