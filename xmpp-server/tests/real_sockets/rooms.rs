//! Meetings over real sockets: the conference request, the room, and the way between focus and bridge.

use minidom::Element;

use crate::client::{Client, NS_CLIENT};
use crate::process::Server;

const NS_MUC: &str = "http://jabber.org/protocol/muc";
const NS_MUC_USER: &str = "http://jabber.org/protocol/muc#user";
const NS_DISCO: &str = "http://jabber.org/protocol/disco#info";

async fn service(server: &Server, name: &str) -> Client {
    let secret = std::fs::read_to_string(server.folder().join(format!("secrets/{name}.password"))).expect("a secret");
    let mut client = Client::starttls(server, "auth.localhost").await;
    client.next().await;
    client.authenticate_plain(name, &secret).await.expect("signed in");
    client.bind(Some(name)).await;
    client.say("<presence/>").await;
    client
}

/// Enters and reads until the room shows the newcomer to itself.
async fn join(client: &mut Client, address: &str) -> Vec<Element> {
    client
        .say(&format!(
            "<presence xmlns='{NS_CLIENT}' to='{address}'><x xmlns='{NS_MUC}'/><SourceInfo>{{}}</SourceInfo></presence>"
        ))
        .await;
    let mut heard = Vec::new();
    loop {
        let element = client.next().await;
        let is_self = statuses(&element).contains(&"110".to_owned());
        heard.push(element);
        if is_self {
            return heard;
        }
    }
}

fn statuses(presence: &Element) -> Vec<String> {
    presence
        .get_child("x", NS_MUC_USER)
        .into_iter()
        .flat_map(Element::children)
        .filter(|child| child.name() == "status")
        .filter_map(|child| child.attr("code").map(str::to_owned))
        .collect()
}

fn is_from<'a>(name: &'a str, from: &'a str) -> impl Fn(&Element) -> bool + 'a {
    move |element| element.name() == name && element.attr("from") == Some(from)
}

