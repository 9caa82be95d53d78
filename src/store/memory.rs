//! A store in memory: as faithful as the others, and the quick one for laws over long histories.
//!
//! It has no clock: [`Memory::set_time`] says what time writes get. Handles share one store; [`Memory::fork`] makes another.
//! An upload that is never ended shows as a leftover, exactly as a file would. What tests do to it behind the engine's back
//! ([`Memory::corrupt`], [`Memory::truncate`], [`Memory::put`]) ignores every rule.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::StoreError;
use super::layout::TEMP_PREFIX;
use super::port::{Created, Object, Reach, ReadStore, Register, Removed, Survey, Swap, Upload, WriteStore, check_key, check_stored};
use crate::model::id::Instant;

/// Objects of a piece of a listing.
const PIECE: usize = 3;

#[derive(Debug, Clone)]
struct Held {
    bytes: Arc<[u8]>,
    modified: Instant,
    /// Which writing it is.
    number: u64,
}

#[derive(Debug, Clone, Default)]
struct Inside {
    objects: BTreeMap<String, Held>,
    partial: BTreeMap<String, (u64, Instant)>,
    promises: BTreeMap<String, Instant>,
    locks: bool,
    unread: Vec<String>,
    now: Instant,
    free: Option<u64>,
    uploads: u64,
    writes: u64,
}

impl Inside {
    fn write(&mut self, key: &str, bytes: &[u8]) -> u64 {
        self.writes += 1;
        self.objects.insert(key.to_owned(), Held { bytes: bytes.into(), modified: self.now, number: self.writes });
        self.writes
    }
}

/// A handle to a store in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    inside: Arc<Mutex<Inside>>,
}

impl Memory {
    /// An empty store; its time is 1970 until it is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another store with the same content.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { inside: Arc::new(Mutex::new(self.inside().clone())) }
    }

    /// The time of the writes from here on.
    pub fn set_time(&self, now: Instant) {
        self.inside().now = now;
    }

    /// What the store says is free.
    pub fn set_free(&self, free: Option<u64>) {
        self.inside().free = free;
    }

    /// Lets objects be written with a lock.
    pub fn set_locks(&self) {
        self.inside().locks = true;
    }

    /// Makes what is below a folder unreadable for surveys.
    pub fn set_unread(&self, folder: &str) {
        self.inside().unread.push(folder.to_owned());
    }

    /// Puts bytes under any key, over whatever is there.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.inside().write(key, bytes);
    }

    /// Flips a bit of an object's middle byte; false if there is none to flip.
    pub fn corrupt(&self, key: &str) -> bool {
        self.change(key, |bytes| {
            let middle = bytes.len() / 2;
            bytes.get_mut(middle).map(|byte| *byte ^= 1).is_some()
        })
    }

    /// Cuts an object's last byte off; false if there is none to cut.
    pub fn truncate(&self, key: &str) -> bool {
        self.change(key, |bytes| bytes.pop().is_some())
    }

    /// Takes an object away, whatever was promised.
    pub fn lose(&self, key: &str) {
        self.inside().objects.remove(key);
    }

    /// Every key, in order.
    pub fn keys(&self) -> Vec<String> {
        self.inside().objects.keys().cloned().collect()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // a panic under this lock leaves whole values behind
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let mut inside = self.inside();
        let Some(held) = inside.objects.get_mut(key) else { return false };
        let mut bytes = held.bytes.to_vec();
        let changed = change(&mut bytes);
        held.bytes = bytes.into();
        changed
    }

    fn find(&self, key: &str) -> Result<Arc<[u8]>, StoreError> {
        check_key(PLACE, key)?;
        let found = self.inside().objects.get(key).map(|held| Arc::clone(&held.bytes));
        found.ok_or_else(|| StoreError::NotFound { place: PLACE.to_owned(), key: key.to_owned() })
    }

    fn commit(&self, key: &str, bytes: &[u8]) -> Created {
        let mut inside = self.inside();
        if inside.objects.contains_key(key) {
            return Created::Taken;
        }
        inside.write(key, bytes);
        Created::New
    }
}

const PLACE: &str = "memory";

