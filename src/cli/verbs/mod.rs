//! The verbs: one file each, with its arguments, its help and the one function that runs it.

mod adopt;
mod apply;
mod artifacts;
mod claim;
mod command;
mod completions;
mod doctor;
mod explain;
mod graph;
mod hold;
mod init;
mod inventory;
mod list;
mod plan;
mod recover;
mod restore;
mod roles;
mod safety;
mod schema;
mod show;
mod status;
mod store;
mod unlock;
mod validate;
mod verify;

pub use command::Command;
