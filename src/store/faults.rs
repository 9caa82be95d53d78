//! A store that fails where a test says: the n-th change, over as many stores as share a [`Budget`].
//!
//! A change is a create, the end of an upload, a delete, or a swap. A killed process runs no destructors, so an upload that is dropped
//! after the kill is left as it is and shows as a leftover, and a lease stays in the store as it was. A test that kills after 0, 1, 2
//! ... changes walks through every state that a crash can leave.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StoreError;
use super::lease::{self, Claim, Unlocked};
use super::port::{Created, Locked, Object, Reach, ReadStore, Register, Removed, Survey, Swap, Upload, WriteStore};
use crate::model::id::{Instant, Random};

/// What happens at the change in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It and everything after it fails, reads too.
    Kill,
    /// It alone fails and was not made.
    Error,
    /// It alone fails, though it was made: the answer was lost.
    Lost,
    /// It alone finds no room.
    Full,
}

/// How many changes go well.
#[derive(Debug)]
pub struct Budget {
    fault: Option<(u64, Fault)>,
    made: AtomicU64,
}

impl Budget {
    /// Only counts.
    pub fn unlimited() -> Arc<Self> {
        Arc::new(Self { fault: None, made: AtomicU64::new(0) })
    }

    /// `n` changes go well, then the process is dead.
    pub fn kill_after(n: u64) -> Arc<Self> {
        Self::at(n + 1, Fault::Kill)
    }

    /// The n-th change (from 1) meets the fault.
    pub fn at(n: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault: Some((n, fault)), made: AtomicU64::new(0) })
    }

    /// Changes that were asked for.
    pub fn spent(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Whether the process is to be taken for dead.
    pub fn dead(&self) -> bool {
        matches!(self.fault, Some((n, Fault::Kill)) if self.spent() + 1 >= n)
    }

    /// Makes a change that is none of a store's: what it meets.
    pub fn spend(&self) -> Option<Fault> {
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault? {
            (n, Fault::Kill) if number >= n => Some(Fault::Kill),
            (n, fault) if number == n => Some(fault),
            _ => None,
        }
    }
}

/// A store with a budget.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    inner: S,
    budget: Arc<Budget>,
}

impl<S> Faulty<S> {
    /// The store, failing as the budget says.
    pub fn new(inner: S, budget: &Arc<Budget>) -> Self {
        Self { inner, budget: Arc::clone(budget) }
    }

    /// The store as it is after all.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

fn alive(budget: &Budget, key: &str) -> Result<(), StoreError> {
    if budget.dead() { Err(killed(key)) } else { Ok(()) }
}

fn killed(key: &str) -> StoreError {
    StoreError::of("faults", "go on with", key, io::Error::other("the process was killed here"))
}

fn change<T>(budget: &Budget, key: &str, make: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    match budget.spend() {
        None => make(),
        Some(Fault::Kill) => Err(killed(key)),
        Some(Fault::Full) => Err(StoreError::Full { place: "faults".to_owned(), key: key.to_owned() }),
        Some(Fault::Error) => Err(StoreError::of("faults", "write", key, io::Error::other("this one was to fail"))),
        Some(Fault::Lost) => {
            make()?;
            Err(StoreError::of("faults", "write", key, io::Error::other("the answer was lost")))
        }
    }
}

impl<S: ReadStore> ReadStore for Faulty<S> {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError> {
        alive(&self.budget, prefix)?;
        self.inner.survey(prefix, reach)
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.get(key)
    }

    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.open(key, offset)
    }

    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        alive(&self.budget, key)?;
        self.inner.read_at(key, offset, buffer)
    }

    fn look(&self, key: &str) -> Result<Option<Object>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.look(key)
    }

    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.retained(key)
    }

    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        alive(&self.budget, "")?;
        self.inner.clock()
    }

    fn largest(&self) -> u64 {
        self.inner.largest()
    }

    fn free(&self) -> Result<Option<u64>, StoreError> {
        alive(&self.budget, "")?;
        self.inner.free()
    }
}

