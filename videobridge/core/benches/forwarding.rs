//! Cost of the bridge's decisions, without encryption and sockets: `cargo bench -p videobridge-core`.
//!
//! `items` are packets given to receivers, so that the reciprocal is the cost of one forwarded packet.

#[path = "../tests/scene/mod.rs"]
mod scene;

use std::cell::RefCell;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use scene::{Scene, audio_packet};
use videobridge_core::egress::{Egress, EndpointIndex};

fn main() {
    divan::main();
}

/// Reads one byte of each part, as the copy into a send buffer would.
#[derive(Default)]
struct Sink {
    packets: usize,
}

impl Egress for Sink {
    fn rtp(&mut self, to: EndpointIndex, header: &[u8], payload: &[u8]) {
        self.packets += 1;
        black_box((to, header[0], payload[0]));
    }

    fn rtcp(&mut self, to: EndpointIndex, compound: &[u8]) {
        black_box((to, compound[0]));
    }

    fn channel(&mut self, to: EndpointIndex, message: String) {
        black_box((to, message));
    }
}

/// A conference in which everybody watches the first one's camera at this height.
fn conference(receivers: usize, height: i32) -> Scene {
    let mut scene = Scene::new();
    let sender = scene.join("sender", true, 3);
    for at in 0..receivers {
        let receiver = scene.join(&format!("r{at}"), true, 0);
        scene.watch(receiver, &[(sender, height)], -1);
    }
    for _ in 0..30 {
        scene.camera_tick(sender);
        scene.speak(sender, 40);
        scene.pass(33_333);
    }
    scene
}

/// One second of video of the top encoding: 30 frames of 3 packets of 1 kB.
#[divan::bench(args = [1, 10, 50])]
fn video(bencher: Bencher<'_, '_>, receivers: usize) {
    let scene = RefCell::new(conference(receivers, 720));
    let from = scene.borrow().clients[0].index;
    bencher
        .counter(ItemsCount::new(90 * receivers))
        .with_inputs(|| {
            let mut scene = scene.borrow_mut();
            scene.clients[0].camera[2].history.clear();
            scene.now_us += 1_000_000;
            (scene.now(), (0..30).map(|_| scene.frame(0, 2)).collect::<Vec<_>>())
        })
        .bench_local_values(|(start, frames)| {
            let conference = &mut scene.borrow_mut().conference;
            let mut sink = Sink::default();
            for (at, frame) in (0u64..).zip(&frames) {
                let now = start + Duration::from_micros(at * 33_333);
                for packet in frame {
                    conference.handle_rtp(now, from, packet, &mut sink);
                }
            }
            assert_eq!(sink.packets, 90 * receivers, "everything is forwarded");
        });
}

/// One second of audio: 50 packets.
#[divan::bench(args = [1, 10, 50])]
fn audio(bencher: Bencher<'_, '_>, receivers: usize) {
    let scene = RefCell::new(conference(receivers, 180));
    let from = scene.borrow().clients[0].index;
    bencher
        .counter(ItemsCount::new(50 * receivers))
        .with_inputs(|| {
            let mut scene = scene.borrow_mut();
            scene.now_us += 1_000_000;
            let now = scene.now();
            let client = &mut scene.clients[0];
            let packets: Vec<_> = (0..50)
                .map(|_| {
                    client.audio_sequence = client.audio_sequence.wrapping_add(1);
                    client.transport_sequence = client.transport_sequence.wrapping_add(1);
                    let (ssrc, number) = (client.audio_ssrc, client.audio_sequence);
                    audio_packet(ssrc, number, u32::from(number) * 960, 40, client.transport_sequence)
                })
                .collect();
            (now, packets)
        })
        .bench_local_values(|(start, packets)| {
            let conference = &mut scene.borrow_mut().conference;
            let mut sink = Sink::default();
            for (at, packet) in (0u64..).zip(&packets) {
                conference.handle_rtp(start + Duration::from_millis(at * 20), from, packet, &mut sink);
            }
            black_box(sink.packets);
        });
}

/// One allocation for a receiver of so many cameras, asked for by itself.
#[divan::bench(args = [3, 20, 100])]
fn allocation(bencher: Bencher<'_, '_>, cameras: usize) {
    let mut scene = Scene::new();
    let receiver = scene.join("receiver", true, 0);
    let cameras: Vec<_> = (0..cameras).map(|at| (scene.join(&format!("c{at}"), true, 3), 180)).collect();
    let numbers: Vec<_> = cameras.iter().map(|&(camera, _)| camera).collect();
    scene.watch(receiver, &cameras, -1);
    scene.run(&numbers, 3);
    let index = scene.clients[receiver].index;
    let scene = RefCell::new(scene);
    bencher.bench_local(|| {
        let scene = &mut *scene.borrow_mut();
        // Messages are bounded in rate; time has to pass.
        scene.now_us += 100_000;
        let now = scene.now();
        let text = r#"{"colibriClass":"ReceiverVideoConstraints","lastN":-1}"#;
        let mut sink = Sink::default();
        let taken = scene.conference.handle_channel_message(now, index, text, &mut sink);
        assert!(taken.is_ok());
    });
}
