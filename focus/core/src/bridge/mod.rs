//! Bridges: which there are, how they are, which one to take.

pub mod health;
pub mod pool;
pub mod selection;
