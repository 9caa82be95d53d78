//! The two faces of a store: reading, and writing on top of it.
//!
//! Calls block; the executor gives each its own thread, and a store that speaks a network protocol brings its own runtime.
//! Keys are relative, with `/` between components, ASCII, without empty, `.` or `..` components.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::doctor::Promise;
use super::error::StoreError;
use super::layout::TEMP_PREFIX;
use super::lease::{self, Claim, Holder, LeaseLost, Unlocked};
use crate::model::id::{Instant, Random};

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

/// How far a survey goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What lies directly below the prefix; folders are named, not entered.
    Flat,
    /// Everything below the prefix.
    Deep,
}

/// All that one look below a prefix shows. One walk of a disk, one listing of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The objects, by key.
    pub objects: Vec<Object>,
    /// Temporary objects of writes that never ended (or are under way), by key.
    pub leftovers: Vec<Object>,
    /// Of a flat survey: the folders, each ending in `/`, by name.
    pub folders: Vec<String>,
    /// What cannot be an object: symlinks, sockets, names that are not text (those shown as well as can be).
    pub strangers: Vec<String>,
    /// Folders that could not be read, with the reason: what is in them is unknown.
    pub unread: Vec<String>,
}

/// What a create-only write found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The name was free and now holds what was written, durably.
    New,
    /// The name was taken; what is there was left alone.
    Taken,
}

/// What became of an object that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its bytes are gone.
    Gone,
    /// It is not listed any more; an older version of it stays, because this host may not remove versions.
    Hidden,
}

/// What asking for a lease found.
pub enum Locked {
    /// It is ours until the value is dropped or the process ends.
    Held {
        /// The lease.
        lease: Box<dyn Lease>,
        /// A sentence, where somebody had it who did not release it.
        said: Option<String>,
    },
    /// Somebody else has it.
    By(Holder),
}

/// The right to run or to delete in one series of one store. Released on drop.
pub trait Lease: Send + Sync {
    /// That it is still ours, with time enough for one batch of deletes. Asked before every change that is made on the strength of it.
    fn check(&self) -> Result<(), LeaseLost>;
}

/// A small object that is changed by compare-and-swap, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Says which writing this is; changes with every one.
    pub tag: String,
    /// The store's own time of that writing.
    pub modified: Instant,
    /// The store's own time of this answer.
    pub now: Instant,
}

/// Changing a small object only if nobody else has changed it since.
pub trait Swap: Send + Sync {
    /// What is there now; none if nothing is.
    fn load(&self, key: &str) -> Result<Option<Register>, StoreError>;

    /// Writes if the object still has the tag `expected`, or if there is none where nothing is expected; gives the new tag, or none if
    /// somebody else was first. After an error nobody knows whether it was written.
    fn swap(&self, key: &str, expected: Option<&str>, bytes: &[u8]) -> Result<Option<String>, StoreError>;
}

/// Looking at a store.
pub trait ReadStore: Send + Sync {
    /// The store as messages name it: its path or URL.
    fn place(&self) -> String;

    /// All that is below `prefix` (a folder, ending in `/`, or empty). A prefix that is not there is empty. What the store
    /// can list in part it lists in part, and says so.
    fn survey(&self, prefix: &str, reach: Reach) -> Result<Survey, StoreError>;

    /// The same, deep, for whoever need not hold all objects at once: they are handed over in pieces as they come, each object once, each
    /// piece in the order of its keys, the pieces in none. What is returned has no objects. After an error all that came is void.
    fn pieces(&self, prefix: &str, take: &mut dyn FnMut(Vec<Object>)) -> Result<Survey, StoreError> {
        let mut survey = self.survey(prefix, Reach::Deep)?;
        take(std::mem::take(&mut survey.objects));
        Ok(survey)
    }

    /// Every object whose key starts with `prefix` (a folder, ending in `/`, or empty), by key; temporary objects are left out.
    /// All of them, or an error.
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.survey(prefix, Reach::Deep)?.whole(&self.place(), prefix).map(|survey| survey.objects)
    }

    /// A small object, whole.
    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

    /// An object's bytes from `offset` to its end.
    fn open(&self, key: &str, offset: u64) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Up to `buffer.len()` bytes of an object at `offset`; 0 at its end.
    fn read_at(&self, key: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// One object as the store has it now, whatever a listing says; none if it is not there.
    fn look(&self, key: &str) -> Result<Option<Object>, StoreError>;

    /// Until when an object cannot be removed, where that was promised.
    fn retained(&self, key: &str) -> Result<Option<Instant>, StoreError> {
        self.look(key).map(|_| None)
    }

    /// What the store's own clock says, where it has one.
    fn clock(&self) -> Result<Option<Instant>, StoreError> {
        Ok(None)
    }

    /// Bytes of the largest object that an upload there can become: longer streams are cut into segments before that.
    fn largest(&self) -> u64 {
        u64::MAX
    }

    /// Free bytes, where the store can tell.
    fn free(&self) -> Result<Option<u64>, StoreError>;

    /// Temporary objects of writes that never ended, anywhere below `prefix`.
    fn leftovers(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.survey(prefix, Reach::Deep)?.whole(&self.place(), prefix).map(|survey| survey.leftovers)
    }
}

