//! Plays scripts: named sessions send stanzas to the rooms and services, in memory, and what they receive is compared
//! with what the script says.
//!
//! ```text
//! [focus] focus@auth.d/focus admin
//! [ann] 11111111-aaaa@d/web room=hall
//! ---
//! ann sends:
//!     <presence to='hall@conference.d/11111111'><x xmlns='muc'/></presence>
//! ann receives:
//!     <presence type='error' …/>
//! ann receives nothing
//! 30 s pass
//! ann is gone
//! ```
//! Lines that begin with `#` are comments. Indented lines belong to the step above; several elements may follow one
//! another. In XML, short names stand for namespaces (see `NAMESPACES`), `${ann}` for the address of a session, `{any}`
//! for any value of an attribute or text, and a child `<more/>` for any further children. Text that is JSON is compared
//! as JSON. `occupant-id` children and the attributes `to` and `xml:lang` of a received stanza are looked at only when the
//! script names them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jid::FullJid;
use minidom::Element;
use rand::SeedableRng;
use rand::rngs::StdRng;
use xmpp_server_core::component::{Component, Context, Now, Outbound, Outgoing, SenderContext, SessionParams};
use xmpp_server_core::muc::rooms::Rooms;
use xmpp_server_core::muc::settings::Settings;
use xmpp_server_core::service::focus_gateway::FocusGateway;
use xmpp_server_core::service::host::Host;
use xmpp_server_core::stanza::WireStanza;
use xmpp_server_core::xml::ElementExt;

const NAMESPACES: [(&str, &str); 14] = [
    ("muc", "http://jabber.org/protocol/muc"),
    ("muc#user", "http://jabber.org/protocol/muc#user"),
    ("muc#admin", "http://jabber.org/protocol/muc#admin"),
    ("muc#owner", "http://jabber.org/protocol/muc#owner"),
    ("disco#info", "http://jabber.org/protocol/disco#info"),
    ("disco#items", "http://jabber.org/protocol/disco#items"),
    ("jitmeet", "http://jitsi.org/jitmeet"),
    ("form", "jabber:x:data"),
    ("stanzas", "urn:ietf:params:xml:ns:xmpp-stanzas"),
    ("delay", "urn:xmpp:delay"),
    ("nick", "http://jabber.org/protocol/nick"),
    ("ping", "urn:xmpp:ping"),
    ("focus", "http://jitsi.org/protocol/focus"),
    ("conference", "jabber:x:conference"),
];

/// Rooms and services of domain `d` with sessions around them.
pub(crate) struct Stage {
    components: Vec<Box<dyn Component>>,
    sessions: BTreeMap<String, SenderContext>,
    inbox: BTreeMap<String, VecDeque<Element>>,
    now: Now,
    random: StdRng,
}

impl Stage {
    pub(crate) fn new(settings: Settings) -> Self {
        let gateway = FocusGateway::new(settings.service("focus"), settings.focus_account.clone());
        Self {
            components: vec![
                Box::new(Host::new(settings.clone(), Vec::new())),
                Box::new(gateway),
                Box::new(Rooms::new(settings)),
            ],
            sessions: BTreeMap::new(),
            inbox: BTreeMap::new(),
            now: Now { monotonic_ms: 1_000, unix_ms: 1_700_000_000_000 },
            random: StdRng::seed_from_u64(1),
        }
    }

    pub(crate) fn add_session(&mut self, name: &str, sender: SenderContext) {
        self.sessions.insert(name.to_owned(), sender);
        self.inbox.insert(name.to_owned(), VecDeque::new());
    }

    /// From now on a name stands for another session.
    pub(crate) fn replace_session(&mut self, name: &str, sender: SenderContext) {
        self.sessions.insert(name.to_owned(), sender);
    }

    pub(crate) fn inbox(&mut self, name: &str) -> &mut VecDeque<Element> {
        self.inbox.get_mut(name).unwrap_or_else(|| panic!("no session is called {name}"))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.sessions.keys().cloned().collect()
    }

