//! Documents to resolved, typed policies.

pub mod id;
