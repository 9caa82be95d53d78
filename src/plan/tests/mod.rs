//! The laws of the planner, as properties; the rules of windows, as literals.

mod lab;
mod laws;
mod quieting;
mod refusals;
mod retention;
mod stores;
mod window_laws;
mod windows;
