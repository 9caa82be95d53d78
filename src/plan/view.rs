//! One policy's artifacts over all the stores that could be seen: the view from which every decision is made.

use std::collections::{HashMap, HashSet};

use super::retention::{Item, Rules, Verdicts, judge};
use crate::facts::{Artifact, Facts, Listing, Series, SourceFacts};
use crate::model::id::{ArtifactId, Instant, Name, Random};
use crate::model::{Policy, PolicySet, Retention};

/// A store of the policy that could be seen.
pub(super) struct Seen<'a> {
    pub(super) store: &'a Name,
    pub(super) listing: &'a Listing,
    artifacts: &'a [Artifact],
    by_random: HashMap<Random, &'a Artifact>,
}

/// A policy's series over its stores.
pub(super) struct View<'a> {
    pub(super) set: &'a PolicySet,
    pub(super) policy: &'a Policy,
    pub(super) now: Instant,
    /// Everything that was seen.
    pub(super) facts: &'a Facts,
    /// The time of the facts.
    pub(super) at: Instant,
    /// What a probe of its source saw.
    pub(super) source: Option<&'a SourceFacts>,
    /// The stores that answered, in the policy's order.
    pub(super) seen: Vec<Seen<'a>>,
}

impl<'a> Seen<'a> {
    fn new(store: &'a Name, listing: &'a Listing, series: Option<&'a Series>) -> Self {
        let artifacts = series.map_or(&[][..], |s| &s.artifacts);
        Self { store, listing, artifacts, by_random: artifacts.iter().map(|a| (a.id.random(), a)).collect() }
    }

    pub(super) fn artifacts(&self) -> &'a [Artifact] {
        self.artifacts
    }

    pub(super) fn find(&self, id: ArtifactId) -> Option<&'a Artifact> {
        self.by_random.get(&id.random()).copied()
    }

    /// Whole here, with what it needs.
    pub(super) fn usable(&self, artifact: &Artifact) -> bool {
        artifact.listed_complete()
            && artifact.need.is_none_or(|need| self.by_random.get(&need).is_some_and(|owner| owner.listed_complete()))
    }

    pub(super) fn series(&self, name: &Name) -> Option<&'a Series> {
        self.listing.series.get(name).map(|series| &**series)
    }
}

impl<'a> View<'a> {
    pub(super) fn new(set: &'a PolicySet, policy: &'a Policy, facts: &'a Facts, now: Instant) -> Self {
        let seen = policy
            .stores
            .iter()
            .filter_map(|name| {
                let listing = facts.stores.get(name)?.listing()?;
                Some(Seen::new(name, listing, listing.series.get(&policy.series).map(|series| &**series)))
            })
            .collect();
        Self { set, policy, now, facts, at: facts.at, source: facts.sources.get(&policy.source), seen }
    }

    /// Whether every store of the policy answered, with a complete listing.
    pub(super) fn whole(&self) -> bool {
        self.seen.len() == self.policy.stores.len() && self.seen.iter().all(|s| s.listing.complete)
    }

    /// Whether an artifact can be restored from some store that was seen.
    pub(super) fn usable_somewhere(&self, id: ArtifactId) -> bool {
        self.seen.iter().any(|s| s.find(id).is_some_and(|a| s.usable(a)))
    }

