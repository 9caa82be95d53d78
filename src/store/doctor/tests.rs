//! Stores that keep their promises, and stores that look as if they did.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Arc, Barrier};

use super::*;
use crate::model::id::Instant;
use crate::store::error::StoreError;
use crate::store::lease::tests::{Host, random, start};
use crate::store::port::{Created, Object, Reach, ReadStore, Register, Removed, Survey, Swap, Upload, WriteStore};
use crate::store::{Directory, Memory};

const NEEDS: Needs = Needs { lease: true, delete: true, min_free: None };

fn visit(store: &dyn WriteStore, needs: Needs, now: Instant) -> BTreeMap<&'static str, Promise> {
    nth_visit(7, store, needs, now)
}

fn nth_visit(n: u8, store: &dyn WriteStore, needs: Needs, now: Instant) -> BTreeMap<&'static str, Promise> {
    let nonce = std::cell::Cell::new(0);
    let claim = || {
        nonce.set(nonce.get() + 1);
        let mut claim = Host::new(1).claim;
        claim.nonce = random(nonce.get());
        claim
    };
    let all = Visit { store, random: random(n), needs, now: &|| now, claim: &claim, size: &|bytes| format!("{bytes} B") }.examine();
    all.into_iter().map(|promise| (promise.about, promise)).collect()
}

