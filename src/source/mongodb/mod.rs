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
//! | `catalog`, `extended`, `described` | what collections it has, described as archives do |
//! | `declared`, `stream` | a source of the manifest: how it is found, captured and put back |
//! | `dump`, `reading`, `inventory` | a full capture, how collections are read for it, what was in it |
//! | `oplog`, `anchor` | the oplog's ends, what a dump cannot go across, and an entry known again |
//! | `load`, `load_*`, `scope`, `indexes` | an archive back into a server |
//! | `replay`, `replay_*`, `spool`, `quiet` | entries of the oplog into a server, up to a position |
//! | `position`, `state` | a place in the oplog; what a server holds, to compare |

mod anchor;
mod catalog;
mod client;
mod declared;
mod described;
mod dump;
mod error;
mod extended;
mod failure;
mod indexes;
mod inventory;
mod load;
mod load_data;
mod load_target;
mod load_users;
mod oplog;
mod options;
mod position;
mod probe;
mod quiet;
mod reading;
mod replay;
mod replay_commands;
mod replay_transactions;
mod rights;
mod scope;
mod server;
mod spool;
mod state;
mod stream;
mod target;
mod trust;

pub use anchor::{Anchor, NoAnchor};
pub use catalog::{Collection, CollectionKind, catalog};
pub use client::Client;
pub use declared::Declared;
pub use dump::{Dumped, dump};
pub use error::MongoError;
pub use inventory::{Counted, INVENTORY_VERSION, Inventory, Span};
pub use load::{LoadOrder, Loaded, OplogUse, load};
pub use position::Position;
pub use probe::{look, probe};
pub use replay::{Open, Replayed, Replayer};
pub use rights::{Need, Role};
pub use scope::Selection;
pub use server::{Kind, Member, OpTime, Server, Version, Window};
pub use state::{Held, state};
pub use stream::{capture, feed, shape, takes};
pub use target::{Patience, Place, Target, Tls};
