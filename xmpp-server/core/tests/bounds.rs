//! Every bound of rooms and services is reached once: the peer gets the protocol's error, and nobody else notices.

#[allow(dead_code, reason = "each test binary uses its part")]
mod scenario;

use minidom::Element;
use scenario::{Stage, session};
use xmpp_server_core::muc::history::HISTORY_MESSAGES_MAX;
use xmpp_server_core::muc::policy::focus_gate::WAITING_MAX;
use xmpp_server_core::muc::policy::max_occupants::OCCUPANTS_MAX;
use xmpp_server_core::muc::policy::nickname::NICK_BYTES_MAX;
use xmpp_server_core::muc::policy::password::SECRET_BYTES_MAX;
use xmpp_server_core::muc::room::AFFILIATIONS_MAX;
use xmpp_server_core::muc::rooms::{NODE_BYTES_MAX, PUBLIC_ROOMS_MAX, ROOMS_PER_SESSION_MAX};
use xmpp_server_core::muc::settings::Settings;
use xmpp_server_core::muc::subject::SUBJECT_BYTES_MAX;
use xmpp_server_core::muc::{INVITES_MAX, ITEMS_MAX, PRESENCE_BYTES_MAX, REASON_BYTES_MAX, TEXT_BYTES_MAX};
use xmpp_server_core::service::av_moderation::ALLOWED_MAX;
use xmpp_server_core::service::breakout::BREAKOUT_ROOMS_MAX;
use xmpp_server_core::service::polls::{COMMAND_BYTES_MAX, POLLS_MAX, VOTERS_MAX};
use xmpp_server_core::service::room_metadata::METADATA_BYTES_MAX;
use xmpp_server_core::service::speaker_stats::{FACE_LANDMARKS_MAX, SPEAKERS_MAX};

const MUC: &str = "http://jabber.org/protocol/muc";

/// ann, an owner, and the focus are in `hall`.
struct Hall(Stage);

impl Hall {
    fn new(adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new("d", [7; 32]).expect("domain");
        adjust(&mut settings);
        let mut hall = Self(Stage::new(settings));
        hall.add("focus", "focus@auth.d/focus admin");
        hall.add("ann", "11111111-aaaa@d/web room=hall");
        hall.join("focus", "hall", "focus");
        hall.join("ann", "hall", "11111111");
        hall.send(
            "focus",
            "<iq type='set' id='o' to='hall@conference.d'><query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='owner' jid='11111111-aaaa@d'/></query></iq>",
        );
        hall.clear();
        hall
    }

    fn add(&mut self, name: &str, rest: &str) {
        let (_, sender) = session(&format!("[{name}] {rest}"));
        self.0.add_session(name, sender);
    }

    fn clear(&mut self) {
        for name in self.0.names() {
            self.0.inbox(&name).clear();
        }
    }

    fn send(&mut self, name: &str, xml: &str) {
        let end = xml.find(' ').expect("attributes");
        let stanza = format!("{} xmlns='jabber:client'{}", &xml[..end], &xml[end..]);
        self.0.send(name, stanza.parse().expect("XML"));
    }

    fn join(&mut self, name: &str, room: &str, nick: &str) {
        self.send(name, &format!("<presence to='{room}@conference.d/{nick}'><x xmlns='{MUC}'/></presence>"));
    }

    /// The condition of the only stanza a session received, if it is an error.
    fn refusal(&mut self, name: &str) -> Option<String> {
        let received: Vec<Element> = self.0.inbox(name).drain(..).collect();
        let error = received.last()?.get_child("error", "jabber:client")?.clone();
        error.children().next().map(|child| child.name().to_owned())
    }

    /// Sends from ann, and says how it was refused.
    fn ann(&mut self, xml: &str) -> Option<String> {
        self.clear();
        self.send("ann", xml);
        self.refusal("ann")
    }

    fn ann_configures(&mut self, var: &str, value: &str) -> Option<String> {
        self.ann(&format!(
            "<iq type='set' id='c' to='hall@conference.d'><query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='{var}'><value>{value}</value></field></x></query></iq>"
        ))
    }
}

