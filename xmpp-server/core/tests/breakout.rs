//! The life of a breakout room, whose address is not known before.

#[allow(dead_code, reason = "each test binary uses its part")]
mod scenario;

use minidom::Element;
use scenario::{Stage, session};
use serde_json::Value;
use xmpp_server_core::muc::settings::Settings;

const MUC: &str = "http://jabber.org/protocol/muc";

fn stage() -> Stage {
    let mut stage = Stage::new(Settings::new("d", [7; 32]).expect("domain"));
    for line in [
        "[focus] focus@auth.d/focus admin",
        "[ann] 11111111-aaaa@d/web room=hall",
        "[bob] 22222222-bbbb@d/web room=hall",
    ] {
        let (name, sender) = session(line);
        stage.add_session(&name, sender);
    }
    for (name, nick) in [("focus", "focus"), ("ann", "11111111"), ("bob", "22222222")] {
        join(&mut stage, name, &format!("hall@conference.d/{nick}"));
    }
    send(
        &mut stage,
        "focus",
        "<iq xmlns='jabber:client' type='set' id='o' to='hall@conference.d'>\
         <query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner' jid='11111111-aaaa@d'/></query></iq>",
    );
    stage
}

fn send(stage: &mut Stage, name: &str, xml: &str) {
    stage.send(name, xml.parse().expect("XML"));
}

fn join(stage: &mut Stage, name: &str, address: &str) {
    send(stage, name, &format!("<presence xmlns='jabber:client' to='{address}'><x xmlns='{MUC}'/></presence>"));
}

fn command(stage: &mut Stage, name: &str, attributes: &str) {
    send(
        stage,
        name,
        &format!("<message xmlns='jabber:client' to='breakout.d'><breakout_rooms {attributes}/></message>"),
    );
}

/// The last thing the breakout service said to a session, as JSON.
fn last_word(stage: &mut Stage, name: &str) -> Value {
    let text = stage
        .inbox(name)
        .drain(..)
        .rfind(|stanza| stanza.attr("from") == Some("breakout.d"))
        .and_then(|stanza| stanza.children().next().map(Element::text))
        .unwrap_or_else(|| panic!("{name} is not told"));
    serde_json::from_str(&text).expect("JSON")
}

fn last_presence(stage: &mut Stage, name: &str) -> Element {
    stage.inbox(name).drain(..).rfind(|stanza| stanza.name() == "presence").expect("a presence")
}

fn roles(presence: &Element) -> (String, String) {
    let item = presence
        .get_child("x", "http://jabber.org/protocol/muc#user")
        .and_then(|x| x.get_child("item", "http://jabber.org/protocol/muc#user"))
        .expect("an item");
    let attr = |name| item.attr(name).expect("attribute").to_owned();
    (attr("affiliation"), attr("role"))
}

/// Makes one and says its address.
fn add(stage: &mut Stage) -> String {
    command(stage, "ann", "type='features/breakout-rooms/add' subject='Side'");
    stage.pass_ms(300);
    let update = last_word(stage, "bob");
    assert_eq!(update["event"], "features/breakout-rooms/update");
    assert_eq!(update["roomCounter"], 1);
    let rooms = update["rooms"].as_object().expect("rooms");
    assert_eq!(rooms.len(), 2);
    assert_eq!(rooms["hall"]["isMainRoom"], true);
    let people = rooms["hall"]["participants"].as_object().expect("participants");
    assert_eq!(people.len(), 2, "the focus is not listed");
    assert_eq!(people["hall@conference.d/11111111"]["role"], "moderator");
    assert_eq!(people["hall@conference.d/22222222"]["jid"], "22222222-bbbb@d/web");
    let side = rooms.values().find(|room| room["id"] != "hall").expect("the side room");
    assert_eq!(side["name"], "Side");
    side["jid"].as_str().expect("an address").to_owned()
}

