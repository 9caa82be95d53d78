//! lucid-policy.

pub mod archive;
pub mod cli;
pub mod execute;
pub mod facts;
pub mod finding;
pub mod graph;
pub mod lint;
pub mod manifest;
pub mod model;
pub mod observe;
pub mod plan;
pub mod report;
pub mod source;
pub mod store;