fn hall() -> Hall {
    Hall::new(|_| {})
}

fn is(condition: &str) -> Option<String> {
    Some(condition.to_owned())
}

#[test]
fn presence() {
    let mut hall = hall();
    let presence = |bytes| format!("<presence to='hall@conference.d/11111111'><a>{}</a></presence>", "x".repeat(bytes));
    assert_eq!(hall.ann(&presence(PRESENCE_BYTES_MAX - 7)), None);
    assert_eq!(hall.ann(&presence(PRESENCE_BYTES_MAX)), is("policy-violation"));
    assert!(hall.0.inbox("focus").is_empty());
}

#[test]
fn waiting_at_the_gate() {
    let mut hall = hall();
    hall.0.end("focus");
    for n in 0..=WAITING_MAX {
        let name = format!("w{n}");
        hall.add(&name, &format!("w{n}@d/web"));
        hall.join(&name, "hall", &format!("n{n}"));
    }
    assert_eq!(hall.refusal(&format!("w{WAITING_MAX}")), is("resource-constraint"));
    assert_eq!(hall.refusal("w0"), None);
}

#[test]
fn affiliations_and_items() {
    let mut hall = hall();
    let items = |from: usize, count: usize| {
        let items: String =
            (from..from + count).map(|n| format!("<item affiliation='member' jid='m{n}@d'/>")).collect();
        format!(
            "<iq type='set' id='i' to='hall@conference.d'><query xmlns='http://jabber.org/protocol/muc#admin'>{items}\
             </query></iq>"
        )
    };
    assert_eq!(hall.ann(&items(0, ITEMS_MAX + 1)), is("policy-violation"));
    // ann is one of them already.
    let mut made = 1;
    while made + ITEMS_MAX <= AFFILIATIONS_MAX {
        assert_eq!(hall.ann(&items(made, ITEMS_MAX)), None);
        made += ITEMS_MAX;
    }
    let left = AFFILIATIONS_MAX - made;
    assert_eq!(hall.ann(&items(made, left)), None);
    assert_eq!(hall.ann(&items(made + left, 1)), is("resource-constraint"));
}

#[test]
fn reasons() {
    let mut hall = hall();
    for (account, bytes) in [("short", REASON_BYTES_MAX), ("long", REASON_BYTES_MAX + 1)] {
        assert_eq!(
            hall.ann(&format!(
                "<iq type='set' id='b' to='hall@conference.d'><query xmlns='http://jabber.org/protocol/muc#admin'>\
                 <item affiliation='outcast' jid='{account}@d'><reason>{}</reason></item></query></iq>",
                "x".repeat(bytes)
            )),
            None
        );
    }
    hall.clear();
    hall.send(
        "ann",
        "<iq type='get' id='l' to='hall@conference.d'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='outcast'/></query></iq>",
    );
    let list = hall.0.inbox("ann").pop_front().expect("a list");
    let kept: Vec<(String, bool)> = list
        .children()
        .flat_map(Element::children)
        .map(|item| (item.attr("jid").expect("an address").to_owned(), item.children().next().is_some()))
        .collect();
    assert_eq!(kept, [("long@d".to_owned(), false), ("short@d".to_owned(), true)]);
}

#[test]
fn invitations() {
    let mut hall = hall();
    let invites = |count: usize| {
        let invites: String = (0..count).map(|n| format!("<invite to='i{n}@d'/>")).collect();
        format!(
            "<message to='hall@conference.d'><x xmlns='http://jabber.org/protocol/muc#user'>{invites}</x></message>"
        )
    };
    assert_eq!(hall.ann(&invites(INVITES_MAX)), None);
    assert_eq!(hall.ann(&invites(INVITES_MAX + 1)), is("policy-violation"));
}

