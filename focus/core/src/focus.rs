//! The whole focus: what comes in, who it is for, what is due.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use minidom::Element;
use protocol::conference_request::{ConferenceIq, LoginUrl, Logout};
use protocol::ids::EndpointId;
use protocol::jingle::session::{Jingle, JsonMessage};
use protocol::ns;
use protocol::room_metadata::RoomMessage;

use crate::brewery::Brewery;
use crate::bridge::pool::BridgePool;
use crate::colibri::ColibriFailure;
use crate::conference::{Conference, Requester};
use crate::config::Config;
use crate::context::{Awaited, Context, Effect, Effects, PendingReplies, Reply, context};
use crate::counters::Counters;
use crate::features::CapsCache;
use crate::jingle::AfterAnswer;
use crate::moderation::MuteRequest;
use crate::random::Randomness;
use crate::request::{self, Logins};
use crate::stanza::{Condition, Fault, element};

/// Features the focus announces. COMPAT(lib-jitsi-meet): the last one makes old clients ask for restarts.
const OWN_FEATURES: [&str; 4] = [ns::DISCO_INFO, ns::CAPS, ns::PING, "https://jitsi.org/meet/jicofo/terminate-restart"];

/// Components of the main domain that the focus listens to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    av_moderation: Option<BareJid>,
    room_metadata: Option<BareJid>,
    breakout_rooms: Option<BareJid>,
}

/// The focus.
pub struct Focus {
    pub(crate) config: Config,
    pub(crate) random: Box<dyn Randomness>,
    pub(crate) me: Option<FullJid>,
    pub(crate) online: bool,
    pub(crate) components: Components,
    pub(crate) brewery: Brewery,
    pub(crate) pool: BridgePool,
    pub(crate) caps: CapsCache,
    pub(crate) replies: PendingReplies,
    pub(crate) logins: Logins,
    pub(crate) conferences: BTreeMap<BareJid, Conference>,
    pub(crate) deadlines: BTreeMap<BareJid, u64>,
    pub(crate) queue: BTreeSet<(u64, BareJid)>,
    pub(crate) counters: Counters,
    /// Main rooms with breakout rooms: how many.
    pub(crate) breakouts: BTreeMap<BareJid, usize>,
}

impl Focus {
    /// A focus that is not connected yet.
    pub fn new(config: Config, random: Box<dyn Randomness>) -> Self {
        Self {
            config,
            random,
            me: None,
            online: false,
            components: Components::default(),
            brewery: Brewery::Out { retry_at_ms: None },
            pool: BridgePool::default(),
            caps: CapsCache::default(),
            replies: PendingReplies::default(),
            logins: Logins::default(),
            conferences: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            queue: BTreeSet::new(),
            counters: Counters::default(),
            breakouts: BTreeMap::new(),
        }
    }

    /// A new stream was opened and bound: whatever was in the rooms before is gone with the old one.
    pub fn connected(&mut self, me: FullJid, now_ms: u64, out: &mut Effects) {
        self.drop_conferences(out);
        self.pool.clear();
        self.online = true;
        self.me = Some(me.clone());
        self.replies.restart(format!("{:08x}", self.random.next_u64() & 0xffff_ffff));
        self.components = Components::default();
        let domain = self.config.domain.clone();
        let mut ctx = context!(self, &me, now_ms, out);
        // COMPAT(mod_client_proxy): the component learns the full address of the focus from this presence.
        ctx.send(Element::bare("presence", ns::CLIENT));
        ctx.request("get", domain, Element::bare("query", ns::DISCO_INFO), Awaited::Components);
        self.join_brewery(&me, now_ms, out);
    }

    /// The old stream goes on; nothing was lost.
    pub fn resumed(&mut self, now_ms: u64) {
        self.online = true;
        self.replies.prolong(now_ms + self.config.reply_timeout_ms);
        let Some(me) = self.me.clone() else { return };
        // Nothing is sent: only what is waited for changes.
        self.each_conference(&me, now_ms, &mut Effects::new(), Conference::prolong);
    }

