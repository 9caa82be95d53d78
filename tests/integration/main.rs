//! Tests of the whole program, one binary: a module a promise.

mod manifest;
mod quickstart;
mod support;
mod tidy;
