//! lucid-policy.

pub mod facts;
pub mod model;
pub mod store;
