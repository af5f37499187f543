//! Who speaks: dominant speaker identification after Volfin and Cohen, "Dominant Speaker Identification for
//! Multipoint Videoconferencing" (2013), with the parameters that Jitsi clients are used to.

use crate::egress::EndpointIndex;

/// Highest level: 127 minus the level of RFC 6464.
const LEVEL_MAX: u8 = 127;
/// Levels kept per speaker: 10 long × 5 medium blocks of one each.
const LEVELS: usize = LONG_SUBUNITS * MEDIUM_SUBUNITS;
/// Levels over which the noise floor is followed.
const FLOOR_WINDOW: u32 = 15 * 50;
/// A level must be this much above the floor to count.
const FLOOR_MARGIN: u8 = 10;
/// Steps of a level within an immediate: 13 subunits of 10.
const IMMEDIATE_SUBUNITS: usize = 13;
const IMMEDIATE_STEP: u8 = 10;
const MEDIUM_SUBUNITS: usize = 5;
const MEDIUM_THRESHOLD: u8 = 7;
const LONG_SUBUNITS: usize = 10;
const LONG_THRESHOLD: u8 = 4;
const LAMBDA_IMMEDIATE: f64 = 0.78;
const LAMBDA_MEDIUM: f64 = 24.0;
const LAMBDA_LONG: f64 = 47.0;
/// A challenger must beat the dominant speaker by these logarithms of score ratios.
const CHALLENGE_IMMEDIATE: f64 = 3.0;
const CHALLENGE_MEDIUM: f64 = 2.0;
const CHALLENGE_LONG: f64 = 0.0;
const SCORE_MIN: f64 = 1e-10;
/// Time between decisions, µs.
const DECISION_INTERVAL_US: u64 = 300_000;
/// A speaker not heard for this long counts as silent, µs.
const IDLE_US: u64 = 40_000;
/// A speaker not heard for this long is forgotten, µs.
const FORGET_US: u64 = 3_600_000_000;
/// Decisions pause when nobody was heard for this long, µs.
const PAUSE_US: u64 = 15_000_000;
/// Previous speakers that are remembered besides the dominant one.
const RECENT_MAX: usize = 10;
/// Share of a new level in the smoothed energy, in percent.
const ENERGY_ALPHA: u32 = 50;
/// Energy of a speaker not heard for this long does not count, µs.
const ENERGY_EXPIRY_US: u64 = 150_000;

#[derive(Debug)]
struct Speaker {
    endpoint: EndpointIndex,
    levels: [u8; LEVELS],
    floor: u8,
    candidate_floor: u8,
    candidate_count: u32,
    heard_at_us: u64,
    /// Smoothed energy for the choice of the loudest, in 1/256 of a level.
    energy: u32,
    energy_at_us: u64,
    immediate: f64,
    medium: f64,
    long: f64,
}

/// Speech activity of one conference.
#[derive(Debug, Default)]
pub struct SpeechActivity {
    speakers: Vec<Speaker>,
    dominant: Option<EndpointIndex>,
    /// Dominant first, then who was before.
    recent: Vec<EndpointIndex>,
    /// All endpoints, latest dominant first; new ones last.
    order: Vec<EndpointIndex>,
    decided_at_us: u64,
    heard_at_us: Option<u64>,
}

impl SpeechActivity {
    /// Adds an endpoint, last in the order.
    pub fn endpoint_added(&mut self, endpoint: EndpointIndex) {
        self.order.push(endpoint);
    }

    /// Removes an endpoint; true when the list of recent speakers changed.
    pub fn endpoint_removed(&mut self, endpoint: EndpointIndex) -> bool {
        self.speakers.retain(|speaker| speaker.endpoint != endpoint);
        self.order.retain(|&other| other != endpoint);
        let before = self.recent.len();
        self.recent.retain(|&other| other != endpoint);
        if self.dominant == Some(endpoint) {
            self.dominant = self.recent.first().copied();
        }
        self.recent.len() != before
    }

    /// The dominant speaker.
    #[must_use]
    pub const fn dominant(&self) -> Option<EndpointIndex> {
        self.dominant
    }

