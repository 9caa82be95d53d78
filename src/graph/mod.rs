//! Dependency order of what a manifest declares; circles by their full path; pictures of both.
//!
//! A [`Graph`] is built from addresses and edges and knows nothing of what they mean; [`declared()`] makes the one of a manifest.
//! Everything it answers is deterministic: order is by need first and by name second, never by insertion.
//!
//! This is the only place that knows petgraph.

mod build;
mod cycles;
mod declared;
mod draw;

pub use build::{Edge, Graph};
pub use declared::{cycles, declared};
