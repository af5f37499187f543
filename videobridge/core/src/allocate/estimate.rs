//! What a receiver's connection carries, from transport-wide feedback.
//!
//! Follows draft-ietf-rmcat-gcc-02: a trend of queueing delay against an adaptive threshold, additive or
//! multiplicative increase, and a bound by loss.

use crate::endpoint::Rate;
use crate::rtcp::TransportFeedback;
use crate::rtp::Unwrapper;

/// Estimate before anything is known, bits per second.
pub const ESTIMATE_START_BPS: u64 = 2_500_000;
/// Least estimate.
pub const ESTIMATE_MIN_BPS: u64 = 30_000;
/// Greatest estimate.
pub const ESTIMATE_MAX_BPS: u64 = 20_000_000;

/// Sent packets remembered until their feedback comes.
const SENT_MAX: usize = 4_096;
/// Packets sent within this time of each other form one group, µs.
const BURST_US: i64 = 5_000;
/// Points of the trend line.
const TREND_POINTS: usize = 20;
const TREND_SMOOTHING: f64 = 0.9;
const TREND_GAIN: f64 = 4.0;
/// Groups after which the trend counts fully.
const TREND_COUNT_MAX: u32 = 60;
/// Bounds and rates of the adaptive threshold, ms.
const THRESHOLD_START_MS: f64 = 12.5;
const THRESHOLD_MIN_MS: f64 = 6.0;
const THRESHOLD_MAX_MS: f64 = 600.0;
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_JUMP_MS: f64 = 15.0;
/// A trend must stay above the threshold this long to be overuse, ms.
const OVERUSE_MS: f64 = 10.0;
/// Delay above the least of late that must be there besides: less is jitter of a busy machine, not a queue, ms.
const QUEUE_MIN_MS: f64 = 25.0;
/// Time over which the least delay is remembered at least, µs.
const BASE_DELAY_WINDOW_US: i64 = 10_000_000;
/// What delay alone does not push the estimate below: at such rates only loss shows that the link is full.
const DELAY_MIN_BPS: f64 = 300_000.0;
const BACK_OFF: f64 = 0.85;
/// Multiplicative increase per second, and that before the link was ever full.
const INCREASE_PER_SECOND: f64 = 0.2;
const INCREASE_AT_START_PER_SECOND: f64 = 0.6;
/// Loss below which the bound rises, and above which it falls.
const LOSS_LOW: f64 = 0.02;
const LOSS_HIGH: f64 = 0.10;
/// Least number of packets for a judgement of loss.
const LOSS_PACKETS_MIN: u32 = 20;
/// Time without any feedback although packets are sent, after which the estimate falls, µs.
const FEEDBACK_TIMEOUT_US: u64 = 3_000_000;
/// What it does not fall below for want of feedback: enough for audio and a thumbnail.
const FEEDBACK_TIMEOUT_MIN_BPS: f64 = 300_000.0;
/// Round trip assumed before one was measured, µs.
const RTT_START_US: u64 = 100_000;
/// Sending less than this share of the estimate says nothing about more being possible.
const APPLICATION_LIMITED: f64 = 0.65;

#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    number: u64,
    at_us: u64,
    size: u32,
    settled: bool,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent_us: i64,
    last_sent_us: i64,
    last_arrival_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    Normal,
    Under,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// Estimate of one receiver's downlink. Allocates with the first packet.
