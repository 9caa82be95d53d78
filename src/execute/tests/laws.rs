//! The laws of histories, stated a second time: over bytes as they lie in the stores, and with nothing of the planner but the verdicts
//! of one series ([`judge`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::numbers::payload;
use super::world::{STORES, locked, name, record};
use super::yard::Yard;
use crate::facts::{Artifact, Facts, Listing, Series};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::model::{Policy, PolicySet, PolicyState};
use crate::plan::oracle::begins;
use crate::plan::{FUTURE_TOLERANCE, Item, Rules, judge};
use crate::store::key::CatalogKey;
use crate::store::layout::{self, Place};
use crate::store::record::{Consistency, Record};
use crate::store::{Memory, Object, ReadStore, Sha256Sum};

/// What an artifact holds, whatever the stores say; and what was done to the stores behind the engine's back.
#[derive(Clone, Default)]
pub(super) struct Truth {
    versions: BTreeMap<(Name, ArtifactId), (String, u64)>,
    /// Objects as they are after damage; none for one that was taken away.
    pub(super) damaged: BTreeMap<(usize, String), Option<Vec<u8>>>,
    judged: Ids,
    records: Arc<Mutex<HashMap<String, Arc<Record>>>>,
}

pub(super) type Ids = BTreeSet<(Name, ArtifactId)>;

/// Every record of a store.
pub(super) fn catalog(store: &Memory, instance: &Name) -> Vec<(String, Name, CatalogKey)> {
    let known = |object: Object| match layout::parse(instance, &object.key) {
        Some(Place::Record(series, record)) => Some((object.key, series, record)),
        _ => None,
    };
    store.list(&layout::Area::Catalog.folder(instance)).unwrap().into_iter().filter_map(known).collect()
}

/// What is wrong with removing this record now.
pub(super) fn removal(raw: &Memory, number: usize, instance: &Name, series: &Name, key: &CatalogKey, facts: &Facts) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |why: String| wrong.push(format!("{} of {series} is deleted on {}, {why}", key.id, STORES[number]));
    let holds = layout::holds_folder(instance, series, &key.id);
    if !raw.list(&holds).unwrap().is_empty() {
        say("and it is held there".to_owned());
    }
    if let Some((_, _, child)) = catalog(raw, instance).iter().find(|(_, s, k)| s == series && k.need == Some(key.id.random())) {
        say(format!("and {} needs it there", child.id));
    }
    if let Some(listed) = listing(facts, number).and_then(|l| l.series.get(series)) {
        let counts = |a: &&Artifact| usable(listed, a) && a.instant <= facts.at + FUTURE_TOLERANCE;
        if listed.artifacts.iter().filter(counts).max_by_key(|a| (a.instant, a.id)).is_some_and(|newest| newest.id == key.id) {
            say("and it is the newest complete one there".to_owned());
        }
    }
    wrong
}

/// Complete here, with what it needs.
pub(super) fn usable(series: &Series, artifact: &Artifact) -> bool {
    let owner = |need| series.artifacts.iter().find(|a| a.id.random() == need);
    artifact.listed_complete() && artifact.need.is_none_or(|need| owner(need).is_some_and(Artifact::listed_complete))
}

/// What a store listed, if it did.
pub(super) fn listing(facts: &Facts, number: usize) -> Option<&Listing> {
    facts.stores.get(&name(STORES[number]))?.listing()
}

fn seen<'a>(policy: &Policy, facts: &'a Facts) -> Vec<(Name, &'a Listing)> {
    policy.stores.iter().filter_map(|s| Some((s.clone(), facts.stores.get(s)?.listing()?))).collect()
}

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

impl Truth {
    /// Learns what new artifacts hold, from what their sources were last read as.
    pub(super) fn learn(&mut self, set: &PolicySet, stores: &[Memory; 2], read: &BTreeMap<Name, u64>) -> Vec<String> {
        let mut new: BTreeMap<Name, BTreeSet<ArtifactId>> = BTreeMap::new();
        for store in stores {
            for (_, series, key) in catalog(store, &set.instance) {
                if !self.versions.contains_key(&(series.clone(), key.id)) {
                    new.entry(series).or_default().insert(key.id);
                }
            }
        }
        let mut wrong = Vec::new();
        for (series, ids) in new {
            if ids.len() > 1 {
                wrong.push(format!("one run captured {series} {} times", ids.len()));
            }
            let source = &set.policies.values().find(|p| p.series == series).unwrap().source;
            self.versions.extend(ids.into_iter().map(|id| ((series.clone(), id), (source.to_string(), read[source]))));
        }
        wrong
    }

