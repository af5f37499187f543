//! Rooms and room services, played from scripts.

#[allow(dead_code, reason = "each test binary uses its part")]
mod scenario;

use scenario::{check, check_with};
use xmpp_server_core::service::external_services::ExternalService;

macro_rules! scenarios {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(include_str!(concat!("scenarios/", stringify!($name), ".scs")));
        }
    )*};
}

scenarios! {
    join
    focus_gate
    refusals
    messages
    iq
    kick
    password
    lobby
    lobby_and_password
    members_only
    av_moderation
    metadata
    speaker_stats
    polls
    brewery
    focus_gateway
    breakout
    host
    destroy
    roles
    invite
    history
    health_check
}

#[test]
fn nickname_change() {
    check_with(include_str!("scenarios/nickname_change.scs"), |settings| settings.nickname_changes = true);
}

#[test]
fn external_services() {
    let service = |kind: &str, port, transport: &str, secret: Option<&str>| ExternalService {
        kind: kind.to_owned(),
        host: "turn.d".to_owned(),
        port,
        transport: Some(transport.to_owned()),
        secret: secret.map(str::to_owned),
        lifetime_s: 86_400,
    };
    check_with(include_str!("scenarios/external_services.scs"), |settings| {
        settings.external_services =
            vec![service("stun", 3478, "udp", None), service("turns", 443, "tcp", Some("north"))];
    });
}