    /// Dominant speaker first, then who was before, latest first.
    #[must_use]
    pub fn recent(&self) -> &[EndpointIndex] {
        &self.recent
    }

    /// All endpoints by their last time of being dominant.
    #[must_use]
    pub fn order(&self) -> &[EndpointIndex] {
        &self.order
    }

    /// Notes the RFC 6464 level (0 loudest, 127 silence) of a packet; true when the dominant speaker changed.
    pub fn level(&mut self, endpoint: EndpointIndex, level: u8, now_us: u64) -> bool {
        let level = LEVEL_MAX - level.min(LEVEL_MAX);
        self.heard_at_us = Some(now_us);
        let speaker = match self.speakers.iter_mut().position(|speaker| speaker.endpoint == endpoint) {
            Some(at) => &mut self.speakers[at],
            None => {
                self.speakers.push(Speaker::new(endpoint));
                self.speakers.last_mut().expect("just pushed")
            }
        };
        speaker.push(level, now_us);
        speaker.smooth(level, now_us);
        if self.speakers.len() == 1 && self.dominant != Some(endpoint) {
            self.become_dominant(endpoint);
            return true;
        }
        false
    }

    /// When the next decision is due, µs; `None` while nobody is heard.
    #[must_use]
    pub fn due_at_us(&self) -> Option<u64> {
        self.heard_at_us.map(|_| self.decided_at_us + DECISION_INTERVAL_US)
    }

    /// Decides if it is time; true when the dominant speaker changed.
    pub fn decide(&mut self, now_us: u64) -> bool {
        let Some(heard_at_us) = self.heard_at_us else {
            return false;
        };
        if now_us < self.decided_at_us + DECISION_INTERVAL_US {
            return false;
        }
        self.decided_at_us = now_us;
        if now_us > heard_at_us + PAUSE_US {
            self.heard_at_us = None;
        }
        let dominant = self.dominant;
        self.speakers.retain(|speaker| Some(speaker.endpoint) == dominant || now_us < speaker.heard_at_us + FORGET_US);
        for speaker in &mut self.speakers {
            if now_us > speaker.heard_at_us + IDLE_US {
                speaker.push(0, speaker.heard_at_us);
            }
            speaker.score();
        }
        let Some(winner) = self.winner() else {
            return false;
        };
        if self.dominant == Some(winner) {
            return false;
        }
        self.become_dominant(winner);
        true
    }

    /// Whether the endpoint is among the `count` loudest now.
    #[must_use]
    pub fn is_among_loudest(&self, endpoint: EndpointIndex, count: usize, now_us: u64) -> bool {
        let fresh = |speaker: &&Speaker| now_us <= speaker.energy_at_us + ENERGY_EXPIRY_US;
        let Some(energy) = self
            .speakers
            .iter()
            .find(|speaker| speaker.endpoint == endpoint)
            .filter(fresh)
            .map(|speaker| speaker.energy)
        else {
            return false;
        };
        let louder = self
            .speakers
            .iter()
            .filter(fresh)
            .filter(|speaker| (speaker.energy, endpoint) > (energy, speaker.endpoint))
            .count();
        louder < count
    }

    fn winner(&self) -> Option<EndpointIndex> {
        if let [only] = &self.speakers[..] {
            return Some(only.endpoint);
        }
        let Some(dominant) = self.speakers.iter().find(|speaker| Some(speaker.endpoint) == self.dominant) else {
            return self.speakers.first().map(|speaker| speaker.endpoint);
        };
        let mut best = None;
        let mut best_medium = CHALLENGE_MEDIUM;
        for challenger in &self.speakers {
            if challenger.endpoint == dominant.endpoint {
                continue;
            }
            let immediate = (challenger.immediate / dominant.immediate).ln();
            let medium = (challenger.medium / dominant.medium).ln();
            let long = (challenger.long / dominant.long).ln();
            if immediate > CHALLENGE_IMMEDIATE && medium > best_medium && long > CHALLENGE_LONG {
                best_medium = medium;
                best = Some(challenger.endpoint);
            }
        }
        best.or(self.dominant)
    }

