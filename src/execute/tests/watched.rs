//! Stores in memory that can die between any two changes, and are looked at before anything is taken from them.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::laws;
use super::world::{STORES, locked};
use crate::facts::Facts;
use crate::model::Store;
use crate::model::id::{Instant, Name};
use crate::store::faults::{Budget, Faulty};
use crate::store::layout::{self, Place};
use crate::store::{Created, Memory, Object, Reach, ReadStore, Register, Removed, StoreError, Survey, Swap, Upload, WriteStore};

/// One look of a run at the world, and what was true then.
pub(super) struct Look {
    pub(super) facts: Facts,
    /// What some store's rules kept and what could be restored from somewhere, before the first record was removed by what was seen
    /// here; none if none was.
    pub(super) wanted: Option<laws::Ids>,
}

/// What is written down while a run goes on.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) looks: Vec<Look>,
    pub(super) broken: Vec<String>,
    /// The copy of the local state as it was when the process died.
    pub(super) frozen: Option<PathBuf>,
    pub(super) died_at: Option<String>,
}

/// A store as a run has it: it can die, and everything that it is told to remove is looked at first.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) number: usize,
    pub(super) raw: Memory,
    pub(super) inner: Faulty<Memory>,
    pub(super) budget: Arc<Budget>,
    pub(super) instance: Name,
    pub(super) notes: Arc<Mutex<Notes>>,
    /// The local state and where it is copied to at the moment of death.
    pub(super) state: (PathBuf, PathBuf),
    /// Whether the process dies at once, or only when it touches a store again.
    pub(super) at_once: bool,
    pub(super) wanted: Arc<dyn Fn() -> laws::Ids + Send + Sync>,
    /// The store as its manifest declares it.
    pub(super) declared: Option<Store>,
}

impl Watched {
    /// Keeps what it was given for as long as the manifest says, as a bucket with object lock does.
    fn promise(&self, key: &str) {
        let kept = matches!(layout::parse(&self.instance, key), Some(Place::Record(..) | Place::Data { .. }));
        if let (true, Some(declared), Ok(Some(object))) = (kept, &self.declared, self.raw.look(key))
            && let Some(until) = declared.locked_until(object.modified)
        {
            self.raw.extend(key, until).unwrap();
        }
    }

    fn after<T>(&self, key: &str, result: T, failed: bool) -> T {
        if self.budget.dead() && (self.at_once || failed) {
            freeze(&self.notes, &self.state, &format!("{} {key}", if failed { "before" } else { "after" }));
        }
        result
    }

    fn pass<T>(&self, key: &str, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = result.is_err();
        self.after(key, result, failed)
    }
}

pub(super) fn freeze(notes: &Mutex<Notes>, (from, to): &(PathBuf, PathBuf), place: &str) {
    let mut notes = locked(notes);
    if notes.frozen.is_none() {
        copy_folder(from, to);
        notes.frozen = Some(to.clone());
        notes.died_at = Some(place.to_owned());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl ReadStore for Watched {
    fn place(&self) -> String {
        STORES[self.number].to_owned()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        self.pass(prefix, self.inner.survey(prefix, reach))
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.pass(key, self.inner.get(key))
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.pass(key, self.inner.open(key, offset))
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        self.pass(key, self.inner.read_at(key, offset, buffer))
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.pass(key, self.inner.look(key))
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        self.pass(key, self.inner.retained(key))
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        self.pass("", self.inner.free())
    }
}

impl WriteStore for Watched {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let created = self.inner.create(key, bytes);
        self.promise(key);
        self.pass(key, created)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.pass(key, self.inner.upload(key))?;
        Ok(Box::new(WatchedUpload { inner: Some(inner), key: key.to_owned(), store: self.clone() }))
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        self.pass(key, self.inner.extend(key, until))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        if let (false, Some(Place::Record(series, record))) = (self.budget.dead(), layout::parse(&self.instance, key)) {
            let mut notes = locked(&self.notes);
            let found = notes.looks.last().map(|look| laws::removal(&self.raw, self.number, &self.instance, &series, &record, &look.facts));
            notes.broken.extend(found.unwrap_or_default());
            if let Some(look) = notes.looks.last_mut() {
                look.wanted.get_or_insert_with(|| (self.wanted)());
            }
        }
        self.pass(key, self.inner.delete(key))
    }

    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        let inner = self.inner.swapper()?;
        Some(Arc::new(WatchedSwap { inner, store: self.clone() }))
    }
}

struct WatchedSwap {
    inner: Arc<dyn Swap>,
    store: Watched,
}

impl Swap for WatchedSwap {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        self.store.pass(key, self.inner.load(key))
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        self.store.pass(key, self.inner.swap(key, expected, bytes))
    }
}

struct WatchedUpload {
    inner: Option<Box<dyn Upload>>,
    key: String,
    store: Watched,
}

impl Write for WatchedUpload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.as_mut().map_or(Ok(0), |inner| inner.write(buffer));
        let failed = written.is_err();
        self.store.after(&self.key, written, failed)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for WatchedUpload {
    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        let Some(inner) = self.inner.take() else { return Ok(Created::Taken) };
        let result = inner.commit();
        self.store.promise(&self.key);
        self.store.pass(&self.key, result)
    }
}
