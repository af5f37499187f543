//! What a receiver asked for.

use std::collections::BTreeMap;

use protocol::bridge_channel::ReceiverVideoConstraints;
use protocol::ids::SourceName;

use super::single_source::HEIGHT_UNLIMITED;

/// Most sources named in one message.
pub const CONSTRAINTS_MAX: usize = 1_000;
/// Height that applies to unnamed sources after a first message without default constraints, in pixels.
const DEFAULT_HEIGHT: i32 = 180;

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintsError {
    /// More than [`CONSTRAINTS_MAX`] sources.
    #[error("constraints name more than {CONSTRAINTS_MAX} sources")]
    TooMany,
}

/// The state that a receiver's messages add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReceiverConstraints {
    /// Most sources wanted; `None` is no limit.
    pub last_n: Option<usize>,
    /// Sources preferred to others.
    pub selected: Vec<SourceName>,
    /// Sources that come first.
    pub on_stage: Vec<SourceName>,
    /// Nothing is sent before the receiver says what it wants.
    default_height: i32,
    heights: BTreeMap<SourceName, i32>,
    received: bool,
}

impl ReceiverConstraints {
    /// Applies a message; absent fields keep what they were.
    ///
    /// # Errors
    /// [`ConstraintsError`] when it names too many sources; nothing is applied then.
    pub fn apply(&mut self, message: ReceiverVideoConstraints) -> Result<(), ConstraintsError> {
        let too_many = |len: Option<usize>| len.is_some_and(|len| len > CONSTRAINTS_MAX);
        if too_many(message.selected_sources.as_ref().map(Vec::len))
            || too_many(message.on_stage_sources.as_ref().map(Vec::len))
            || too_many(message.constraints.as_ref().map(BTreeMap::len))
        {
            return Err(ConstraintsError::TooMany);
        }
        if let Some(last_n) = message.last_n {
            self.set_last_n(last_n);
        }
        if let Some(selected) = message.selected_sources {
            self.selected = selected;
        }
        if let Some(on_stage) = message.on_stage_sources {
            self.on_stage = on_stage;
        }
        let height = |constraints: protocol::bridge_channel::VideoConstraints| {
            // Of the frame rate only zero has an effect.
            if constraints.max_frame_rate == Some(0.0) { 0 } else { constraints.max_height.max(HEIGHT_UNLIMITED) }
        };
        match message.default_constraints {
            Some(constraints) => self.default_height = height(constraints),
            None if !self.received => self.default_height = DEFAULT_HEIGHT,
            None => {}
        }
        if let Some(constraints) = message.constraints {
            self.heights = constraints.into_iter().map(|(name, constraints)| (name, height(constraints))).collect();
        }
        self.received = true;
        Ok(())
    }

    /// Sets lastN; negative is no limit.
    pub fn set_last_n(&mut self, last_n: i32) {
        self.last_n = usize::try_from(last_n).ok();
    }

    /// Sets lastN unless the receiver has said something itself.
    pub fn set_initial_last_n(&mut self, last_n: i32) {
        if !self.received {
            self.set_last_n(last_n);
        }
    }

    /// Height wanted of a source: 0 is nothing, [`HEIGHT_UNLIMITED`] any.
    #[must_use]
    pub fn height(&self, source: &SourceName) -> i32 {
        self.heights.get(source).copied().unwrap_or(self.default_height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::bridge_channel::Message;

    fn name(text: &str) -> SourceName {
        SourceName::new(text).unwrap()
    }

    fn apply(state: &mut ReceiverConstraints, json: &str) -> Result<(), ConstraintsError> {
        let Ok(Message::ReceiverVideoConstraints(message)) = Message::parse(json) else {
            panic!("{json}");
        };
        state.apply(message)
    }

    #[test]
    fn absent_fields_keep() {
        let mut state = ReceiverConstraints::default();
        assert_eq!(state.height(&name("a-v0")), 0);
        apply(&mut state, r#"{"colibriClass":"ReceiverVideoConstraints","assumedBandwidthBps":-1,"lastN":-1}"#)
            .unwrap();
        assert_eq!(state.height(&name("a-v0")), 180);
        assert_eq!(state.last_n, None);
        apply(
            &mut state,
            r#"{"colibriClass":"ReceiverVideoConstraints","constraints":{"a-v0":{"maxHeight":720}},"defaultConstraints":{"maxHeight":0},"lastN":3,"onStageSources":["a-v0"],"selectedSources":[]}"#,
        )
        .unwrap();
        assert_eq!((state.height(&name("a-v0")), state.height(&name("b-v0"))), (720, 0));
        apply(&mut state, r#"{"colibriClass":"ReceiverVideoConstraints","constraints":{"b-v0":{"maxHeight":-1}}}"#)
            .unwrap();
        assert_eq!((state.height(&name("a-v0")), state.height(&name("b-v0"))), (0, HEIGHT_UNLIMITED));
        assert_eq!(state.on_stage, [name("a-v0")]);
        assert_eq!(state.last_n, Some(3));
        apply(
            &mut state,
            r#"{"colibriClass":"ReceiverVideoConstraints","constraints":{"b-v0":{"maxHeight":720,"maxFrameRate":0}}}"#,
        )
        .unwrap();
        assert_eq!(state.height(&name("b-v0")), 0);
    }

    #[test]
    fn initial_last_n_yields_to_the_receiver() {
        let mut state = ReceiverConstraints::default();
        state.set_initial_last_n(20);
        assert_eq!(state.last_n, Some(20));
        apply(&mut state, r#"{"colibriClass":"ReceiverVideoConstraints","lastN":2}"#).unwrap();
        state.set_initial_last_n(20);
        assert_eq!(state.last_n, Some(2));
    }

    #[test]
    fn bounded() {
        let mut state = ReceiverConstraints::default();
        let names: Vec<_> = (0..=CONSTRAINTS_MAX).map(|i| name(&format!("{i}-v0"))).collect();
        let message = |on_stage: &[SourceName]| ReceiverVideoConstraints {
            on_stage_sources: Some(on_stage.to_vec()),
            last_n: Some(1),
            ..ReceiverVideoConstraints::default()
        };
        assert_eq!(state.apply(message(&names)), Err(ConstraintsError::TooMany));
        assert_eq!(state.last_n, None);
        assert_eq!(state.apply(message(&names[1..])), Ok(()));
    }
}
