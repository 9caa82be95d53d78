//! Stores with habits: one that lists late, one that only hides what is deleted, one with small objects, one that takes none, one that counts.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Arc, Mutex};

use super::world::locked;
use crate::model::id::Instant;
use crate::store::lease::Claim;
use crate::store::{Created, Locked, Object, Reach, ReadStore, Removed, StoreError, Survey, Upload, WriteStore};

/// What is odd about a store, and what was done to it.
#[derive(Default)]
pub(super) struct Habits {
    /// Keys that listings do not show yet.
    pub(super) unlisted: BTreeSet<String>,
    /// Whether what is written from now on is listed late.
    pub(super) late: bool,
    pub(super) hides: bool,
    pub(super) largest: Option<u64>,
    pub(super) clock: Option<Instant>,
    /// Every call that changes something, in order.
    pub(super) calls: Vec<String>,
    /// No upload begins to a key that has this in it.
    pub(super) refuses: Option<String>,
    /// What happens wherever somebody asks until when an object stays.
    pub(super) asked: Option<Asked>,
    /// What another host does just before this one gets its first lease.
    pub(super) before_lock: Option<Box<dyn FnOnce() + Send>>,
}

/// See [`Habits::asked`].
pub(super) type Asked = Arc<dyn Fn(&str) + Send + Sync>;

/// A store with habits.
pub(super) struct Odd {
    pub(super) inner: Arc<dyn WriteStore>,
    pub(super) habits: Arc<Mutex<Habits>>,
}

impl Odd {
    fn call(&self, what: &str, key: &str) {
        let mut habits = locked(&self.habits);
        habits.calls.push(format!("{what} {key}"));
        if habits.late && what != "delete" {
            habits.unlisted.insert(key.to_owned());
        }
    }
}

impl ReadStore for Odd {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let mut survey = self.inner.survey(prefix, reach)?;
        let habits = locked(&self.habits);
        survey.objects.retain(|object| !habits.unlisted.contains(&object.key));
        Ok(survey)
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.inner.get(key)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.inner.open(key, offset)
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.inner.read_at(key, offset, buffer)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.inner.look(key)
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        let asked = locked(&self.habits).asked.clone();
        if let Some(asked) = asked {
            asked(key);
        }
        self.inner.retained(key)
    }

    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        Ok(locked(&self.habits).clock)
    }

    fn largest(&self) -> u64 {
        locked(&self.habits).largest.unwrap_or(u64::MAX)
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        self.inner.free()
    }
}

impl WriteStore for Odd {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        self.call("create", key);
        self.inner.create(key, bytes)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        self.call("upload", key);
        if locked(&self.habits).refuses.as_ref().is_some_and(|part| key.contains(part.as_str())) {
            return Err(StoreError::of(&self.place(), "write", key, std::io::Error::other("not now")));
        }
        self.inner.upload(key)
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        self.call("delete", key);
        let removed = self.inner.delete(key)?;
        Ok(if locked(&self.habits).hides { Removed::Hidden } else { removed })
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        self.call("extend", key);
        self.inner.extend(key, until)
    }

    fn lock(&self, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
        let before = locked(&self.habits).before_lock.take();
        if let Some(before) = before {
            before();
        }
        self.inner.lock(key, claim)
    }
}
