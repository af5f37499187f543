//! Contact lists and presence between members, as Pidgin uses them.

use minidom::Element;

use crate::client::{Client, error};
use crate::process::Server;

const ROSTER: &str = "jabber:iq:roster";

async fn roster(client: &mut Client) -> Vec<(String, String)> {
    let answer = client.request("get", "", "<query xmlns='jabber:iq:roster'/>").await;
    let query = answer.get_child("query", ROSTER).expect("a list");
    query
        .children()
        .map(|item| {
            let attribute = |name: &str| item.attr(name).unwrap_or_default().to_owned();
            (attribute("jid"), attribute("subscription"))
        })
        .collect()
}

fn is_presence<'a>(kind: Option<&'a str>, from: &'a str) -> impl Fn(&Element) -> bool + 'a {
    move |element| {
        element.name() == "presence"
            && element.attr("type") == kind
            && element.attr("from").is_some_and(|address| address.starts_with(from))
    }
}

#[tokio::test]
async fn two_members_add_each_other_and_see_each_other_come_and_go() {
    let server = Server::start(&[]);
    server.add_user("ann", "her password");
    server.add_user("bob", "his password");
    let mut ann = Client::member(&server, "ann", "her password", "home").await;
    assert_eq!(roster(&mut ann).await, []);
    ann.say("<presence/>").await;
    ann.next_where(is_presence(None, "ann@localhost/home")).await;
    let item =
        "<query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob'><group>Friends</group></item></query>";
    assert_eq!(ann.request("set", "", item).await.attr("type"), Some("result"));
    ann.say("<presence type='subscribe' to='bob@localhost'/>").await;
    ann.next_where(|element| {
        element
            .get_child("query", ROSTER)
            .and_then(|query| query.get_child("item", ROSTER))
            .is_some_and(|item| item.attr("ask") == Some("subscribe"))
    })
    .await;

    // Bob was away; the request waits for him.
    let mut bob = Client::member(&server, "bob", "his password", "work").await;
    assert_eq!(roster(&mut bob).await, [], "a request is no contact");
    bob.say("<presence/>").await;
    bob.next_where(is_presence(Some("subscribe"), "ann@localhost")).await;
    bob.say("<presence type='subscribed' to='ann@localhost'/>").await;
    ann.next_where(is_presence(Some("subscribed"), "bob@localhost")).await;
    ann.next_where(is_presence(None, "bob@localhost/work")).await;
    assert_eq!(roster(&mut ann).await, [("bob@localhost".into(), "to".into())]);
    bob.say("<presence><show>away</show></presence>").await;
    let away = ann.next_where(is_presence(None, "bob@localhost/work")).await;
    assert_eq!(away.children().next().map(Element::text).as_deref(), Some("away"));
    bob.say("</stream:stream>").await;
    ann.next_where(is_presence(Some("unavailable"), "bob@localhost/work")).await;

    // It is all there after signing in again.
    let mut bob = Client::member(&server, "bob", "his password", "work").await;
    assert_eq!(roster(&mut bob).await, [("ann@localhost".into(), "from".into())]);
    bob.say("<presence/>").await;
    ann.next_where(is_presence(None, "bob@localhost/work")).await;
    let remove = "<query xmlns='jabber:iq:roster'><item jid='bob@localhost' subscription='remove'/></query>";
    assert_eq!(ann.request("set", "", remove).await.attr("type"), Some("result"));
    bob.next_where(is_presence(Some("unsubscribe"), "ann@localhost")).await;
    assert_eq!(roster(&mut ann).await, []);
    assert_eq!(error(&ann.request("set", "", remove).await).0, "item-not-found");
}

#[tokio::test]
async fn messages_go_to_the_account_and_nobody_there_is_said() {
    let server = Server::start(&[]);
    server.add_user("ann", "her password");
    server.add_user("bob", "his password");
    let mut ann = Client::member(&server, "ann", "her password", "home").await;
    let message = "<message id='m' type='chat' to='bob@localhost'><body>hi</body></message>";
    ann.say(message).await;
    let refused = ann.next_where(|element| element.name() == "message").await;
    assert_eq!(error(&refused).0, "service-unavailable");
    let mut bob = Client::member(&server, "bob", "his password", "work").await;
    bob.say("<presence/>").await;
    bob.next_where(|element| element.name() == "presence").await;
    ann.say(message).await;
    let heard = bob.next_where(|element| element.name() == "message").await;
    assert_eq!(heard.attr("from"), Some("ann@localhost/home"));
}