#[test]
fn texts() {
    let mut hall = hall();
    let subject = |bytes| {
        format!("<message type='groupchat' to='hall@conference.d'><subject>{}</subject></message>", "x".repeat(bytes))
    };
    assert_eq!(hall.ann(&subject(SUBJECT_BYTES_MAX)), None);
    assert_eq!(hall.ann(&subject(SUBJECT_BYTES_MAX + 1)), is("policy-violation"));
    for (var, max) in [
        ("muc#roomconfig_roomname", TEXT_BYTES_MAX),
        ("muc#roomconfig_roomdesc", TEXT_BYTES_MAX),
        ("muc#roomconfig_lang", TEXT_BYTES_MAX),
        ("muc#roomconfig_roomsecret", SECRET_BYTES_MAX),
    ] {
        assert_eq!(hall.ann_configures(var, &"x".repeat(max)), None);
        assert_eq!(hall.ann_configures(var, &"x".repeat(max + 1)), is("not-acceptable"));
    }
    assert_eq!(hall.ann_configures("muc#roomconfig_roomsecret", ""), None);
    hall.add("bob", "22222222-bbbb@d/web");
    hall.join("bob", "hall", &"b".repeat(NICK_BYTES_MAX + 1));
    assert_eq!(hall.refusal("bob"), is("not-acceptable"));
    hall.join("bob", "hall", &"b".repeat(NICK_BYTES_MAX));
    assert_eq!(hall.refusal("bob"), None);
    hall.clear();
    hall.join("focus", &"r".repeat(NODE_BYTES_MAX + 1), "focus");
    assert_eq!(hall.refusal("focus"), is("jid-malformed"));
    hall.join("focus", &"r".repeat(NODE_BYTES_MAX), "focus");
    assert_eq!(hall.refusal("focus"), None);
}

#[test]
fn history() {
    let mut hall = hall();
    assert_eq!(hall.ann_configures("muc#roomconfig_historylength", "1000000"), None);
    assert_eq!(hall.ann_configures("muc#roomconfig_defaulthistorymessages", "1000000"), None);
    for n in 0..HISTORY_MESSAGES_MAX + 5 {
        hall.ann(&format!("<message type='groupchat' to='hall@conference.d'><body>{n}</body></message>"));
    }
    hall.add("bob", "22222222-bbbb@d/web");
    hall.join("bob", "hall", "22222222");
    let bodies: Vec<String> = hall
        .0
        .inbox("bob")
        .iter()
        .filter_map(|stanza| stanza.get_child("body", "jabber:client"))
        .map(Element::text)
        .collect();
    assert_eq!(bodies.len(), HISTORY_MESSAGES_MAX);
    assert_eq!(bodies[0], "5", "the oldest are forgotten");
    // A message larger than all the history may hold is forgotten at once, with everything before it.
    let long = "x".repeat(300 * 1024);
    hall.ann(&format!("<message type='groupchat' to='hall@conference.d'><body>{long}</body></message>"));
    hall.add("eve", "33333333-cccc@d/web");
    hall.join("eve", "hall", "33333333");
    assert!(!hall.0.inbox("eve").iter().any(|stanza| stanza.has_child("body", "jabber:client")));
}

#[test]
fn occupants() {
    let mut small = Hall::new(|settings| settings.occupants_max = Some(2));
    small.add("bob", "22222222-bbbb@d/web");
    small.add("eve", "33333333-cccc@d/web");
    small.join("bob", "hall", "22222222");
    small.join("eve", "hall", "33333333");
    assert_eq!(small.refusal("bob"), None);
    assert_eq!(small.refusal("eve"), is("service-unavailable"));

    // In a lobby people do not see one another, so that very many cost little here.
    let mut hall = hall();
    assert_eq!(hall.ann_configures("muc#roomconfig_membersonly", "1"), None);
    hall.add("k", "k@d/web");
    for n in 0..=OCCUPANTS_MAX {
        let name = format!("k{n}");
        if n + 1 >= OCCUPANTS_MAX {
            hall.add(&name, &format!("{name}@d/web"));
        } else {
            // Not listened to: the stage looks through all it knows at each delivery.
            let (_, sender) = session(&format!("[{name}] {name}@d/web"));
            hall.0.replace_session("k", sender);
        }
        let who = if n + 1 >= OCCUPANTS_MAX { &name } else { "k" };
        hall.send(who, &format!("<presence to='hall@lobby.d/n{n}'><x xmlns='{MUC}'/></presence>"));
    }
    assert_eq!(hall.refusal(&format!("k{}", OCCUPANTS_MAX - 1)), None);
    assert_eq!(hall.refusal(&format!("k{OCCUPANTS_MAX}")), is("service-unavailable"));
}