    fn run(&mut self, act: impl Fn(&mut dyn Component, &mut Context<'_>)) {
        let mut out = Vec::new();
        let mut cx = Context { now: self.now, random: &mut self.random, out: &mut out };
        for component in &mut self.components {
            act(&mut **component, &mut cx);
        }
        self.deliver(out);
    }

    fn deliver(&mut self, out: Vec<Outbound>) {
        for Outbound { to, stanza } in out {
            let wire = match &stanza {
                Outgoing::Element(element) => WireStanza::new(element),
                Outgoing::Shared(shared) => shared.addressed(&to),
            };
            let text = [&wire.head[..], &wire.tail[..]].concat();
            let element = Element::from_reader(&text[..])
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
            assert_eq!(element.attr("to"), Some(to.as_str()), "a stanza says where it goes");
            for (name, session) in &self.sessions {
                if session.jid.as_str() == to.as_str() || session.jid.to_bare().as_str() == to.as_str() {
                    self.inbox.entry(name.clone()).or_default().push_back(element.clone());
                }
            }
        }
    }

    pub(crate) fn send(&mut self, name: &str, mut stanza: Element) {
        let sender = self.sessions[name].clone();
        let to = stanza.attr("to").unwrap_or("d").to_owned();
        stanza.put("from", sender.jid.as_str());
        let domain = jid::Jid::new(&to).expect("address").domain().to_string();
        let mut out = Vec::new();
        let mut cx = Context { now: self.now, random: &mut self.random, out: &mut out };
        let component = self
            .components
            .iter_mut()
            .find(|component| component.serves(&domain))
            .unwrap_or_else(|| panic!("nobody serves {domain}"));
        component.handle(&sender, stanza, &mut cx);
        self.deliver(out);
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        let end = self.now.monotonic_ms + ms;
        loop {
            let next =
                self.components.iter().filter_map(|component| component.next_deadline()).min().filter(|at| *at <= end);
            let to = next.unwrap_or(end).max(self.now.monotonic_ms);
            self.now.unix_ms += to - self.now.monotonic_ms;
            self.now.monotonic_ms = to;
            if next.is_none() {
                return;
            }
            self.run(|component, cx| component.handle_timeout(cx));
        }
    }

    pub(crate) fn set_available(&mut self, name: &str, available: bool) {
        let session = self.sessions[name].clone();
        self.run(|component, cx| component.session_available(&session, available, cx));
    }

    pub(crate) fn bind(&mut self, name: &str) {
        let session = self.sessions[name].clone();
        self.run(|component, cx| component.session_bound(&session, cx));
    }

    pub(crate) fn end(&mut self, name: &str) {
        let session = self.sessions[name].clone();
        self.run(|component, cx| component.session_gone(&session, cx));
    }

    fn expand(&self, xml: &str) -> String {
        let mut xml = xml.to_owned();
        for (name, session) in &self.sessions {
            xml = xml.replace(&format!("${{{name}}}"), session.jid.as_str());
            xml = xml.replace(&format!("${{{name} bare}}"), session.jid.to_bare().as_str());
        }
        for (short, namespace) in NAMESPACES {
            xml = xml.replace(&format!("xmlns='{short}'"), &format!("xmlns='{namespace}'"));
        }
        xml
    }

    fn elements(&self, line: usize, xml: &str) -> Vec<Element> {
        let wrapped = format!("<all xmlns='jabber:client'>{}</all>", self.expand(xml));
        let all: Element = wrapped.parse().unwrap_or_else(|error| panic!("line {line}: {error} in {wrapped}"));
        all.children().cloned().collect()
    }
}

pub(crate) fn session(line: &str) -> (String, SenderContext) {
    let (name, rest) =
        line.strip_prefix('[').and_then(|line| line.split_once(']')).unwrap_or_else(|| panic!("not a session: {line}"));
    let mut words = rest.split_whitespace();
    let jid = FullJid::new(words.next().expect("an address")).expect("a full address");
    let mut params = SessionParams::default();
    let mut is_admin = false;
    for word in words {
        match word.split_once('=') {
            None if word == "admin" => is_admin = true,
            Some(("room", room)) => params.room = Some(room.to_owned()),
            Some(("region", region)) => params.region = Some(region.to_owned()),
            _ => panic!("unknown word {word}"),
        }
    }
    let sender = SenderContext { jid, is_admin, is_authenticated: is_admin, params: Arc::new(params) };
    (name.to_owned(), sender)
}

/// Plays one script.
pub(crate) fn check(script: &str) {
    check_with(script, |_| {});
}

/// What `@meeting` at the head of a script stands for: ann, a moderator, and bob are in `hall` with the focus.
const MEETING: (&str, &str) =
    (include_str!("../scenarios/meeting.sessions"), include_str!("../scenarios/meeting.steps"));

/// Plays one script with settings of its own.
pub(crate) fn check_with(script: &str, adjust: impl FnOnce(&mut Settings)) {
    let mut settings = Settings::new("d", [7; 32]).expect("domain");
    adjust(&mut settings);
    let mut stage = Stage::new(settings);
    let (head, body) = script.split_once("\n---").expect("sessions, then ---");
    let (head, body) = (head.to_owned(), body.to_owned());
    let (head, body) = if head.lines().any(|line| line == "@meeting") {
        (head.replace("@meeting", MEETING.0.trim_end()), format!("{}{body}", MEETING.1))
    } else {
        (head, body)
    };
    for line in head.lines().map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            let (name, sender) = session(line);
            stage.add_session(&name, sender);
        }
    }
    let head_lines = head.lines().count() + 1;
    let lines: Vec<(usize, &str)> = body
        .lines()
        .enumerate()
        .map(|(index, line)| (index + head_lines, line))
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .filter(|(_, line)| !line.trim_matches('-').is_empty())
        .collect();
    let mut at = 0;
    while at < lines.len() {
        let (number, step) = lines[at];
        at += 1;
        let mut xml = String::new();
        while at < lines.len() && lines[at].1.starts_with([' ', '\t']) {
            xml.push_str(lines[at].1.trim());
            at += 1;
        }
        play(&mut stage, number, step.trim(), &xml);
    }
}

