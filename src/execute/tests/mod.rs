//! Whole runs, over stores and an engine in memory.

mod asked;
mod chance;
mod copies;
mod histories;
mod laws;
mod leases;
mod numbers;
mod odd;
mod owed;
mod stores;
mod watched;
mod world;
mod yard;
