//! Who sends what: the sources of a conference, their rules, and telling others about them.

pub mod encoding;
pub mod signaling;
pub mod source_set;
pub mod validation;
