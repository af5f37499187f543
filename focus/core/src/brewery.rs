//! The room of the bridges: being in it, knowing who is there, asking how they are.

use jid::FullJid;
use minidom::Element;
use protocol::ns;
use protocol::presence::bridge_stats::BridgeStats;

use crate::bridge::health::{Answer, Verdict};
use crate::bridge::pool::PoolChange;
use crate::conference::Conference;
use crate::context::{Awaited, Context, Effects, Reply, context};
use crate::focus::Focus;
use crate::invite::Invite;
use crate::member::MucItem;
use crate::room::{self, RoomState};
use crate::stanza::element;

/// How long after a failed join of the brewery it is tried again.
const BREWERY_RETRY_MS: u64 = 1_000;

/// Being in the brewery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brewery {
    /// Not in.
    Out { retry_at_ms: Option<u64> },
    /// In.
    In,
}

impl Focus {
    pub(crate) fn join_brewery(&mut self, me: &FullJid, now_ms: u64, out: &mut Effects) {
        self.brewery = Brewery::Out { retry_at_ms: None };
        let to = format!("{}/{}", self.config.brewery, self.config.nick);
        let x = Element::bare("x", ns::MUC);
        let mut ctx = context!(self, me, now_ms, out);
        ctx.send(element("presence", ns::CLIENT, &[("to", &to)], [x]));
        // COMPAT(prosody): a room that was just made lets nobody else in before it is configured.
        let brewery = ctx.config.brewery.clone();
        ctx.request("set", brewery, room::configuration(), Awaited::Notice);
    }

    pub(crate) fn brewery_presence(
        &mut self,
        occupant: &FullJid,
        presence: &Element,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) {
        let kind = presence.attr("type");
        let is_own = occupant.resource().as_str() == self.config.nick || MucItem::from_presence(presence).is_own();
        if is_own {
            if kind.is_none() {
                self.brewery = Brewery::In;
            } else if kind == Some("unavailable") && self.brewery != Brewery::In {
                // Our predecessor's departure; the answer to our own entrance is still to come.
            } else {
                tracing::warn!("the focus is not in the bridges' room; it tries again");
                self.brewery = Brewery::Out { retry_at_ms: Some(now_ms + BREWERY_RETRY_MS) };
                self.pool.clear();
                self.each_conference(me, now_ms, out, |conference, ctx| conference.move_all(false, ctx));
            }
            return;
        }
        if kind == Some("unavailable") {
            if self.pool.remove(occupant).is_some() {
                tracing::info!(bridge = occupant.resource().as_str(), "a bridge left");
                self.each_conference_on(occupant, me, now_ms, out, |conference, ctx| conference.move_all(false, ctx));
            }
            return;
        }
        let stats = presence.get_child("stats", ns::COLIBRI).cloned().map(BridgeStats::try_from);
        let Some(Ok(stats)) = stats else { return };
        let real_jid = MucItem::from_presence(presence).real_jid;
        match self.pool.advertise(occupant, real_jid.as_ref(), &stats, &self.config.bridge, now_ms) {
            PoolChange::Added(_) => {
                tracing::info!(bridge = occupant.resource().as_str(), "a bridge is available");
                self.check_health(me, now_ms, out);
                self.each_conference(me, now_ms, out, Conference::bridge_appeared);
            }
            PoolChange::Restarted(bridge) => {
                tracing::info!(bridge = bridge.resource().as_str(), "a bridge was restarted");
                self.check_health(me, now_ms, out);
                self.each_conference_on(&bridge, me, now_ms, out, |conference, ctx| conference.move_all(false, ctx));
            }
            PoolChange::ShuttingDown(bridge) => {
                self.each_conference_on(&bridge, me, now_ms, out, |conference, ctx| conference.move_all(true, ctx));
            }
            PoolChange::Updated | PoolChange::Ignored => {}
        }
    }

    pub(crate) fn check_health(&mut self, me: &FullJid, now_ms: u64, out: &mut Effects) {
        let due: Vec<FullJid> = self
            .pool
            .iter_mut()
            .filter(|bridge| bridge.health.check_at_ms().is_some_and(|at| at <= now_ms))
            .map(|bridge| {
                bridge.health.asked();
                bridge.occupant.clone()
            })
            .collect();
        let mut ctx = context!(self, me, now_ms, out);
        for bridge in due {
            let check = Element::bare("healthcheck", ns::HEALTHCHECK);
            ctx.request("get", bridge.clone(), check, Awaited::Health(bridge));
        }
    }

    pub(crate) fn health_answered(
        &mut self,
        bridge: &FullJid,
        reply: Reply<'_>,
        me: &FullJid,
        now_ms: u64,
        out: &mut Effects,
    ) {
        let answer = match reply {
            Reply::Result(_) => Answer::Healthy,
            Reply::Timeout => Answer::Timeout,
            Reply::Error(error) => {
                let unhealthy = ["internal-server-error", "service-unavailable"];
                if unhealthy.iter().any(|condition| error.has_child(*condition, ns::STANZAS)) {
                    Answer::Unhealthy
                } else {
                    Answer::OtherError
                }
            }
        };
        let config = &self.config.bridge;
        let Some(known) = self.pool.get_mut(bridge) else { return };
        let verdict = known.health.answered(answer, config.health_interval_ms, config.failure_reset_ms, now_ms);
        if verdict != Verdict::Unchanged {
            tracing::warn!(bridge = bridge.resource().as_str(), ?verdict, "a bridge failed its health check");
        }
        if verdict == Verdict::Broken {
            self.each_conference_on(bridge, me, now_ms, out, |conference, ctx| conference.move_all(true, ctx));
        }
    }
}

impl Conference {
    /// A new bridge: whoever waits for one is tried at once.
    fn bridge_appeared(&mut self, ctx: &mut Context<'_>) {
        if self.state != RoomState::Joined {
            return;
        }
        for participant in self.participants.values_mut() {
            if let Invite::Waiting(waiting) = &mut participant.invite {
                waiting.retry_at_ms = ctx.now_ms;
            }
        }
        self.invite_all(ctx);
    }
}
