//! The two faces of a store: reading, and writing on top of it.
//!
//! Calls block; the executor gives each its own thread, and a store that speaks a network protocol brings its own runtime.
//! Keys are relative, with `/` between components, ASCII, without empty, `.` or `..` components.

use std::io::{Read, Write};

use super::error::StoreError;
use crate::model::id::Instant;

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// The store's own time of its last writing.
    pub modified: Instant,
}

/// What a create-only write found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The name was free and now holds what was written, durably.
    New,
    /// The name was taken; what is there was left alone.
    Taken,
}

/// What asking for a lease found.
pub enum Locked {
    /// It is ours until the value is dropped or the process ends.
    Held(Box<dyn Lease>),
    /// Somebody else has it: what their lease says of them.
    By(String),
}

/// The right to run or to delete in one series of one store. Released on drop.
pub trait Lease: Send {}

/// Looking at a store.
pub trait ReadStore: Send + Sync {
    /// The store as messages name it: its path or URL.
    fn place(&self) -> String;

    /// Every object whose key starts with `prefix` (a folder, ending in `/`, or empty), by key; temporary objects are left out.
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// A small object, whole.
    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

    /// An object's bytes from `offset` to its end.
    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Up to `buffer.len()` bytes of an object at `offset`; 0 at its end.
    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// Free bytes, where the store can tell.
    fn free(&self) -> Result<Option<u64>, StoreError>;

    /// Temporary objects of writes that never ended, anywhere below `prefix`.
    fn leftovers(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;
}

/// Changing a store.
pub trait WriteStore: ReadStore {
    /// Writes a small object durably, only if its name is free.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError>;

    /// Starts writing an object of unknown size. Nothing is listed before [`Upload::commit`].
    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError>;

    /// Removes an object; one that is not there is removed.
    fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Asks for the lease `key`; `holder` is what others will read of us.
    fn lock(&self, key: &str, holder: &str) -> Result<Locked, StoreError>;
}

/// An object on its way. Dropped without commit, it leaves nothing that is listed.
pub trait Upload: Write + Send {
    /// Makes what was written durable and visible, only if its name is free.
    fn commit(self: Box<Self>) -> Result<Created, StoreError>;
}