fn broken(found: &BTreeMap<&'static str, Promise>) -> Vec<&'static str> {
    found.values().filter(|promise| promise.standing != Standing::Holds).map(|promise| promise.about).collect()
}

fn memory() -> Memory {
    let store = Memory::new();
    store.set_time(start());
    store
}

#[test]
fn a_good_store_keeps_everything_and_nothing_is_left_in_it() {
    let store = memory();
    store.put("lucid/data/a/id/files", b"mine");
    let found = visit(&store, NEEDS, start() + chrono::TimeDelta::minutes(5));
    assert_eq!(broken(&found), [] as [&str; 0]);
    let words = ["abort", "clock", "compare-and-swap", "create-only", "create-only-parts", "delete", "lease", "list-after-write"];
    let rest = ["one-winner", "parts", "read-back", "swap-one-winner", "tidy"];
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [&words[..], &rest[..]].concat());
    assert_eq!(store.keys(), ["lucid/data/a/id/files"]);
    let dir = tempfile::tempdir().unwrap();
    let found = visit(&Directory::open(dir.path(), false, "t").unwrap(), NEEDS, chrono::Utc::now());
    assert_eq!(broken(&found), [] as [&str; 0]);
    assert!(found.contains_key("space") && !found.contains_key("compare-and-swap"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the scratch folder is gone too");
}

#[test]
fn a_clock_that_is_wrong_and_room_that_is_missing_are_said() {
    let store = memory();
    store.set_free(Some(99));
    let found = visit(&store, Needs { min_free: Some(100), ..NEEDS }, start() - chrono::TimeDelta::seconds(301));
    assert_eq!(broken(&found), ["clock", "space"]);
    assert!(found["clock"].said.contains("301 s apart"), "{:?}", found["clock"]);
    assert_eq!(found["space"].said, "99 B are free, and `min_free` wants 100 B");
    let found = visit(&store, NEEDS, start());
    assert_eq!(found["space"].said, "99 B are free");
}

#[test]
fn a_store_that_ignores_conditions_is_found_out() {
    let found = visit(&Odd::new(Oddity::Ignores), NEEDS, start());
    let all = ["compare-and-swap", "create-only", "create-only-parts", "one-winner", "swap-one-winner"];
    assert_eq!(broken(&found), all);
    for about in all {
        assert!(found[about].remedy.as_ref().unwrap().starts_with("coordination = \"single-writer\""), "{about}");
        assert!(found[about].relied);
    }
    let single = visit(&Odd::new(Oddity::Ignores), Needs { lease: false, ..NEEDS }, start());
    assert!(all.iter().all(|about| !single[about].relied && single[about].standing == Standing::Broken));
}

#[test]
fn a_store_that_looks_before_it_writes_is_found_out_by_writers_at_once() {
    let found = visit(&Odd::new(Oddity::Races), NEEDS, start());
    assert_eq!(broken(&found), ["one-winner", "swap-one-winner"]);
    assert!(found["one-winner"].said.contains("8 were told that they won"), "{:?}", found["one-winner"]);
}

#[test]
fn other_oddities_are_found_out() {
    for (oddity, about) in [
        (Oddity::ListsLate, vec!["list-after-write"]),
        (Oddity::Corrupts, vec!["parts"]),
        (Oddity::KeepsParts, vec!["abort"]),
        (Oddity::NoDelete, vec!["delete", "tidy"]),
        (Oddity::Silent, vec!["compare-and-swap", "lease", "swap-one-winner"]),
    ] {
        let found = visit(&Odd::new(oddity), NEEDS, start());
        assert_eq!(broken(&found), about, "{oddity:?}");
    }
    let found = visit(&Odd::new(Oddity::NoDelete), Needs { delete: false, ..NEEDS }, start());
    assert!(!found["delete"].relied && !found["tidy"].relied);
    assert!(found["tidy"].remedy.as_ref().unwrap().starts_with("remove `lucid-doctor-"), "{:?}", found["tidy"]);
}

#[test]
fn what_is_locked_stays_for_two_minutes_and_the_next_visit_removes_it() {
    let store = memory();
    store.set_locks();
    let locked = |n| format!("lucid-doctor-{}/locked", random(n));
    let first = nth_visit(1, &store, NEEDS, start());
    assert_eq!(broken(&first), [] as [&str; 0]);
    assert!(["lock", "lock-extend", "lock-delete"].iter().all(|about| first[about].relied), "{first:#?}");
    assert_eq!(store.keys(), [locked(1)]);
    let until = start() + chrono::TimeDelta::minutes(2);
    let said = format!("but for `{}`, which is locked until {}: the first", locked(1), until.format("%F %T UTC"));
    assert!(first["tidy"].said.contains(&said) && !first["tidy"].said.contains("earlier"), "{:?}", first["tidy"]);
    let second = nth_visit(2, &store, NEEDS, start());
    assert_eq!((broken(&second), store.keys().len()), (Vec::new(), 2), "nobody can remove the first one yet");
    store.set_time(until);
    let third = nth_visit(3, &store, NEEDS, until);
    assert_eq!((broken(&third), store.keys()), (Vec::new(), vec![locked(3)]));
    assert!(third["tidy"].said.ends_with("so is what earlier visits had locked"), "{:?}", third["tidy"]);
}

#[test]
fn a_lock_that_is_none_is_found_out() {
    for (oddity, about, said, left) in [
        (Oddity::ForgetsLocks, "lock", "is not locked", 0),
        (Oddity::KeepsDates, "lock-extend", "ends as before", 1),
        (Oddity::DeletesLocked, "lock-delete", "was deleted before its date", 0),
    ] {
        let store = Odd::locking(oddity);
        let found = visit(&store, NEEDS, start());
        assert_eq!(broken(&found), [about], "{oddity:?}");
        assert!(found[about].said.contains(said) && found[about].relied, "{:?}", found[about]);
        assert_eq!(store.inner.keys().len(), left, "{oddity:?}");
    }
}

#[test]
fn a_right_to_lock_that_is_missing_is_named() {
    for (oddity, right) in [(Oddity::DeniesLocks, "`s3:PutObjectRetention`"), (Oddity::HidesLocks, "`s3:GetObjectRetention`")] {
        let found = visit(&Odd::locking(oddity), NEEDS, start());
        assert_eq!((found["lock"].standing, found["lock"].relied), (Standing::Broken, true), "{oddity:?}");
        assert!(found["lock"].said.contains("not yours"), "{:?}", found["lock"]);
        assert!(found["lock"].remedy.as_ref().unwrap().ends_with(right), "{:?}", found["lock"]);
        assert!(!found.contains_key("lock-extend"));
    }
}

#[test]
fn a_host_that_deletes_nothing_tries_to_delete_nothing_that_is_locked() {
    let store = Odd::locking(Oddity::DeletesLocked);
    let found = visit(&store, Needs { delete: false, ..NEEDS }, start());
    assert_eq!((found["lock-delete"].standing, found["lock-delete"].relied), (Standing::Unknown, false));
    assert_eq!(store.inner.keys(), [format!("lucid-doctor-{}/locked", random(7))]);
    assert!(found["lock"].standing == Standing::Holds && found["tidy"].said.contains("is locked until"), "{found:#?}");
}

#[test]
fn who_can_delete_nothing_at_all_learns_nothing_of_the_lock() {
    let found = visit(&Odd::locking(Oddity::Hides), NEEDS, start());
    assert_eq!((found["lock-delete"].standing, found["lock-delete"].relied), (Standing::Unknown, true));
    assert!(found["lock-delete"].said.contains("may not be for its lock"), "{:?}", found["lock-delete"]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    /// It takes every condition and heeds none.
    Ignores,
    /// It looks, and then writes.
    Races,
    ListsLate,
    Corrupts,
    KeepsParts,
    NoDelete,
    /// It answers no swaps.
    Silent,
    /// It takes locks and keeps none.
    ForgetsLocks,
    /// It makes no lock longer.
    KeepsDates,
    /// It deletes what is locked.
    DeletesLocked,
    /// It lets nobody lock.
    DeniesLocks,
    /// It tells nobody what is locked.
    HidesLocks,
    /// It keeps every older version.
    Hides,
}

/// A store in memory with something wrong.
#[derive(Clone)]
struct Odd {
    inner: Memory,
    oddity: Oddity,
    crowd: Arc<Barrier>,
}

impl Odd {
    fn new(oddity: Oddity) -> Self {
        Self { inner: memory(), oddity, crowd: Arc::new(Barrier::new(8)) }
    }

    /// One that was told to lock what it gets.
    fn locking(oddity: Oddity) -> Self {
        let odd = Self::new(oddity);
        odd.inner.set_locks();
        odd
    }

    /// All writers of a race have looked before the first of them writes.
    fn meet(&self, key: &str) {
        if self.oddity == Oddity::Races && key.contains("race") {
            self.crowd.wait();
        }
    }

    fn refuse(&self, what: &str) -> StoreError {
        StoreError::Unusable { message: format!("it does not {what}"), help: String::new() }
    }

    fn deny(&self, operation: &'static str, key: &str) -> StoreError {
        StoreError::of("odd", operation, key, std::io::Error::new(std::io::ErrorKind::PermissionDenied, "not yours"))
    }
}

impl ReadStore for Odd {
    fn place(&self) -> String {
        "odd".to_owned()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        let mut found = self.inner.survey(prefix, reach)?;
        if self.oddity == Oddity::ListsLate {
            found.objects.retain(|object| !object.key.contains("/listed-"));
        }
        Ok(found)
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
        if self.oddity == Oddity::HidesLocks { Err(self.deny("ask for the lock of", key)) } else { self.inner.retained(key) }
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        self.inner.free()
    }
}

impl WriteStore for Odd {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let there = self.inner.look(key)?.is_some();
        self.meet(key);
        match self.oddity {
            Oddity::Races if there => Ok(Created::Taken),
            Oddity::Ignores | Oddity::Races => {
                self.inner.put(key, bytes);
                Ok(Created::New)
            }
            _ => self.inner.create(key, bytes),
        }
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(OddUpload { inner: Some(self.inner.upload(key)?), store: self.clone(), key: key.to_owned() }))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        match self.oddity {
            Oddity::NoDelete => Err(self.refuse("delete")),
            Oddity::DeletesLocked => {
                self.inner.lose(key);
                self.inner.delete(key).or(Ok(Removed::Gone))
            }
            Oddity::Hides => self.inner.delete(key).map(|_| Removed::Hidden),
            _ => self.inner.delete(key),
        }
    }

    fn create_locked(&self, key: &str, bytes: &[u8], until: Instant) -> Result<Option<Created>, StoreError> {
        match self.oddity {
            Oddity::DeniesLocks => Err(self.deny("write", key)),
            Oddity::ForgetsLocks => self.inner.create(key, bytes).map(Some),
            _ => self.inner.create_locked(key, bytes, until),
        }
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        if self.oddity == Oddity::KeepsDates { Ok(()) } else { self.inner.extend(key, until) }
    }

    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        Some(Arc::new(self.clone()))
    }
}

