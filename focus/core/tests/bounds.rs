//! Bounds that no script reaches in a readable way.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use focus_core::conference::REQUESTERS_MAX;
use focus_core::config::Config;
use focus_core::context::{Effect, Effects};
use focus_core::focus::Focus;
use focus_core::random::Counting;
use focus_core::stanza::Condition;
use minidom::Element;
use protocol::conference_request::ConferenceIq;

fn online() -> (Focus, Effects) {
    let mut focus = Focus::new(Config::new("meet.x").unwrap(), Box::new(Counting(0)));
    let mut out = Effects::new();
    focus.connected("focus@auth.meet.x/focus".parse().unwrap(), 0, &mut out);
    out.clear();
    (focus, out)
}

fn ask(focus: &mut Focus, token: u64, room: &str, out: &mut Effects) {
    let request = ConferenceIq { room: Some(room.to_owned()), ..ConferenceIq::default() };
    focus.http_request(token, &request, 0, out);
}

fn answers(out: &Effects) -> Vec<(u64, Result<Option<bool>, Condition>)> {
    out.iter()
        .filter_map(|effect| match effect {
            Effect::HttpAnswer { token, answer } => {
                Some((*token, answer.as_ref().map(|a| a.ready).map_err(|fault| fault.condition)))
            }
            Effect::Send(_) => None,
        })
        .collect()
}

#[test]
fn not_more_than_so_many_wait_for_a_room() {
    let (mut focus, mut out) = online();
    for token in 0..=REQUESTERS_MAX as u64 {
        ask(&mut focus, token, "r@conference.meet.x", &mut out);
    }
    assert_eq!(answers(&out), [(REQUESTERS_MAX as u64, Ok(Some(false)))], "one too many is told to try again");
    out.clear();
    focus.tick(15_000, &mut out);
    let refused = answers(&out);
    assert_eq!(refused.len(), REQUESTERS_MAX, "everybody is answered");
    assert!(refused.iter().all(|(_, answer)| *answer == Err(Condition::ServiceUnavailable)));
}

#[test]
fn every_request_is_answered_when_the_connection_is_lost() {
    let (mut focus, mut out) = online();
    ask(&mut focus, 1, "r@conference.meet.x", &mut out);
    focus.disconnected();
    ask(&mut focus, 2, "r@conference.meet.x", &mut out);
    assert_eq!(answers(&out), [(2, Err(Condition::ServiceUnavailable))]);
    out.clear();
    // It comes back without resumption: the rooms are gone, and with them whoever waited.
    focus.connected("focus@auth.meet.x/focus".parse().unwrap(), 1_000, &mut out);
    assert_eq!(answers(&out), [(1, Err(Condition::ServiceUnavailable))]);
    assert_eq!(focus.conferences().count(), 0);
}

#[test]
fn a_resumed_connection_keeps_the_conferences() {
    let (mut focus, mut out) = online();
    ask(&mut focus, 1, "r@conference.meet.x", &mut out);
    focus.disconnected();
    assert_eq!(focus.deadline_ms(), None, "nothing is due without a connection");
    focus.tick(60_000, &mut out);
    focus.resumed(60_000);
    focus.tick(60_000, &mut out);
    assert_eq!((focus.conferences().count(), answers(&out)), (1, vec![]), "the room gets the full time again");
    focus.tick(75_000, &mut out);
    assert_eq!((focus.conferences().count(), answers(&out).len()), (0, 1));
}

#[test]
fn stanzas_that_make_no_sense_are_survived() {
    let (mut focus, mut out) = online();
    for xml in [
        "<presence xmlns='jabber:client'/>",
        "<presence xmlns='jabber:client' from='jvbbrewery@internal.auth.meet.x/x'><stats xmlns='http://jitsi.org/protocol/colibri'><stat/></stats></presence>",
        "<message xmlns='jabber:client' from='metadata.meet.x'><json-message xmlns='http://jitsi.org/jitmeet'>[[[[</json-message></message>",
        "<iq xmlns='jabber:client' from='a@b/c' type='set'><jingle xmlns='urn:xmpp:jingle:1'/></iq>",
        "<iq xmlns='jabber:client' from='a@b/c' type='mystery' id='1'/>",
        "<iq xmlns='jabber:client' from='@@' type='set' id='1'/>",
        "<iq xmlns='jabber:client' type='result' id='00000001-0' from='meet.x'><odd xmlns='urn:x'/></iq>",
        "<unknown xmlns='urn:x' from='a@b/c'/>",
    ] {
        let stanza: Element = xml.parse().unwrap();
        focus.stanza(&stanza, 0, &mut out);
    }
    assert_eq!(focus.conferences().count(), 0);
    assert!(focus.pool().is_empty());
}

#[test]
fn leaving_is_clean() {
    let (mut focus, mut out) = online();
    ask(&mut focus, 1, "r@conference.meet.x", &mut out);
    out.clear();
    focus.shutdown(0, &mut out);
    assert_eq!(answers(&out), [(1, Err(Condition::ServiceUnavailable))]);
    let left: Vec<&Element> = out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(stanza) => Some(stanza),
            Effect::HttpAnswer { .. } => None,
        })
        .collect();
    assert_eq!(left[0].attr("to"), Some("r@conference.meet.x/focus"));
    assert!(left.iter().all(|stanza| stanza.attr("type") == Some("unavailable")));
}
