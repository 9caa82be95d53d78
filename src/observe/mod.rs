//! One timed picture of the world: read-only, and possibly partial.
//!
//! What could not be seen is said, never guessed: a store that does not answer is a fact like any other.

pub mod store;
