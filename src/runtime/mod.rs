//! Inspects, quiets and wakes what runs: containers of an engine, and commands.
//!
//! [`Runtime`] is the port that everything above sees; [`Docker`] stands behind it on a host, `Memory` in tests of the layers above.
//! It knows containers, volumes and commands, and nothing of policies: which of them are quiet when is the planner's to say.
//!
//! | file | job |
//! |---|---|
//! | `seen` | what an engine shows of itself: data only |
//! | `port` | the port, and how it fails |
//! | `docker` | Docker's Engine API, and what speaks it |
//! | `process` | commands of this host |
//! | `memory` | an engine in memory, for tests |

mod docker;
#[cfg(test)]
mod memory;
mod port;
pub mod process;
pub mod seen;

pub use docker::{Docker, Lookup, Surroundings};
#[cfg(test)]
pub use memory::{Memory, running};
pub use port::{Call, Ended, Exec, Runtime, RuntimeError, Streams};
