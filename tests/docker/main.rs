//! Tests against a real Docker engine, one binary: a module a promise.
//!
//! They need `DOCKER_HOST`: `bash tests/run --test docker` sees to it, or by hand `export DOCKER_HOST=$(bash tests/engine start)`.
//! None is skipped where there is no engine; it fails.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod act;
mod archive;
mod crash;
mod engine;
mod examples;
mod exec;
mod odd;
mod offsite;
mod picture;
mod reach;
mod ready;
mod recover;
mod refusals;
mod restore;
#[path = "../s3/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other target needs the rest of it")]
mod served;
#[path = "../integration/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other target needs the rest of it")]
mod shared;
mod sources;
mod support;
mod trouble;
mod windows;
