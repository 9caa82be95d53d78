//! Tests against a real S3 server, one binary: a module a promise.
//!
//! The server is `SeaweedFS`, started by the first test that needs it (`tests/s3/serve`), as `tests/setup` has installed it. None is skipped
//! where there is no server; it fails.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod copies;
mod example;
mod hosts;
mod kills;
mod locks;
mod network;
mod reach;
#[path = "../integration/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets need the rest of it")]
mod shared;
mod store;
mod streams;
#[allow(unused_imports, reason = "the docker target needs the rest of it")]
mod support;
mod wrong;
