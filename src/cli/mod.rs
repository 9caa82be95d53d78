//! The command line: wires ports, prints, and maps what happened to exit codes. The only place that reads the clock, the
//! environment, randomness and the terminal.

mod args;
mod ask;
mod bars;
mod bucket;
mod claimant;
mod exit;
mod failure;
mod run;
mod screen;
mod select;
mod session;
mod signals;
mod start;
mod verbs;

pub use args::{Args, Global};
pub use exit::Exit;
pub use start::main;
pub use verbs::Command;
