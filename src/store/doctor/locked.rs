//! What is locked stays: Object Lock, tried on one small object.
//!
//! A locked object cannot be taken back. So it is locked for a minute, which the trial makes two, under a name that later visits know:
//! they remove it once its date is over, and whatever was left so by visits before them.

use std::io;

use chrono::{SubsecRound, TimeDelta};

use super::promise::{Promise, Standing};
use super::visit::{Tried, Visit};
use crate::model::id::{Instant, Random};
use crate::store::error::{StoreError, chain};
use crate::store::layout::SCRATCH_PREFIX;
use crate::store::port::{Created, Reach, Removed};

/// Long enough for what is tried while it lasts; services take any date that is to come.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);

/// In the scratch folder.
const NAME: &str = "locked";

const READ: &str = "s3:GetObjectRetention";
const WRITE: &str = "s3:PutObjectRetention";

/// What was tried: its name, and what came of it.
pub(super) type Trial = (&'static str, Tried);

/// What is in the scratch folders of this visit and of earlier ones under a lock.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// How many of earlier visits were removed.
    pub(super) removed: usize,
    /// Until when this visit's own stays.
    pub(super) own: Option<Instant>,
}

/// The key of what this visit locks.
pub(super) fn key(visit: &Visit<'_>) -> String {
    visit.key(NAME)
}

/// Locks an object, where the store was told to lock what it gets; nothing is tried where it was not.
pub(super) fn locks(visit: &Visit<'_>) -> Vec<Trial> {
    let key = key(visit);
    let until = match now(visit) {
        Ok(now) => now.trunc_subsecs(0) + SHORTEST,
        Err(error) => return vec![("lock", Err(error))],
    };
    match visit.store.create_locked(&key, b"locked", until) {
        Ok(None) => Vec::new(),
        Ok(Some(Created::New)) => {
            let read = read(visit, &key, until).or_else(|error| denied(error, "lock", "the lock of an object cannot be read", READ));
            // what has no lock that can be read has none to extend
            if !read.as_ref().is_ok_and(|promise| promise.standing == Standing::Holds) {
                return vec![("lock", read)];
            }
            let extended = extended(visit, &key, until + SHORTEST);
            let extended = extended.or_else(|error| denied(error, "lock-extend", "a lock cannot be made longer", WRITE));
            vec![("lock", read), ("lock-extend", extended), ("lock-delete", stays(visit, &key))]
        }
        Ok(Some(Created::Taken)) => vec![("lock", Ok(Promise::broken("lock", "a locked write under a free name was refused", ANOTHER)))],
        Err(error) => vec![("lock", denied(error, "lock", "no object can be written with a lock", WRITE))],
    }
}

fn read(visit: &Visit<'_>, key: &str, until: Instant) -> Tried {
    Ok(match visit.store.retained(key)? {
        // some keep fractions of a second
        Some(found) if (found - until).num_seconds() == 0 => {
            Promise::holds("lock", "an object is locked until the date that it was written with")
        }
        Some(found) => {
            Promise::broken("lock", format!("an object was written with a lock until {until}, and is locked until {found}"), ANOTHER)
        }
        None => Promise::broken("lock", "an object was written with a lock, and is not locked", ANOTHER),
    })
}

fn extended(visit: &Visit<'_>, key: &str, until: Instant) -> Tried {
    visit.store.extend(key, until)?;
    Ok(match visit.store.retained(key)? {
        Some(found) if found >= until => Promise::holds("lock-extend", "a lock can be made longer"),
        _ => Promise::broken("lock-extend", "a lock was made longer, and ends as before", ANOTHER),
    })
}

/// That it cannot be deleted, asked by somebody who could if it were not locked.
fn stays(visit: &Visit<'_>, key: &str) -> Tried {
    if !visit.needs.delete {
        return Ok(Promise::unknown("lock-delete", "not tried: a host that deletes nothing tries to delete nothing that is locked"));
    }
    let free = visit.key("unlocked");
    visit.store.create(&free, b"not locked")?;
    let able = matches!(visit.store.delete(&free), Ok(Removed::Gone));
    let tried = visit.store.delete(key);
    let there = visit.store.look(key)?.is_some();
    match tried {
        Ok(Removed::Gone) => Ok(Promise::broken("lock-delete", "a locked object was deleted before its date", ANOTHER)),
        Err(StoreError::Locked { .. }) if !there => Ok(Promise::broken("lock-delete", "a locked object is gone before its date", ANOTHER)),
        Err(StoreError::Locked { .. }) if able => Ok(Promise::holds("lock-delete", "what is locked cannot be deleted before its date")),
        Ok(Removed::Hidden) | Err(StoreError::Locked { .. }) => {
            let said = "a locked object stays; these credentials can delete no version of any object, so it may not be for its lock";
            Ok(Promise::unknown("lock-delete", said))
        }
        Err(error) => Err(error),
    }
}

/// Removes what earlier visits have locked and what is free by now; this visit's own as well, where its lock was none.
pub(super) fn sweep(visit: &Visit<'_>) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    let folders = visit.store.survey("", Reach::Flat)?.folders;
    let ours = |folder: &&String| {
        let random = folder.strip_prefix(SCRATCH_PREFIX).and_then(|rest| rest.strip_suffix('/'));
        random.is_some_and(|random| random.parse::<Random>().is_ok())
    };
    for folder in folders.iter().filter(ours) {
        let locked = format!("{folder}{NAME}");
        if visit.store.look(&locked)?.is_none() {
            continue;
        }
        let own = *folder == visit.folder();
        match visit.store.retained(&locked)? {
            Some(until) if until > now(visit)? => swept.own = swept.own.or(Some(until).filter(|_| own)),
            _ if visit.needs.delete => {
                visit.store.delete(&locked)?;
                swept.removed += usize::from(!own);
            }
            _ => {}
        }
    }
    Ok(swept)
}

/// The time by which the store judges what is locked.
fn now(visit: &Visit<'_>) -> Result<Instant, StoreError> {
    visit.store.clock().map(|theirs| theirs.unwrap_or_else(|| (visit.now)()))
}

/// A refusal for want of a right, with its name; any other error as it is.
fn denied(error: StoreError, about: &'static str, what: &str, right: &str) -> Tried {
    match &error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Promise::broken(about, format!("{what}: {}", chain(&error)), format!("give these credentials the right `{right}`")))
        }
        _ => Err(error),
    }
}

const ANOTHER: &str = "ask whoever runs the store for its Object Lock; until then nothing there is safe from who may delete";
