//! The laws of the planner, as properties.

mod laws;
mod retention;