    /// New artifacts that say they are of one instant, though a service worked that was to be quiet. Each is looked at once.
    pub(super) fn unclean(&mut self, set: &PolicySet, stores: &[Memory; 2], yard: &Yard) -> Vec<String> {
        let mut wrong = Vec::new();
        for store in stores {
            for (key, series, found) in catalog(store, &set.instance) {
                if !self.judged.insert((series.clone(), found.id)) {
                    continue;
                }
                let record = self.record(store, &key);
                let Some(policy) = set.policies.values().find(|p| p.series == series) else { continue };
                if record.payload_of.is_none() && record.consistency == Consistency::Clean && yard.worked(&policy.source) {
                    wrong.push(format!("{} of {series} says `clean`, though a service worked while it was captured", found.id));
                }
            }
        }
        wrong
    }

    fn record(&self, store: &Memory, key: &str) -> Arc<Record> {
        Arc::clone(locked(&self.records).entry(key.to_owned()).or_insert_with(|| Arc::new(record(store, key))))
    }

    /// Whether the bytes of one generation are what was captured.
    fn generation_is_good(&self, store: &Memory, instance: &Name, series: &Name, id: ArtifactId, n: u32, record: &Record) -> bool {
        let folder = layout::payload_folder(instance, series, &id, n);
        let mut bytes = Vec::new();
        for object in record.objects() {
            let Ok(found) = store.get(&format!("{folder}{}", object.name)) else { return false };
            if Sha256Sum::of(&found) != object.sha256 {
                return false;
            }
            if record.index.as_ref() != Some(object) {
                bytes.extend(found);
            }
        }
        self.versions.get(&(series.clone(), id)).is_none_or(|(source, version)| bytes == payload(source, *version))
    }

    /// What can be restored from a store, by its bytes.
    pub(super) fn restorable(&self, store: &Memory, instance: &Name) -> Ids {
        let (mut good, mut pointers) = (Ids::new(), Vec::new());
        for (key, series, found) in catalog(store, instance) {
            let record = self.record(store, &key);
            match &record.payload_of {
                Some(owner) => pointers.push((series, found.id, owner.id)),
                None => {
                    if self.generation_is_good(store, instance, &series, found.id, found.generation, &record) {
                        good.insert((series, found.id));
                    }
                }
            }
        }
        for (series, id, owner) in pointers {
            let version = |id| self.versions.get(&(series.clone(), id));
            if good.contains(&(series.clone(), owner)) && version(id).is_none_or(|v| version(owner) == Some(v)) {
                good.insert((series, id));
            }
        }
        good
    }

    /// What some store's rules keep and what can be restored from somewhere, by all that there is to see. Left out is what a store
    /// lists as whole and is not: nobody can know. While the first store of a policy is out of reach, the others keep their own rules.
    pub(super) fn wanted(&self, set: &PolicySet, raw: &[Memory; 2], facts: &Facts, down: [bool; 2]) -> Ids {
        let is_down = |store: &Name| down[usize::from(store.as_str() != STORES[0])];
        let real: Vec<Ids> = raw.iter().map(|store| self.restorable(store, &set.instance)).collect();
        let mut wanted = Ids::new();
        for policy in set.policies.values() {
            let seen = seen(policy, facts);
            let mut whole: BTreeMap<ArtifactId, &Artifact> = BTreeMap::new();
            let mut rotten: BTreeSet<ArtifactId> = BTreeSet::new();
            for (store, listing) in &seen {
                let Some(series) = listing.series.get(&policy.series) else { continue };
                let number = usize::from(store.as_str() != STORES[0]);
                for artifact in series.artifacts.iter().filter(|a| usable(series, a)) {
                    whole.insert(artifact.id, artifact);
                    if !real[number].contains(&(policy.series.clone(), artifact.id)) {
                        rotten.insert(artifact.id);
                    }
                }
            }
            let first_down = policy.stores.first().is_some_and(is_down);
            for (store, listing) in seen.iter().filter(|(store, _)| !first_down || !is_down(store)) {
                let here: BTreeMap<ArtifactId, &Artifact> =
                    listing.series.get(&policy.series).into_iter().flat_map(|s| &s.artifacts).map(|a| (a.id, a)).collect();
                let all: BTreeMap<ArtifactId, &Artifact> = whole.iter().chain(&here).map(|(id, a)| (*id, *a)).collect();
                let begins = begins(set, store, (facts.at, listing.created), &here, &all);
                let given = all.values().filter(|a| here.contains_key(&a.id) || begins.is_none_or(|begins| a.instant >= begins));
                let items: Vec<Item> = given.map(|a| item(a, here.get(&a.id).copied(), whole.contains_key(&a.id))).collect();
                let kept = self.kept(set, policy, store, &items, facts.at);
                wanted.extend(kept.filter(|id| whole.contains_key(id) && !rotten.contains(id)).map(|id| (policy.series.clone(), id)));
            }
        }
        wanted.retain(|one| real.iter().any(|ids| ids.contains(one)));
        wanted
    }

