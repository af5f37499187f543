//! Being in the room: joining, configuring, publishing what clients look for, leaving.
//!
//! The first presence, the question for the configuration form and its submission go out together: the server handles
//! them in order, so the room is ready after one round trip. A server that holds the first presence back refuses the
//! other two; they are then asked again once we are in.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid, Jid};
use minidom::Element;
use protocol::conference_request::{ConferenceIq, Property};
use protocol::ns;
use protocol::presence::focus::{BridgeNotAvailable, ComponentVersion, ConferenceProperties, Etherpad, Versions};

use crate::conference::{Conference, ConferenceOptions, REQUESTERS_MAX, Requester};
use crate::context::{Awaited, Context, Effect, Reply};
use crate::member::{MucItem, Role};
use crate::moderation::Moderation;
use crate::random;
use crate::sources::validation::ConferenceSources;
use crate::stanza::{Condition, Fault, element};

/// How long room metadata is waited for when the room says that it will come.
pub const METADATA_TIMEOUT_MS: u64 = 10_000;

/// How far we are in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomState {
    /// On the way in.
    Joining(Joining),
    /// In, but the room's presets are still to come.
    AwaitingMetadata {
        /// How long at most.
        until_ms: u64,
    },
    /// In.
    Joined,
}

/// What has happened on the way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// How long it may take.
    until_ms: u64,
    /// Our own presence came back.
    present: bool,
    /// The form came.
    form: Option<RoomInfo>,
    /// The submission was taken.
    configured: bool,
    /// Form or submission were refused before we were in.
    refused_early: bool,
}

/// What the form says about the room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomInfo {
    meeting_id: Option<String>,
    breakout_of: Option<BareJid>,
    presets: bool,
}

impl RoomState {
    /// When waiting ends.
    pub fn deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Joining(joining) => Some(joining.until_ms),
            Self::AwaitingMetadata { until_ms } => Some(*until_ms),
            Self::Joined => None,
        }
    }
}

impl Conference {
    /// Starts to join the room.
    pub fn start(room: BareJid, options: ConferenceOptions, ctx: &mut Context<'_>) -> Self {
        let mut conference = Self {
            room,
            options,
            state: RoomState::Joining(Joining {
                until_ms: ctx.now_ms + ctx.config.reply_timeout_ms,
                present: false,
                form: None,
                configured: false,
                refused_early: false,
            }),
            meeting_id: random::uuid(ctx.random),
            breakout_of: None,
            requesters: Vec::new(),
            participants: BTreeMap::new(),
            sources: ConferenceSources::default(),
            bridge: None,
            bridge_not_available: false,
            moderation: Moderation::default(),
            elected_owner: None,
            created_ms: ctx.now_ms,
            empty_until_ms: None,
            alone_until_ms: None,
            ended: false,
            metadata_seen: false,
            published: None,
            joined_count: 0,
            allocation_count: 0,
        };
        let mut join = conference.presence(ctx);
        conference.published = Some(join.clone());
        join.append_child(Element::bare("x", ns::MUC));
        ctx.send(join);
        conference.configure(ctx);
        conference
    }

    fn configure(&self, ctx: &mut Context<'_>) {
        let room = Jid::from(self.room.clone());
        let query = Element::bare("query", ns::MUC_OWNER);
        ctx.request("get", room.clone(), query, Awaited::RoomForm(self.room.clone()));
        ctx.request("set", room, configuration(), Awaited::RoomConfigured(self.room.clone()));
    }

    /// Our address in the room.
    pub fn own_occupant(&self, ctx: &Context<'_>) -> FullJid {
        self.room.with_resource_str(&ctx.config.nick).expect("the nickname was checked with the settings")
    }

    fn presence(&self, ctx: &Context<'_>) -> Element {
        let document = self.room.node().map_or(self.room.as_str(), |node| node.as_str());
        let bridges = usize::from(self.bridge.as_ref().is_some_and(|bridge| bridge.created));
        let mut children: Vec<Element> = vec![
            Etherpad { document: document.to_owned() }.into(),
            Versions {
                components: vec![ComponentVersion { name: "focus".to_owned(), version: ctx.config.version.clone() }],
            }
            .into(),
            ConferenceProperties::default()
                .with("support-terminate-restart", true)
                .with("bridge-count", bridges)
                .with(
                    "audio-limit-reached",
                    self.senders(|p| p.member.sends_audio) >= ctx.config.sources.audio_senders_max,
                )
                .with(
                    "video-limit-reached",
                    self.senders(|p| p.member.sends_video) >= ctx.config.sources.video_senders_max,
                )
                .into(),
        ];
        if self.bridge_not_available {
            children.push(BridgeNotAvailable.into());
        }
        element("presence", ns::CLIENT, &[("to", self.own_occupant(ctx).as_str())], children)
    }

