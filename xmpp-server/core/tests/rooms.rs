//! Rooms and room services, played from scripts.

#[allow(dead_code, reason = "each test binary uses its part")]
mod scenario;

use scenario::check;

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
}
