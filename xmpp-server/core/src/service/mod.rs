//! What stands beside the rooms: discovery and the services of a meeting, one file each.

pub mod av_moderation;
pub mod breakout;
pub mod end_conference;
pub mod external_services;
pub mod focus_gateway;
pub mod host;
pub mod json_message;
pub mod lobby;
pub mod polls;
pub mod register;
pub mod room_metadata;
pub mod speaker_stats;
