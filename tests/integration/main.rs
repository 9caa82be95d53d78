//! Tests of the whole program, one binary: a module a promise.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without stops it")]

mod adopt;
mod apply;
mod bad_input;
mod commands;
mod doctor;
mod leases;
mod manifest;
mod quickstart;
mod sealed;
mod secrets;
mod signals;
mod snapshots;
mod stores;
#[allow(dead_code, reason = "the docker target needs the rest of it")]
mod support;
mod tidy;