fn play(stage: &mut Stage, number: usize, step: &str, xml: &str) {
    let words: Vec<&str> = step.split_whitespace().collect();
    match words[..] {
        [name, "sends:"] => {
            for stanza in stage.elements(number, xml) {
                stage.send(name, stanza);
            }
        }
        [name, "receives:"] => {
            for expected in stage.elements(number, xml) {
                let received = stage
                    .inbox(name)
                    .pop_front()
                    .unwrap_or_else(|| panic!("line {number}: {name} receives nothing, expected {}", text(&expected)));
                if let Err(why) = matches(&expected, &received, true) {
                    panic!("line {number}: {why}\nexpected {}\nreceived {}", text(&expected), text(&received));
                }
            }
        }
        [name, "receives", "nothing"] => {
            let waiting: Vec<String> = stage.inbox(name).iter().map(text).collect();
            assert!(waiting.is_empty(), "line {number}: {name} received {waiting:#?}");
        }
        ["everybody", "ignores", "the", "rest"] => {
            stage.inbox.values_mut().for_each(VecDeque::clear);
        }
        [name, "ignores", "the", "rest"] => stage.inbox(name).clear(),
        [name, "ignores", count] => {
            let count: usize = count.parse().expect("a number");
            let inbox = stage.inbox(name);
            assert!(inbox.len() >= count, "line {number}: {name} received only {}", inbox.len());
            inbox.drain(..count);
        }
        [name, "is", "available"] => stage.set_available(name, true),
        [name, "is", "unavailable"] => stage.set_available(name, false),
        [name, "is", "bound"] => stage.bind(name),
        [name, "is", "gone"] => stage.end(name),
        [count, "ms", "pass"] => stage.pass_ms(count.parse().expect("a number")),
        [count, "s", "pass"] => stage.pass_ms(1000 * count.parse::<u64>().expect("a number")),
        _ => panic!("line {number}: unknown step {step}"),
    }
}

fn text(element: &Element) -> String {
    xmpp_server_core::xml::to_string(element)
}

/// Whether what was received is what was expected, or why not.
pub(crate) fn matches(expected: &Element, received: &Element, is_stanza: bool) -> Result<(), String> {
    if expected.name() != received.name() || expected.ns() != received.ns() {
        return Err(format!("<{}/> is not <{}/>", received.name(), expected.name()));
    }
    for ((ns, name), value) in expected.attrs() {
        let found = received.attr_ns(ns.as_str(), name.as_str());
        match found {
            None => return Err(format!("<{}/> lacks {name}", expected.name())),
            Some(found) if value != "{any}" && found != value => {
                return Err(format!("{name} of <{}/> is {found}", expected.name()));
            }
            Some(_) => {}
        }
    }
    for ((ns, name), value) in received.attrs() {
        let is_free = is_stanza && matches!(name.as_str(), "to" | "lang");
        if !is_free && expected.attr_ns(ns.as_str(), name.as_str()).is_none() {
            return Err(format!("<{}/> has {name}={value}", expected.name()));
        }
    }
    let is_open = expected.children().any(|child| child.name() == "more");
    let names_occupant_id = expected.children().any(|child| child.name() == "occupant-id");
    let mut left: VecDeque<&Element> =
        received.children().filter(|child| names_occupant_id || child.name() != "occupant-id").collect();
    for child in expected.children().filter(|child| child.name() != "more") {
        if is_open {
            let found = left.iter().position(|other| matches(child, other, false).is_ok());
            match found {
                Some(index) => {
                    left.remove(index);
                }
                None => return Err(format!("<{}/> lacks {}", expected.name(), text(child))),
            }
        } else {
            match left.pop_front() {
                Some(other) => matches(child, other, false)?,
                None => return Err(format!("<{}/> lacks {}", expected.name(), text(child))),
            }
        }
    }
    if let (false, Some(other)) = (is_open, left.front()) {
        return Err(format!("<{}/> has {}", expected.name(), text(other)));
    }
    if expected.children().next().is_none() && !is_open {
        same_text(&expected.text(), &received.text())?;
    }
    Ok(())
}

fn same_text(expected: &str, received: &str) -> Result<(), String> {
    if expected == "{any}" || expected == received {
        return Ok(());
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok().filter(|value| value.is_object());
    match (json(expected), json(received)) {
        (Some(a), Some(b)) if a == b => Ok(()),
        _ => Err(format!("text is {received}")),
    }
}
