//! Invites, change of password, deletion: what changes, what is refused, what stays.

use xmpp_server_core::account::ScramHash;

use crate::client::{Client, NS_REGISTER, error};
use crate::process::Server;

fn change(name: &str, password: &str) -> String {
    format!("<query xmlns='{NS_REGISTER}'><username>{name}</username><password>{password}</password></query>")
}

fn checked_change(name: &str, current: &str, password: &str) -> String {
    format!(
        "<query xmlns='{NS_REGISTER}'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>jabber:iq:register:changepassword</value></field>\
         <field var='username'><value>{name}</value></field>\
         <field var='old_password'><value>{current}</value></field>\
         <field var='password'><value>{password}</value></field></x></query>"
    )
}

async fn can_sign_in(server: &Server, name: &str, password: &str) -> bool {
    let mut plain = Client::starttls(server, "localhost").await;
    plain.next().await;
    let by_plain = plain.authenticate_plain(name, password).await.is_ok();
    let mut scram = Client::direct_tls(server, "localhost").await;
    scram.next().await;
    let by_scram = scram.authenticate_scram(ScramHash::Sha1, name, password).await.is_ok();
    assert_eq!(by_plain, by_scram, "all mechanisms agree");
    by_plain
}

#[tokio::test]
async fn a_member_changes_the_password_and_other_streams_end() {
    let server = Server::start(&[]);
    server.add_user("ann", "first password");
    let mut here = Client::member(&server, "ann", "first password", "here").await;
    let mut there = Client::member(&server, "ann", "first password", "there").await;
    there.enable_resumption().await;
    let form = here.request("get", "localhost", "<query xmlns='jabber:iq:register'/>").await;
    let query = form.get_child("query", NS_REGISTER).expect("a query");
    assert!(query.has_child("registered", NS_REGISTER));
    assert_eq!(query.get_child("username", NS_REGISTER).expect("a name").text(), "ann");

    let answer = here.request("set", "localhost", &change("ann", "second password")).await;
    assert_eq!(answer.attr("type"), Some("result"));
    assert_eq!(there.stream_error().await, "reset");
    let pong = here.request("get", "localhost", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(pong.attr("type"), Some("result"), "this stream stays");
    assert!(!can_sign_in(&server, "ann", "first password").await);
    assert!(can_sign_in(&server, "ann", "second password").await);
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let server = Server::start(&[]);
    server.add_user("annabel", "first password");
    server.add_user("bob", "his password");
    let mut client = Client::member(&server, "annabel", "first password", "here").await;
    for (payload, condition, hint) in [
        (change("bob", "stolen password"), "bad-request", "your own"),
        (change("annabel", ""), "bad-request", "needed"),
        (format!("<query xmlns='{NS_REGISTER}'><username>annabel</username></query>"), "bad-request", "needed"),
        (change("annabel", "short"), "not-acceptable", "at least 8"),
        (change("annabel", "annabel12"), "not-acceptable", "user name"),
        (checked_change("annabel", "wrong password", "a fine new one"), "not-authorized", "current password"),
    ] {
        let answer = client.request("set", "localhost", &payload).await;
        let (found, text) = error(&answer);
        assert_eq!(found, condition, "{payload}");
        assert!(text.contains(hint), "{text}");
    }
    assert!(can_sign_in(&server, "annabel", "first password").await);
    assert!(can_sign_in(&server, "bob", "his password").await);
    let answer = client.request("set", "", &checked_change("annabel", "first password", "a fine new one")).await;
    assert_eq!(answer.attr("type"), Some("result"));
    assert!(can_sign_in(&server, "annabel", "a fine new one").await);
}

#[tokio::test]
async fn guests_and_services_have_no_password_to_change() {
    let server = Server::start(&[]);
    let mut guest = Client::guest(&server, "").await;
    let name = guest.jid.split('@').next().expect("a name").to_owned();
    let answer = guest.request("set", "localhost", &change(&name, "some password")).await;
    assert_eq!(error(&answer).0, "not-allowed");
}

#[tokio::test]
async fn an_invite_makes_an_account_once() {
    let server = Server::start(&[]);
    let token = server.invite(None);
    let mut client = Client::websocket(&server, "localhost", "").await;
    client.next().await;
    let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
    // Without an invite nothing is registered.
    assert_eq!(
        error(&client.request("set", "localhost", &change("ann", "my password")).await).0,
        "service-unavailable"
    );
    assert_eq!(client.request("set", "localhost", &preauth).await.attr("type"), Some("result"));
    let form = client.request("get", "localhost", "<query xmlns='jabber:iq:register'/>").await;
    assert!(form.get_child("query", NS_REGISTER).expect("a form").has_child("password", NS_REGISTER));
    assert_eq!(error(&client.request("set", "localhost", &change("a b", "my password")).await).0, "not-acceptable");
    assert_eq!(error(&client.request("set", "localhost", &change("ann", "short")).await).0, "not-acceptable");
    assert_eq!(client.request("set", "localhost", &change("ann", "my password")).await.attr("type"), Some("result"));
    client.authenticate_plain("ann", "my password").await.expect("the same stream goes on to sign in");

    let mut second = Client::websocket(&server, "localhost", "").await;
    second.next().await;
    assert_eq!(error(&second.request("set", "localhost", &preauth).await).0, "item-not-found");
}

#[tokio::test]
async fn an_invite_for_a_member_sets_a_new_password_for_that_member_only() {
    let server = Server::start(&[]);
    server.add_user("ann", "forgotten password");
    server.add_user("bob", "his password");
    let mut lost = Client::member(&server, "ann", "forgotten password", "lost-phone").await;
    let token = server.invite(Some("ann"));
    let mut client = Client::websocket(&server, "localhost", "").await;
    client.next().await;
    let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
    client.request("set", "localhost", &preauth).await;
    let form = client.request("get", "localhost", "<query xmlns='jabber:iq:register'/>").await;
    let query = form.get_child("query", NS_REGISTER).expect("a form");
    assert_eq!(query.get_child("username", NS_REGISTER).expect("a name").text(), "ann");
    assert_eq!(error(&client.request("set", "localhost", &change("bob", "stolen password")).await).0, "not-acceptable");
    assert_eq!(client.request("set", "localhost", &change("ann", "remembered one")).await.attr("type"), Some("result"));
    assert_eq!(lost.stream_error().await, "reset");
    assert!(can_sign_in(&server, "ann", "remembered one").await);
    assert!(can_sign_in(&server, "bob", "his password").await);
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_and_the_invite_stays_good() {
    let server = Server::start(&[]);
    server.add_user("ann", "her password");
    let token = server.invite(None);
    let mut client = Client::websocket(&server, "localhost", "").await;
    client.next().await;
    client.request("set", "localhost", &format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>")).await;
    assert_eq!(error(&client.request("set", "localhost", &change("Ann", "not hers")).await).0, "conflict");
    assert!(can_sign_in(&server, "ann", "her password").await);
    assert_eq!(client.request("set", "localhost", &change("anna", "my password")).await.attr("type"), Some("result"));
}

#[tokio::test]
async fn registration_needs_an_encrypted_connection() {
    let server = Server::start(&[]);
    let mut client = Client::plain(&server, "localhost").await;
    client.next().await;
    let answer = client.request("set", "localhost", &change("ann", "my password")).await;
    assert_eq!(error(&answer).0, "policy-violation");
}

#[tokio::test]
async fn a_member_leaves_for_good() {
    let server = Server::start(&[]);
    server.add_user("ann", "her password");
    let mut here = Client::member(&server, "ann", "her password", "here").await;
    let mut there = Client::member(&server, "ann", "her password", "there").await;
    let answer = here.request("set", "localhost", "<query xmlns='jabber:iq:register'><remove/></query>").await;
    assert_eq!(answer.attr("type"), Some("result"), "the answer comes first");
    assert_eq!(here.stream_error().await, "not-authorized");
    assert_eq!(there.stream_error().await, "not-authorized");
    assert!(!can_sign_in(&server, "ann", "her password").await);
}

#[tokio::test]
async fn the_administrator_changes_and_removes() {
    use protocol::admin::Request;
    let server = Server::start(&[]);
    server.add_user("ann", "first password");
    let mut client = Client::member(&server, "ann", "first password", "here").await;
    server.ask(&Request::UserPasswd { name: "ann".into(), password: "second password".into() }).expect("changed");
    assert_eq!(client.stream_error().await, "reset");
    let mut client = Client::member(&server, "ann", "second password", "here").await;
    server.ask(&Request::UserDel { name: "ann".into() }).expect("removed");
    assert_eq!(client.stream_error().await, "not-authorized");
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(folder.path(), &[]);
    server.add_user("ann", "first password");
    let mut client = Client::member(&server, "ann", "first password", "here").await;
    let answer = client.request("set", "localhost", &change("ann", "second password")).await;
    assert_eq!(answer.attr("type"), Some("result"));
    server.kill();
    let server = Server::start_in(folder.path(), &[]);
    assert!(can_sign_in(&server, "ann", "second password").await);
    assert!(!can_sign_in(&server, "ann", "first password").await);
}
