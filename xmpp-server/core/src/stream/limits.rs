//! What one peer may cost.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Largest stanza of a client.
pub const STANZA_BYTES_MAX: usize = 256 * 1024;
/// Largest stanza of a service account: an offer for a large room is long.
pub const SERVICE_STANZA_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Largest element before authentication: the longest SASL message with room to spare.
pub const UNAUTHENTICATED_STANZA_BYTES_MAX: usize = 16 * 1024;
/// All a peer may send before it is authenticated.
pub const UNAUTHENTICATED_BYTES_MAX: usize = 64 * 1024;
/// Time from the connection to a bound resource.
pub const UNAUTHENTICATED_TIME_MAX_MS: u64 = 30_000;
/// Elements within elements.
pub const DEPTH_MAX: usize = 64;
/// Attributes of one element.
pub const ATTRIBUTES_MAX: usize = 64;
/// Elements in one stanza: each costs more memory than its bytes.
pub const ELEMENTS_MAX: usize = 16 * 1024;
/// Longest name or attribute value.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Failed authentications on one stream.
pub const SASL_ATTEMPTS_MAX: u32 = 5;

/// The limits of one stream; raised when the peer has shown who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Largest stanza.
    pub stanza_bytes_max: usize,
    /// All the peer may send under these limits; `None` for any amount.
    pub bytes_max: Option<usize>,
    /// Sustained speed; `None` for any.
    pub bytes_per_s: Option<u32>,
}

impl StreamLimits {
    /// A peer nobody knows yet.
    pub const UNAUTHENTICATED: Self = Self {
        stanza_bytes_max: UNAUTHENTICATED_STANZA_BYTES_MAX,
        bytes_max: Some(UNAUTHENTICATED_BYTES_MAX),
        bytes_per_s: None,
    };
    /// Focus and bridges.
    pub const SERVICE: Self = Self { stanza_bytes_max: SERVICE_STANZA_BYTES_MAX, bytes_max: None, bytes_per_s: None };

    /// A guest or member, at the configured speed.
    pub const fn client(bytes_per_s: u32) -> Self {
        Self { stanza_bytes_max: STANZA_BYTES_MAX, bytes_max: None, bytes_per_s: Some(bytes_per_s) }
    }
}

/// A token bucket over bytes: how long to wait before reading on.
#[derive(Debug, Clone, Copy)]
pub struct ByteRate {
    bytes_per_s: u32,
    available: i64,
    at_ms: u64,
}

/// A peer may send this many seconds' worth at once: joining a room is a burst.
const BURST_S: i64 = 8;

impl ByteRate {
    /// A full bucket.
    pub fn new(bytes_per_s: u32, now_ms: u64) -> Self {
        Self { bytes_per_s, available: i64::from(bytes_per_s) * BURST_S, at_ms: now_ms }
    }

    /// Takes what was read; returns the pause until the peer may be read again, in milliseconds.
    pub fn take(&mut self, bytes: usize, now_ms: u64) -> u64 {
        let rate = i64::from(self.bytes_per_s);
        let gained = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        self.available = self.available.saturating_add(gained.saturating_mul(rate) / 1000).min(rate * BURST_S)
            - i64::try_from(bytes).unwrap_or(i64::MAX);
        self.at_ms = now_ms;
        if self.available >= 0 { 0 } else { u64::try_from(-self.available * 1000 / rate.max(1)).unwrap_or(u64::MAX) }
    }
}

/// Refuses a key after too many failures in a row, for a while; other keys are not affected.
#[derive(Debug)]
pub struct FailureLimit {
    failures_max: u32,
    window_ms: u64,
    entries: BTreeMap<String, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since_ms: u64,
}

/// Keys remembered by one [`FailureLimit`].
pub const FAILURE_KEYS_MAX: usize = 4096;

impl FailureLimit {
    /// At most `failures_max` within `window_ms`.
    pub fn new(failures_max: u32, window_ms: u64) -> Self {
        Self { failures_max, window_ms, entries: BTreeMap::new() }
    }

    /// Whether `key` has to wait.
    pub fn is_exhausted(&self, key: &str, now_ms: u64) -> bool {
        self.entries.get(key).is_some_and(|failures| {
            failures.count >= self.failures_max && now_ms.saturating_sub(failures.since_ms) < self.window_ms
        })
    }

    /// Counts one failure.
    pub fn failed(&mut self, key: String, now_ms: u64) {
        if self.entries.len() >= FAILURE_KEYS_MAX && !self.entries.contains_key(&key) {
            let window_ms = self.window_ms;
            self.entries.retain(|_, failures| now_ms.saturating_sub(failures.since_ms) < window_ms);
            if self.entries.len() >= FAILURE_KEYS_MAX {
                let oldest =
                    self.entries.iter().min_by_key(|(_, failures)| failures.since_ms).map(|(key, _)| key.clone());
                if let Some(oldest) = oldest {
                    self.entries.remove(&oldest);
                }
            }
        }
        let window_ms = self.window_ms;
        let failures = self.entries.entry(key).or_insert(Failures { count: 0, since_ms: now_ms });
        if now_ms.saturating_sub(failures.since_ms) >= window_ms {
            *failures = Failures { count: 0, since_ms: now_ms };
        }
        failures.count += 1;
    }

    /// Forgets the failures of `key`.
    pub fn succeeded(&mut self, key: &str) {
        self.entries.remove(key);
    }
}

/// What counts as one address for limits: an IPv4 address, or the /64 an IPv6 host can move in.
pub fn address_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let s = v6.segments();
                Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0).to_string()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut rate = ByteRate::new(1000, 0);
        assert_eq!(rate.take(8000, 0), 0);
        assert_eq!(rate.take(1000, 0), 1000);
        assert_eq!(rate.take(0, 1000), 0);
        assert_eq!(rate.take(500, 1000), 500);
    }

    #[test]
    fn failures_of_one_key_do_not_touch_another() {
        let mut limit = FailureLimit::new(3, 1000);
        for _ in 0..3 {
            limit.failed("mallory".into(), 0);
        }
        assert!(limit.is_exhausted("mallory", 999));
        assert!(!limit.is_exhausted("mallory", 1000));
        assert!(!limit.is_exhausted("ann", 0));
        limit.succeeded("mallory");
        assert!(!limit.is_exhausted("mallory", 1));
    }

    #[test]
    fn the_number_of_remembered_keys_is_bounded() {
        let mut limit = FailureLimit::new(1, 1_000_000);
        for index in 0..FAILURE_KEYS_MAX + 10 {
            limit.failed(format!("k{index}"), index as u64);
        }
        assert_eq!(limit.entries.len(), FAILURE_KEYS_MAX);
        assert!(!limit.is_exhausted("k0", 10), "the oldest went first");
        assert!(limit.is_exhausted(&format!("k{FAILURE_KEYS_MAX}"), 10_000));
    }

    #[test]
    fn an_ipv6_host_is_its_network() {
        let a = address_key("2001:db8::1".parse().expect("address"));
        let b = address_key("2001:db8::ffff:1".parse().expect("address"));
        assert_eq!(a, b);
        assert_eq!(address_key("::ffff:192.0.2.1".parse().expect("address")), "192.0.2.1");
    }
}
