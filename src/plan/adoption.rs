//! Where an artifact that is adopted goes, and whether it would stay there.
//!
//! It goes where a capture would go, under the same guards. Unlike a capture it has no delete before it: adopting takes nothing away,
//! not even to make room.

use super::view::View;
use super::{Request, due, explain, problem};
use crate::facts::{Artifact, Facts, Generation, Payload, StoreFacts};
use crate::finding::Finding;
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{Policy, PolicySet};

/// The first store of a policy that can take so many bytes; else all that stands in the way.
pub fn room_for(set: &PolicySet, facts: &Facts, policy: &Policy, bytes: u64) -> Result<Name, Vec<Finding>> {
    let request = Request { only: [policy.name.clone()].into(), ..Request::default() };
    let mut findings = problem::stores(set, facts, &request);
    let view = View::new(set, policy, facts, facts.at);
    let Some(store) = due::first_usable(&view, facts, &mut findings) else { return Err(findings) };
    let free = facts.stores.get(&store).and_then(StoreFacts::listing).and_then(|listing| listing.free);
    let least = set.stores.get(&store).and_then(|store| store.min_free);
    if let (Some(free), Some(least)) = (free, least) {
        let short = least.saturating_add(bytes).saturating_sub(free);
        if short > 0 {
            return Err(vec![problem::no_room_for(set, &format!("policy `{}` adopts nothing", policy.name), &store, short)]);
        }
    }
    Ok(store)
}

/// Whether retention would let an artifact go that a store gets now, with content of another time.
pub fn lets_go(set: &PolicySet, facts: &Facts, policy: &Policy, store: &Name, (id, instant): (ArtifactId, Instant)) -> bool {
    let mut world = facts.clone();
    let Some(StoreFacts::Ready(listing)) = world.stores.get_mut(store) else { return false };
    let made = Generation { n: 1, bytes: 0, largest: 0, payload: Payload::Complete, readable: false, check: None };
    listing.series.entry(policy.series.clone()).or_default().artifacts.push(Artifact {
        id,
        instant,
        slot: None,
        need: None,
        set: None,
        generations: vec![made],
        holds: Vec::new(),
        locked_until: None,
    });
    let verdicts = explain(set, &world, facts.at);
    verdicts.iter().any(|one| one.id == id && one.store == *store && one.policy == policy.name && one.keep.is_none())
}