impl Swap for Odd {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        if self.oddity == Oddity::Silent { Err(self.refuse("swap")) } else { self.inner.load(key) }
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        let found = Swap::load(self, key)?.map(|register| register.tag);
        // the first of a race has nobody to meet
        if expected.is_some() {
            self.meet(key);
        }
        match self.oddity {
            Oddity::Races if found.as_deref() != expected => Ok(None),
            Oddity::Ignores | Oddity::Races => {
                self.inner.put(key, bytes);
                Ok(self.inner.load(key)?.map(|register| register.tag))
            }
            _ => self.inner.swap(key, expected, bytes),
        }
    }
}

struct OddUpload {
    inner: Option<Box<dyn Upload>>,
    store: Odd,
    key: String,
}

impl Write for OddUpload {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.inner.as_mut().map_or(Ok(0), |inner| inner.write(buffer))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Upload for OddUpload {
    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        if self.store.oddity == Oddity::Ignores {
            self.store.inner.delete(&self.key)?;
        }
        let made = self.inner.take().map_or(Ok(Created::Taken), Upload::commit);
        if self.store.oddity == Oddity::Corrupts {
            self.store.inner.corrupt(&self.key);
        }
        made
    }
}

impl Drop for OddUpload {
    fn drop(&mut self) {
        if self.store.oddity == Oddity::KeepsParts {
            std::mem::forget(self.inner.take());
        }
    }
}