#[derive(Debug)]
pub struct BandwidthEstimate {
    sent: Vec<Sent>,
    next: u64,
    reference: Unwrapper<24>,
    sent_rate: Rate,
    acked_rate: Rate,
    group: Option<Group>,
    previous: Option<Group>,
    points: [(f64, f64); TREND_POINTS],
    points_len: usize,
    groups: u32,
    first_arrival_us: i64,
    /// Least delay (clocks differ: only differences mean anything) in the window before and in this one, µs.
    base_delay_us: [i64; 2],
    base_window_at_us: i64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    threshold_ms: f64,
    threshold_at_us: Option<i64>,
    over_ms: f64,
    over_count: u32,
    previous_trend: f64,
    usage: Usage,
    state: State,
    delay_bps: f64,
    loss_bps: f64,
    /// Throughput at which the link was full, smoothed.
    capacity_bps: Option<f64>,
    delay_changed_at_us: u64,
    decreased_at_us: Option<u64>,
    lost: u32,
    settled: u32,
    loss_judged_at_us: u64,
    feedback_at_us: Option<u64>,
    first_sent_at_us: Option<u64>,
    timed_out_at_us: u64,
    rtt_us: u64,
    loss_fraction: f64,
}

impl Default for BandwidthEstimate {
    fn default() -> Self {
        Self {
            sent: Vec::new(),
            next: 0x1_0000,
            reference: Unwrapper::default(),
            sent_rate: Rate::default(),
            acked_rate: Rate::default(),
            group: None,
            previous: None,
            points: [(0.0, 0.0); TREND_POINTS],
            points_len: 0,
            groups: 0,
            first_arrival_us: 0,
            base_delay_us: [i64::MAX; 2],
            base_window_at_us: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            threshold_ms: THRESHOLD_START_MS,
            threshold_at_us: None,
            over_ms: -1.0,
            over_count: 0,
            previous_trend: 0.0,
            usage: Usage::Normal,
            state: State::Increase,
            delay_bps: ESTIMATE_START_BPS as f64,
            loss_bps: ESTIMATE_MAX_BPS as f64,
            capacity_bps: None,
            delay_changed_at_us: 0,
            decreased_at_us: None,
            lost: 0,
            settled: 0,
            loss_judged_at_us: 0,
            feedback_at_us: None,
            first_sent_at_us: None,
            timed_out_at_us: 0,
            rtt_us: RTT_START_US,
            loss_fraction: 0.0,
        }
    }
}

impl BandwidthEstimate {
    /// Notes a packet of `size` bytes and returns the transport-wide number to put on it.
    pub fn send(&mut self, size: usize, now_us: u64) -> u16 {
        if self.sent.is_empty() {
            self.sent = vec![Sent::default(); SENT_MAX];
            self.first_sent_at_us = Some(now_us);
            self.delay_changed_at_us = now_us;
        }
        let number = self.next;
        self.next += 1;
        self.sent[(number % SENT_MAX as u64) as usize] =
            Sent { number, at_us: now_us, size: size as u32, settled: false };
        self.sent_rate.add(size, now_us);
        number as u16
    }

    /// Sets the round trip measured by other means.
    pub const fn set_rtt(&mut self, rtt_us: u64) {
        self.rtt_us = rtt_us;
    }

    /// Applies one feedback packet.
    pub fn feedback(&mut self, feedback: &TransportFeedback<'_>, now_us: u64) {
        if self.sent.is_empty() {
            return;
        }
        self.feedback_at_us = Some(now_us);
        let reference = self.reference.unwrap(feedback.reference_time as u32);
        let wraps_us = (reference as i64 - i64::from(feedback.reference_time)) * 64_000;
        let mut any = false;
        for (number, arrival) in feedback.statuses() {
            let number = self.number(number);
            let Some(sent) = self
                .sent
                .get_mut((number % SENT_MAX as u64) as usize)
                .filter(|sent| sent.number == number && sent.at_us != 0 && !sent.settled)
            else {
                continue;
            };
            self.settled += 1;
            let Some(arrival_us) = arrival else {
                self.lost += 1;
                sent.settled = true;
                continue;
            };
            sent.settled = true;
            let (sent_us, size) = (sent.at_us, sent.size);
            self.acked_rate.add(size as usize, now_us);
            self.arrival(sent_us as i64, arrival_us + wraps_us);
            any = true;
        }
        if any {
            self.follow_delay(now_us);
        }
        self.follow_loss(now_us);
    }

