//! Leases, deleting, the clock, room.

use chrono::TimeDelta;

use super::promise::Promise;
use super::visit::{Tried, Visit};
use crate::store::error::StoreError;
use crate::store::port::{Locked, Removed};

/// How far the clocks of host and store may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(5);

const SINGLE: &str = "coordination = \"single-writer\", and let only one host ever write there";

pub(super) fn lease(visit: &Visit<'_>) -> Tried {
    let key = visit.key("lease");
    let broken = |said: String| Ok(Promise::broken("lease", said, SINGLE));
    let first = match visit.store.lock(&key, &(visit.claim)())? {
        Locked::By(holder) => return broken(format!("a lease that nobody has was refused: {holder}")),
        Locked::Held { lease, .. } => lease,
    };
    if let Ok(Locked::Held { .. }) = visit.store.lock(&key, &(visit.claim)()) {
        return broken("two had one lease at the same time".to_owned());
    }
    if let Err(lost) = first.check() {
        return broken(lost.to_string());
    }
    drop(first);
    match visit.store.lock(&key, &(visit.claim)())? {
        Locked::Held { .. } => Ok(Promise::holds("lease", "two runs are kept out of one series")),
        Locked::By(holder) => broken(format!("a lease that was released is still held by {holder}")),
    }
}

pub(super) fn clock(visit: &Visit<'_>) -> Tried {
    let mut theirs = visit.store.clock()?;
    if theirs.is_none() {
        let key = visit.key("clock");
        visit.store.create(&key, b"now")?;
        theirs = visit.store.look(&key)?.map(|object| object.modified);
    }
    let Some(theirs) = theirs else { return Ok(Promise::unknown("clock", "the store tells no time")) };
    let apart = (visit.now)() - theirs;
    let seconds = apart.num_seconds().abs();
    Ok(if apart.abs() <= SKEW {
        Promise::holds("clock", format!("the clocks of this host and of the store are {seconds} s apart"))
    } else {
        let said = format!("the clocks of this host and of the store are {seconds} s apart");
        Promise::broken("clock", said, "set both clocks right; retention judges ages by them")
    })
}

pub(super) fn space(visit: &Visit<'_>) -> Result<Option<Promise>, StoreError> {
    let Some(free) = visit.store.free()? else { return Ok(None) };
    Ok(Some(match visit.needs.min_free {
        Some(least) if free < least => {
            let said = format!("{} are free, and `min_free` wants {}", (visit.size)(free), (visit.size)(least));
            Promise::broken("space", said, "free space there, or lower `min_free`")
        }
        _ => Promise::holds("space", format!("{} are free", (visit.size)(free))),
    }))
}

pub(super) fn delete(visit: &Visit<'_>) -> Tried {
    let key = visit.key("deleted");
    visit.store.create(&key, b"to go")?;
    let removed = match visit.store.delete(&key) {
        Ok(removed) => removed,
        Err(error) => {
            let remedy = "give this host the right to delete; or let it run `apply --no-delete`, and a janitor elsewhere delete";
            return Ok(Promise::broken("delete", format!("nothing can be deleted: {error}"), remedy));
        }
    };
    if visit.store.list(&visit.folder())?.iter().any(|object| object.key == key) {
        return Ok(Promise::broken("delete", "what was deleted is still listed", "ask whoever runs the store"));
    }
    Ok(match removed {
        Removed::Gone => Promise::holds("delete", "what is deleted is gone"),
        Removed::Hidden => Promise::holds("delete", "what is deleted is hidden; its older version stays, and its bytes are paid for"),
    })
}