#[tokio::test]
async fn a_conference_request_reaches_the_focus_and_the_answer_comes_back() {
    let server = Server::start(&[]);
    let mut ann = Client::guest(&server, "room=tea").await;
    let request = "<conference xmlns='http://jitsi.org/protocol/focus' room='tea@conference.localhost'/>";
    let refused = ann.request("set", "focus.localhost", request).await;
    assert_eq!(refused.attr("type"), Some("error"), "no focus is there yet");

    let mut focus = service(&server, "focus").await;
    // The server heard that the focus is available before it hears this.
    focus.request("get", "auth.localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    let address = ann.jid.clone();
    let both = async {
        let asked =
            focus.next_where(|element| element.has_child("conference", "http://jitsi.org/protocol/focus")).await;
        let from = asked.attr("from").expect("a sender").to_owned();
        assert_eq!(from, format!("focus.localhost/{address}"));
        let id = asked.attr("id").expect("an id");
        focus
            .say(&format!(
                "<iq xmlns='{NS_CLIENT}' type='result' id='{id}' to='{from}'>\
                 <conference xmlns='http://jitsi.org/protocol/focus' ready='true'/></iq>"
            ))
            .await;
    };
    let (answer, ()) = tokio::join!(ann.request("set", "focus.localhost", request), both);
    assert_eq!(answer.attr("from"), Some("focus.localhost"));
    assert_eq!(answer.children().next().and_then(|child| child.attr("ready")), Some("true"));
}

#[tokio::test]
async fn occupants_see_and_reach_one_another_and_a_lost_one_leaves() {
    let server = Server::start(&[]);
    let mut focus = service(&server, "focus").await;
    let mut ann = Client::guest(&server, "room=tea").await;
    let mut bob = Client::guest(&server, "room=tea").await;
    join(&mut focus, "tea@conference.localhost/focus").await;
    join(&mut ann, "tea@conference.localhost/aaaaaaaa").await;
    let seen = join(&mut bob, "tea@conference.localhost/bbbbbbbb").await;
    let order: Vec<&str> = seen.iter().filter_map(|element| element.attr("from")).collect();
    let position =
        |from: &str| order.iter().position(|other| *other == from).unwrap_or_else(|| panic!("{from}: {order:?}"));
    let own = position("tea@conference.localhost/bbbbbbbb");
    assert!(position("tea@conference.localhost/focus") < own);
    assert!(position("tea@conference.localhost/aaaaaaaa") < own);
    assert!(position("metadata.localhost") < own);
    assert!(statuses(&seen[seen.len() - 1]).contains(&"100".to_owned()));

    // A private request between occupants, and its answer, under the occupants' addresses.
    let address = "tea@conference.localhost/bbbbbbbb";
    let answering = async {
        let asked = bob.next_where(|element| element.has_child("jingle", "urn:xmpp:jingle:1")).await;
        assert_eq!(asked.attr("from"), Some("tea@conference.localhost/focus"));
        let id = asked.attr("id").expect("an id");
        bob.say(&format!("<iq xmlns='{NS_CLIENT}' type='result' id='{id}' to='tea@conference.localhost/focus'/>"))
            .await;
    };
    let jingle = "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1'/>";
    let (answer, ()) = tokio::join!(focus.request("set", address, jingle), answering);
    assert_eq!((answer.attr("type"), answer.attr("from")), (Some("result"), Some(address)));

    // The connection breaks without a word, and nothing can be resumed.
    bob.vanish();
    let left = ann
        .next_where(|element| {
            is_from("presence", "tea@conference.localhost/bbbbbbbb")(element)
                && element.attr("type") == Some("unavailable")
        })
        .await;
    assert!(left.get_child("x", NS_MUC_USER).is_some());
    let refused = focus.request("get", address, jingle).await;
    assert_eq!(refused.attr("type"), Some("error"), "requests to the lost one fail at once");
}

#[tokio::test]
async fn an_occupant_that_comes_back_was_never_away() {
    let server = Server::start(&[]);
    let mut focus = service(&server, "focus").await;
    let mut ann = Client::guest(&server, "room=tea").await;
    let token = ann.enable_resumption().await;
    join(&mut focus, "tea@conference.localhost/focus").await;
    let heard = join(&mut ann, "tea@conference.localhost/aaaaaaaa").await.len();
    // The subject ends the join.
    ann.next_where(is_from("message", "tea@conference.localhost")).await;
    ann.vanish();
    focus
        .say(&format!(
            "<message xmlns='{NS_CLIENT}' id='m' type='groupchat' to='tea@conference.localhost'><body>still there?</body></message>"
        ))
        .await;
    focus.next_where(|element| element.has_child("body", NS_CLIENT)).await;
    let mut ann = Client::websocket(&server, "localhost", &format!("room=tea&previd={token}")).await;
    ann.next().await;
    ann.authenticate_anonymous().await;
    ann.say(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='{}'/>", heard + 1)).await;
    assert_eq!(ann.next().await.name(), "resumed");
    let message = ann.next_where(|element| element.has_child("body", NS_CLIENT)).await;
    assert_eq!(message.attr("from"), Some("tea@conference.localhost/focus"));
    ann.say(&format!(
        "<message xmlns='{NS_CLIENT}' id='y' type='groupchat' to='tea@conference.localhost'><body>yes</body></message>"
    ))
    .await;
    let mut since = Vec::new();
    loop {
        let element = focus.next().await;
        if element.attr("from") == Some("tea@conference.localhost/aaaaaaaa") && element.name() == "message" {
            break;
        }
        since.push(element);
    }
    assert!(since.iter().all(|element| element.attr("type") != Some("unavailable")), "{since:?}");
}

#[tokio::test]
async fn bridges_and_focus_meet_where_guests_may_not_go() {
    let server = Server::start(&[]);
    let mut focus = service(&server, "focus").await;
    let mut bridge = service(&server, "jvb").await;
    let mut guest = Client::guest(&server, "").await;
    join(&mut bridge, "jvbbrewery@internal.auth.localhost/jvb-1.example").await;
    join(&mut focus, "jvbbrewery@internal.auth.localhost/focus").await;
    guest
        .say(&format!(
            "<presence xmlns='{NS_CLIENT}' to='jvbbrewery@internal.auth.localhost/x'><x xmlns='{NS_MUC}'/></presence>"
        ))
        .await;
    let refused = guest.next_where(|element| element.name() == "presence").await;
    assert_eq!(refused.attr("type"), Some("error"));

    bridge
        .say(&format!(
            "<presence xmlns='{NS_CLIENT}' to='jvbbrewery@internal.auth.localhost/jvb-1.example'>\
             <stats xmlns='http://jitsi.org/protocol/colibri'><stat name='stress_level' value='0.1'/></stats></presence>"
        ))
        .await;
    focus.next_where(|element| element.has_child("stats", "http://jitsi.org/protocol/colibri")).await;
    let answering = async {
        let asked = bridge.next_where(|element| element.has_child("conference-modify", "jitsi:colibri2")).await;
        assert_eq!(asked.attr("from"), Some("jvbbrewery@internal.auth.localhost/focus"));
        let id = asked.attr("id").expect("an id");
        bridge
            .say(&format!(
                "<iq xmlns='{NS_CLIENT}' type='result' id='{id}' to='jvbbrewery@internal.auth.localhost/focus'/>"
            ))
            .await;
    };
    let modify = "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'/>";
    let (answer, ()) =
        tokio::join!(focus.request("get", "jvbbrewery@internal.auth.localhost/jvb-1.example", modify), answering);
    assert_eq!(answer.attr("type"), Some("result"));
}

#[tokio::test]
async fn a_browser_is_told_of_the_services_before_it_asks() {
    let server = Server::start(&[]);
    let mut ann = Client::guest(&server, "room=tea").await;
    let word = ann.next_where(is_from("message", "localhost")).await;
    let names = |query: &Element| -> Vec<String> {
        query
            .children()
            .filter(|child| child.attr("category") == Some("component"))
            .filter_map(|child| child.attr("name").map(str::to_owned))
            .collect()
    };
    let told = names(word.get_child("query", NS_DISCO).expect("identities"));
    let answer = ann.request("get", "localhost", &format!("<query xmlns='{NS_DISCO}'/>")).await;
    let asked = names(answer.get_child("query", NS_DISCO).expect("identities"));
    assert_eq!(told, asked);
    // Each is where the identity says.
    for name in asked {
        let answer = ann.request("get", &name, &format!("<query xmlns='{NS_DISCO}'/>")).await;
        assert_eq!(answer.attr("type"), Some("result"), "{name}");
    }
}
