//! Every lease of an instance in a store, only looked at.

use std::time::Duration;

use chrono::TimeDelta;

use super::claim::Claimant;
use super::protocol::{Sight, Verdict, judge, lasts};
use super::record::LeaseRecord;
use crate::model::id::{Instant, Name};
use crate::store::documents::RecordError;
use crate::store::error::StoreError;
use crate::store::layout::{self, Area, Place};
use crate::store::port::{Object, ReadStore, WriteStore};

/// A lease, or why it cannot be read.
pub type Seen = Result<LeaseRecord, RecordError>;

/// A lease that nobody has released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// It.
    pub lease: LeaseRecord,
    /// From when on others may take it, by the store's time, if nothing is heard of its holder by then; none where it ends with their process.
    pub until: Option<Instant>,
    /// Whether it can be taken now: that time has come, or its process is known to be gone.
    pub over: bool,
    /// Whether its process is known to be gone.
    pub gone: bool,
}

/// A lease that nobody has released, or why it cannot be read.
pub type Found = Result<Standing, RecordError>;

/// The lease of each series. One that an older version left empty is none.
///
/// # Errors
/// The store could not be listed or read.
pub fn seen(store: &dyn ReadStore, instance: &Name) -> Result<Vec<(Name, Seen)>, StoreError> {
    Ok(read(store, instance)?.into_iter().map(|(series, _, lease)| (series, lease)).collect())
}

/// The leases that nobody has released, as `us` would find them now, and those that cannot be read.
///
/// # Errors
/// The store could not be listed or read.
pub fn standing(store: &dyn WriteStore, instance: &Name, us: &Claimant, now: Instant) -> Result<Vec<(Name, Found)>, StoreError> {
    // who swaps renews; where the kernel keeps the lease, how old its record is says nothing
    let renewed = store.swapper().is_some();
    let now = store.clock()?.unwrap_or(now);
    let stands = |object: &Object, record: LeaseRecord| {
        let them = &record.holder;
        // what the kernel keeps does not outlive the boot of its host
        let before = !renewed && us.process.host == them.host && !us.process.boot.is_empty() && us.process.boot != them.boot;
        let gone = before || us.process.is_beside(them) && !(us.alive)(them.pid, them.pid_start);
        let age = if renewed { now - object.modified } else { TimeDelta::zero() };
        let until = TimeDelta::from_std(lasts(&record)).ok().filter(|_| renewed);
        let sight = Sight { record, age, unchanged: Duration::ZERO, gone };
        let over = matches!(judge(Some(&sight)), Verdict::Take { .. });
        Standing { lease: sight.record, until: until.and_then(|lasts| object.modified.checked_add_signed(lasts)), over, gone }
    };
    let found = read(store, instance)?.into_iter().filter(|(.., lease)| lease.as_ref().map_or(true, LeaseRecord::is_held));
    Ok(found.map(|(series, object, lease)| (series, lease.map(|lease| stands(&object, lease)))).collect())
}

fn read<S: ReadStore + ?Sized>(store: &S, instance: &Name) -> Result<Vec<(Name, Object, Seen)>, StoreError> {
    let mut found = Vec::new();
    for object in store.list(&Area::Lock.folder(instance))? {
        let Some(Place::Lock(series)) = layout::parse(instance, &object.key) else { continue };
        let bytes = match store.get(&object.key) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        if !bytes.is_empty() {
            found.push((series, object, LeaseRecord::read(&bytes)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Memory;
    use crate::store::lease::Process;
    use crate::store::lease::tests::{TEN_MINUTES, record};

    #[test]
    fn what_is_renewed_is_held_up_to_its_time_and_over_after_it() {
        let (store, instance) = (Memory::new(), "lucid".parse::<Name>().unwrap());
        let start: Instant = "2026-11-23T02:00:00Z".parse().unwrap();
        store.set_time(start);
        let mut held = record(TEN_MINUTES);
        (held.holder.boot, held.holder.pid_namespace) = ("boot".to_owned(), 1);
        for (series, bytes) in [("a", held.write()), ("b", held.clone().released().write()), ("c", b"{".to_vec()), ("d", Vec::new())] {
            store.put(&layout::lock(&instance, &series.parse().unwrap()), &bytes);
        }
        let until = start + TimeDelta::seconds(660);
        for (seconds, beside, alive, over) in [
            (0, false, false, false),
            (660, false, false, false),
            (661, false, false, true),
            (0, true, true, false),
            (0, true, false, true),
        ] {
            let process = if beside { held.holder.clone() } else { Process::default() };
            let us = Claimant { process, uptime: Arc::new(Duration::default), alive: Arc::new(move |_, _| alive) };
            let found = standing(&store, &instance, &us, start + TimeDelta::seconds(seconds)).unwrap();
            let [(a, Ok(one)), (c, Err(_))] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((a.as_str(), c.as_str(), &one.lease, one.until), ("a", "c", &held, Some(until)));
            assert_eq!(one.over, over, "{seconds} {beside} {alive}");
        }
    }
}
