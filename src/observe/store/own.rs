//! A store together with what this host has just written there.
//!
//! Some services answer a listing from before the last writes. What this host committed within a day it remembers, with its keys; one
//! that a listing lacks is looked up by its key and added. What is not found by its key either is gone: somebody else removed it.

use std::collections::BTreeSet;
use std::io::Read;

use crate::model::id::Instant;
use crate::store::{Object, Reach, ReadStore, StoreError, Survey};

/// The store, and keys that this host has written there.
pub(super) struct Recalled<'a> {
    pub(super) store: &'a dyn ReadStore,
    pub(super) own: &'a [String],
}

impl<'a> Recalled<'a> {
    /// The remembered keys below a prefix, each once.
    fn below(&self, prefix: &str) -> BTreeSet<&'a str> {
        self.own.iter().map(String::as_str).filter(|key| key.starts_with(prefix)).collect()
    }

    /// Those of the keys that are there, by key.
    fn looked_up(&self, keys: BTreeSet<&str>) -> Result<Vec<Object>, StoreError> {
        keys.into_iter().filter_map(|key| self.store.look(key).transpose()).collect()
    }
}

impl ReadStore for Recalled<'_> {
    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let mut survey = self.store.survey(prefix, reach)?;
        if reach == Reach::Flat {
            return Ok(survey);
        }
        let mut lacking = self.below(prefix);
        lacking.retain(|key| survey.objects.binary_search_by(|object| object.key.as_str().cmp(*key)).is_err());
        let found = self.looked_up(lacking)?;
        if !found.is_empty() {
            survey.objects.extend(found);
            survey.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        }
        Ok(survey)
    }

    fn pieces(&self, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let mut lacking = self.below(prefix);
        let survey = self.store.pieces(prefix, &mut |objects| {
            lacking.retain(|key| objects.binary_search_by(|object| object.key.as_str().cmp(*key)).is_err());
            take(objects);
        })?;
        take(self.looked_up(lacking)?);
        Ok(survey)
    }

    fn place(&self) -> String {
        self.store.place()
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.store.get(key)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.store.open(key, offset)
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.store.read_at(key, offset, buffer)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.store.look(key)
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        self.store.retained(key)
    }

    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        self.store.clock()
    }

    fn largest(&self) -> u64 {
        self.store.largest()
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        self.store.free()
    }
}
