//! Tests against a real MongoDB server, one binary: a module a promise.
//!
//! Servers are `mongod`, each started by the first test that needs it (`tests/mongo/serve`), as `tests/setup` has installed it. None is
//! skipped where there is no server; it fails.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod catalog;
mod dump;
mod load;
mod probe;
mod refusals;
mod replay;
mod rights;
mod round;
#[path = "../integration/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other targets need the rest of it")]
mod shared;
mod support;
mod whole;
