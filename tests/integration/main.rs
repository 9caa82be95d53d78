//! Tests of the whole program.

mod manifest;
