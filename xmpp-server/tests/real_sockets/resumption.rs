//! What survives a lost connection.

use crate::client::{Client, NS_SM, error};
use crate::process::Server;

fn body(text: &str, to: &str) -> String {
    format!("<message xmlns='jabber:client' to='{to}' type='chat'><body>{text}</body></message>")
}

async fn hears(client: &mut Client, text: &str) {
    client
        .next_where(|element| element.get_child("body", "jabber:client").is_some_and(|body| body.text() == text))
        .await;
}

#[tokio::test]
async fn a_guest_comes_back_under_the_same_name_and_misses_nothing() {
    let server = Server::start(&[]);
    let mut ann = Client::guest(&server, "room=tea").await;
    let mut bob = Client::guest(&server, "room=tea").await;
    let token = ann.enable_resumption().await;
    assert!(token.len() >= 22 && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let address = ann.jid.clone();
    // One stanza was heard and confirmed, one heard and not confirmed.
    bob.say(&body("one", &address)).await;
    hears(&mut ann, "one").await;
    ann.say(&format!("<a xmlns='{NS_SM}' h='1'/>")).await;
    bob.say(&body("two", &address)).await;
    hears(&mut ann, "two").await;
    ann.say(&body("from ann", &bob.jid)).await;
    hears(&mut bob, "from ann").await;
    ann.vanish();
    bob.say(&body("three", &address)).await;

    let mut ann = Client::websocket(&server, "localhost", &format!("room=tea&previd={token}")).await;
    ann.next().await;
    ann.authenticate_anonymous().await;
    // The second stanza was lost on the way.
    ann.say(&format!("<resume xmlns='{NS_SM}' previd='{token}' h='1'/>")).await;
    let resumed = ann.next().await;
    assert_eq!(resumed.name(), "resumed");
    assert_eq!(resumed.attr("h"), Some("1"), "what ann sent was handled");
    assert_eq!(resumed.attr("previd"), Some(token.as_str()));
    hears(&mut ann, "two").await;
    hears(&mut ann, "three").await;
    bob.say(&body("four", &address)).await;
    hears(&mut ann, "four").await;
}

#[tokio::test]
async fn a_peer_may_come_back_before_the_loss_was_noticed() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    let mut old = Client::member(&server, "ann", "correct horse", "home").await;
    let token = old.enable_resumption().await;
    let mut new = Client::starttls(&server, "localhost").await;
    new.next().await;
    new.authenticate_plain("ann", "correct horse").await.expect("signed in");
    new.say(&format!("<resume xmlns='{NS_SM}' previd='{token}' h='0'/>")).await;
    assert_eq!(new.next().await.name(), "resumed");
    assert_eq!(old.stream_error().await, "conflict");
    let pong = new.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(pong.attr("to"), Some("ann@localhost/home"));
}

#[tokio::test]
async fn a_token_is_of_no_use_to_another_account_and_after_an_orderly_end() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    server.add_user("eve", "evil password");
    let mut ann = Client::member(&server, "ann", "correct horse", "home").await;
    let token = ann.enable_resumption().await;

    let mut eve = Client::starttls(&server, "localhost").await;
    eve.next().await;
    eve.authenticate_plain("eve", "evil password").await.expect("signed in");
    eve.say(&format!("<resume xmlns='{NS_SM}' previd='{token}' h='0'/>")).await;
    let failed = eve.next().await;
    assert_eq!(failed.name(), "failed");
    assert!(failed.has_child("item-not-found", "urn:ietf:params:xml:ns:xmpp-stanzas"));
    eve.bind(None).await;
    assert!(eve.jid.starts_with("eve@localhost/"), "after a failed resumption one can still bind");

    ann.say("</stream:stream>").await;
    assert!(ann.hear().await.is_none());
    let mut again = Client::starttls(&server, "localhost").await;
    again.next().await;
    again.authenticate_plain("ann", "correct horse").await.expect("signed in");
    again.say(&format!("<resume xmlns='{NS_SM}' previd='{token}' h='0'/>")).await;
    assert_eq!(again.next().await.name(), "failed");
}

#[tokio::test]
async fn a_guest_who_binds_anew_gives_up_the_old_session() {
    let server = Server::start(&[]);
    let mut ann = Client::guest(&server, "").await;
    let token = ann.enable_resumption().await;
    let old = ann.jid.clone();
    ann.vanish();
    let mut again = Client::websocket(&server, "localhost", &format!("previd={token}")).await;
    again.next().await;
    again.authenticate_anonymous().await;
    again.bind(None).await;
    assert_eq!(again.jid.split('/').next(), old.split('/').next(), "the name is the same");
    assert_ne!(again.jid, old);
    let answer = again.request("get", &old, "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(error(&answer).0, "service-unavailable", "the old session is gone");
}

#[tokio::test]
async fn counts_of_both_sides_agree() {
    let server = Server::start(&[]);
    let mut ann = Client::guest(&server, "").await;
    ann.enable_resumption().await;
    for _ in 0..3 {
        ann.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    }
    ann.say(&format!("<r xmlns='{NS_SM}'/>")).await;
    assert_eq!(ann.next_where(|element| element.is("a", NS_SM)).await.attr("h"), Some("3"));
    for _ in 0..2 {
        ann.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    }
    ann.next_where(|element| element.is("r", NS_SM)).await;
    ann.say(&format!("<a xmlns='{NS_SM}' h='6'/>")).await;
    assert_eq!(ann.stream_error().await, "undefined-condition", "more than was sent can't have been handled");
}
