//! The estimate of a receiver's downlink on links with a rate, a queue, loss and jitter.

use videobridge_core::allocate::{BandwidthEstimate, ESTIMATE_MIN_BPS};
use videobridge_core::rtcp::{FeedbackArrivals, RtcpBuffer, RtcpMessage, RtcpMessages};

/// A link with a rate, a queue and loss; feedback each 100 ms.
struct Link {
    estimate: BandwidthEstimate,
    now_us: u64,
    capacity_bps: u64,
    queue_max_us: u64,
    loss_every: u64,
    free_at_us: u64,
    sent: u64,
    arrivals: Vec<(u64, i64)>,
    reported_at_us: u64,
    reported: Option<u64>,
    feedback: bool,
    jitter_us: u64,
}

impl Link {
    fn new(capacity_bps: u64) -> Self {
        Self {
            estimate: BandwidthEstimate::default(),
            now_us: 1_000_000,
            capacity_bps,
            queue_max_us: 300_000,
            loss_every: 0,
            free_at_us: 0,
            sent: 0,
            arrivals: Vec::new(),
            reported_at_us: 0,
            reported: None,
            feedback: true,
            jitter_us: 0,
        }
    }

    /// Sends at `rate(estimate)` for a time.
    fn run(&mut self, seconds: u64, rate: impl Fn(u64) -> u64) {
        const SIZE: usize = 1_000;
        let end = self.now_us + seconds * 1_000_000;
        while self.now_us < end {
            let number = u64::from(self.estimate.send(SIZE, self.now_us));
            let number = self.sent / 65_536 * 65_536 + number;
            self.sent += 1;
            let service_us = SIZE as u64 * 8 * 1_000_000 / self.capacity_bps;
            let start = self.free_at_us.max(self.now_us);
            let lost = self.loss_every != 0 && self.sent.is_multiple_of(self.loss_every);
            if start - self.now_us < self.queue_max_us && !lost {
                self.free_at_us = start + service_us;
                let jitter = self.sent.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let jitter_us = jitter.checked_rem(self.jitter_us).unwrap_or(0);
                self.arrivals.push((number, (self.free_at_us + 20_000 + jitter_us) as i64));
            }
            if self.now_us >= self.reported_at_us + 100_000 {
                self.report();
            }
            let bps = rate(self.estimate.bps());
            self.now_us += SIZE as u64 * 8 * 1_000_000 / bps.max(1);
        }
    }

    fn report(&mut self) {
        self.reported_at_us = self.now_us;
        let ready = self.arrivals.iter().filter(|&&(_, at)| at <= self.now_us as i64).count();
        let batch: Vec<_> = self.arrivals.drain(..ready).collect();
        if !self.feedback {
            self.estimate.tick(self.now_us);
            return;
        }
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let mut buffer = RtcpBuffer::default();
            let taken = buffer.transport_feedback(&FeedbackArrivals {
                sender_ssrc: 1,
                media_ssrc: 2,
                feedback_number: 0,
                first_number: self.reported.map_or(rest[0].0, |reported| reported + 1),
                arrivals: rest,
            });
            self.reported = Some(rest[taken - 1].0);
            for message in RtcpMessages::new(buffer.bytes()) {
                if let RtcpMessage::TransportFeedback(feedback) = message {
                    self.estimate.feedback(&feedback, self.now_us);
                }
            }
            rest = &rest[taken..];
        }
    }
}

#[test]
fn starts_where_clients_expect() {
    assert_eq!(BandwidthEstimate::default().bps(), 2_500_000);
    assert!(!BandwidthEstimate::default().has_feedback());
}

#[test]
fn finds_a_narrow_link_and_stays_there() {
    let mut link = Link::new(800_000);
    link.run(10, |estimate| estimate);
    for _ in 0..20 {
        link.run(1, |estimate| estimate);
        let estimate = link.estimate.bps();
        assert!((350_000..=1_100_000).contains(&estimate), "{estimate}");
    }
}

#[test]
fn grows_on_a_wide_link_that_is_used() {
    let mut link = Link::new(10_000_000);
    link.run(15, |estimate| estimate);
    let estimate = link.estimate.bps();
    assert!((5_000_000..=10_500_000).contains(&estimate), "{estimate}");
}

#[test]
fn holds_when_little_is_sent() {
    let mut link = Link::new(10_000_000);
    link.run(20, |_| 100_000);
    assert_eq!(link.estimate.bps(), 2_500_000);
    assert!(link.estimate.is_application_limited(link.now_us));
}

#[test]
fn recovers_when_the_link_widens() {
    let mut link = Link::new(500_000);
    link.run(10, |estimate| estimate);
    link.capacity_bps = 5_000_000;
    link.run(40, |estimate| estimate);
    assert!(link.estimate.bps() > 2_000_000, "{}", link.estimate.bps());
}

#[test]
fn jitter_of_a_busy_receiver_is_no_congestion() {
    let mut link = Link::new(50_000_000);
    link.jitter_us = 20_000;
    link.run(60, |_| 2_000_000);
    assert!(link.estimate.bps() >= 2_400_000, "{}", link.estimate.bps());
}

#[test]
fn heavy_loss_lowers_and_light_loss_does_not() {
    let mut link = Link::new(10_000_000);
    link.loss_every = 4;
    link.run(10, |estimate| estimate);
    assert!(link.estimate.bps() < 1_000_000, "{}", link.estimate.bps());
    assert!((0.15..0.35).contains(&link.estimate.loss_fraction()));
    assert!(link.estimate.bps() >= ESTIMATE_MIN_BPS);
    let mut link = Link::new(10_000_000);
    link.loss_every = 100;
    link.run(10, |estimate| estimate);
    assert!(link.estimate.bps() > 2_500_000, "{}", link.estimate.bps());
}

#[test]
fn falls_without_feedback_but_not_to_nothing() {
    let mut link = Link::new(10_000_000);
    link.run(2, |_| 1_000_000);
    link.feedback = false;
    link.run(30, |_| 1_000_000);
    assert_eq!(link.estimate.bps(), 300_000);
}
