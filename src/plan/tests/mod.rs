//! The laws of the planner, as properties.

mod retention;
