//! The listings of one instance, joined by artifact.
//!
//! The catalogue comes in pieces, and records of one artifact can come in two of them: nothing is judged before the last one. Artifacts are
//! in the order of their ids then, so that what comes by key mostly finds its artifact next to the last one.
//!
//! Of several checks of a generation one stands. A failure stands until a pass at its level or deeper; a pass stands until the
//! next one that read stored bytes (level 1 and up), so that a look at presence does not undo it; what could not be run stands
//! only while there is nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::facts::{Artifact, Check, CheckResult, Generation, Hold, Leftover, Listing, Payload, Series, Shared};
use crate::model::id::{ArtifactId, Instant, Name};
use crate::store::documents;
use crate::store::key::{CatalogKey, RECORD_SUFFIX};
use crate::store::layout::{self, Area, CheckKey, MARK, Place, SCRATCH_PREFIX, Verdict};
use crate::store::{Object, Reach, ReadStore, StoreError, Survey};

/// Foreign keys that are named; a wrong path must not make a listing of somebody's home.
const FOREIGN: usize = 1000;
/// Run records that one look reads.
const RUNS: usize = 1000;

pub(super) struct Join<'a> {
    pub(super) store: &'a dyn ReadStore,
    pub(super) instance: &'a Name,
    pub(super) listing: Listing,
    /// By series, ids whose records cannot be read: their payload is nobody's orphan.
    pub(super) veiled: BTreeMap<Name, BTreeSet<String>>,
    /// Payload of generations that did not add up at once, or that no record names.
    pub(super) open: BTreeMap<(Name, ArtifactId, u32), Vec<Object>>,
}

impl<'a> Join<'a> {
    pub(super) fn new(store: &'a dyn ReadStore, instance: &'a Name, listing: Listing) -> Self {
        Self { store, instance, listing, veiled: BTreeMap::new(), open: BTreeMap::new() }
    }

    pub(super) fn finish(mut self) -> Listing {
        for series in self.listing.series.values_mut() {
            series.artifacts.retain(|artifact| !artifact.generations.is_empty());
        }
        self.listing.foreign.sort_unstable();
        self.listing.leftovers.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.listing
    }

    /// What lies beside the instance.
    pub(super) fn around(&mut self, root: Survey) -> Result<(), StoreError> {
        for folder in root.folders.iter().filter(|folder| folder.strip_suffix('/') != Some(self.instance.as_str())) {
            // what `doctor` tries out goes with it; some services list its folder a while longer
            if !folder.starts_with(SCRATCH_PREFIX) && !self.is_instance(folder) {
                self.foreign(folder.clone());
            }
        }
        let objects = self.rest(root);
        self.strange(objects.into_iter().filter(|object| object.key != MARK));
        let inside = self.store.survey(&format!("{}/", self.instance), Reach::Flat)?;
        for folder in inside.folders.iter().filter(|folder| Area::from_name(folder.trim_end_matches('/')).is_none()) {
            self.foreign(format!("{}/{folder}", self.instance));
        }
        let objects = self.rest(inside);
        self.strange(objects);
        Ok(())
    }

    /// Whether a folder beside ours is another instance's: it holds areas and nothing else.
    fn is_instance(&self, folder: &str) -> bool {
        let named = folder.strip_suffix('/').is_some_and(|name| name.parse::<Name>().is_ok());
        let inside = if named { self.store.survey(folder, Reach::Flat).ok() } else { None };
        inside.is_some_and(|inside| {
            let known = |folder: &String| Area::from_name(folder.trim_end_matches('/')).is_some();
            inside.objects.is_empty() && inside.strangers.is_empty() && !inside.folders.is_empty() && inside.folders.iter().all(known)
        })
    }

