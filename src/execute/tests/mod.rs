//! Whole runs, over stores in memory.

mod histories;
mod laws;
mod world;