    fn become_dominant(&mut self, endpoint: EndpointIndex) {
        self.dominant = Some(endpoint);
        self.recent.retain(|&other| other != endpoint);
        self.recent.insert(0, endpoint);
        self.recent.truncate(RECENT_MAX + 1);
        if let Some(at) = self.order.iter().position(|&other| other == endpoint) {
            self.order[..=at].rotate_right(1);
        }
    }
}

impl Speaker {
    const fn new(endpoint: EndpointIndex) -> Self {
        Self {
            endpoint,
            levels: [0; LEVELS],
            floor: LEVEL_MAX,
            candidate_floor: LEVEL_MAX,
            candidate_count: 0,
            heard_at_us: 0,
            energy: 0,
            energy_at_us: 0,
            immediate: SCORE_MIN,
            medium: SCORE_MIN,
            long: SCORE_MIN,
        }
    }

    /// Newest level first.
    fn push(&mut self, level: u8, now_us: u64) {
        self.heard_at_us = now_us;
        self.levels.rotate_right(1);
        self.levels[0] =
            if level < self.floor.saturating_add(FLOOR_MARGIN) && self.floor != LEVEL_MAX { 0 } else { level };
        self.follow_floor(level);
    }

    /// The floor falls at once and rises by the geometric mean with the lowest level of each window.
    fn follow_floor(&mut self, level: u8) {
        if level == 0 {
            return;
        }
        if level < self.floor {
            self.floor = level;
            self.candidate_floor = LEVEL_MAX;
            self.candidate_count = 0;
            return;
        }
        self.candidate_floor = self.candidate_floor.min(level);
        self.candidate_count += 1;
        if self.candidate_count >= FLOOR_WINDOW {
            let mean = (f64::from(self.floor) * f64::from(self.candidate_floor)).sqrt();
            self.floor = (mean as u8).clamp(1, LEVEL_MAX);
            self.candidate_floor = LEVEL_MAX;
            self.candidate_count = 0;
        }
    }

    fn smooth(&mut self, level: u8, now_us: u64) {
        let level = u32::from(level) << 8;
        self.energy = if now_us > self.energy_at_us + ENERGY_EXPIRY_US {
            level
        } else {
            (self.energy * (100 - ENERGY_ALPHA) + level * ENERGY_ALPHA) / 100
        };
        self.energy_at_us = now_us;
    }

    fn score(&mut self) {
        let immediates = self.levels.map(|level| level / IMMEDIATE_STEP);
        let mut mediums = [0u8; LONG_SUBUNITS];
        for (medium, block) in mediums.iter_mut().zip(immediates.chunks(MEDIUM_SUBUNITS)) {
            *medium = block.iter().filter(|&&value| value > MEDIUM_THRESHOLD).count() as u8;
        }
        let long = mediums.iter().filter(|&&value| value > LONG_THRESHOLD).count() as u8;
        self.immediate = activity(immediates[0], IMMEDIATE_SUBUNITS, LAMBDA_IMMEDIATE);
        self.medium = activity(mediums[0], MEDIUM_SUBUNITS, LAMBDA_MEDIUM);
        self.long = activity(long, LONG_SUBUNITS, LAMBDA_LONG);
    }
}

/// Likelihood ratio of speech given `active` of `count` subunits, p = ½.
fn activity(active: u8, count: usize, lambda: f64) -> f64 {
    let active = usize::from(active).min(count);
    let v = active as f64;
    let n = count as f64;
    let half = 0.5f64.ln();
    let score = ln_binomial(count, active) + v * half + (n - v) * half - lambda.ln() + lambda * v;
    score.max(SCORE_MIN)
}

