//! Replays what real clients and a real focus said in rooms of a real Prosody with Jitsi's modules, and compares what
//! our rooms answer with what it answered.
//!
//! A fixture is a list of pairs of lines: time in seconds, `IN` (to the server) or `OUT` (from it) and the session; then
//! the stanza. What is received between two inputs is compared without regard to order, because the recording was made
//! before the last filters of the server had run.

#[allow(dead_code, reason = "each test binary uses its part")]
mod scenario;

use std::collections::BTreeMap;

use minidom::Element;
use scenario::{Stage, matches, session};
use xmpp_server_core::muc::settings::Settings;

const HOST: &str = "meet.localhost";

/// Recorded stanzas that ours differ from on purpose.
fn is_set_aside(session: &str, stanza: &Element) -> bool {
    // The focus gets its metadata when it enters, not after its first update.
    session.starts_with("focus@") && stanza.attr("from") == Some("metadata.meet.localhost")
}

/// Takes out what differs on purpose or by nature.
fn normal(stanza: &Element) -> Element {
    let mut stanza = stanza.clone();
    stanza.remove_child("permissions", "http://jitsi.org/jitmeet");
    for element in stanza.children_mut() {
        let text = element.text();
        if text.contains("faceLandmarks") {
            // Times are to the millisecond, names are sometimes absent, an empty table of Lua is `{}`: who is
            // counted is what matters.
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let users: Vec<&String> = json["users"].as_object().expect("users").keys().collect();
            let text = serde_json::json!({ "users": users }).to_string();
            element.take_nodes();
            element.append_text(text);
        }
    }
    stanza
}

/// The features and fields of a room's own description.
fn description(stanza: &Element) -> Option<(Vec<String>, Vec<String>)> {
    let query = stanza.children().find(|child| child.name() == "query")?;
    if query.ns() != "http://jabber.org/protocol/disco#info" || query.attr("node").is_some() {
        return None;
    }
    let vars = |parent: &Element, name: &str| {
        let mut vars: Vec<String> = parent
            .children()
            .filter(|child| child.name() == name)
            .filter_map(|child| child.attr("var"))
            // Voice requests and reserved nicknames are not offered in meetings.
            .filter(|var| !["jabber:iq:register", "http://jabber.org/protocol/muc#request"].contains(var))
            .map(str::to_owned)
            .collect();
        vars.sort();
        vars
    };
    let fields = query.children().find(|child| child.name() == "x").map(|form| vars(form, "field")).unwrap_or_default();
    Some((vars(query, "feature"), fields))
}

fn form_fields(stanza: &Element) -> Option<Vec<String>> {
    let query = stanza.children().find(|child| child.name() == "query")?;
    let form = query.children().find(|child| child.name() == "x")?;
    (query.ns() == "http://jabber.org/protocol/muc#owner").then(|| {
        let mut fields: Vec<String> =
            form.children().filter_map(|field| field.attr("var")).map(str::to_owned).collect();
        fields.sort();
        fields
    })
}

fn same(expected: &Element, received: &Element) -> bool {
    if let (Some(expected), Some(received)) = (description(expected), description(received)) {
        return expected == received;
    }
    if let (Some(expected), Some(received)) = (form_fields(expected), form_fields(received)) {
        return expected == received;
    }
    matches(&normal(expected), &normal(received), true).is_ok()
}

fn check(recording: &str) {
    let settings = Settings::new(HOST, [1; 32]).expect("domain");
    let mut stage = Stage::new(settings);
    let lines: Vec<&str> = recording.lines().collect();
    let entries: Vec<(f64, bool, &str, Element)> = lines
        .chunks(2)
        .map(|pair| {
            let words: Vec<&str> = pair[0].split(' ').collect();
            let stanza = pair[1];
            let name_end = stanza.find(' ').expect("a stanza has attributes");
            let stanza = format!("{} xmlns='jabber:client'{}", &stanza[..name_end], &stanza[name_end..]);
            (
                words[0].parse().expect("seconds"),
                words[1] == "IN",
                words[2],
                stanza.parse().unwrap_or_else(|error| panic!("{error}: {stanza}")),
            )
        })
        .collect();
    for (_, _, jid, _) in &entries {
        let admin = if jid.contains("@auth.") { "admin" } else { "" };
        let room = entries
            .iter()
            .find_map(|(_, is_in, _, stanza)| (*is_in && stanza.name() == "presence").then(|| stanza.attr("to"))?)
            .and_then(|to| to.split('@').next())
            .expect("somebody joins");
        let room = if admin.is_empty() { format!("room={room}") } else { String::new() };
        let (_, sender) = session(&format!("[{jid}] {jid} {admin} {room}"));
        stage.add_session(jid, sender);
    }
    let mut at_ms = 0;
    let mut compared = 0;
    let mut index = 0;
    while index < entries.len() {
        let (seconds, is_in, jid, stanza) = &entries[index];
        assert!(is_in, "a recording begins with an input");
        let now_ms = (seconds * 1000.0).round() as u64;
        stage.pass_ms(now_ms - at_ms);
        at_ms = now_ms;
        stage.send(jid, stanza.clone());
        index += 1;
        let mut expected: BTreeMap<&str, Vec<&Element>> = BTreeMap::new();
        while let Some((_, false, jid, stanza)) = entries.get(index) {
            expected.entry(jid).or_default().push(stanza);
            index += 1;
        }
        for jid in stage.names() {
            let mut received: Vec<Element> =
                stage.inbox(&jid).drain(..).filter(|stanza| !is_set_aside(&jid, stanza)).collect();
            for expected in expected.get(jid.as_str()).into_iter().flatten() {
                if is_set_aside(&jid, expected) {
                    continue;
                }
                let found = received.iter().position(|received| same(expected, received));
                let Some(found) = found else {
                    panic!(
                        "at {seconds} s, after {}\n{jid} should receive\n  {}\nand received\n  {}",
                        text(stanza),
                        text(expected),
                        received.iter().map(text).collect::<Vec<_>>().join("\n  ")
                    );
                };
                received.remove(found);
                compared += 1;
            }
            assert!(
                received.is_empty(),
                "at {seconds} s, after {}\n{jid} receives too much:\n  {}",
                text(stanza),
                received.iter().map(text).collect::<Vec<_>>().join("\n  ")
            );
        }
    }
    assert!(compared > 20, "only {compared} stanzas were compared");
}

fn text(element: &Element) -> String {
    xmpp_server_core::xml::to_string(element)
}

macro_rules! recordings {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(include_str!(concat!("../fixtures/recorded_", stringify!($name), ".txt")));
        }
    )*};
}

recordings! { call kick password lobby av_moderation polls }
