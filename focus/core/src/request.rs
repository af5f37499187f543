//! Who may start a conference, and signing in for a secure domain (`authentication.type=XMPP`).

use std::collections::BTreeMap;

use jid::{BareJid, Jid};
use minidom::Element;
use protocol::conference_request::{ConferenceIq, SessionInvalid};

use crate::conference::ConferenceOptions;
use crate::config::{Authentication, Config};
use crate::random::{self, Randomness};
use crate::stanza::{Condition, Fault};

/// Logins by session id.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    by_id: BTreeMap<String, Login>,
}

#[derive(Debug, Clone)]
struct Login {
    jid: BareJid,
    machine_uid: String,
    expires_ms: u64,
}

/// Whether a request is signed in, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identified {
    /// Session id and identity to tell the client.
    pub login: Option<(String, String)>,
}

impl Logins {
    /// Finds out who asks. `sender` is the real address, unknown over HTTP.
    ///
    /// # Errors
    /// When a session id is presented that is unknown or another browser's, or a member does not name its browser.
    pub fn identify(
        &mut self,
        request: &ConferenceIq,
        sender: Option<&Jid>,
        authentication: &Authentication,
        random: &mut dyn Randomness,
        now_ms: u64,
    ) -> Result<Identified, Fault> {
        self.by_id.retain(|_, login| login.expires_ms > now_ms);
        let expires_ms = now_ms + authentication.lifetime_ms;
        let machine_uid = request.machine_uid.as_deref().filter(|uid| !uid.is_empty());
        if let Some(id) = request.session_id.as_deref().filter(|id| !id.is_empty()) {
            let login = self.by_id.get_mut(id).ok_or_else(|| {
                Fault::new(Condition::NotAcceptable, "the login has expired").with(Element::from(SessionInvalid))
            })?;
            if machine_uid != Some(login.machine_uid.as_str()) {
                return Err(Fault::new(Condition::NotAcceptable, "the login belongs to another browser"));
            }
            login.expires_ms = expires_ms;
            return Ok(Identified { login: Some((id.to_owned(), login.jid.to_string())) });
        }
        let Some(member) = sender.filter(|jid| jid.domain().as_str() == authentication.login_domain) else {
            return Ok(Identified::default());
        };
        let machine_uid =
            machine_uid.ok_or_else(|| Fault::new(Condition::NotAcceptable, "a login needs a machine-uid"))?;
        let jid = member.to_bare();
        let known = self.by_id.iter_mut().find(|(_, l)| l.jid == jid && l.machine_uid == machine_uid);
        let id = if let Some((id, login)) = known {
            login.expires_ms = expires_ms;
            id.clone()
        } else {
            if self.by_id.len() >= authentication.sessions_max {
                let oldest = self.by_id.iter().min_by_key(|(_, l)| l.expires_ms).map(|(id, _)| id.clone());
                oldest.map(|id| self.by_id.remove(&id));
            }
            let id = random::uuid(random);
            let login = Login { jid: jid.clone(), machine_uid: machine_uid.to_owned(), expires_ms };
            self.by_id.insert(id.clone(), login);
            id
        };
        Ok(Identified { login: Some((id, jid.to_string())) })
    }

    /// Ends a login.
    pub fn logout(&mut self, session_id: &str) {
        self.by_id.remove(session_id);
    }
}

/// The room a request is for.
///
/// # Errors
/// When it names none, or one the focus does not serve.
pub fn room_of(request: &ConferenceIq, config: &Config, breakout: Option<&BareJid>) -> Result<BareJid, Fault> {
    let text = request
        .room
        .as_deref()
        .filter(|room| !room.is_empty())
        .ok_or_else(|| Fault::new(Condition::BadRequest, "the request names no room"))?;
    let room: BareJid =
        text.parse().map_err(|_| Fault::new(Condition::BadRequest, "the room is not an address of a room"))?;
    let served = room.domain() == config.conference_service.domain()
        || breakout.is_some_and(|breakout| breakout.domain() == room.domain());
    if room.node().is_none() || !served {
        return Err(Fault::new(Condition::BadRequest, "the room is not on a service of this focus"));
    }
    Ok(room)
}