    /// Takes a survey of objects that need no more than to be ours.
    pub(super) fn take(&mut self, survey: Survey, ours: impl Fn(&Place<'_>) -> bool) {
        let instance = self.instance;
        let objects = self.rest(survey);
        self.strange(objects.into_iter().filter(|object| !layout::parse(instance, &object.key).is_some_and(|place| ours(&place))));
    }

    /// Takes what every survey has beside its objects.
    pub(super) fn rest(&mut self, survey: Survey) -> Vec<Object> {
        self.listing.complete &= survey.unread.is_empty();
        self.listing.leftovers.extend(survey.leftovers.into_iter().map(leftover));
        survey.strangers.into_iter().for_each(|key| self.foreign(key));
        survey.objects
    }

    pub(super) fn strange(&mut self, objects: impl IntoIterator<Item = Object>) {
        objects.into_iter().for_each(|object| self.foreign(object.key));
    }

    pub(super) fn foreign(&mut self, key: String) {
        if self.listing.foreign.len() < FOREIGN {
            self.listing.foreign.push(key);
        }
    }

    /// A piece of the catalogue.
    pub(super) fn catalog(&mut self, objects: Vec<Object>) {
        let prefix = Area::Catalog.folder(self.instance).len();
        let mut at: Option<(Name, Shared<Series>)> = None;
        for Object { key, bytes, .. } in objects {
            let parts = key[prefix..].split_once('/').filter(|(_, file)| !file.contains('/') && file.ends_with(RECORD_SUFFIX));
            let Some((text, file)) = parts else {
                self.foreign(key);
                continue;
            };
            if at.as_ref().is_none_or(|(name, _)| name.as_str() != text) {
                let Ok(name) = text.parse::<Name>() else {
                    self.foreign(key);
                    continue;
                };
                self.put_back(at.take());
                let series = self.listing.series.remove(&name).unwrap_or_default();
                at = Some((name, series));
            }
            let Some((name, series)) = &mut at else { continue };
            // no record is empty; one that is was cut off by something below us
            if let Some(known) = CatalogKey::from_file_name(file).ok().filter(|_| bytes > 0) {
                series.artifacts.push(artifact(&known, self.listing.payload_listed));
            } else {
                let id = file.split('_').next().unwrap_or_default().to_owned();
                self.veiled.entry(name.clone()).or_default().insert(id);
                series.unreadable.push(key);
            }
        }
        self.put_back(at);
    }

    fn put_back(&mut self, series: Option<(Name, Shared<Series>)>) {
        self.listing.series.extend(series);
    }

    /// The catalogue is whole: records of one artifact become one, and those that contradict an earlier one are nobody's.
    pub(super) fn end_catalog(&mut self) {
        for (name, series) in &mut self.listing.series {
            let series: &mut Series = series;
            series.artifacts.sort_unstable_by_key(|artifact| (artifact.id, key_of(artifact, &artifact.generations[0])));
            let (veiled, unreadable) = (&mut self.veiled, &mut series.unreadable);
            series.artifacts.dedup_by(|next, first| {
                if next.id != first.id {
                    return false;
                }
                let agrees = (first.instant, first.slot, first.need, first.set) == (next.instant, next.slot, next.need, next.set);
                if agrees && first.generations.iter().all(|other| other.n != next.generations[0].n) {
                    first.generations.append(&mut next.generations);
                } else {
                    unreadable.push(layout::record(self.instance, name, &key_of(next, &next.generations[0])));
                    veiled.entry(name.clone()).or_default().insert(next.id.to_string());
                }
                true
            });
            series.artifacts.iter_mut().for_each(|artifact| artifact.generations.sort_unstable_by_key(|generation| generation.n));
            series.artifacts.shrink_to_fit();
            series.unreadable.sort_unstable();
        }
    }

    pub(super) fn checks(&mut self, objects: Vec<Object>) {
        let mut cursor = 0;
        for object in objects {
            let Some(Place::Check(name, id, check)) = layout::parse(self.instance, &object.key) else {
                self.foreign(object.key);
                continue;
            };
            let artifact = self.listing.series.get_mut(&name).and_then(|series| find(&mut series.artifacts, &id, &mut cursor));
            match artifact {
                Some(artifact) => {
                    if let Some(generation) = artifact.generations.iter_mut().find(|generation| generation.n == check.generation) {
                        generation.check = Some(standing(generation.check, check));
                    }
                }
                None if self.veiled.get(&name).is_some_and(|ids| ids.contains(&id.to_string())) => {}
                // its artifact was deleted, and the delete ended before its last step
                None => self.listing.leftovers.push(leftover(object)),
            }
        }
    }

    /// A pin on what is not here is left alone: a person set it, and the artifact may be on its way.
    pub(super) fn holds(&mut self, objects: Vec<Object>) {
        let mut cursor = 0;
        for object in objects {
            let Some(Place::Hold(series, id, name)) = layout::parse(self.instance, &object.key) else {
                self.foreign(object.key);
                continue;
            };
            let artifact = self.listing.series.get_mut(&series).and_then(|series| find(&mut series.artifacts, &id, &mut cursor));
            if let Some(artifact) = artifact {
                artifact.holds.push(Hold { name: name.as_str().to_owned() });
            }
        }
    }

    /// Runs are listed by time and expire in about that order, so reading stops at the first that is to stay.
    pub(super) fn runs(&mut self, objects: Vec<Object>, now: Instant) {
        #[derive(Deserialize)]
        struct Expiry {
            expires: Instant,
        }
        let mut left = RUNS;
        for object in objects {
            if !matches!(layout::parse(self.instance, &object.key), Some(Place::Run(..))) {
                self.foreign(object.key);
            } else if left > 0 {
                left -= 1;
                match self.store.get(&object.key).ok().map(|bytes| documents::read::<Expiry>(&bytes)) {
                    Some(Ok(run)) if run.expires <= now => self.listing.expired_runs.push(leftover(object)),
                    Some(Ok(_)) => left = 0,
                    // unreadable, newer or gone: no reason to touch it, nor to look no further
                    Some(Err(_)) | None => {}
                }
            }
        }
    }
}

/// The artifact of one record.
fn artifact(key: &CatalogKey, payload_listed: bool) -> Artifact {
    let CatalogKey { id, instant, slot, need, set, bytes, generation: n } = *key;
    let payload = if bytes == 0 || !payload_listed { Payload::Complete } else { Payload::Damaged };
    let generation = Generation { n, bytes, largest: 0, payload, readable: false, check: None };
    Artifact { id, instant, slot, need, set, generations: vec![generation], holds: Vec::new(), locked_until: None }
}

/// The artifact, from where the last one was found.
pub(super) fn find<'a>(artifacts: &'a mut [Artifact], id: &ArtifactId, cursor: &mut usize) -> Option<&'a mut Artifact> {
    let near = [*cursor, *cursor + 1].into_iter().find(|at| artifacts.get(*at).is_some_and(|artifact| artifact.id == *id));
    let at = near.or_else(|| artifacts.binary_search_by_key(id, |artifact| artifact.id).ok())?;
    *cursor = at;
    artifacts.get_mut(at)
}

pub(super) fn key_of(artifact: &Artifact, generation: &Generation) -> CatalogKey {
    let Artifact { id, instant, slot, need, set, .. } = *artifact;
    CatalogKey { id, instant, slot, need, set, bytes: generation.bytes, generation: generation.n }
}

fn leftover(object: Object) -> Leftover {
    let Object { key, bytes, modified } = object;
    Leftover { key, bytes, modified, abandoned: false, locked_until: None }
}

fn standing(old: Option<Check>, key: CheckKey) -> Check {
    let CheckKey { at, level, verdict, .. } = key;
    let result = match verdict {
        Verdict::Pass => CheckResult::Pass,
        Verdict::Fail => CheckResult::Fail,
        Verdict::Unrun => CheckResult::Unrun,
    };
    let new = Check { at, level, result };
    let Some(old) = old else { return new };
    let replaces = match (old.result, new.result) {
        (CheckResult::Unrun, _) | (_, CheckResult::Fail) => true,
        (_, CheckResult::Unrun) => false,
        (CheckResult::Fail, CheckResult::Pass) => new.level >= old.level,
        (CheckResult::Pass, CheckResult::Pass) => new.level >= old.level.min(1),
    };
    if replaces { new } else { old }
}