impl ReadStore for Memory {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let inside = self.inside();
        let hidden = |key: &str| inside.unread.iter().any(|folder| key.starts_with(folder.as_str()));
        let mut survey = Survey::default();
        for (key, held) in inside.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            if reach == Reach::Flat
                && let Some((folder, _)) = key[prefix.len()..].split_once('/')
            {
                let folder = format!("{folder}/");
                if survey.folders.last() != Some(&folder) {
                    survey.folders.push(folder);
                }
            } else if !hidden(key) {
                survey.objects.push(Object { key: key.clone(), bytes: held.bytes.len() as u64, modified: held.modified });
            }
        }
        let below = |key: &str| key.strip_prefix(prefix).is_some_and(|rest| reach == Reach::Deep || !rest.contains('/'));
        for (key, (bytes, modified)) in inside.partial.iter().filter(|(key, _)| below(key) && !hidden(key)) {
            survey.leftovers.push(Object { key: key.clone(), bytes: *bytes, modified: *modified });
        }
        survey.unread = inside.unread.iter().filter(|folder| folder.starts_with(prefix)).map(|f| format!("{f}: hidden")).collect();
        Ok(survey)
    }

    /// The last first and a few at a time, as a listing may come that is cut and asked for side by side.
    fn pieces(&self, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let mut survey = self.survey(prefix, Reach::Deep)?;
        while !survey.objects.is_empty() {
            take(survey.objects.split_off(survey.objects.len().saturating_sub(PIECE)));
        }
        Ok(survey)
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.find(key).map(|bytes| bytes.to_vec())
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let mut reader = Cursor::new(self.find(key)?);
        reader.set_position(offset);
        Ok(Box::new(reader))
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let bytes = self.find(key)?;
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        check_key(PLACE, key)?;
        let inside = self.inside();
        let held = inside.objects.get(key);
        Ok(held.map(|held| Object { key: key.to_owned(), bytes: held.bytes.len() as u64, modified: held.modified }))
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        Ok(self.inside().promises.get(key).copied())
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.inside().free)
    }
}

impl WriteStore for Memory {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        check_key(PLACE, key)?;
        Ok(self.commit(key, bytes))
    }

    fn create_locked(&self, key: &str, bytes: &[u8], until: Instant) -> Result<Option<Created>, StoreError> {
        if !self.inside().locks {
            return Ok(None);
        }
        let created = self.create(key, bytes)?;
        if created == Created::New {
            self.inside().promises.insert(key.to_owned(), until);
        }
        Ok(Some(created))
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        check_key(PLACE, key)?;
        let mut inside = self.inside();
        inside.uploads += 1;
        let folder = key.rfind('/').map_or("", |at| &key[..=at]);
        let temp = format!("{folder}{TEMP_PREFIX}{}", inside.uploads);
        let now = inside.now;
        inside.partial.insert(temp.clone(), (0, now));
        Ok(Box::new(Pending { store: self.clone(), key: key.to_owned(), temp, bytes: Vec::new() }))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        check_stored(PLACE, key)?;
        let mut inside = self.inside();
        if let Some(until) = inside.promises.get(key).copied().filter(|until| *until > inside.now) {
            return Err(StoreError::Locked { place: PLACE.to_owned(), key: key.to_owned(), until: Some(until) });
        }
        inside.objects.remove(key);
        inside.partial.remove(key);
        inside.promises.remove(key);
        Ok(Removed::Gone)
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        self.find(key)?;
        let mut inside = self.inside();
        let promised = inside.promises.entry(key.to_owned()).or_insert(until);
        *promised = (*promised).max(until);
        Ok(())
    }

    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        Some(Arc::new(self.clone()))
    }
}

impl Swap for Memory {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        check_key(PLACE, key)?;
        let inside = self.inside();
        Ok(inside.objects.get(key).map(|held| Register {
            bytes: held.bytes.to_vec(),
            tag: held.number.to_string(),
            modified: held.modified,
            now: inside.now,
        }))
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        check_key(PLACE, key)?;
        let mut inside = self.inside();
        let found = inside.objects.get(key).map(|held| held.number.to_string());
        let first = found.as_deref() == expected;
        Ok(first.then(|| inside.write(key, bytes).to_string()))
    }
}

struct Pending {
    store: Memory,
    key: String,
    temp: String,
    bytes: Vec<u8>,
}

impl Write for Pending {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(buffer);
        if let Some((bytes, _)) = self.store.inside().partial.get_mut(&self.temp) {
            *bytes += buffer.len() as u64;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Pending {
    fn commit(self: Box<Self>) -> Result<Created, StoreError> {
        Ok(self.store.commit(&self.key, &self.bytes))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.store.inside().partial.remove(&self.temp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn memory_is_a_store() {
        conformance::all(Memory::new);
    }

    #[test]
    fn what_is_done_behind_its_back_shows() {
        let store = Memory::new();
        let at: Instant = "2026-11-23T02:00:00Z".parse().unwrap();
        store.set_time(at);
        store.create("a/b", &[0, 0, 0]).unwrap();
        let fork = store.fork();
        assert!(store.corrupt("a/b") && store.truncate("a/b") && !store.corrupt("none"));
        assert_eq!(store.get("a/b").unwrap(), [0, 1]);
        assert_eq!((fork.get("a/b").unwrap(), fork.list("").unwrap()[0].modified), (vec![0, 0, 0], at));
        store.set_unread("a/");
        assert!(store.list("").is_err());
        assert_eq!(store.survey("", Reach::Deep).unwrap().unread.len(), 1);
    }
}
