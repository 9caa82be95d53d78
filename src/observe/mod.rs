//! One timed picture of the world: read-only, possibly partial, never a verdict.
//!
//! Stores are looked at side by side; what could not be seen is said in the facts and not guessed. Nothing is made, written or run.

mod collect;
pub mod store;

pub use collect::{Eyes, collect};