impl<S: WriteStore> WriteStore for Faulty<S> {
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        change(&self.budget, key, || self.inner.create(key, bytes))
    }

    fn create_locked(&self, key: &str, bytes: &[u8], until: Instant) -> Result<Option<Created>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.create_locked(key, bytes, until)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        alive(&self.budget, key)?;
        let inner = self.inner.upload(key)?;
        Ok(Box::new(FaultyUpload { inner: Some(inner), key: key.to_owned(), budget: Arc::clone(&self.budget) }))
    }

    fn delete(&self, key: &str) -> Result<Removed, StoreError> {
        change(&self.budget, key, || self.inner.delete(key))
    }

    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        change(&self.budget, key, || self.inner.extend(key, until))
    }

    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        let inner = self.inner.swapper()?;
        Some(Arc::new(FaultySwap { inner, budget: Arc::clone(&self.budget) }))
    }

    fn lock(&self, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
        alive(&self.budget, key)?;
        match self.swapper() {
            Some(swap) => lease::lock(&swap, &self.place(), key, claim),
            None => self.inner.lock(key, claim),
        }
    }

    fn unlock(&self, key: &str, run: &Random) -> Result<Unlocked, StoreError> {
        alive(&self.budget, key)?;
        match self.swapper() {
            Some(swap) => lease::unlock(&swap, &self.place(), key, run),
            None => self.inner.unlock(key, run),
        }
    }
}

struct FaultySwap {
    inner: Arc<dyn Swap>,
    budget: Arc<Budget>,
}

impl Swap for FaultySwap {
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError> {
        alive(&self.budget, key)?;
        self.inner.load(key)
    }

    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError> {
        change(&self.budget, key, || self.inner.swap(key, expected, bytes))
    }
}

struct FaultyUpload {
    /// None once it was committed.
    inner: Option<Box<dyn Upload>>,
    key: String,
    budget: Arc<Budget>,
}

impl Write for FaultyUpload {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        alive(&self.budget, &self.key)?;
        self.inner.as_mut().map_or(Ok(0), |inner| inner.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Upload for FaultyUpload {
    fn commit(mut self: Box<Self>) -> Result<Created, StoreError> {
        let budget = Arc::clone(&self.budget);
        let key = self.key.clone();
        change(&budget, &key, || match self.inner.take() {
            Some(inner) => inner.commit(),
            None => Err(killed(&key)),
        })
    }
}

impl Drop for FaultyUpload {
    fn drop(&mut self) {
        if self.budget.dead() {
            std::mem::forget(self.inner.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, conformance};

    #[test]
    fn without_a_fault_it_is_the_store_itself() {
        conformance::all(|| Faulty::new(Memory::new(), &Budget::unlimited()));
    }

    #[test]
    fn after_the_nth_change_everything_on_every_store_fails_and_what_was_under_way_stays() {
        let budget = Budget::kill_after(2);
        let (one, two) = (Faulty::new(Memory::new(), &budget), Faulty::new(Memory::new(), &budget));
        let mut upload = two.upload("b/x").unwrap();
        upload.write_all(b"half").unwrap();
        one.create("a", b"").unwrap();
        assert!(!budget.dead());
        two.delete("none").unwrap();
        assert!(upload.write_all(b"more").is_err());
        assert!(upload.commit().is_err());
        assert!(one.list("").is_err() && one.get("a").is_err() && two.free().is_err() && two.create("c", b"").is_err());
        assert_eq!(one.inner().keys(), ["a"]);
        assert_eq!(two.inner().leftovers("").unwrap().len(), 1);
        assert!(Faulty::new(Memory::new(), &Budget::kill_after(0)).list("").is_err());
    }

    #[test]
    fn one_change_can_fail_alone_and_a_lost_answer_was_a_change() {
        for (fault, made) in [(Fault::Error, false), (Fault::Full, false), (Fault::Lost, true)] {
            let budget = Budget::at(2, fault);
            let store = Faulty::new(Memory::new(), &budget);
            store.create("a", b"").unwrap();
            let error = store.create("b", b"").unwrap_err();
            assert_eq!(matches!(error, StoreError::Full { .. }), fault == Fault::Full);
            assert_eq!(store.list("").unwrap().len() == 2, made);
            store.create("c", b"").unwrap();
            assert_eq!(budget.spent(), 3);
        }
    }
}
