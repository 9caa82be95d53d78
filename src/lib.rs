//! lucid-policy.

pub mod facts;
pub mod model;
pub mod observe;
pub mod store;
