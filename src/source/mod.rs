//! Reads one source consistently, and puts one back.
//!
//! [`Sources`] is the port that the executor sees; [`HostSources`] is what stands behind it on a host: trees of files, volumes and
//! commands.
//! A source knows nothing of stores, slots or retention: it writes a stream and says what it saw.

mod command;
mod command_run;
mod files;
mod host;
pub mod mongodb;
mod port;
mod secret;
mod volume;

pub use files::roots;
pub use host::HostSources;
pub use port::{Back, Captured, Fed, Fingerprint, Output, Probe, Shape, SourceError, Sources, Stretch, Watch};
pub use secret::{Secret, SecretError, resolve};
pub use volume::volume_roots;