    /// Lets time pass: without feedback the estimate falls.
    pub fn tick(&mut self, now_us: u64) {
        let Some(first) = self.first_sent_at_us else {
            return;
        };
        // Only an endpoint that has ever given feedback can be missing it.
        let Some(feedback_at_us) = self.feedback_at_us else {
            return;
        };
        let since = feedback_at_us.max(first).max(self.timed_out_at_us);
        if now_us < since + FEEDBACK_TIMEOUT_US || self.sent_rate.bps(now_us) == 0 {
            return;
        }
        self.timed_out_at_us = now_us;
        let lowered = (self.bps() as f64 * 0.5).max(FEEDBACK_TIMEOUT_MIN_BPS);
        if lowered < self.delay_bps {
            self.delay_bps = lowered;
            self.delay_changed_at_us = now_us;
        }
    }

    /// The estimate in bits per second; the starting value before there was any feedback.
    #[must_use]
    pub fn bps(&self) -> u64 {
        (self.delay_bps.min(self.loss_bps) as u64).clamp(ESTIMATE_MIN_BPS, ESTIMATE_MAX_BPS)
    }

    /// Whether any feedback came.
    #[must_use]
    pub const fn has_feedback(&self) -> bool {
        self.feedback_at_us.is_some()
    }

    /// Share of packets lost lately.
    #[must_use]
    pub const fn loss_fraction(&self) -> f64 {
        self.loss_fraction
    }

    /// Bits per second being sent.
    #[must_use]
    pub fn sent_bps(&self, now_us: u64) -> u64 {
        self.sent_rate.bps(now_us)
    }

    /// The unwrapped number that feedback speaks of: never above what was sent.
    const fn number(&self, number: u16) -> u64 {
        let last = self.next - 1;
        let back = (last as u16).wrapping_sub(number);
        last - back as u64
    }

    fn arrival(&mut self, sent_us: i64, arrival_us: i64) {
        let Some(group) = &mut self.group else {
            self.group = Some(Group { first_sent_us: sent_us, last_sent_us: sent_us, last_arrival_us: arrival_us });
            return;
        };
        if sent_us < group.first_sent_us {
            return;
        }
        let propagation_us = (arrival_us - group.last_arrival_us) - (sent_us - group.last_sent_us);
        let in_burst = propagation_us < 0 && arrival_us - group.last_arrival_us <= BURST_US;
        if sent_us - group.first_sent_us <= BURST_US || in_burst {
            group.last_sent_us = group.last_sent_us.max(sent_us);
            group.last_arrival_us = group.last_arrival_us.max(arrival_us);
            return;
        }
        let complete = *group;
        self.group = Some(Group { first_sent_us: sent_us, last_sent_us: sent_us, last_arrival_us: arrival_us });
        if let Some(previous) = self.previous.replace(complete) {
            let queue_ms = self.queue_ms(complete.last_sent_us, complete.last_arrival_us);
            let sent_ms = (complete.last_sent_us - previous.last_sent_us) as f64 / 1_000.0;
            let arrival_ms = (complete.last_arrival_us - previous.last_arrival_us) as f64 / 1_000.0;
            if arrival_ms < -1_000.0 || arrival_ms - sent_ms > 3_000.0 {
                // A clock that jumped: nothing before it can be compared.
                self.restart_trend();
                return;
            }
            self.point(sent_ms, arrival_ms, complete.last_arrival_us, queue_ms);
        }
    }

    /// How much longer a packet took than the fastest of late.
    fn queue_ms(&mut self, sent_us: i64, arrival_us: i64) -> f64 {
        let delay_us = arrival_us - sent_us;
        if sent_us >= self.base_window_at_us + BASE_DELAY_WINDOW_US {
            self.base_window_at_us = sent_us;
            self.base_delay_us = [self.base_delay_us[1], i64::MAX];
        }
        self.base_delay_us[1] = self.base_delay_us[1].min(delay_us);
        let base_us = self.base_delay_us[0].min(self.base_delay_us[1]);
        (delay_us - base_us) as f64 / 1_000.0
    }