    /// The connection broke. It may be resumed, so everything is kept.
    pub fn disconnected(&mut self) {
        if self.online {
            self.counters.xmpp_disconnects += 1;
        }
        self.online = false;
        self.brewery = match self.brewery {
            Brewery::In => Brewery::In,
            Brewery::Out { .. } => Brewery::Out { retry_at_ms: None },
        };
    }

    /// The process ends: all conferences end.
    pub fn shutdown(&mut self, now_ms: u64, out: &mut Effects) {
        let Some(me) = self.me.clone() else { return };
        for conference in self.conferences.values_mut() {
            conference.stop(&mut context!(self, &me, now_ms, out));
        }
        self.conferences.clear();
        out.push(Effect::Send(element("presence", ns::CLIENT, &[("type", "unavailable")], [])));
    }

    fn drop_conferences(&mut self, out: &mut Effects) {
        for (_, conference) in std::mem::take(&mut self.conferences) {
            for requester in conference.requesters {
                if let Requester::Http { token, .. } = requester {
                    let fault = Fault::new(Condition::ServiceUnavailable, "The connection to the server broke.");
                    out.push(Effect::HttpAnswer { token, answer: Err(fault) });
                }
            }
        }
        self.deadlines.clear();
        self.queue.clear();
        self.breakouts.clear();
    }

    /// A stanza from the server.
    pub fn stanza(&mut self, stanza: &Element, now_ms: u64, out: &mut Effects) {
        let Some(from) = stanza.attr("from").and_then(|from| from.parse::<Jid>().ok()) else { return };
        let Some(me) = self.me.clone() else { return };
        match stanza.name() {
            "presence" => self.presence(&from, stanza, &me, now_ms, out),
            "message" => self.message(&from, stanza, &me, now_ms, out),
            "iq" => match stanza.attr("type") {
                Some("result" | "error") => self.reply(&from, stanza, &me, now_ms, out),
                Some("get" | "set") => self.request(&from, stanza, &me, now_ms, out),
                _ => {}
            },
            _ => {}
        }
    }

    fn presence(&mut self, from: &Jid, presence: &Element, me: &FullJid, now_ms: u64, out: &mut Effects) {
        let Ok(occupant) = from.clone().try_into_full() else { return };
        let room = occupant.to_bare();
        if room == self.config.brewery {
            self.brewery_presence(&occupant, presence, me, now_ms, out);
            return;
        }
        self.with_conference(&room, me, now_ms, out, |conference, ctx| {
            let is_own = occupant == conference.own_occupant(ctx);
            if is_own {
                conference.own_presence(presence, ctx);
            } else {
                conference.member_presence(&occupant, presence, ctx);
            }
        });
    }

