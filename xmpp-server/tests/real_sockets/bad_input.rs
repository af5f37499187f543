//! A peer that breaks the rules hears so and is gone; nobody else notices.

use crate::client::{Client, NS_SASL, error};
use crate::process::Server;

async fn is_well(client: &mut Client) {
    let pong = client.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(pong.attr("type"), Some("result"));
}

#[tokio::test]
async fn malformed_and_restricted_xml_ends_only_that_stream() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    let mut witness = Client::guest(&server, "").await;
    for (bad, condition) in [
        ("<message xmlns='jabber:client'><body></message>", "not-well-formed"),
        ("<!-- comment -->", "restricted-xml"),
        ("<message xmlns='jabber:client'>&lol;</message>", "restricted-xml"),
        ("<nonsense xmlns='x'/>", "unsupported-stanza-type"),
    ] {
        let mut client = Client::member(&server, "ann", "correct horse", "bad").await;
        client.say(bad).await;
        assert_eq!(client.stream_error().await, condition, "{bad}");
        let mut client = Client::guest(&server, "").await;
        client.say(bad).await;
        assert_eq!(client.stream_error().await, condition, "{bad}");
        is_well(&mut witness).await;
    }
}

#[tokio::test]
async fn oversize_is_a_policy_violation_except_for_services() {
    let server = Server::start(&[]);
    let mut witness = Client::guest(&server, "").await;
    let large =
        format!("<message xmlns='jabber:client' to='localhost'><body>{}</body></message>", "x".repeat(300 * 1024));
    let mut guest = Client::guest(&server, "").await;
    guest.try_say(&large).await;
    assert_eq!(guest.stream_error().await, "policy-violation");
    is_well(&mut witness).await;

    let secret = std::fs::read_to_string(server.folder().join("secrets/jvb.password")).expect("a secret");
    let mut service = Client::starttls(&server, "auth.localhost").await;
    service.next().await;
    service.authenticate_plain("jvb", &secret).await.expect("signed in");
    service.bind(None).await;
    service.say(&large).await;
    is_well(&mut service).await;
}

#[tokio::test]
async fn stanzas_before_authentication_are_refused() {
    let server = Server::start(&[]);
    for early in [
        "<message xmlns='jabber:client' to='ann@localhost'><body>spam</body></message>",
        "<iq xmlns='jabber:client' type='get' id='1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        let mut client = Client::websocket(&server, "localhost", "").await;
        client.next().await;
        client.say(early).await;
        assert_eq!(client.stream_error().await, "not-authorized");
    }
}

#[tokio::test]
async fn the_wrong_host_is_told_so() {
    let server = Server::start(&[]);
    let mut client = Client::websocket(&server, "elsewhere.example", "").await;
    assert_eq!(client.stream_error().await, "host-unknown");
    let mut client = Client::plain(&server, "conference.localhost").await;
    assert_eq!(client.stream_error().await, "host-unknown");
}

#[tokio::test]
async fn sasl_nonsense_has_its_conditions_and_an_end() {
    let server = Server::start(&[]);
    let mut client = Client::direct_tls(&server, "localhost").await;
    client.next().await;
    for (message, condition) in [
        (format!("<auth xmlns='{NS_SASL}' mechanism='DIGEST-MD5'/>"), "invalid-mechanism"),
        (format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'>***</auth>"), "incorrect-encoding"),
        (format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'>AA==</auth>"), "malformed-request"),
        (format!("<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-1'>bixh</auth>"), "malformed-request"),
    ] {
        client.say(&message).await;
        assert!(client.next().await.has_child(condition, NS_SASL), "{message}");
    }
    client.say(&format!("<auth xmlns='{NS_SASL}' mechanism='PLAIN'>***</auth>")).await;
    assert_eq!(client.stream_error().await, "policy-violation", "five attempts are enough");
}

#[tokio::test]
async fn stanzas_without_sense_get_stanza_errors() {
    let server = Server::start(&[]);
    let mut guest = Client::guest(&server, "").await;
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    assert_eq!(error(&guest.request("get", "@@", ping).await).0, "jid-malformed");
    assert_eq!(error(&guest.request("get", "nobody@localhost/x", ping).await).0, "service-unavailable");
    assert_eq!(error(&guest.request("get", "far.example", ping).await).0, "remote-server-not-found");
    assert_eq!(error(&guest.request("get", "localhost", "").await).0, "bad-request");
    assert_eq!(error(&guest.request("get", "localhost", "<x xmlns='urn:unknown'/>").await).0, "service-unavailable");
    // Whatever somebody claims to be, others see who it is.
    let mut other = Client::guest(&server, "").await;
    guest
        .say(&format!(
            "<message xmlns='jabber:client' from='focus@auth.localhost/focus' to='{}'><body>hi</body></message>",
            other.jid
        ))
        .await;
    let message = other.next_where(|element| element.name() == "message").await;
    assert_eq!(message.attr("from"), Some(guest.jid.as_str()));
}