    fn restart_trend(&mut self) {
        self.base_delay_us = [i64::MAX; 2];
        self.previous = None;
        self.points_len = 0;
        self.groups = 0;
        self.accumulated_ms = 0.0;
        self.smoothed_ms = 0.0;
        self.usage = Usage::Normal;
    }

    fn point(&mut self, sent_ms: f64, arrival_ms: f64, arrival_us: i64, queue_ms: f64) {
        if self.groups == 0 {
            self.first_arrival_us = arrival_us;
        }
        self.groups = (self.groups + 1).min(1_000);
        self.accumulated_ms += arrival_ms - sent_ms;
        self.smoothed_ms = TREND_SMOOTHING * self.smoothed_ms + (1.0 - TREND_SMOOTHING) * self.accumulated_ms;
        let at_ms = (arrival_us - self.first_arrival_us) as f64 / 1_000.0;
        if self.points_len == TREND_POINTS {
            self.points.copy_within(1.., 0);
            self.points_len -= 1;
        }
        self.points[self.points_len] = (at_ms, self.smoothed_ms);
        self.points_len += 1;
        let trend = if self.points_len == TREND_POINTS {
            slope(&self.points).unwrap_or(self.previous_trend)
        } else {
            self.previous_trend
        };
        self.judge(trend, sent_ms, arrival_us, queue_ms);
    }

