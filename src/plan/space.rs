//! Room for what is to be made: a full store must not stay full, and a store with room must not be filled to the brim.
//!
//! Deletes that are right without the new artifact come before a capture that would leave less than `min_free`; a capture for
//! which even that is not enough is refused.

use super::decide::removals_in;
use super::step::{Step, Work};
use super::{Request, problem};
use crate::facts::{Facts, StoreFacts};
use crate::finding::Finding;
use crate::model::PolicySet;
use crate::model::id::{Instant, Name};

/// The deletes that come first, for captures that need the room; captures that cannot have it are taken out of `makes`.
pub(super) fn early(
    set: &PolicySet,
    facts: &Facts,
    now: Instant,
    request: &Request,
    makes: &mut Vec<Step>,
    findings: &mut Vec<Finding>,
) -> Vec<Step> {
    let tight: Vec<Name> = facts.stores.keys().filter(|store| short_of(set, facts, makes, store, 0) > 0).cloned().collect();
    if tight.is_empty() {
        return Vec::new();
    }
    let mut unsaid = Vec::new();
    let steps: Vec<Step> = removals_in(set, facts, now, request, &mut unsaid)
        .steps
        .into_iter()
        .filter(|s| s.work.deletes() && s.work.store().is_some_and(|store| tight.contains(store)))
        .collect();
    for store in &tight {
        let freed = steps.iter().filter(|s| s.work.store() == Some(store)).map(|s| bytes(&s.work)).sum();
        let short = short_of(set, facts, makes, store, freed);
        if short > 0 {
            let refused = |s: &Step| matches!(s.work, Work::Capture { .. }) && s.work.store() == Some(store);
            for policy in makes.iter().filter(|s| refused(s)).filter_map(|s| set.policies.get(s.work.policy()?)) {
                findings.push(problem::no_room(set, policy, store, short));
            }
            makes.retain(|s| !refused(s));
        }
    }
    for make in
        makes.iter_mut().filter(|s| matches!(s.work, Work::Capture { .. }) && s.work.store().is_some_and(|store| tight.contains(store)))
    {
        let store = make.work.store().cloned();
        make.after.extend(steps.iter().filter(|s| s.work.store() == store.as_ref()).map(|s| s.address.clone()));
    }
    steps
}

/// Bytes that the captures of a store lack so that `min_free` stays free.
fn short_of(set: &PolicySet, facts: &Facts, makes: &[Step], store: &Name, freed: u64) -> u64 {
    let Some(min_free) = set.stores.get(store).and_then(|s| s.min_free) else { return 0 };
    let Some(free) = facts.stores.get(store).and_then(StoreFacts::listing).and_then(|l| l.free) else { return 0 };
    let captures: Vec<u64> =
        makes.iter().filter(|s| matches!(s.work, Work::Capture { .. }) && s.work.store() == Some(store)).map(|s| bytes(&s.work)).collect();
    if captures.is_empty() { 0 } else { (min_free + captures.iter().sum::<u64>()).saturating_sub(free + freed) }
}

fn bytes(work: &Work) -> u64 {
    match work {
        Work::Capture { estimate, .. } => estimate.unwrap_or(0),
        Work::Delete { bytes, .. } | Work::Sweep { bytes, .. } => *bytes,
        Work::Copy { bytes, .. } => bytes.unwrap_or(0),
        Work::Init { .. } | Work::Recover { .. } | Work::Stop { .. } | Work::Start { .. } => 0,
    }
}
