//! The laws that are looked at after every run of a history.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;
use super::laws::{Truth, catalog, ids, listing, series_names};
use super::watched::Look;
use super::world::{STORES, name};
use crate::facts::Facts;
use crate::model::id::{ArtifactId, Name};
use crate::plan::Plan;
use crate::store::{ReadStore, layout};

impl History<'_> {
    pub(super) fn nothing_lies(&self, facts: &Facts) -> Result<(), String> {
        self.world.truth.lies(&self.world.set, &self.world.stores, facts).into_iter().next().map_or(Ok(()), Err)
    }

    pub(super) fn nothing_is_lost(&self, looks: &[Look]) -> Result<(), String> {
        let world = &self.world;
        let mut left = BTreeSet::new();
        for store in &world.stores {
            left.extend(world.truth.restorable(store, &world.instance));
        }
        for wanted in looks.iter().filter_map(|look| look.wanted.as_ref()) {
            if let Some((series, id)) = wanted.difference(&left).next() {
                return Err(format!("{id} of {series} was kept by a store's rules, could be restored, and cannot be now"));
            }
        }
        Ok(())
    }

    pub(super) fn nothing_twice(
        &self,
        before: &[BTreeSet<(Name, ArtifactId)>; 2],
        facts: Option<&Facts>,
        plan: &Plan,
    ) -> Result<(), String> {
        let known: BTreeSet<_> = before.iter().flatten().cloned().collect();
        let after: BTreeSet<_> = self.world.stores.iter().flat_map(|s| ids(s, &self.world.instance)).collect();
        if let Some(facts) = facts {
            let wrong = Truth::captured_again(&self.world.set, facts, &known, &after, plan.as_of);
            wrong.into_iter().next().map_or(Ok(()), Err)?;
        }
        if !self.calm {
            return Ok(());
        }
        for (series, slot) in series_names(&self.world.set).iter().flat_map(|s| self.slots(s)).fold(BTreeMap::new(), |mut map, at| {
            *map.entry(at).or_insert(0) += 1;
            map
        }) {
            if slot > 1 {
                return Err(format!("{} has {slot} artifacts for the slot {}", series.0, series.1));
            }
        }
        Ok(())
    }

    /// Slots of the artifacts of a series, each artifact once.
    pub(super) fn slots(&self, series: &Name) -> Vec<(Name, crate::model::Instant)> {
        let mut found = BTreeMap::new();
        for store in &self.world.stores {
            found.extend(catalog(store, &self.world.instance).into_iter().filter(|(_, s, _)| s == series).map(|(_, _, k)| (k.id, k.slot)));
        }
        found.into_values().flatten().map(|slot| (series.clone(), slot)).collect()
    }

    /// A copy of what is held is held, even if the run died over it.
    pub(super) fn copies_are_held(&self, before: &[BTreeSet<(Name, ArtifactId)>; 2], looks: &[Look]) -> Result<(), String> {
        let Some(look) = looks.first() else { return Ok(()) };
        for (number, store) in self.world.stores.iter().enumerate() {
            let Some(other) = listing(&look.facts, 1 - number) else { continue };
            for (series, id) in ids(store, &self.world.instance).difference(&before[number]) {
                let original = other.series.get(series).and_then(|s| s.artifacts.iter().find(|a| a.id == *id));
                let held = store.list(&layout::holds_folder(&self.world.instance, series, id)).unwrap().len();
                if original.is_some_and(|a| a.holds.len() > held) {
                    return Err(format!("{id} of {series} is held, and its copy on {} is not", STORES[number]));
                }
            }
        }
        Ok(())
    }

    /// What was deleted on a store does not come back there.
    pub(super) fn nothing_flaps(&mut self, before: &[BTreeSet<(Name, ArtifactId)>; 2]) -> Result<(), String> {
        for (number, store) in self.world.stores.iter().enumerate() {
            let after = ids(store, &self.world.instance);
            for (series, id) in after.difference(&before[number]) {
                if self.gone.contains(&(number, series.clone(), *id)) {
                    return Err(format!("{id} of {series} was deleted on {} and is there again", STORES[number]));
                }
            }
            self.gone.extend(before[number].difference(&after).map(|(series, id)| (number, series.clone(), *id)));
            self.there[number] = after;
        }
        Ok(())
    }

    /// What a run left that was killed is gone after the next good one that could reach it.
    pub(super) fn nothing_abandoned(&self, facts: &Facts, down: [bool; 2]) -> Result<(), String> {
        for (number, down) in down.into_iter().enumerate() {
            let Some(listing) = listing(facts, number).filter(|_| !down) else { continue };
            let named =
                |series: &Name| self.world.set.policies.values().any(|p| p.series == *series && p.stores.contains(&name(STORES[number])));
            let orphans = listing.series.iter().filter(|(s, _)| named(s)).flat_map(|(_, s)| &s.orphans).filter(|o| o.abandoned);
            let free = |key: &&String| self.world.stores[number].retained(key).unwrap().is_none_or(|until| until <= self.world.now());
            let left = orphans.flat_map(|o| &o.keys).chain(listing.leftovers.iter().filter(|l| l.abandoned).map(|l| &l.key)).find(free);
            if let Some(key) = left {
                return Err(format!("`{key}` was left by a run that is dead, and stays on {}", STORES[number]));
            }
        }
        Ok(())
    }
}
