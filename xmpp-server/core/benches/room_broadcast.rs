//! What a room spends on telling everybody: presence updates and chat in rooms of several sizes, up to the bytes each
//! recipient's connection writes. The figure is recipients per second of one core.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use jid::FullJid;
use minidom::Element;
use rand::SeedableRng;
use rand::rngs::StdRng;
use xmpp_server_core::component::{Component, Context, Now, Outbound, Outgoing, SenderContext, SessionParams};
use xmpp_server_core::muc::rooms::Rooms;
use xmpp_server_core::muc::settings::Settings;
use xmpp_server_core::stanza::WireStanza;

const NOW: Now = Now { monotonic_ms: 0, unix_ms: 0 };

fn main() {
    divan::main();
}

struct Room {
    rooms: Rooms,
    random: StdRng,
    out: Vec<Outbound>,
}

impl Room {
    /// A meeting of so many people and the focus.
    fn of(people: usize) -> Self {
        let settings = Settings::new("d", [1; 32]).expect("domain");
        let mut room = Self { rooms: Rooms::new(settings), random: StdRng::seed_from_u64(1), out: Vec::new() };
        let focus = sender("focus@auth.d/focus", true);
        room.handle(&focus, join("focus"));
        for n in 0..people {
            room.handle(&person(n), join(&format!("{n:08x}")));
            room.out.clear();
        }
        room
    }

    fn handle(&mut self, sender: &SenderContext, stanza: Element) {
        let mut cx = Context { now: NOW, random: &mut self.random, out: &mut self.out };
        self.rooms.handle(sender, stanza, &mut cx);
    }

    /// What the router and the connections do with it: address each copy and put its bytes one after another.
    fn write_all(&mut self, buffer: &mut Vec<u8>) -> usize {
        let count = self.out.len();
        for Outbound { to, stanza } in self.out.drain(..) {
            let wire = match stanza {
                Outgoing::Shared(shared) => shared.addressed(&to),
                Outgoing::Element(element) => WireStanza::new(&element),
            };
            buffer.clear();
            buffer.extend_from_slice(&wire.head);
            buffer.extend_from_slice(&wire.tail);
            divan::black_box(&buffer);
        }
        count
    }
}

fn sender(jid: &str, is_admin: bool) -> SenderContext {
    SenderContext {
        jid: FullJid::new(jid).expect("address"),
        is_admin,
        is_authenticated: is_admin,
        params: Arc::new(SessionParams::default()),
    }
}

fn person(n: usize) -> SenderContext {
    sender(&format!("{n:08x}-1111-4111-8111-111111111111@d/web"), false)
}

const CHILDREN: &str = "<stats-id>Vivienne-hd4</stats-id>\
    <c ver='I6wkz9idlVNBjhrSfiWQqa2TZ/k=' node='https://jitsi.org/jitsi-meet' \
    xmlns='http://jabber.org/protocol/caps' hash='sha-1'/>\
    <features><feature var='https://jitsi.org/meet/e2ee'/></features>\
    <SourceInfo>{\"d91f8da7-a0\":{\"muted\":true},\"d91f8da7-v0\":{\"muted\":true}}</SourceInfo>\
    <jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>\
    <nick xmlns='http://jabber.org/protocol/nick'>P0</nick>";

fn join(nick: &str) -> Element {
    format!(
        "<presence xmlns='jabber:client' to='hall@conference.d/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>\
         {CHILDREN}</presence>"
    )
    .parse()
    .expect("XML")
}

fn update(nick: &str) -> Element {
    format!("<presence xmlns='jabber:client' to='hall@conference.d/{nick}'>{CHILDREN}</presence>").parse().expect("XML")
}

fn chat() -> Element {
    "<message xmlns='jabber:client' type='groupchat' id='m' to='hall@conference.d'><body>Can you hear me?</body></message>"
        .parse()
        .expect("XML")
}

fn broadcast(bencher: Bencher<'_, '_>, people: usize, stanza: &Element) {
    let mut room = Room::of(people);
    let sender = person(0);
    let mut buffer = Vec::with_capacity(4096);
    bencher.counter(ItemsCount::new(people + 1)).with_inputs(|| stanza.clone()).bench_local_values(|stanza| {
        room.handle(&sender, stanza);
        room.write_all(&mut buffer)
    });
}

#[divan::bench(args = [5, 50, 500])]
fn presence(bencher: Bencher<'_, '_>, people: usize) {
    broadcast(bencher, people, &update("00000000"));
}

#[divan::bench(args = [5, 50, 500])]
fn groupchat(bencher: Bencher<'_, '_>, people: usize) {
    broadcast(bencher, people, &chat());
}

/// A whole meeting of so many people coming together: grows with the square of its size.
#[divan::bench(args = [5, 50, 200])]
fn everybody_joins(bencher: Bencher<'_, '_>, people: usize) {
    bencher.counter(ItemsCount::new(people * people)).bench_local(|| Room::of(people));
}
