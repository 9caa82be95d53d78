//! lucid-policy.

pub mod model;
