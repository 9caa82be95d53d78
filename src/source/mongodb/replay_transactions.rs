//! Transactions on their way: what they did waits until they are committed.

use std::collections::HashMap;
use std::path::Path;

use bson::raw::{RawBsonRef, RawDocument};

use super::error::MongoError;
use super::spool::Spool;

/// Most bytes of all of them in memory.
const MEMORY: usize = 64 << 20;

/// Which transaction: the session as it is on the wire, and its number.
pub(super) type Key = (Vec<u8>, i64);

/// Those that are open.
#[derive(Default)]
pub(super) struct Transactions(HashMap<Key, Spool>);

impl Transactions {
    /// The transaction of an entry; none of a write that belongs to none.
    pub(super) fn key(entry: &RawDocument) -> Option<Key> {
        if entry.get("multiOpType").ok().flatten().is_some_and(|kind| matches!(kind, RawBsonRef::Int32(1) | RawBsonRef::Int64(1))) {
            return None;
        }
        let number = match entry.get("txnNumber").ok()?? {
            RawBsonRef::Int64(number) => number,
            RawBsonRef::Int32(number) => i64::from(number),
            _ => return None,
        };
        Some((entry.get_document("lsid").ok()?.as_bytes().to_vec(), number))
    }

    /// A transaction begins, also one without operations.
    pub(super) fn begin(&mut self, key: &Key) {
        self.0.entry(key.clone()).or_default();
    }

    /// Adds an operation.
    pub(super) fn push(&mut self, key: &Key, operation: &RawDocument, scratch: &Path) -> Result<(), MongoError> {
        self.0.entry(key.clone()).or_default().push(operation);
        if self.0.values().map(Spool::weight).sum::<usize>() > MEMORY
            && let Some(heaviest) = self.0.values_mut().max_by_key(|one| one.weight())
        {
            heaviest.spill(scratch)?;
        }
        Ok(())
    }

    /// Takes one that ends.
    pub(super) fn take(&mut self, key: &Key) -> Option<Spool> {
        self.0.remove(key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