fn ln_binomial(n: usize, k: usize) -> f64 {
    (0..k.min(n - k)).map(|i| ((n - i) as f64).ln() - ((i + 1) as f64).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: EndpointIndex = EndpointIndex(0);
    const B: EndpointIndex = EndpointIndex(1);
    const C: EndpointIndex = EndpointIndex(2);

    struct Room {
        speech: SpeechActivity,
        now_us: u64,
        changes: Vec<EndpointIndex>,
    }

    impl Room {
        fn new() -> Self {
            let mut speech = SpeechActivity::default();
            for endpoint in [A, B, C] {
                speech.endpoint_added(endpoint);
            }
            Self { speech, now_us: 1_000_000, changes: Vec::new() }
        }

        /// Packets of 20 ms with these levels (−dBov) for a time.
        fn talk(&mut self, levels: &[(EndpointIndex, u8)], ms: u64) {
            for step in 0..ms / 20 {
                for &(endpoint, level) in levels {
                    // Speech is not even: every eighth packet is quiet.
                    let level = if step % 8 == 7 { 90 } else { level };
                    if self.speech.level(endpoint, level, self.now_us) {
                        self.changes.push(endpoint);
                    }
                }
                if self.speech.decide(self.now_us) {
                    self.changes.push(self.speech.dominant().unwrap());
                }
                self.now_us += 20_000;
            }
        }
    }

    #[test]
    fn the_first_is_dominant_at_once() {
        let mut room = Room::new();
        room.talk(&[(B, 40)], 20);
        assert_eq!(room.changes, [B]);
        assert_eq!(room.speech.order(), [B, A, C]);
    }

    #[test]
    fn turns_are_followed_and_remembered() {
        let mut room = Room::new();
        room.talk(&[(A, 30), (B, 127), (C, 127)], 3_000);
        room.talk(&[(A, 127), (B, 30), (C, 127)], 3_000);
        room.talk(&[(A, 127), (B, 127), (C, 30)], 3_000);
        assert_eq!(room.changes, [A, B, C]);
        assert_eq!(room.speech.recent(), [C, B, A]);
        assert_eq!(room.speech.order(), [C, B, A]);
        assert!(room.speech.endpoint_removed(B));
        assert_eq!(room.speech.recent(), [C, A]);
        assert!(room.speech.endpoint_removed(C));
        assert_eq!(room.speech.dominant(), Some(A));
    }

    #[test]
    fn a_cough_does_not_win() {
        let mut room = Room::new();
        room.talk(&[(A, 30), (B, 127)], 3_000);
        room.talk(&[(A, 30), (B, 25)], 60);
        room.talk(&[(A, 30), (B, 127)], 1_000);
        assert_eq!(room.changes, [A]);
    }

    #[test]
    fn constant_noise_becomes_the_floor() {
        let mut room = Room::new();
        room.talk(&[(A, 30), (B, 127)], 1_000);
        for _ in 0..500 {
            room.speech.level(B, 60, room.now_us);
            room.speech.level(A, 30, room.now_us);
            room.speech.decide(room.now_us);
            room.now_us += 20_000;
        }
        assert_eq!(room.speech.dominant(), Some(A));
    }

    #[test]
    fn sleeps_when_nobody_is_heard() {
        let mut room = Room::new();
        assert_eq!(room.speech.due_at_us(), None);
        room.talk(&[(A, 30)], 1_000);
        assert!(room.speech.due_at_us().is_some());
        room.speech.decide(room.now_us + PAUSE_US + 1);
        assert_eq!(room.speech.due_at_us(), None);
    }

    #[test]
    fn loudest() {
        let mut room = Room::new();
        room.talk(&[(A, 30), (B, 50), (C, 70)], 60);
        let now_us = room.now_us;
        let among = |count: usize| [A, B, C].map(|endpoint| room.speech.is_among_loudest(endpoint, count, now_us));
        assert_eq!(among(1), [true, false, false]);
        assert_eq!(among(2), [true, true, false]);
        assert!(!room.speech.is_among_loudest(A, 3, now_us + ENERGY_EXPIRY_US));
    }

    #[test]
    fn scores_of_the_formula() {
        assert!((ln_binomial(5, 2).exp() - 10.0).abs() < 1e-9);
        assert!((ln_binomial(13, 13).exp() - 1.0).abs() < 1e-9);
        assert!((activity(0, 5, 24.0) - SCORE_MIN).abs() < 1e-12);
        let expected = 5.0 * 0.5f64.ln() - 24.0f64.ln() + 24.0 * 5.0;
        assert!((activity(5, 5, 24.0) - expected).abs() < 1e-9);
    }
}
