//! Copies that a store's retention keeps and the store lacks, or holds damaged. A copy is never captured again.

use super::retention::Keep;
use super::step::{Reason, Step, Work};
use super::view::View;
use crate::model::PolicyState;
use crate::model::id::Instant;

/// The copies of one policy, owners of bytes before those that need them.
pub(super) fn missing(view: &View<'_>) -> Vec<Step> {
    if view.policy.state == PolicyState::Paused || view.seen.len() < 2 {
        return Vec::new();
    }
    let mut found: Vec<(bool, Instant, Step)> = Vec::new();
    for seen in view.seen.iter().filter(|s| s.listing.complete) {
        let (items, verdicts) = view.wanted(seen);
        for (number, item) in items.iter().enumerate() {
            let here = seen.find(item.id);
            if !verdicts.kept(number) || here.is_some_and(crate::facts::Artifact::listed_complete) {
                continue;
            }
            let good = view.seen.iter().filter(|other| other.store != seen.store && other.listing.complete).find_map(|other| {
                let artifact = other.find(item.id).filter(|a| other.usable(a) && !view.too_large(seen, a))?;
                Some((other.store, artifact.usable_generation()?))
            });
            let Some((from, generation)) = good else { continue };
            let work = Work::Copy {
                policy: view.policy.name.clone(),
                series: view.policy.series.clone(),
                id: Some(item.id),
                of: None,
                from: from.clone(),
                store: seen.store.clone(),
                generation: generation.n,
                as_generation: here.map_or(1, crate::facts::Artifact::next_generation),
                bytes: Some(generation.bytes),
            };
            let step = Step {
                address: format!("copy:policy.{}/{}@{}", view.policy.name, item.id, seen.store),
                work,
                reason: if here.is_some() { Reason::DamagedCopy {} } else { Reason::MissingCopy {} },
                span: view.policy.store_span(seen.store).cloned(),
                after: Vec::new(),
            };
            found.push((item.need.is_some(), item.instant, step));
        }
    }
    found.sort_by(|a, b| (a.0, a.1, &a.2.address).cmp(&(b.0, b.1, &b.2.address)));
    order_needs_first(view, found.into_iter().map(|(_, _, step)| step).collect())
}

/// A copy waits for the copy of what it needs.
fn order_needs_first(view: &View<'_>, mut steps: Vec<Step>) -> Vec<Step> {
    let mut by_target = std::collections::HashMap::new();
    for step in &steps {
        if let Work::Copy { id: Some(id), store, .. } = &step.work {
            by_target.insert((id.random(), store.clone()), step.address.clone());
        }
    }
    for step in &mut steps {
        let Work::Copy { id: Some(id), store, .. } = &step.work else { continue };
        let need = view.seen.iter().find_map(|s| s.find(*id)).and_then(|a| a.need);
        step.after.extend(need.and_then(|need| by_target.get(&(need, store.clone())).cloned()));
    }
    steps
}

/// For each store, what other stores' rules keep and those stores lack: `(artifact, the store that lacks it)`.
pub(super) fn awaited(view: &View<'_>, store: &str) -> Vec<(crate::model::id::ArtifactId, Keep)> {
    let mut pins = Vec::new();
    for other in view.seen.iter().filter(|s| s.store.as_str() != store) {
        let (items, verdicts) = view.wanted(other);
        for (number, item) in items.iter().enumerate() {
            if verdicts.kept(number) && !other.find(item.id).is_some_and(|a| other.usable(a)) {
                pins.push((item.id, Keep::AwaitingCopy { store: other.store.to_string() }));
            }
        }
        pins.extend(view.outgrown(other).into_iter().map(|(id, _)| (id, Keep::AwaitingCopy { store: other.store.to_string() })));
    }
    pins
}
