//! lucid-policy.

pub mod finding;
pub mod manifest;
pub mod model;