impl Survey {
    /// The survey, unless a part of it could not be read.
    fn whole(self, place: &str, prefix: &str) -> Result<Self, StoreError> {
        match self.unread.first() {
            None => Ok(self),
            Some(why) => Err(StoreError::of(place, "list", prefix, io::Error::other(why.clone()))),
        }
    }
}

/// The key, or an error that says it is none: keys are relative, printable ASCII, without empty, `.`, `..` or temporary components.
pub(crate) fn check_key<'a>(place: &str, key: &'a str) -> Result<&'a str, StoreError> {
    check(place, key, !key.contains(TEMP_PREFIX))
}

/// The same for deleting, where a leftover's own name is good too.
pub(crate) fn check_stored<'a>(place: &str, key: &'a str) -> Result<&'a str, StoreError> {
    check(place, key, true)
}

fn check<'a>(place: &str, key: &'a str, good: bool) -> Result<&'a str, StoreError> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "this cannot be the key of an object");
    // a leftover's name may hold more than its object's: what the store tells it apart by
    let longest = |part: &str| if part.starts_with(TEMP_PREFIX) { 2048 } else { 255 };
    let part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= longest(part);
    if good && key.bytes().all(|b| b.is_ascii_graphic()) && key.split('/').all(part) {
        Ok(key)
    } else {
        Err(StoreError::of(place, "use the key", key, wrong()))
    }
}

/// Changing a store.
pub trait WriteStore: ReadStore {
    /// Writes a small object durably, only if its name is free.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError>;

    /// Writes a small object that cannot be removed before `until`, only if its name is free; none where the store was not told to lock
    /// anything. What runs write is locked without this: it is for `doctor`.
    fn create_locked(&self, key: &str, bytes: &[u8], until: Instant) -> Result<Option<Created>, StoreError> {
        let _ = (key, bytes, until);
        Ok(None)
    }

    /// Starts writing an object of unknown size, [`largest`](ReadStore::largest) at most. Nothing is listed before [`Upload::commit`].
    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError>;

    /// Removes an object; one that is not there is removed.
    fn delete(&self, key: &str) -> Result<Removed, StoreError>;

    /// Removes objects, as many at once as the store can; what became of each, in their order. No order among them is promised.
    fn delete_all(&self, keys: &[String]) -> Vec<Result<Removed, StoreError>> {
        keys.iter().map(|key| self.delete(key)).collect()
    }

    /// Promises that an object stays until then; a later promise stands.
    fn extend(&self, key: &str, until: Instant) -> Result<(), StoreError> {
        let _ = until;
        self.look(key).map(|_| ())
    }

    /// What only this kind of store can tell of itself, for `doctor`, which removes what is tried for it below `folder`.
    fn traits(&self, folder: &str) -> Vec<Promise> {
        let _ = folder;
        Vec::new()
    }

    /// Compare-and-swap, where the store has it.
    fn swapper(&self) -> Option<Arc<dyn Swap>> {
        None
    }

    /// Asks for the lease `key`, without waiting for it.
    fn lock(&self, key: &str, claim: &Claim) -> Result<Locked, StoreError> {
        match self.swapper() {
            Some(swap) => lease::lock(&swap, &self.place(), check_key(&self.place(), key)?, claim),
            None => Err(without_leases(&self.place())),
        }
    }

    /// Ends the lease `key` if it is that run's.
    fn unlock(&self, key: &str, run: &Random) -> Result<Unlocked, StoreError> {
        match self.swapper() {
            Some(swap) => lease::unlock(&swap, &self.place(), check_key(&self.place(), key)?, run),
            None => Err(without_leases(&self.place())),
        }
    }
}

fn without_leases(place: &str) -> StoreError {
    StoreError::Unusable {
        message: format!("`{place}` cannot keep two runs apart"),
        help: "say `coordination = \"single-writer\"` on the store if only one host ever writes there".to_owned(),
    }
}

/// An object on its way. Dropped without commit, it leaves nothing that is listed.
pub trait Upload: Write + Send {
    /// Once the flag is raised, a wait for the store ends soon, with an error. A store that never waits for long need not look.
    fn heed(&mut self, cancel: &Arc<AtomicBool>) {
        let _ = cancel;
    }

    /// Makes what was written durable and visible, only if its name is free.
    fn commit(self: Box<Self>) -> Result<Created, StoreError>;
}