#[test]
fn rooms() {
    let mut hall = Hall::new(|settings| settings.rooms_max = 2);
    hall.join("focus", "second", "focus");
    assert_eq!(hall.refusal("focus"), None);
    hall.join("focus", "third", "focus");
    assert_eq!(hall.refusal("focus"), is("resource-constraint"));

    let mut hall = Hall::new(|_| {});
    for n in 0..ROOMS_PER_SESSION_MAX {
        hall.join("focus", &format!("r{n}"), "focus");
    }
    for n in 0..ROOMS_PER_SESSION_MAX - 1 {
        hall.clear();
        hall.join("ann", &format!("r{n}"), "11111111");
        assert_eq!(hall.refusal("ann"), None);
    }
    hall.clear();
    hall.join("ann", &format!("r{}", ROOMS_PER_SESSION_MAX - 1), "11111111");
    assert_eq!(hall.refusal("ann"), is("resource-constraint"));
}

#[test]
fn listed_rooms() {
    let mut hall = hall();
    for n in 0..=PUBLIC_ROOMS_MAX {
        let room = format!("public{n}");
        hall.join("focus", &room, "focus");
        hall.send(
            "focus",
            &format!(
                "<iq type='set' id='c' to='{room}@conference.d'><query xmlns='http://jabber.org/protocol/muc#owner'>\
                 <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                 <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
                 <field var='muc#roomconfig_publicroom'><value>1</value></field></x></query></iq>"
            ),
        );
    }
    hall.clear();
    hall.send(
        "ann",
        "<iq type='get' id='i' to='conference.d'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
    );
    let answer = hall.0.inbox("ann").pop_front().expect("an answer");
    let items = answer.children().next().expect("a query").children().count();
    assert_eq!(items, PUBLIC_ROOMS_MAX);
}

#[test]
fn metadata() {
    let mut hall = hall();
    let set = |key: &str, bytes| {
        format!(
            "<message to='metadata.d'><room_metadata xmlns='http://jitsi.org/jitmeet' room='hall@conference.d'>\
             {{\"key\":\"{key}\",\"data\":\"{}\"}}</room_metadata></message>",
            "x".repeat(bytes)
        )
    };
    assert_eq!(hall.ann(&set("a", METADATA_BYTES_MAX / 2)), None);
    assert_eq!(hall.ann(&set("b", METADATA_BYTES_MAX / 2)), is("policy-violation"));
    assert!(hall.0.inbox("focus").is_empty());
    assert_eq!(hall.ann(&set("b", 10)), None);
    assert_eq!(hall.0.inbox("focus").len(), 1);
}

#[test]
fn people_allowed_to_unmute() {
    let mut hall = hall();
    hall.add("bob", "22222222-bbbb@d/web");
    hall.ann("<message to='avmoderation.d'><av_moderation enable='true' mediaType='audio'/></message>");
    // ann is allowed already.
    for n in 1..=ALLOWED_MAX {
        hall.join("bob", "hall", &format!("b{n}"));
        let allow = format!(
            "<message to='avmoderation.d'><av_moderation jidToWhitelist='hall@conference.d/b{n}' mediaType='audio'/></message>"
        );
        let expected = if n == ALLOWED_MAX { is("resource-constraint") } else { None };
        assert_eq!(hall.ann(&allow), expected, "{n}");
        hall.send("bob", &format!("<presence type='unavailable' to='hall@conference.d/b{n}'/>"));
    }
}

