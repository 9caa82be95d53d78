//! Trees and streams as archives, and back.
mod acl;
pub mod entry;
pub mod error;
mod exclude;
pub mod fingerprint;
mod frames_in;
mod frames_out;
mod header;
pub mod index;
pub mod index_read;
mod index_write;
pub mod pack;
mod pack_read;
mod pack_walk;
mod pack_write;
pub mod read_at;
pub mod seek_table;
mod sparse;
pub mod stream;
mod tar_pax;
mod tar_read;
pub mod texts;
pub mod unpack;
mod unpack_file;
mod unpack_meta;
mod unpack_run;
mod unpack_tree;
pub mod verify;
pub mod walk;
mod xattr;

#[cfg(test)]
mod tests;
