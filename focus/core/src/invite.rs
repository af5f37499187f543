//! One participant from joining to an accepted session. A state can only be left for the states its methods return.

use protocol::jingle::session::StartMuted;

use crate::offer::Offer;
use crate::session::Session;

/// How far the invitation of a participant is.
#[derive(Debug, Default)]
pub enum Invite {
    /// Not invited: too few are here, or what it can do is not known yet.
    #[default]
    Idle,
    /// Should have a session, but could not get one; is tried again.
    Waiting(Waiting),
    /// A bridge was asked for an endpoint.
    Allocating(Box<Allocating>),
    /// The offer was sent.
    Offered(Offered),
    /// The offer was accepted.
    Active(Active),
    /// The participant ended its session or could not take it: not invited until it joins again.
    Declined,
}

/// No session for now.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// When to try again.
    pub retry_at_ms: u64,
    /// How often it failed.
    pub failures: u32,
}

/// Waiting for the bridge.
#[derive(Debug)]
pub struct Allocating {
    /// What will be offered.
    pub offer: Offer,
    /// The how-manieth allocation this is: an answer to an earlier one is stale.
    pub allocation: u64,
    /// Whether the participant gets JSON sources.
    pub json: bool,
    /// Whether the bridge rewrites SSRCs for it.
    pub ssrc_rewriting: bool,
    /// Whether it starts muted.
    pub start_muted: Option<StartMuted>,
    /// How often an allocation failed before.
    pub failures: u32,
}

/// Waiting for the participant.
#[derive(Debug)]
pub struct Offered {
    session: Box<Session>,
}

/// In the call.
#[derive(Debug)]
pub struct Active {
    session: Box<Session>,
}

/// First pause before a failed invitation is tried again.
const RETRY_MIN_MS: u64 = 1_000;

/// Longest pause before a failed invitation is tried again.
const RETRY_MAX_MS: u64 = 60_000;

impl Waiting {
    /// After another failure: each pause is twice the one before.
    pub fn after_failure(failures: u32, now_ms: u64) -> Self {
        let pause_ms = RETRY_MIN_MS.checked_shl(failures.min(16)).unwrap_or(RETRY_MAX_MS).min(RETRY_MAX_MS);
        Self { retry_at_ms: now_ms + pause_ms, failures: failures.saturating_add(1) }
    }
}

impl Allocating {
    /// The bridge allocated and the offer goes out.
    pub fn offered(self, session: Session) -> Offered {
        Offered { session: Box::new(session) }
    }

    /// The bridge could not.
    pub fn failed(self, now_ms: u64) -> Waiting {
        Waiting::after_failure(self.failures, now_ms)
    }
}

impl Offered {
    /// The participant accepted.
    pub fn accepted(self) -> Active {
        Active { session: self.session }
    }
}

impl Invite {
    /// The session, from the offer on.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Offered(Offered { session }) | Self::Active(Active { session }) => Some(session),
            Self::Idle | Self::Waiting(_) | Self::Allocating(_) | Self::Declined => None,
        }
    }

    /// The session, to change.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Offered(Offered { session }) | Self::Active(Active { session }) => Some(session),
            Self::Idle | Self::Waiting(_) | Self::Allocating(_) | Self::Declined => None,
        }
    }

    /// The session, if it was accepted.
    pub fn active_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Active(Active { session }) => Some(session),
            _ => None,
        }
    }

    /// Whether the bridge has, or will have, an endpoint for it.
    pub fn is_allocated(&self) -> bool {
        matches!(self, Self::Allocating(_) | Self::Offered(_) | Self::Active(_))
    }

    /// Whether it may be invited now.
    pub fn is_due(&self, now_ms: u64) -> bool {
        match self {
            Self::Idle => true,
            Self::Waiting(waiting) => waiting.retry_at_ms <= now_ms,
            _ => false,
        }
    }

    /// Name of the state, for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting(_) => "waiting",
            Self::Allocating(_) => "allocating",
            Self::Offered(_) => "offered",
            Self::Active(_) => "active",
            Self::Declined => "declined",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut waiting = Waiting::after_failure(0, 0);
        assert_eq!(waiting.retry_at_ms, 1_000);
        for _ in 0..100 {
            waiting = Waiting::after_failure(waiting.failures, 0);
        }
        assert_eq!(waiting.retry_at_ms, RETRY_MAX_MS);
    }
}
