//! lucid-policy.

pub mod archive;
pub mod model;
