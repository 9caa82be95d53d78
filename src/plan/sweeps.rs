//! What interrupted runs left behind, and run records past their expiry.
//!
//! Only objects of this program, and only those that nobody can still be writing: known to be left by a run of this host that has
//! ended, or untouched for a day by the store's own clock.

use chrono::TimeDelta;

use super::deletes::SKEW;
use super::problem::writer_elsewhere;
use super::step::{Reason, Step, Wait, Waiting, Work};
use crate::facts::{Facts, Leftover, Listing, Orphan, Series};
use crate::model::PolicySet;
use crate::model::id::{Instant, Name};

/// How long an object without a record may still be in somebody's hands.
const UNTOUCHED: TimeDelta = TimeDelta::hours(24);

/// The sweeps of one store, and what would be swept if the store gave it up.
pub(super) fn of(set: &PolicySet, facts: &Facts, store: &Name, listing: &Listing) -> (Vec<Step>, Vec<Waiting>) {
    // without its payload nothing can be told to be without a record, and without a common clock nothing to be old
    if !listing.complete || !listing.payload_listed || listing.clock_ahead.is_some_and(|ahead| ahead.abs() > SKEW) {
        return (Vec::new(), Vec::new());
    }
    if writer_elsewhere(set, facts, store, listing).is_some() {
        return (Vec::new(), Vec::new());
    }
    let (mut steps, mut waiting) = (Vec::new(), Vec::new());
    for (name, series) in &listing.series {
        // A series that no policy names is shown and left alone.
        if !set.policies.values().any(|p| p.series == *name && p.stores.contains(store)) {
            continue;
        }
        let (locked, orphans): (Vec<&Orphan>, Vec<&Orphan>) = orphans(series, facts.at).partition(|o| o.locked_until > Some(facts.at));
        waiting.extend(waits(store, Some(name), locked.iter().map(|o| (o.bytes, o.locked_until))));
        if orphans.is_empty() {
            continue;
        }
        let keys = orphans.iter().flat_map(|o| o.keys.iter().cloned()).collect();
        steps.push(step(set, store, Some(name), keys, orphans.iter().map(|o| o.bytes).sum()));
    }
    let rest = listing.leftovers.iter().filter(|l| l.abandoned || l.modified + UNTOUCHED < facts.at).chain(&listing.expired_runs);
    let (locked, rest): (Vec<&Leftover>, Vec<&Leftover>) = rest.partition(|l| l.locked_until > Some(facts.at));
    waiting.extend(waits(store, None, locked.iter().map(|l| (l.bytes, l.locked_until))));
    if !rest.is_empty() {
        let keys = rest.iter().map(|l| l.key.clone()).collect();
        steps.push(step(set, store, None, keys, rest.iter().map(|l| l.bytes).sum()));
    }
    (steps, waiting)
}

fn orphans(series: &Series, at: Instant) -> impl Iterator<Item = &Orphan> {
    series.orphans.iter().filter(move |o| o.abandoned || o.youngest + UNTOUCHED < at)
}

fn address(store: &Name, series: Option<&Name>) -> String {
    series.map_or_else(|| format!("sweep:store.{store}"), |s| format!("sweep:store.{store}/{s}"))
}

/// What of one place is locked, as one.
fn waits(store: &Name, series: Option<&Name>, locked: impl Iterator<Item = (u64, Option<Instant>)>) -> Option<Waiting> {
    let (bytes, until) = locked.fold((0, None), |(sum, latest), (bytes, until)| (sum + bytes, latest.max(until)));
    let reason = Wait::Locked { until: until? };
    Some(Waiting { address: address(store, series), policy: None, store: store.clone(), id: None, bytes, reason })
}

fn step(set: &PolicySet, store: &Name, series: Option<&Name>, keys: Vec<String>, bytes: u64) -> Step {
    Step {
        address: address(store, series),
        work: Work::Sweep { store: store.clone(), series: series.cloned(), keys, bytes },
        reason: Reason::Interrupted {},
        span: set.stores.get(store).map(|s| s.span.clone()),
        after: Vec::new(),
    }
}
