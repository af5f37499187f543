//! Plays the scripts in `tests/scenarios/*.scs` against the focus.
//!
//! One command a line; `#` starts a comment. `{name}` in a pattern binds a name the first time and must equal it
//! afterwards; in a stanza that is received it is replaced by what was bound. `{R}` is the room, `{B}` the brewery.
//! The session of `ann` binds `{ann.sid}` and `{ann.bridge}` by itself.
//!
//! | Command | Meaning |
//! |---|---|
//! | `config KEY=VALUE …` | settings, before `start` |
//! | `start` | connects; the server answers |
//! | `bridge NAME KEY=VALUE …` | a bridge is started and advertises itself |
//! | `bridge NAME leaves` | it leaves the brewery |
//! | `manual WHAT` / `auto WHAT` | whether `room`, `bridge`, `features`, `health` are answered by themselves (they are at first) |
//! | `request WHO KEY=VALUE …` | WHO asks for the conference through the proxy |
//! | `join WHO KEY=VALUE …` / `leave WHO` | presence in the room |
//! | `accept WHO audio=1 video=2,3` | session-accept with sources; two videos are a stream and its retransmissions |
//! | `sources add\|remove WHO audio=1 …` | source-add, source-remove |
//! | `restart WHO` | session-terminate with the wish for a new session |
//! | `repeat N COMMAND; COMMAND` | several times |
//! | `recv XML` | the focus receives a stanza |
//! | `send PATTERN` | the next stanza of the focus has these attributes and, in order, these children; `<no-x/>`: no child x |
//! | `silent` | the focus has sent nothing else |
//! | `drop` | whatever it sent does not matter |
//! | `wait MS` | time passes |
//! | `conferences N` | how many conferences there are |

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use focus_core::config::{Authentication, Config};
use focus_core::context::{Effect, Effects};
use focus_core::focus::Focus;
use focus_core::random::Counting;
use minidom::Element;

const ROOM: &str = "r@conference.meet.x";
const BREWERY: &str = "jvbbrewery@internal.auth.meet.x";
const ME: &str = "focus@auth.meet.x/focus";

struct Player {
    config: Config,
    focus: Option<Focus>,
    now_ms: u64,
    sent: VecDeque<Element>,
    bound: BTreeMap<String, String>,
    manual: BTreeSet<String>,
    next_id: u64,
    bridges_started: u64,
    line: String,
}

fn play(name: &str) {
    let path = format!("{}/tests/scenarios/{name}.scs", env!("CARGO_MANIFEST_DIR"));
    let mut player = Player {
        config: Config::new("meet.x").unwrap(),
        focus: None,
        now_ms: 1_000_000,
        sent: VecDeque::new(),
        bound: BTreeMap::from([("R".to_owned(), ROOM.to_owned()), ("B".to_owned(), BREWERY.to_owned())]),
        manual: BTreeSet::new(),
        next_id: 0,
        bridges_started: 0,
        line: String::new(),
    };
    for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        player.line = format!("{name}.scs:{}: {line}", number + 1);
        player.command(line);
    }
    assert!(player.sent.is_empty(), "{name}.scs: sent but not expected: {:#?}", player.sent_text());
}

