//! Control over XMPP: log in, join the room in which bridges are found, tell figures there, answer the focus.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};
use minidom::Element;
use protocol::colibri2::{Condition, ConferenceModify, Failure};
use protocol::ns;
use protocol::presence::bridge_stats::BridgeStats;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use xmpp_client::{Account, Client, Config as ClientConfig, Event, Handle, Security, Trust, iq};
use xmpp_parsers::minidom::rxml::xml_ncname;

use crate::config::Xmpp;
use crate::control::{Control, VERSION};
use crate::figures;

/// Wait before the room is tried again after it refused us.
const REJOIN_AFTER: Duration = Duration::from_secs(1);

/// What disco tells about a bridge.
const FEATURES: [&str; 5] = [ns::DISCO_INFO, ns::HEALTHCHECK, ns::JINGLE_DTLS, ns::JINGLE_ICE_UDP, ns::VERSION];

/// One connection with one room.
pub(crate) struct Brewery {
    control: Arc<Control>,
    handle: Handle,
    events: mpsc::Receiver<Event>,
    room: BareJid,
    nickname: String,
    stats_interval: Duration,
    rejoin_at: Option<Instant>,
    /// Why the room refused us last.
    refusal: Option<String>,
}

impl Brewery {
    /// Starts the connection. `data` is where the local authority is.
    pub(crate) fn start(
        control: Arc<Control>,
        xmpp: &Xmpp,
        password: String,
        resource: String,
        room: BareJid,
        data: &Path,
        stats_interval: Duration,
    ) -> Self {
        let account = Account::Password { username: xmpp.username.clone(), password };
        let mut config = ClientConfig::new(xmpp.host.clone(), xmpp.port, xmpp.domain.clone(), account);
        let trust = if xmpp.trusts_anyone { Trust::Anyone } else { Trust::PemFile(data.join("certs").join("ca.pem")) };
        let tls_name = xmpp.domain.clone();
        config.security = if xmpp.tls_if_possible {
            Security::IfPossible { tls_name, trust }
        } else {
            Security::StartTls { tls_name, trust }
        };
        config.resource = Some(resource);
        let (handle, events) = Client::start(config);
        let nickname = control.about.server_id.clone();
        Self { control, handle, events, room, nickname, stats_interval, rejoin_at: None, refusal: None }
    }