    #[expect(clippy::unused_self, reason = "reads as one of the laws")]
    fn kept<'i>(
        &self,
        set: &PolicySet,
        policy: &Policy,
        store: &Name,
        items: &'i [Item],
        at: Instant,
    ) -> impl Iterator<Item = ArtifactId> + use<'i> {
        let retention = policy.retention_for(store).map(|named| &named.value);
        let verdicts = judge(items, &Rules { retention, zone: set.zone, now: at, seen: at });
        items.iter().enumerate().filter(move |(n, _)| verdicts.kept(*n)).map(|(_, i)| i.id)
    }

    /// What is listed as whole and does not restore, though nobody damaged it.
    pub(super) fn lies(&self, set: &PolicySet, stores: &[Memory; 2], facts: &Facts) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, raw) in stores.iter().enumerate() {
            let Some(listing) = listing(facts, number) else { continue };
            let records: BTreeMap<(Name, ArtifactId, u32), String> =
                catalog(raw, &set.instance).into_iter().map(|(key, series, k)| ((series, k.id, k.generation), key)).collect();
            for (series, listed) in &listing.series {
                for artifact in listed.artifacts.iter().filter(|a| usable(listed, a)) {
                    let owner = artifact.need.and_then(|need| listed.artifacts.iter().find(|a| a.id.random() == need)).unwrap_or(artifact);
                    let n = owner.usable_generation().map_or(0, |g| g.n);
                    let record = self.record(raw, &records[&(series.clone(), owner.id, n)]);
                    let folder = layout::payload_folder(&set.instance, series, &owner.id, n);
                    let same = self.versions.get(&(series.clone(), artifact.id)) == self.versions.get(&(series.clone(), owner.id));
                    let good = self.generation_is_good(raw, &set.instance, series, owner.id, n, &record);
                    if !same || !good && !self.is_damaged(raw, number, &folder) {
                        wrong.push(format!("{} of {series} is listed whole on {} and does not restore", artifact.id, STORES[number]));
                    }
                }
            }
        }
        wrong
    }

    fn is_damaged(&self, raw: &Memory, number: usize, folder: &str) -> bool {
        let still = |key: &str, bytes: &Option<Vec<u8>>| raw.get(key).ok() == *bytes;
        self.damaged.iter().any(|((n, key), bytes)| *n == number && key.starts_with(folder) && still(key, bytes))
    }

    /// Whether something is listed as whole that is not.
    pub(super) fn rotten(&self, set: &PolicySet, stores: &[Memory; 2], facts: &Facts) -> bool {
        stores.iter().enumerate().any(|(number, raw)| {
            let real = self.restorable(raw, &set.instance);
            let series = listing(facts, number).into_iter().flat_map(|l| &l.series);
            series.into_iter().any(|(name, s)| s.artifacts.iter().any(|a| usable(s, a) && !real.contains(&(name.clone(), a.id))))
        })
    }

    /// What lies in the stores and no rule explains, once all is well and everything was applied.
    pub(super) fn unexplained(&self, set: &PolicySet, stores: &[Memory; 2], facts: &Facts) -> Vec<String> {
        let mut wrong = Vec::new();
        for policy in set.policies.values().filter(|p| p.state != PolicyState::Paused) {
            let seen = seen(policy, facts);
            for (store, listing) in &seen {
                let Some(series) = listing.series.get(&policy.series) else { continue };
                let items: Vec<Item> = series.artifacts.iter().map(|a| item(a, Some(a), usable(series, a))).collect();
                let mut explained: BTreeSet<ArtifactId> = self.kept(set, policy, store, &items, facts.at).collect();
                // what is whole nowhere stays for as long as any store's rules would keep it
                for (other, listing) in seen.iter().filter(|(other, _)| other != store) {
                    let there = |id| listing.series.get(&policy.series)?.artifacts.iter().find(|a| a.id == id);
                    let theirs: Vec<Item> = series.artifacts.iter().map(|a| item(a, there(a.id), usable(series, a))).collect();
                    let broken = theirs.iter().filter(|i| !i.complete).map(|i| i.id).collect::<BTreeSet<_>>();
                    explained.extend(self.kept(set, policy, other, &theirs, facts.at).filter(|id| broken.contains(id)));
                }
                // what its store has promised, and what that needs
                let raw = &stores[usize::from(store.as_str() != STORES[0])];
                let promised =
                    catalog(raw, &set.instance).into_iter().filter(|(key, s, _)| *s == policy.series && locked_at(raw, key, facts.at));
                for (_, _, key) in promised {
                    explained.extend(series.artifacts.iter().filter(|a| a.id == key.id || Some(a.id.random()) == key.need).map(|a| a.id));
                }
                let more = series.artifacts.iter().filter(|a| !explained.contains(&a.id));
                wrong.extend(more.map(|a| format!("{} of {} stays on {store} for no reason", a.id, policy.series)));
            }
        }
        for (number, raw) in stores.iter().enumerate() {
            let catalog = catalog(raw, &set.instance);
            let written = |series: &Name| set.policies.values().any(|p| p.series == *series && p.stores.contains(&name(STORES[number])));
            let there = |series: &Name, id: ArtifactId| catalog.iter().any(|(_, s, k)| s == series && k.id == id);
            for key in raw.keys() {
                let lost = match layout::parse(&set.instance, &key) {
                    // what no policy writes there is left alone, whatever it is
                    Some(Place::Data { series, id, .. } | Place::Check(series, id, _)) => written(&series) && !there(&series, id),
                    Some(_) => false,
                    None => true,
                };
                if lost && !locked_at(raw, &key, facts.at) {
                    wrong.push(format!("`{key}` lies on {} and belongs to nothing", STORES[number]));
                }
            }
            if let Some(leftover) = raw.leftovers("").unwrap().first() {
                wrong.push(format!("`{}` was never finished on {}", leftover.key, STORES[number]));
            }
        }
        wrong
    }

    /// Owners of bytes that may go before what points at them: their promise is shorter.
    #[expect(clippy::unused_self, reason = "reads as one of the laws")]
    pub(super) fn unpromised(&self, stores: &[Memory; 2], instance: &Name) -> Vec<String> {
        let mut wrong = Vec::new();
        for raw in stores {
            let catalog = catalog(raw, instance);
            for (key, series, child) in catalog.iter().filter(|(_, _, key)| key.need.is_some()) {
                let Some(until) = raw.retained(key).unwrap() else { continue };
                // one whole generation is enough, and of one that has lost its payload nothing is worth keeping
                let generations: Vec<Vec<String>> = catalog
                    .iter()
                    .filter(|(_, s, k)| s == series && Some(k.id.random()) == child.need)
                    .map(|(key, s, k)| {
                        let payload = raw.list(&layout::payload_folder(instance, s, &k.id, k.generation)).unwrap();
                        payload.into_iter().map(|object| object.key).chain([key.clone()]).collect()
                    })
                    .filter(|keys: &Vec<String>| keys.len() > 1)
                    .collect();
                let promised = |key: &String| raw.retained(key).unwrap().is_some_and(|own| own >= until);
                if !generations.is_empty() && !generations.iter().any(|keys| keys.iter().all(promised)) {
                    wrong.push(format!("the bytes of {} of {series} may go before it", child.id));
                }
            }
        }
        wrong
    }

    /// New artifacts whose slot was satisfied already.
    pub(super) fn captured_again(set: &PolicySet, before: &Facts, known: &Ids, after: &Ids, as_of: Instant) -> Vec<String> {
        let mut wrong = Vec::new();
        let slots = |facts: &Facts, policy: &Policy| -> Vec<(ArtifactId, Instant)> {
            let listings = policy.stores.iter().filter_map(|s| facts.stores.get(s)?.listing()?.series.get(&policy.series));
            let whole = listings.flat_map(|s| s.artifacts.iter().filter(|a| usable(s, a)));
            whole.filter_map(|a| Some((a.id, a.slot?))).filter(|(_, slot)| *slot <= as_of).collect()
        };
        for (series, id) in after.difference(known) {
            let Some(policy) = set.policies.values().find(|p| p.series == *series) else { continue };
            let slot = policy.schedule.as_ref().and_then(|s| s.value.newest_at_or_before(as_of, set.zone));
            if let Some((other, _)) = slots(before, policy).into_iter().find(|(_, s)| Some(*s) >= slot && slot.is_some()) {
                wrong.push(format!("{id} of {series} was captured for a slot that {other} satisfies"));
            }
        }
        wrong
    }
}

/// Whether a store does not give an object up yet.
fn locked_at(store: &Memory, key: &str, at: Instant) -> bool {
    store.retained(key).unwrap().is_some_and(|until| until > at)
}

/// Every artifact of a store.
pub(super) fn ids(store: &Memory, instance: &Name) -> Ids {
    catalog(store, instance).into_iter().map(|(_, series, key)| (series, key.id)).collect()
}

/// The policy's name of a series, for keys in notes.
pub(super) fn series_names(set: &PolicySet) -> Vec<Name> {
    set.policies.values().map(|p| name(p.series.as_str())).collect()
}
