//! Every way to sign in, and what is refused.

use minidom::Element;
use xmpp_server_core::account::ScramHash;

use crate::client::{Client, NS_SASL};
use crate::process::Server;

fn mechanisms(features: &Element) -> Vec<String> {
    features
        .get_child("mechanisms", NS_SASL)
        .map(|list| list.children().map(Element::text).collect())
        .unwrap_or_default()
}

#[tokio::test]
async fn members_sign_in_by_every_mechanism_and_transport() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    for hash in [ScramHash::Sha1, ScramHash::Sha256] {
        let mut client = Client::starttls(&server, "localhost").await;
        client.next().await;
        assert_eq!(client.authenticate_scram(hash, "ann", "wrong horse").await, Err("not-authorized".into()));
        client.authenticate_scram(hash, "ann", "correct horse").await.expect("a second try on the same stream");
        client.bind(Some("Pidgin")).await;
        assert_eq!(client.jid, "ann@localhost/Pidgin");
    }
    let mut client = Client::direct_tls(&server, "localhost").await;
    client.next().await;
    assert_eq!(client.authenticate_plain("ann", "wrong").await, Err("not-authorized".into()));
    assert_eq!(client.authenticate_plain("nobody", "correct horse").await, Err("not-authorized".into()));
    client.authenticate_plain("ANN", "correct horse").await.expect("names have no case");
    client.bind(None).await;
    assert!(client.jid.starts_with("ann@localhost/"));

    let mut client = Client::websocket(&server, "localhost", "room=tea").await;
    let features = client.next().await;
    assert_eq!(mechanisms(&features), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "ANONYMOUS"]);
    assert!(!features.has_child("starttls", "urn:ietf:params:xml:ns:xmpp-tls"), "never over WebSocket");
    client.authenticate_plain("ann", "correct horse").await.expect("signed in");
    client.bind(None).await;
}

#[tokio::test]
async fn services_sign_in_with_the_secret_of_their_file() {
    let server = Server::start(&[]);
    for name in ["focus", "jvb"] {
        let secret =
            std::fs::read_to_string(server.folder().join(format!("secrets/{name}.password"))).expect("a secret");
        let mut client = Client::starttls(&server, "auth.localhost").await;
        let features = client.next().await;
        assert!(!mechanisms(&features).contains(&"ANONYMOUS".to_owned()));
        client.authenticate_scram(ScramHash::Sha1, name, &secret).await.expect("signed in");
        client.bind(Some(name)).await;
        assert_eq!(client.jid, format!("{name}@auth.localhost/{name}"));
        let pong = client.request("get", "auth.localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
        assert_eq!(pong.attr("type"), Some("result"));
        client.say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
        assert_eq!(client.next().await.attr("max"), Some("15"));
    }
}

#[tokio::test]
async fn guests_get_a_name_made_of_hexadecimal_digits() {
    let server = Server::start(&[]);
    let guest = Client::guest(&server, "room=tea").await;
    let nick = &guest.jid[..8];
    assert!(nick.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{nick}");
    assert!(guest.jid.contains("@localhost/"));
    let other = Client::guest(&server, "room=tea").await;
    assert_ne!(guest.jid, other.jid);
}

#[tokio::test]
async fn nothing_is_offered_before_tls() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    let mut client = Client::plain(&server, "localhost").await;
    let features = client.next().await;
    let names: Vec<&str> = features.children().map(Element::name).collect();
    assert_eq!(names, ["starttls"]);
    assert_eq!(client.authenticate_plain("ann", "correct horse").await, Err("encryption-required".into()));
}

#[tokio::test]
async fn where_authentication_is_required_guests_have_a_host_of_their_own() {
    let server = Server::start(&["auth.required=true"]);
    let mut client = Client::websocket(&server, "localhost", "").await;
    assert_eq!(mechanisms(&client.next().await), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    client.say(&format!("<auth xmlns='{NS_SASL}' mechanism='ANONYMOUS'/>")).await;
    assert!(client.next().await.has_child("invalid-mechanism", NS_SASL));

    let mut guest = Client::websocket(&server, "guest.localhost", "").await;
    assert_eq!(mechanisms(&guest.next().await), ["ANONYMOUS"]);
    guest.authenticate_anonymous().await;
    guest.bind(None).await;
    assert!(guest.jid.contains("@guest.localhost/"));
    // COMPAT(lib-jitsi-meet): guests ping the main domain.
    let pong = guest.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(pong.attr("type"), Some("result"));
}

#[tokio::test]
async fn the_same_resource_replaces_the_old_stream() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    let mut first = Client::member(&server, "ann", "correct horse", "home").await;
    let mut second = Client::member(&server, "ann", "correct horse", "home").await;
    assert_eq!(first.stream_error().await, "conflict");
    let pong = second.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(pong.attr("type"), Some("result"));
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guessed_account_only() {
    let server = Server::start(&[]);
    server.add_user("ann", "correct horse");
    server.add_user("bob", "battery staple");
    let mut refused = String::new();
    for _ in 0..6 {
        let mut client = Client::direct_tls(&server, "localhost").await;
        client.next().await;
        for _ in 0..2 {
            refused = client.authenticate_plain("ann", "wrong guess").await.expect_err("wrong");
        }
    }
    assert_eq!(refused, "temporary-auth-failure");
    let mut client = Client::direct_tls(&server, "localhost").await;
    client.next().await;
    client.authenticate_plain("bob", "battery staple").await.expect("others are not affected");
}

#[tokio::test]
async fn the_legacy_session_request_is_still_answered() {
    let server = Server::start(&[]);
    let mut guest = Client::guest(&server, "").await;
    let payload = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>";
    assert_eq!(guest.request("set", "", payload).await.attr("type"), Some("result"));
    assert_eq!(guest.request("set", "localhost", payload).await.attr("type"), Some("result"));
}

#[tokio::test]
async fn the_server_ends_with_its_supervisor_and_says_goodbye() {
    let server = Server::start(&[]);
    let mut guest = Client::guest(&server, "").await;
    assert!(server.end_of_supervisor().success());
    assert_eq!(guest.stream_error().await, "system-shutdown");
}