    fn judge(&mut self, trend: f64, sent_ms: f64, arrival_us: i64, queue_ms: f64) {
        let modified = f64::from(self.groups.min(TREND_COUNT_MAX)) * trend * TREND_GAIN;
        if self.groups < 2 {
            self.usage = Usage::Normal;
            return;
        }
        if modified > self.threshold_ms && queue_ms > QUEUE_MIN_MS {
            self.over_ms = if self.over_ms < 0.0 { sent_ms / 2.0 } else { self.over_ms + sent_ms };
            self.over_count += 1;
            if self.over_ms > OVERUSE_MS && self.over_count > 1 && trend >= self.previous_trend {
                self.over_ms = 0.0;
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_ms = -1.0;
            self.over_count = 0;
            self.usage = if modified < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.previous_trend = trend;
        self.adapt_threshold(modified, arrival_us);
    }

    fn adapt_threshold(&mut self, modified: f64, arrival_us: i64) {
        let last = self.threshold_at_us.replace(arrival_us).unwrap_or(arrival_us);
        let magnitude = modified.abs();
        // A sudden jump must not blind the detector.
        if magnitude > self.threshold_ms + THRESHOLD_JUMP_MS {
            return;
        }
        let rate = if magnitude < self.threshold_ms { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let elapsed_ms = ((arrival_us - last) as f64 / 1_000.0).clamp(0.0, 100.0);
        self.threshold_ms += rate * (magnitude - self.threshold_ms) * elapsed_ms;
        self.threshold_ms = self.threshold_ms.clamp(THRESHOLD_MIN_MS, THRESHOLD_MAX_MS);
    }

    fn follow_delay(&mut self, now_us: u64) {
        let acked = self.acked_rate.bps(now_us) as f64;
        match self.usage {
            Usage::Over => {
                // Once per round trip: what is in the queue has to leave first.
                let interval_us = self.rtt_us.clamp(10_000, 200_000) + 100_000;
                if self.decreased_at_us.is_none_or(|at| now_us >= at + interval_us) {
                    self.decrease(acked, now_us);
                }
                self.state = State::Hold;
            }
            Usage::Under => self.state = State::Hold,
            Usage::Normal => {
                if self.state == State::Hold {
                    self.state = State::Increase;
                    self.delay_changed_at_us = now_us;
                } else {
                    self.increase(acked, now_us);
                }
            }
        }
    }

    fn decrease(&mut self, acked: f64, now_us: u64) {
        // When little was sent, what was sent does not tell the capacity: go down in steps instead.
        let tried = if self.is_application_limited(now_us) { self.delay_bps.max(acked) } else { acked };
        let lowered = (BACK_OFF * tried).max(DELAY_MIN_BPS);
        if lowered < self.delay_bps {
            self.delay_bps = lowered;
        }
        if tried > acked {
            self.decreased_at_us = Some(now_us);
            self.delay_changed_at_us = now_us;
            return;
        }
        self.capacity_bps = Some(match self.capacity_bps {
            // A throughput far off the known capacity means that the link changed.
            Some(capacity) if (acked - capacity).abs() < 0.3 * capacity => 0.95 * capacity + 0.05 * acked,
            _ => acked,
        });
        self.decreased_at_us = Some(now_us);
        self.delay_changed_at_us = now_us;
    }

    fn increase(&mut self, acked: f64, now_us: u64) {
        let elapsed_s = (now_us.saturating_sub(self.delay_changed_at_us) as f64 / 1e6).min(1.0);
        self.delay_changed_at_us = now_us;
        if self.capacity_bps.is_some_and(|capacity| acked > 1.3 * capacity) {
            self.capacity_bps = None;
        }
        let raised = match self.capacity_bps {
            Some(capacity) if self.delay_bps > 0.7 * capacity => {
                // Near the known capacity: about one packet per response time.
                let response_s = self.rtt_us as f64 / 1e6 + 0.1;
                let packet_bits = 1_200.0 * 8.0;
                self.delay_bps + (packet_bits / response_s).max(4_000.0) * elapsed_s
            }
            _ => {
                let rate =
                    if self.decreased_at_us.is_none() { INCREASE_AT_START_PER_SECOND } else { INCREASE_PER_SECOND };
                self.delay_bps * (1.0 + rate).powf(elapsed_s) + 1_000.0 * elapsed_s
            }
        };
        // What was not tried is not known to work.
        let limit = (1.5 * acked + 10_000.0).max(self.delay_bps);
        self.delay_bps = raised.min(limit).min(ESTIMATE_MAX_BPS as f64);
    }

    fn follow_loss(&mut self, now_us: u64) {
        let interval_us = 200_000 + self.rtt_us.min(1_000_000);
        if self.settled < LOSS_PACKETS_MIN || now_us < self.loss_judged_at_us + interval_us {
            return;
        }
        let fraction = f64::from(self.lost) / f64::from(self.settled);
        let elapsed_s = (now_us.saturating_sub(self.loss_judged_at_us) as f64 / 1e6).min(1.0);
        self.lost = 0;
        self.settled = 0;
        self.loss_judged_at_us = now_us;
        self.loss_fraction = fraction;
        if fraction > LOSS_HIGH {
            let base = (self.bps() as f64).min(1.5 * self.sent_rate.bps(now_us).max(ESTIMATE_MIN_BPS) as f64);
            self.loss_bps = (base * (1.0 - 0.5 * fraction)).max(ESTIMATE_MIN_BPS as f64);
        } else if fraction < LOSS_LOW {
            let raised = self.loss_bps * (1.0 + INCREASE_PER_SECOND).powf(elapsed_s) + 1_000.0;
            self.loss_bps = raised.min(ESTIMATE_MAX_BPS as f64);
        }
    }

    /// Whether so little is sent that the estimate can't be confirmed.
    #[must_use]
    pub fn is_application_limited(&self, now_us: u64) -> bool {
        (self.sent_rate.bps(now_us) as f64) < APPLICATION_LIMITED * self.bps() as f64
    }
}

fn slope(points: &[(f64, f64); TREND_POINTS]) -> Option<f64> {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let numerator: f64 = points.iter().map(|point| (point.0 - mean_x) * (point.1 - mean_y)).sum();
    let denominator: f64 = points.iter().map(|point| (point.0 - mean_x).powi(2)).sum();
    (denominator != 0.0).then(|| numerator / denominator)
}