    /// A way to end the connection politely.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until the connection is closed for good.
    pub(crate) async fn run(mut self) {
        let control = Arc::clone(&self.control);
        let mut publish = interval(self.stats_interval);
        publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let rejoin_at = self.rejoin_at;
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return,
                },
                _ = publish.tick() => self.publish().await,
                () = control.changed.notified() => self.publish().await,
                () = sleep_until(rejoin_at.unwrap_or_else(Instant::now)), if rejoin_at.is_some() => {
                    self.rejoin_at = None;
                    self.join().await;
                }
            }
        }
    }

    async fn handle_event(&mut self, event: Event) {
        match event {
            Event::Online { resumed, .. } => {
                self.control.set_xmpp_connected(true);
                if resumed {
                    self.control.set_brewery_joined(true);
                    tracing::info!("XMPP connection resumed");
                } else {
                    tracing::info!("logged in to the XMPP server");
                    self.join().await;
                }
            }
            Event::Disconnected(reason) => {
                tracing::warn!("XMPP connection lost, dialling again: {reason}");
                self.control.set_xmpp_connected(false);
            }
            Event::Stanza(stanza) if iq::is_request(&stanza) => {
                let answer = self.answer(&stanza);
                self.send(answer);
            }
            Event::Stanza(stanza) if stanza.is("presence", ns::CLIENT) => self.handle_presence(&stanza).await,
            Event::Stanza(_) => {}
        }
    }

    /// Figures go along from the first presence: a bridge whose presence does not say that it is not draining counts
    /// as draining.
    async fn join(&mut self) {
        let mut presence = self.presence().await;
        presence.append_child(Element::bare("x", ns::MUC));
        self.send(presence);
    }

    async fn publish(&mut self) {
        if self.control.is_brewery_joined() {
            let presence = self.presence().await;
            self.send(presence);
        }
    }

    async fn presence(&self) -> Element {
        let snapshot = self.control.snapshot().await.unwrap_or_default();
        let stats: BridgeStats = figures::presence(&figures::statistics(&self.control, &snapshot));
        Element::builder("presence", ns::CLIENT)
            .attr(xml_ncname!("to").to_owned(), self.occupant())
            .append(Element::from(stats))
            .build()
    }

    fn occupant(&self) -> String {
        format!("{}/{}", self.room, self.nickname)
    }

    async fn handle_presence(&mut self, presence: &Element) {
        if presence.attr("from") != Some(self.occupant().as_str()) {
            return;
        }
        let status = |code: &str| {
            presence.get_child("x", ns::MUC_USER).is_some_and(|x| {
                x.children().any(|child| child.is("status", ns::MUC_USER) && child.attr("code") == Some(code))
            })
        };
        match presence.attr("type") {
            None => {
                if status("201") {
                    self.configure_room();
                }
                if !self.control.is_brewery_joined() {
                    tracing::info!(nickname = %self.nickname, "joined the bridges' room");
                    self.refusal = None;
                    self.control.set_brewery_joined(true);
                    self.publish().await;
                }
            }
            Some("error") => {
                let condition = presence
                    .get_child("error", ns::CLIENT)
                    .and_then(|error| {
                        error.children().find(|child| child.ns() == ns::STANZAS && child.name() != "text")
                    })
                    .map_or("no reason given", Element::name);
                if self.refusal.as_deref() == Some(condition) {
                    tracing::debug!(condition, "still not let into the bridges' room");
                } else {
                    tracing::warn!("the bridges' room does not let us in ({condition}); trying again every second");
                    self.refusal = Some(condition.to_owned());
                }
                self.control.set_brewery_joined(false);
                self.rejoin_at = Some(Instant::now() + REJOIN_AFTER);
            }
            Some("unavailable") => {
                tracing::warn!("removed from the bridges' room; joining again");
                self.control.set_brewery_joined(false);
                self.rejoin_at = Some(Instant::now() + REJOIN_AFTER);
            }
            Some(_) => {}
        }
    }

    /// We made the room: it stays locked until its owner has configured it (XEP-0045 §10.1.2).
    fn configure_room(&self) {
        let field = |var: &str, value: &str| {
            Element::builder("field", ns::DATA_FORMS)
                .attr(xml_ncname!("var").to_owned(), var)
                .append(Element::builder("value", ns::DATA_FORMS).append(value))
        };
        let form = Element::builder("x", ns::DATA_FORMS)
            .attr(xml_ncname!("type").to_owned(), "submit")
            .append(field("FORM_TYPE", ns::MUC_ROOMCONFIG))
            .append(field("muc#roomconfig_whois", "anyone"));
        let query = Element::builder("query", ns::MUC_OWNER).append(form).build();
        let request = iq::request(iq::IqType::Set, Some(&self.room.to_string()), query);
        let handle = self.handle.clone();
        tokio::spawn(async move {
            if let Err(error) = handle.request(request).await {
                tracing::warn!("the bridges' room could not be configured: {error}");
            }
        });
    }

    fn answer(&self, request: &Element) -> Element {
        let from_room =
            request.attr("from").and_then(|from| Jid::new(from).ok()).is_some_and(|from| from.to_bare() == self.room);
        if !from_room {
            return iq::simple_error(request, "auth", "forbidden");
        }
        let Some(payload) = iq::payload(request) else {
            return iq::simple_error(request, "modify", "bad-request");
        };
        let is_get = request.attr("type") == Some("get");
        if payload.is("conference-modify", ns::COLIBRI2) {
            return self.modify(request, payload);
        }
        if payload.is("healthcheck", ns::HEALTHCHECK) {
            return match self.control.health() {
                Ok(()) => iq::result(request, None),
                Err(reason) => iq::error(request, Failure::new(Condition::InternalServerError, reason).to_element()),
            };
        }
        if is_get && payload.is("query", ns::VERSION) {
            return iq::result(request, Some(version()));
        }
        if is_get && payload.is("query", ns::DISCO_INFO) && payload.attr("node").is_none() {
            return iq::result(request, Some(disco_info()));
        }
        iq::simple_error(request, "cancel", "service-unavailable")
    }

    fn modify(&self, request: &Element, payload: &Element) -> Element {
        let outcome = ConferenceModify::try_from(payload.clone())
            .map_err(|error| Failure::new(Condition::BadRequest, error.to_string()))
            .and_then(|modify| self.control.modify(&modify));
        match outcome {
            Ok(answer) => iq::result(request, Some(answer.into())),
            Err(failure) => iq::error(request, failure.to_element()),
        }
    }

    fn send(&self, stanza: Element) {
        if let Err(error) = self.handle.send(stanza) {
            tracing::debug!("a stanza was not sent: {error}");
        }
    }
}

fn version() -> Element {
    let text = |name: &str, value: &str| Element::builder(name, ns::VERSION).append(value).build();
    // COMPAT(jicofo): the name of the reference, by which tools tell bridges from other things.
    Element::builder("query", ns::VERSION)
        .append(text("name", "JVB"))
        .append(text("version", VERSION))
        .append(text("os", "Linux"))
        .build()
}

fn disco_info() -> Element {
    let identity = Element::builder("identity", ns::DISCO_INFO)
        .attr(xml_ncname!("category").to_owned(), "component")
        .attr(xml_ncname!("type").to_owned(), "generic");
    FEATURES
        .iter()
        .fold(Element::builder("query", ns::DISCO_INFO).append(identity), |query, feature| {
            query.append(Element::builder("feature", ns::DISCO_INFO).attr(xml_ncname!("var").to_owned(), *feature))
        })
        .build()
}