    /// How many participants send something.
    pub fn senders(&self, sends: impl Fn(&crate::conference::Participant) -> bool) -> usize {
        self.participants.values().filter(|p| sends(p)).count()
    }

    /// Publishes the state anew. Presence replaces the one before, so everything is in it; only what asks for
    /// entrance is not, or the server would send the list of occupants again. Nothing is sent when nothing changed.
    pub fn publish(&mut self, ctx: &mut Context<'_>) {
        let presence = self.presence(ctx);
        if self.published.as_ref() != Some(&presence) {
            self.published = Some(presence.clone());
            ctx.send(presence);
        }
    }

    /// A presence about ourselves.
    pub fn own_presence(&mut self, presence: &Element, ctx: &mut Context<'_>) {
        match presence.attr("type") {
            None => {
                let item = MucItem::from_presence(presence);
                match &mut self.state {
                    RoomState::Joining(joining) => {
                        joining.present = true;
                        if std::mem::take(&mut joining.refused_early) {
                            joining.form = None;
                            joining.configured = false;
                            self.configure(ctx);
                        }
                        self.check_joined(ctx);
                    }
                    // Somebody took our ownership: nothing the focus is there for works any more.
                    _ if item.role != Role::Owner => self.stop(ctx),
                    _ => {}
                }
            }
            Some("unavailable") => self.stop(ctx),
            Some(_) => self.fail("The room does not let the focus in.", ctx),
        }
    }

    /// The configuration form, or its refusal.
    pub fn form_answered(&mut self, reply: Reply<'_>, ctx: &mut Context<'_>) {
        let RoomState::Joining(joining) = &mut self.state else { return };
        match reply {
            Reply::Result(payload) => {
                joining.form = Some(payload.map(read_form).unwrap_or_default());
                self.check_joined(ctx);
            }
            Reply::Error(_) if !joining.present => joining.refused_early = true,
            Reply::Error(_) | Reply::Timeout => self.fail("The room does not let the focus configure it.", ctx),
        }
    }

    /// The answer to the submitted form.
    pub fn configured(&mut self, reply: Reply<'_>, ctx: &mut Context<'_>) {
        let RoomState::Joining(joining) = &mut self.state else { return };
        match reply {
            Reply::Result(_) => {
                joining.configured = true;
                self.check_joined(ctx);
            }
            Reply::Error(_) if !joining.present => joining.refused_early = true,
            Reply::Error(_) | Reply::Timeout => self.fail("The room does not let the focus configure it.", ctx),
        }
    }

    fn check_joined(&mut self, ctx: &mut Context<'_>) {
        let RoomState::Joining(joining) = &self.state else { return };
        let (true, true, Some(info)) = (joining.present, joining.configured, joining.form.clone()) else { return };
        if let Some(meeting_id) = info.meeting_id {
            self.meeting_id = meeting_id;
        }
        self.breakout_of = info.breakout_of;
        if info.presets && !self.metadata_seen {
            self.state = RoomState::AwaitingMetadata { until_ms: ctx.now_ms + METADATA_TIMEOUT_MS };
        } else {
            self.joined(ctx);
        }
    }

    /// We are in and know what we need.
    pub fn joined(&mut self, ctx: &mut Context<'_>) {
        self.state = RoomState::Joined;
        if self.participants.is_empty() {
            self.empty_until_ms = Some(ctx.now_ms + ctx.config.initial_timeout_ms);
        }
        for requester in std::mem::take(&mut self.requesters) {
            self.answer(requester, true, ctx);
        }
        self.elect_owner(ctx);
        self.invite_all(ctx);
    }

    /// The connection was away for a while: the server gets the full time again.
    pub fn prolong(&mut self, ctx: &mut Context<'_>) {
        if let RoomState::Joining(joining) = &mut self.state {
            joining.until_ms = ctx.now_ms + ctx.config.reply_timeout_ms;
        }
    }

    /// Somebody wants this conference.
    pub fn requested(&mut self, requester: Requester, ctx: &mut Context<'_>) {
        if self.empty_until_ms.is_some() {
            self.empty_until_ms = Some(ctx.now_ms + ctx.config.initial_timeout_ms);
        }
        if self.state == RoomState::Joined {
            self.answer(requester, true, ctx);
        } else if self.requesters.len() < REQUESTERS_MAX {
            self.requesters.push(requester);
        } else {
            self.answer(requester, false, ctx);
        }
    }

