//! What the tests of the whole stack share.

pub mod acme_authority;
pub mod bridge;
