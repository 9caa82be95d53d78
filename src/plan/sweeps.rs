//! What interrupted runs left behind, and run records past their expiry.
//!
//! Only objects of this program, and only those that nobody can still be writing: known to be left by a run of this host that has
//! ended, or untouched for a day by the store's own clock.

use chrono::TimeDelta;

use super::step::{Reason, Step, Work};
use crate::facts::{Facts, Leftover, Listing, Orphan, Series};
use crate::model::PolicySet;
use crate::model::id::{Instant, Name};

/// How long an object without a record may still be in somebody's hands.
const UNTOUCHED: TimeDelta = TimeDelta::hours(24);

/// The sweeps of one store.
pub(super) fn of(set: &PolicySet, facts: &Facts, store: &Name, listing: &Listing) -> Vec<Step> {
    if !listing.complete {
        return Vec::new();
    }
    let mut steps = Vec::new();
    for (name, series) in &listing.series {
        // A series that no policy names is shown and left alone.
        if !set.policies.values().any(|p| p.series == *name && p.stores.contains(store)) {
            continue;
        }
        let orphans: Vec<&Orphan> = orphans(series, facts.at);
        if orphans.is_empty() {
            continue;
        }
        let keys = orphans.iter().flat_map(|o| o.keys.iter().cloned()).collect();
        steps.push(step(set, store, Some(name), keys, orphans.iter().map(|o| o.bytes).sum()));
    }
    let rest: Vec<&Leftover> =
        listing.leftovers.iter().filter(|l| l.abandoned || l.modified + UNTOUCHED < facts.at).chain(&listing.expired_runs).collect();
    if !rest.is_empty() {
        let keys = rest.iter().map(|l| l.key.clone()).collect();
        steps.push(step(set, store, None, keys, rest.iter().map(|l| l.bytes).sum()));
    }
    steps
}

fn orphans(series: &Series, at: Instant) -> Vec<&Orphan> {
    series.orphans.iter().filter(|o| o.abandoned || o.youngest + UNTOUCHED < at).collect()
}

fn step(set: &PolicySet, store: &Name, series: Option<&Name>, keys: Vec<String>, bytes: u64) -> Step {
    let place = series.map_or_else(|| format!("store.{store}"), |s| format!("store.{store}/{s}"));
    Step {
        address: format!("sweep:{place}"),
        work: Work::Sweep { store: store.clone(), series: series.cloned(), keys, bytes },
        reason: Reason::Interrupted {},
        span: set.stores.get(store).map(|s| s.span.clone()),
        after: Vec::new(),
    }
}
