//! Whole runs, over stores and an engine in memory.

mod adopted;
mod aftermath;
mod asked;
mod behind;
mod chance;
mod copies;
mod histories;
mod history;
mod laws;
mod leases;
mod numbers;
mod odd;
mod owed;
mod stores;
mod watched;
mod world;
mod yard;
