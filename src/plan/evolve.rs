//! The world after a plan: facts advanced by steps, as if each had gone well. With it a year is simulated, and a first plan can say
//! what its own captures will let go.

use super::step::{Plan, Step, Work};
use crate::facts::{Artifact, Facts, Generation, Listing, Owed, Payload, RuntimeFacts, State, StoreFacts};
use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};

/// The facts after a plan has been applied at its own instant.
pub fn evolve(plan: &Plan, facts: &Facts) -> Facts {
    let mut after = facts.clone();
    for step in &plan.steps {
        advance(&mut after, step, plan.as_of);
    }
    after
}

/// The facts after one step.
pub(super) fn advance(facts: &mut Facts, step: &Step, now: Instant) {
    match &step.work {
        Work::Init { store } => {
            let made = Listing { created: Some(now), ..Listing::empty(String::new()) };
            facts.stores.insert(store.clone(), StoreFacts::Ready(Box::new(made)));
        }
        // after a window everything is as it was before
        Work::Stop { .. } | Work::Start { .. } => {}
        Work::Recover { run, .. } => recover(facts, *run),
        Work::Capture { series, store, slot, estimate, .. } => {
            let id = predicted(&step.address, now);
            let artifact = artifact(id, now, *slot, estimate.unwrap_or(0));
            with_series(facts, store, series, |artifacts| artifacts.push(artifact));
        }
        Work::Copy { series, id, of, from, store, as_generation, bytes, .. } => {
            let Some(id) = id.or_else(|| of.as_ref().map(|capture| predicted(capture, now))) else { return };
            let source = facts.stores.get(from).and_then(StoreFacts::listing).and_then(|l| l.series.get(series));
            let Some(original) = source.and_then(|s| s.artifacts.iter().find(|a| a.id == id)).cloned() else { return };
            let generation = Generation {
                n: *as_generation,
                bytes: bytes.unwrap_or(0),
                largest: 0,
                payload: Payload::Complete,
                readable: false,
                check: None,
            };
            with_series(facts, store, series, |artifacts| match artifacts.iter_mut().find(|a| a.id == id) {
                Some(here) => here.generations.push(generation),
                None => artifacts.push(Artifact { generations: vec![generation], locked_until: None, ..original }),
            });
            forget_orphan(facts, store, series, id);
        }
        Work::Delete { series, id, store, .. } => with_series(facts, store, series, |artifacts| artifacts.retain(|a| a.id != *id)),
        Work::Sweep { store, series, keys, .. } => {
            let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(store) else { return };
            if let Some(series) = series.as_ref().and_then(|s| listing.series.get_mut(s)) {
                series.orphans.retain(|o| !o.keys.iter().any(|k| keys.contains(k)));
            } else {
                listing.leftovers.retain(|l| !keys.contains(&l.key));
                listing.expired_runs.retain(|l| !keys.contains(&l.key));
            }
        }
    }
}

/// What the run has quieted works again.
fn recover(facts: &mut Facts, run: Random) {
    let (paid, owed): (Vec<Owed>, Vec<Owed>) = std::mem::take(&mut facts.owed).into_iter().partition(|owed| owed.run == run);
    facts.owed = owed;
    if let RuntimeFacts::Seen(picture) = &mut facts.runtime {
        let woken = |id: &String| paid.iter().any(|owed| owed.containers.contains(id));
        for container in picture.containers.iter_mut().filter(|c| woken(&c.id)) {
            container.state = State::Running;
        }
    }
}

/// The id that stands for an artifact that is still to be made; the same for the same address and instant.
pub(super) fn predicted(address: &str, now: Instant) -> ArtifactId {
    let mut bytes = [0_u8; 10];
    for (place, byte) in address.bytes().enumerate() {
        let slot = &mut bytes[place % 10];
        *slot = slot.rotate_left(3) ^ byte.wrapping_add(u8::try_from(place % 251).unwrap_or(0));
    }
    ArtifactId::new(now, Capture::Full, Random::new(bytes))
}

fn artifact(id: ArtifactId, instant: Instant, slot: Option<Instant>, bytes: u64) -> Artifact {
    let generation = Generation { n: 1, bytes, largest: 0, payload: Payload::Complete, readable: false, check: None };
    Artifact { id, instant, slot, need: None, set: None, generations: vec![generation], holds: Vec::new(), locked_until: None }
}

fn with_series(facts: &mut Facts, store: &Name, series: &Name, change: impl FnOnce(&mut Vec<Artifact>)) {
    if let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(store) {
        change(&mut listing.series.entry(series.clone()).or_default().artifacts);
    }
}

/// Payload that a copy adopts is no orphan any more.
fn forget_orphan(facts: &mut Facts, store: &Name, series: &Name, id: ArtifactId) {
    if let Some(StoreFacts::Ready(listing)) = facts.stores.get_mut(store)
        && let Some(series) = listing.series.get_mut(series)
    {
        let id = id.to_string();
        series.orphans.retain(|o| o.id != id);
    }
}
