//! Facts of stores in memory, by literals.

mod artifacts;
mod lab;
mod late;
mod places;
