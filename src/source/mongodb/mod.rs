//! MongoDB, spoken to by its driver: nothing of it has to be installed where this runs.
//!
//! One server or one replica set is a source. Refused, with the reason and what to do: a sharded cluster, a server older than 4.4,
//! oplog slices of a server that keeps no oplog, a user without the rights of what is wanted.
//!
//! | file | job |
//! |---|---|
//! | `target` | where a server is and what opens it, as the manifest has it |
//! | `client`, `options`, `trust` | the connection, its threads, its settings, its certificates |
//! | `error`, `failure` | what goes wrong, and what refusals of driver and server mean |
//! | `rights` | what a user may do, against what is wanted |
//! | `server` | what a server is, out of its answers |
//! | `probe` | asks it all of that |
//! | `catalog`, `extended` | what collections it has, described as archives do |

mod catalog;
mod client;
mod error;
mod extended;
mod failure;
mod options;
mod probe;
mod rights;
mod server;
mod target;
mod trust;

pub use catalog::{Collection, CollectionKind, catalog};
pub use client::Client;
pub use error::MongoError;
pub use probe::{look, probe};
pub use rights::{Need, Role};
pub use server::{Kind, Member, OpTime, Server, Version, Window};
pub use target::{Patience, Place, Target, Tls};