/// What a conference is created with.
pub fn options_of(request: &ConferenceIq) -> ConferenceOptions {
    let number = |name: &str| request.property(name).and_then(|value| value.parse().ok());
    ConferenceOptions {
        start_audio_muted: number("startAudioMuted"),
        start_video_muted: number("startVideoMuted"),
        rtcstats: request.property("rtcstatsEnabled") != Some("false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Counting;

    const DAY_MS: u64 = 86_400_000;

    struct Desk {
        logins: Logins,
        random: Counting,
    }

    impl Desk {
        fn ask(
            &mut self,
            sender: Option<&str>,
            machine: &str,
            session: &str,
            now_ms: u64,
        ) -> Result<Identified, Fault> {
            let authentication = Authentication { login_domain: "meet.x".into(), lifetime_ms: DAY_MS, sessions_max: 2 };
            let request = ConferenceIq {
                machine_uid: Some(machine.to_owned()),
                session_id: Some(session.to_owned()),
                ..ConferenceIq::default()
            };
            let sender: Option<Jid> = sender.map(|jid| jid.parse().unwrap());
            self.logins.identify(&request, sender.as_ref(), &authentication, &mut self.random, now_ms)
        }

        fn login(&mut self, sender: &str, machine: &str, now_ms: u64) -> String {
            self.ask(Some(sender), machine, "", now_ms).unwrap().login.unwrap().0
        }
    }

    fn desk() -> Desk {
        Desk { logins: Logins::default(), random: Counting(0) }
    }

    #[test]
    fn members_get_a_login_that_slides() {
        let mut desk = desk();
        let id = desk.login("ann@meet.x/web", "m1", 0);
        assert_eq!(desk.login("ann@meet.x/other", "m1", 1), id, "the same browser, the same login");
        let guest = desk.ask(Some("g@guest.meet.x/1"), "m1", &id, DAY_MS).unwrap();
        assert_eq!(guest.login.unwrap().1, "ann@meet.x");
        assert!(desk.ask(None, "m1", &id, 2 * DAY_MS - 1).is_ok(), "used, so prolonged");
        let fault = desk.ask(None, "m1", &id, 4 * DAY_MS).unwrap_err();
        assert_eq!(fault.condition, Condition::NotAcceptable);
        assert_eq!(fault.application.unwrap().name(), "session-invalid");
    }

    #[test]
    fn guests_wrong_browsers_and_logout() {
        let mut desk = desk();
        assert_eq!(desk.ask(Some("g@guest.meet.x/1"), "m", "", 0), Ok(Identified::default()));
        assert_eq!(desk.ask(Some("ann@meet.x/1"), "", "", 0).unwrap_err().condition, Condition::NotAcceptable);
        let id = desk.login("ann@meet.x/web", "m1", 0);
        let fault = desk.ask(None, "m2", &id, 0).unwrap_err();
        assert_eq!((fault.condition, fault.application), (Condition::NotAcceptable, None));
        desk.logins.logout(&id);
        assert!(desk.ask(None, "m1", &id, 0).is_err());
    }

    #[test]
    fn the_number_of_logins_is_bounded() {
        let mut desk = desk();
        let first = desk.login("a@meet.x/1", "m", 0);
        desk.login("b@meet.x/1", "m", 1);
        desk.login("c@meet.x/1", "m", 2);
        assert_eq!(desk.logins.by_id.len(), 2);
        assert!(desk.ask(None, "m", &first, 3).is_err(), "the oldest went");
    }

    #[test]
    fn rooms_elsewhere_are_refused() {
        let config = Config::new("meet.x").unwrap();
        let breakout: BareJid = "breakout.meet.x".parse().unwrap();
        for (room, served) in [
            (Some("r@conference.meet.x"), true),
            (Some("b@breakout.meet.x"), true),
            (Some("r@conference.evil.x"), false),
            (Some("conference.meet.x"), false),
            (Some("@@"), false),
            (Some(""), false),
            (None, false),
        ] {
            let request = ConferenceIq { room: room.map(str::to_owned), ..ConferenceIq::default() };
            assert_eq!(room_of(&request, &config, Some(&breakout)).is_ok(), served, "{room:?}");
        }
    }
}