    fn message(&mut self, from: &Jid, message: &Element, me: &FullJid, now_ms: u64, out: &mut Effects) {
        if !matches!(message.attr("type"), None | Some("normal")) {
            return;
        }
        let Some(payload) = message.get_child("json-message", ns::JITMEET) else { return };
        let Ok(payload) = JsonMessage::try_from(payload.clone()) else { return };
        // Anybody may send messages; only the services of this server are believed.
        let sender = Some(from.to_bare());
        let is_metadata = self.components.room_metadata == sender;
        let is_moderation = self.components.av_moderation == sender;
        if !is_metadata && !is_moderation {
            return;
        }
        match serde_json::from_str::<RoomMessage>(&payload.json) {
            Ok(RoomMessage::RoomMetadata { metadata }) if is_metadata => {
                let Some(room) = payload.room.and_then(|room| room.parse().ok()) else { return };
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    conference.metadata_changed(&metadata, ctx);
                });
            }
            Ok(RoomMessage::AvModeration(change)) if is_moderation => {
                let Ok(room) = change.room.parse() else { return };
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    conference.moderation_changed(&change, ctx);
                });
            }
            _ => {}
        }
    }

    fn reply(&mut self, from: &Jid, stanza: &Element, me: &FullJid, now_ms: u64, out: &mut Effects) {
        let Some(awaited) = stanza.attr("id").and_then(|id| self.replies.take(id, from)) else { return };
        let fallback = Element::bare("error", ns::CLIENT);
        let reply = if stanza.attr("type") == Some("result") {
            Reply::Result(stanza.children().next())
        } else {
            Reply::Error(stanza.get_child("error", ns::CLIENT).unwrap_or(&fallback))
        };
        self.replied(awaited, reply, me, now_ms, out);
    }

    fn replied(&mut self, awaited: Awaited, reply: Reply<'_>, me: &FullJid, now_ms: u64, out: &mut Effects) {
        match awaited {
            Awaited::Components => self.components_known(reply),
            Awaited::Health(bridge) => self.health_answered(&bridge, reply, me, now_ms, out),
            Awaited::RoomForm(room) => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| conference.form_answered(reply, ctx));
            }
            Awaited::RoomConfigured(room) => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| conference.configured(reply, ctx));
            }
            Awaited::Features(room, endpoint) => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    let query = if let Reply::Result(query) = reply { query } else { None };
                    conference.features_known(&endpoint, query, ctx);
                });
            }
            Awaited::Allocation { room, endpoint, bridge_session, allocation } => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    conference.allocation_answered(&endpoint, &bridge_session, allocation, reply, ctx);
                })
            }
            Awaited::BridgeUpdate { room, bridge_session } => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    conference.update_answered(&bridge_session, reply, ctx);
                });
            }
            Awaited::Offer { room, endpoint, sid } => {
                self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                    conference.offer_answered(&endpoint, &sid, reply, ctx);
                });
            }
            Awaited::Expiry | Awaited::Affiliation | Awaited::Notice => {
                if let Reply::Error(error) = reply {
                    let failure = ColibriFailure::from_error(error);
                    tracing::debug!(?awaited, ?failure, "a request was refused");
                }
            }
        }
    }

    fn components_known(&mut self, reply: Reply<'_>) {
        let Reply::Result(Some(query)) = reply else {
            tracing::warn!("the server does not tell its components; moderation and room metadata stay off");
            return;
        };
        let address = |kind: &str| {
            query
                .children()
                .find(|e| {
                    e.is("identity", ns::DISCO_INFO)
                        && e.attr("category") == Some("component")
                        && e.attr("type") == Some(kind)
                })
                .and_then(|e| e.attr("name")?.parse().ok())
        };
        self.components = Components {
            av_moderation: address("av_moderation"),
            room_metadata: address("room_metadata"),
            breakout_rooms: address("breakout_rooms"),
        };
    }

    fn request(&mut self, from: &Jid, iq: &Element, me: &FullJid, now_ms: u64, out: &mut Effects) {
        let Some(payload) = iq.children().next() else {
            let fault = Fault::new(Condition::BadRequest, "there is nothing in the request");
            self.answer(iq, Err(fault), me, now_ms, out);
            return;
        };
        let is_set = iq.attr("type") == Some("set");
        if payload.is("conference", ns::FOCUS) && is_set {
            self.conference_iq(from, iq, payload, me, now_ms, out);
        } else if payload.is("jingle", ns::JINGLE) && is_set {
            self.jingle(from, iq, payload, me, now_ms, out);
        } else if let Some(request) = is_set.then(|| MuteRequest::from_payload(payload)).flatten() {
            let answer = request.and_then(|request| self.mute(from, &request, me, now_ms, out));
            self.answer(iq, answer.map(|()| None), me, now_ms, out);
        } else {
            let answer = self.simple_request(payload, is_set);
            self.answer(iq, answer, me, now_ms, out);
        }
    }

    fn simple_request(&mut self, payload: &Element, is_set: bool) -> Result<Option<Element>, Fault> {
        let bad = |e: xso::error::FromElementError| Fault::new(Condition::BadRequest, e.to_string());
        if payload.is("login-url", ns::FOCUS) && !is_set {
            let request = LoginUrl::try_from(payload.clone()).map_err(bad)?;
            if self.config.authentication.is_none() {
                return Err(Fault::new(Condition::ServiceUnavailable, "nobody has to sign in here"));
            }
            let room = request.room.as_deref().and_then(|room| room.parse::<BareJid>().ok());
            let name = room
                .as_ref()
                .and_then(|room| room.node())
                .ok_or_else(|| Fault::new(Condition::BadRequest, "the request names no room"))?;
            let url = Some(format!("./{name}?login=true"));
            return Ok(Some(LoginUrl { url, ..LoginUrl::default() }.into()));
        }
        if payload.is("logout", ns::FOCUS) && is_set {
            let request = Logout::try_from(payload.clone()).map_err(bad)?;
            self.logins.logout(request.session_id.as_deref().unwrap_or_default());
            return Ok(Some(Logout::default().into()));
        }
        if payload.is("query", ns::DISCO_INFO) && !is_set {
            let mut children = vec![element(
                "identity",
                ns::DISCO_INFO,
                &[("category", "client"), ("type", "bot"), ("name", "focus")],
                [],
            )];
            children.extend(OWN_FEATURES.map(|var| element("feature", ns::DISCO_INFO, &[("var", var)], [])));
            let node = payload.attr("node").unwrap_or_default();
            return Ok(Some(element("query", ns::DISCO_INFO, &[("node", node)], children)));
        }
        if payload.is("ping", ns::PING) && !is_set {
            return Ok(None);
        }
        Err(Fault::new(Condition::ServiceUnavailable, "the focus does not do that"))
    }

    fn answer(
        &mut self,
        iq: &Element,
        answer: Result<Option<Element>, Fault>,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) {
        if let Err(fault) = &answer {
            self.counters.requests_refused += 1;
            tracing::debug!(%fault, "refused a request");
        }
        context!(self, me, now_ms, out).answer(iq, answer);
    }

    fn conference_iq(
        &mut self,
        from: &Jid,
        iq: &Element,
        payload: &Element,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) {
        let result = ConferenceIq::try_from(payload.clone())
            .map_err(|e| Fault::new(Condition::BadRequest, e.to_string()))
            .and_then(|request| {
                let sender = self.real_sender(from);
                let requester = |login| Requester::Iq { request: iq.clone(), login };
                self.conference_request(&request, sender.as_ref(), requester, me, now_ms, out)
            });
        if let Err(fault) = result {
            self.answer(iq, Err(fault), me, now_ms, out);
        }
    }

    /// The client proxy puts the address of the client into its own resource.
    fn real_sender(&self, from: &Jid) -> Option<Jid> {
        match &self.config.client_proxy {
            Some(proxy) if from.to_bare() == *proxy => from.resource()?.as_str().parse().ok(),
            _ => Some(from.clone()),
        }
    }

    /// A conference request over HTTP; answered by [`Effect::HttpAnswer`] with the same token.
    pub fn http_request(&mut self, token: u64, request: &ConferenceIq, now_ms: u64, out: &mut Effects) {
        let result = match self.me.clone().filter(|_| self.online) {
            Some(me) => {
                let requester = |login| Requester::Http { token, login };
                self.conference_request(request, None, requester, &me, now_ms, out)
            }
            None => Err(Fault::new(Condition::ServiceUnavailable, "The focus is not connected yet. Try again soon.")),
        };
        if let Err(fault) = result {
            self.counters.requests_refused += 1;
            out.push(Effect::HttpAnswer { token, answer: Err(fault) });
        }
    }

    fn conference_request(
        &mut self,
        request: &ConferenceIq,
        sender: Option<&Jid>,
        requester: impl FnOnce(Option<(String, String)>) -> Requester,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        self.counters.conference_requests += 1;
        let room = request::room_of(request, &self.config, self.components.breakout_rooms.as_ref())?;
        let exists = self.conferences.contains_key(&room);
        let mut login = None;
        if let Some(authentication) = &self.config.authentication {
            let identified = self.logins.identify(request, sender, authentication, &mut *self.random, now_ms)?;
            // Who may enter a breakout room was settled when it was made.
            let is_breakout = self.components.breakout_rooms.as_ref().is_some_and(|b| b.domain() == room.domain());
            if identified.login.is_none() && !exists && !is_breakout {
                return Err(Fault::new(Condition::NotAuthorized, "sign in to open this room"));
            }
            login = identified.login;
        }
        if !exists {
            if self.conferences.len() >= self.config.conferences_max {
                return Err(Fault::new(Condition::ResourceConstraint, "too many conferences at the moment"));
            }
            self.counters.conferences_created += 1;
            let options = request::options_of(request);
            let conference = Conference::start(room.clone(), options, &mut context!(self, me, now_ms, out));
            self.conferences.insert(room.clone(), conference);
        }
        let requester = requester(login);
        self.with_conference(&room, me, now_ms, out, |conference, ctx| conference.requested(requester, ctx));
        Ok(())
    }

    fn jingle(&mut self, from: &Jid, iq: &Element, payload: &Element, me: &FullJid, now_ms: u64, out: &mut Effects) {
        let jingle = match Jingle::try_from(payload.clone()) {
            Ok(jingle) => jingle,
            Err(e) => {
                let fault = Fault::new(Condition::BadRequest, e.to_string());
                self.answer(iq, Err(fault), me, now_ms, out);
                return;
            }
        };
        let mut answered = false;
        if let Some((room, endpoint)) = occupant_of(from) {
            let mut refused = false;
            self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                let result = conference.jingle_requested(&endpoint, &jingle, ctx);
                let after = *result.as_ref().unwrap_or(&AfterAnswer::Nothing);
                refused = result.is_err();
                ctx.answer(iq, result.map(|_| None));
                if after == AfterAnswer::Invite {
                    conference.invite_all(ctx);
                }
                answered = true;
            });
            self.counters.requests_refused += u64::from(refused);
        }
        if !answered {
            let fault = Fault::new(Condition::BadRequest, "there is no such session")
                .with(Element::bare("unknown-session", ns::JINGLE_ERRORS));
            self.answer(iq, Err(fault), me, now_ms, out);
        }
    }

    fn mute(
        &mut self,
        from: &Jid,
        request: &MuteRequest,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let mut result = Err(Fault::new(Condition::ItemNotFound, "there is no such conference"));
        if let Some((room, endpoint)) = occupant_of(from) {
            self.with_conference(&room, me, now_ms, out, |conference, ctx| {
                result = conference.mute_requested(&endpoint, request, ctx);
            });
        }
        result
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ms: u64, out: &mut Effects) {
        let Some(me) = self.me.clone().filter(|_| self.online) else { return };
        while let Some(awaited) = self.replies.take_overdue(now_ms) {
            self.replied(awaited, Reply::Timeout, &me, now_ms, out);
        }
        if matches!(self.brewery, Brewery::Out { retry_at_ms: Some(at) } if at <= now_ms) {
            self.join_brewery(&me, now_ms, out);
        }
        self.check_health(&me, now_ms, out);
        while let Some((at, room)) = self.queue.first().cloned() {
            if at > now_ms {
                break;
            }
            self.queue.pop_first();
            self.deadlines.remove(&room);
            self.with_conference(&room, &me, now_ms, out, Conference::tick);
        }
    }

    /// When something is due next.
    pub fn deadline_ms(&self) -> Option<u64> {
        if !self.online {
            return None;
        }
        let brewery = match self.brewery {
            Brewery::Out { retry_at_ms } => retry_at_ms,
            Brewery::In => None,
        };
        self.pool
            .iter()
            .filter_map(|bridge| bridge.health.check_at_ms())
            .chain(self.replies.deadline_ms())
            .chain(brewery)
            .chain(self.queue.first().map(|(at, _)| *at))
            .min()
    }

    pub(crate) fn with_conference(
        &mut self,
        room: &BareJid,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
        act: impl FnOnce(&mut Conference, &mut Context<'_>),
    ) {
        let Some(conference) = self.conferences.get_mut(room) else { return };
        let was_breakout_of = conference.breakout_of.clone();
        act(conference, &mut context!(self, me, now_ms, out));
        let deadline_ms = conference.deadline_ms();
        let is_breakout_of = conference.breakout_of.clone().filter(|_| !conference.ended);
        if conference.ended {
            self.conferences.remove(room);
        }
        if let Some(old) = self.deadlines.remove(room) {
            self.queue.remove(&(old, room.clone()));
        }
        if let Some(at) = deadline_ms.filter(|_| self.conferences.contains_key(room)) {
            self.deadlines.insert(room.clone(), at);
            self.queue.insert((at, room.clone()));
        }
        if was_breakout_of != is_breakout_of {
            self.count_breakout(was_breakout_of, is_breakout_of, me, now_ms, out);
        }
    }

    /// A breakout room came or went: its main room stays open as long as there is one.
    fn count_breakout(
        &mut self,
        old: Option<BareJid>,
        new: Option<BareJid>,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) {
        if let Some(main) = new {
            *self.breakouts.entry(main).or_default() += 1;
        }
        let Some(main) = old else { return };
        let Some(count) = self.breakouts.get_mut(&main) else { return };
        *count -= 1;
        if *count == 0 {
            self.breakouts.remove(&main);
            self.with_conference(&main, me, now_ms, out, |conference, ctx| {
                conference.stop_if_empty(ctx);
            });
        }
    }

    pub(crate) fn each_conference(
        &mut self,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
        act: impl Fn(&mut Conference, &mut Context<'_>),
    ) {
        let rooms: Vec<BareJid> = self.conferences.keys().cloned().collect();
        for room in rooms {
            self.with_conference(&room, me, now_ms, out, &act);
        }
    }

    pub(crate) fn each_conference_on(
        &mut self,
        bridge: &FullJid,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
        act: impl Fn(&mut Conference, &mut Context<'_>),
    ) {
        self.each_conference(me, now_ms, out, |conference, ctx| {
            if conference.bridge.as_ref().is_some_and(|on| on.bridge == *bridge) {
                act(conference, ctx);
            }
        });
    }

    /// Why no meeting is possible at the moment, in one sentence. `Ok` when one is.
    ///
    /// # Errors
    /// The sentence.
    pub fn health(&self, now_ms: u64) -> Result<(), &'static str> {
        if !self.online {
            return Err("The focus is not connected to the XMPP server.");
        }
        if self.brewery != Brewery::In {
            return Err("The focus is not in the bridges' room.");
        }
        if !self.pool.iter().any(|bridge| bridge.is_usable(now_ms) && !bridge.graceful_shutdown) {
            return Err("No videobridge is available.");
        }
        Ok(())
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The bridges.
    pub fn pool(&self) -> &BridgePool {
        &self.pool
    }

    /// The conferences.
    pub fn conferences(&self) -> impl Iterator<Item = &Conference> {
        self.conferences.values()
    }

    /// Settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn occupant_of(jid: &Jid) -> Option<(BareJid, EndpointId)> {
    let endpoint = EndpointId::new(jid.resource()?.as_str()).ok()?;
    Some((jid.to_bare(), endpoint))
}