#[test]
fn moderators_are_moderators_there_too() {
    let mut stage = stage();
    let side = add(&mut stage);
    // Nobody before the focus; then with the standing of the main room.
    stage.inbox("ann").clear();
    join(&mut stage, "ann", &format!("{side}/11111111"));
    assert!(stage.inbox("ann").iter().all(|stanza| stanza.attr("type") == Some("error")));
    stage.inbox("ann").clear();
    join(&mut stage, "focus", &format!("{side}/focus"));
    stage.inbox("focus").clear();
    join(&mut stage, "ann", &format!("{side}/11111111"));
    assert_eq!(roles(&last_presence(&mut stage, "ann")), ("owner".to_owned(), "moderator".to_owned()));
    join(&mut stage, "bob", &format!("{side}/22222222"));
    let subject = stage.inbox("bob").back().expect("the subject").clone();
    assert_eq!(subject.get_child("subject", "jabber:client").map(Element::text).as_deref(), Some("Side"));
    assert_eq!(roles(&last_presence(&mut stage, "bob")), ("none".to_owned(), "participant".to_owned()));

    send(
        &mut stage,
        "bob",
        &format!(
            "<iq xmlns='jabber:client' type='get' id='d' to='{side}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ),
    );
    let info = stage.inbox("bob").pop_back().expect("an answer");
    let form = info.children().next().and_then(|query| query.get_child("x", "jabber:x:data")).expect("a form").clone();
    let field = |name: &str| {
        form.children()
            .find(|field| field.attr("var") == Some(name))
            .and_then(|field| field.children().next().map(Element::text))
    };
    assert_eq!(field("muc#roominfo_isbreakout").as_deref(), Some("1"));
    assert_eq!(field("muc#roominfo_breakout_main_room").as_deref(), Some("hall@conference.d"));
}

#[test]
fn people_are_moved_and_rooms_renamed_and_removed() {
    let mut stage = stage();
    let side = add(&mut stage);
    join(&mut stage, "focus", &format!("{side}/focus"));
    command(
        &mut stage,
        "ann",
        &format!("type='features/breakout-rooms/move-to-room' participantJid='22222222-bbbb@d/web' roomJid='{side}'"),
    );
    let word = last_word(&mut stage, "bob");
    assert_eq!(word["event"], "features/breakout-rooms/move-to-room");
    assert_eq!(word["roomJid"], side.as_str());
    send(
        &mut stage,
        "bob",
        "<presence xmlns='jabber:client' type='unavailable' to='hall@conference.d/22222222'><status>switch_room</status></presence>",
    );
    join(&mut stage, "bob", &format!("{side}/22222222"));
    stage.pass_ms(300);
    let update = last_word(&mut stage, "ann");
    let node = side.split('@').next().expect("node").to_owned();
    assert!(update["rooms"][&node]["participants"][format!("{side}/22222222")].is_object());
    // Both are told, wherever they are.
    last_word(&mut stage, "bob");

    command(
        &mut stage,
        "ann",
        &format!("type='features/breakout-rooms/rename' breakoutRoomJid='{side}' subject='New'"),
    );
    let subject = stage.inbox("bob").back().expect("the subject").clone();
    assert_eq!(subject.attr("from"), Some(side.as_str()));
    assert_eq!(subject.get_child("subject", "jabber:client").map(Element::text).as_deref(), Some("New"));

    // A participant cannot; a moderator sends everybody back to the main room.
    command(&mut stage, "bob", &format!("type='features/breakout-rooms/remove' breakoutRoomJid='{side}'"));
    assert_eq!(stage.inbox("bob").pop_back().expect("a refusal").attr("type"), Some("error"));
    command(&mut stage, "ann", &format!("type='features/breakout-rooms/remove' breakoutRoomJid='{side}'"));
    let end = last_presence(&mut stage, "bob");
    let destroy = end
        .get_child("x", "http://jabber.org/protocol/muc#user")
        .and_then(|x| x.get_child("destroy", "http://jabber.org/protocol/muc#user"))
        .expect("the end of the room");
    assert_eq!(destroy.attr("jid"), Some("hall@conference.d"));
}

#[test]
fn the_meeting_outlives_its_main_room_being_empty_for_a_while() {
    let mut stage = stage();
    let side = add(&mut stage);
    join(&mut stage, "focus", &format!("{side}/focus"));
    join(&mut stage, "bob", &format!("{side}/22222222"));
    for (name, nick) in [("ann", "11111111"), ("bob", "22222222"), ("focus", "focus")] {
        send(
            &mut stage,
            name,
            &format!("<presence xmlns='jabber:client' type='unavailable' to='hall@conference.d/{nick}'/>"),
        );
    }
    stage.pass_ms(60_000);
    stage.inbox("bob").clear();
    send(
        &mut stage,
        "bob",
        &format!("<message xmlns='jabber:client' id='m' type='groupchat' to='{side}'><body>here</body></message>"),
    );
    assert_eq!(stage.inbox("bob").len(), 1, "bob is still in the side room");
    // When the last has left, everything ends a few seconds later.
    stage.end("bob");
    stage.inbox("focus").clear();
    stage.pass_ms(4_900);
    assert!(!stage.inbox("focus").iter().any(|stanza| stanza.name() == "presence"));
    stage.pass_ms(200);
    assert_eq!(last_presence(&mut stage, "focus").attr("type"), Some("unavailable"));
    join(&mut stage, "ann", "hall@conference.d/11111111");
    assert_eq!(last_presence(&mut stage, "ann").attr("type"), Some("error"), "the meeting is over");
}
