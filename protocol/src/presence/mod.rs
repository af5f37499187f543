//! Extensions of presence: of participants, of the focus, of bridges.

pub mod bridge_stats;
pub mod focus;
pub mod participant;
pub mod source_info;