fn pairs(words: &[&str]) -> BTreeMap<String, String> {
    words.iter().filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

impl Player {
    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
        match words[0] {
            "config" => self.configure(&pairs(&words[1..])),
            "start" => self.start(),
            "bridge" if words.get(2) == Some(&"leaves") => {
                self.receive(&format!("<presence from='{BREWERY}/{}' type='unavailable'/>", words[1]));
            }
            "bridge" => self.bridge(words[1], &pairs(&words[2..])),
            "manual" => drop(self.manual.insert(words[1].to_owned())),
            "auto" => drop(self.manual.remove(words[1])),
            "request" => self.request(words[1], &pairs(&words[2..])),
            "join" => self.join(words[1], &pairs(&words[2..])),
            "leave" => self.receive(&format!(
                "<presence from='{ROOM}/{}' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>\
                 <item role='none'/></x></presence>",
                words[1]
            )),
            "accept" => self.jingle("session-accept", words[1], &pairs(&words[2..])),
            "sources" => self.jingle(&format!("source-{}", words[1]), words[2], &pairs(&words[3..])),
            "restart" => {
                let who = words[1];
                self.next_id += 1;
                self.receive(&format!(
                    "<iq type='set' id='restart-{}' from='{ROOM}/{who}'><jingle xmlns='urn:xmpp:jingle:1' \
                     action='session-terminate' sid='{{{who}.sid}}'><bridge-session \
                     xmlns='http://jitsi.org/protocol/focus' id='{{{who}.bridge}}' restart='true'/></jingle></iq>",
                    self.next_id
                ));
            }
            "repeat" => {
                let (times, commands) = rest.split_once(' ').unwrap();
                for _ in 0..times.parse::<usize>().unwrap() {
                    commands.split(';').for_each(|command| self.command(command.trim()));
                }
            }
            "recv" => self.receive(rest),
            "send" => self.expect(rest),
            "silent" => assert!(self.sent.is_empty(), "{}: but sent {:#?}", self.line, self.sent_text()),
            "drop" => self.sent.clear(),
            "wait" => self.wait(words[1].parse().unwrap()),
            "conferences" => {
                let focus = self.focus.as_ref().unwrap();
                assert_eq!(focus.conferences().count(), words[1].parse::<usize>().unwrap(), "{}", self.line);
            }
            other => panic!("{}: no such command {other}", self.line),
        }
    }

    fn configure(&mut self, settings: &BTreeMap<String, String>) {
        for (key, value) in settings {
            match key.as_str() {
                "rewriting" => self.config.ssrc_rewriting = value == "on",
                "json" => self.config.json_sources = value == "on",
                "audio_senders" => self.config.sources.audio_senders_max = value.parse().unwrap(),
                "restarts" => self.config.restart_limits.requests_max = value.parse().unwrap(),
                "members" => self.config.members_max = value.parse().unwrap(),
                "conferences" => self.config.conferences_max = value.parse().unwrap(),
                "login" => {
                    self.config.authentication = Some(Authentication {
                        login_domain: value.clone(),
                        lifetime_ms: 86_400_000,
                        sessions_max: 100,
                    });
                }
                other => panic!("{}: no such setting {other}", self.line),
            }
        }
    }

    fn start(&mut self) {
        let mut focus = Focus::new(self.config.clone(), Box::new(Counting(0)));
        let mut out = Effects::new();
        focus.connected(ME.parse().unwrap(), self.now_ms, &mut out);
        self.focus = Some(focus);
        self.settle(out);
        self.receive(&format!(
            "<presence from='{BREWERY}/focus'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item role='moderator' affiliation='owner'/><status code='110'/></x></presence>"
        ));
        self.sent.clear();
    }

    fn bridge(&mut self, name: &str, stats: &BTreeMap<String, String>) {
        let stats: String = stats.iter().map(|(k, v)| format!("<stat name='{k}' value='{v}'/>")).collect();
        self.bridges_started += 1;
        self.receive(&format!(
            "<presence from='{BREWERY}/{name}'><stats xmlns='http://jitsi.org/protocol/colibri'>{stats}</stats>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item role='participant' affiliation='none' \
             jid='jvb@auth.meet.x/{}'/></x></presence>",
            self.bridges_started
        ));
    }

    fn request(&mut self, who: &str, fields: &BTreeMap<String, String>) {
        let domain = fields.get("domain").map_or("meet.x", String::as_str);
        let attribute =
            |name: &str, key: &str| fields.get(key).map(|value| format!(" {name}='{value}'")).unwrap_or_default();
        let room = fields.get("room").map_or(ROOM, String::as_str);
        let properties: String = fields
            .iter()
            .filter(|(key, _)| key.starts_with("start"))
            .map(|(key, value)| format!("<property name='{key}' value='{value}'/>"))
            .collect();
        self.receive(&format!(
            "<iq type='set' id='request-{who}' from='focus.meet.x/{who}@{domain}/web'>\
             <conference xmlns='http://jitsi.org/protocol/focus' room='{room}'{}{}>{properties}</conference></iq>",
            attribute("machine-uid", "machine"),
            attribute("session-id", "session"),
        ));
    }

    fn join(&mut self, who: &str, fields: &BTreeMap<String, String>) {
        let field = |key: &str, default: &str| fields.get(key).map_or(default, String::as_str).to_owned();
        let (role, affiliation) = (field("role", "participant"), field("affiliation", "none"));
        let domain = field("domain", "meet.x");
        let info = field("info", "{}");
        self.receive(&format!(
            "<presence from='{ROOM}/{who}'><stats-id>{who}-s</stats-id><SourceInfo>{info}</SourceInfo>\
             <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://jitsi.org/jitsi-meet' \
             ver='I6wkz9idlVNBjhrSfiWQqa2TZ/k='/>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item role='{role}' affiliation='{affiliation}' \
             jid='{who}@{domain}/web'/></x></presence>"
        ));
    }

    fn jingle(&mut self, action: &str, who: &str, sources: &BTreeMap<String, String>) {
        let mut contents = String::new();
        for (media, list) in sources.iter().filter(|(media, _)| matches!(media.as_str(), "audio" | "video")) {
            let letter = &media[..1];
            let msid = sources.get("msid").cloned().unwrap_or_else(|| format!("{who}-{media}"));
            let ssrcs: Vec<&str> = list.split(',').collect();
            let mut children: String = ssrcs
                .iter()
                .map(|ssrc| {
                    format!(
                        "<source ssrc='{ssrc}' name='{who}-{letter}0'><parameter name='msid' value='{msid}'/></source>"
                    )
                })
                .collect();
            if ssrcs.len() == 2 {
                let members: String = ssrcs.iter().map(|s| format!("<source ssrc='{s}'/>")).collect();
                children += &format!("<ssrc-group semantics='FID'>{members}</ssrc-group>");
            }
            let children = children
                .replace("<source ", "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ")
                .replace("<ssrc-group ", "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ");
            contents += &format!(
                "<content name='{media}'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'>{children}\
                 </description><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u-{who}' pwd='p'>\
                 <unknown xmlns='urn:x'/></transport></content>"
            );
        }
        self.next_id += 1;
        self.receive(&format!(
            "<iq type='set' id='{action}-{}' from='{ROOM}/{who}'><jingle xmlns='urn:xmpp:jingle:1' action='{action}' \
             sid='{{{who}.sid}}'>{contents}</jingle></iq>",
            self.next_id
        ));
    }

    fn receive(&mut self, xml: &str) {
        let mut xml = xml.to_owned();
        for (name, value) in &self.bound {
            xml = xml.replace(&format!("{{{name}}}"), value);
        }
        let (head, tail) = xml.split_at(xml.find([' ', '/', '>']).unwrap());
        let stanza: Element = format!("{head} xmlns='jabber:client'{tail}")
            .parse()
            .unwrap_or_else(|e| panic!("{}: {e}: {xml}", self.line));
        let mut out = Effects::new();
        self.focus.as_mut().unwrap().stanza(&stanza, self.now_ms, &mut out);
        self.settle(out);
    }

    fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        loop {
            let due = self.focus.as_ref().unwrap().deadline_ms().filter(|at| *at <= end_ms);
            self.now_ms = due.unwrap_or(end_ms).max(self.now_ms);
            let mut out = Effects::new();
            self.focus.as_mut().unwrap().tick(self.now_ms, &mut out);
            self.settle(out);
            if due.is_none() {
                return;
            }
        }
    }

    /// Lets the server, the bridges and the clients answer what they answer by themselves; keeps the rest.
    fn settle(&mut self, out: Effects) {
        let mut answers = Vec::new();
        for effect in out {
            let Effect::Send(stanza) = effect else { panic!("{}: no HTTP here", self.line) };
            if let Some(automatic) = self.automatic(&stanza) {
                answers.extend(automatic);
            } else {
                self.note_session(&stanza);
                answers.extend(self.reply_of_bridge(&stanza));
                self.sent.push_back(stanza);
            }
        }
        for xml in answers {
            self.receive(&xml);
        }
    }

    /// `Some` for stanzas that scripts do not see.
    fn automatic(&self, stanza: &Element) -> Option<Vec<String>> {
        if stanza.name() == "iq" && !matches!(stanza.attr("type"), Some("get" | "set")) {
            return None;
        }
        let auto = |what: &str| !self.manual.contains(what);
        let (to, id) = (stanza.attr("to").unwrap_or_default(), stanza.attr("id").unwrap_or_default());
        let payload = stanza.children().next();
        let is = |name: &str, ns: &str| payload.is_some_and(|p| p.is(name, ns));
        let result = |inner: &str| vec![format!("<iq type='result' id='{id}' from='{to}'>{inner}</iq>")];
        if stanza.is("presence", "jabber:client") {
            let joins = stanza.has_child("x", "http://jabber.org/protocol/muc");
            return (joins && auto("room") && to.starts_with(ROOM)).then(|| {
                vec![format!(
                    "<presence from='{to}'><x xmlns='http://jabber.org/protocol/muc#user'><status code='201'/>\
                     <item role='moderator' affiliation='owner' jid='{ME}'/><status code='110'/></x></presence>"
                )]
            });
        }
        if is("query", "http://jabber.org/protocol/muc#owner") && auto("room") {
            return Some(result(
                "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='form'>\
                 <field var='muc#roominfo_meetingId'><value>meeting-1</value></field></x></query>",
            ));
        }
        if is("query", "http://jabber.org/protocol/disco#info") && to == "meet.x" {
            return Some(result(
                "<query xmlns='http://jabber.org/protocol/disco#info'>\
                 <identity category='component' type='av_moderation' name='avmoderation.meet.x'/>\
                 <identity category='component' type='room_metadata' name='metadata.meet.x'/></query>",
            ));
        }
        if is("query", "http://jabber.org/protocol/disco#info") && auto("features") {
            return Some(result(include_str!("../fixtures/disco-client.xml").trim()));
        }
        if is("healthcheck", "http://jitsi.org/protocol/healthcheck") && auto("health") {
            return Some(result(""));
        }
        None
    }

    fn reply_of_bridge(&self, stanza: &Element) -> Option<String> {
        let (to, id) = (stanza.attr("to")?, stanza.attr("id")?);
        let modify = stanza.get_child("conference-modify", "jitsi:colibri2")?;
        if self.manual.contains("bridge") {
            return None;
        }
        let mut endpoints = String::new();
        for endpoint in modify.children().filter(|e| e.attr("create") == Some("true")) {
            let name = endpoint.attr("id")?;
            let sctp = endpoint.get_child("transport", "jitsi:colibri2")?.has_child("sctp", "jitsi:colibri2");
            let sctp = if sctp { "<sctp port='5000' role='server'/>" } else { "" };
            endpoints += &format!(
                "<endpoint id='{name}'><transport><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' \
                 ufrag='bridge-{name}' pwd='p'><odd xmlns='urn:x'/></transport>{sctp}</transport></endpoint>"
            );
        }
        if !endpoints.is_empty() {
            endpoints += "<sources><media-source type='audio' id='jvb-a0'><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' \
                          ssrc='901' name='jvb-a0'/></media-source><media-source type='video' id='jvb-v0'>\
                          <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='902' name='jvb-v0'/></media-source></sources>";
        }
        Some(format!(
            "<iq type='result' id='{id}' from='{to}'><conference-modified xmlns='jitsi:colibri2'>{endpoints}\
             </conference-modified></iq>"
        ))
    }

    fn note_session(&mut self, stanza: &Element) {
        let Some(jingle) = stanza.get_child("jingle", "urn:xmpp:jingle:1") else { return };
        if jingle.attr("action") == Some("session-initiate") {
            let who = stanza.attr("to").unwrap().rsplit('/').next().unwrap();
            self.bound.insert(format!("{who}.sid"), jingle.attr("sid").unwrap().to_owned());
            let bridge = jingle.get_child("bridge-session", "http://jitsi.org/protocol/focus").unwrap();
            self.bound.insert(format!("{who}.bridge"), bridge.attr("id").unwrap().to_owned());
        }
    }

    fn expect(&mut self, pattern: &str) {
        let (head, tail) = pattern.split_at(pattern.find([' ', '/', '>']).unwrap());
        let parsed: Element =
            format!("{head} xmlns='pattern'{tail}").parse().unwrap_or_else(|e| panic!("{}: {e}", self.line));
        let Some(stanza) = self.sent.pop_front() else { panic!("{}: nothing was sent", self.line) };
        if let Err(why) = self.matches(&parsed, &stanza) {
            panic!("{}: {why}\nin {}", self.line, String::from(&stanza));
        }
    }

    fn matches(&mut self, pattern: &Element, element: &Element) -> Result<(), String> {
        if pattern.name() != element.name() {
            return Err(format!("<{}> where <{}> was expected", element.name(), pattern.name()));
        }
        for ((_, name), wanted) in pattern.attrs() {
            let found = element.attr(name.as_str()).unwrap_or_default();
            self.compare(wanted, found).map_err(|e| format!("{name} of <{}>: {e}", element.name()))?;
        }
        let text = pattern.text();
        if !text.trim().is_empty() && !element.text().contains(text.trim()) {
            return Err(format!("text {:?} where {:?} was expected", element.text(), text.trim()));
        }
        let mut children = element.children();
        for wanted in pattern.children() {
            if let Some(name) = wanted.name().strip_prefix("no-") {
                if element.children().any(|child| child.name() == name) {
                    return Err(format!("there is a <{name}>"));
                }
                continue;
            }
            let mut why = format!("no <{}> in <{}>", wanted.name(), element.name());
            let bound = self.bound.clone();
            let found = children.any(|child| match self.matches(wanted, child) {
                Ok(()) => true,
                Err(reason) => {
                    if child.name() == wanted.name() {
                        why = reason;
                    }
                    self.bound = bound.clone();
                    false
                }
            });
            if !found {
                return Err(why);
            }
        }
        Ok(())
    }

    fn compare(&mut self, wanted: &str, found: &str) -> Result<(), String> {
        let mut expanded = wanted.to_owned();
        for (name, value) in &self.bound {
            expanded = expanded.replace(&format!("{{{name}}}"), value);
        }
        if let Some(name) = expanded.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            self.bound.insert(name.to_owned(), found.to_owned());
            return Ok(());
        }
        if expanded == found { Ok(()) } else { Err(format!("{found:?} where {expanded:?} was expected")) }
    }

    fn sent_text(&self) -> Vec<String> {
        self.sent.iter().map(String::from).collect()
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )*

        #[test]
        fn every_script_is_played() {
            let names: BTreeSet<String> = [$(stringify!($name)),*].iter().map(|n| format!("{n}.scs")).collect();
            let folder = format!("{}/tests/scenarios", env!("CARGO_MANIFEST_DIR"));
            let files: BTreeSet<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(files, names);
        }
    };
}

scenarios! {
    three_join
    source_signaling
    source_errors
    leave_and_alone
    mute
    moderation
    bridge_lost
    bridge_errors
    restart
    secure_domain
    room_troubles
    wrong_requests
    xml_sources
    limits
    breakout
    odd_members
}
