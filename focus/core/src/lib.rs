//! The conference focus: who meets on which bridge, and who sends what. Decides only; a shell runs it.

mod brewery;
pub mod bridge;
pub mod colibri;
pub mod conference;
pub mod config;
pub mod context;
pub mod counters;
pub mod features;
pub mod focus;
pub mod invite;
mod inviting;
pub mod jingle;
pub mod member;
pub mod moderation;
pub mod offer;
pub mod random;
pub mod rate_limit;
pub mod report;
pub mod request;
mod roles;
pub mod room;
pub mod session;
pub mod sources;
pub mod stanza;
