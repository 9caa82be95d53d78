//! Docker's Engine API.
//!
//! | file | job |
//! |---|---|
//! | `surroundings`, `endpoint`, `context` | where the engine is |
//! | `client`, `failure` | the connection, a deadline on every call, errors in plain words |
//! | `here` | whether its files and processes are this host's |
//! | `port` | the calls of the port, each handed to the file that does it |
//! | `picture`, `compose`, `own` | what the engine shows of itself |
//! | `act` | stop, start, pause, unpause |
//! | `exec`, `kill` | commands in containers, and their end |
//! | `archive` | what is at a path in a container |

mod act;
mod archive;
mod client;
mod compose;
mod context;
mod endpoint;
mod exec;
mod failure;
mod here;
mod kill;
mod own;
mod picture;
mod port;
mod surroundings;

pub use client::Docker;
pub use surroundings::{Lookup, Surroundings};