#[test]
fn speakers() {
    let mut hall = hall();
    let speak = "<message to='speakerstats.d'><speakerstats xmlns='http://jitsi.org/jitmeet' room='hall@conference.d'/></message>";
    hall.add("s", "s@d/web");
    for n in 0..=SPEAKERS_MAX {
        let (_, sender) = session(&format!("[s] s{n}@d/web"));
        hall.0.replace_session("s", sender);
        hall.join("s", "hall", &format!("s{n}"));
        hall.clear();
        hall.send("s", speak);
        let expected = if n == SPEAKERS_MAX { is("resource-constraint") } else { None };
        assert_eq!(hall.refusal("s"), expected, "{n}");
        hall.0.end("s");
    }
}

#[test]
fn face_landmarks() {
    let mut hall = hall();
    for n in 0..FACE_LANDMARKS_MAX + 3 {
        assert_eq!(
            hall.ann(&format!(
                "<message to='speakerstats.d'><faceLandmarks xmlns='http://jitsi.org/jitmeet' room='hall@conference.d' \
                 faceExpression='happy' timestamp='{n}' duration='1'/></message>"
            )),
            None
        );
    }
    hall.add("bob", "22222222-bbbb@d/web");
    hall.join("bob", "hall", "22222222");
    let stats = hall
        .0
        .inbox("bob")
        .iter()
        .find(|stanza| stanza.attr("from") == Some("speakerstats.d"))
        .and_then(|stanza| stanza.children().next())
        .map(Element::text)
        .expect("statistics");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    let landmarks = stats["users"]["11111111"]["faceLandmarks"].as_array().expect("a list");
    assert_eq!(landmarks.len(), FACE_LANDMARKS_MAX);
    assert_eq!(landmarks[0]["timestamp"], 3, "the oldest are forgotten");
}

#[test]
fn polls() {
    let mut hall = hall();
    let poll = |id: &str, bytes| {
        format!(
            "<message type='chat' to='polls.d'><json-message xmlns='http://jitsi.org/jitmeet'>{{\"type\":\"polls\",\
             \"command\":\"new-poll\",\"pollId\":\"{id}\",\"question\":\"{}\",\"answers\":[{{\"name\":\"a\"}}]}}\
             </json-message></message>",
            "x".repeat(bytes)
        )
    };
    assert_eq!(hall.ann(&poll("long", COMMAND_BYTES_MAX)), is("not-allowed"));
    for n in 0..POLLS_MAX {
        assert_eq!(hall.ann(&poll(&n.to_string(), 10)), None);
    }
    assert_eq!(hall.ann(&poll("more", 10)), is("not-allowed"));

    let mut hall = Hall::new(|_| {});
    assert_eq!(hall.ann(&poll("0", 10)), None);
    hall.add("bob", "22222222-bbbb@d/web room=hall");
    for n in 0..=VOTERS_MAX {
        hall.join("bob", "hall", &format!("b{n}"));
        hall.clear();
        hall.send(
            "bob",
            "<message type='chat' to='polls.d'><json-message xmlns='http://jitsi.org/jitmeet'>{\"type\":\"polls\",\
             \"command\":\"answer-poll\",\"pollId\":\"0\",\"answers\":[true]}</json-message></message>",
        );
        let expected = if n == VOTERS_MAX { is("resource-constraint") } else { None };
        assert_eq!(hall.refusal("bob"), expected, "{n}");
        hall.send("bob", &format!("<presence type='unavailable' to='hall@conference.d/b{n}'/>"));
    }
}

#[test]
fn breakout_rooms() {
    let mut hall = hall();
    let add = "<message to='breakout.d'><breakout_rooms type='features/breakout-rooms/add' subject='s'/></message>";
    for _ in 0..BREAKOUT_ROOMS_MAX {
        assert_eq!(hall.ann(add), None);
    }
    assert_eq!(hall.ann(add), is("resource-constraint"));
}