    pub(super) fn retention(&self, store: &Name) -> Option<&'a Retention> {
        self.policy.retention_for(store).map(|named| &named.value)
    }

    fn rules(&self, store: &Name) -> Rules<'a> {
        Rules { retention: self.retention(store), zone: self.set.zone, now: self.now, seen: self.at }
    }

    /// What a store holds, judged by its own rules.
    pub(super) fn present(&self, seen: &Seen<'a>) -> (Vec<Item>, Verdicts) {
        let items: Vec<Item> = seen.artifacts.iter().map(|a| item(a, Some(a), seen.usable(a))).collect();
        let verdicts = judge(&items, &self.rules(seen.store));
        (items, verdicts)
    }

    /// What a store would hold if it had every artifact that is whole somewhere, judged by its own rules.
    pub(super) fn wanted(&self, seen: &Seen<'a>) -> (Vec<Item>, Verdicts) {
        self.wished(seen, |artifact| !self.too_large(seen, artifact))
    }

    fn wished(&self, seen: &Seen<'a>, takes: impl Fn(&Artifact) -> bool) -> (Vec<Item>, Verdicts) {
        let mut everything: HashMap<Random, &Artifact> = seen.by_random.clone();
        for other in &self.seen {
            for artifact in other.artifacts.iter().filter(|a| other.usable(a)) {
                everything.entry(artifact.id.random()).or_insert(artifact);
            }
        }
        everything.retain(|_, a| seen.find(a.id).is_some() || !(self.refused(seen, a) || self.unknown(seen, a)));
        let begins = super::backfill::begins(self, seen, &everything);
        everything.retain(|_, a| seen.find(a.id).is_some() || takes(a) && begins.is_none_or(|begins| a.instant >= begins));
        let mut items: Vec<Item> = everything.values().map(|a| item(a, seen.find(a.id), self.usable_somewhere(a.id))).collect();
        items.sort_unstable_by_key(|i| i.id);
        let verdicts = judge(&items, &self.rules(seen.store));
        (items, verdicts)
    }

    /// Whether a store takes no copy of an artifact, because somebody without a key could read it.
    fn refused(&self, seen: &Seen<'a>, artifact: &Artifact) -> bool {
        let strict = self.set.stores.get(seen.store).is_some_and(|store| store.require_encryption);
        let readable = |other: &Seen<'a>| {
            let owner = artifact.need.and_then(|need| other.by_random.get(&need).copied());
            [other.find(artifact.id), owner].into_iter().flatten().any(Artifact::readable)
        };
        strict && self.seen.iter().any(readable)
    }

    /// Whether a store would have to know first who can read an artifact: its payload was listed nowhere.
    fn unknown(&self, seen: &Seen<'a>, artifact: &Artifact) -> bool {
        let strict = self.set.stores.get(seen.store).is_some_and(|store| store.require_encryption);
        strict && !self.seen.iter().any(|other| other.listing.payload_listed && other.find(artifact.id).is_some())
    }

    /// Bytes of the largest object that a store would have to take with an artifact: those of the owner of its bytes, unless it has them.
    fn heaviest(&self, seen: &Seen<'a>, artifact: &Artifact) -> u64 {
        let owner = artifact.need.unwrap_or(artifact.id.random());
        if seen.by_random.get(&owner).is_some_and(|a| a.listed_complete()) {
            return 0;
        }
        let elsewhere = self.seen.iter().filter_map(|other| other.by_random.get(&owner));
        elsewhere.flat_map(|a| &a.generations).filter(|g| g.usable()).map(|g| g.largest).max().unwrap_or(0)
    }

    /// Whether a store cannot take a copy of an artifact, because an object of it is larger than the store's largest.
    pub(super) fn too_large(&self, seen: &Seen<'a>, artifact: &Artifact) -> bool {
        seen.listing.largest.is_some_and(|largest| self.heaviest(seen, artifact) > largest)
    }

    /// What a store's rules would keep if it could take it, with the bytes of its largest object. Whether it can is in the manifest as
    /// a rule, so that the others keep it for it.
    pub(super) fn outgrown(&self, seen: &Seen<'a>) -> Vec<(ArtifactId, u64)> {
        let artifacts = || self.seen.iter().flat_map(|other| other.artifacts).filter(|a| self.too_large(seen, a));
        if seen.listing.largest.is_none() || artifacts().next().is_none() {
            return Vec::new();
        }
        let (items, verdicts) = self.wished(seen, |_| true);
        let kept: HashSet<ArtifactId> = items.iter().enumerate().filter(|(n, _)| verdicts.kept(*n)).map(|(_, item)| item.id).collect();
        let mut outgrown: Vec<_> = artifacts().filter(|a| kept.contains(&a.id)).map(|a| (a.id, self.heaviest(seen, a))).collect();
        outgrown.sort_unstable();
        outgrown.dedup();
        outgrown
    }

    /// How many artifacts that are whole elsewhere each store does not take.
    pub(super) fn refusals(&self) -> impl Iterator<Item = (&'a Name, usize)> {
        self.seen.iter().filter_map(|seen| {
            let elsewhere = self.seen.iter().filter(|other| other.store != seen.store).flat_map(|other| other.artifacts);
            let mut refused: Vec<ArtifactId> =
                elsewhere.filter(|a| seen.find(a.id).is_none() && self.refused(seen, a)).map(|a| a.id).collect();
            refused.sort_unstable();
            refused.dedup();
            (!refused.is_empty()).then_some((seen.store, refused.len()))
        })
    }
}

/// Checks and holds count in their own store only, so they come from `here`.
fn item(artifact: &Artifact, here: Option<&Artifact>, complete: bool) -> Item {
    Item {
        id: artifact.id,
        instant: artifact.instant,
        need: artifact.need,
        set: artifact.set,
        complete,
        verified: here.is_some_and(Artifact::verified),
        held: here.is_some_and(|a| !a.holds.is_empty()),
    }
}
