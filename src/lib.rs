//! lucid-policy.

pub mod finding;
pub mod graph;
pub mod lint;
pub mod manifest;
pub mod model;
