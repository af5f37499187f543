//! What may stand between a session and a room; one policy, one file. `join.rs` calls them in order.

pub mod ban;
pub mod creation;
pub mod focus_gate;
pub mod lobby;
pub mod max_occupants;
pub mod members_only;
pub mod moderation;
pub mod nickname;
pub mod password;
pub mod permissions;