    fn answer(&self, requester: Requester, ready: bool, ctx: &mut Context<'_>) {
        let authentication = ctx.config.authentication.is_some();
        let mut properties = vec![("authentication", authentication)];
        if authentication {
            properties.push(("externalAuth", false));
        }
        properties.push(("visitors-supported", false));
        let (Requester::Iq { login, .. } | Requester::Http { login, .. }) = &requester;
        let answer = ConferenceIq {
            room: Some(self.room.to_string()),
            ready: Some(ready),
            focusjid: Some(ctx.me.to_bare().to_string()),
            session_id: login.as_ref().map(|(session_id, _)| session_id.clone()),
            identity: login.as_ref().map(|(_, identity)| identity.clone()),
            properties: properties
                .into_iter()
                .map(|(name, value)| Property { name: name.to_owned(), value: value.to_string() })
                .collect(),
            ..ConferenceIq::default()
        };
        match requester {
            Requester::Iq { request, .. } => ctx.answer(&request, Ok(Some(answer.into()))),
            Requester::Http { token, .. } => ctx.out.push(Effect::HttpAnswer { token, answer: Ok(answer) }),
        }
    }

    /// The room cannot be had: everybody who waits is told, and the conference is over.
    fn fail(&mut self, why: &str, ctx: &mut Context<'_>) {
        self.refuse_requesters(&Fault::new(Condition::ServiceUnavailable, why), ctx);
        self.stop(ctx);
    }

    /// Answers everybody who waits with an error.
    pub fn refuse_requesters(&mut self, fault: &Fault, ctx: &mut Context<'_>) {
        for requester in std::mem::take(&mut self.requesters) {
            match requester {
                Requester::Iq { request, .. } => ctx.answer(&request, Err(fault.clone())),
                Requester::Http { token, .. } => {
                    ctx.out.push(Effect::HttpAnswer { token, answer: Err(fault.clone()) });
                }
            }
        }
    }

    /// Leaves the room.
    pub fn leave_room(&mut self, ctx: &mut Context<'_>) {
        let fault = Fault::new(Condition::ServiceUnavailable, "The conference ended. Ask again.");
        self.refuse_requesters(&fault, ctx);
        let to = self.own_occupant(ctx);
        ctx.send(element("presence", ns::CLIENT, &[("to", to.as_str()), ("type", "unavailable")], []));
    }

    /// Does what is due on the way in.
    pub fn tick_room(&mut self, ctx: &mut Context<'_>) {
        match &self.state {
            RoomState::Joining(joining) if joining.until_ms <= ctx.now_ms => {
                self.fail("The room did not answer in time.", ctx);
            }
            RoomState::AwaitingMetadata { until_ms } if *until_ms <= ctx.now_ms => self.joined(ctx),
            _ => {}
        }
    }
}

/// The submission of a room's configuration. Without real addresses in presence, clients do not recognise the focus.
pub fn configuration() -> Element {
    let field = |var: &str, value: &str| {
        let value = Element::builder("value", ns::DATA_FORMS).append(value).build();
        element("field", ns::DATA_FORMS, &[("var", var)], [value])
    };
    let form = element(
        "x",
        ns::DATA_FORMS,
        &[("type", "submit")],
        [field("FORM_TYPE", ns::MUC_ROOMCONFIG), field("muc#roomconfig_whois", "anyone")],
    );
    element("query", ns::MUC_OWNER, &[], [form])
}

fn read_form(query: &Element) -> RoomInfo {
    let fields: BTreeMap<&str, String> = query
        .get_child("x", ns::DATA_FORMS)
        .into_iter()
        .flat_map(Element::children)
        .filter(|e| e.name() == "field")
        .filter_map(|e| Some((e.attr("var")?, e.get_child("value", ns::DATA_FORMS)?.text())))
        .collect();
    let text = |var: &str| fields.get(var).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let truth = |var: &str| matches!(fields.get(var).map(String::as_str), Some("1" | "true"));
    RoomInfo {
        meeting_id: text("muc#roominfo_meetingId"),
        breakout_of: text("muc#roominfo_breakout_main_room")
            .filter(|_| truth("muc#roominfo_isbreakout"))
            .and_then(|room| room.parse().ok()),
        presets: truth("muc#roominfo_conference_presets_service_enabled"),
    }
}
