//! In a running conference a forwarded packet allocates nothing.

mod scene;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use scene::{Scene, audio_packet};
use videobridge_core::egress::{Egress, EndpointIndex};

/// Counts what the system allocator is asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator can't be written without; it only passes calls on")]
// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts packets and copies nothing.
#[derive(Default)]
struct Sink {
    packets: u64,
}

impl Egress for Sink {
    fn rtp(&mut self, _: EndpointIndex, _: &[u8], _: &[u8]) {
        self.packets += 1;
    }

    fn rtcp(&mut self, _: EndpointIndex, _: &[u8]) {}

    fn channel(&mut self, _: EndpointIndex, _: String) {}
}

#[test]
fn forwarding_allocates_nothing() {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc", "dddd"] {
        scene.join(id, true, 3);
    }
    for receiver in 1..4 {
        scene.watch(receiver, &[(0, 720)], -1);
    }
    // Until caches have their size and everything is mapped.
    for _ in 0..200 {
        scene.camera_tick(0);
        scene.speak(0, 40);
        scene.pass(33_333);
    }
    // Packets are made before, so that only the bridge is measured.
    let mut batches = Vec::new();
    for _ in 0..300 {
        let mut batch = Vec::new();
        for encoding in 0..3 {
            batch.extend(scene.frame(0, encoding));
        }
        let client = &mut scene.clients[0];
        batch.push(audio_packet(
            client.audio_ssrc,
            client.audio_sequence,
            client.audio_timestamp,
            40,
            client.transport_sequence,
        ));
        client.audio_sequence = client.audio_sequence.wrapping_add(1);
        client.transport_sequence = client.transport_sequence.wrapping_add(1);
        batches.push(batch);
    }
    let from = scene.clients[0].index;
    let mut sink = Sink::default();
    let mut on_packets = 0;
    for batch in &batches {
        let now = scene.now();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for packet in batch {
            scene.conference.handle_rtp(now, from, packet, &mut sink);
        }
        on_packets += ALLOCATIONS.load(Ordering::Relaxed) - before;
        scene.conference.handle_timeout(now, &mut sink);
        scene.now_us += 33_333;
    }
    assert!(sink.packets > 300 * 3 * 3, "{}", sink.packets);
    assert_eq!(on_packets, 0);
}
